"""Stripe's events, and the signed webhooks that carry them to the shops."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from app.sandbox.book import Payment, Webhook
from app.sandbox.faults import FORGED, Faults
from app.sandbox.stripe_account import PROVIDER, Account
from app.sandbox.stripe_objects import new_event, new_id, seconds
from app.sandbox.stripe_store import Document, StripeStore
from app.sandbox.stripe_versions import render
from app.sandbox.webhooks import Manner, Webhooks
from app.sandbox.world import World

# [U] The pauses: documented are three retries over some hours in test mode, and three days with growing pauses.
RETRIES = {
    "test": tuple(timedelta(minutes=minutes) for minutes in (5, 60, 180)),
    "live": tuple(timedelta(minutes=minutes) for minutes in (5, 30, 120, 300, 600, 720, 720, 720, 720)),
}
# [U] How long an answer is waited for.
LIMIT = 10
RECEIVED = range(200, 300)
SIGNATURE = "stripe-signature"
NO_CAUSE: Mapping[str, Any] = {"id": None, "idempotency_key": None}


def sign(secrets: Sequence[str], moment: int, body: str) -> str:
    """The header for a body sent at `moment`, in Unix seconds: one signature for each secret in use."""
    signed = f"{moment}.{body}".encode()
    digests = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join((f"t={moment}", *(f"v1={digest}" for digest in digests)))


def attempt_headers(accounts: Sequence[Account]) -> Callable[[Webhook, datetime], dict[str, str]]:
    """The headers of one attempt, signed for its own moment."""
    secrets = {account.webhook_url: account.webhook_secrets for account in accounts}

    def headers(webhook: Webhook, now: datetime) -> dict[str, str]:
        # A forged webhook brings its own signature, and that of an account from before a restart has none.
        if SIGNATURE in webhook.headers or webhook.url not in secrets:
            return {}
        return {SIGNATURE: sign(secrets[webhook.url], int(now.timestamp()), webhook.body)}

    return headers


def manner(accounts: Sequence[Account]) -> Manner:
    """One patience for all accounts: that of the live mode as soon as one of them asks for it."""
    patience = "live" if any(account.webhook_retries == "live" for account in accounts) else "test"
    return Manner(RETRIES[patience], attempt_headers(accounts), LIMIT, RECEIVED)


class StripeEvents:
    """Writes down what happens, and tells the shop. `cause` is the request that is being answered now."""

    def __init__(self, store: StripeStore, webhooks: Webhooks, faults: Faults, world: World) -> None:
        self.store, self.webhooks, self.faults, self.world = store, webhooks, faults, world
        self.cause = NO_CAUSE

    @contextmanager
    def caused_by(self, request_id: str, idempotency_key: str | None) -> Iterator[None]:
        """What happens inside was asked for by this request. Nothing may be awaited inside."""
        self.cause = {"id": request_id, "idempotency_key": idempotency_key}
        try:
            yield
        finally:
            self.cause = NO_CAUSE

    def tell(
        self, account: Account, payment: Payment, changes: Sequence[tuple[str, Document, Document | None]]
    ) -> None:
        """One event for each: its type, the object, and what of it was different before. All are one change."""
        events = [self._event(account, *change) for change in changes]
        for event in events:
            self.store.save(event, account.merchant, payment.pg_id)
        if account.webhook_url is None or not events:
            return
        if self.faults.strike(PROVIDER, "webhook", payment.reference, (FORGED,)):
            self.webhooks.queue_forged(self._forged(account, account.webhook_url, payment))
        self.webhooks.queue([_webhook(payment, account.webhook_url, event) for event in events])

    def _event(self, account: Account, kind: str, document: Document, previous: Document | None) -> Document:
        shown = render(document, account.webhook_version)
        event = new_event(self.world, kind, shown, account.webhook_version, self.cause)
        if previous is not None:
            event["data"]["previous_attributes"] = previous
        return event | {"pending_webhooks": 1 if account.webhook_url else 0}

    def _forged(self, account: Account, url: str, payment: Payment) -> Webhook:
        """A message by a stranger who knows the order and not the secret: it was paid, or paid once more."""
        claimed = {
            "id": new_id(self.world, "pi") if payment.captured else payment.pg_id,
            "object": "payment_intent",
            "amount": payment.amount,
            "amount_received": payment.amount,
            "created": seconds(self.world),
            "currency": payment.currency.lower(),
            "livemode": False,
            "metadata": {"reference": payment.reference},
            "status": "succeeded",
        }
        kind, session = "payment_intent.succeeded", self.store.find("checkout.session", *_home(payment))
        if session:
            kind = "checkout.session.completed"
            paid = {"status": "complete", "payment_status": "paid", "payment_intent": new_id(self.world, "pi")}
            other = {"id": new_id(self.world, "cs_test_a1")} if payment.captured else {}
            claimed = {**session, **paid, **other, "url": None}
        body = new_event(self.world, kind, claimed, account.webhook_version, NO_CAUSE)
        forged = _webhook(payment, url, body)
        forged.headers[SIGNATURE] = sign([f"whsec_{self.world.text(32)}"], body["created"], forged.body)
        return forged


def _home(payment: Payment) -> tuple[str, str]:
    return payment.merchant, payment.pg_id


def _webhook(payment: Payment, url: str, event: Document) -> Webhook:
    headers = {"content-type": "application/json; charset=utf-8"}
    return Webhook(PROVIDER, event["type"], payment.reference, url, headers, json.dumps(event, ensure_ascii=False))
