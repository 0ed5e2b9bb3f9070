"""An unpaid order's hold ends: once, after a last look, and never while its money may be on the way."""

import asyncio
from datetime import timedelta

import pytest

from app.database import write_transaction
from app.orders import stock
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments import expiring
from app.payments.accounts import list_offers
from app.payments.expiring import expire_due
from app.payments.starting import LONGEST_HOLD, pay_order
from app.payments.states import PaymentStatus
from app.payments.tables import Payment, ProviderAccount
from tests.sandbox_wire import KEY
from tests.shopping import Market, Shopper


async def status(market: Market) -> str:
    return (await market.only_order()).status


async def capture_unheard(market: Market) -> None:
    """The PG takes the money of the only payment, and the shop hears nothing of it."""
    payment = await market.only_payment()
    claim = {"paymentKey": market.pg.buyer.payment_key, "orderId": payment.reference, "amount": payment.amount}
    assert (await market.pg.wire.post("/v1/payments/confirm", json=claim, auth=KEY)).status_code == 200


async def test_an_unpaid_order_ends_at_its_time_and_gives_its_stock_back(market: Market, shopper: Shopper) -> None:
    await shopper.order(market.mug, quantity=3)
    order = await market.only_order()
    assert order.expires_at == market.time() + timedelta(minutes=60)
    assert await market.stock_of(market.mug) == 9

    market.time.go_on(minutes=59, seconds=59)
    await market.work()
    assert await status(market) == OrderStatus.PENDING
    market.time.go_on(seconds=1)
    await market.work()
    assert await status(market) == OrderStatus.EXPIRED
    assert await market.stock_of(market.mug) == 12
    assert "결제 기한이 지났어요" in (await shopper.http.get(f"/haru/orders/{order.token}")).text


async def test_many_workers_at_once_give_the_stock_back_once(market: Market, shopper: Shopper) -> None:
    for _ in range(3):
        await market.shopper().order(market.mug, quantity=2)
    market.time.go_on(minutes=60)
    await asyncio.gather(*(expire_due(market.gateways) for _ in range(6)))
    await market.work()
    assert await market.stock_of(market.mug) == 12
    assert await market.moves("order") == [(OrderStatus.PENDING, OrderStatus.EXPIRED)] * 3


@pytest.mark.parametrize("end", ["cancel", "decline"])
async def test_failed_and_cancelled_orders_hold_their_stock_until_then(
    market: Market, shopper: Shopper, end: str
) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    await shopper.come_back(await getattr(market.pg.buyer, end)())
    assert await market.stock_of(market.mug) == 11
    market.time.go_on(minutes=60)
    await market.work()
    assert await status(market) == OrderStatus.EXPIRED
    assert await market.stock_of(market.mug) == 12


async def test_a_last_look_that_finds_the_money_makes_it_paid(market: Market, shopper: Shopper) -> None:
    await shopper.approve(market.mug)
    await capture_unheard(market)
    market.time.go_on(minutes=60)
    await expire_due(market.gateways)
    order = await market.only_order()
    assert (order.status, order.paid_by) == (OrderStatus.PAID, (await market.only_payment()).id)
    assert await market.stock_of(market.mug) == 11


