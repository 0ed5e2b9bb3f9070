"""Refunding: sending money back. The row and its key stand before the PG is asked, so that it can be asked again."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from app import clock
from app.database import write_transaction
from app.money import Money
from app.payments.accounts import Gateways, attempt_of
from app.payments.events import record
from app.payments.provider import Outcome, RefundRequest, Refused, Unreachable
from app.payments.settling import lock_order, settle
from app.payments.states import Cause, RefundStatus, refund_sources_of
from app.payments.tables import Payment, ProviderAccount, Refund

# Somebody sent all of it back by hand, before we could.
GONE_ALREADY = "GONE_ALREADY"


async def carry_out(gateways: Gateways, payload: Mapping[str, str]) -> None:
    """The job behind a Refund row. Raises Unreachable until the PG has said what happened: then it is done again."""
    refund = await Refund.objects().get(Refund.id == UUID(payload["refund"]))
    if refund.status not in (RefundStatus.REQUESTED, RefundStatus.PENDING):
        return
    payment = await Payment.objects().get(Payment.id == refund.payment)
    account = await ProviderAccount.objects().get(ProviderAccount.id == payment.account)
    provider = gateways.provider(account)
    # A refund whose answer was lost is found before it is asked for again.
    outcome = await provider.conclude(attempt_of(payment), None)
    if not _is_done(refund, outcome) and 0 < outcome.captured <= outcome.refunded:
        await settle(payment, replace(outcome, failure=None), gateways.open(account), Cause.RECONCILE)
        await _move(payment, refund, RefundStatus.FAILED, {Refund.failure_code: GONE_ALREADY})
        return
    if not _is_done(refund, outcome):
        request = RefundRequest(
            reference=refund.reference,
            # What was captured in another currency goes back in that one.
            money=Money(refund.amount, outcome.currency),
            reason=refund.reason,
            balance=payment.captured_amount - payment.refunded_amount,
            attempt=refund.tries,
        )
        try:
            outcome = await provider.refund(request, attempt_of(payment))
        except Refused as error:
            await _move(payment, refund, RefundStatus.FAILED, {Refund.failure_code: str(error)})
            return
    if not _is_done(refund, outcome):
        if outcome.retry_key:
            await Refund.update({Refund.tries: refund.tries + 1}).where(Refund.id == refund.id)
        raise Unreachable("the refund is not there yet")
    names = dict(outcome.refunds)
    await settle(payment, replace(outcome, failure=None), gateways.open(account), Cause.RECONCILE)
    await _move(payment, refund, RefundStatus.SUCCEEDED, {Refund.pg_refund_id: names[refund.reference]})


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
