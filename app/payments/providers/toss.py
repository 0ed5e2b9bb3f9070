"""Toss Payments: core API v1 and browser SDK v2, payment window: card, easy pay, transfer, virtual account.

Source: Toss's core API reference and error code pages. Toss has no version header: the version belongs to the key.
"""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

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
    NeedsReceiver,
    Notice,
    Outcome,
    OutcomeStatus,
    RefundRequest,
    Refused,
    Traits,
    Transaction,
    Unreachable,
    Unreadable,
    Urls,
    Way,
    Widget,
)
from app.payments.providers.decisions import Decision
from app.payments.providers.toss_errors import BAD_RECEIVER, FORBIDDEN, NOT_FOUND, SESSION_OVER, TossError
from app.payments.providers.toss_payment import (
    BANKS,
    DEPOSIT,
    TAG,
    local_time,
    read_payment,
    read_transaction,
    to_major,
)

# Toss asks for at least 60 s where money moves: a dropped connection does not stop its work.
PATIENT = httpx.Timeout(60, connect=10)
PROMPT = httpx.Timeout(10)
# A shopper is waiting for the page, and the confirm is still to come.
BRISK = httpx.Timeout(4)


# What may stand in the path of a look-up.
PAYMENT_KEY = re.compile(r"[A-Za-z0-9_=~+-][A-Za-z0-9_=~+.-]{0,199}")
# The shopper closed the window; a failUrl with it may lack the orderId.
LEFT = frozenset({"PAY_PROCESS_CANCELED", "USER_CANCEL"})
CARD = "card"
TRANSFER = "transfer"
VIRTUAL_ACCOUNT = "virtual_account"
# Straight to the wallet, past the window's choice of cards.
WALLETS = {"tosspay": "TOSSPAY", "kakaopay": "KAKAOPAY", "naverpay": "NAVERPAY"}
DEPOSIT_HOURS = 72
STATUS_CHANGED = "PAYMENT_STATUS_CHANGED"
PAGE = 1000


