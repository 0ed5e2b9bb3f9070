"""Stripe: Checkout Sessions (its own page) or PaymentIntents with the Payment Element (its script in our page).

Source: Stripe's API reference, version 2026-10-28.endive. Stripe names payments itself: ours stands in
`client_reference_id` and in the metadata, and money moves on Stripe's side, without a confirm of ours.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

import httpx

from app import clock
from app.language import N_
from app.payments.provider import (
    Account,
    Attempt,
    Claim,
    Delivery,
    Handoff,
    Heard,
    Misconfigured,
    Notice,
    Outcome,
    OutcomeStatus,
    Over,
    Redirect,
    RefundRequest,
    RefundSeen,
    Refused,
    StoredError,
    Traits,
    Transaction,
    Unreachable,
    Unreadable,
    Urls,
    Way,
    Widget,
)
from app.payments.providers import stripe_events
from app.payments.providers.decisions import Decision
from app.payments.providers.stripe_api import BRISK, PATIENT, PROMPT, StripeApi
from app.payments.providers.stripe_errors import StripeError
from app.payments.providers.stripe_payment import (
    WINDOW_OVER,
    is_disputed,
    read_captured,
    read_dispute,
    read_payment,
    read_refund,
    read_refunded,
)
from app.payments.providers.stripe_requests import INTENT, SESSION, WINDOW, intent_of, kind_of, session_of

# A Session must live for at least 30 minutes when it is made, and ours ends with the window.
LATEST_BEGIN = timedelta(minutes=29)
# What Stripe answers to a refund that needs the shopper's address.
MISSING = "parameter_missing"
# The shopper left Stripe's page by its way back, which tells nothing by itself.
LEFT = "CANCELED_BY_SHOPPER"


class Stripe:
    traits: ClassVar[Traits] = Traits(
        label="Stripe",
        # What the card form offers beside cards is the account's own setting. Stripe's least amount is 50 cents or its
        # worth in the currency; [U] for won: one that is too small is refused when the payment begins.
        ways={"stripe": Way(N_("카드"), "globe", {"KRW": 700, "JPY": 50, "USD": 50, "EUR": 50})},
        window=WINDOW,
        confirm_moves_money=False,
        can_close=True,
        key_window=timedelta(hours=24),
        public_key="publishable_key",
        secrets=("secret_key", "webhook_secret"),
        # From Stripe's security guide. Its own page is a plain redirect and needs none.
        script_hosts=("https://js.stripe.com", "https://*.js.stripe.com"),
        connect_hosts=("https://api.stripe.com",),
        frame_hosts=("https://js.stripe.com", "https://*.js.stripe.com", "https://hooks.stripe.com"),
    )

    def __init__(self, account: Account, http: httpx.AsyncClient) -> None:
        self.account, self.api = account, StripeApi(account, http)

    @staticmethod
    def mode_of(credentials: Mapping[str, str]) -> Literal["test", "live"]:
        publishable, secret = credentials.get("publishable_key", ""), credentials.get("secret_key", "")
        if not publishable.startswith(("pk_test_", "pk_live_")):
            raise ValueError("A publishable key of Stripe begins with pk_test_ or pk_live_.")
        if not secret.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
            raise ValueError("A secret key of Stripe begins with sk_test_, sk_live_, rk_test_ or rk_live_.")
        if publishable[3:7] != secret[3:7]:
            raise ValueError("One of the two keys is for test payments and the other for live ones.")
        if not all(webhook.startswith("whsec_") for webhook in stripe_events.secrets_of(credentials)):
            raise ValueError("A webhook secret of Stripe begins with whsec_.")
        return "live" if secret[3:7] == "live" else "test"

    async def begin(self, attempt: Attempt, urls: Urls) -> Handoff:
        """A request that Stripe refuses for good, such as an `amount_too_small`, raises Misconfigured with its code."""
        try:
            if attempt.pg_session_id:
                found = await self._fetch(attempt.pg_session_id, BRISK)
            else:
                found = await self._make(attempt, urls)
        except StripeError as error:
            if error.decision is Decision.FINAL:
                raise Misconfigured(error.code) from None
            if error.decision is Decision.LOOK_UP:
                raise StoredError(error.code) from None
            raise error.as_no_answer() from None
        if read_payment(found, self.account).status is not OutcomeStatus.OPEN:
            raise Over(attempt.reference)
        if found["object"] == "checkout.session":
            return Redirect(_told(found, "url"), _told(found, "id"))
        params = {
            "provider": "stripe",
            "publishableKey": self.account.credentials["publishable_key"],
            "clientSecret": _told(found, "client_secret"),
            "returnUrl": urls.success,
            "locale": attempt.locale,
        }
        return Widget("pay/stripe.html", self.account.sdk_url, params, _told(found, "id"))

    def read(self, notice: Notice) -> Claim:
        """Only that the shopper came back. What is then asked about stands in our row, not in the query."""
        query = notice.query
        if query.get("left"):
            return Claim(None, failure=LEFT, left=True)
        if query.get("session") or (query.get("payment_intent") and query.get("redirect_status")):
            return Claim(None)
        raise Unreadable("neither a session nor a payment_intent with its redirect_status")

    def hear(self, delivery: Delivery) -> Heard | None:
        return stripe_events.hear(delivery, self.account)

    async def examine(self, attempt: Attempt, claim: Claim) -> Outcome:
        """Stripe knows no claims with a key: a look-up."""
        return await self._look_up(attempt)

    async def conclude(self, attempt: Attempt, claim: Claim | None) -> Outcome:
        """There is nothing to confirm: a look-up, whatever is claimed."""
        return await self._look_up(attempt)

    async def close(self, attempt: Attempt) -> Outcome:
        """Expires the Session or cancels the PaymentIntent. What cannot be closed any more is looked up."""
        made = attempt.pg_session_id
        if made is None:
            return self._never_begun(attempt)
        kind = kind_of(made)
        try:
            closed = await self.api.post(f"{kind.path}/{{id}}/{kind.end}", {"expand": kind.expand}, PATIENT, id=made)
        except StripeError as error:
            if error.decision in (Decision.RETRY, Decision.MISCONFIGURED):
                raise error.as_no_answer() from None
            return await self._look_after(attempt)
        return read_payment(closed, self.account)

    async def refund(self, request: RefundRequest, attempt: Attempt) -> Outcome:
        """Our reference stands in the metadata. Stripe compares no balance: it is compared here, just before."""
        seen = await self._look_up(attempt)
        ours = _find(seen, request.reference)
        if ours is not None and ours.status == "failed":
            raise Refused(ours.failure or "refund_failed")
        if ours is not None or seen.captured - seen.refunded != request.balance:
            return seen
        body = {
            "payment_intent": seen.pg_payment_id,
            "amount": request.money.amount,
            "reason": "requested_by_customer",
            "metadata": {"reference": request.reference},
        }
        key = f"{request.reference}-refund-{request.attempt}"
        try:
            made = await self._send_back(body, key, attempt.customer_email)
        except StripeError as error:
            match error.decision:
                case Decision.FINAL:
                    raise Refused(error.code) from None
                case Decision.LOOK_UP:
                    return replace(await self._look_after(attempt), retry_key=True)
                case _:
                    raise error.as_no_answer() from None
        if made.status == "failed":
            raise Refused(made.failure or "refund_failed")
        return await self._look_after(attempt)

    async def _send_back(self, body: Mapping[str, Any], key: str, email: str) -> RefundSeen:
        """Where a bank's way has no way back, Stripe writes to the shopper, who says where the money goes."""
        try:
            return read_refund(await self.api.post("/v1/refunds", body, PATIENT, key))
        except StripeError as error:
            if error.code != MISSING or not email:
                raise
        with_email = {**body, "instructions_email": email}
        return read_refund(await self.api.post("/v1/refunds", with_email, PATIENT, f"{key}-mail"))

    async def transactions(self, since: datetime, until: datetime) -> AsyncIterator[Transaction]:
        """Stripe keeps whole seconds. A refund's row tells its payment by Stripe's id alone."""
        span = {"created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())}}
        try:
            async for charge in self.api.rows("/v1/charges", span):
                if (transaction := read_captured(charge)) is not None:
                    yield transaction
            async for refund in self.api.rows("/v1/refunds", span):
                if (transaction := read_refunded(refund)) is not None:
                    yield transaction
        except StripeError as error:
            raise error.as_no_answer() from None

    async def _make(self, attempt: Attempt, urls: Urls) -> Mapping[str, Any]:
        """Everything comes from stored columns, so that a repeat with the same key is the same request."""
        if clock.now() > attempt.created_at + LATEST_BEGIN:
            raise Over(attempt.reference)
        if self.account.handoff == "redirect":
            path, body = SESSION.path, session_of(attempt, urls)
        else:
            path, body = INTENT.path, intent_of(attempt)
        return await self.api.post(path, body, PROMPT, f"{attempt.reference}-begin-{attempt.begin_try}")

    async def _fetch(self, made: str, patience: httpx.Timeout) -> Mapping[str, Any]:
        kind = kind_of(made)
        return await self.api.get(f"{kind.path}/{{id}}", {"expand": kind.expand}, patience, id=made)

    async def _look_up(self, attempt: Attempt) -> Outcome:
        if attempt.pg_session_id is None:
            return self._never_begun(attempt)
        try:
            return await self._complete(await self._fetch(attempt.pg_session_id, PROMPT))
        except StripeError as error:
            raise error.as_no_answer() from None

    async def _look_after(self, attempt: Attempt) -> Outcome:
        """A look-up after a request that may have been done: that our keys are refused now says nothing about it."""
        try:
            return await self._look_up(attempt)
        except Misconfigured as error:
            raise Unreachable(str(error)) from None

    async def _complete(self, found: Mapping[str, Any]) -> Outcome:
        """What was found, and where money was captured, its refunds and disputes. Raises StripeError too."""
        outcome = read_payment(found, self.account)
        if not outcome.captured:
            return outcome
        whose = {"payment_intent": outcome.pg_payment_id}
        refunds = [read_refund(refund) async for refund in self.api.rows("/v1/refunds", whose)]
        disputes = []
        if is_disputed(found):
            disputes = [read_dispute(dispute) async for dispute in self.api.rows("/v1/disputes", whose)]
        return replace(outcome, refunds=tuple(refunds), disputes=tuple(disputes))

    def _never_begun(self, attempt: Attempt) -> Outcome:
        """What `begin` makes is stored before a shopper gets it, and none is made after LATEST_BEGIN: without one
        nothing was ever payable, and once the window is over nothing can be."""
        is_over = clock.now() >= attempt.created_at + WINDOW
        return Outcome(
            status=OutcomeStatus.EXPIRED if is_over else OutcomeStatus.OPEN,
            reference=attempt.reference,
            merchant=self.account.merchant,
            live=self.account.mode == "live",
            amount=attempt.money.amount,
            currency=attempt.money.currency,
            failure=WINDOW_OVER if is_over else None,
            closed=is_over,
        )


def _find(outcome: Outcome, reference: str) -> RefundSeen | None:
    return next((refund for refund in outcome.refunds if refund.reference == reference), None)


def _told(found: Mapping[str, Any], field: str) -> str:
    value = found.get(field)
    if not isinstance(value, str) or not value:
        raise Unreachable(f"an answer without {field}")
    return value
