"""When everything is at rest nothing is undecided: what ends a simulation, beside what holds always.

A webhook that is not handled has its job (`watch`), so that no undone job means that all are handled.
"""

from datetime import timedelta

from app.checking.invariant import Invariant
from app.checking.stock import HOLD_OVER

INVARIANTS = (
    Invariant(
        "open_payment",
        """
        SELECT 'payment ' || CAST(p.id AS TEXT), 'is ' || p.status || ' and not closed'
        FROM payments p WHERE p.closed_at IS NULL
        """,
    ),
    Invariant(
        "open_refund",
        """
        SELECT 'refund ' || CAST(r.id AS TEXT), 'of ' || r.amount || ' is still ' || r.status
        FROM refunds r WHERE r.status IN ('requested', 'pending')
        """,
    ),
    Invariant(
        "undone_job",
        """
        SELECT 'job ' || j.dedupe_key, 'is not done after ' || j.tries || ' tries: ' || COALESCE(j.error, 'no error')
        FROM jobs j WHERE j.done_at IS NULL
        """,
    ),
    Invariant("held_over", HOLD_OVER, (timedelta(),)),
)
