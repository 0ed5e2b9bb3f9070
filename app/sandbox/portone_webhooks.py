"""PortOne's webhooks: who is told of what, signed as Standard Webhooks say, and how long PortOne keeps trying."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.sandbox.book import Payment, Webhook
from app.sandbox.faults import FORGED, Faults
from app.sandbox.portone_book import PROVIDER
from app.sandbox.portone_payments import PortOneAccount
from app.sandbox.portone_time import new_id, stamp
from app.sandbox.webhooks import Manner, Webhooks
from app.sandbox.world import World

# PortOne adds chance to the pauses; here they are exact.
RETRIES = tuple(timedelta(minutes=4**power) for power in range(5))
LIMIT = 30
# [U] Which of them PortOne takes for received; it documents "an OK answer".
RECEIVED = range(200, 300)
WITH_CANCELLATION = ("Transaction.CancelPending", "Transaction.PartialCancelled", "Transaction.Cancelled")


def read_secret(text: str) -> bytes:
    """The key of a secret as the console shows it; ValueError if it is none."""
    if not text.startswith("whsec_"):
        raise ValueError("a webhook secret starts with whsec_")
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ValueError("a webhook secret is base64 behind whsec_") from None


def signature(key: bytes, number: str, timestamp: str, body: str) -> str:
    digest = hmac.new(key, f"{number}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def portone_manner(accounts: Sequence[PortOneAccount]) -> Manner:
    secrets = {account.store_id: account.webhook_secrets for account in accounts}

    def headers(webhook: Webhook, now: datetime) -> dict[str, str]:
        """[U] The time is that of this attempt; each living secret signs."""
        # A forged one brings what its author could make.
        if "webhook-timestamp" in webhook.headers:
            return {}
        timestamp, number = str(int(now.timestamp())), webhook.headers["webhook-id"]
        keys = [read_secret(secret) for secret in secrets.get(json.loads(webhook.body)["data"]["storeId"], ())]
        signed = " ".join(signature(key, number, timestamp, webhook.body) for key in keys)
        return {"webhook-timestamp": timestamp} | ({"webhook-signature": signed} if signed else {})

    return Manner(RETRIES, headers, LIMIT, RECEIVED)


@dataclass(frozen=True)
class PortOneWebhooks:
    """Tells the shops of their payments: at the addresses that the payment itself names, else at the account's."""

    accounts: Sequence[PortOneAccount]
    webhooks: Webhooks
    faults: Faults
    world: World

    def tell(
        self, payment: Payment, *kinds: str, cancellation_id: str | None = None, trigger: str | None = None
    ) -> None:
        """Queue what is sent about one change, and note it in the payment's log. The caller keeps the payment."""
        urls = self._urls(payment)
        if not urls:
            return
        if self.faults.strike(PROVIDER, "webhook", payment.reference, (FORGED,)):
            self.webhooks.queue_forged(self._forgery(payment, urls[0]))
        queued = [self._webhook(payment, url, kind, cancellation_id) for kind in kinds for url in urls]
        for webhook in queued:
            noted = {
                "id": webhook.headers["webhook-id"],
                "paymentStatus": payment.status,
                "trigger": trigger,
                "triggeredAt": stamp(self.world.now()),
            }
            payment.facts["webhooks"].append(noted)
        self.webhooks.queue(queued)

    def _urls(self, payment: Payment) -> list[str]:
        if payment.facts["notice_urls"]:
            return list(payment.facts["notice_urls"])
        channel = (payment.merchant, payment.facts["channel_key"])
        urls = {(account.store_id, account.channel_key): account.webhook_url for account in self.accounts}
        url = urls.get(channel)
        return [url] if url else []

    def _webhook(self, payment: Payment, url: str, kind: str, cancellation_id: str | None) -> Webhook:
        data = {"storeId": payment.merchant, "paymentId": payment.reference, "transactionId": payment.pg_id}
        if kind in WITH_CANCELLATION and cancellation_id:
            data["cancellationId"] = cancellation_id
        body = {"type": kind, "timestamp": stamp(self.world.now()), "data": data}
        headers = {"content-type": "application/json", "webhook-id": new_id(self.world)}
        return Webhook(PROVIDER, kind, payment.reference, url, headers, json.dumps(body, separators=(",", ":")))

    def _forgery(self, payment: Payment, url: str) -> Webhook:
        """A message by a stranger who knows the payment and no secret: it was paid, or, if it was, given back.
        Signed with a key of his own, or not at all.
        """
        kind = "Transaction.Cancelled" if payment.captured else "Transaction.Paid"
        forged = self._webhook(payment, url, kind, new_id(self.world))
        timestamp = str(int(self.world.now().timestamp()))
        forged.headers["webhook-timestamp"] = timestamp
        if self.world.hits(50):
            key = self.world.chance.randbytes(24)
            number = forged.headers["webhook-id"]
            forged.headers["webhook-signature"] = signature(key, number, timestamp, forged.body)
        return forged
