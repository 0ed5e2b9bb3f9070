"""Booking: refunds and disputes as the PG tells them, on rows of ours. Always in the transaction that settles."""

from app import clock
from app.database import require_transaction
from app.jobs.queue import enqueue
from app.orders.tables import Order
from app.payments.events import record
from app.payments.provider import DisputeSeen, Outcome, RefundSeen
from app.payments.states import Cause, RefundKind, RefundStatus, refund_sources_of
from app.payments.tables import Dispute, Payment, Refund

STANDING = {"pending": RefundStatus.PENDING, "succeeded": RefundStatus.SUCCEEDED, "failed": RefundStatus.FAILED}


async def book(order: Order, payment: Payment, outcome: Outcome, cause: Cause) -> None:
    """Every refund and dispute that the PG tells of; one made at the PG by hand gets a row as well. Safe to repeat."""
    require_transaction()
    if outcome.refunds:
        await _book_refunds(order, payment, outcome, cause)
    for seen in outcome.disputes:
        await _book_dispute(order, payment, seen, cause)


async def move_refund(
    order: Order, payment: Payment, refund: Refund, target: RefundStatus, cause: Cause, changes: dict
) -> bool:
    """The refund's conditional update and its event, in the caller's transaction with the order's row locked."""
    require_transaction()
    won = (
        await Refund.update({Refund.status: target, **changes})
        .where(Refund.id == refund.id, Refund.status.is_in(refund_sources_of(target)))
        .returning(Refund.id)
    )
    if won:
        evidence = {"refund": str(refund.id), "amount": refund.amount}
        await record(cause, "refund", order, payment, refund.status, target, evidence)
        refund.status = target
    return bool(won)


async def _book_refunds(order: Order, payment: Payment, outcome: Outcome, cause: Cause) -> None:
    refunds = await Refund.objects().where(Refund.payment == payment.id)
    known = {refund.reference for refund in refunds}
    for refund in refunds:
        seen = find_seen(refund, outcome)
        if seen is not None:
            await _book_refund(order, payment, refund, seen, cause)
    outside = {refund.pg_refund_id for refund in refunds if refund.kind == RefundKind.OUTSIDE}
    for seen in outcome.refunds:
        if seen.reference not in known and seen.pg_refund_id not in outside:
            await _insert_outside(order, payment, seen, cause)


def find_seen(refund: Refund, outcome: Outcome) -> RefundSeen | None:
    """The refund as the PG tells it. Of several tries, which bear one reference, the one that has not failed; a failure
    that was booked already says nothing about the next try.
    """
    if refund.kind == RefundKind.OUTSIDE:
        return next((seen for seen in outcome.refunds if seen.pg_refund_id == refund.pg_refund_id), None)
    tries = [seen for seen in outcome.refunds if seen.reference == refund.reference]
    alive = next((seen for seen in tries if seen.status != "failed"), None)
    is_asked_again = refund.status in (RefundStatus.REQUESTED, RefundStatus.NEEDS_ACCOUNT)
    news = (seen for seen in tries if not (is_asked_again and seen.pg_refund_id == refund.pg_refund_id))
    return alive or next(news, None)


async def _book_refund(order: Order, payment: Payment, refund: Refund, seen: RefundSeen, cause: Cause) -> None:
    target = STANDING[seen.status]
    changes = {Refund.pg_refund_id: seen.pg_refund_id, Refund.failure_code: seen.failure}
    is_deposit = payment.deposit_due_at is not None and refund.kind != RefundKind.OUTSIDE
    if target is RefundStatus.FAILED and is_deposit:
        # Most often the account that was named does not exist.
        await want_receiver(order, payment, refund, cause, changes)
    else:
        await move_refund(order, payment, refund, target, cause, changes)


async def want_receiver(order: Order, payment: Payment, refund: Refund, cause: Cause, changes: dict) -> None:
    """The shopper is asked for a bank account, by mail and on the order's page."""
    if await move_refund(order, payment, refund, RefundStatus.NEEDS_ACCOUNT, cause, {**changes, Refund.receiver: None}):
        mail = {"mail": "refund_account_wanted", "order": str(order.id), "payment": str(payment.id)}
        await enqueue("mail", mail, f"mail:receiver:{refund.id}:{refund.tries}")


async def _insert_outside(order: Order, payment: Payment, seen: RefundSeen, cause: Cause) -> None:
    refund = Refund(
        payment=payment.id,
        kind=RefundKind.OUTSIDE,
        amount=seen.amount,
        reason="결제사 화면에서 환불",
        status=STANDING[seen.status],
        pg_refund_id=seen.pg_refund_id,
        failure_code=seen.failure,
    )
    await Refund.insert(refund)
    evidence = {"kind": refund.kind, "amount": refund.amount}
    await record(cause, "refund", order, payment, None, refund.status, evidence)


async def _book_dispute(order: Order, payment: Payment, seen: DisputeSeen, cause: Cause) -> None:
    key = f"{payment.account}:{seen.pg_dispute_id}"
    known = await Dispute.objects().where(Dispute.dispute_key == key).first()
    told = {
        Dispute.status: seen.status,
        Dispute.is_open: seen.is_open,
        Dispute.amount: seen.amount,
        Dispute.reason: seen.reason,
        Dispute.due_at: seen.due_at,
        Dispute.updated_at: clock.now(),
    }
    if known is None:
        named = {column._meta.name: value for column, value in told.items()}
        await Dispute.insert(Dispute(payment=payment.id, dispute_key=key, **named))
    elif (known.status, known.is_open) != (seen.status, seen.is_open):
        await Dispute.update(told).where(Dispute.id == known.id)
    else:
        return
    evidence = {"dispute": seen.pg_dispute_id, "amount": seen.amount, "reason": seen.reason}
    await record(cause, "dispute", order, payment, known.status if known else None, seen.status, evidence)
