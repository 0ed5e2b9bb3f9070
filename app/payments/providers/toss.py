"""Toss Payments: core API v1 and browser SDK v2, payment window, card and easy pay.

Source: Toss's core API reference and error code pages. Toss has no version header: the version belongs to the key.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx

from app.language import N_
from app.money import Money
from app.payments import wire
from app.payments.provider import (
    Account,
    Attempt,
    Claim,
    Misconfigured,
    Notice,
    Outcome,
    OutcomeStatus,
    RefundRequest,
    Refused,
    Traits,
    Unreachable,
    Unreadable,
    Urls,
    Way,
    Widget,
)

# Toss asks for at least 60 s where money moves: a dropped connection does not stop its work.
PATIENT = httpx.Timeout(60, connect=10)
PROMPT = httpx.Timeout(10)

STATUSES = {
    "READY": OutcomeStatus.OPEN,
    "IN_PROGRESS": OutcomeStatus.AUTHORIZED,
    "WAITING_FOR_DEPOSIT": OutcomeStatus.AWAITING_DEPOSIT,
    "DONE": OutcomeStatus.PAID,
    "PARTIAL_CANCELED": OutcomeStatus.PAID,
    "CANCELED": OutcomeStatus.PAID,
    "ABORTED": OutcomeStatus.FAILED,
    "EXPIRED": OutcomeStatus.EXPIRED,
}

# Toss takes no money, or no more money, for a payment in one of these.
CLOSED = frozenset({OutcomeStatus.PAID, OutcomeStatus.FAILED, OutcomeStatus.EXPIRED, OutcomeStatus.CANCELLED})

# What an error code means for us. A code that stands nowhere here is final when Toss answers 4xx, unknown when 5xx.
MISCONFIGURED = frozenset(
    {
        "INVALID_API_KEY",
        "INCORRECT_BASIC_AUTH_FORMAT",
        "UNAUTHORIZED_KEY",
        "FORBIDDEN_REQUEST",
        "INVALID_IDEMPOTENCY_KEY",
    }
)
# The request may have been done in spite of the answer, and Toss replays the answer for its key.
LOOK_UP = frozenset(
    {
        "ALREADY_PROCESSED_PAYMENT",
        "PROVIDER_ERROR",
        "DUPLICATED_ORDER_ID",
        "NOT_AVAILABLE_BANK",
        "ALREADY_CANCELED_PAYMENT",
        "ALREADY_REFUND_PAYMENT",
        "NOT_MATCHES_REFUNDABLE_AMOUNT",
        "FORBIDDEN_CONSECUTIVE_REQUEST",
        "FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING",
        "FAILED_INTERNAL_SYSTEM_PROCESSING",
        "UNKNOWN_PAYMENT_ERROR",
        "CARD_PROCESSING_ERROR",
        "COMMON_ERROR",
        "FAILED_REFUND_PROCESS",
        "FAILED_METHOD_HANDLING_CANCEL",
        "FAILED_PARTIAL_REFUND",
    }
)
# What may stand in the path of a look-up.
PAYMENT_KEY = re.compile(r"[A-Za-z0-9_=~+-][A-Za-z0-9_=~+.-]{0,199}")
# The shopper closed the window; a failUrl with it may lack the orderId.
LEFT = frozenset({"PAY_PROCESS_CANCELED", "USER_CANCEL"})
# The first request with this key still runs: the same key again, later.
STILL_RUNNING = "IDEMPOTENT_REQUEST_PROCESSING"
# Toss's ten minutes for a confirm are over. Also our word for its status EXPIRED, which comes without a code.
SESSION_OVER = "NOT_FOUND_PAYMENT_SESSION"


class TossError(Exception):
    """An error that Toss answered: `code` decides, never the message."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class Toss:
    traits: ClassVar[Traits] = Traits(
        label=N_("토스페이먼츠"),
        ways={"card": Way(N_("카드·간편결제"), "card", {"KRW": 100})},
        # 30 minutes to authenticate, then 10 to confirm.
        window=timedelta(minutes=40),
        confirm_moves_money=True,
        key_window=timedelta(days=15),
        # Seen in merchants' policies; Toss publishes no list.
        script_hosts=("https://js.tosspayments.com",),
        connect_hosts=("https://*.tosspayments.com",),
        frame_hosts=("https://*.tosspayments.com", "https://*.toss.im"),
    )

    def __init__(self, account: Account, http: httpx.AsyncClient) -> None:
        self.account, self.http = account, http

    async def begin(self, attempt: Attempt, urls: Urls) -> Widget:
        """SDK v2, payment window, redirect form. Toss is told nothing before the window opens."""
        request = {
            "method": "CARD",
            "amount": {"currency": attempt.money.currency, "value": _major(attempt.money)},
            "orderId": attempt.reference,
            "orderName": attempt.order_name[:100],
            "successUrl": urls.success,
            "failUrl": urls.failure,
            "customerEmail": attempt.customer_email,
            "card": {"flowMode": "DEFAULT"},
        }
        if len(attempt.customer_email) > 100:
            del request["customerEmail"]
        params = {
            "provider": "toss",
            "clientKey": self.account.credentials["client_key"],
            # Toss's word for a shopper without an account.
            "customerKey": "@@ANONYMOUS",
            "request": request,
        }
        return Widget("pay/toss.html", self.account.sdk_url, params)

    def read(self, notice: Notice) -> Claim:
        """successUrl gets `paymentKey, orderId, amount`; failUrl `code`, without orderId when the shopper just left."""
        query = notice.query
        if "paymentKey" in query:
            try:
                claim = Claim(query["orderId"], query["paymentKey"], int(query["amount"]))
            except (KeyError, ValueError):
                raise Unreadable("paymentKey without orderId and a whole amount") from None
            if not PAYMENT_KEY.fullmatch(claim.key):
                raise Unreadable("not a paymentKey")
            return claim
        if query.get("code"):
            code = query["code"][:80]
            return Claim(query.get("orderId"), failure=code, left=code in LEFT)
        raise Unreadable("neither paymentKey nor code")

    async def examine(self, attempt: Attempt, claim: Claim) -> Outcome:
        try:
            return self._outcome(await self._get("/v1/payments/{paymentKey}", paymentKey=claim.key or ""))
        except TossError as error:
            if error.code == "NOT_FOUND_PAYMENT":
                raise Unreadable("no such paymentKey") from None
            # The keys of Toss's documentation may confirm but not look up (NOT_FOUND_MERCHANT): confirm compares again.
            raise self._unanswered(error) from None

    async def conclude(self, attempt: Attempt, claim: Claim | None) -> Outcome:
        return await (self._look_up(attempt) if claim is None else self._confirm(attempt, claim))

    async def close(self, attempt: Attempt) -> Outcome:
        """Toss has no call for it: a payment that nobody confirms takes no money, and lapses."""
        return await self._look_up(attempt)

    async def refund(self, request: RefundRequest, attempt: Attempt) -> Outcome:
        """The reason ends with our reference, so that the refund can be found again among `cancels`."""
        body = {
            "cancelReason": f"{request.reason} {request.reference}",
            "cancelAmount": _major(request.money),
            "currency": request.money.currency,
            "refundableAmount": _major(Money(request.balance, request.money.currency)),
        }
        key = f"{request.reference}-refund-{request.attempt}"
        try:
            payment = await self._post(
                "/v1/payments/{paymentKey}/cancel", body, key, paymentKey=attempt.pg_payment_id or ""
            )
        except TossError as error:
            if error.code == STILL_RUNNING or error.code in LOOK_UP or error.status >= 500:
                outcome = await self._look_up(attempt)
                return replace(outcome, retry_key=error.code != STILL_RUNNING)
            if error.code in MISCONFIGURED:
                raise Misconfigured(error.code) from None
            if error.status == 429:
                raise Unreachable(error.code) from None
            raise Refused(error.code) from None
        return self._outcome(payment)

    async def _confirm(self, attempt: Attempt, claim: Claim) -> Outcome:
        body = {"paymentKey": claim.key, "orderId": attempt.reference, "amount": _major(attempt.money)}
        key = f"{attempt.reference}-confirm-{attempt.confirm_try}"
        try:
            return self._outcome(await self._post("/v1/payments/confirm", body, key))
        except TossError as error:
            if error.code == STILL_RUNNING or error.status == 429:
                raise Unreachable(error.code) from None
            if error.code in MISCONFIGURED:
                raise Misconfigured(error.code) from None
            if error.code in LOOK_UP or error.status >= 500:
                return replace(await self._look_up(attempt), retry_key=True)
            expired = error.code == SESSION_OVER
            return self._unpaid(
                attempt,
                OutcomeStatus.EXPIRED if expired else OutcomeStatus.FAILED,
                failure=error.code,
                closed=True,
            )

    async def _look_up(self, attempt: Attempt) -> Outcome:
        try:
            return self._outcome(await self._get("/v1/payments/orders/{orderId}", orderId=attempt.reference))
        except TossError as error:
            if error.code == "NOT_FOUND_PAYMENT":
                # The window was never opened.
                return self._unpaid(attempt, OutcomeStatus.OPEN)
            raise self._unanswered(error) from None

    def _unanswered(self, error: TossError) -> Exception:
        return (Misconfigured if error.code in MISCONFIGURED else Unreachable)(error.code)

    def _unpaid(
        self, attempt: Attempt, status: OutcomeStatus, *, failure: str | None = None, closed: bool = False
    ) -> Outcome:
        return Outcome(
            status=status,
            reference=attempt.reference,
            merchant=self.account.merchant,
            live=self.account.mode == "live",
            amount=attempt.money.amount,
            currency=attempt.money.currency,
            failure=failure,
            closed=closed,
        )

    def _outcome(self, payment: Mapping[str, Any]) -> Outcome:
        """A Payment object in our words. Unknown fields are ignored, as Toss asks; a missing one is no answer."""
        try:
            status = STATUSES[payment["status"]]
            total, balance = (
                _minor(payment["totalAmount"], payment),
                _minor(payment["balanceAmount"], payment),
            )
            approved = payment.get("approvedAt")
            if payment["status"] == "CANCELED" and not approved:
                status = OutcomeStatus.CANCELLED
            captured = total if status is OutcomeStatus.PAID else 0
            return Outcome(
                status=status,
                reference=payment["orderId"],
                merchant=payment["mId"],
                live=self.account.mode == "live",
                amount=total,
                currency=payment["currency"],
                captured=captured,
                refunded=captured - balance if captured else 0,
                pg_payment_id=payment["paymentKey"],
                method=_method(payment),
                paid_at=datetime.fromisoformat(approved) if approved else None,
                receipt_url=(payment.get("receipt") or {}).get("url"),
                failure=SESSION_OVER
                if status is OutcomeStatus.EXPIRED
                else (payment.get("failure") or {}).get("code"),
                closed=status in CLOSED,
                refunds=tuple(
                    (cancel["cancelReason"].rsplit(" ", 1)[-1], cancel["transactionKey"])
                    for cancel in payment.get("cancels") or ()
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unreachable(f"an answer that we cannot read: {type(error).__name__}") from None

    async def _get(self, template: str, **names: str) -> Mapping[str, Any]:
        return await self._call("GET", template, names, timeout=PROMPT)

    async def _post(self, template: str, body: Mapping[str, Any], key: str, **names: str) -> Mapping[str, Any]:
        return await self._call("POST", template, names, timeout=PATIENT, json=body, headers={"Idempotency-Key": key})

    async def _call(self, method: str, template: str, names: Mapping[str, str], **options: Any) -> Mapping[str, Any]:
        """Raises TossError, Unreachable."""
        basic = base64.b64encode(f"{self.account.credentials['secret_key']}:".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", **options.pop("headers", {})}
        status, body = await wire.call(
            self.http,
            method,
            self.account.api_base,
            template,
            names,
            trace_header="x-tosspayments-trace-id",
            headers=headers,
            **options,
        )
        if status < 400:
            return body
        if not body.get("code"):
            raise Unreachable(f"{status} without a code")
        raise TossError(status, str(body["code"])[:80])


def _major(money: Money) -> int | float:
    """Toss wants whole won and yen, but dollars with cents as decimals."""
    units = Money.units(money.currency)
    return money.amount if units == 1 else money.amount / units


def _minor(amount: float, payment: Mapping[str, Any]) -> int:
    """The way back of `_major`."""
    return round(amount * Money.units(payment["currency"]))


def _method(payment: Mapping[str, Any]) -> str | None:
    """For people: the wallet's name where there is one, else Toss's own word (카드, 계좌이체)."""
    easy_pay = payment.get("easyPay") or {}
    return easy_pay.get("provider") or payment.get("method")
