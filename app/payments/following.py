"""Following: what a moved payment means for its order, in the transaction of whoever moved the payment."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from app import clock
from app.database import for_update
from app.jobs.queue import enqueue
from app.orders import states as order_states
from app.orders import stock
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments import states
from app.payments.events import record
from app.payments.provider import Outcome
from app.payments.providers import PROVIDERS
from app.payments.states import Cause, PaymentStatus, RefundKind
from app.payments.tables import Payment, Refund
from app.shops.tables import LateDeposit

# A transfer may be told of late: the order waits that much longer than the account.
DEPOSIT_MARGIN = timedelta(days=1)

# Doors by which shoppers see for themselves what became of a payment.
SEEN_BY_SHOPPER = (Cause.RETURN, Cause.SHOPPER)

# What the shop's own books call it.
REASONS = {
    RefundKind.SURPLUS: "중복 결제 자동 환불",
    RefundKind.LATE: "입금 기한이 지나 자동 환불",
    RefundKind.MISMATCH: "금액 불일치 자동 환불",
}

ORDER_AFTER = {PaymentStatus.FAILED: OrderStatus.FAILED, PaymentStatus.CANCELLED: OrderStatus.CANCELLED}


async def lock_order(order_id: object) -> Order:
    """The order's row, locked until the transaction ends: always first, and its payments after it."""
    return await for_update(Order.objects().where(Order.id == order_id).first())


async def follow(order: Order, payment: Payment, target: PaymentStatus, outcome: Outcome, cause: Cause) -> None:
    """What a moved payment means for its order."""
    # What came and went back before we looked pays nothing and needs nothing.
    newly_captured = outcome.captured > outcome.refunded and not payment.captured_amount
    if order.paid_by == payment.id and target is PaymentStatus.AWAITING_DEPOSIT:
        await _wait_again(order, payment, outcome, cause)
    elif order.paid_by == payment.id:
        event = await move_order(order, OrderStatus(target), cause, payment, {Order.refunded_amount: outcome.refunded})
        # A PG that tells its refunds one by one says of each when it is done: `booking` writes then.
        if event and outcome.refunded > payment.refunded_amount and not outcome.refunds:
            amount = str(outcome.refunded - payment.refunded_amount)
            await _mail("refunded", event, order, payment, {"amount": amount})
    elif newly_captured and await _is_unwanted(order, payment, outcome):
        await send_back(order, payment, outcome, RefundKind.LATE, cause)
    elif newly_captured and await _can_take(order):
        paid = {
            Order.paid_by: payment.id,
            Order.pg_provider: payment.provider,
            Order.pg_payment_id: outcome.pg_payment_id,
            Order.paid_at: outcome.paid_at or clock.now(),
            Order.refunded_amount: outcome.refunded,
        }
        event = await move_order(order, OrderStatus(target), cause, payment, paid)
        if event:
            await _mail("paid", event, order, payment)
            await _close_others(order, payment)
    elif newly_captured:
        await send_back(order, payment, outcome, RefundKind.SURPLUS, cause)
    elif target is PaymentStatus.AWAITING_DEPOSIT:
        await _wait_for_deposit(order, payment, outcome, cause)
    elif target in ORDER_AFTER and not await has_open_payment(order):
        await move_order(order, ORDER_AFTER[target], cause, payment, await _shorter_hold(order))
    was_undecided = payment.status == PaymentStatus.CONFIRMING
    if was_undecided and target in states.ENDED_UNPAID and cause not in SEEN_BY_SHOPPER:
        await offer_again(order)


async def offer_again(order: Order, wait: timedelta = timedelta(0)) -> None:
    """A mail with the order's link for a shopper who may have left without an answer: once for an order, in the
    caller's transaction. It is left out where the order cannot be paid any more; `wait` leaves time to do so.
    """
    await enqueue("mail", {"mail": "pay_again", "order": str(order.id)}, f"mail:pay_again:{order.id}", wait)


async def _wait_for_deposit(order: Order, payment: Payment, outcome: Outcome, cause: Cause) -> None:
    """The order waits as long as the account, and a day more. An account that nobody should pay into is closed."""
    if await _can_take(order):
        until = {Order.expires_at: _deposit_end(outcome)}
        event = await move_order(order, OrderStatus.AWAITING_DEPOSIT, cause, payment, until)
        if event:
            await _mail("deposit_account", event, order, payment)
    else:
        await shut_later(payment)


