"""Booking: refunds and disputes as the PG tells them, on rows of ours. Always in the transaction that settles.

What they mean for people goes out with them: a mail when money has really gone back, an alert where it cannot.
"""

import json
from uuid import UUID

from app import clock
from app.database import require_transaction
from app.jobs.queue import enqueue
from app.orders import stock
from app.orders.tables import Order
from app.payments.alerts import close_alert, close_alerts, raise_alert
from app.payments.events import record
from app.payments.provider import DisputeSeen, Outcome, RefundSeen
from app.payments.states import (
    AlertKind,
    Cause,
    PaymentStatus,
    RefundKind,
    RefundStatus,
    refund_sources_of,
)
from app.payments.tables import Dispute, Payment, PaymentEvent, Refund

STANDING = {"pending": RefundStatus.PENDING, "succeeded": RefundStatus.SUCCEEDED, "failed": RefundStatus.FAILED}
# Somebody sent all of it back by hand, before we could.
GONE_ALREADY = "GONE_ALREADY"
# A part went back by hand, and less is left than the owner asked for.
BALANCE_CHANGED = "BALANCE_CHANGED"


async def book(order: Order, payment: Payment, outcome: Outcome, cause: Cause) -> None:
    """Every refund and dispute that the PG tells of; one made at the PG by hand gets a row as well. Safe to repeat."""
    require_transaction()
    if outcome.refunds:
        await _book_refunds(order, payment, outcome, cause)
    for seen in outcome.disputes:
        await _book_dispute(order, payment, seen, cause)


async def move_refund(
    order: Order, payment: Payment, refund: Refund, target: RefundStatus, cause: Cause, changes: dict
) -> UUID | None:
    """The refund's conditional update and its event, in the caller's transaction with the order's row locked; the
    event's id where this call moved it.

    With its first success its pieces go back on sale. A failure after that takes none away again: they are back in the
    shop, and may be sold already.
    """
    require_transaction()
    done = {Refund.succeeded_at: clock.now()} if target is RefundStatus.SUCCEEDED else {}
    won = (
        await Refund.update({Refund.status: target, **done, **changes})
        .where(Refund.id == refund.id, Refund.status.is_in(refund_sources_of(target)))
        .returning(Refund.id)
    )
    if not won:
        return None
    if target is RefundStatus.SUCCEEDED and refund.restock and not await has_succeeded_before(refund):
        await stock.restock(order, refund.restock)
    evidence = {"refund": str(refund.id), "amount": refund.amount}
    event = await record(cause, "refund", order, payment, refund.status, target, evidence)
    refund.status = target
    await _alert(order, payment, refund, changes.get(Refund.failure_code, refund.failure_code))
    return event


async def has_succeeded_before(refund: Refund) -> bool:
    """Whether the PG has ever said that it was done, whatever became of it after that."""
    successes = PaymentEvent.select(PaymentEvent.evidence).where(
        PaymentEvent.payment == refund.payment,
        PaymentEvent.subject == "refund",
        PaymentEvent.to_status == RefundStatus.SUCCEEDED,
    )
    return any(json.loads(event["evidence"]).get("refund") == str(refund.id) for event in await successes)


async def _alert(order: Order, payment: Payment, refund: Refund, failure: str | None) -> None:
    """What the owner has to do about a refund that has just moved, or has no longer to do."""
    evidence = {"refund": str(refund.id), "kind": refund.kind, "amount": refund.amount}
    # The one reason is ours, the others are the PG's.
    evidence["why" if failure == BALANCE_CHANGED else "code"] = failure
    if payment.status != PaymentStatus.MISMATCH:
        # What was captured by mistake may have been of another currency.
        evidence["currency"] = payment.currency
    if refund.status in (RefundStatus.SUCCEEDED, RefundStatus.FAILED):
        await close_alert(AlertKind.REFUND_WAITING, str(refund.id), "환불이 끝남")
    if refund.status == RefundStatus.FAILED:
        await close_alerts([AlertKind.SURPLUS], order, payment, "환불 실패로 바뀜")
        if failure != GONE_ALREADY:
            await raise_alert(AlertKind.REFUND_FAILED, str(refund.id), order.shop, order, payment, evidence)
    elif refund.status == RefundStatus.NEEDS_ACCOUNT and refund.kind in (RefundKind.SURPLUS, RefundKind.LATE):
        if refund.kind == RefundKind.LATE:
            evidence["why"] = refund.kind
        await raise_alert(AlertKind.SURPLUS, str(refund.id), order.shop, order, payment, evidence)
    elif refund.status == RefundStatus.SUCCEEDED:
        await _close_where_all_is_back(order, payment)


async def _close_where_all_is_back(order: Order, payment: Payment) -> None:
    done = await Refund.select(Refund.amount).where(
        Refund.payment == payment.id, Refund.status == RefundStatus.SUCCEEDED
    )
    now = await Payment.select(Payment.captured_amount).where(Payment.id == payment.id).first()
    if 0 < now["captured_amount"] <= sum(row["amount"] for row in done):
        kinds = [AlertKind.MISMATCH, AlertKind.SURPLUS, AlertKind.REFUND_FAILED]
        await close_alerts(kinds, order, payment, "모두 돌려드림")


