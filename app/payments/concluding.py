"""Concluding: asking the PG about one payment and settling what it says. The one path behind return, view and worker.

A return is only a reason to ask. Around the call that moves money stands the intent: the claim and the key are
committed first, so that whoever comes after a crash can go on.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

import structlog

from app import clock
from app.database import write_transaction
from app.orders import stock
from app.orders.states import PAYABLE
from app.orders.tables import Order, OrderItem
from app.orders.totals import MOST
from app.payments import watching
from app.payments.accounts import Gateways, attempt_of, note_health
from app.payments.closing import give_up
from app.payments.events import evidence_of, record, record_refusal
from app.payments.following import lock_order
from app.payments.provider import (
    Account,
    Claim,
    Garbled,
    Misconfigured,
    Notice,
    Outcome,
    OutcomeStatus,
    Provider,
    Unreachable,
    Unreadable,
)
from app.payments.providers import PROVIDERS
from app.payments.settling import differs, is_ours, settle
from app.payments.starting import NotPayable, reopen
from app.payments.states import ENDED_UNPAID, Cause, PaymentStatus
from app.payments.tables import Payment

log = structlog.get_logger("payments")

CLAIM = "payment claim"
SECRET = "deposit secret"
UNDECIDED = (OutcomeStatus.OPEN, OutcomeStatus.AUTHORIZED)
# A return may bring news of these.
RETURNABLE = ENDED_UNPAID | {PaymentStatus.CREATED, PaymentStatus.CONFIRMING}


class Refusal(StrEnum):
    """Why a return was not acted upon. Nothing was confirmed, so nothing was charged for it."""

    UNREADABLE = "unreadable"
    OTHER_ORDER = "other_order"
    OTHER_AMOUNT = "other_amount"
    OTHER_PAYMENT = "other_payment"
    CLOSED = "closed"
    NOT_PAYABLE = "not_payable"
    SOLD_OUT = "sold_out"
    MISCONFIGURED = "misconfigured"
    TOO_LATE = "too_late"


async def conclude_return(gateways: Gateways, payment: Payment, notice: Notice) -> Refusal | None:
    """Acts on a shopper's return; None when the payment's and the order's state tell the rest.

    May take as long as the PG takes. Safe to repeat and to run twice at once: one of the runs confirms.
    """
    account = await gateways.account_of(payment)
    provider = gateways.provider(account)
    try:
        claim = provider.read(notice)
    except Unreadable as error:
        evidence = {"error": str(error), "fields": sorted(notice.query)[:20]}
        return await _disbelieve(gateways, provider, account, payment, Refusal.UNREADABLE, evidence)
    if claim.reference not in (None, payment.reference):
        evidence = {"claimed": claim.reference}
        return await _disbelieve(gateways, provider, account, payment, Refusal.OTHER_ORDER, evidence)
    if claim.failure:
        return await _come_back_unpaid(provider, account, payment, claim)
    if claim.amount not in (None, payment.amount):
        return await _refuse(payment, Refusal.OTHER_AMOUNT, {"claimed": claim.amount, "amount": payment.amount})
    if claim.key is None:
        return await _look_after_return(gateways, provider, account, payment)
    if payment.status == PaymentStatus.CANCELLED:
        return await _refuse(payment, Refusal.CLOSED, {"claimed": claim.amount})
    if not _may_begin_confirm(payment):
        return None
    return await _confirm(gateways, provider, account, payment, claim)


async def look_again(gateways: Gateways, payment: Payment, cause: Cause) -> bool:
    """Asks the PG how an undecided payment stands, and carries on a confirm that was begun. True when the PG answered.

    Does nothing while another process is asking.
    """
    if not await watching.lease(payment, cause):
        return False
    account = await gateways.account_of(payment)
    provider = gateways.provider(account)
    try:
        outcome = await _ask(gateways, provider, account, payment)
    except (Unreachable, Misconfigured) as error:
        await _note_unanswered(payment, cause, error)
        await watching.watch_on(payment, cause)
        return False
    await _note_answered(payment, account)
    await settle(payment, outcome, account, cause, _sealed_secret(gateways, outcome))
    return True


async def _ask(gateways: Gateways, provider: Provider, account: Account, payment: Payment) -> Outcome:
    """With a stored claim: how the payment that it names stands, confirmed where that is still to be done."""
    attempt = attempt_of(payment)
    if payment.claim is None:
        return await provider.conclude(attempt, None)
    claim = Claim(payment.reference, gateways.ring.open(payment.claim, CLAIM), payment.amount)
    try:
        seen = await provider.examine(attempt, claim)
    except Unreadable:
        # A PG may be late in finding what it has just taken; after its window it takes nothing any more.
        seen = await provider.conclude(attempt, None)
        if seen.captured:
            return seen
        if payment.checks < watching.LOOKS_UNTIL_FOUND:
            raise Unreachable("the claimed payment is not found yet") from None
        return _nothing_taken(payment, account, Refusal.OTHER_PAYMENT)
    if seen.reference != payment.reference:
        return _nothing_taken(payment, account, Refusal.OTHER_PAYMENT)
    may_confirm = (
        seen.status is OutcomeStatus.AUTHORIZED
        and is_ours(payment, seen, account)
        and not differs(payment, seen, account)
        and clock.now() < _last_confirm(payment, provider) - provider.traits.window
        and not await _is_paid(payment)
    )
    if seen.status is OutcomeStatus.AUTHORIZED and clock.now() > _last_confirm(payment, provider):
        return _nothing_taken(payment, account, Refusal.TOO_LATE)
    if not may_confirm:
        return seen
    try:
        return await provider.conclude(attempt, claim)
    except Misconfigured:
        await watching.use_new_key(payment)
        raise


def _last_confirm(payment: Payment, provider: Provider) -> datetime:
    """When a confirm that was begun can no longer be on its way. For its last part nothing new is sent."""
    return payment.created_at + provider.traits.key_window + provider.traits.window


def _nothing_taken(payment: Payment, account: Account, failure: Refusal) -> Outcome:
    """What we know without the PG's word: nothing was taken for it, and nothing is confirmed any more.

    A PG that takes money without us may still do so.
    """
    return Outcome(
        status=OutcomeStatus.FAILED,
        reference=payment.reference,
        merchant=account.merchant,
        live=account.mode == "live",
        amount=payment.amount,
        currency=payment.currency,
        failure=failure,
        closed=PROVIDERS[payment.provider].traits.confirm_moves_money,
    )


async def _confirm(
    gateways: Gateways, provider: Provider, account: Account, payment: Payment, claim: Claim
) -> Refusal | None:
    """Identity, gate and intent, the call, then the answer."""
    try:
        seen = await provider.examine(attempt_of(payment), claim)
    except Unreadable as error:
        return await _refuse(payment, Refusal.OTHER_PAYMENT, {"error": str(error)})
    except Misconfigured as error:
        await note_health(payment.account, error)
        return await _refuse(payment, Refusal.MISCONFIGURED, {"code": str(error)})
    except Unreachable as error:
        await _note_unanswered(payment, Cause.RETURN, error)
        # Confirming compares the same things at the PG; and what is begun now is carried on when the PG is back.
        seen = None
    if seen is not None:
        if seen.reference != payment.reference or differs(payment, seen, account):
            return await _refuse(payment, Refusal.OTHER_PAYMENT, evidence_of(seen))
        if not is_ours(payment, seen, account):
            await note_health(payment.account, Misconfigured("OTHER_MERCHANT"))
            return await _refuse(payment, Refusal.MISCONFIGURED, evidence_of(seen))
        if seen.status is not OutcomeStatus.AUTHORIZED:
            await settle(payment, seen, account, Cause.RETURN)
            return None
    try:
        intended = await _intend(gateways, payment, claim)
    except stock.SoldOut:
        return await _refuse(payment, Refusal.SOLD_OUT, {})
    except NotPayable:
        return await _refuse(payment, Refusal.NOT_PAYABLE, {})
    if intended is None:
        return None
    try:
        outcome = await provider.conclude(attempt_of(intended), claim)
    except Unreachable as error:
        log.warning("confirm_unanswered", payment=str(payment.id), error=str(error))
        await _note_unanswered(payment, Cause.RETURN, error)
        await watching.watch_on(intended, Cause.RETURN)
        return None
    except Misconfigured as error:
        # The first confirm, and the PG did not let it in.
        await note_health(payment.account, error)
        await settle(intended, _nothing_taken(payment, account, Refusal.MISCONFIGURED), account, Cause.RETURN)
        return None
    await _note_answered(payment, account)
    await settle(intended, outcome, account, Cause.RETURN, _sealed_secret(gateways, outcome))
    return None


async def _disbelieve(
    gateways: Gateways,
    provider: Provider,
    account: Account,
    payment: Payment,
    refusal: Refusal,
    evidence: Mapping[str, object],
) -> Refusal | None:
    """A return that is not believed. Where the PG takes money without us it may have been taken all the same."""
    if not provider.traits.confirm_moves_money:
        await _look_after_return(gateways, provider, account, payment)
        now = await Payment.select(Payment.status).where(Payment.id == payment.id).first()
        if now["status"] != PaymentStatus.CREATED:
            return None
    return await _refuse(payment, refusal, evidence)


async def _look_after_return(
    gateways: Gateways, provider: Provider, account: Account, payment: Payment
) -> Refusal | None:
    """Where there is nothing to confirm: the money has moved, or not, before the shopper came back.

    Also for a payment that was taken for over: the shopper's own coming back is a reason to ask once more.
    """
    if payment.status not in RETURNABLE:
        return None
    try:
        outcome = await provider.conclude(attempt_of(payment), None)
    except (Unreachable, Misconfigured) as error:
        await _note_unanswered(payment, Cause.RETURN, error)
        await _doubt(payment)
        await watching.look_soon(payment)
        return None
    await _note_answered(payment, account)
    if outcome.status is OutcomeStatus.OPEN and outcome.failure:
        # Refused, and the shopper has left the window; the PG would still take another card there.
        outcome = replace(outcome, status=OutcomeStatus.FAILED)
    await settle(payment, outcome, account, Cause.RETURN)
    if outcome.status is OutcomeStatus.OPEN:
        await watching.look_soon(payment)
    return None


async def _doubt(payment: Payment) -> None:
    """What was taken for unpaid may have been paid after all, and the PG does not say: until it does, nobody is told
    that nothing was taken, and nothing else is begun.
    """
    async with write_transaction():
        order = await lock_order(payment.order)
        row = await Payment.select(Payment.status).where(Payment.id == payment.id, Payment.closed_at.is_null()).first()
        if row and row["status"] in ENDED_UNPAID:
            await Payment.update({Payment.status: PaymentStatus.CONFIRMING}).where(Payment.id == payment.id)
            evidence = {"why": "unanswered_return"}
            await record(Cause.RETURN, "payment", order, payment, row["status"], PaymentStatus.CONFIRMING, evidence)


async def _note_answered(payment: Payment, account: Account) -> None:
    if account.last_error is not None:
        await note_health(payment.account, None)


async def _note_unanswered(payment: Payment, cause: Cause, error: Unreachable | Misconfigured) -> None:
    """What the owner is told: refused keys, or an answer that says something which we cannot read."""
    await note_health(payment.account, error)
    if isinstance(error, Garbled):
        async with write_transaction():
            order = await lock_order(payment.order)
            await record_refusal(cause, order, payment, {"why": "unreadable_answer", "error": str(error)})


def _sealed_secret(gateways: Gateways, outcome: Outcome) -> str | None:
    return gateways.ring.seal(outcome.secret, SECRET) if outcome.secret else None


async def _intend(gateways: Gateways, payment: Payment, claim: Claim) -> Payment | None:
    """The gate and the intent in one transaction: the payment as it is then, or None where another caller was faster.

    Raises NotPayable, and stock.SoldOut where the order's hold has ended and its goods are gone.
    """
    now = clock.now()
    intent = {
        Payment.status: PaymentStatus.CONFIRMING,
        Payment.claim: gateways.ring.seal(claim.key or "", CLAIM),
        Payment.confirm_tries: 1,
        Payment.lease_until: now + watching.LEASE,
        Payment.next_check_at: watching.next_look(0, now),
        Payment.checks: 0,
    }
    async with write_transaction():
        order = await lock_order(payment.order)
        won = _may_begin_confirm(payment) and (
            await Payment.update(intent)
            .where(Payment.id == payment.id, Payment.status == payment.status, Payment.closed_at.is_null())
            .returning(Payment.id)
        )
        if not won:
            return None
        if not await _may_be_charged(order, payment):
            raise NotPayable(order)
        await reopen(order, Cause.RETURN)
        await record(Cause.RETURN, "payment", order, payment, payment.status, PaymentStatus.CONFIRMING)
        return await Payment.objects().get(Payment.id == payment.id)


def _may_begin_confirm(payment: Payment) -> bool:
    """Whether nobody has begun it. After a refusal the PG's window may have taken another card."""
    is_refused = payment.status == PaymentStatus.FAILED and payment.closed_at is None
    return payment.status == PaymentStatus.CREATED or is_refused


