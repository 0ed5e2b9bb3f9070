"""What an order costs: pure arithmetic over a product and a quantity."""

from dataclasses import dataclass

from app.money import Money
from app.shops.tables import Product

MOST = 9_999
"""No order holds more pieces of anything: beyond that a typing mistake is likelier than a wish."""


@dataclass(frozen=True, slots=True)
class Totals:
    """`line` is the price of all pieces; with one product an order's total is its line."""

    unit: Money
    quantity: int
    line: Money
    total: Money


def totals_of(product: Product, quantity: int) -> Totals:
    line = product.unit_price * quantity
    return Totals(product.unit_price, quantity, line, line)


def limit_of(product: Product) -> int:
    """The most that one order can have of it now."""
    return min(MOST, product.most) if product.most is not None else MOST
