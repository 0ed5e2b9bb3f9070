"""The desk's list of orders: a line for each, in the words that shoppers read."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from app.checkout.order_page import WORDS, OrderPage
from app.orders.tables import Order, OrderItem
from app.payments.providers import PROVIDERS
from app.payments.states import RefundStatus
from app.payments.tables import Payment, Refund
from app.shops.tables import Shop
from app.shops.tenancy import NotFound


@dataclass(frozen=True, slots=True)
class OrderLine:
    order: Order
    # The state as the shopper is told it, and its word, to be translated.
    key: str
    word: str
    # The first thing bought, how many pieces of it, and how many other things.
    item: str
    quantity: int
    others: int
    # The PG that was paid, else the one that was tried last; to be translated.
    provider: str


async def find_order(shop: Shop, number: str) -> Order:
    """Raises NotFound: an order of another shop does not exist here."""
    order = await Order.objects().where(Order.shop == shop.id, Order.number == number).first()
    if order is None:
        raise NotFound
    return order


async def lines_of(orders: Sequence[Order]) -> list[OrderLine]:
    """In three statements however many there are, or four."""
    ids = [order.id for order in orders]
    if not ids:
        return []
    items, payments = defaultdict(list), defaultdict(list)
    for row in await OrderItem.select(OrderItem.order, OrderItem.product_name, OrderItem.quantity).where(
        OrderItem.order.is_in(ids)
    ):
        items[row["order"]].append(row)
    for payment in await Payment.objects().where(Payment.order.is_in(ids)).order_by(Payment.created_at):
        payments[payment.order].append(payment)
    pages = [OrderPage(order, payments[order.id]) for order in orders]
    stuck = await _refused_to_return([payment.id for page in pages for payment in page.returning])
    return [_line(_with_stuck(page, stuck), items[page.order.id]) for page in pages]


async def _refused_to_return(payments: Sequence[UUID]) -> set[UUID]:
    """Those of them whose money the PG would not send back."""
    if not payments:
        return set()
    failed = Refund.select(Refund.payment).where(
        Refund.payment.is_in(list(payments)), Refund.status == RefundStatus.FAILED
    )
    return {row["payment"] for row in await failed}


def _with_stuck(page: OrderPage, stuck: set[UUID]) -> OrderPage:
    return replace(page, is_stuck=True) if any(payment.id in stuck for payment in page.returning) else page


def _line(page: OrderPage, items: Sequence[dict]) -> OrderLine:
    provider = page.order.pg_provider or (page.paying.provider if page.paying else "")
    return OrderLine(
        order=page.order,
        key=page.key,
        word=WORDS[page.key][0],
        item=items[0]["product_name"],
        quantity=items[0]["quantity"],
        others=len(items) - 1,
        provider=PROVIDERS[provider].traits.label if provider else "",
    )
