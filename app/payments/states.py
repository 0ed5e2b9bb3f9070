"""The states of a payment (one attempt at one PG) and of a refund, and which may follow which, as data."""

from enum import StrEnum


class PaymentStatus(StrEnum):
    CREATED = "created"
    # Its money may be on the way: by our confirm (then there is a claim), or by the PG's own doing.
    CONFIRMING = "confirming"
    AWAITING_DEPOSIT = "awaiting_deposit"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    MISMATCH = "mismatch"


S = PaymentStatus

CAPTURED = frozenset({S.PAID, S.PARTIALLY_REFUNDED, S.REFUNDED})
ENDED_UNPAID = frozenset({S.FAILED, S.CANCELLED, S.EXPIRED})

OPEN = frozenset({S.CREATED, S.CONFIRMING, S.AWAITING_DEPOSIT})
"""May still become paid in the ordinary course of things."""

NEXT: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    S.CREATED: CAPTURED | ENDED_UNPAID | {S.CONFIRMING, S.AWAITING_DEPOSIT, S.MISMATCH},
    S.CONFIRMING: CAPTURED | ENDED_UNPAID | {S.AWAITING_DEPOSIT, S.MISMATCH},
    S.AWAITING_DEPOSIT: CAPTURED | ENDED_UNPAID | {S.MISMATCH},
    S.PAID: frozenset({S.PARTIALLY_REFUNDED, S.REFUNDED, S.AWAITING_DEPOSIT}),
    S.PARTIALLY_REFUNDED: CAPTURED,
    S.REFUNDED: frozenset({S.PAID, S.PARTIALLY_REFUNDED}),
    S.FAILED: CAPTURED | {S.CONFIRMING, S.AWAITING_DEPOSIT, S.MISMATCH},
    S.CANCELLED: CAPTURED | {S.CONFIRMING, S.AWAITING_DEPOSIT, S.MISMATCH},
    S.EXPIRED: CAPTURED | {S.CONFIRMING, S.AWAITING_DEPOSIT, S.MISMATCH},
    # Never becomes anything else; its sums still change as the money goes back.
    S.MISMATCH: frozenset({S.MISMATCH}),
}


def sources_of(target: PaymentStatus) -> list[PaymentStatus]:
    """The states from which a payment may become `target`: for the WHERE of a conditional update."""
    return [status for status, following in NEXT.items() if target in following]


def by_amounts(captured: int, refunded: int) -> PaymentStatus:
    """The state of a payment whose money was captured: arithmetic over its two sums."""
    if refunded <= 0:
        return S.PAID
    return S.REFUNDED if refunded >= captured else S.PARTIALLY_REFUNDED


class RefundStatus(StrEnum):
    REQUESTED = "requested"
    NEEDS_ACCOUNT = "needs_account"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


R = RefundStatus

REFUND_NEXT: dict[RefundStatus, frozenset[RefundStatus]] = {
    R.REQUESTED: frozenset({R.NEEDS_ACCOUNT, R.PENDING, R.SUCCEEDED, R.FAILED}),
    R.NEEDS_ACCOUNT: frozenset({R.REQUESTED, R.SUCCEEDED, R.FAILED}),
    R.PENDING: frozenset({R.NEEDS_ACCOUNT, R.SUCCEEDED, R.FAILED}),
    # A bank may send a refund back days later; a deposit's may go to another account then.
    R.SUCCEEDED: frozenset({R.NEEDS_ACCOUNT, R.FAILED}),
    R.FAILED: frozenset(),
}


def refund_sources_of(target: RefundStatus) -> list[RefundStatus]:
    return [status for status, following in REFUND_NEXT.items() if target in following]


class RefundKind(StrEnum):
    """Why money goes back: asked for by the owner, paid beside another payment, transferred after the due date to a
    shop that takes nothing late, of the wrong amount, or sent back at the PG by hand."""

    ASKED = "asked"
    SURPLUS = "surplus"
    LATE = "late"
    MISMATCH = "mismatch"
    OUTSIDE = "outside"


PAYS_NOTHING = frozenset({RefundKind.SURPLUS, RefundKind.LATE, RefundKind.MISMATCH})
"""Money that no order could take: nobody has asked for these refunds."""


class AlertKind(StrEnum):
    """What an owner is asked to look at."""

    # The PG took another amount, currency or mode than we asked for.
    MISMATCH = "mismatch"
    # Money that no order takes, and that the PG cannot send back by itself.
    SURPLUS = "surplus"
    # A refund that the PG refuses for good, or that its bank sent back.
    REFUND_FAILED = "refund_failed"
    # A refund that has neither gone out nor failed for days.
    REFUND_WAITING = "refund_waiting"
    # A payment that has been on its way for an hour.
    STUCK = "stuck"
    # Money at the PG without an order of ours.
    ORPHAN = "orphan"
    DISPUTE = "dispute"
    # A deposit that the bank took back after a part of it had been refunded.
    REVERSED = "reversed"
    # A piece of work that failed as often as it may.
    POISON_JOB = "poison_job"
    # The PG's list of a day is not ours.
    DIFFERENCE = "difference"


class DifferenceKind(StrEnum):
    """How the PG's list and our rows disagree."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    STATE = "state"


class Cause(StrEnum):
    """By which door a change came."""

    SHOPPER = "shopper"
    RETURN = "return"
    WEBHOOK = "webhook"
    RECONCILE = "reconcile"
    OWNER = "owner"
    TIMER = "timer"
