"""Settling: the only writer of money states. What a PG answered is compared with our rows and moves them, once."""

from app import clock
from app.database import for_update, write_transaction
from app.jobs.queue import enqueue
from app.orders import states as order_states
from app.orders import stock
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments import states, watching
from app.payments.events import evidence_of, record, record_refusal
from app.payments.provider import Account, Outcome, OutcomeStatus
from app.payments.states import Cause, PaymentStatus, RefundKind
from app.payments.tables import Payment, Refund

# The PG's words that end or move a payment without capturing money. The others say "not yet".
STANDING = {
    OutcomeStatus.AWAITING_DEPOSIT: PaymentStatus.AWAITING_DEPOSIT,
    OutcomeStatus.FAILED: PaymentStatus.FAILED,
    OutcomeStatus.CANCELLED: PaymentStatus.CANCELLED,
    OutcomeStatus.EXPIRED: PaymentStatus.EXPIRED,
}

ORDER_AFTER = {PaymentStatus.FAILED: OrderStatus.FAILED, PaymentStatus.CANCELLED: OrderStatus.CANCELLED}


async def settle(payment: Payment, outcome: Outcome, account: Account, cause: Cause) -> bool:
    """Applies what the PG said of `payment`; True when this very call moved it.

    `payment` is the row as it was read before the PG was asked: an answer older than the row's sums moves nothing.
    Safe to repeat; whoever comes second changes nothing. Consequences (stock, refund) are written in the same
    transaction, and only by whoever moved the row.
    """
    async with write_transaction():
        order = await lock_order(payment.order)
        if not is_ours(payment, outcome, account):
            await record_refusal(cause, order, payment, {"why": "foreign", **evidence_of(outcome)})
            await watching.watch_on(payment, cause)
            return False
        if differs(payment, outcome, account):
            if outcome.captured or outcome.status is OutcomeStatus.AWAITING_DEPOSIT:
                return await _set_aside(order, payment, outcome, cause)
            # Nothing was taken: it ends like any other, and until then nobody confirms it.
            await record_refusal(cause, order, payment, {"why": "mismatch", **evidence_of(outcome)})
        target = _target(outcome)
        if target is None or not await _move(order, payment, target, outcome, cause):
            await _keep_watching(payment, outcome, cause)
            return False
        await _follow(order, payment, target, outcome, cause)
        return True


async def lock_order(order_id: object) -> Order:
    """The order's row, locked until the transaction ends: always first, and its payments after it."""
    return await for_update(Order.objects().where(Order.id == order_id).first())


def is_ours(payment: Payment, outcome: Outcome, account: Account) -> bool:
    """Whether the PG speaks of this very payment, and of this merchant."""
    return outcome.reference == payment.reference and account.merchant in ("", outcome.merchant)


def differs(payment: Payment, outcome: Outcome, account: Account) -> bool:
    """Whether the PG has ours, but of another amount, currency or mode."""
    ours = (payment.amount, payment.currency, account.mode == "live")
    if outcome.status is OutcomeStatus.PAID and outcome.captured != payment.amount:
        return True
    return (outcome.amount, outcome.currency, outcome.live) != ours


def _target(outcome: Outcome) -> PaymentStatus | None:
    if outcome.status is OutcomeStatus.PAID:
        # "Paid" without money is no answer.
        return states.by_amounts(outcome.captured, outcome.refunded) if outcome.captured else None
    return STANDING.get(outcome.status)


async def _move(
    order: Order, payment: Payment, target: PaymentStatus, outcome: Outcome, cause: Cause
) -> PaymentStatus | None:
    """The conditional update; None where the row was moved by somebody else, or already says the same.

    PARTIALLY_REFUNDED may follow itself, with another sum.
    """
    if (payment.captured_amount, payment.refunded_amount, payment.status) == (
        outcome.captured,
        outcome.refunded,
        target,
    ):
        return None
    before = await Payment.select(Payment.status).where(Payment.id == payment.id).first()
    won = (
        await Payment.update(
            {
                Payment.status: target,
                Payment.captured_amount: outcome.captured,
                Payment.refunded_amount: outcome.refunded,
                Payment.method: outcome.method or payment.method,
                Payment.pg_payment_id: outcome.pg_payment_id or payment.pg_payment_id,
                Payment.receipt_url: outcome.receipt_url or payment.receipt_url,
                Payment.paid_at: outcome.paid_at or payment.paid_at,
                Payment.failure_code: outcome.failure,
                Payment.closed_at: clock.now() if outcome.closed else None,
                Payment.claim: None,
                Payment.next_check_at: None if outcome.closed else watching.next_look(0, clock.now()),
                Payment.lease_until: None,
            }
        )
        .where(
            Payment.id == payment.id,
            Payment.status.is_in(states.sources_of(target)),
            Payment.captured_amount == payment.captured_amount,
            Payment.refunded_amount == payment.refunded_amount,
        )
        .returning(Payment.id)
    )
    if not won:
        return None
    await record(cause, "payment", order, payment, before["status"], target, evidence_of(outcome))
    return target


