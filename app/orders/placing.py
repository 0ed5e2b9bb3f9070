"""Placing an order: one transaction from the form to the row, safe to repeat."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from app import clock
from app.database import write_transaction
from app.orders import stock
from app.orders.states import OrderStatus
from app.orders.tables import Order, OrderItem
from app.orders.totals import totals_of
from app.shops.tables import Product, Shop

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a valid checkout form asks for."""

    product: Product
    quantity: int
    email: str
    checkout_token: str


# Closes an unpaid order; begins to pay one, which is new or not. Both inside the open transaction: payments know how.
Close = Callable[[Order], Awaitable[object]]
Begin = Callable[[Order, bool], Awaitable[T]]


async def place_order(shop: Shop, wanted: Wanted, close: Close, begin: Begin[T]) -> T:
    """What `begin` makes of this form's order: the same order however often the same content is sent.

    One transaction. Changed content makes a new order; the older one is handed to `close`, and its token goes to the
    new one. Prices and names are frozen, the stock is taken. Raises stock.SoldOut, and then nothing was written.
    """
    token = f"{shop.id.hex}.{wanted.checkout_token}"
    while True:
        async with write_transaction():
            # The shop's row is locked first, then an order, then its products: else two would wait for each other.
            count = await _count(shop)
            order = await _insert(shop, wanted, token, count)
            if order is not None:
                return await begin(order, True)
            older = await Order.objects().where(Order.checkout_token == token).first()
            if older is not None and await _is_same(older, wanted):
                return await begin(older, False)
            if older is not None:
                await _retire(older)
                await close(older)


def form_token(order: Order) -> str:
    """The token of the form that made the order. In the row the shop stands before it: each shop has its own."""
    return order.checkout_token.partition(".")[2]


async def held_by_form(shop: Shop, product: Product, checkout_token: str) -> int:
    """How many pieces the form's own order holds: out of the stock, but there for whoever sends the form again."""
    item = (
        await OrderItem.select(OrderItem.quantity)
        .where(
            OrderItem.order.checkout_token == f"{shop.id.hex}.{checkout_token}",
            OrderItem.order.holds_stock.eq(True),
            OrderItem.product == product.id,
        )
        .first()
    )
    return item["quantity"] if item else 0


async def _is_same(order: Order, wanted: Wanted) -> bool:
    item = (
        await OrderItem.select(OrderItem.product, OrderItem.quantity, OrderItem.unit_price)
        .where(OrderItem.order == order.id)
        .first()
    )
    asked = (wanted.product.id, wanted.quantity, wanted.product.price)
    return order.customer_email == wanted.email and item is not None and tuple(item.values()) == asked


async def _retire(older: Order) -> None:
    """Frees the form's token; also locks the older order's row, as everything that touches its payments does first."""
    await Order.update({Order.checkout_token: f"{older.checkout_token}~{older.id.hex}"}).where(Order.id == older.id)


async def _count(shop: Shop) -> int:
    """The ordinal of the shop's next order; also locks the shop's row."""
    rows = await Shop.raw("UPDATE shops SET order_count = order_count + 1 WHERE id = {} RETURNING order_count", shop.id)
    return rows[0]["order_count"]


async def _insert(shop: Shop, wanted: Wanted, token: str, count: int) -> Order | None:
    """None where this form has an order already."""
    now = clock.now()
    totals = totals_of(wanted.product, wanted.quantity)
    order = Order(
        shop=shop.id,
        number=f"{now.astimezone(ZoneInfo(shop.time_zone)):%m%d}-{count:04}",
        token=clock.new_token(),
        status=OrderStatus.PENDING,
        customer_email=wanted.email,
        currency=totals.total.currency,
        total_amount=totals.total.amount,
        checkout_token=token,
        expires_at=now + timedelta(minutes=shop.hold_minutes),
        created_at=now,
        updated_at=now,
    )
    won = await Order.insert(order).on_conflict(target=Order.checkout_token, action="DO NOTHING").returning(Order.id)
    if not won:
        return None
    is_counted = await stock.take(wanted.product.id, wanted.quantity)
    await OrderItem.insert(
        OrderItem(
            order=order.id,
            product=wanted.product.id,
            product_name=wanted.product.name,
            unit_price=wanted.product.price,
            quantity=wanted.quantity,
            is_counted=is_counted,
        )
    )
    return order
