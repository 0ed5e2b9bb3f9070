"""Storms: the same webhook again and again, and a thousand shoppers for ten pieces."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from litestar.middleware.csrf import generate_csrf_token

from app import clock
from app.messages.tables import Message
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.states import PaymentStatus
from app.payments.tables import InboxEvent, Refund
from app.shops.catalogue import add_product
from tests.mall import CARDS, Customer, at_the_pg, hear_all, mails, move, pay_value
from tests.shopping import EMAIL, Market

TIMES, AT_ONCE, WORKERS = 50, 8, 3
# Where our confirm moves the money the shopper has to have come back; here the PG's answer to it is lost.
NEED_A_RETURN = ("toss", "portone manual")


async def webhooks_to_send(market: Market) -> list[int]:
    """The PG's names for the webhooks that were never sent."""
    told = (await market.pg.wire.get("/control/ledger")).json()["webhooks"]
    return [webhook["id"] for webhook in told if not webhook["attempts"]]


async def storm(market: Market, webhooks: Sequence[int]) -> None:
    """Each of them many times, shuffled, some at once, while several workers work on what has come."""
    deliveries = [webhook for webhook in webhooks for _ in range(TIMES)]
    random.Random(20261122).shuffle(deliveries)
    gate = asyncio.Semaphore(AT_ONCE)

    async def deliver(webhook: int) -> None:
        async with gate:
            answer = await market.pg.wire.post(f"/control/webhooks/{webhook}/send")
        assert answer.json()["answer"] == 200

    async def work_while(sending: asyncio.Future) -> None:
        while not sending.done():
            await market.work()

    # Of rows written in one millisecond nothing says which was first.
    market.time.go_on(seconds=1)
    sending = asyncio.gather(*map(deliver, deliveries))
    await asyncio.gather(sending, *(work_while(sending) for _ in range(WORKERS)))
    # A worker that found another one asking comes again a little later.
    for _ in range(10):
        market.time.go_on(minutes=1)
        await market.work()


async def mails_written() -> int:
    return await Message.count().where(Message.recipient == EMAIL)


async def assert_handled_once_each(webhooks: Sequence[int], heard_before: int = 0) -> None:
    """One row for each name that the PG gave a webhook, and nothing left to do for it."""
    events = await InboxEvent.objects()
    assert len(events) - heard_before == len(webhooks) > 0
    assert [event.error for event in events if event.handled_at is None or event.error] == []


@pytest.mark.parametrize("contract", CARDS)
async def test_a_storm_of_webhooks_pays_an_order_once(mall: Market, customer: Customer, contract: str) -> None:
    window = await customer.go(mall.mug, contract)
    way_back = await window.press("approve")
    moves = [(PaymentStatus.CREATED, PaymentStatus.PAID)]
    if contract in NEED_A_RETURN:
        payment = await mall.only_payment()
        lost = {"provider": payment.provider, "call": "confirm", "reference": payment.reference}
        await mall.fault("answer_lost_after", **lost)
        # The page that the callback leads to would ask at once.
        await customer.http.get(way_back)
        moves = [(PaymentStatus.CREATED, PaymentStatus.CONFIRMING), (PaymentStatus.CONFIRMING, PaymentStatus.PAID)]
    webhooks = await webhooks_to_send(mall)
    await storm(mall, webhooks)
    await assert_handled_once_each(webhooks)
    assert await mall.moves("payment") == moves
    assert await mall.moves("order") == [(OrderStatus.PENDING, OrderStatus.PAID)]
    assert (await mails(mall), await mails_written()) == (["paid"], 1)
    assert await mall.stock_of(mall.mug) == 11
    assert (await at_the_pg(mall, await mall.only_payment()))["captured"] == 26_000
    assert await Refund.count() == 0