async def _book_refunds(order: Order, payment: Payment, outcome: Outcome, cause: Cause) -> None:
    refunds = await Refund.objects().where(Refund.payment == payment.id)
    known = {refund.reference for refund in refunds}
    for refund in refunds:
        seen = find_seen(refund, outcome)
        if seen is not None:
            await _book_refund(order, payment, refund, seen, cause, outcome.currency)
    outside = {refund.pg_refund_id for refund in refunds if refund.kind == RefundKind.OUTSIDE}
    for seen in outcome.refunds:
        if seen.reference not in known and seen.pg_refund_id not in outside:
            await _insert_outside(order, payment, seen, cause, outcome.currency)


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


async def _book_refund(
    order: Order, payment: Payment, refund: Refund, seen: RefundSeen, cause: Cause, currency: str
) -> None:
    target = STANDING[seen.status]
    changes = {Refund.pg_refund_id: seen.pg_refund_id, Refund.failure_code: seen.failure}
    is_deposit = payment.deposit_due_at is not None and refund.kind != RefundKind.OUTSIDE
    if target is RefundStatus.FAILED and is_deposit:
        # Most often the account that was named does not exist.
        await want_receiver(order, payment, refund, cause, changes)
        return
    event = await move_refund(order, payment, refund, target, cause, changes)
    if event:
        await _tell_shopper(order, payment, refund, currency, event)


async def _tell_shopper(order: Order, payment: Payment, refund: Refund, currency: str, event: UUID) -> None:
    """That money has gone back, once the PG says that it has. What came and went before we looked was never missed."""
    if refund.status != RefundStatus.SUCCEEDED:
        return
    # The PG may have been asked before this payment's money was booked.
    now = await Payment.objects().get(Payment.id == payment.id)
    if not now.captured_amount:
        return
    if order.paid_by == payment.id:
        kind = "refunded"
    elif now.status == PaymentStatus.MISMATCH:
        kind = "mismatch_refunded"
    elif refund.kind == RefundKind.LATE:
        kind = "late_refunded"
    else:
        # Paid twice, or too late for an order whose goods are gone.
        kind = "surplus_refunded" if order.paid_by else "unused_refunded"
    mail = {
        "mail": kind,
        "order": str(order.id),
        "payment": str(payment.id),
        "refund": str(refund.id),
        "amount": str(refund.amount),
        "currency": currency,
    }
    await enqueue("mail", mail, f"mail:{event}")


async def want_receiver(order: Order, payment: Payment, refund: Refund, cause: Cause, changes: dict) -> None:
    """The shopper is asked for a bank account, by mail and on the order's page."""
    if await move_refund(order, payment, refund, RefundStatus.NEEDS_ACCOUNT, cause, {**changes, Refund.receiver: None}):
        kind = "late_account_wanted" if refund.kind == RefundKind.LATE else "refund_account_wanted"
        mail = {"mail": kind, "order": str(order.id), "payment": str(payment.id)}
        await enqueue("mail", mail, f"mail:receiver:{refund.id}:{refund.tries}")


async def _insert_outside(order: Order, payment: Payment, seen: RefundSeen, cause: Cause, currency: str) -> None:
    refund = Refund(
        payment=payment.id,
        kind=RefundKind.OUTSIDE,
        amount=seen.amount,
        reason="결제사 화면에서 환불",
        status=STANDING[seen.status],
        pg_refund_id=seen.pg_refund_id,
        failure_code=seen.failure,
        succeeded_at=clock.now() if seen.status == "succeeded" else None,
        created_at=clock.now(),
    )
    await Refund.insert(refund)
    evidence = {"refund": str(refund.id), "kind": refund.kind, "amount": refund.amount}
    event = await record(cause, "refund", order, payment, None, refund.status, evidence)
    await _alert(order, payment, refund, seen.failure)
    await _tell_shopper(order, payment, refund, currency, event)
    if refund.status == RefundStatus.PENDING:
        # A PG need not tell that it has arrived.
        await enqueue("refund", {"refund": str(refund.id)}, f"refund:{refund.id}")


async def _book_dispute(order: Order, payment: Payment, seen: DisputeSeen, cause: Cause) -> None:
    key = f"{payment.account}:{seen.pg_dispute_id}"
    known = await Dispute.objects().where(Dispute.dispute_key == key).first()
    was_over = known is not None and not known.is_open
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
        known = Dispute(payment=payment.id, dispute_key=key, **named)
        await Dispute.insert(known)
        before = None
    elif (known.status, known.is_open) != (seen.status, seen.is_open):
        before = known.status
        await Dispute.update(told).where(Dispute.id == known.id)
    else:
        return
    evidence = {"dispute": seen.pg_dispute_id, "amount": seen.amount, "reason": seen.reason}
    await record(cause, "dispute", order, payment, before, seen.status, evidence)
    if seen.is_open:
        due = {**evidence, "currency": payment.currency, "due_at": seen.due_at}
        await raise_alert(AlertKind.DISPUTE, str(known.id), order.shop, order, payment, due, was_over)
    else:
        await close_alert(AlertKind.DISPUTE, str(known.id), seen.status)
