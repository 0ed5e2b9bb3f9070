"""What was reached of all that can happen: the steps of the tables of states, and what PGs said of payments in each."""

from collections.abc import Iterable

from app.orders import states as order_states
from app.payments import states
from app.payments.provider import Outcome, OutcomeStatus
from app.payments.states import PaymentStatus as S
from app.payments.states import by_amounts

Reached = set[tuple[str, str, str]]

# The machine whose events are the PG's words.
ASKED = "payment at the PG"

_UNTAKEN = {str(status) for status in OutcomeStatus if status is not OutcomeStatus.PAID}
_TAKEN = {str(status) for status in states.CAPTURED}
# By what we last heard of a payment: what its PG may say next. There is no way back from money that was taken but
# refunds, and for a deposit the bank, which may also return a refund. A deposit is waited for, comes, is called off or
# is too late. An expired payment stays expired.
SAYABLE: dict[S, set[str]] = {
    S.CREATED: _UNTAKEN | _TAKEN,
    S.CONFIRMING: _UNTAKEN | _TAKEN,
    S.AWAITING_DEPOSIT: {"awaiting_deposit", "cancelled", "expired"} | _TAKEN,
    S.PAID: {"awaiting_deposit"} | _TAKEN,
    S.PARTIALLY_REFUNDED: _TAKEN,
    S.REFUNDED: _TAKEN,
    S.FAILED: _UNTAKEN | _TAKEN,
    S.CANCELLED: _UNTAKEN | _TAKEN,
    S.EXPIRED: {"expired"},
    S.MISMATCH: {"cancelled", "expired", "awaiting_deposit"} | _TAKEN,
}


def word_of(outcome: Outcome) -> str:
    """The PG's word, for money with what became of it."""
    if outcome.status is not OutcomeStatus.PAID:
        return str(outcome.status)
    return str(by_amounts(outcome.captured, outcome.refunded))


def coverage(reached: Reached) -> dict[str, tuple[int, list[str]]]:
    """For each machine how many of its steps or words were reached, and which were not."""
    tables = {"order": order_states.NEXT, "payment": states.NEXT, "refund": states.REFUND_NEXT, ASKED: SAYABLE}
    result = {}
    for machine, table in tables.items():
        steps = _steps(machine, table.items())
        missing = sorted(f"{before} → {after}" for _, before, after in steps - reached)
        result[machine] = len(steps) - len(missing), missing
    return result


def _steps(machine: str, table: Iterable[tuple[str, Iterable[str]]]) -> Reached:
    return {(machine, str(before), str(after)) for before, following in table for after in following}
