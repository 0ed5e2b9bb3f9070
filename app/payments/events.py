"""The append-only record: what moved, by which door, and on which evidence."""

import json
from collections.abc import Mapping
from uuid import UUID

from app import clock
from app.orders.tables import Order
from app.payments.provider import Outcome
from app.payments.states import Cause
from app.payments.tables import Payment, PaymentEvent


async def record(
    cause: Cause,
    subject: str,
    order: Order,
    payment: Payment | None = None,
    before: str | None = None,
    after: str | None = None,
    evidence: Mapping[str, object] | None = None,
) -> UUID:
    """One row, in the transaction of the change that it tells about; its id names that change."""
    event = PaymentEvent(
        payment=payment.id if payment else None,
        order=order.id,
        cause=cause,
        subject=subject,
        from_status=before,
        to_status=after,
        evidence=json.dumps(dict(evidence or {}), ensure_ascii=False, default=str),
        at=clock.now(),
    )
    await PaymentEvent.insert(event)
    return event.id


async def record_refusal(cause: Cause, order: Order, payment: Payment, evidence: Mapping[str, object]) -> None:
    """That an answer or a return was not believed. The same one again, however often it comes, is no further event."""
    told = json.loads(json.dumps(dict(evidence), default=str))
    refused = (PaymentEvent.payment == payment.id) & (PaymentEvent.subject == "refused")
    known = [json.loads(event.evidence) for event in await PaymentEvent.objects().where(refused)]
    if told not in known:
        await record(cause, "refused", order, payment, evidence=told)


def evidence_of(outcome: Outcome) -> dict[str, object]:
    """What the PG said, without anything that is a secret or says who the shopper is."""
    return {
        "pg_status": outcome.status,
        "reference": outcome.reference,
        "merchant": outcome.merchant,
        "live": outcome.live,
        "amount": outcome.amount,
        "currency": outcome.currency,
        "captured": outcome.captured,
        "refunded": outcome.refunded,
        "pg_payment_id": outcome.pg_payment_id,
        "failure": outcome.failure,
        "closed": outcome.closed,
    }
