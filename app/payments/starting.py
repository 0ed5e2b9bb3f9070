"""Starting a payment: the row that every later step hangs on. Paying again is starting once more."""

from datetime import timedelta

from app import clock
from app.database import require_transaction
from app.orders import stock
from app.orders.states import PAYABLE, OrderStatus
from app.orders.tables import Order
from app.payments.accounts import Offer
from app.payments.closing import close_payment
from app.payments.providers import PROVIDERS
from app.payments.settling import lock_order, move_order
from app.payments.states import OPEN, Cause, PaymentStatus
from app.payments.tables import Payment

# What the shopper's way back needs beyond the PG's own window.
MARGIN = timedelta(minutes=5)
# However often it is paid again or the window is opened again, a hold ends.
LONGEST_HOLD = timedelta(hours=6)


class NotPayable(Exception):
    """The order is paid, replaced, or a payment of it is being decided: nothing new may begin."""

    def __init__(self, order: Order) -> None:
        super().__init__(order.number)
        self.order = order


async def begin_payment(order: Order, is_new: bool, offer: Offer) -> Payment:
    """The payment of an order that was just placed, in the transaction that placed it. Raises what `pay_order` does."""
    return await (_create(order, offer) if is_new else pay_order(order.id, offer))


async def pay_order(order_id: object, offer: Offer) -> Payment:
    """The payment that the shopper is handed over with; the same one while it is untouched, so a double click is one.

    In the caller's transaction. An older attempt that nobody has confirmed is closed. Raises NotPayable, and
    stock.SoldOut where the order's hold has ended and its goods are gone.
    """
    require_transaction()
    order = await lock_order(order_id)
    older = await Payment.objects().where(Payment.order == order.id, Payment.status.is_in(list(OPEN)))
    untouched = all(payment.status == PaymentStatus.CREATED for payment in older)
    if order.status not in PAYABLE or order.paid_by is not None or order.is_replaced or not untouched:
        raise NotPayable(order)
    await reopen(order, Cause.SHOPPER)
    for payment in older:
        if payment.account == offer.account.id and payment.way == offer.name:
            return payment
    for payment in older:
        await close_payment(order, payment, PaymentStatus.CANCELLED, "REPLACED", Cause.SHOPPER)
    return await _create(order, offer)


async def reopen(order: Order, cause: Cause) -> None:
    """Makes a payable order pending, with its stock held and time to pay. The order's row is locked by the caller.

    Raises stock.SoldOut.
    """
    held = order.holds_stock
    if not held:
        await stock.take_again(order)
    if order.status == OrderStatus.PENDING:
        return
    shop = await Order.select(Order.shop.hold_minutes).where(Order.id == order.id).first()
    until = clock.now() + timedelta(minutes=shop["shop.hold_minutes"])
    if held:
        until = min(until, order.created_at + LONGEST_HOLD)
    await move_order(order, OrderStatus.PENDING, cause, None, {Order.expires_at: max(order.expires_at, until)})


async def hold_for_window(payment: Payment) -> None:
    """The PG's window opens: the order keeps its stock until the shopper can be back."""
    order = await Order.select(Order.expires_at, Order.created_at).where(Order.id == payment.order).first()
    window = PROVIDERS[payment.provider].traits.window
    until = min(clock.now() + window + MARGIN, order["created_at"] + LONGEST_HOLD)
    if order["expires_at"] < until:
        await Order.update({Order.expires_at: until}).where(
            Order.id == payment.order, Order.status == OrderStatus.PENDING, Order.expires_at < until
        )


async def _create(order: Order, offer: Offer) -> Payment:
    now = clock.now()
    payment = Payment(
        order=order.id,
        account=offer.account.id,
        provider=offer.account.provider,
        way=offer.name,
        amount=order.total_amount,
        currency=order.currency,
        next_check_at=now + PROVIDERS[offer.account.provider].traits.window,
        created_at=now,
    )
    await Payment.insert(payment)
    return payment
