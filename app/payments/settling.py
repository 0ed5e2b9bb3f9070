"""Settling: the only writer of money states. What a PG answered is compared with our rows and moves them, once."""

from dataclasses import replace

from piccolo.columns.combination import And

from app import clock
from app.database import write_transaction
from app.orders.tables import Order
from app.payments import states, watching
from app.payments.alerts import close_alerts, raise_alert
from app.payments.booking import book
from app.payments.events import evidence_of, record, record_refusal
from app.payments.following import follow, lock_order, send_back
from app.payments.provider import Account, Outcome, OutcomeStatus
from app.payments.states import AlertKind, Cause, PaymentStatus, RefundKind
from app.payments.tables import Payment

# The PG's words that end or move a payment without capturing money. The others say "not yet".
STANDING = {
    OutcomeStatus.PROCESSING: PaymentStatus.CONFIRMING,
    OutcomeStatus.AWAITING_DEPOSIT: PaymentStatus.AWAITING_DEPOSIT,
    OutcomeStatus.FAILED: PaymentStatus.FAILED,
    OutcomeStatus.CANCELLED: PaymentStatus.CANCELLED,
    OutcomeStatus.EXPIRED: PaymentStatus.EXPIRED,
}


async def settle(
    payment: Payment, outcome: Outcome, account: Account, cause: Cause, sealed_secret: str | None = None
) -> bool:
    """Applies what the PG said of `payment`; True when this very call moved it.

    `payment` is the row as it was read before the PG was asked: an answer older than the row's sums moves nothing.
    `sealed_secret` is what later webhooks of a deposit prove themselves with, where the PG told it.
    Safe to repeat; whoever comes second changes nothing. Consequences (stock, refund) are written in the same
    transaction, and only by whoever moved the row.
    """
    if _is_no_news(payment, outcome, account):
        await _keep_watching(payment, outcome, cause)
        return False
    async with write_transaction():
        order = await lock_order(payment.order)
        if not is_ours(payment, outcome, account):
            await record_refusal(cause, order, payment, {"why": "foreign", **evidence_of(outcome)})
            await watching.watch_on(payment, cause)
            return False
        await book(order, payment, outcome, cause)
        if differs(payment, outcome, account):
            if outcome.captured or outcome.status is OutcomeStatus.AWAITING_DEPOSIT:
                if await _set_aside(order, payment, outcome, cause):
                    return True
                await _keep_watching(payment, outcome, cause)
                return False
            # Nothing was taken: it ends like any other, and until then nobody confirms it.
            await record_refusal(cause, order, payment, {"why": "mismatch", **evidence_of(outcome)})
        target = _target(payment, outcome)
        if target is None or not await _move(order, payment, target, outcome, cause, sealed_secret):
            if target is PaymentStatus.AWAITING_DEPOSIT and payment.captured_amount and payment.refunded_amount:
                evidence = {"why": "reversed_after_refund", **evidence_of(replace(outcome, failure=None))}
                await record_refusal(cause, order, payment, evidence)
                await raise_alert(AlertKind.REVERSED, str(payment.id), order.shop, order, payment, evidence)
            await _keep_watching(payment, outcome, cause)
            return False
        await follow(order, payment, target, outcome, cause)
        return True


def _is_no_news(payment: Payment, outcome: Outcome, account: Account) -> bool:
    """Whether there is nothing to write but when to ask again: most looks find that the shopper has not paid yet."""
    is_about_more = outcome.refunds or outcome.disputes or differs(payment, outcome, account)
    return is_ours(payment, outcome, account) and not is_about_more and _target(payment, outcome) is None


def is_ours(payment: Payment, outcome: Outcome, account: Account) -> bool:
    """Whether the PG speaks of this very payment, and of this merchant."""
    return outcome.reference == payment.reference and account.merchant in ("", outcome.merchant)


def differs(payment: Payment, outcome: Outcome, account: Account) -> bool:
    """Whether the PG has ours, but of another amount, currency or mode."""
    ours = (payment.amount, payment.currency, account.mode == "live")
    if outcome.status is OutcomeStatus.PAID and outcome.captured != payment.amount:
        return True
    return (outcome.amount, outcome.currency, outcome.live) != ours


def _target(payment: Payment, outcome: Outcome) -> PaymentStatus | None:
    if outcome.status is OutcomeStatus.OPEN and payment.status == PaymentStatus.CONFIRMING and not payment.claim:
        # What the PG was about has come to nothing; another attempt in its window is still believed.
        return PaymentStatus.FAILED
    if outcome.status is OutcomeStatus.EXPIRED and outcome.deposit and payment.captured_amount:
        # The bank took the deposit back, after the account's time: nobody has paid any more.
        return PaymentStatus.AWAITING_DEPOSIT
    if outcome.status is OutcomeStatus.PAID:
        # "Paid" without money is no answer.
        return states.by_amounts(outcome.captured, outcome.refunded) if outcome.captured else None
    return STANDING.get(outcome.status)


