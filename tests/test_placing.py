"""Placing an order: the same form is the same order, and no piece is sold twice."""

import asyncio
from typing import Any

import pytest

from app.database import DB
from app.orders.states import OrderStatus
from app.orders.tables import Order, OrderItem
from app.payments.states import PaymentStatus
from app.payments.tables import Payment
from app.shops.catalogue import BadProduct, add_product
from app.shops.tables import Product
from tests.shopping import Market, Shopper

SOLD_OUT = "지금은 품절이라 살 수 없어요."
DEAR_MUG = {"price": 1, "stock": 1, "max_per_order": 1, "name": "머그"}


async def statuses() -> list[str]:
    """Of all orders, oldest first."""
    return [order.status for order in await Order.objects().order_by(Order.created_at).order_by(Order.number)]


async def test_the_same_form_sent_twice_is_one_order(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    first, second = await shopper.send(market.mug, form), await shopper.send(market.mug, form)
    assert first.headers["location"] == second.headers["location"]
    assert (await market.only_order()).status == OrderStatus.PENDING
    assert (await market.only_payment()).amount == 26_000
    assert await market.stock_of(market.mug) == 11


async def test_the_last_piece_ordered_twice_with_the_same_form_is_one_order(market: Market, shopper: Shopper):
    form = await shopper.form(market.last)
    first, second = await shopper.send(market.last, form), await shopper.send(market.last, form)
    assert first.headers["location"] == second.headers["location"]
    assert await Order.count() == 1
    assert await market.stock_of(market.last) == 0


@pytest.mark.parametrize("product", ["mug", "last"])
async def test_the_same_form_sent_five_times_at_once_is_one_order(market: Market, shopper: Shopper, product: str):
    wanted = getattr(market, product)
    form = await shopper.form(wanted)
    answers = await asyncio.gather(*(shopper.send(wanted, form) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    await market.only_order()
    await market.only_payment()
    assert await market.stock_of(wanted) == wanted.stock - 1


async def test_two_forms_are_two_orders(market: Market, shopper: Shopper):
    assert await shopper.order(market.mug) != await shopper.order(market.mug)
    assert await statuses() == [OrderStatus.PENDING] * 2
    assert await market.stock_of(market.mug) == 10


@pytest.mark.parametrize("change", [{"quantity": "3"}, {"email": "other@example.com"}])
async def test_a_form_sent_again_with_a_change_replaces_its_order(
    market: Market, shopper: Shopper, change: dict[str, str]
):
    form = await shopper.form(market.mug)
    await shopper.send(market.mug, form)
    await shopper.send(market.mug, {**form, **change})
    old, new = await Order.objects().order_by(Order.number)
    assert (old.status, new.status) == (OrderStatus.CANCELLED, OrderStatus.PENDING)
    assert (old.holds_stock, new.holds_stock) == (False, True)
    assert await market.stock_of(market.mug) == 12 - int(change.get("quantity", 1))
    payments = {payment.order: payment.status for payment in await Payment.objects()}
    assert payments == {old.id: PaymentStatus.CANCELLED, new.id: PaymentStatus.CREATED}


async def test_a_form_changed_and_changed_back_is_a_third_order(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    for quantity in ("1", "2", "1"):
        assert (await shopper.send(market.mug, {**form, "quantity": quantity})).status_code == 303
    assert await statuses() == [OrderStatus.CANCELLED, OrderStatus.CANCELLED, OrderStatus.PENDING]
    assert await market.stock_of(market.mug) == 11


async def test_changed_forms_sent_at_once_do_not_wait_for_each_other_for_ever(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    await shopper.send(market.mug, form)
    changed = [{**form, "quantity": str(quantity)} for quantity in (2, 3, 4)]
    others = [await shopper.form(market.mug) for _ in range(3)]
    answers = await asyncio.gather(*(shopper.send(market.mug, each) for each in (*changed, *others)))
    assert {answer.status_code for answer in answers} <= {303, 422}
    held = await OrderItem.select(OrderItem.quantity).where(OrderItem.order.holds_stock.eq(True))
    assert await market.stock_of(market.mug) == 12 - sum(item["quantity"] for item in held)
    assert len({order.number for order in await Order.objects()}) == await Order.count()


async def test_a_replaced_order_can_no_longer_be_paid_by_its_window(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    first = (await shopper.send(market.mug, form)).headers["location"]
    await shopper.open_window(first)
    return_url = await market.pg.buyer.approve()
    await shopper.send(market.mug, {**form, "quantity": "2"})
    page = await shopper.come_back(return_url)
    assert "결제가 끝났어요" not in page.text
    assert market.confirms == []
    assert (await statuses())[1] == OrderStatus.PENDING


async def test_the_way_back_from_the_pay_page_leads_to_the_same_form(market: Market, shopper: Shopper):
    pay_page = await shopper.http.get(await shopper.order(market.last))
    [query] = [part for part in pay_page.text.split('"') if part.startswith("/haru/checkout?product=")]
    back = await shopper.http.get(query.replace("&amp;", "&"))
    assert SOLD_OUT not in back.text
    assert 'data-max="1"' in back.text
    token = (await market.only_order()).checkout_token.partition(".")[2]
    assert f'name="checkout_token" value="{token}"' in back.text


async def test_fewer_of_the_last_pieces_can_be_ordered_after_all_of_them_were(market: Market, shopper: Shopper):
    few = await add_product(market.haru, "소반", 150_000, stock=3)
    form = await shopper.form(few)
    await shopper.send(few, {**form, "quantity": "3"})
    assert await market.stock_of(few) == 0
    assert (await shopper.send(few, {**form, "quantity": "2"})).status_code == 303
    assert await statuses() == [OrderStatus.CANCELLED, OrderStatus.PENDING]
    assert await market.stock_of(few) == 1


async def test_what_one_form_holds_is_not_there_for_another(market: Market, shopper: Shopper):
    form = await shopper.form(market.last)
    await shopper.send(market.last, form)
    other = {**form, "checkout_token": form["checkout_token"][::-1]}
    assert SOLD_OUT in (await shopper.send(market.last, other)).text
    assert await Order.count() == 1


async def test_a_change_that_asks_for_too_many_leaves_the_order_as_it_was(market: Market, shopper: Shopper):
    few = await add_product(market.haru, "소반", 150_000, stock=3)
    form = await shopper.form(few)
    await shopper.send(few, form)
    answer = await shopper.send(few, {**form, "quantity": "4"})
    assert answer.status_code == 422
    assert "지금은 3개까지 살 수 있어요." in answer.text
    assert (await market.only_order()).status == OrderStatus.PENDING
    assert await market.stock_of(few) == 2


async def test_a_form_of_one_shop_replaces_nothing_at_another(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    await shopper.send(market.mug, form)
    theirs = {**await shopper.form(market.spoon), "checkout_token": form["checkout_token"]}
    assert (await shopper.send(market.spoon, theirs)).status_code == 303
    assert await statuses() == [OrderStatus.PENDING] * 2
    assert {order.shop for order in await Order.objects()} == {market.haru.id, market.namu.id}


async def test_the_form_of_a_paid_order_leads_to_the_order(market: Market, shopper: Shopper):
    form = await shopper.form(market.last)
    await shopper.open_window((await shopper.send(market.last, form)).headers["location"])
    await shopper.come_back(await market.pg.buyer.approve())
    again = await shopper.send(market.last, form)
    order = await market.only_order()
    assert (again.status_code, again.headers["location"]) == (303, f"/haru/orders/{order.token}")
    assert order.status == OrderStatus.PAID
    assert await Payment.count() == 1
    assert len(market.confirms) == 1


async def test_a_changed_form_of_a_paid_order_is_a_new_order(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    await shopper.open_window((await shopper.send(market.mug, form)).headers["location"])
    await shopper.come_back(await market.pg.buyer.approve())
    answer = await shopper.send(market.mug, {**form, "quantity": "2"})
    assert answer.headers["location"].startswith("/haru/checkout/pay?payment=")
    assert await statuses() == [OrderStatus.PAID, OrderStatus.PENDING]
    assert await market.stock_of(market.mug) == 9
    [booked] = await market.ledger()
    assert (booked["captured"], booked["refunded"]) == (26_000, 0)


async def test_two_shoppers_want_the_last_piece_at_the_same_moment(market: Market, shopper: Shopper):
    other = market.shopper()
    forms = [await shopper.form(market.last), await other.form(market.last)]
    answers = await asyncio.gather(shopper.send(market.last, forms[0]), other.send(market.last, forms[1]))
    assert sorted(answer.status_code for answer in answers) == [303, 422]
    [late] = [answer for answer in answers if answer.status_code == 422]
    assert SOLD_OUT in late.text
    assert "주문도 결제도 되지 않았습니다." in late.text
    await market.only_order()
    await market.only_payment()
    assert await market.stock_of(market.last) == 0


async def test_ten_shoppers_want_three_pieces_at_the_same_moment(market: Market):
    few = await add_product(market.haru, "소반", 150_000, stock=3)
    shoppers = [market.shopper() for _ in range(10)]
    forms = [await shopper.form(few) for shopper in shoppers]
    answers = await asyncio.gather(*(shopper.send(few, form) for shopper, form in zip(shoppers, forms, strict=True)))
    assert sorted(answer.status_code for answer in answers) == [303] * 3 + [422] * 7
    assert await Order.count() == await OrderItem.count() == await Payment.count() == 3
    assert await market.stock_of(few) == 0


async def test_a_shopper_who_came_too_late_for_all_is_told_what_is_left(market: Market, shopper: Shopper):
    few = await add_product(market.haru, "소반", 150_000, stock=3)
    form = await shopper.form(few)
    await market.shopper().order(few, quantity=2)
    answer = await shopper.send(few, {**form, "quantity": "3"})
    assert answer.status_code == 422
    assert "지금은 1개까지 살 수 있어요. 1개 이하로 줄여 주세요." in answer.text


async def test_an_order_has_the_price_and_the_name_of_the_moment_it_was_placed(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    await Product.update({Product.price: 30_000}).where(Product.id == market.mug.id)
    pay_url = (await shopper.send(market.mug, form)).headers["location"]
    await Product.update({Product.price: 90_000, Product.name: "다른 이름"}).where(Product.id == market.mug.id)
    pay_page = await shopper.http.get(pay_url)
    assert "30,000원" in pay_page.text
    assert market.mug.name in pay_page.text
    assert "다른 이름" not in pay_page.text
    assert (await shopper.handoff(pay_url))["request"]["amount"] == {"currency": "KRW", "value": 30_000}
    order, [item] = await market.only_order(), await OrderItem.objects()
    assert (order.total_amount, item.unit_price, item.quantity) == (30_000, 30_000, 1)


async def test_a_form_sent_again_after_the_price_changed_is_a_new_order(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    await shopper.send(market.mug, form)
    await Product.update({Product.price: 30_000}).where(Product.id == market.mug.id)
    await shopper.send(market.mug, form)
    old, new = await Order.objects().order_by(Order.number)
    assert [(old.status, old.total_amount), (new.status, new.total_amount)] == [
        (OrderStatus.CANCELLED, 26_000),
        (OrderStatus.PENDING, 30_000),
    ]


async def test_each_shop_counts_its_own_orders_by_the_day(market: Market, shopper: Shopper):
    await asyncio.gather(*(market.shopper().order(market.mug) for _ in range(4)))
    await shopper.order(market.spoon)
    rows = await Order.select(Order.shop, Order.number).order_by(Order.number)
    ours = [row["number"] for row in rows if row["shop"] == market.haru.id]
    theirs = [row["number"] for row in rows if row["shop"] == market.namu.id]
    assert ours == ["1122-0001", "1122-0002", "1122-0003", "1122-0004"]
    assert theirs == ["1122-0001"]


async def test_an_order_that_was_not_placed_uses_no_number(market: Market, shopper: Shopper):
    form = await shopper.form(market.last)
    await market.shopper().order(market.last)
    await shopper.send(market.last, form)
    await shopper.order(market.mug)
    assert [row["number"] for row in await Order.select(Order.number).order_by(Order.number)] == [
        "1122-0001",
        "1122-0002",
    ]


@pytest.mark.parametrize(
    "wrong", [{"price": 0}, {"price": -1}, {"name": ""}, {"name": "  "}, {"stock": -1}, {"max_per_order": 0}]
)
async def test_a_product_that_cannot_be_sold_is_not_saved(market: Market, wrong: dict[str, Any]):
    before = await Product.count()
    with pytest.raises(BadProduct):
        await add_product(market.haru, **{**DEAR_MUG, **wrong})
    assert await Product.count() == before


@pytest.mark.parametrize("wrong", [{"price": 0}, {"price": -1}, {"stock": -1}, {"max_per_order": 0}, {"name": " "}])
async def test_the_database_refuses_a_product_that_cannot_be_sold(market: Market, wrong: dict[str, Any]):
    before = await Product.count()
    with pytest.raises(Exception, match=r"(?i)check constraint"):
        await Product.insert(Product(shop=market.haru.id, **{**DEAR_MUG, **wrong}))
    with pytest.raises(Exception, match=r"(?i)check constraint"):
        await Product.update(wrong).where(Product.id == market.mug.id)
    assert await Product.count() == before
    assert not DB.transaction_exists()
