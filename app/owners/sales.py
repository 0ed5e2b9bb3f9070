"""What a shop sold: sums over spans of days, each currency for itself.

A sale is an order that one of its payments pays, on the day on which that payment was made. Money beside it is none:
a second payment of an order, one of another amount, a deposit that its bank took back. A refund counts on the day on
which the PG said that it was done, however old the sale; one that came back later counts no more, and neither does the
return of money that paid no order. What a bank takes back in a dispute is not subtracted: that has rows of its own.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from app.database import DB
from app.money import Money
from app.orders.tables import Order
from app.owners.sales_period import Span
from app.shops.tables import Shop


@dataclass(frozen=True, slots=True)
class Sales:
    """What came in, what went back, and how many orders were paid."""

    gross: Money
    refunded: Money
    orders: int

    @property
    def net(self) -> Money:
        return self.gross - self.refunded

    @property
    def average(self) -> Money | None:
        """Of a paid order, before refunds; None without one."""
        count = self.orders
        return Money((2 * self.gross.amount + count) // (2 * count), self.gross.currency) if count else None


@dataclass(frozen=True, slots=True)
class CurrencySales:
    """One currency: a row for each span, also where nothing was sold, and all of them together."""

    currency: str
    rows: list[tuple[Span, Sales]]

    @property
    def total(self) -> Sales:
        zero = Money(0, self.currency)
        return Sales(
            sum((sales.gross for _, sales in self.rows), zero),
            sum((sales.refunded for _, sales in self.rows), zero),
            sum(sales.orders for _, sales in self.rows),
        )


async def sales_of(shop: Shop, spans: Sequence[Span]) -> list[CurrencySales]:
    """The currencies in which something was paid or went back, the shop's own first."""
    paid, refunded = await _paid(shop, spans), await _refunded(shop, spans)
    currencies = {currency for currency, _ in (*paid, *refunded)}
    return [
        CurrencySales(
            currency,
            [
                (span, Sales(Money(amount, currency), Money(refunded[currency, number], currency), orders))
                for number, span in enumerate(spans)
                for amount, orders in (paid.get((currency, number), (0, 0)),)
            ],
        )
        for currency in sorted(currencies, key=lambda currency: (currency != shop.currency, currency))
    ]


async def _paid(shop: Shop, spans: Sequence[Span]) -> dict[tuple[str, int], tuple[int, int]]:
    """Sum and number of the orders that were paid, by currency and the span's place."""
    moment = "timestamptz" if DB.engine_type == "postgres" else "text"
    values = ", ".join(f"({number}, CAST({{}} AS {moment}), CAST({{}} AS {moment}))" for number in range(len(spans)))
    rows = await Order.raw(
        f"WITH spans (number, since, until) AS (VALUES {values}) "
        "SELECT s.number, o.currency, CAST(sum(o.total_amount) AS BIGINT) AS amount, count(*) AS orders FROM spans s "
        "JOIN orders o ON o.shop = {} AND o.paid_at >= s.since AND o.paid_at < s.until GROUP BY s.number, o.currency",
        *(moment for span in spans for moment in (span.since, span.until)),
        shop.id,
    )
    return {(row["currency"], row["number"]): (row["amount"], row["orders"]) for row in rows}


async def _refunded(shop: Shop, spans: Sequence[Span]) -> dict[tuple[str, int], int]:
    """What went back of orders' own payments, by currency and the span's place: there are never very many refunds."""
    rows = await Order.raw(
        "SELECT o.currency, r.amount, r.succeeded_at FROM orders o JOIN refunds r ON r.payment = o.paid_by "
        "WHERE o.shop = {} AND o.refunded_amount > 0 AND r.status = 'succeeded' "
        "AND r.succeeded_at >= {} AND r.succeeded_at < {}",
        *(shop.id, spans[0].since, spans[-1].until),
    )
    starts = [span.since for span in spans]
    sums: dict[tuple[str, int], int] = defaultdict(int)
    for row in rows:
        sums[row["currency"], bisect_right(starts, row["succeeded_at"]) - 1] += row["amount"]
    return sums
