"""Judging: payments of ours that the PG's list of a day tells of are asked about once more, each by itself."""

from collections.abc import Collection, Sequence

import structlog

from app.payments import states
from app.payments.accounts import attempt_of
from app.payments.booking import find_seen
from app.payments.differences import of_payment
from app.payments.provider import Account, Garbled, Outcome, Provider, Unreachable
from app.payments.settling import settle
from app.payments.statements import Day, Listed, Statement
from app.payments.states import Cause, DifferenceKind, PaymentStatus, RefundStatus
from app.payments.tables import Difference, Payment, Refund

log = structlog.get_logger("payments")

# After so many look-ups without an answer the PG is taken for away.
MOST_UNANSWERED = 5


async def judge_all(
    provider: Provider, account: Account, payments: Collection[Payment], statement: Statement, day: Day
) -> tuple[list[Difference], list[str]]:
    """What is different, and the references of the payments about which the PG said nothing that we can read. A sale on
    which both sides agree is not asked about. Raises Misconfigured.
    """
    found: list[Difference] = []
    unjudged: list[str] = []
    unanswered = 0
    for payment in payments:
        listed = statement.of(payment.reference, payment.pg_payment_id)
        if _is_plain_sale(payment, listed):
            continue
        if unanswered == MOST_UNANSWERED:
            unjudged.append(payment.reference)
            continue
        try:
            found += await _judge(provider, account, payment, listed, day)
        except Unreachable as error:
            log.warning("compare_unanswered", payment=str(payment.id), error=f"{type(error).__name__}: {error}")
            unanswered += not isinstance(error, Garbled)
            unjudged.append(payment.reference)
    return found, unjudged


def _is_plain_sale(payment: Payment, listed: Sequence[Listed]) -> bool:
    """Whether both sides say alike that it was paid, and that nothing has gone back."""
    if len(listed) != 1 or payment.status != PaymentStatus.PAID or payment.refunded_amount:
        return False
    [one] = listed
    there = (one.pg_payment_id, one.captured, one.refunded, one.currency)
    return there == (payment.pg_payment_id, payment.captured_amount, 0, payment.currency)


async def _judge(
    provider: Provider, account: Account, payment: Payment, listed: Sequence[Listed], day: Day
) -> list[Difference]:
    """Asks the PG about this payment once more, settles the answer, and says what is different even then."""
    payment = await Payment.objects().get(Payment.id == payment.id)
    outcome = await provider.conclude(attempt_of(payment), None)
    await settle(payment, outcome, account, Cause.RECONCILE)
    payment = await Payment.objects().get(Payment.id == payment.id)
    # Money under our name that the look-up does not tell: only the list speaks of it.
    beyond = sum(each.left for each in listed if each.pg_payment_id != outcome.pg_payment_id)
    theirs = outcome.captured + beyond
    here = payment.captured_amount
    if here != theirs:
        return [of_payment(_kind(here, theirs), payment, day, here, theirs)]
    if payment.refunded_amount != outcome.refunded:
        kind = DifferenceKind.AMOUNT if outcome.refunded else DifferenceKind.MISSING_THERE
        return [of_payment(kind, payment, day, payment.refunded_amount, outcome.refunded)]
    if await _stands_otherwise(payment, outcome):
        return [of_payment(DifferenceKind.STATE, payment, day, here, theirs)]
    return []


def _kind(here: int, theirs: int) -> DifferenceKind:
    if not here:
        return DifferenceKind.MISSING_HERE
    return DifferenceKind.AMOUNT if theirs else DifferenceKind.MISSING_THERE


async def _stands_otherwise(payment: Payment, outcome: Outcome) -> bool:
    """The sums are equal, but money that is kept there pays nothing here, or what went back there has failed here."""
    if outcome.captured > outcome.refunded:
        here = payment.status, payment.currency
        if here != (states.by_amounts(outcome.captured, outcome.refunded), outcome.currency):
            return True
    failed = await Refund.objects().where(Refund.payment == payment.id, Refund.status == RefundStatus.FAILED)
    seen = [find_seen(refund, outcome) for refund in failed]
    return any(each is not None and each.status != "failed" for each in seen)
