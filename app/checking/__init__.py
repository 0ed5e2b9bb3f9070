"""Checking: what must be true always, asked of a real database, and of a sandbox's ledger beside it.

What the tables' own keys forbid (a second mail for one change, a refund of another shop's payment) is not asked again.
"""

from datetime import datetime

from app.checking import belonging, settled_books, stock, sums, trails, watch
from app.checking.invariant import Breach, Invariant, broken
from app.checking.ledger import check_ledger

__all__ = ["ALWAYS", "AT_REST", "Breach", "check_database", "check_ledger"]

ALWAYS: tuple[Invariant, ...] = (
    *sums.INVARIANTS,
    *trails.INVARIANTS,
    *watch.INVARIANTS,
    *stock.INVARIANTS,
    *belonging.INVARIANTS,
)
"""Holds also while payments are being decided, however many processes are at work. Of a job that failed too often a
sweep tells some seconds later."""

AT_REST: tuple[Invariant, ...] = settled_books.INVARIANTS
"""Holds beside these once everything that was begun has come to its end."""


async def check_database(now: datetime, settled: bool = False) -> list[Breach]:
    """Every row of the database in use that breaks an invariant, in one statement: it sees one moment of the shop.

    `settled`: everything is at rest, so that nothing may be undecided either.
    """
    return await broken((*ALWAYS, *AT_REST) if settled else ALWAYS, now)
