"""Statements: what a PG's own list says of a shop's day, payment by payment."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from app.payments.provider import Provider, Transaction

# The PG's clock and ours do not agree on midnight, and a refund may be told of a day late: so much more of the list is
# read on both sides.
MARGIN = timedelta(hours=30)


@dataclass(frozen=True, slots=True)
class Day:
    """A day in a shop's time zone, from midnight until before the next."""

    date: date
    since: datetime
    until: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.since <= moment < self.until


def day_of(day: date, time_zone: str) -> Day:
    """The day there; 23 or 25 hours long where the clocks are changed."""
    zone = ZoneInfo(time_zone)
    since, until = (datetime.combine(each, time(), zone).astimezone(UTC) for each in (day, day + timedelta(days=1)))
    return Day(day, since, until)


@dataclass(frozen=True, slots=True)
class Listed:
    """What the list tells of one payment at the PG, within the day and its margins."""

    pg_payment_id: str
    rows: tuple[Transaction, ...]

    @property
    def reference(self) -> str | None:
        """Ours; None where another system took the money. Not every row of a payment tells it."""
        return next((row.reference for row in self.rows if row.reference), None)

    @property
    def currency(self) -> str:
        return self.rows[0].currency

    @property
    def captured(self) -> int:
        return self._sum("captured")

    @property
    def refunded(self) -> int:
        return self._sum("refunded")

    @property
    def left(self) -> int:
        """What is still at the PG, as far as the list goes."""
        return max(self.captured - self.refunded, 0)

    def moved_in(self, day: Day) -> bool:
        return any(row.at in day for row in self.rows)

    def _sum(self, kind: Literal["captured", "refunded"]) -> int:
        return sum(row.amount for row in self.rows if row.kind == kind)


class Statement:
    """The list of one day at one account, by the payments that it tells of."""

    def __init__(self, rows: Iterable[Transaction]) -> None:
        by_payment: dict[str, list[Transaction]] = {}
        for row in rows:
            by_payment.setdefault(row.pg_payment_id, []).append(row)
        self.payments = [Listed(name, tuple(rows)) for name, rows in by_payment.items()]
        self._named: dict[str, list[Listed]] = {}
        for listed in self.payments:
            for name in {listed.reference, listed.pg_payment_id} - {None}:
                self._named.setdefault(str(name), []).append(listed)

    def of(self, reference: str, pg_payment_id: str | None) -> list[Listed]:
        """All that bears our name, or the PG's: under one name of ours money may have come twice."""
        found = self._named.get(reference, [])
        more = self._named.get(pg_payment_id, []) if pg_payment_id else []
        return [*found, *(listed for listed in more if listed not in found)]


async def read_statement(provider: Provider, day: Day) -> Statement:
    """Asks the PG. Raises Unreachable, Misconfigured."""
    return Statement([row async for row in provider.transactions(day.since - MARGIN, day.until + MARGIN)])
