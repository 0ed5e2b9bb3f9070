"""Concluding: asking the PG about one payment and settling what it says. The one path behind return, view and worker.

A return is only a reason to ask. Around the call that moves money stands the intent: the claim and the key are
committed first, so that whoever comes after a crash can go on.
"""

from dataclasses import replace
from enum import StrEnum

import structlog

from app import clock
from app.database import write_transaction
from app.orders import stock
from app.orders.states import PAYABLE
from app.orders.tables import Order
from app.payments import watching
from app.payments.accounts import Gateways, attempt_of
from app.payments.closing import give_up
from app.payments.events import record
from app.payments.provider import (
    Account,
    Claim,
    Misconfigured,
    Notice,
    Outcome,
    OutcomeStatus,
    Provider,
    Unreachable,
    Unreadable,
)
from app.payments.settling import lock_order, settle
from app.payments.starting import reopen
from app.payments.states import Cause, PaymentStatus
from app.payments.tables import Payment, ProviderAccount

log = structlog.get_logger("payments")

CLAIM = "payment claim"
UNDECIDED = (OutcomeStatus.OPEN, OutcomeStatus.AUTHORIZED)


class Refusal(StrEnum):
    """Why a return was not acted upon. Nothing was confirmed, so nothing was charged for it."""

    UNREADABLE = "unreadable"
    OTHER_ORDER = "other_order"
    OTHER_AMOUNT = "other_amount"
    OTHER_PAYMENT = "other_payment"
    NOT_PAYABLE = "not_payable"
    SOLD_OUT = "sold_out"
    MISCONFIGURED = "misconfigured"


async def conclude_return(gateways: Gateways, payment: Payment, notice: Notice) -> Refusal | None:
    """Acts on a shopper's return; None when the payment's and the order's state tell the rest.

    May take as long as the PG takes. Safe to repeat and to run twice at once: one of the runs confirms.
    """
    account = await _account_of(payment)
    opened = gateways.open(account)
    provider = gateways.provider(account)
    try:
        claim = provider.read(notice)
    except Unreadable as error:
        return await _refuse(payment, Refusal.UNREADABLE, {"error": str(error), "fields": sorted(notice.query)[:20]})
    if claim.failure:
        return await _come_back_unpaid(provider, opened, payment, claim)
    if claim.reference != payment.reference:
        return await _refuse(payment, Refusal.OTHER_ORDER, {"claimed": claim.reference})
    if claim.amount != payment.amount:
        return await _refuse(payment, Refusal.OTHER_AMOUNT, {"claimed": claim.amount, "amount": payment.amount})
    if payment.status != PaymentStatus.CREATED:
        return None
    return await _confirm(gateways, provider, opened, payment, claim)


async def look_again(gateways: Gateways, payment: Payment, cause: Cause) -> None:
    """Asks the PG how an undecided payment stands, and carries on a confirm that was begun. Does nothing while another
    process is asking."""
    if not await watching.lease(payment):
        return
    account = await _account_of(payment)
    opened, provider = gateways.open(account), gateways.provider(account)
    try:
        outcome = await provider.conclude(attempt_of(payment), None)
        if outcome.status is OutcomeStatus.AUTHORIZED and payment.claim and not await _is_paid(payment):
            claim = Claim(payment.reference, gateways.ring.open(payment.claim, CLAIM), payment.amount)
            outcome = await provider.conclude(attempt_of(payment), claim)
    except (Unreachable, Misconfigured) as error:
        await _note_health(payment.account, error)
        await watching.watch_on(payment, cause)
        return
    await _note_health(payment.account, None)
    await settle(payment, outcome, opened, cause)


async def _confirm(
    gateways: Gateways, provider: Provider, account: Account, payment: Payment, claim: Claim
) -> Refusal | None:
    """Identity, gate and intent, the call, then the answer."""
    try:
        seen = await provider.examine(attempt_of(payment), claim)
    except Unreadable:
        return await _refuse(payment, Refusal.OTHER_PAYMENT, {"pg": "unknown"})
    except Misconfigured as error:
        await _note_health(payment.account, error)
        return await _refuse(payment, Refusal.MISCONFIGURED, {"code": str(error)})
    except Unreachable:
        # Confirming compares the same things at the PG; and what is begun now is carried on when the PG is back.
        seen = None
    if seen is not None:
        if (seen.reference, seen.amount, seen.currency) != (
            payment.reference,
            payment.amount,
            payment.currency,
        ):
            return await _refuse(payment, Refusal.OTHER_PAYMENT, {"reference": seen.reference, "amount": seen.amount})
        if seen.status is not OutcomeStatus.AUTHORIZED:
            await settle(payment, seen, account, Cause.RETURN)
            return None
    refusal = await _intend(gateways, payment, claim)
    if refusal or payment.status != PaymentStatus.CONFIRMING:
        return refusal
    try:
        outcome = await provider.conclude(attempt_of(payment), claim)
    except (Unreachable, Misconfigured) as error:
        log.warning("confirm_unanswered", payment=str(payment.id), error=str(error))
        await _note_health(payment.account, error)
        await watching.watch_on(payment, Cause.RETURN)
        return None
    await _note_health(payment.account, None)
    await settle(payment, outcome, account, Cause.RETURN)
    return None


