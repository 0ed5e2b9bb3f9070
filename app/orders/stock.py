"""Stock: taken by a conditional update, given back once. `Order.holds_stock` says which of the two is next.

A refund may put pieces on sale again (`restock`). The order goes on holding what is left, if only nothing: what a later
`give_back` puts back is each item's quantity without its `restocked` pieces, and `take_again` begins anew.

Whoever calls these has a write transaction open and the order's row locked.
"""

from app.orders.tables import Order, OrderItem
from app.shops.tables import Product


class SoldOut(Exception):
    """There is not enough left. `left` is how many are."""

    def __init__(self, left: int) -> None:
        super().__init__(left)
        self.left = left


async def take(product_id: object, quantity: int) -> bool:
    """Whether the pieces came out of a counted stock. Raises SoldOut; then nothing was taken."""
    taken = await Product.raw(
        "UPDATE products SET stock = stock - {} WHERE id = {} AND (stock IS NULL OR stock >= {}) RETURNING stock",
        quantity,
        product_id,
        quantity,
    )
    if not taken:
        left = await Product.select(Product.stock).where(Product.id == product_id).first()
        raise SoldOut(left["stock"] if left else 0)
    return taken[0]["stock"] is not None


async def take_again(order: Order) -> None:
    """For an order that gave its stock back and is paid after all. Raises SoldOut; then nothing was taken."""
    items = await OrderItem.objects().where(OrderItem.order == order.id)
    taken: list[OrderItem] = []
    for item in items:
        try:
            is_counted = await take(item.product, item.quantity)
        except SoldOut:
            for other in taken:
                await _put_back(other.product, other.quantity)
            raise
        anew = {OrderItem.is_counted: is_counted, OrderItem.restocked: 0}
        await OrderItem.update(anew).where(OrderItem.id == item.id)
        if is_counted:
            taken.append(item)
    await Order.update({Order.holds_stock: True}).where(Order.id == order.id)
    order.holds_stock = True


async def give_back(order: Order) -> None:
    """Ends the order's hold; does nothing when it has none."""
    held = (
        await Order.update({Order.holds_stock: False})
        .where(Order.id == order.id, Order.holds_stock.eq(True))
        .returning(Order.id)
    )
    if not held:
        return
    order.holds_stock = False
    for item in await OrderItem.objects().where(OrderItem.order == order.id, OrderItem.is_counted.eq(True)):
        await _put_back(item.product, item.quantity - item.restocked)


async def restock(order: Order, pieces: int) -> None:
    """Puts pieces of a refunded order on sale again: no more than it still holds, and none that was never counted."""
    if pieces < 1 or not order.holds_stock:
        return
    counted = OrderItem.objects().where(OrderItem.order == order.id, OrderItem.is_counted.eq(True))
    for item in await counted.order_by(OrderItem.id):
        back = min(pieces, item.quantity - item.restocked)
        if back > 0:
            await OrderItem.update({OrderItem.restocked: item.restocked + back}).where(OrderItem.id == item.id)
            await _put_back(item.product, back)
            pieces -= back


async def _put_back(product_id: object, quantity: int) -> None:
    await Product.raw(
        "UPDATE products SET stock = stock + {} WHERE id = {} AND stock IS NOT NULL", quantity, product_id
    )
