"""Asking the PG now: about every payment of an order, also one that was closed, because a person wants to know."""

import asyncio

import structlog

from app.background import Background
from app.failures import describe
from app.payments import watching
from app.payments.accounts import Gateways
from app.payments.concluding import look_again
from app.payments.states import Cause
from app.payments.tables import Payment

log = structlog.get_logger("desk")

# How long the page waits; then the work goes on without it.
PATIENCE = 8.0


async def ask_about(gateways: Gateways, background: Background, order_id: object) -> bool:
    """True when the PG has answered about each of the order's payments. What it has not is asked again later."""
    payments = await Payment.objects().where(Payment.order == order_id)
    answers = await background.within(PATIENCE, _ask_all(gateways, payments))
    return answers is not None and all(answers)


async def _ask_all(gateways: Gateways, payments: list[Payment]) -> list[bool]:
    return await asyncio.gather(*(_ask(gateways, payment) for payment in payments))


async def _ask(gateways: Gateways, payment: Payment) -> bool:
    try:
        if payment.closed_at is not None:
            await watching.look_at_once(payment)
            payment = await Payment.objects().get(Payment.id == payment.id)
        return await look_again(gateways, payment, Cause.OWNER)
    except Exception as error:
        log.error("look_failed", payment=str(payment.id), error=describe(error))
        return False
