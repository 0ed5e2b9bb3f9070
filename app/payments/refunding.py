"""Refunding: sending money back. The row and its key stand before the PG is asked, so that it can be asked again."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import structlog

from app import clock
from app.database import write_transaction
from app.jobs.worker import NotYet
from app.money import Money
from app.payments.accounts import Gateways, attempt_of
from app.payments.events import record
from app.payments.provider import Misconfigured, Outcome, Provider, RefundRequest, Refused, Unreachable
from app.payments.settling import lock_order, settle
from app.payments.states import Cause, RefundStatus, refund_sources_of
from app.payments.tables import Payment, Refund

log = structlog.get_logger("payments")

# Somebody sent all of it back by hand, before we could.
GONE_ALREADY = "GONE_ALREADY"


async def carry_out(gateways: Gateways, payload: Mapping[str, str]) -> None:
    """The job behind a Refund row. Raises NotYet until the PG has said what happened: then it is done again."""
    refund = await Refund.objects().get(Refund.id == UUID(payload["refund"]))
    if refund.status not in (RefundStatus.REQUESTED, RefundStatus.PENDING):
        return
    payment = await Payment.objects().get(Payment.id == refund.payment)
    account = await gateways.account_of(payment)
    provider = gateways.provider(account)
    try:
        # A refund whose answer was lost is found before it is asked for again, and so is one made by hand at the PG.
        outcome = await provider.conclude(attempt_of(payment), None)
        if not _is_done(refund, outcome):
            outcome = await _ask(provider, refund, payment, outcome)
    except (Unreachable, Misconfigured) as error:
        raise NotYet(f"{type(error).__name__}: {error}") from None
    await settle(payment, replace(outcome, failure=None), account, Cause.RECONCILE)
    if _is_done(refund, outcome):
        names = dict(outcome.refunds)
        await _move(payment, refund, RefundStatus.SUCCEEDED, {Refund.pg_refund_id: names[refund.reference]})
    elif outcome.captured <= outcome.refunded:
        await _move(payment, refund, RefundStatus.FAILED, {Refund.failure_code: GONE_ALREADY})
    elif outcome.failure:
        log.error("refund_refused", refund=str(refund.id), code=outcome.failure)
        await _move(payment, refund, RefundStatus.FAILED, {Refund.failure_code: outcome.failure})
    else:
        raise NotYet("the refund is not there yet")


async def _ask(provider: Provider, refund: Refund, payment: Payment, seen: Outcome) -> Outcome:
    """Asks for the refund with the balance that the PG has just told, and says how the payment stands then.

    `failure` is set where the PG refuses for good.
    """
    balance = seen.captured - seen.refunded
    if balance <= 0:
        return seen
    if refund.amount > balance:
        # A part went back by hand. A request of another amount is another request: it gets another key.
        refund.amount, refund.tries = balance, refund.tries + 1
        await Refund.update({Refund.amount: refund.amount, Refund.tries: refund.tries}).where(Refund.id == refund.id)
    request = RefundRequest(
        reference=refund.reference,
        # What was captured in another currency goes back in that one.
        money=Money(refund.amount, seen.currency),
        reason=refund.reason,
        balance=balance,
        attempt=refund.tries,
    )
    try:
        outcome = await provider.refund(request, attempt_of(payment))
    except Refused as error:
        outcome = await provider.conclude(attempt_of(payment), None)
        return replace(outcome, failure=str(error))
    if outcome.retry_key:
        await Refund.update({Refund.tries: refund.tries + 1}).where(Refund.id == refund.id)
    return replace(outcome, failure=None)


def _is_done(refund: Refund, outcome: Outcome) -> bool:
    return any(reference == refund.reference for reference, _ in outcome.refunds)


async def _move(payment: Payment, refund: Refund, target: RefundStatus, changes: dict) -> None:
    async with write_transaction():
        order = await lock_order(payment.order)
        won = (
            await Refund.update({Refund.status: target, **changes})
            .where(Refund.id == refund.id, Refund.status.is_in(refund_sources_of(target)))
            .returning(Refund.id)
        )
        if won:
            evidence = {"refund": str(refund.id), "at": clock.now().isoformat()}
            await record(Cause.RECONCILE, "refund", order, payment, refund.status, target, evidence)