class Toss:
    traits: ClassVar[Traits] = Traits(
        label=N_("토스페이먼츠"),
        ways={
            CARD: Way(N_("카드·간편결제"), "card", {"KRW": 100}),
            "tosspay": Way(N_("토스페이"), "wallet", {"KRW": 100}),
            "kakaopay": Way(N_("카카오페이"), "wallet", {"KRW": 100}),
            "naverpay": Way(N_("네이버페이"), "wallet", {"KRW": 100}),
            TRANSFER: Way(N_("계좌이체"), "bank", {"KRW": 200}),
            VIRTUAL_ACCOUNT: Way(N_("가상계좌"), "bank", {"KRW": 200}),
        },
        # 30 minutes to authenticate, then 10 to confirm.
        window=timedelta(minutes=40),
        confirm_moves_money=True,
        can_close=False,
        key_window=timedelta(days=15),
        public_key="client_key",
        secrets=("secret_key",),
        # Seen in merchants' policies; Toss publishes no list.
        script_hosts=("https://js.tosspayments.com",),
        connect_hosts=("https://*.tosspayments.com",),
        frame_hosts=("https://*.tosspayments.com", "https://*.toss.im"),
        banks=BANKS,
    )

    def __init__(self, account: Account, http: httpx.AsyncClient) -> None:
        self.account, self.http = account, http

    @staticmethod
    def mode_of(credentials: Mapping[str, str]) -> Literal["test", "live"]:
        for mode in ("test", "live"):
            prefixes = (f"{mode}_ck_", f"{mode}_sk_")
            if credentials["client_key"].startswith(prefixes[0]) and credentials["secret_key"].startswith(prefixes[1]):
                return mode
        raise ValueError(
            "The client key must begin with test_ck_ or live_ck_ and the secret key with the matching test_sk_ or "
            "live_sk_: the API keys of one pair, not the widget's (gck, gsk)."
        )

    async def begin(self, attempt: Attempt, urls: Urls) -> Widget:
        """SDK v2, payment window, redirect form. Toss is told nothing before the window opens."""
        request = {
            **_method_of(attempt.way),
            "amount": {"currency": attempt.money.currency, "value": to_major(attempt.money)},
            "orderId": attempt.reference,
            "orderName": attempt.order_name[:100],
            "successUrl": urls.success,
            "failUrl": urls.failure,
            "customerEmail": attempt.customer_email,
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
        return Widget("pay.html", self.account.sdk_url, params)

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
            if "data" not in body and body.get("eventType") not in (None, STATUS_CHANGED):
                # Payouts and sellers.
                return None
            data = body["data"] if "eventType" in body else body
            reference = data.get("orderId")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Unreadable("not one of Toss's webhooks") from None
        if not (isinstance(reference, str) and TAG.fullmatch(reference)):
            return None
        name = delivery.headers.get("tosspayments-webhook-transmission-id") or hashlib.sha256(delivery.body).hexdigest()
        if "eventType" in body:
            return Heard(name, str(body["eventType"])[:60], reference)
        secret = body.get("secret")
        return Heard(name, "DEPOSIT_CALLBACK", reference, proof=secret if isinstance(secret, str) else "")

    async def examine(self, attempt: Attempt, claim: Claim) -> Outcome:
        try:
            payment = await self._get("/v1/payments/{paymentKey}", BRISK, paymentKey=claim.key or "")
        except TossError as error:
            if error.code in (NOT_FOUND, FORBIDDEN):
                raise Unreadable("no such paymentKey of ours") from None
            # The keys of Toss's documentation may confirm but not look up (NOT_FOUND_MERCHANT): confirm compares again.
            raise _no_answer(error) from None
        if (payment.get("method") == DEPOSIT) != (attempt.way == VIRTUAL_ACCOUNT):
            # A confirm would charge a card, or give an account number to pay into, where the other was asked for.
            raise Unreadable("another way to pay")
        return self._read(payment)

    async def conclude(self, attempt: Attempt, claim: Claim | None) -> Outcome:
        return await (self._look_up(attempt) if claim is None else self._confirm(attempt, claim))

    async def close(self, attempt: Attempt) -> Outcome:
        """Only a virtual account can be closed, by a cancel; any other payment that nobody confirms takes no money."""
        seen = await self._look_up(attempt)
        if seen.status is not OutcomeStatus.AWAITING_DEPOSIT:
            return seen
        body = {"cancelReason": "구매자가 다른 방법으로 결제", "cancelAmount": to_major(attempt.money)}
        key = f"{attempt.reference}-close-{attempt.confirm_try}"
        try:
            return self._read(
                await self._post("/v1/payments/{paymentKey}/cancel", body, key, paymentKey=seen.pg_payment_id or "")
            )
        except TossError as error:
            # A deposit may have been faster.
            return await self._unless_final(attempt, error) or await self._look_after(attempt)

    async def refund(self, request: RefundRequest, attempt: Attempt) -> Outcome:
        """The reason ends with our reference, so that the refund can be found again among `cancels`."""
        if attempt.way == VIRTUAL_ACCOUNT and request.receiver is None:
            raise NeedsReceiver
        body: dict[str, Any] = {
            "cancelReason": f"{request.reason} {request.reference}",
            "cancelAmount": to_major(request.money),
            "currency": request.money.currency,
            "refundableAmount": to_major(Money(request.balance, request.money.currency)),
        }
        if request.receiver:
            body["refundReceiveAccount"] = {
                "bank": request.receiver.bank,
                "accountNumber": request.receiver.number,
                "holderName": request.receiver.holder,
            }
        key = f"{request.reference}-refund-{request.attempt}"
        try:
            payment = await self._post(
                "/v1/payments/{paymentKey}/cancel", body, key, paymentKey=attempt.pg_payment_id or ""
            )
        except TossError as error:
            outcome = await self._unless_final(attempt, error)
            if outcome is None and request.receiver and error.code in BAD_RECEIVER:
                raise NeedsReceiver(error.code) from None
            if outcome is None:
                raise Refused(error.code) from None
            return outcome
        return self._read(payment)

    async def transactions(self, since: datetime, until: datetime) -> AsyncIterator[Transaction]:
        """One row for each approval and each cancel. Toss counts in whole seconds, both ends included."""
        query = {
            "startDate": local_time(since),
            "endDate": local_time(until - timedelta(seconds=1)),
            "limit": str(PAGE),
        }
        while True:
            rows = await self._list("/v1/transactions", query)
            for row in rows:
                transaction = read_transaction(row)
                if transaction is not None:
                    yield transaction
            if len(rows) < PAGE:
                return
            last = rows[-1]["transactionKey"]
            if query.get("startingAfter") == last:
                raise Unreachable("a list that does not go on")
            query["startingAfter"] = last

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

    async def _list(self, template: str, query: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Raises Unreachable, Misconfigured."""
        try:
            answer = await self._call("GET", template, {}, timeout=PATIENT, params=query)
        except TossError as error:
            raise _no_answer(error) from None
        rows = answer.get(wire.ROWS)
        if rows is None:
            raise Unreachable("not a list")
        return rows

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
            code_of=lambda body: body.get("code"),
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


def _method_of(way: str) -> dict[str, Any]:
    """Toss's `method` and the block that belongs to it."""
    if way == TRANSFER:
        return {"method": "TRANSFER"}
    if way == VIRTUAL_ACCOUNT:
        return {
            "method": "VIRTUAL_ACCOUNT",
            "virtualAccount": {"validHours": DEPOSIT_HOURS, "cashReceipt": {"type": "미발행"}},
        }
    if way in WALLETS:
        return {"method": "CARD", "card": {"flowMode": "DIRECT", "easyPay": WALLETS[way]}}
    return {"method": "CARD", "card": {"flowMode": "DEFAULT"}}
