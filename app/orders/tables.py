"""Orders: what is owed, by whom, for what. How it was paid is the business of `app.payments`."""

from piccolo.columns import UUID, BigInt, Boolean, Integer, OnDelete, Timestamptz, Varchar
from piccolo.columns.indexes import IndexMethod

from app import clock
from app.database import DB
from app.money import Money
from app.orders.states import OrderStatus
from app.rows import ForeignKey, Row
from app.shops.tables import Product, Shop


class Order(Row, tablename="orders", db=DB):
    """What a shopper owes to a shop. Its status is written by `payments.following.move_order` alone."""

    id = UUID(primary_key=True, default=clock.new_id)
    shop = ForeignKey(Shop, null=False, on_delete=OnDelete.restrict)
    # For people, unique within the shop: "1122-0042".
    number = Varchar(length=20, null=False)
    # For links: whoever has it may see the order.
    token = Varchar(length=32, unique=True, null=False)
    status = Varchar(length=24, default=OrderStatus.PENDING, choices=OrderStatus, null=False)
    customer_email = Varchar(length=254, null=False)
    currency = Varchar(length=3, null=False)
    total_amount = BigInt(null=False)
    refunded_amount = BigInt(default=0, null=False)
    # The payment that pays it, and that payment's names at the PG.
    paid_by = UUID(default=None, null=True)
    pg_provider = Varchar(length=16, default=None, null=True)
    pg_payment_id = Varchar(length=200, default=None, null=True)
    paid_at = Timestamptz(default=None, null=True)
    # The form's one-time token; it moves on to the newer order when the same form is sent with other content.
    checkout_token = Varchar(length=100, unique=True, null=False)
    # Whether the order's quantities are taken out of its products' stock: each hold is given back once.
    holds_stock = Boolean(default=True, null=False)
    expires_at = Timestamptz(null=False, index=True, index_method=IndexMethod.btree)
    created_at = Timestamptz(default=clock.now, null=False)
    updated_at = Timestamptz(default=clock.now, null=False)

    @property
    def is_replaced(self) -> bool:
        """Whether its form was sent again with other content: the newer order is the one to pay."""
        return "~" in self.checkout_token

    @property
    def total(self) -> Money:
        return Money(self.total_amount, self.currency)

    @property
    def refunded(self) -> Money:
        return Money(self.refunded_amount, self.currency)


class OrderItem(Row, tablename="order_items", db=DB):
    """A snapshot of what was bought at which price; never recomputed from the product."""

    id = UUID(primary_key=True, default=clock.new_id)
    order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict, index=True)
    product = ForeignKey(Product, null=False, on_delete=OnDelete.restrict)
    product_name = Varchar(length=120, null=False)
    unit_price = BigInt(null=False)
    quantity = Integer(null=False)
    # Whether the pieces came out of a counted stock, and go back into it. A product may be counted later, or no more.
    is_counted = Boolean(default=True, null=False)
    # How many of them a refund has put on sale again.
    restocked = Integer(default=0, null=False)