async def _intend(gateways: Gateways, payment: Payment, claim: Claim) -> Refusal | None:
    """The gate and the intent in one transaction. Of several callers one moves `payment` to CONFIRMING; for the others
    neither it nor anything else changes."""
    sealed = gateways.ring.seal(claim.key or "", CLAIM)
    now = clock.now()
    try:
        async with write_transaction():
            order = await lock_order(payment.order)
            if order.paid_by is not None or order.status not in PAYABLE or order.total != payment.money:
                refusal = Refusal.NOT_PAYABLE
            else:
                won = (
                    await Payment.update(
                        {
                            Payment.status: PaymentStatus.CONFIRMING,
                            Payment.claim: sealed,
                            Payment.confirm_tries: 1,
                            Payment.lease_until: now + watching.LEASE,
                            Payment.next_check_at: watching.next_look(0, now),
                            Payment.checks: 0,
                        }
                    )
                    .where(Payment.id == payment.id, Payment.status == PaymentStatus.CREATED)
                    .returning(Payment.id)
                )
                if not won:
                    return None
                await reopen(order, Cause.RETURN)
                await record(Cause.RETURN, "payment", order, payment, PaymentStatus.CREATED, PaymentStatus.CONFIRMING)
                payment.status, payment.confirm_tries, payment.checks = PaymentStatus.CONFIRMING, 1, 0
                return None
    except stock.SoldOut:
        refusal = Refusal.SOLD_OUT
    return await _refuse(payment, refusal, {})


async def _come_back_unpaid(provider: Provider, account: Account, payment: Payment, claim: Claim) -> Refusal | None:
    """A failure return: look first, then close what only our confirm could have turned into money."""
    if claim.reference not in (None, payment.reference):
        return await _refuse(payment, Refusal.OTHER_ORDER, {"claimed": claim.reference})
    if payment.status != PaymentStatus.CREATED:
        return None
    failure = claim.failure or ""
    try:
        outcome = await provider.close(attempt_of(payment))
    except (Unreachable, Misconfigured):
        outcome = None
    if outcome is not None and outcome.status not in UNDECIDED:
        await settle(payment, _with_failure(outcome, failure), account, Cause.RETURN)
    elif provider.traits.confirm_moves_money:
        target = PaymentStatus.CANCELLED if claim.left else PaymentStatus.FAILED
        await give_up(payment, target, failure, Cause.RETURN)
    return None


def _with_failure(outcome: Outcome, failure: str) -> Outcome:
    return replace(outcome, failure=outcome.failure or failure) if not outcome.captured else outcome


async def _refuse(payment: Payment, refusal: Refusal, evidence: dict[str, object]) -> Refusal:
    log.warning("return_refused", payment=str(payment.id), why=refusal)
    async with write_transaction():
        order = await lock_order(payment.order)
        await record(Cause.RETURN, "refused", order, payment, evidence={"why": refusal, **evidence})
    return refusal


async def _is_paid(payment: Payment) -> bool:
    """Whether another payment has paid the order meanwhile: then nothing more is confirmed for it."""
    return await Order.exists().where(Order.id == payment.order, Order.paid_by.is_not_null())


async def _account_of(payment: Payment) -> ProviderAccount:
    return await ProviderAccount.objects().get(ProviderAccount.id == payment.account)


async def _note_health(account_id: object, error: Exception | None) -> None:
    """What the owner is told of the contract's health. No answer says nothing about it."""
    if isinstance(error, Unreachable):
        return
    row = ProviderAccount.id == account_id
    said = str(error)[:100] if error else None
    await ProviderAccount.update({ProviderAccount.last_error: said}).where(
        row if said else row & ProviderAccount.last_error.is_not_null()
    )
