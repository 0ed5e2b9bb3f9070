"""How well shoppers get through to a paid order: what became of orders, and each PG's ways to pay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app import clock
from app.checkout.order_page import REPLACED
from app.database import DB
from app.money import Money
from app.orders.states import CAPTURED, OrderStatus
from app.orders.tables import Order
from app.owners.sales_period import Span
from app.payments import states
from app.payments.tables import Payment
from app.shops.tables import Shop

# With fewer, the slowest of twenty is nobody in particular.
ENOUGH = 20

WAITING = (OrderStatus.PENDING, OrderStatus.AWAITING_DEPOSIT)


@dataclass(frozen=True, slots=True)
class Funnel:
    """The orders that were placed in some days, by what has become of them until now."""

    counts: Mapping[str, int]

    @property
    def placed(self) -> int:
        return sum(self.counts.values())

    @property
    def paid(self) -> int:
        """Also those that were refunded since."""
        return sum(self.counts[status] for status in CAPTURED)

    @property
    def refunded(self) -> int:
        """In part, or all of it."""
        return self.paid - self.counts[OrderStatus.PAID]

    @property
    def waiting(self) -> int:
        """For the shopper, the PG or a deposit."""
        return sum(self.counts[status] for status in WAITING)


@dataclass(frozen=True, slots=True)
class WaySales:
    """One way to pay at one PG, in one currency.

    `attempts` are the payments that were begun in the days, `ended` those of them that are over, and `succeeded` those
    whose money came as it was asked for. `orders`, `amount` and the times are of the orders that were paid in the days:
    their amounts are the gross sales. Times are whole seconds from the order to its payment.
    """

    provider: str
    way: str
    attempts: int
    ended: int
    succeeded: int
    orders: int
    amount: Money
    median: int | None
    slowest: int | None

    @property
    def rate(self) -> int | None:
        """Per cent of the ended attempts that succeeded, rounded down; None where none has ended."""
        return 100 * self.succeeded // self.ended if self.ended else None


async def funnel_of(shop: Shop, days: Span) -> Funnel:
    """Counted by the index of the list of orders: an order's id holds the moment at which it was placed."""
    wanted = "FROM orders WHERE shop = {} AND id >= {} AND id < {} AND status = "
    counts = " UNION ALL ".join(
        f"SELECT '{status}' AS status, count(*) AS orders, 0 AS replaced {wanted}'{status}'"
        for status in OrderStatus
        if status is not OrderStatus.CANCELLED
    )
    # A form that was sent again with other content has cancelled the older order.
    cancelled = "count(*) AS orders, count(CASE WHEN checkout_token LIKE '%~%' THEN 1 END) AS replaced"
    rows = await Order.raw(
        f"{counts} UNION ALL SELECT 'cancelled' AS status, {cancelled} {wanted}'cancelled'",
        *[shop.id, clock.first_id(days.since), clock.first_id(days.until)] * len(OrderStatus),
    )
    found = {row["status"]: row["orders"] - row["replaced"] for row in rows}
    return Funnel({**found, REPLACED: sum(row["replaced"] for row in rows)})


async def ways_of(shop: Shop, days: Span) -> list[WaySales]:
    """Every way that was tried or paid by in these days: the shop's currency first, then by what it brought."""
    attempts, paid = await _attempts(shop, days), await _paid(shop, days)
    ways = []
    for key in attempts.keys() | paid.keys():
        provider, way, currency = key
        tried, came = attempts.get(key, {}), paid.get(key, {})
        times = sorted(map(int, came["times"].split(","))) if came else []
        ways.append(
            WaySales(
                provider,
                way,
                *(tried.get(name, 0) for name in ("attempts", "ended", "succeeded")),
                len(times),
                Money(came.get("amount", 0), currency),
                _rank(times, 50) if times else None,
                _rank(times, 95) if len(times) >= ENOUGH else None,
            )
        )
    return sorted(
        ways,
        key=lambda each: (
            *(each.amount.currency != shop.currency, each.amount.currency),
            *(-each.amount.amount, -each.attempts, each.provider, each.way),
        ),
    )


async def _attempts(shop: Shop, days: Span) -> dict[tuple[str, str, str], dict[str, int]]:
    rows = await Payment.raw(
        "SELECT provider, way, currency, count(*) AS attempts, "
        f"count(CASE WHEN status NOT IN ({_quoted(states.OPEN)}) THEN 1 END) AS ended, "
        f"count(CASE WHEN status IN ({_quoted(states.CAPTURED)}) THEN 1 END) AS succeeded FROM payments "
        "WHERE account IN (SELECT id FROM provider_accounts WHERE shop = {}) AND id >= {} AND id < {} "
        "GROUP BY provider, way, currency",
        *(shop.id, clock.first_id(days.since), clock.first_id(days.until)),
    )
    return {(row["provider"], row["way"], row["currency"]): row for row in rows}


async def _paid(shop: Shop, days: Span) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The sums of paid orders, and how long each of them took, as one text."""
    if DB.engine_type == "postgres":
        times = "string_agg(CAST(CAST(extract(epoch FROM o.paid_at - o.created_at) AS BIGINT) AS TEXT), ',')"
    else:
        times = "group_concat(CAST(round((julianday(o.paid_at) - julianday(o.created_at)) * 86400) AS INTEGER))"
    rows = await Order.raw(
        "SELECT p.provider, p.way, o.currency, CAST(sum(o.total_amount) AS BIGINT) AS amount, "
        f"{times} AS times FROM orders o JOIN payments p ON p.id = o.paid_by "
        "WHERE o.shop = {} AND o.paid_at >= {} AND o.paid_at < {} GROUP BY p.provider, p.way, o.currency",
        *(shop.id, days.since, days.until),
    )
    return {(row["provider"], row["way"], row["currency"]): row for row in rows}


def _rank(times: Sequence[int], percent: int) -> int:
    """The least of the times, in their order, that so many of a hundred are not above."""
    return times[-(-len(times) * percent // 100) - 1]


def _quoted(statuses: frozenset[states.PaymentStatus]) -> str:
    return ", ".join(f"'{status}'" for status in sorted(statuses))
