"""Which days the sales page adds up, and in what pieces: what its fields say, checked, and where each piece begins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import ClassVar
from urllib.parse import urlencode

from app.language import Translator
from app.owners.inbox_filter import BadDay, read_day
from app.payments.statements import day_of


class By(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


# How many pieces are shown where no first day is chosen, and how many can be.
USUAL = {By.DAY: 30, By.WEEK: 12, By.MONTH: 12}
MOST = 366


@dataclass(frozen=True, slots=True)
class Span:
    """Whole days of the shop's calendar, both ends included, and the moments at which they begin and are over."""

    first: date
    last: date
    since: datetime
    until: datetime


@dataclass(slots=True)
class SalesPeriod:
    """Raw values as they stand in the URL, and `errors` by field name, in the page's language."""

    NAMES: ClassVar = ("by", "since", "until")

    by: str = ""
    since: str = ""
    until: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Mapping[str, str]) -> "SalesPeriod":
        period = cls(**{name: raw.get(name, "").strip()[:254] for name in cls.NAMES})
        return period if period.by else cls(By.DAY, period.since, period.until)

    def query(self, **changes: str) -> str:
        """The same in a URL, to follow a `?`; `changes` go instead."""
        values = {name: getattr(self, name) for name in self.NAMES} | changes
        return urlencode({name: value for name, value in values.items() if value})

    def spans(self, time_zone: str, today: date, _: Translator) -> list[Span]:
        """Oldest first, and without a gap: days, weeks from Monday, or months, each of them whole, from the one that
        the first day is in to the last day's. Empty where `errors` got what is wrong.
        """
        if self.by not in tuple(By):
            self.errors["by"] = _("날, 주, 달 가운데 하나로 묶을 수 있어요.")
        first, last = self._day("since", _), self._day("until", _)
        if first and last and first > last:
            self.errors["until"] = _("마지막 날이 첫날보다 빠릅니다.")
        if self.errors:
            return []
        by = By(self.by)
        last = last or max(first or today, today)
        edges = _edges(by, first, last)
        if len(edges) > MOST + 1:
            self.errors["since"] = _(
                "한 번에 %(most)s줄까지 볼 수 있어요. 기간을 줄이거나 더 크게 묶어 주세요.", most=MOST
            )
            return []
        moments = [day_of(edge, time_zone).since for edge in edges]
        return [
            Span(start, end - timedelta(days=1), since, until)
            for (start, end), (since, until) in zip(pairwise(edges), pairwise(moments), strict=True)
        ]

    def _day(self, name: str, _: Translator) -> date | None:
        text = getattr(self, name)
        if not text:
            return None
        try:
            return read_day(text)
        except BadDay:
            self.errors[name] = _("날짜를 2026-11-22처럼 적어 주세요.")
            return None


def _edges(by: By, first: date | None, last: date) -> list[date]:
    """The first days of the pieces, and the day after the last of them; of too many, one more than may be."""
    edges = [_next(by, _begin(by, last))]
    wanted = MOST + 1 if first else USUAL[by]
    while len(edges) <= wanted and (first is None or edges[-1] > first):
        edges.append(_begin(by, edges[-1] - timedelta(days=1)))
    return edges[::-1]


def _begin(by: By, day: date) -> date:
    """The first day of the piece that this day is in."""
    if by is By.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if by is By.MONTH else day


def _next(by: By, begin: date) -> date:
    """The first day of the piece after the one that begins here."""
    if by is By.MONTH:
        return _begin(by, begin + timedelta(days=31))
    return begin + timedelta(days=7 if by is By.WEEK else 1)
