"""Noticing: the sweeps that find what has come to a stop without anybody failing, and what of it goes on by itself."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from app import clock
from app.database import write_transaction
from app.jobs.queue import MOST_TRIES
from app.jobs.tables import Job
from app.orders.tables import Order
from app.payments.alerts import close_alert, raise_alert
from app.payments.following import lock_order
from app.payments.states import AlertKind, PaymentStatus, RefundStatus
from app.payments.tables import Alert, InboxEvent, Payment, ProviderAccount, Refund

# A claim that a PG does not find is given up after `watching.CURVE`'s first 63 minutes.
CLAIMED = timedelta(minutes=70)
# What a PG itself calls "processing" may take days: a bank's transfer.
PROCESSING = timedelta(days=3)
# Until a refund has gone out, and until its shopper has named a bank account.
UNSENT = timedelta(days=1)
UNNAMED = timedelta(days=3)
AT_ONCE = 20


async def notice_stuck() -> None:
    """Payments whose confirm has had no answer for more than an hour, or that the PG has been processing for days.
    `settling` closes the matter when the PG has decided.
    """
    now = clock.now()
    rows = await Payment.raw(
        'SELECT p.id AS payment, p."order" AS "order", e.id AS event FROM payments p '
        "JOIN payment_events e ON e.payment = p.id AND e.subject = 'payment' AND e.to_status = 'confirming' "
        "WHERE p.status = 'confirming' AND p.closed_at IS NULL AND p.created_at <= {} "
        "AND (e.at <= {} OR (p.claim IS NOT NULL AND e.at <= {})) "
        "AND NOT EXISTS (SELECT 1 FROM payment_events f WHERE f.payment = p.id AND f.subject = 'payment' "
        "AND f.to_status = 'confirming' AND (f.at > e.at OR (f.at = e.at AND f.id > e.id))) "
        "AND NOT EXISTS (SELECT 1 FROM alerts a "
        "WHERE a.alert_key = 'stuck:' || CAST(p.id AS TEXT) || ':' || CAST(e.id AS TEXT)) "
        f"ORDER BY p.created_at LIMIT {AT_ONCE}",
        now - CLAIMED,
        now - PROCESSING,
        now - CLAIMED,
    )
    for row in rows:
        async with write_transaction():
            order = await lock_order(UUID(str(row["order"])))
            payment = await Payment.objects().get(Payment.id == UUID(str(row["payment"])))
            if payment.status == PaymentStatus.CONFIRMING:
                evidence = {"amount": payment.amount, "currency": payment.currency, "reference": payment.reference}
                if payment.claim is None:
                    evidence["why"] = "processing"
                key = f"{payment.id}:{row['event']}"
                await raise_alert(AlertKind.STUCK, key, order.shop, order, payment, evidence)


async def notice_waiting() -> None:
    """Refunds that have stood for days where they stand. `booking` closes the matter when one has gone or failed."""
    now = clock.now()
    rows = await Refund.raw(
        'SELECT r.id AS refund, p."order" AS "order" FROM refunds r JOIN payments p ON p.id = r.payment '
        # As the index says it.
        "WHERE r.status IN ('requested', 'needs_account', 'pending') AND r.created_at <= {} "
        "AND NOT EXISTS (SELECT 1 FROM payment_events e WHERE e.payment = p.id AND e.subject = 'refund' "
        "AND (e.at > {} OR (r.status = 'needs_account' AND e.at > {})) "
        "AND CAST(e.evidence AS TEXT) LIKE '%' || CAST(r.id AS TEXT) || '%') "
        "AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.alert_key = 'refund_waiting:' || CAST(r.id AS TEXT) "
        "AND (a.closed_at IS NULL OR a.closed_by IS NOT NULL)) "
        f"ORDER BY r.created_at LIMIT {AT_ONCE}",
        now - UNSENT,
        now - UNSENT,
        now - UNNAMED,
    )
    for row in rows:
        async with write_transaction():
            order = await lock_order(UUID(str(row["order"])))
            refund = await Refund.objects().get(Refund.id == UUID(str(row["refund"])))
            if refund.status in (RefundStatus.REQUESTED, RefundStatus.PENDING, RefundStatus.NEEDS_ACCOUNT):
                await _tell_waiting(order, refund)


async def _tell_waiting(order: Order, refund: Refund) -> None:
    payment = await Payment.objects().get(Payment.id == refund.payment)
    keys = [f"refund:{refund.id}", f"refund:{refund.id}:{refund.tries}"]
    job = await Job.objects().where(Job.dedupe_key.is_in(keys), Job.done_at.is_null()).first()
    evidence = {
        "refund": str(refund.id),
        "amount": refund.amount,
        "why": refund.status,
        "reference": payment.reference,
        "error": job.error if job else None,
    }
    if payment.status != PaymentStatus.MISMATCH:
        evidence["currency"] = payment.currency
    await raise_alert(AlertKind.REFUND_WAITING, str(refund.id), order.shop, order, payment, evidence)


async def notice_poison() -> None:
    """Jobs that failed as often as they may, or that their last worker died over. One that is done after all, because
    it was hastened, is no matter any more.
    """
    rows = await Job.raw(
        "SELECT j.id AS id FROM jobs j WHERE j.done_at IS NULL AND j.tries >= {} "
        "AND (j.lease_until IS NULL OR j.lease_until < {}) "
        # What tells the owner never tells that it could not: that would tell for ever.
        "AND j.kind <> 'alert' AND NOT EXISTS (SELECT 1 FROM messages m "
        "WHERE m.dedupe_key LIKE 'alert:%' AND j.dedupe_key = 'deliver:' || CAST(m.id AS TEXT)) "
        "AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.alert_key = 'poison_job:' || CAST(j.id AS TEXT)) "
        f"ORDER BY j.run_at LIMIT {AT_ONCE}",
        MOST_TRIES,
        clock.now(),
    )
    for row in rows:
        await _tell_poison(await Job.objects().get(Job.id == row["id"]))
    for alert in await Alert.objects().where(Alert.kind == AlertKind.POISON_JOB, Alert.closed_at.is_null()):
        job = UUID(alert.alert_key.partition(":")[2])
        if await Job.exists().where(Job.id == job, Job.done_at.is_not_null()):
            async with write_transaction():
                await close_alert(AlertKind.POISON_JOB, str(job), "나중에 처리됨")


async def _tell_poison(job: Job) -> None:
    shop, order, payment = await _whose(job.payload_values)
    evidence = {"job": str(job.id), "kind": job.kind, "error": job.error}
    async with write_transaction():
        await raise_alert(AlertKind.POISON_JOB, str(job.id), shop, order, payment, evidence)


async def _whose(payload: Mapping[str, str]) -> tuple[UUID | None, Order | None, Payment | None]:
    """The shop, order and payment that a job's payload leads to, as far as it leads."""
    payment_id, order_id, account_id = _id(payload, "payment"), _id(payload, "order"), _id(payload, "account")
    if refund := _id(payload, "refund"):
        row = await Refund.select(Refund.payment).where(Refund.id == refund).first()
        payment_id = row["payment"] if row else payment_id
    if event := _id(payload, "event"):
        row = await InboxEvent.select(InboxEvent.account).where(InboxEvent.id == event).first()
        account_id = row["account"] if row else account_id
    payment = await Payment.objects().where(Payment.id == payment_id).first() if payment_id else None
    order_id = payment.order if payment else order_id
    order = await Order.objects().where(Order.id == order_id).first() if order_id else None
    if order is None and account_id:
        row = await ProviderAccount.select(ProviderAccount.shop).where(ProviderAccount.id == account_id).first()
        return (row["shop"] if row else None), None, None
    return (order.shop if order else None), order, payment


def _id(payload: Mapping[str, str], name: str) -> UUID | None:
    """A job that cannot be read is told of all the same."""
    try:
        return UUID(payload[name])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
