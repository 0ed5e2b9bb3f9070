"""The gate: just before our confirm moves the money the order is looked at once more; a "no" costs nobody a refund."""

from typing import Any

import pytest

from app.orders.tables import Order, OrderItem
from app.payments.states import PaymentStatus
from app.shops.tables import Product
from tests.shopping import Market, Shopper


@pytest.mark.parametrize(
    "change",
    [{Product.is_active: False}, {Product.max_per_order: 1}],
    ids=["off the shelf", "fewer at a time"],
)
async def test_what_is_not_sold_any_more_is_not_confirmed(
    market: Market, shopper: Shopper, change: dict[Any, Any]
) -> None:
    way_back = await shopper.approve(market.mug, quantity=2)
    await Product.update(change).where(Product.id == market.mug.id)
    page = await shopper.come_back(way_back)
    assert page.status_code == 400
    assert "지금은 결제할 수 없는 주문이에요" in page.text
    assert market.confirms == []
    assert (await market.only_payment()).status == PaymentStatus.CREATED
    assert await market.refusals() == ["not_payable"]


async def test_an_order_that_does_not_add_up_is_not_confirmed(market: Market, shopper: Shopper) -> None:
    way_back = await shopper.approve(market.mug)
    await OrderItem.update({OrderItem.unit_price: 25_000}).where(OrderItem.unit_price == 26_000)
    assert (await shopper.come_back(way_back)).status_code == 400
    assert market.confirms == []


async def test_a_higher_price_does_not_change_what_was_ordered(market: Market, shopper: Shopper) -> None:
    way_back = await shopper.approve(market.mug, quantity=2)
    await Product.update({Product.price: 30_000, Product.max_per_order: 2}).where(Product.id == market.mug.id)
    page = await shopper.come_back(way_back)
    assert "결제가 끝났어요" in page.text
    assert (await Order.objects().first()).total_amount == 52_000