async def _wait_again(order: Order, payment: Payment, outcome: Outcome, cause: Cause) -> None:
    """The bank took the deposit back: the order is unpaid, and waits for another transfer."""
    unpaid = {
        Order.paid_by: None,
        Order.paid_at: None,
        Order.pg_payment_id: None,
        Order.expires_at: _deposit_end(outcome),
    }
    event = await move_order(order, OrderStatus.AWAITING_DEPOSIT, cause, payment, unpaid)
    if event:
        order.paid_by = None
        await _mail("deposit_reversed", event, order, payment)


async def _close_others(order: Order, paid: Payment) -> None:
    """Nobody should pay the order again, in another window or into an account that was issued."""
    others = await Payment.objects().where(Payment.order == order.id, Payment.closed_at.is_null())
    for payment in others:
        is_ours_to_confirm = PROVIDERS[payment.provider].traits.confirm_moves_money
        if payment.id != paid.id and not (is_ours_to_confirm and payment.status == PaymentStatus.CREATED):
            await shut_later(payment)


async def shut_later(payment: Payment) -> None:
    """Leaves it to the worker to make a payment unpayable at its PG, however often; in the caller's transaction."""
    await enqueue("close", {"payment": str(payment.id)}, f"close:{payment.id}:{clock.new_id()}")


def _deposit_end(outcome: Outcome) -> datetime:
    due_at = outcome.deposit.due_at if outcome.deposit else clock.now()
    return max(due_at, clock.now()) + DEPOSIT_MARGIN


async def _shorter_hold(order: Order) -> dict:
    """An order that waits for no deposit any more is held like any other."""
    if order.status != OrderStatus.AWAITING_DEPOSIT:
        return {}
    shop = await Order.select(Order.shop.hold_minutes).where(Order.id == order.id).first()
    return {Order.expires_at: clock.now() + timedelta(minutes=shop["shop.hold_minutes"])}


async def _is_unwanted(order: Order, payment: Payment, outcome: Outcome) -> bool:
    """Whether the order might take the money, but it was transferred after the due date, and the shop takes none then.

    When it was transferred is the PG's to say: told late, it may have been in time.
    """
    told = outcome.deposit.due_at if outcome.deposit else None
    due_at = payment.deposit_due_at or told
    if due_at is None or (outcome.paid_at or clock.now()) <= due_at or not _is_payable(order):
        return False
    shop = await Order.select(Order.shop.late_deposit).where(Order.id == order.id).first()
    return shop["shop.late_deposit"] == LateDeposit.REFUND


def _is_payable(order: Order) -> bool:
    is_open = OrderStatus.PAID in order_states.NEXT[OrderStatus(order.status)]
    return is_open and order.paid_by is None and not order.is_replaced


async def _can_take(order: Order) -> bool:
    """Whether the money can pay this order; takes its stock again where its hold has ended."""
    if not _is_payable(order):
        return False
    if order.holds_stock:
        return True
    try:
        await stock.take_again(order)
    except stock.SoldOut:
        return False
    return True


async def has_open_payment(order: Order) -> bool:
    return await Payment.exists().where(Payment.order == order.id, Payment.status.is_in(sorted(states.OPEN)))


async def move_order(
    order: Order,
    target: OrderStatus,
    cause: Cause,
    payment: Payment | None = None,
    changes: dict | None = None,
) -> UUID | None:
    """The order's conditional update and its event; the event's id where this call moved it."""
    won = (
        await Order.update({Order.status: target, Order.updated_at: clock.now(), **(changes or {})})
        .where(Order.id == order.id, Order.status.is_in(order_states.sources_of(target)))
        .returning(Order.id)
    )
    if not won:
        return None
    event = await record(cause, "order", order, payment, order.status, target)
    order.status = target
    return event


async def send_back(order: Order, payment: Payment, outcome: Outcome, kind: RefundKind, cause: Cause) -> None:
    """Money that no order can take: the refund's row and its job, before anybody calls the PG."""
    refund = Refund(
        payment=payment.id,
        kind=kind,
        amount=outcome.captured - outcome.refunded,
        reason=REASONS[kind],
        created_at=clock.now(),
    )
    await Refund.insert(refund)
    evidence = {"refund": str(refund.id), "kind": kind, "amount": refund.amount}
    await record(cause, "refund", order, payment, None, refund.status, evidence)
    await enqueue("refund", {"refund": str(refund.id)}, f"refund:{refund.id}")


async def _mail(kind: str, event: UUID, order: Order, payment: Payment, more: Mapping[str, str] | None = None) -> None:
    """One mail for one change, whoever may look at it again."""
    payload = {"mail": kind, "order": str(order.id), "payment": str(payment.id), **(more or {})}
    await enqueue("mail", payload, f"mail:{event}")
