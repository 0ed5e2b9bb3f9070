"""The inbox: a webhook is verified, stored and answered; the worker then asks the PG, whatever the webhook claimed."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import structlog

from app import clock
from app.database import write_transaction
from app.jobs.queue import enqueue
from app.jobs.worker import NotYet
from app.payments.accounts import Gateways
from app.payments.concluding import look_again
from app.payments.provider import Delivery, Heard
from app.payments.states import Cause
from app.payments.tables import InboxEvent, Payment, ProviderAccount

log = structlog.get_logger("payments")

# A webhook may be faster than the transaction that makes its payment.
PATIENCE = timedelta(minutes=10)
ORPHAN = "ORPHAN"


async def receive(gateways: Gateways, account: ProviderAccount, delivery: Delivery) -> None:
    """Stores what a webhook is about, with the job that acts on it. Raises provider.Unreadable; then nothing is stored.

    A webhook that is sent again is the same event: handled once, by whichever delivery comes to it.
    """
    heard = gateways.provider(gateways.open(account)).hear(delivery)
    if heard is None:
        return
    async with write_transaction():
        event = await _insert(account, delivery, heard)
        if event is not None:
            await enqueue("inbox", {"event": str(event.id)}, f"inbox:{event.id}")


async def handle(gateways: Gateways, payload: Mapping[str, str]) -> None:
    """The job behind an event. Raises NotYet until the PG has been asked about its payment."""
    event = await InboxEvent.objects().get(InboxEvent.id == UUID(payload["event"]))
    if event.handled_at is not None:
        return
    payment = (
        await Payment.objects().where(Payment.reference == event.reference, Payment.account == event.account).first()
    )
    if payment is None:
        if clock.now() < event.received_at + PATIENCE:
            raise NotYet("its payment is not known yet")
        log.warning("webhook_orphan", inbox_event=str(event.id))
        await _finish(event, ORPHAN)
        return
    if not await look_again(gateways, payment, Cause.WEBHOOK):
        raise NotYet("the PG has not answered, or another process is asking")
    await _finish(event, None)


async def _insert(account: ProviderAccount, delivery: Delivery, heard: Heard) -> InboxEvent | None:
    """None where it is stored already."""
    event = InboxEvent(
        account=account.id,
        delivery_key=f"{account.id}:{heard.delivery[:200]}",
        reference=heard.reference,
        body=delivery.body.decode(errors="replace").replace("\0", ""),
        received_at=clock.now(),
    )
    stored = (
        await InboxEvent.insert(event)
        .on_conflict(target=InboxEvent.delivery_key, action="DO NOTHING")
        .returning(InboxEvent.id)
    )
    return event if stored else None


async def _finish(event: InboxEvent, error: str | None) -> None:
    await InboxEvent.update({InboxEvent.handled_at: clock.now(), InboxEvent.error: error}).where(
        InboxEvent.id == event.id
    )
