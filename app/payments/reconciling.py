"""Reconciling: every payment that is not closed is asked about at its time, whoever has forgotten it."""

import asyncio
from datetime import timedelta

import structlog

from app import clock
from app.failures import describe
from app.orders.tables import Order
from app.payments import watching
from app.payments.accounts import Gateways
from app.payments.closing import give_up, shut, stop_watching
from app.payments.concluding import look_again
from app.payments.providers import PROVIDERS
from app.payments.states import ENDED_UNPAID, Cause, PaymentStatus
from app.payments.tables import Payment

log = structlog.get_logger("payments")

AT_ONCE = 20

# What the shopper left unpaid, and may come back to in the PG's window.
LAPSING = ENDED_UNPAID | {PaymentStatus.CREATED}
LONG_AFTER = timedelta(days=1)


async def reconcile_due(gateways: Gateways) -> None:
    """Looks up the payments whose next check has come; a PG that hangs for one of them keeps no other waiting."""
    now = clock.now()
    due = (
        await Payment.objects()
        .where(
            Payment.closed_at.is_null(),
            Payment.next_check_at <= now,
            Payment.lease_until.is_null() | (Payment.lease_until < now),
        )
        .order_by(Payment.next_check_at)
        .limit(AT_ONCE)
    )
    await asyncio.gather(*(_reconcile(gateways, payment) for payment in due))


async def _reconcile(gateways: Gateways, payment: Payment) -> None:
    try:
        answered = await look_again(gateways, payment, Cause.RECONCILE)
        await _let_lapse(gateways, payment, answered)
    except Exception as error:
        log.error("reconciling_failed", payment=str(payment.id), error=describe(error))
        await watching.watch_on(payment, Cause.RECONCILE)


async def _let_lapse(gateways: Gateways, payment: Payment, answered: bool) -> None:
    """Ends a payment that nobody paid, once a window opened at its order's last moment would have closed too.

    A PG that takes money without us must have answered long after that, and is asked to take none where it can be.
    """
    traits = PROVIDERS[payment.provider].traits
    due_at = payment.deposit_due_at
    # Of an account that was given and came to nothing, a deposit may be told for as long as of any other.
    is_left = payment.status in LAPSING and (due_at is None or due_at + watching.AFTER_DUE < clock.now())
    if not is_left or not (answered or traits.confirm_moves_money):
        return
    long_ago = clock.now() - (traits.window if traits.confirm_moves_money else traits.window + LONG_AFTER)
    if payment.created_at > long_ago:
        # Nor can its order's time have ended before.
        return
    order = await Order.select(Order.expires_at).where(Order.id == payment.order).first()
    if order["expires_at"] > long_ago:
        return
    if traits.can_close and not (await shut(gateways, payment, Cause.TIMER)).closed:
        return
    await give_up(payment, PaymentStatus.EXPIRED, "WINDOW_OVER", Cause.TIMER)
    await stop_watching(payment)
