"""An invariant is a query for the rows that break it. All of them are one statement, and so see one moment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from piccolo.querystring import QueryString

from app.database import DB


@dataclass(frozen=True, slots=True)
class Breach:
    """One row that is not as it must be: `row` is its table and id, `detail` what is wrong, in plain words."""

    invariant: str
    row: str
    detail: str


@dataclass(frozen=True, slots=True)
class Invariant:
    """`breaches` selects a row's name and what is wrong with it, as text, in SQL that both databases understand.

    Each `{}` in it stands for the present moment less one of `ages`.
    """

    name: str
    breaches: str
    ages: Sequence[timedelta] = ()


# No row, but the names of all columns below it.
NAMES = "SELECT '' AS invariant, '' AS \"row\", '' AS detail WHERE 1 = 0"


def quoted(words: Iterable[StrEnum]) -> str:
    """For the brackets of an SQL IN."""
    return ", ".join(f"'{word}'" for word in sorted(words))


async def broken(invariants: Sequence[Invariant], now: datetime) -> list[Breach]:
    """The rows that break any of these."""
    selects = [f"SELECT '{each.name}', found.* FROM ({each.breaches}) AS found" for each in invariants]
    moments = [now - age for each in invariants for age in each.ages]
    rows = await DB.run_querystring(QueryString(" UNION ALL ".join([NAMES, *selects]), *moments))
    return [Breach(**row) for row in rows]
