"""Closing: ending payments that nobody paid, and the orders they leave behind.

Where our confirm alone moves money we end a payment by ourselves. Elsewhere the PG is asked to make it unpayable, and
it is watched until the PG says so. A confirm that has begun is never overtaken.
"""

from collections.abc import Mapping
from uuid import UUID

from app import clock
from app.database import require_transaction, write_transaction
from app.jobs.worker import NotYet
from app.orders import stock
from app.orders.states import PAYABLE, OrderStatus
from app.orders.tables import Order
from app.payments.accounts import Gateways, attempt_of
from app.payments.events import record
from app.payments.following import ORDER_AFTER, has_open_payment, lock_order, move_order, shut_later
from app.payments.provider import Misconfigured, Outcome, OutcomeStatus, Unreachable
from app.payments.providers import PROVIDERS
from app.payments.settling import settle
from app.payments.states import ENDED_UNPAID, OPEN, Cause, PaymentStatus
from app.payments.tables import Payment


async def shut(gateways: Gateways, payment: Payment, cause: Cause) -> Outcome:
    """Makes it unpayable at the PG where the PG can, and settles what it says. Raises Unreachable, Misconfigured."""
    account = await gateways.account_of(payment)
    outcome = await gateways.provider(account).close(attempt_of(payment))
    await settle(payment, outcome, account, cause)
    return outcome


async def carry_out(gateways: Gateways, payload: Mapping[str, str]) -> None:
    """The job behind a payment that was ended here first. Raises NotYet until the PG has answered."""
    payment = await Payment.objects().get(Payment.id == UUID(payload["payment"]))
    if payment.closed_at is not None:
        return
    try:
        outcome = await shut(gateways, payment, Cause.TIMER)
    except (Unreachable, Misconfigured) as error:
        raise NotYet(f"{type(error).__name__}: {error}") from None
    can_close = PROVIDERS[payment.provider].traits.can_close
    if outcome.status is OutcomeStatus.AWAITING_DEPOSIT or (outcome.status is OutcomeStatus.OPEN and can_close):
        raise NotYet("the PG would still take money")


async def give_up(payment: Payment, target: PaymentStatus, failure: str, cause: Cause) -> bool:
    """Ends an unconfirmed payment, and its order with it where no other payment is open. True when this call did it."""
    async with write_transaction():
        order = await lock_order(payment.order)
        if not await end_payment(order, payment, target, failure, cause):
            return False
        if target in ORDER_AFTER and not await has_open_payment(order):
            await move_order(order, ORDER_AFTER[target], cause, payment)
        return True


async def end_payment(order: Order, payment: Payment, target: PaymentStatus, failure: str, cause: Cause) -> bool:
    """The same for the payment alone, in the caller's transaction, with the order's row locked.

    At a PG that takes money without us it stays on the watch, and a job closes it there.
    """
    require_transaction()
    is_over = PROVIDERS[payment.provider].traits.confirm_moves_money
    now = clock.now()
    won = (
        await Payment.update(
            {
                Payment.status: target,
                Payment.failure_code: failure,
                Payment.closed_at: now if is_over else None,
                Payment.next_check_at: None if is_over else now,
            }
        )
        .where(Payment.id == payment.id, Payment.status == PaymentStatus.CREATED)
        .returning(Payment.id)
    )
    if won:
        await record(cause, "payment", order, payment, PaymentStatus.CREATED, target, {"failure": failure})
        if not is_over:
            await shut_later(payment)
    return bool(won)


async def stop_watching(payment: Payment) -> None:
    """Ends the watch over a payment that was left unpaid: it was closed at the PG, or the PG's window is long over."""
    await Payment.update(
        {Payment.closed_at: clock.now(), Payment.next_check_at: None, Payment.lease_until: None}
    ).where(Payment.id == payment.id, Payment.closed_at.is_null(), Payment.status.is_in(sorted(ENDED_UNPAID)))


async def close_order(order: Order) -> None:
    """Cancels an unpaid order that a changed form has replaced, in the caller's transaction; its stock goes back.

    An order whose payment is being confirmed stays as it is: its money may be on the way.
    """
    require_transaction()
    order = await lock_order(order.id)
    payments = await Payment.objects().where(Payment.order == order.id, Payment.status.is_in(sorted(OPEN)))
    if order.status not in PAYABLE or any(payment.status != PaymentStatus.CREATED for payment in payments):
        return
    for payment in payments:
        await end_payment(order, payment, PaymentStatus.CANCELLED, "REPLACED", Cause.SHOPPER)
    await move_order(order, OrderStatus.CANCELLED, Cause.SHOPPER)
    await stock.give_back(order)
