"""PortOne's payments as they are shown, with the log of their webhooks."""

from dataclasses import dataclass, replace
from typing import Any

from app.sandbox.book import Payment
from app.sandbox.portone_errors import PortOneError
from app.sandbox.portone_object import MOST_DELIVERIES, payment_object, transaction_object, webhook_object
from app.sandbox.portone_payments import PortOnePayments
from app.sandbox.webhooks import Webhooks


@dataclass(frozen=True)
class PortOneRecords:
    portone: PortOnePayments
    webhooks: Webhooks

    def shown(self, payment: Payment, origin: str) -> dict[str, Any]:
        log = self.portone.records.webhooks(payment.reference)
        return payment_object(payment, self.portone.account_of(payment), log, origin)

    def attempts(self, store_id: str, payment_id: str, origin: str) -> dict[str, Any]:
        """[U] Newest first."""
        attempts = self.portone.attempts(store_id, payment_id)
        if not attempts:
            raise PortOneError("PAYMENT_NOT_FOUND")
        return {"items": [transaction_object(self.shown(each, origin)) for each in attempts]}

    def resend(self, store_id: str, payment_id: str, webhook_id: Any) -> dict[str, Any]:
        """Let a webhook go out once more, the last one if none is named. [U] It does not wait for the shop."""
        payment = self.portone.current(store_id, payment_id)
        log = self.portone.records.webhooks(payment_id)
        known = [each["id"] for each in payment.facts["webhooks"] if each["id"] in log]
        number = known[-1] if webhook_id is None and known else webhook_id
        if number not in known:
            raise PortOneError("WEBHOOK_NOT_FOUND")
        if log[number].attempts >= MOST_DELIVERIES:
            raise PortOneError("MAX_WEBHOOK_RETRY_COUNT_REACHED")
        again = replace(log[number], next_at=self.portone.world.now())
        self.portone.book.save_webhook(again)
        self.webhooks.wake.set()
        for noted in payment.facts["webhooks"]:
            if noted["id"] == number:
                noted["trigger"] = "MANUAL"
        self.portone.moves.keep(payment)
        return {"webhook": webhook_object(payment, again)}