async def test_it_does_not_end_while_a_payment_is_being_confirmed(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    await market.fault("answer_lost_after", call="confirm", reference=(await market.only_payment()).reference)
    await shopper.http.get(url)
    await market.fault("server_error", call="lookup", percent=100)
    for _ in range(4):
        market.time.go_on(minutes=60)
        await market.work()
        order = await market.only_order()
        assert (order.status, order.holds_stock) == (OrderStatus.PENDING, True)
        assert order.expires_at > market.time()
    assert await market.stock_of(market.mug) == 11

    await market.pg.wire.delete("/control/faults")
    market.time.go_on(hours=7)
    await market.work()
    assert await status(market) == OrderStatus.PAID
    assert await market.stock_of(market.mug) == 11


async def test_a_return_that_comes_first_by_a_moment_is_not_overtaken(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    market.time.go_on(minutes=9)
    await Order.update({Order.expires_at: market.time()}, force=True)
    await asyncio.gather(shopper.http.get(url), expire_due(market.gateways), expire_due(market.gateways))
    order = await market.only_order()
    assert (order.status, order.holds_stock) == (OrderStatus.PAID, True)
    assert await market.stock_of(market.mug) == 11
    assert [entry["captured"] for entry in await market.ledger()] == [26_000]


async def test_a_return_to_an_expired_order_takes_the_stock_again(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.last)
    await Order.update({Order.expires_at: market.time()}, force=True)
    await market.work()
    assert (await status(market), await market.stock_of(market.last)) == (OrderStatus.EXPIRED, 1)

    page = await shopper.come_back(url)

    assert "결제가 끝났어요" in page.text
    assert (await status(market), await market.stock_of(market.last)) == (OrderStatus.PAID, 0)


async def test_a_return_to_an_expired_order_whose_goods_are_gone_charges_nothing(
    market: Market, shopper: Shopper
) -> None:
    url = await shopper.approve(market.last)
    mine = await market.only_order()
    await Order.update({Order.expires_at: market.time()}, force=True)
    await market.work()
    assert "결제가 끝났어요" in (await market.shopper().buy(market.last)).text

    page = await shopper.come_back(url)

    assert page.status_code == 400
    assert "그사이 품절되었어요" in page.text
    assert "돈이 빠져나가지 않았습니다" in page.text
    assert 'method="post"' not in page.text
    assert market.confirms == [200]
    assert sorted(entry["captured"] for entry in await market.ledger()) == [0, 21_000]
    order = await Order.objects().get(Order.id == mine.id)
    assert (order.status, order.holds_stock, order.paid_by) == (OrderStatus.EXPIRED, False, None)
    assert await market.stock_of(market.last) == 0


async def test_opening_the_window_holds_the_order_until_the_shopper_can_be_back(
    market: Market, shopper: Shopper
) -> None:
    pay_url = await shopper.order(market.mug)
    market.time.go_on(minutes=50)
    await shopper.handoff(pay_url)
    order = await market.only_order()
    assert order.expires_at == market.time() + timedelta(minutes=45)
    market.time.go_on(minutes=44)
    await market.work()
    assert await status(market) == OrderStatus.PENDING


async def test_a_hold_ends_however_often_the_window_is_opened(market: Market, shopper: Shopper) -> None:
    pay_url = await shopper.order(market.mug)
    begun = market.time()
    while await status(market) == OrderStatus.PENDING:
        assert market.time() - begun <= LONGEST_HOLD
        await shopper.http.get(pay_url)
        market.time.go_on(minutes=30)
        await market.work()
    assert await market.stock_of(market.mug) == 12


async def test_a_hold_ends_however_often_it_is_paid_again(market: Market, shopper: Shopper) -> None:
    await shopper.order(market.mug)
    begun = market.time()
    order, [offer] = await market.only_order(), await list_offers(market.haru)
    while (await market.only_order()).status != OrderStatus.EXPIRED:
        assert market.time() - begun <= LONGEST_HOLD
        async with write_transaction():
            payment = await pay_order(order.id, offer)
        await shopper.open_window(f"/haru/checkout/pay?payment={payment.token}")
        await shopper.come_back(await market.pg.buyer.cancel())
        market.time.go_on(minutes=30)
        await market.work()
    assert await market.stock_of(market.mug) == 12


async def test_payments_that_nobody_confirmed_are_closed_in_the_end(market: Market, shopper: Shopper) -> None:
    await shopper.order(market.mug)
    for _ in range(30):
        market.time.go_on(minutes=5)
        await market.work()
    payment = await market.only_payment()
    assert (payment.status, payment.failure_code) == (PaymentStatus.EXPIRED, "WINDOW_OVER")
    assert (payment.next_check_at, payment.captured_amount) == (None, 0)
    assert payment.closed_at is not None
    assert await status(market) == OrderStatus.EXPIRED


async def test_a_window_opened_at_the_last_moment_is_still_honoured(market: Market, shopper: Shopper) -> None:
    pay_url = await shopper.order(market.mug)
    market.time.go_on(minutes=59)
    await shopper.open_window(pay_url)
    for _ in range(29):
        market.time.go_on(minutes=1)
        await market.work()
    url = await market.pg.buyer.approve()
    for _ in range(9):
        market.time.go_on(minutes=1)
        await market.work()
    assert "결제가 끝났어요" in (await shopper.come_back(url)).text
    assert await market.stock_of(market.mug) == 11


async def test_a_window_opened_just_before_the_longest_hold_ends_is_still_honoured(
    market: Market, shopper: Shopper
) -> None:
    pay_url = await shopper.order(market.mug)
    while market.time() < (await market.only_order()).created_at + LONGEST_HOLD - timedelta(minutes=20):
        await shopper.handoff(pay_url)
        market.time.go_on(minutes=20)
        await market.work()
    await shopper.open_window(pay_url)
    for _ in range(25):
        market.time.go_on(minutes=1)
        await market.work()
    assert await status(market) == OrderStatus.EXPIRED
    url = await market.pg.buyer.approve()
    market.time.go_on(minutes=9)
    await market.work()
    assert "결제가 끝났어요" in (await shopper.come_back(url)).text


async def test_stock_given_back_again_is_given_back_once(market: Market, shopper: Shopper) -> None:
    await shopper.order(market.mug, quantity=3)
    order, same = await market.only_order(), await market.only_order()
    async with write_transaction():
        await stock.give_back(order)
        await stock.give_back(order)
        await stock.give_back(same)
    assert await market.stock_of(market.mug) == 12


async def test_orders_that_cannot_be_looked_at_keep_no_other_waiting(
    market: Market, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "AT_ONCE", 2)
    for _ in range(3):
        await market.shopper().order(market.spoon)
    market.time.go_on(seconds=1)
    await shopper.order(market.mug)
    await ProviderAccount.update({ProviderAccount.credentials: "lost"}).where(ProviderAccount.shop == market.namu.id)
    market.time.go_on(minutes=60)
    for _ in range(3):
        await expire_due(market.gateways)
    assert await Order.count().where(Order.status == OrderStatus.EXPIRED) == 4
    assert await market.stock_of(market.mug) == 12
    assert await Payment.count().where(Payment.captured_amount > 0) == 0