async def _move(
    order: Order,
    payment: Payment,
    target: PaymentStatus,
    outcome: Outcome,
    cause: Cause,
    sealed_secret: str | None = None,
) -> PaymentStatus | None:
    """The conditional update; None where the row was moved by somebody else, or already says the same.

    PARTIALLY_REFUNDED may follow itself, with another sum.
    """
    if (payment.captured_amount, payment.refunded_amount, payment.status) == (
        outcome.captured,
        outcome.refunded,
        target,
    ):
        return None
    before = await Payment.select(Payment.status).where(Payment.id == payment.id).first()
    won = (
        await Payment.update(
            {
                Payment.status: target,
                Payment.captured_amount: outcome.captured,
                Payment.refunded_amount: outcome.refunded,
                Payment.method: outcome.method or payment.method,
                Payment.pg_payment_id: outcome.pg_payment_id or payment.pg_payment_id,
                Payment.receipt_url: outcome.receipt_url or payment.receipt_url,
                Payment.paid_at: outcome.paid_at or payment.paid_at,
                Payment.failure_code: outcome.failure,
                Payment.closed_at: clock.now() if outcome.closed else None,
                Payment.claim: None,
                Payment.next_check_at: None if outcome.closed else watching.next_look(0, clock.now()),
                Payment.lease_until: None,
                **_deposit(outcome, sealed_secret),
            }
        )
        .where(_may_move(payment, target))
        .returning(Payment.id)
    )
    if not won:
        return None
    await record(cause, "payment", order, payment, before["status"], target, evidence_of(outcome))
    if before["status"] == PaymentStatus.CONFIRMING != target:
        await close_alerts([AlertKind.STUCK], order, payment, "결제사가 답함")
    return target


def _may_move(payment: Payment, target: PaymentStatus) -> And:
    """The row is as it was when the PG was asked. Money is believed whatever happened here meanwhile; anything else
    only of a payment that nobody moved, and that was not closed.
    """
    unmoved = (
        (Payment.id == payment.id)
        & Payment.status.is_in(states.sources_of(target))
        & (Payment.captured_amount == payment.captured_amount)
        & (Payment.refunded_amount == payment.refunded_amount)
    )
    if target in states.CAPTURED or target is PaymentStatus.MISMATCH:
        return unmoved
    same = unmoved & (Payment.status == payment.status)
    return same if payment.captured_amount else same & Payment.closed_at.is_null()


def _deposit(outcome: Outcome, sealed_secret: str | None) -> dict:
    if outcome.status is not OutcomeStatus.AWAITING_DEPOSIT or outcome.deposit is None:
        return {}
    changes = {
        Payment.deposit_bank: outcome.deposit.bank[:40],
        Payment.deposit_number: outcome.deposit.number[:40],
        Payment.deposit_holder: outcome.deposit.holder[:100],
        Payment.deposit_due_at: outcome.deposit.due_at,
        # Days may pass: the PG is asked at long intervals from the start.
        Payment.checks: watching.LOOKS_WHILE_OPEN,
    }
    return changes | ({Payment.secret: sealed_secret} if sealed_secret else {})


async def _keep_watching(payment: Payment, outcome: Outcome, cause: Cause) -> None:
    """Nothing moved: only the watch over it may change."""
    if (outcome.captured or payment.captured_amount) and await _is_overtaken(payment):
        # Which of two answers that crossed is the later one, only the PG can say.
        await watching.look_at_once(payment)
        return
    if outcome.retry_key:
        await watching.use_new_key(payment)
    if not outcome.closed and not watching.is_over(payment, outcome):
        await watching.watch_on(payment, cause)
        return
    closed = {
        Payment.closed_at: payment.closed_at or clock.now(),
        Payment.next_check_at: None,
        Payment.lease_until: None,
    }
    await Payment.update(closed).where(Payment.id == payment.id, Payment.status == payment.status)


async def _is_overtaken(payment: Payment) -> bool:
    """Whether the row's sums have changed since it was read."""
    unmoved = (Payment.captured_amount == payment.captured_amount) & (
        Payment.refunded_amount == payment.refunded_amount
    )
    return not await Payment.exists().where((Payment.id == payment.id) & unmoved)


async def _set_aside(order: Order, payment: Payment, outcome: Outcome, cause: Cause) -> bool:
    """Money of another amount, currency or mode. The order stays as it is; what the PG captured goes back."""
    if not await _move(order, payment, PaymentStatus.MISMATCH, outcome, cause):
        return False
    if outcome.captured > outcome.refunded and not payment.captured_amount:
        await send_back(order, payment, outcome, RefundKind.MISMATCH, cause)
        evidence = {"asked": payment.amount, **evidence_of(outcome)}
        await raise_alert(AlertKind.MISMATCH, str(payment.id), order.shop, order, payment, evidence)
    return True
