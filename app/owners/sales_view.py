"""The sales page in words: how its days, its times and its charts are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from babel.dates import format_date

from app.language import Translator
from app.money import Money
from app.owners.sales import CurrencySales, Sales
from app.owners.sales_chart import SalesChart
from app.owners.sales_period import By, Span
from app.owners.sales_ways import Funnel, WaySales
from app.payments.providers import PROVIDERS

DAYS = {"ko": ("MMM d일", "y년 MMM d일"), "en": ("d MMM", "d MMM y")}
MONTHS = {"ko": "y년 MMM", "en": "MMM y"}
MINUTE, HOUR, DAY = 60, 3_600, 86_400


@dataclass(frozen=True, slots=True)
class CurrencyView:
    """The rows are newest first, the chart and its three labels oldest first. `best` is the row with the most."""

    currency: str
    total: Sales
    rows: list[tuple[str, Span, Sales]]
    chart: SalesChart
    axis: list[str]
    best: tuple[str, Money]


@dataclass(frozen=True, slots=True)
class WayView:
    provider: str
    way: str
    attempts: int
    rate: int | None
    median: str | None
    slowest: str | None
    orders: int
    amount: Money


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of the funnel: what it is called, how many orders came so far, and how many of a hundred."""

    name: str
    count: int
    share: int


def currency_view(sales: CurrencySales, by: By, today: date, lang: str) -> CurrencyView:
    named = [(label_of(span, by, today, lang), span, row) for span, row in sales.rows]
    labels = [label for label, _, _ in named]
    best = max(named, key=lambda each: each[2].gross.amount)
    return CurrencyView(
        currency=sales.currency,
        total=sales.total,
        rows=named[::-1],
        chart=SalesChart.of([row for _, row in sales.rows]),
        axis=labels if len(labels) < 3 else [labels[0], labels[len(labels) // 2], labels[-1]],
        best=(best[0], best[2].gross),
    )


def label_of(span: Span, by: By, today: date, lang: str) -> str:
    """A day, the first and the last of a week, or a month; with the year where it is not this one."""
    if by is By.MONTH:
        return format_date(span.first, MONTHS[lang], locale=lang)
    return days_text(span.first, span.last, today, lang)


def days_text(first: date, last: date, today: date, lang: str) -> str:
    """`11월 16일 – 11월 22일`; one day alone stands alone."""
    short, long = DAYS[lang]
    pattern = short if first.year == last.year == today.year else long
    return " – ".join(format_date(day, pattern, locale=lang) for day in dict.fromkeys((first, last)))


def way_view(way: WaySales, _: Translator) -> WayView:
    traits = PROVIDERS[way.provider].traits
    known = traits.ways.get(way.way)
    return WayView(
        provider=_(traits.label),
        way=_(known.label) if known else way.way,
        attempts=way.attempts,
        rate=way.rate,
        median=time_text(way.median, _),
        slowest=time_text(way.slowest, _),
        orders=way.orders,
        amount=way.amount,
    )


def time_text(seconds: int | None, _: Translator) -> str | None:
    """In its two largest units. A PG's clock may be a little behind ours."""
    if seconds is None:
        return None
    seconds = max(seconds, 0)
    if seconds < MINUTE:
        return _("%(seconds)s초", seconds=seconds)
    if seconds < HOUR:
        return _("%(minutes)s분 %(seconds)s초", minutes=seconds // MINUTE, seconds=seconds % MINUTE)
    if seconds < DAY:
        return _("%(hours)s시간 %(minutes)s분", hours=seconds // HOUR, minutes=seconds % HOUR // MINUTE)
    return _("%(days)s일 %(hours)s시간", days=seconds // DAY, hours=seconds % DAY // HOUR)


def steps_of(funnel: Funnel, _: Translator) -> list[StepView]:
    """The way of the orders, then what became of those that have not been paid; of an empty funnel nothing."""
    if not funnel.placed:
        return []
    counts = (
        (_("들어온 주문"), funnel.placed),
        (_("결제된 주문"), funnel.paid),
        (_("그 가운데 환불한 주문"), funnel.refunded),
    )
    return [StepView(name, count, 100 * count // funnel.placed) for name, count in counts]


def rest_of(funnel: Funnel, _: Translator) -> list[StepView]:
    """What became of the orders that have not been paid; only what there is."""
    words: Sequence[tuple[str, int]] = (
        (_("결제 기다리는 중"), funnel.waiting),
        (_("결제 실패"), funnel.counts["failed"]),
        (_("결제 취소"), funnel.counts["cancelled"]),
        (_("기한 지남"), funnel.counts["expired"]),
        (_("새 주문으로 바뀜"), funnel.counts["replaced"]),
    )
    return [StepView(name, count, 100 * count // funnel.placed) for name, count in words if count]