async def _may_be_charged(order: Order, payment: Payment) -> bool:
    """The gate, where a refusal costs nobody a refund: the order is payable, adds up, and all of it is still sold, so
    many at a time.
    """
    if order.paid_by is not None or order.is_replaced or order.status not in PAYABLE:
        return False
    items = await OrderItem.select(
        OrderItem.unit_price, OrderItem.quantity, OrderItem.product.is_active, OrderItem.product.max_per_order
    ).where(OrderItem.order == order.id)
    price = sum(item["unit_price"] * item["quantity"] for item in items)
    are_sold = all(
        item["product.is_active"] and item["quantity"] <= (item["product.max_per_order"] or MOST) for item in items
    )
    return are_sold and price == order.total_amount == payment.amount


async def _come_back_unpaid(provider: Provider, account: Account, payment: Payment, claim: Claim) -> Refusal | None:
    """A failure return: look first, then close what only our confirm could have turned into money."""
    if payment.status != PaymentStatus.CREATED:
        return None
    failure = claim.failure or ""
    try:
        outcome = await provider.close(attempt_of(payment))
    except (Unreachable, Misconfigured):
        outcome = None
    if outcome is not None and outcome.status not in UNDECIDED:
        await settle(payment, _come_back(outcome, claim), account, Cause.RETURN)
    elif provider.traits.confirm_moves_money:
        target = PaymentStatus.CANCELLED if claim.left else PaymentStatus.FAILED
        await give_up(payment, target, failure, Cause.RETURN)
    else:
        await watching.look_soon(payment)
    return None


def _come_back(outcome: Outcome, claim: Claim) -> Outcome:
    """What the shopper did, beside what the PG says: it expired, or failed, because they left."""
    if outcome.captured:
        return outcome
    if claim.left and outcome.status in (OutcomeStatus.EXPIRED, OutcomeStatus.FAILED):
        return replace(outcome, status=OutcomeStatus.CANCELLED, failure=claim.failure)
    return replace(outcome, failure=outcome.failure or claim.failure)


async def _refuse(payment: Payment, refusal: Refusal, evidence: Mapping[str, object]) -> Refusal:
    log.warning("return_refused", payment=str(payment.id), why=refusal)
    async with write_transaction():
        order = await lock_order(payment.order)
        await record_refusal(Cause.RETURN, order, payment, {"why": refusal, **evidence})
    return refusal


async def _is_paid(payment: Payment) -> bool:
    """Whether another payment has paid the order meanwhile: then nothing more is confirmed for it."""
    return await Order.exists().where(Order.id == payment.order, Order.paid_by.is_not_null())
