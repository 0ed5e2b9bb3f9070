"""PortOne: V2 REST API and browser SDK, redirect form, automatic approval and manual confirm.

Source: PortOne's V2 API reference 1.16.0 and developer guides. PortOne stands before other PGs: the channel chooses.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

import httpx

from app.language import N_
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
    Over,
    RefundRequest,
    Refused,
    Traits,
    Transaction,
    Unreachable,
    Urls,
    Way,
    Widget,
)
from app.payments.providers.decisions import Decision
from app.payments.providers.portone_client import BRISK, PROMPT, Client, no_answer
from app.payments.providers.portone_errors import ALREADY_PAID, NOT_FOUND, PortOneError
from app.payments.providers.portone_names import BANKS, DEPOSIT
from app.payments.providers.portone_payment import read_payment, read_transactions
from app.payments.providers.portone_webhook import keys_of, read_event, verify
from app.payments.providers.portone_window import CARD, NAME, TRANSFER, VIRTUAL_ACCOUNT, read_return, request_of

# Our word for a cancel that PortOne took and that failed there; it tells no reason.
FAILED_REFUND = "CANCELLATION_FAILED"

# PortOne lists payments by when they were made: a refund of an older one is not seen. It is the list's own default.
REFUNDS_COME_WITHIN = timedelta(days=90)
PAGE = 200


class PortOne:
    traits: ClassVar[Traits] = Traits(
        label=N_("포트원"),
        ways={
            # [U] The least amount is up to the channel's PG; in won these are Toss's and Naver Pay's.
            CARD: Way(N_("카드"), "card", {"KRW": 100, "JPY": 50, "USD": 50, "EUR": 50}),
            "kakaopay": Way(N_("카카오페이"), "wallet", {"KRW": 100}),
            "naverpay": Way(N_("네이버페이"), "wallet", {"KRW": 100}),
            "tosspay": Way(N_("토스페이"), "wallet", {"KRW": 100}),
            TRANSFER: Way(N_("계좌이체"), "bank", {"KRW": 200}),
            VIRTUAL_ACCOUNT: Way(N_("가상계좌"), "bank", {"KRW": 200}),
        },
        # [U] PortOne tells no end; this is longer than the windows of the PGs behind it.
        window=timedelta(minutes=60),
        # A channel that approves automatically takes money without us.
        confirm_moves_money=False,
        can_close=False,
        key_window=timedelta(hours=3),
        public_key="channel_key",
        secrets=("api_secret", "webhook_secret"),
        # Seen in merchants' policies; PortOne publishes no list, and the channel's PG adds its own.
        script_hosts=("https://cdn.portone.io",),
        connect_hosts=("https://*.portone.io",),
        frame_hosts=("https://*.portone.io",),
        banks=BANKS,
    )

    def __init__(self, account: Account, http: httpx.AsyncClient) -> None:
        self.account, self.client = account, Client(account, http)

    @staticmethod
    def mode_of(credentials: Mapping[str, str]) -> Literal["test", "live"]:
        """Nothing in the keys tells it, so it is said beside them: what PortOne's console calls the channel."""
        if not credentials["store_id"].startswith("store-"):
            raise ValueError("The store id must begin with store-, as PortOne's console shows it above the API keys.")
        if not credentials["channel_key"].startswith("channel-key-"):
            raise ValueError("The channel key must begin with channel-key-: each channel in PortOne's console has one.")
        secret = credentials["api_secret"]
        if not NAME.fullmatch(secret) or secret.startswith(("store-", "channel-key-", "whsec_")):
            raise ValueError("The API secret must be the V2 API secret as it is, not an id or the webhook secret.")
        try:
            keys_of(credentials.get("webhook_secret", ""))
        except ValueError:
            raise ValueError("The webhook secret must be as PortOne shows it: whsec_ and base64.") from None
        match credentials.get("mode") or "test":
            case "test" | "live" as mode:
                return mode
        raise ValueError("The mode must be test or live, as PortOne's console calls the channel.")

    async def begin(self, attempt: Attempt, urls: Urls) -> Widget:
        """Tells PortOne the amount, so that no page can have another one paid under our paymentId."""
        amount = {"totalAmount": attempt.money.amount, "currency": attempt.money.currency}
        try:
            await self.client.pre_register(attempt.reference, amount)
        except PortOneError as error:
            if error.type == ALREADY_PAID:
                raise Over(error.code) from None
            if error.decision is Decision.FINAL:
                # Nothing in the request comes from the shopper.
                raise Misconfigured(error.code) from None
            raise no_answer(error) from None
        params = {"provider": "portone", "request": request_of(self.account, attempt, urls)}
        return Widget("pay.html", self.account.sdk_url, params)

    def read(self, notice: Notice) -> Claim:
        return read_return(notice.query)

    def hear(self, delivery: Delivery) -> Heard | None:
        verify(delivery, self.account.credentials.get("webhook_secret", ""))
        return read_event(delivery, self.client.store_id)

    async def examine(self, attempt: Attempt, claim: Claim) -> Outcome:
        """[U] With a token in hand a payment is READY or not to be found yet. A false token fails at the confirm."""
        return _held(claim, await self._look_up(attempt, BRISK))

    async def conclude(self, attempt: Attempt, claim: Claim | None) -> Outcome:
        if claim is None or claim.key is None:
            return await self._look_up(attempt)
        return await self._confirm(attempt, claim)

    async def close(self, attempt: Attempt) -> Outcome:
        """Only a virtual account can be closed; a window cannot."""
        seen = await self._look_up(attempt)
        if seen.deposit is None:
            return seen
        try:
            await self.client.close_virtual_account(attempt.reference)
        except PortOneError as error:
            # A deposit may have been faster.
            return await self._look_after(attempt, error)
        seen = await self._look_after(attempt)
        if seen.deposit is None:
            return seen
        # [U] What its status is then. That the account takes no money any more was just said.
        return replace(seen, status=OutcomeStatus.CANCELLED, failure=None, deposit=None, closed=True)

    async def refund(self, request: RefundRequest, attempt: Attempt) -> Outcome:
        """The reason ends with our reference, so that the refund can be found again among `cancellations`."""
        if attempt.way == VIRTUAL_ACCOUNT and request.receiver is None:
            raise NeedsReceiver
        body: dict[str, Any] = {
            "amount": request.money.amount,
            "reason": f"{request.reason} {request.reference}",
            "currentCancellableAmount": request.balance,
        }
        if request.receiver:
            body["refundAccount"] = {
                "bank": request.receiver.bank,
                "number": request.receiver.number,
                "holderName": request.receiver.holder,
            }
        try:
            answer = await self.client.cancel(attempt.reference, body, f"{request.reference}-refund-{request.attempt}")
        except PortOneError as error:
            return await self._unrefunded(request, attempt, error)
        # That it was answered with 200 does not say that it was done.
        match answer.get("cancellation"):
            case {"status": "FAILED"}:
                raise Refused(FAILED_REFUND)
            case {"status": "SUCCEEDED" | "REQUESTED"}:
                return await self._look_after(attempt)
        raise Unreachable("a cancel without a cancellation that we can read")

    async def transactions(self, since: datetime, until: datetime) -> AsyncIterator[Transaction]:
        query = {"from": (since - REFUNDS_COME_WITHIN).isoformat(), "until": until.isoformat(), "size": PAGE}
        while rows := await self._page(query):
            for row in rows:
                for transaction in read_transactions(row["payment"], self.account):
                    if since <= transaction.at < until:
                        yield transaction
            last = rows[-1]["cursor"]
            if query.get("cursor") == last:
                raise Unreachable("a list that does not go on")
            query["cursor"] = last

    async def _confirm(self, attempt: Attempt, claim: Claim) -> Outcome:
        body = {
            "paymentToken": claim.key,
            "totalAmount": attempt.money.amount,
            "currency": attempt.money.currency,
            "isTest": self.account.mode == "test",
        }
        try:
            await self.client.confirm(attempt.reference, body, f"{attempt.reference}-confirm-{attempt.confirm_try}")
        except PortOneError as error:
            return await self._unconfirmed(attempt, claim, error)
        # The answer tells neither the status nor the amount.
        return _held(claim, await self._look_after(attempt))

    async def _unconfirmed(self, attempt: Attempt, claim: Claim, error: PortOneError) -> Outcome:
        """How the payment stands after a confirm that was answered with an error."""
        seen = await self._look_after(attempt, error)
        if seen.status is not OutcomeStatus.OPEN:
            return seen
        if error.decision is Decision.FINAL:
            # Not closed: another attempt under the same paymentId may still succeed.
            return replace(seen, status=OutcomeStatus.FAILED, failure=error.code)
        return replace(_held(claim, seen), retry_key=True)

    async def _unrefunded(self, request: RefundRequest, attempt: Attempt, error: PortOneError) -> Outcome:
        """How the payment stands after a cancel that was answered with an error."""
        seen = await self._look_after(attempt, error)
        if any(refund.reference == request.reference and refund.status != "failed" for refund in seen.refunds):
            return seen
        if seen.method == DEPOSIT and (request.receiver is None or error.may_be_about_receiver):
            raise NeedsReceiver(error.code)
        if error.decision is Decision.FINAL:
            raise Refused(error.code)
        return replace(seen, retry_key=True)

    async def _look_after(self, attempt: Attempt, error: PortOneError | None = None) -> Outcome:
        """A look-up after a request that was let in: that our keys are refused now says nothing about it."""
        if error and error.decision in (Decision.RETRY, Decision.MISCONFIGURED):
            raise no_answer(error) from None
        try:
            return await self._look_up(attempt)
        except Misconfigured as refusal:
            raise Unreachable(str(refusal)) from None

    async def _look_up(self, attempt: Attempt, patience: httpx.Timeout = PROMPT) -> Outcome:
        try:
            return read_payment(await self.client.fetch(attempt.reference, patience), self.account)
        except PortOneError as error:
            if error.type == NOT_FOUND:
                return self._untouched(attempt)
            raise no_answer(error) from None

    def _untouched(self, attempt: Attempt) -> Outcome:
        """PortOne knows no payment before its window opens, which it still may."""
        return Outcome(
            status=OutcomeStatus.OPEN,
            reference=attempt.reference,
            merchant=self.client.store_id,
            live=self.account.mode == "live",
            amount=attempt.money.amount,
            currency=attempt.money.currency,
        )

    async def _page(self, query: Mapping[str, object]) -> list[Mapping[str, Any]]:
        try:
            return await self.client.list_payments(query)
        except PortOneError as error:
            raise no_answer(error) from None


def _held(claim: Claim, seen: Outcome) -> Outcome:
    """With a token in hand, what is not paid yet waits for our confirm."""
    if claim.key and seen.status is OutcomeStatus.OPEN:
        return replace(seen, status=OutcomeStatus.AUTHORIZED)
    return seen
