"""Toss Payments: core API v1 and browser SDK v2, payment window, card and easy pay.

Source: Toss's core API reference and error code pages. Toss has no version header: the version belongs to the key.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import httpx

from app.language import N_
from app.money import Money
from app.payments import wire
from app.payments.provider import (
    Account,
    Attempt,
    Claim,
    Delivery,
    Heard,
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
from app.payments.providers.toss_errors import FORBIDDEN, NOT_FOUND, SESSION_OVER, Decision, TossError
from app.payments.providers.toss_payment import DEPOSIT, read_payment, to_major

# Toss asks for at least 60 s where money moves: a dropped connection does not stop its work.
PATIENT = httpx.Timeout(60, connect=10)
PROMPT = httpx.Timeout(10)
# A shopper is waiting for the page, and the confirm is still to come.
BRISK = httpx.Timeout(4)


# What may stand in the path of a look-up.
PAYMENT_KEY = re.compile(r"[A-Za-z0-9_=~+-][A-Za-z0-9_=~+.-]{0,199}")
# The shopper closed the window; a failUrl with it may lack the orderId.
LEFT = frozenset({"PAY_PROCESS_CANCELED", "USER_CANCEL"})


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
            "amount": {"currency": attempt.money.currency, "value": to_major(attempt.money)},
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

    def hear(self, delivery: Delivery) -> Heard | None:
        """Toss does not sign the webhooks of payments: only the orderId is taken, and the payment is fetched.

        DEPOSIT_CALLBACK is flat and bears no eventType; every other event without an orderId is not about a payment.
        """
        try:
            body = json.loads(delivery.body)
            data = body["data"] if "eventType" in body else body
            reference = data.get("orderId")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Unreadable("not one of Toss's webhooks") from None
        if not isinstance(reference, str):
            return None
        name = delivery.headers.get("tosspayments-webhook-transmission-id")
        return Heard(name or hashlib.sha256(delivery.body).hexdigest(), reference[:64])

    async def examine(self, attempt: Attempt, claim: Claim) -> Outcome:
        try:
            payment = await self._get("/v1/payments/{paymentKey}", BRISK, paymentKey=claim.key or "")
        except TossError as error:
            if error.code in (NOT_FOUND, FORBIDDEN):
                raise Unreadable("no such paymentKey of ours") from None
            # The keys of Toss's documentation may confirm but not look up (NOT_FOUND_MERCHANT): confirm compares again.
            raise _no_answer(error) from None
        if payment.get("method") == DEPOSIT:
            # Confirming it would give an account number to pay into, which nobody asked for.
            raise Unreadable("another way to pay")
        return self._read(payment)

    async def conclude(self, attempt: Attempt, claim: Claim | None) -> Outcome:
        return await (self._look_up(attempt) if claim is None else self._confirm(attempt, claim))

    async def close(self, attempt: Attempt) -> Outcome:
        """Toss has no call for it: a payment that nobody confirms takes no money, and lapses."""
        return await self._look_up(attempt)

    async def refund(self, request: RefundRequest, attempt: Attempt) -> Outcome:
        """The reason ends with our reference, so that the refund can be found again among `cancels`."""
        body = {
            "cancelReason": f"{request.reason} {request.reference}",
            "cancelAmount": to_major(request.money),
            "currency": request.money.currency,
            "refundableAmount": to_major(Money(request.balance, request.money.currency)),
        }
        key = f"{request.reference}-refund-{request.attempt}"
        try:
            payment = await self._post(
                "/v1/payments/{paymentKey}/cancel", body, key, paymentKey=attempt.pg_payment_id or ""
            )
        except TossError as error:
            outcome = await self._unless_final(attempt, error)
            if outcome is None:
                raise Refused(error.code) from None
            return outcome
        return self._read(payment)

    async def _confirm(self, attempt: Attempt, claim: Claim) -> Outcome:
        body = {"paymentKey": claim.key, "orderId": attempt.reference, "amount": to_major(attempt.money)}
        key = f"{attempt.reference}-confirm-{attempt.confirm_try}"
        try:
            return self._read(await self._post("/v1/payments/confirm", body, key))
        except TossError as error:
            return await self._unless_final(attempt, error) or await self._refused(attempt, error)

    async def _unless_final(self, attempt: Attempt, error: TossError) -> Outcome | None:
        """How the payment stands after an error that may not be the end; None where it is."""
        match error.decision:
            case Decision.MISCONFIGURED | Decision.RETRY:
                raise _no_answer(error) from None
            case Decision.LOOK_UP:
                return replace(await self._look_after(attempt), retry_key=True)
            case Decision.FINAL:
                return None

    async def _look_after(self, attempt: Attempt) -> Outcome:
        """A look-up after a request that may have been done: that our keys are refused now says nothing about it."""
        try:
            return await self._look_up(attempt)
        except Misconfigured as error:
            raise Unreachable(str(error)) from None

    async def _refused(self, attempt: Attempt, error: TossError) -> Outcome:
        """A refusal is believed unless a look-up contradicts it; without one, only where we know the code."""
        try:
            seen = await self._look_after(attempt)
        except Unreachable:
            if not error.is_known:
                raise
        else:
            if seen.status in (OutcomeStatus.PAID, OutcomeStatus.AWAITING_DEPOSIT):
                return seen
        status = OutcomeStatus.EXPIRED if error.code == SESSION_OVER else OutcomeStatus.FAILED
        return self._unpaid(attempt, status, failure=error.code, closed=True)

    async def _look_up(self, attempt: Attempt) -> Outcome:
        try:
            return self._read(await self._get("/v1/payments/orders/{orderId}", PROMPT, orderId=attempt.reference))
        except TossError as error:
            if error.code == NOT_FOUND:
                # The window was never opened.
                return self._unpaid(attempt, OutcomeStatus.OPEN)
            raise _no_answer(error) from None

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

    def _read(self, payment: Mapping[str, Any]) -> Outcome:
        return read_payment(payment, self.account)

    async def _get(self, template: str, patience: httpx.Timeout, **names: str) -> Mapping[str, Any]:
        return await self._call("GET", template, names, timeout=patience)

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


def _no_answer(error: TossError) -> Exception:
    return (Misconfigured if error.decision is Decision.MISCONFIGURED else Unreachable)(error.code)
