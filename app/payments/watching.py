"""Watching: when a payment is asked about next, and by whom."""

from datetime import datetime, timedelta

from app import clock
from app.payments.provider import Outcome, OutcomeStatus
from app.payments.states import Cause
from app.payments.tables import Payment

# After a return, then while the PG's window may be open, then ever more rarely; the last one again and again.
_WHILE_OPEN = (*(timedelta(seconds=seconds) for seconds in (15, 45, 120)), *[timedelta(minutes=2)] * 30)
LOOKS_WHILE_OPEN = len(_WHILE_OPEN)
# What a PG has not found after these (about forty minutes) it does not have.
LOOKS_UNTIL_FOUND = 21
CURVE = (
    *_WHILE_OPEN,
    *(timedelta(minutes=minutes) for minutes in (5, 15, 60, 360)),
    timedelta(days=1),
)

WHILE_OPEN = timedelta(minutes=2)

# Longer than a call to a PG with its time-outs: who holds it is asking, or is dead.
LEASE = timedelta(minutes=2)

# A deposit may be told of this long after its account has closed.
AFTER_DUE = timedelta(days=4)


def next_look(checks: int, now: datetime) -> datetime:
    """When to ask again after `checks` looks have decided nothing."""
    return now + CURVE[min(checks, len(CURVE) - 1)]


def is_over(payment: Payment, outcome: Outcome) -> bool:
    """Whether a virtual account whose time has passed is no longer watched: no deposit will be told of any more."""
    return (
        outcome.status is OutcomeStatus.EXPIRED
        and payment.deposit_due_at is not None
        and payment.deposit_due_at + AFTER_DUE < clock.now()
    )


async def lease(payment: Payment, cause: Cause) -> bool:
    """True when the caller alone may ask about it now, and no worker has since `payment` was read.

    Correctness does not rest on it: it spares the PG. A closed payment takes no more money and is left alone, but for a
    webhook: it may tell of a refund that was made by hand.
    """
    now = clock.now()
    free = (Payment.checks == payment.checks) & (Payment.lease_until.is_null() | (Payment.lease_until < now))
    may_ask = free if cause is Cause.WEBHOOK else free & Payment.closed_at.is_null()
    won = (
        await Payment.update({Payment.lease_until: now + LEASE})
        .where((Payment.id == payment.id) & may_ask)
        .returning(Payment.id)
    )
    return bool(won)


async def use_new_key(payment: Payment) -> None:
    """The PG stored an error under the last key and would only repeat it."""
    await Payment.update({Payment.confirm_tries: payment.confirm_tries + 1}).where(Payment.id == payment.id)


async def look_soon(payment: Payment, wait: timedelta = CURVE[0]) -> None:
    """Something is going on at the PG: from now on the looks are frequent."""
    soon = {Payment.checks: 0, Payment.next_check_at: clock.now() + wait}
    await Payment.update(soon).where(Payment.id == payment.id, Payment.closed_at.is_null())


async def look_at_once(payment: Payment) -> None:
    """It is asked about again as soon as can be, also if it was closed."""
    at_once = {
        Payment.closed_at: None,
        Payment.next_check_at: clock.now(),
        Payment.checks: 0,
        Payment.lease_until: None,
    }
    await Payment.update(at_once).where(Payment.id == payment.id)


async def watch_on(payment: Payment, cause: Cause) -> None:
    """Nothing is decided: later again. Only the reconciler's own looks make the next one rarer."""
    changes = {Payment.lease_until: None}
    if cause is Cause.RECONCILE:
        changes[Payment.checks] = payment.checks + 1
        changes[Payment.next_check_at] = next_look(payment.checks + 1, clock.now())
    await Payment.update(changes).where(Payment.id == payment.id)