async def _keep_watching(payment: Payment, outcome: Outcome, cause: Cause) -> None:
    """Nothing moved: only the watch over it may change."""
    if outcome.retry_key:
        await watching.use_new_key(payment)
    if not outcome.closed:
        await watching.watch_on(payment, cause)
        return
    closed = {Payment.next_check_at: None, Payment.lease_until: None}
    if payment.closed_at is None:
        closed[Payment.closed_at] = clock.now()
    await Payment.update(closed).where(Payment.id == payment.id)


async def _follow(order: Order, payment: Payment, target: PaymentStatus, outcome: Outcome, cause: Cause) -> None:
    """What a moved payment means for its order."""
    # What came and went back before we looked pays nothing and needs nothing.
    newly_captured = outcome.captured > outcome.refunded and not payment.captured_amount
    if order.paid_by == payment.id:
        await move_order(order, OrderStatus(target), cause, payment, {Order.refunded_amount: outcome.refunded})
    elif newly_captured and await _can_take(order):
        paid = {
            Order.paid_by: payment.id,
            Order.pg_provider: payment.provider,
            Order.pg_payment_id: outcome.pg_payment_id,
            Order.paid_at: outcome.paid_at or clock.now(),
            Order.refunded_amount: outcome.refunded,
        }
        await move_order(order, OrderStatus(target), cause, payment, paid)
    elif newly_captured:
        await _send_back(order, payment, outcome, RefundKind.SURPLUS, cause)
    elif target is PaymentStatus.AWAITING_DEPOSIT and order.paid_by is None:
        await move_order(order, OrderStatus.AWAITING_DEPOSIT, cause, payment)
    elif target in ORDER_AFTER and not await has_open_payment(order):
        await move_order(order, ORDER_AFTER[target], cause, payment)


async def _can_take(order: Order) -> bool:
    """Whether the money can pay this order; takes its stock again where its hold has ended."""
    if order.paid_by is not None or OrderStatus.PAID not in order_states.NEXT[OrderStatus(order.status)]:
        return False
    if order.holds_stock:
        return True
    try:
        await stock.take_again(order)
    except stock.SoldOut:
        return False
    return True


async def has_open_payment(order: Order) -> bool:
    return await Payment.exists().where(Payment.order == order.id, Payment.status.is_in(list(states.OPEN)))


async def move_order(
    order: Order,
    target: OrderStatus,
    cause: Cause,
    payment: Payment | None = None,
    changes: dict | None = None,
) -> bool:
    """The order's conditional update and its event."""
    won = (
        await Order.update({Order.status: target, Order.updated_at: clock.now(), **(changes or {})})
        .where(Order.id == order.id, Order.status.is_in(order_states.sources_of(target)))
        .returning(Order.id)
    )
    if won:
        await record(cause, "order", order, payment, order.status, target)
        order.status = target
    return bool(won)


async def _set_aside(order: Order, payment: Payment, outcome: Outcome, cause: Cause) -> bool:
    """Money of another amount, currency or mode. The order stays as it is; what the PG captured goes back."""
    if not await _move(order, payment, PaymentStatus.MISMATCH, outcome, cause):
        return False
    if outcome.captured > outcome.refunded and not payment.captured_amount:
        await _send_back(order, payment, outcome, RefundKind.MISMATCH, cause)
    return True


async def _send_back(order: Order, payment: Payment, outcome: Outcome, kind: RefundKind, cause: Cause) -> None:
    """Money that no order can take: the refund's row and its job, before anybody calls the PG."""
    refund = Refund(
        payment=payment.id,
        kind=kind,
        amount=outcome.captured - outcome.refunded,
        reason="중복 결제 자동 환불" if kind is RefundKind.SURPLUS else "금액 불일치 자동 환불",
    )
    await Refund.insert(refund)
    await record(cause, "refund", order, payment, None, refund.status, {"kind": kind, "amount": refund.amount})
    await enqueue("refund", {"refund": str(refund.id)}, f"refund:{refund.id}")
