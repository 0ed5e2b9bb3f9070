"""Closing without the PG: payments that nobody confirmed, and the orders they leave behind.

Only for PGs where our confirm alone moves money; a confirm that has begun is never overtaken.
"""

from app import clock
from app.database import require_transaction, write_transaction
from app.orders import stock
from app.orders.states import PAYABLE, OrderStatus
from app.orders.tables import Order
from app.payments.events import record
from app.payments.providers import PROVIDERS
from app.payments.settling import ORDER_AFTER, has_open_payment, lock_order, move_order
from app.payments.states import OPEN, Cause, PaymentStatus
from app.payments.tables import Payment


async def give_up(payment: Payment, target: PaymentStatus, failure: str, cause: Cause) -> bool:
    """Ends an unconfirmed payment, and its order with it where no other payment is open. True when this call did it."""
    async with write_transaction():
        order = await lock_order(payment.order)
        if not await close_payment(order, payment, target, failure, cause):
            return False
        if target in ORDER_AFTER and not await has_open_payment(order):
            await move_order(order, ORDER_AFTER[target], cause, payment)
        return True


async def close_payment(order: Order, payment: Payment, target: PaymentStatus, failure: str, cause: Cause) -> bool:
    """The same for the payment alone, in the caller's transaction, with the order's row locked."""
    require_transaction()
    assert PROVIDERS[payment.provider].traits.confirm_moves_money, "this PG takes money without us"
    won = (
        await Payment.update(
            {
                Payment.status: target,
                Payment.failure_code: failure,
                Payment.closed_at: clock.now(),
                Payment.next_check_at: None,
            }
        )
        .where(Payment.id == payment.id, Payment.status == PaymentStatus.CREATED)
        .returning(Payment.id)
    )
    if won:
        await record(cause, "payment", order, payment, PaymentStatus.CREATED, target, {"failure": failure})
    return bool(won)


async def close_order(order: Order) -> None:
    """Cancels an unpaid order that a changed form has replaced, in the caller's transaction; its stock goes back.

    An order whose payment is being confirmed stays as it is: its money may be on the way.
    """
    require_transaction()
    order = await lock_order(order.id)
    payments = await Payment.objects().where(Payment.order == order.id, Payment.status.is_in(list(OPEN)))
    if order.status not in PAYABLE or any(payment.status != PaymentStatus.CREATED for payment in payments):
        return
    for payment in payments:
        await close_payment(order, payment, PaymentStatus.CANCELLED, "REPLACED", Cause.SHOPPER)
    await move_order(order, OrderStatus.CANCELLED, Cause.SHOPPER)
    await stock.give_back(order)
