"""재결제: the same order is paid with another attempt, and an older attempt never takes money beside it."""

import asyncio

import httpx
import pytest

from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.states import PaymentStatus
from app.payments.tables import Payment
from tests.sandbox_wire import Buyer
from tests.shopping import Market, Shopper, fields_of


async def attempts(market: Market) -> list[Payment]:
    return await Payment.objects().order_by(Payment.created_at)


async def captured(market: Market) -> list[int]:
    return sorted(entry["captured"] for entry in await market.ledger())


async def pay_again(market: Market, shopper: Shopper, page: httpx.Response) -> str:
    """Presses 다시 결제하기 and approves; the URL that leads back."""
    market.time.go_on(seconds=5)
    pressed = await shopper.press(page)
    assert pressed.status_code == 303
    await shopper.open_window(pressed.headers["location"])
    return await market.pg.buyer.approve()


async def test_a_declined_order_is_paid_with_a_new_payment(market: Market, shopper: Shopper) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    failed = await shopper.come_back(await market.pg.buyer.decline("REJECT_CARD_COMPANY"))

    page = await shopper.come_back(await pay_again(market, shopper, failed))

    assert "결제가 끝났어요" in page.text
    first, second = await attempts(market)
    order = await market.only_order()
    assert (first.status, second.status) == (PaymentStatus.FAILED, PaymentStatus.PAID)
    assert (order.status, order.paid_by) == (OrderStatus.PAID, second.id)
    assert first.reference != second.reference
    assert await captured(market) == [0, 26_000]
    assert await market.stock_of(market.mug) == 11


async def test_a_card_refused_at_the_confirm_is_a_failure_that_can_be_paid_again(
    market: Market, shopper: Shopper
) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    failed = await shopper.come_back(await market.pg.buyer.decline("REJECT_CARD_PAYMENT"))
    assert "카드 한도를 넘었거나 잔액이 모자랍니다" in failed.text
    [first] = await attempts(market)
    assert (first.status, first.failure_code) == (PaymentStatus.FAILED, "REJECT_CARD_PAYMENT")
    assert first.closed_at is not None

    page = await shopper.come_back(await pay_again(market, shopper, failed))
    assert "결제가 끝났어요" in page.text
    assert await captured(market) == [0, 26_000]


async def test_a_cancelled_order_is_paid_later(market: Market, shopper: Shopper) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    cancelled = await shopper.come_back(await market.pg.buyer.cancel())
    assert "결제가 끝났어요" in (await shopper.come_back(await pay_again(market, shopper, cancelled))).text
    assert [payment.status for payment in await attempts(market)] == [PaymentStatus.CANCELLED, PaymentStatus.PAID]


async def test_the_old_window_approved_late_charges_nothing(market: Market, shopper: Shopper) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    old = Buyer(market.pg.wire)
    old.payment_key = market.pg.buyer.payment_key
    cancelled = await shopper.come_back(await market.pg.buyer.cancel())
    await shopper.come_back(await pay_again(market, shopper, cancelled))

    page = await shopper.come_back(await old.approve())

    assert "결제가 끝났어요" in page.text
    assert market.confirms == [200]
    assert await captured(market) == [0, 26_000]


async def test_the_old_window_approved_before_the_new_one_charges_nothing_either(
    market: Market, shopper: Shopper
) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    old = Buyer(market.pg.wire)
    old.payment_key = market.pg.buyer.payment_key
    cancelled = await shopper.come_back(await market.pg.buyer.cancel())
    new_url = await pay_again(market, shopper, cancelled)

    page = await shopper.come_back(await old.approve())
    assert "결제가 끝났어요" not in page.text
    assert market.confirms == []

    assert "결제가 끝났어요" in (await shopper.come_back(new_url)).text
    assert await captured(market) == [0, 26_000]


async def test_two_windows_of_one_payment_capture_once(market: Market, shopper: Shopper) -> None:
    pay_url = await shopper.order(market.mug)
    tabs = [Buyer(market.pg.wire), Buyer(market.pg.wire)]
    for tab in tabs:
        await tab.open(await shopper.handoff(pay_url))
    urls = [await tab.approve() for tab in tabs]
    assert urls[0] != urls[1]

    answers = await asyncio.gather(*(shopper.http.get(url) for url in urls))

    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert market.confirms == [200]
    assert await captured(market) == [0, 26_000]
    assert (await market.only_payment()).status == PaymentStatus.PAID


