"""Shops and what they sell."""

from enum import StrEnum

from piccolo.columns import (
    UUID,
    BigInt,
    Boolean,
    Integer,
    OnDelete,
    Text,
    Timestamptz,
    Varchar,
)

from app import clock
from app.database import DB
from app.money import Money
from app.rows import ForeignKey, Row


class LateDeposit(StrEnum):
    """What becomes of a transfer that was made after its due date."""

    # It pays the order where its goods are still there, as one in time would.
    ACCEPT = "accept"
    # It goes back, whatever there is.
    REFUND = "refund"


class Shop(Row, tablename="shops", db=DB):
    """One shop: a name in the URL, a look, a language and a currency."""

    id = UUID(primary_key=True, default=clock.new_id)
    domain = Varchar(length=40, unique=True, null=False)
    name = Varchar(length=80, null=False)
    tagline = Varchar(length=120, default="", null=False)
    description = Text(default="", null=False)
    # The lines of the footer that the law asks a Korean shop for, one a line.
    legal = Text(default="", null=False)
    # A hue from 0 to 359; the style sheet makes every colour from it.
    accent = Integer(default=162, null=False)
    # Stands in place of the first letter of the name.
    logo_url = Varchar(length=300, default="", null=False)
    locale = Varchar(length=8, default="ko", null=False)
    time_zone = Varchar(length=40, default="Asia/Seoul", null=False)
    currency = Varchar(length=3, default="KRW", null=False)
    hold_minutes = Integer(default=60, null=False)
    late_deposit = Varchar(length=8, default=LateDeposit.ACCEPT, choices=LateDeposit, null=False)
    # Where the owner is told of what only a person can settle.
    alert_email = Varchar(length=254, default="", null=False)
    order_count = BigInt(default=0, null=False)
    # Grows with each edit of the settings.
    version = Integer(default=1, null=False)
    created_at = Timestamptz(default=clock.now, null=False)

    @property
    def legal_lines(self) -> list[str]:
        return self.legal.splitlines()


class Product(Row, tablename="products", db=DB):
    """A thing on sale. `stock` is what is left to sell: neither sold nor held by an order; null means without limit."""

    id = UUID(primary_key=True, default=clock.new_id)
    shop = ForeignKey(Shop, null=False, on_delete=OnDelete.restrict)
    name = Varchar(length=120, null=False)
    description = Text(default="", null=False)
    # "크기: 지름 8.5cm", one a line.
    facts = Text(default="", null=False)
    price = BigInt(null=False)
    currency = Varchar(length=3, default="KRW", null=False)
    image_url = Varchar(length=300, default="", null=False)
    image_alt = Varchar(length=200, default="", null=False)
    stock = Integer(default=None, null=True)
    max_per_order = Integer(default=None, null=True)
    is_active = Boolean(default=True, null=False)
    position = Integer(default=0, null=False)
    # Grows with each edit by a person, never with a sale.
    version = Integer(default=1, null=False)
    created_at = Timestamptz(default=clock.now, null=False)

    @property
    def unit_price(self) -> Money:
        return Money(self.price, self.currency)

    @property
    def is_sold_out(self) -> bool:
        return self.stock is not None and self.stock < 1

    @property
    def is_limited_by_stock(self) -> bool:
        """Whether one order could have more if more were there."""
        return self.stock is not None and (self.max_per_order is None or self.stock < self.max_per_order)

    @property
    def most(self) -> int | None:
        """The most that one order can have now; None where nothing limits it."""
        limits = [limit for limit in (self.stock, self.max_per_order) if limit is not None]
        return min(limits) if limits else None
