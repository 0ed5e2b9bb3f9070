"""Refunding: sending money back. The row and its key stand before the PG is asked, so that it can be asked again."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from uuid import UUID

import structlog
from piccolo.columns.combination import And

from app.database import write_transaction
from app.jobs.queue import enqueue
from app.jobs.worker import NotYet
from app.money import Money
from app.orders.tables import Order
from app.payments.accounts import Gateways, attempt_of
from app.payments.alerts import close_alert
from app.payments.booking import BALANCE_CHANGED, GONE_ALREADY, find_seen, move_refund, want_receiver
from app.payments.events import record_refusal
from app.payments.following import lock_order
from app.payments.provider import (
    BankAccount,
    Misconfigured,
    NeedsReceiver,
    Outcome,
    Provider,
    RefundRequest,
    Refused,
    Unreachable,
)
from app.payments.providers import PROVIDERS
from app.payments.settling import settle
from app.payments.states import PAYS_NOTHING, AlertKind, Cause, RefundStatus
from app.payments.tables import Alert, Payment, Refund

log = structlog.get_logger("payments")

RECEIVER = "refund receiver"


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
        if find_seen(refund, outcome) is None and refund.status == RefundStatus.REQUESTED:
            outcome = await _ask(gateways, provider, refund, payment, outcome)
    except (Unreachable, Misconfigured) as error:
        raise NotYet(f"{type(error).__name__}: {error}") from None
    except NeedsReceiver as error:
        async with write_transaction():
            order = await lock_order(payment.order)
            changes = {Refund.failure_code: str(error) or None}
            await want_receiver(order, payment, refund, Cause.RECONCILE, changes)
        return
    seen = find_seen(refund, outcome)
    await settle(payment, replace(outcome, failure=None), account, Cause.RECONCILE)
    if seen is not None:
        if seen.status == "pending":
            raise NotYet("the refund is on its way")
    elif outcome.captured <= outcome.refunded:
        await _fail(payment, refund, GONE_ALREADY)
    elif outcome.failure:
        log.error("refund_refused", refund=str(refund.id), code=outcome.failure)
        await _fail(payment, refund, outcome.failure)
    else:
        raise NotYet("the refund is not there yet")


def banks_of(payment: Payment) -> Mapping[str, str]:
    """The banks that a deposit can go back to: the PG's codes, with their names."""
    return PROVIDERS[payment.provider].traits.banks


def seal_receiver(gateways: Gateways, receiver: BankAccount) -> str:
    """A bank account as a refund's row keeps it."""
    return gateways.ring.seal(json.dumps(asdict(receiver)), RECEIVER)


async def name_receiver(
    gateways: Gateways,
    payment: Payment,
    refund: Refund,
    receiver: BankAccount,
    cause: Cause = Cause.SHOPPER,
    also: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """The shopper or the owner says where a deposit goes back to: the refund goes on, and the alert that its account is
    not known is closed. True when this call did it; then `also` was awaited in the same transaction.
    """
    sealed = seal_receiver(gateways, receiver)
    async with write_transaction():
        order = await lock_order(payment.order)
        # A request with another receiver is another request: it gets another key.
        changes = {Refund.receiver: sealed, Refund.tries: refund.tries + 1, Refund.failure_code: None}
        if not await move_refund(order, payment, refund, RefundStatus.REQUESTED, cause, changes):
            return False
        await _close_unnamed(refund)
        await enqueue("refund", {"refund": str(refund.id)}, f"refund:{refund.id}:{refund.tries + 1}")
        if also:
            await also()
        return True


async def _close_unnamed(refund: Refund) -> None:
    """Nobody has to go after the bank account any more. That a refund does not go out for another reason stays told."""
    key = str(refund.id)
    alert = await Alert.objects().where(Alert.alert_key == f"{AlertKind.REFUND_WAITING}:{key}").first()
    if alert and json.loads(alert.evidence).get("why") == RefundStatus.NEEDS_ACCOUNT:
        await close_alert(AlertKind.REFUND_WAITING, key, "계좌를 적음")


async def _ask(gateways: Gateways, provider: Provider, refund: Refund, payment: Payment, seen: Outcome) -> Outcome:
    """Asks for the refund with the balance that the PG has just told, and says how the payment stands then.

    `failure` is set where the PG refuses for good, or where less is left than the owner saw. Raises NeedsReceiver.
    """
    balance = seen.captured - seen.refunded
    if balance <= 0:
        return seen
    # What pays nothing goes back however much it is; of what an owner asks for they have named the sum.
    if refund.amount > balance and (refund.requested_by or refund.kind not in PAYS_NOTHING):
        return replace(seen, failure=BALANCE_CHANGED)
    if refund.amount > balance:
        await _ask_for_less(payment, refund, balance)
    request = RefundRequest(
        reference=refund.reference,
        # What was captured in another currency goes back in that one.
        money=Money(refund.amount, seen.currency),
        reason=refund.reason,
        balance=balance,
        attempt=refund.tries,
        receiver=BankAccount(**json.loads(gateways.ring.open(refund.receiver, RECEIVER))) if refund.receiver else None,
    )
    # What the look-up has just found: at some PGs a refund names the payment, not our reference.
    order = await Order.select(Order.customer_email).where(Order.id == payment.order).first()
    attempt = attempt_of(payment, customer_email=order["customer_email"])
    attempt = replace(attempt, pg_payment_id=seen.pg_payment_id or payment.pg_payment_id)
    try:
        outcome = await provider.refund(request, attempt)
    except Refused as error:
        outcome = await provider.conclude(attempt, None)
        return replace(outcome, failure=str(error))
    if outcome.retry_key:
        await Refund.update({Refund.tries: refund.tries + 1}).where(_is_as_read(refund))
    return replace(outcome, failure=None)


async def _ask_for_less(payment: Payment, refund: Refund, balance: int) -> None:
    """A part went back by hand. A request of another amount is another request: it gets another key. Raises NotYet
    where the row was moved meanwhile.
    """
    async with write_transaction():
        order = await lock_order(payment.order)
        less = {Refund.amount: balance, Refund.tries: refund.tries + 1}
        if not await Refund.update(less).where(_is_as_read(refund)).returning(Refund.id):
            raise NotYet("the refund has moved meanwhile")
        evidence = {"why": "balance_changed", "refund": str(refund.id), "asked": refund.amount, "amount": balance}
        await record_refusal(Cause.RECONCILE, order, payment, evidence)
    refund.amount, refund.tries = balance, refund.tries + 1


def _is_as_read(refund: Refund) -> And:
    return (Refund.id == refund.id) & (Refund.status == RefundStatus.REQUESTED) & (Refund.tries == refund.tries)


async def _fail(payment: Payment, refund: Refund, failure: str) -> None:
    async with write_transaction():
        order = await lock_order(payment.order)
        await move_refund(order, payment, refund, RefundStatus.FAILED, Cause.RECONCILE, {Refund.failure_code: failure})
