"""Expiring: an unpaid order's hold ends, after one last look at the PG; its stock goes back."""

import asyncio
from datetime import timedelta

import structlog

from app import clock
from app.database import write_transaction
from app.failures import describe
from app.jobs.queue import enqueue
from app.orders import stock
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.accounts import Gateways
from app.payments.closing import shut
from app.payments.concluding import look_again
from app.payments.following import lock_order, move_order
from app.payments.provider import Misconfigured, Unreachable
from app.payments.providers import PROVIDERS
from app.payments.states import Cause, PaymentStatus, RefundKind
from app.payments.tables import Payment, Refund

log = structlog.get_logger("payments")

# While a payment is being decided, its order holds on.
ONCE_MORE = timedelta(minutes=5)
AT_ONCE = 20

BEING_DECIDED = [PaymentStatus.CONFIRMING, PaymentStatus.AWAITING_DEPOSIT]
UNPAID = [OrderStatus.PENDING, OrderStatus.AWAITING_DEPOSIT, OrderStatus.FAILED, OrderStatus.CANCELLED]


async def expire_due(gateways: Gateways) -> None:
    """Ends the holds whose time has come.

    The payments of an expired order stay as they are: one whose window is still open may yet come back, and is then
    confirmed if its stock can be taken again.
    """
    due = (
        await Order.select(Order.id)
        .where(Order.expires_at <= clock.now(), Order.holds_stock.eq(True), Order.status.is_in(UNPAID))
        .order_by(Order.expires_at)
        .limit(AT_ONCE)
    )
    await asyncio.gather(*(_end_hold(gateways, row["id"]) for row in due))


async def _end_hold(gateways: Gateways, order_id: object) -> None:
    try:
        await _expire(order_id, await _look_last(gateways, order_id))
    except Exception as error:
        log.error("expiring_failed", order=str(order_id), error=describe(error))
        # Its turn comes later again: one that always fails keeps no other waiting.
        await _hold_on(order_id)


async def _look_last(gateways: Gateways, order_id: object) -> bool:
    """Whether the order may end: the PG has answered for each of its payments, or takes no money without us.

    Where it does, it is asked to take none any more.
    """
    may_end = True
    for payment in await Payment.objects().where(Payment.order == order_id, Payment.closed_at.is_null()):
        is_ours_to_confirm = PROVIDERS[payment.provider].traits.confirm_moves_money
        try:
            if is_ours_to_confirm or payment.status in BEING_DECIDED:
                answered = await look_again(gateways, payment, Cause.TIMER)
            else:
                await shut(gateways, payment, Cause.TIMER)
                answered = True
        except (Unreachable, Misconfigured):
            answered = False
        except Exception as error:
            log.error("last_look_failed", payment=str(payment.id), error=describe(error))
            answered = False
        may_end = may_end and (answered or is_ours_to_confirm)
    return may_end


async def _expire(order_id: object, may_end: bool) -> None:
    async with write_transaction():
        order = await lock_order(order_id)
        if order.status not in UNPAID or order.expires_at > clock.now():
            return
        being_decided = await Payment.exists().where(
            Payment.order == order_id,
            Payment.status.is_in(BEING_DECIDED),
        )
        if being_decided or not may_end:
            await _hold_on(order_id)
            return
        waited_for_deposit = order.status == OrderStatus.AWAITING_DEPOSIT
        event = await move_order(order, OrderStatus.EXPIRED, Cause.TIMER)
        await stock.give_back(order)
        # Of money that came too late, and goes back, the shopper knows already.
        came_late = await Refund.exists().where(Refund.payment.order == order_id, Refund.kind == RefundKind.LATE)
        if event and waited_for_deposit and not came_late:
            await enqueue("mail", {"mail": "deposit_expired", "order": str(order.id)}, f"mail:{event}")


async def _hold_on(order_id: object) -> None:
    now = clock.now()
    await Order.update({Order.expires_at: now + ONCE_MORE}).where(Order.id == order_id, Order.expires_at <= now)