@pytest.mark.parametrize("contract", CARDS)
async def test_a_storm_of_webhooks_books_a_refund_once(mall: Market, customer: Customer, contract: str) -> None:
    await customer.pay(mall.mug, contract)
    await hear_all(mall)
    heard = await InboxEvent.count()
    mall.time.go_on(minutes=1)
    await move(mall, f"refunds/{(await mall.only_payment()).reference}", amount=6_000)
    webhooks = await webhooks_to_send(mall)
    await storm(mall, webhooks)
    await assert_handled_once_each(webhooks, heard)
    for subject in ("payment", "order"):
        assert (await mall.moves(subject))[-1] == ("paid", "partially_refunded")
        assert len(await mall.moves(subject)) == len(set(await mall.moves(subject)))
    assert [refund.amount for refund in await Refund.objects()] == [6_000]
    assert (await mails(mall), await mails_written()) == (["paid", "refunded"], 2)
    assert ((await mall.only_order()).refunded_amount, await mall.stock_of(mall.mug)) == (6_000, 11)


@pytest.mark.parametrize("pg", ["toss", "portone"])
async def test_a_storm_of_webhooks_books_a_deposit_once(mall: Market, customer: Customer, pg: str) -> None:
    await customer.pay(mall.mug, pg, "virtual_account", depositor="김민지")
    await hear_all(mall)
    heard = await InboxEvent.count()
    mall.time.go_on(minutes=1)
    await move(mall, f"deposits/{(await mall.only_payment()).reference}")
    webhooks = await webhooks_to_send(mall)
    await storm(mall, webhooks)
    await assert_handled_once_each(webhooks, heard)
    assert await mall.moves("order") == [("pending", "awaiting_deposit"), ("awaiting_deposit", "paid")]
    assert (await mall.moves("payment"))[-1] == ("awaiting_deposit", "paid")
    assert (await mails(mall), await mails_written()) == (
        ["deposit_account", "paid"],
        2,
    )
    assert (await mall.stock_of(mall.mug), await Refund.count()) == (11, 0)


async def test_a_storm_of_webhooks_about_a_late_payment_takes_the_stock_again_once(
    mall: Market, customer: Customer
) -> None:
    window = await customer.go(mall.mug, "portone")
    await Order.update({Order.expires_at: mall.time()}, force=True)
    await mall.work()
    assert ((await mall.only_order()).status, await mall.stock_of(mall.mug)) == (OrderStatus.EXPIRED, 12)
    await window.press("approve")
    webhooks = await webhooks_to_send(mall)
    await storm(mall, webhooks)
    await assert_handled_once_each(webhooks)
    assert await mall.moves("order") == [("pending", "expired"), ("expired", "paid")]
    assert (await mall.stock_of(mall.mug), await Refund.count()) == (11, 0)
    assert await mails(mall) == ["paid"]


# A thousand shoppers for ten pieces

CROWD, PIECES, DOORS = 1_000, 10, 16
WAYS = ("toss", "portone", "stripe")


async def test_of_a_thousand_shoppers_ten_get_the_ten_pieces(mall: Market) -> None:
    jar = await add_product(mall.haru, "달항아리", 30_000, stock=PIECES)
    door = asyncio.Semaphore(DOORS)
    got: list[tuple[Customer, str]] = []
    # They have looked at the form before it began, and see the same but for what makes each form its own.
    seen = await Customer(mall).form(jar)
    csrf = mall.app.csrf_config

    async def order(number: int) -> None:
        customer, token = Customer(mall), generate_csrf_token(csrf.secret)
        customer.http.cookies.set(csrf.cookie_name, token)
        way = pay_value(mall, WAYS[number % len(WAYS)])
        form = {**seen, "checkout_token": clock.new_token(), "_csrf_token": token, "pay": way}
        async with door:
            answer = await customer.send(jar, form)
        if answer.status_code == 303:
            got.append((customer, answer.headers["location"]))
        else:
            assert (answer.status_code, "품절" in answer.text) == (422, True)

    await asyncio.gather(*map(order, range(CROWD)))
    assert (len(got), await mall.stock_of(jar), await Order.count()) == (PIECES, 0, PIECES)

    async def pay(customer: Customer, pay_url: str) -> None:
        window = await customer.open(pay_url)
        page = await customer.come_back(await window.press("approve"))
        assert "결제가 끝났어요" in page.text

    await asyncio.gather(*(pay(customer, pay_url) for customer, pay_url in got))
    await hear_all(mall)
    assert await Order.count().where(Order.status == OrderStatus.PAID) == PIECES
    assert [(entry["captured"], entry["refunded"]) for entry in await mall.ledger()] == [(30_000, 0)] * PIECES
    assert (await Refund.count(), await mall.stock_of(jar)) == (0, 0)
