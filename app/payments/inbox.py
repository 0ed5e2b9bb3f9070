"""The inbox: a webhook is verified, stored and answered; the worker then asks the PG, whatever the webhook claimed."""

import hmac
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from app import clock
from app.database import write_transaction
from app.jobs.queue import enqueue, hasten, repeat
from app.jobs.worker import NotYet
from app.money import Money
from app.payments.accounts import Gateways
from app.payments.alerts import raise_alert
from app.payments.concluding import SECRET, look_again
from app.payments.differences import contract_of, teller_of
from app.payments.provider import Attempt, Delivery, Heard, Misconfigured, Unreachable
from app.payments.states import AlertKind, Cause
from app.payments.tables import InboxEvent, Payment, ProviderAccount

log = structlog.get_logger("payments")

# A webhook may be faster than the transaction that makes its payment.
PATIENCE = timedelta(minutes=10)
# Another process asks about the payment, for as long as a lease lasts at most.
BRIEFLY = timedelta(seconds=5)
ORPHAN = "ORPHAN"
NOT_OURS = "NOT_OURS"
# Money without an order or nothing at all: left to the daily compare.
UNASKED = "UNASKED"
# Anybody can make up a reference. About so many of those that come within an hour to an account is the PG asked.
HINTS_ASKED = 20
AN_HOUR = timedelta(hours=1)
# One look answers all that is known of a payment; databases take so many ids in one statement and no more.
EVENTS_AT_ONCE = 500
BODY = "webhook body"
# Among an account's secrets: this PG signs its webhooks.
WEBHOOK_SECRET = "webhook_secret"


async def receive(gateways: Gateways, account: ProviderAccount, delivery: Delivery) -> None:
    """Stores what a webhook is about, with the job that acts on it. Raises what `Provider.hear` does; then nothing is
    stored.

    A webhook that is sent again is the same event: handled once, by whichever delivery comes to it.
    """
    provider = gateways.provider(gateways.open(account))
    heard = provider.hear(delivery)
    if heard is None:
        return
    is_verified = WEBHOOK_SECRET in provider.traits.secrets or await _is_proven(gateways, account, heard)
    sealed = gateways.ring.seal(delivery.body.decode(errors="replace"), BODY)
    async with write_transaction():
        event = await _insert(account, heard, sealed, is_verified)
        if event is not None:
            await enqueue("inbox", {"event": str(event.id)}, f"inbox:{event.id}")
        else:
            known = await InboxEvent.objects().get(InboxEvent.delivery_key == _key(account, heard))
            await hasten(f"inbox:{known.id}")


async def replay(events: Collection[UUID]) -> None:
    """Has the PG asked once more about what these events mean, also those that are handled; in the caller's
    transaction. No more than EVENTS_AT_ONCE, and never none. What they claim is believed no more than the first time.
    """
    meant = {f"inbox:{event}": event for event in events}
    # One that is being handled just now is left to whoever does it.
    again = [meant[key] for key in await repeat(list(meant))]
    if again:
        anew = {InboxEvent.handled_at: None, InboxEvent.error: None}
        await InboxEvent.update(anew).where(InboxEvent.id.is_in(again))


async def last_heard(account: ProviderAccount) -> datetime | None:
    """When the latest webhook came to this account's address; None: never yet."""
    row = (
        await InboxEvent.select(InboxEvent.received_at)
        .where(InboxEvent.account == account.id)
        .order_by(InboxEvent.received_at, ascending=False)
        .first()
    )
    return row["received_at"] if row else None


async def count_unhandled(account: ProviderAccount, before: datetime) -> int:
    """How many of its webhooks came until then and still wait."""
    return await InboxEvent.count().where(
        InboxEvent.account == account.id, InboxEvent.handled_at.is_null(), InboxEvent.received_at <= before
    )


async def handle(gateways: Gateways, payload: Mapping[str, str]) -> None:
    """The job behind an event. Raises NotYet until the PG has been asked about its payment."""
    event = await InboxEvent.objects().get(InboxEvent.id == UUID(payload["event"]))
    if event.handled_at is not None:
        return
    payment = await _find(event)
    if payment is None:
        if clock.now() < event.received_at + PATIENCE:
            raise NotYet("its payment is not known yet")
        # With our tag it may be money without an order; without, another shop's business at the same PG account.
        log.warning("webhook_orphan", inbox_event=str(event.id), tagged=bool(event.reference))
        await _finish([event.id], await _tell_orphan(gateways, event) if event.reference else NOT_OURS)
        return
    answered = await _list_waiting(event)
    if not await look_again(gateways, payment, Cause.WEBHOOK):
        if await Payment.exists().where(Payment.id == payment.id, Payment.lease_until >= clock.now()):
            raise NotYet("another process is asking", BRIEFLY)
        raise NotYet("the PG has not answered")
    await _finish(answered, None)


