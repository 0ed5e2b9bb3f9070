"""Toss's webhooks about payments: which change sends what, in which form, and how long Toss keeps trying."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.sandbox.book import Payment, Webhook
from app.sandbox.faults import FORGED, Faults
from app.sandbox.toss_object import origin_of, payment_object
from app.sandbox.toss_payments import PROVIDER, Account
from app.sandbox.toss_time import KST, stamp
from app.sandbox.webhooks import Manner, Webhooks
from app.sandbox.world import World

STATUS_CHANGED = ("WAITING_FOR_DEPOSIT", "DONE", "CANCELED", "PARTIAL_CANCELED", "ABORTED", "EXPIRED")
# [U] That a refund in part of a deposit is told like a whole one.
DEPOSIT_CHANGED = ("WAITING_FOR_DEPOSIT", "DONE", "CANCELED", "PARTIAL_CANCELED")
RETRIES = tuple(timedelta(minutes=4**power) for power in range(7))


def attempt_headers(webhook: Webhook, now: datetime) -> dict[str, str]:
    """[U] The time is that of this attempt, while the transmission id of the webhook stays."""
    return {
        "tosspayments-webhook-transmission-time": stamp(now),
        "tosspayments-webhook-transmission-retried-count": str(webhook.attempts),
    }


TOSS_MANNER = Manner(RETRIES, attempt_headers)


@dataclass(frozen=True)
class TossWebhooks:
    """Tells the shops of their payments. An account without a `webhook_url` has registered no webhook."""

    accounts: Sequence[Account]
    webhooks: Webhooks
    faults: Faults
    world: World

    def tell(self, payment: Payment) -> None:
        """Queue what Toss sends about the status that the payment has just got."""
        url = self._url(payment)
        if url is None:
            return
        if self.faults.strike(PROVIDER, "webhook", payment.reference, (FORGED,)):
            self.webhooks.queue_forged(self._webhook(payment, url, *self._forgery(payment)))
        bodies = self._bodies(payment)
        if bodies:
            self.webhooks.queue([self._webhook(payment, url, *each) for each in bodies.items()])

    def _url(self, payment: Payment) -> str | None:
        urls = {account.client_key: account.webhook_url for account in self.accounts}
        return urls.get(payment.facts["client_key"])

    def _bodies(self, payment: Payment) -> dict[str, dict[str, Any]]:
        """Type and body of everything that is sent about this status."""
        bodies = {}
        if payment.status in STATUS_CHANGED:
            bodies["PAYMENT_STATUS_CHANGED"] = self._status_changed(payment_object(payment, origin_of(payment)))
        if "virtual_account" in payment.facts and payment.status in DEPOSIT_CHANGED:
            facts = payment.facts
            bodies["DEPOSIT_CALLBACK"] = self._deposit_callback(
                payment, facts["secret"], payment.status, facts["transaction_key"]
            )
        return bodies

    def _forgery(self, payment: Payment) -> tuple[str, dict[str, Any]]:
        """A message by a stranger who knows the order and neither its secret nor our keys: it was paid."""
        secret, key = f"ps_{self.world.text(12)}", f"txrd_a01{self.world.text(12).lower()}"
        if payment.facts["way"] == "VIRTUAL_ACCOUNT" and not payment.captured:
            return "DEPOSIT_CALLBACK", self._deposit_callback(payment, secret, "DONE", key)
        claimed = payment_object(payment, origin_of(payment)) | {
            "status": "DONE",
            "balanceAmount": payment.amount,
            "approvedAt": stamp(self.world.now()),
            "lastTransactionKey": key,
            "secret": secret,
        }
        if payment.captured:
            claimed["paymentKey"] = f"{payment.pg_id[:-8]}{self.world.text(8)}"
        return "PAYMENT_STATUS_CHANGED", self._status_changed(claimed)

    def _status_changed(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": self._created_at(), "data": data}

    def _deposit_callback(self, payment: Payment, secret: str, status: str, key: str) -> dict[str, Any]:
        return {
            "createdAt": self._created_at(),
            "secret": secret,
            "status": status,
            "transactionKey": key,
            "orderId": payment.reference,
        }

    def _created_at(self) -> str:
        """Korean time without its offset; the digits of the fraction are not always six."""
        digits = self.world.chance.randint(1, 6)
        text = self.world.now().astimezone(KST).strftime("%Y-%m-%dT%H:%M:%S.%f")
        return text[: len(text) - 6 + digits]

    def _webhook(self, payment: Payment, url: str, kind: str, body: dict[str, Any]) -> Webhook:
        headers = {
            "content-type": "application/json",
            "tosspayments-webhook-transmission-id": f"whtrans_{self.world.text(22)}",
        }
        return Webhook(PROVIDER, kind, payment.reference, url, headers, json.dumps(body, ensure_ascii=False))
