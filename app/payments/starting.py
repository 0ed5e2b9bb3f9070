"""Starting a payment: the row that every later step hangs on. Paying again is starting once more."""

from datetime import timedelta

import structlog

from app import clock
from app.database import require_transaction, write_transaction
from app.orders import stock
from app.orders.states import PAYABLE, OrderStatus
from app.orders.tables import Order
from app.payments import watching
from app.payments.accounts import Gateways, Offer
from app.payments.closing import end_payment, shut
from app.payments.following import lock_order, move_order, shut_later
from app.payments.provider import Misconfigured, Unreachable
from app.payments.providers import PROVIDERS
from app.payments.states import OPEN, Cause, PaymentStatus
from app.payments.tables import Payment

log = structlog.get_logger("payments")

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

    In the caller's transaction. An older attempt that nobody has confirmed is ended. Raises NotPayable, and
    stock.SoldOut where the order's hold has ended and its goods are gone.
    """
    require_transaction()
    order = await lock_order(order_id)
    older = await Payment.objects().where(Payment.order == order.id, Payment.status.is_in(sorted(OPEN)))
    untouched = all(payment.status == PaymentStatus.CREATED for payment in older)
    # Its virtual account is closed, or its time is over: there is nothing left to transfer to.
    is_left = order.status == OrderStatus.AWAITING_DEPOSIT and untouched
    is_payable = order.status in PAYABLE or is_left
    if not is_payable or order.paid_by is not None or order.is_replaced or not untouched:
        raise NotPayable(order)
    await reopen(order, Cause.SHOPPER)
    for payment in older:
        if payment.account == offer.account.id and payment.way == offer.name:
            return payment
    for payment in older:
        await end_payment(order, payment, PaymentStatus.CANCELLED, "REPLACED", Cause.SHOPPER)
    return await _create(order, offer)


async def shut_others(gateways: Gateways, order: Order, offer: Offer) -> None:
    """Makes the order's other attempts unpayable at their PGs, before the shopper pays by `offer`: one that was paid
    meanwhile is found, a virtual account is closed. A PG that does not answer is left to the worker.
    """
    for payment in await Payment.objects().where(Payment.order == order.id, Payment.closed_at.is_null()):
        is_chosen = payment.account == offer.account.id and payment.way == offer.name
        if payment.status == PaymentStatus.CONFIRMING or (is_chosen and payment.status == PaymentStatus.CREATED):
            continue
        if PROVIDERS[payment.provider].traits.confirm_moves_money and payment.status == PaymentStatus.CREATED:
            continue
        try:
            await shut(gateways, payment, Cause.SHOPPER)
        except (Unreachable, Misconfigured) as error:
            log.warning("older_payment_not_closed", payment=str(payment.id), error=str(error))
            async with write_transaction():
                await shut_later(payment)


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


async def hold_for_window(payment: Payment, order: Order) -> None:
    """The PG's window opens: the order keeps its stock until the shopper can be back."""
    window = PROVIDERS[payment.provider].traits.window
    until = min(clock.now() + window + MARGIN, order.created_at + LONGEST_HOLD)
    if not PROVIDERS[payment.provider].traits.confirm_moves_money:
        # The shopper may pay, and never come back.
        await watching.look_soon(payment, watching.WHILE_OPEN)
    if order.expires_at < until:
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