async def _list_waiting(event: InboxEvent) -> list[UUID]:
    """A PG tells one change in several webhooks: this one, and what else has come about its payment by now."""
    if not event.reference:
        return [event.id]
    others = (
        await InboxEvent.select(InboxEvent.id)
        .where(
            InboxEvent.account == event.account,
            InboxEvent.reference == event.reference,
            InboxEvent.handled_at.is_null(),
            InboxEvent.id != event.id,
        )
        .limit(EVENTS_AT_ONCE)
    )
    return [event.id, *(row["id"] for row in others)]


async def _tell_orphan(gateways: Gateways, event: InboxEvent) -> str:
    """The owner is told of money at the PG that no payment here knows: whatever the webhook says, only where the PG
    says so too. What cannot be asked is left to the daily compare. Raises NotYet.
    """
    account = await ProviderAccount.objects().get(ProviderAccount.id == event.account)
    if not event.is_verified and await _has_asked_enough(event):
        return UNASKED
    money = await _money_at_pg(gateways, account, event)
    if money:
        evidence = {"reference": event.reference, "pg_payment_id": event.pg_payment_id, "kind": event.kind, **money}
        teller = await teller_of(account)
        async with write_transaction():
            await raise_alert(AlertKind.ORPHAN, f"{teller.id}:{event.reference}", teller.shop, evidence=evidence)
    return ORPHAN


async def _has_asked_enough(event: InboxEvent) -> bool:
    asked = await InboxEvent.count().where(
        InboxEvent.account == event.account,
        InboxEvent.received_at > event.received_at - AN_HOUR,
        InboxEvent.is_verified.eq(False),
        InboxEvent.error == ORPHAN,
    )
    return asked >= HINTS_ASKED


async def _money_at_pg(gateways: Gateways, account: ProviderAccount, event: InboxEvent) -> dict[str, object]:
    """The amount that the PG holds under this reference, and its currency; nothing where it holds none."""
    opened = gateways.open(account)
    # A look-up needs no more than its name: ours, or where the PG goes by its own, the PG's.
    unknown = Attempt(event.reference, Money(0), "card", "", "", event.received_at, event.pg_payment_id)
    try:
        outcome = await gateways.provider(opened).conclude(unknown, None)
    except Unreachable as error:
        raise NotYet(f"{type(error).__name__}: {error}") from None
    except Misconfigured:
        return {}
    left = outcome.captured - outcome.refunded
    is_meant = outcome.reference == event.reference
    return {"amount": left, "currency": outcome.currency} if is_meant and left > 0 else {}


async def _find(event: InboxEvent) -> Payment | None:
    """The payment that it means, of the contract that it came to: shops that share their keys share its address too.

    Or of another contract of the same shop there: a store's channels share an address, and keys may have changed.
    """
    by_reference, by_pg_id = Payment.reference == event.reference, Payment.pg_payment_id == event.pg_payment_id
    meant = by_reference if event.reference else by_pg_id
    payments = await Payment.objects().where(meant)
    ids = sorted({event.account, *(payment.account for payment in payments)})
    accounts = {row.id: row for row in await ProviderAccount.objects().where(ProviderAccount.id.is_in(ids))}
    here, of_the_shop = accounts[event.account], None
    for payment in payments:
        account = accounts[payment.account]
        if contract_of(account) == contract_of(here):
            return payment
        if (account.shop, account.provider) == (here.shop, here.provider):
            of_the_shop = payment
    return of_the_shop


async def _is_proven(gateways: Gateways, account: ProviderAccount, heard: Heard) -> bool:
    """Whether it bears the secret that the PG gave for this very payment. Without it, it is still a reason to ask."""
    if not heard.proof:
        return False
    payment = (
        await Payment.select(Payment.secret)
        .where(Payment.reference == heard.reference, Payment.account == account.id)
        .first()
    )
    if payment is None or payment["secret"] is None:
        return False
    return hmac.compare_digest(gateways.ring.open(payment["secret"], SECRET).encode(), heard.proof.encode())


async def _insert(account: ProviderAccount, heard: Heard, sealed_body: str, is_verified: bool) -> InboxEvent | None:
    """None where it is stored already."""
    event = InboxEvent(
        account=account.id,
        delivery_key=_key(account, heard),
        kind=heard.kind[:60] if heard.kind.isprintable() else "",
        reference=heard.reference or "",
        pg_payment_id=heard.pg_payment_id,
        is_verified=is_verified,
        body=sealed_body,
        received_at=clock.now(),
    )
    stored = (
        await InboxEvent.insert(event)
        .on_conflict(target=InboxEvent.delivery_key, action="DO NOTHING")
        .returning(InboxEvent.id)
    )
    return event if stored else None


def _key(account: ProviderAccount, heard: Heard) -> str:
    return f"{account.id}:{heard.delivery[:200]}"


async def _finish(events: Sequence[UUID], error: str | None) -> None:
    await InboxEvent.update({InboxEvent.handled_at: clock.now(), InboxEvent.error: error}).where(
        InboxEvent.id.is_in(list(events)), InboxEvent.handled_at.is_null()
    )