async def test_pressing_twice_is_one_payment(market: Market, shopper: Shopper) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    page = await shopper.come_back(await market.pg.buyer.cancel())
    market.time.go_on(seconds=5)

    answers = await asyncio.gather(*(shopper.press(page) for _ in range(5)))

    assert len({answer.headers["location"] for answer in answers}) == 1
    assert [payment.status for payment in await attempts(market)] == [PaymentStatus.CANCELLED, PaymentStatus.CREATED]


async def test_it_is_not_offered_and_not_possible_while_confirming(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    order, payment = await market.only_order(), await market.only_payment()
    before = await shopper.http.get(f"/haru/orders/{order.token}")
    assert "결제하기" in before.text
    await market.fault("answer_lost_before", call="confirm", percent=100)
    page = await shopper.come_back(url)
    assert 'method="post"' not in page.text

    answer = await shopper.press(before)

    assert answer.headers["location"] == f"/haru/orders/{order.token}"
    assert [each.id for each in await attempts(market)] == [payment.id]
    assert (await market.only_payment()).status == PaymentStatus.CONFIRMING


async def test_it_is_not_possible_when_paid(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    order = await market.only_order()
    before = await shopper.http.get(f"/haru/orders/{order.token}")
    await shopper.come_back(url)

    answer = await shopper.press(before)

    assert answer.headers["location"] == f"/haru/orders/{order.token}"
    assert await Payment.count() == 1
    assert 'method="post"' not in (await shopper.http.get(answer.headers["location"])).text


async def test_the_pay_page_of_a_payment_that_is_over_leads_to_the_order(market: Market, shopper: Shopper) -> None:
    pay_url = await shopper.order(market.mug)
    await shopper.open_window(pay_url)
    await shopper.come_back(await market.pg.buyer.cancel())
    answer = await shopper.http.get(pay_url)
    assert answer.headers["location"] == f"/haru/orders/{(await market.only_order()).token}"


async def test_paying_again_needs_the_forms_token(market: Market, shopper: Shopper) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    page = await shopper.come_back(await market.pg.buyer.cancel())
    action = f"/haru/orders/{(await market.only_order()).token}/payments"
    stranger = market.shopper()
    answer = await stranger.http.post(action, data=fields_of(page.text))
    assert answer.status_code == 403
    assert await Payment.count() == 1


async def test_only_the_shops_own_ways_to_pay_are_taken(market: Market, shopper: Shopper) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    page = await shopper.come_back(await market.pg.buyer.cancel())
    market.time.go_on(seconds=5)
    foreign = fields_of(await _form_of_namu(market))["pay"]
    fields = {**fields_of(page.text), "pay": foreign}
    await shopper.http.post(f"/haru/orders/{(await market.only_order()).token}/payments", data=fields)
    first, second = await attempts(market)
    assert first.account == second.account
    assert f"{second.account}:card" != foreign


async def _form_of_namu(market: Market) -> str:
    page = await market.shopper().http.get("/namu/checkout", params={"product": str(market.spoon.id)})
    return page.text


@pytest.mark.parametrize("left_over", [0, 1])
async def test_an_expired_order_is_paid_again_only_while_there_is_stock(
    market: Market, shopper: Shopper, left_over: int
) -> None:
    await shopper.open_window(await shopper.order(market.last))
    cancelled = await shopper.come_back(await market.pg.buyer.cancel())
    market.time.go_on(hours=2)
    await market.work()
    assert await market.stock_of(market.last) == 1
    if not left_over:
        await market.shopper().buy(market.last)

    answer = await shopper.press(cancelled)

    orders = await Order.objects().where(Order.status == OrderStatus.PENDING)
    if left_over:
        assert answer.status_code == 303
        assert [order.holds_stock for order in orders] == [True]
    else:
        assert answer.status_code == 409
        assert "그사이 품절되었어요" in answer.text
        assert orders == []
    assert await market.stock_of(market.last) == 0
