"""Reconciling: every payment that is not closed is asked about at its time, whoever has forgotten it."""

import asyncio

import structlog

from app import clock
from app.failures import describe
from app.orders.tables import Order
from app.payments import watching
from app.payments.accounts import Gateways
from app.payments.closing import give_up
from app.payments.concluding import look_again
from app.payments.providers import PROVIDERS
from app.payments.states import Cause, PaymentStatus
from app.payments.tables import Payment

log = structlog.get_logger("payments")

AT_ONCE = 20


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
        await look_again(gateways, payment, Cause.RECONCILE)
        await _let_lapse(payment)
    except Exception as error:
        log.error("reconciling_failed", payment=str(payment.id), error=describe(error))
        await watching.watch_on(payment, Cause.RECONCILE)


async def _let_lapse(payment: Payment) -> None:
    """Closes a payment that nobody confirmed, once a window opened at its order's last moment would have closed too."""
    traits = PROVIDERS[payment.provider].traits
    if payment.status != PaymentStatus.CREATED or not traits.confirm_moves_money:
        return
    order = await Order.select(Order.expires_at).where(Order.id == payment.order).first()
    if order["expires_at"] + traits.window < clock.now():
        await give_up(payment, PaymentStatus.EXPIRED, "WINDOW_OVER", Cause.TIMER)
