"""Success rates, times to the payment and the funnel: which attempts and orders each of them is about."""

from datetime import UTC, datetime, timedelta

from app.language import translator
from app.money import Money
from app.orders.tables import Order
from app.owners.sales_period import Span
from app.owners.sales_view import rest_of, steps_of, time_text
from app.owners.sales_ways import ENOUGH, Funnel, WaySales, funnel_of, ways_of
from app.payments.states import PaymentStatus
from app.payments.tables import Payment
from tests.mall import Customer, hear_all
from tests.shopping import Market
from tests.test_desk_orders import place
from tests.test_sales import NOON, sell, spans


def today() -> Span:
    [span] = spans("2026-11-22")
    return span


async def attempt(market: Market, order: Order, status: str, **more: object) -> None:
    values = {"provider": "toss", "way": "card", "amount": 26_000, "currency": "KRW", **more}
    await Payment.insert(Payment(order=order.id, account=market.accounts[0].id, status=status, **values))


async def test_the_success_rate_is_of_the_attempts_that_are_over(market: Market) -> None:
    await sell(market, NOON)
    [order] = await place(market, 1)
    for status in PaymentStatus:
        await attempt(market, order, status, captured_amount=0)
    [way] = await ways_of(market.haru, today())
    # Of ten states three are open, and three hold money that came as it was asked for; beside them there is the sale.
    assert (way.attempts, way.ended, way.succeeded, way.rate) == (11, 8, 4, 50)
    assert (way.orders, way.amount) == (1, Money(26_000))


async def test_there_is_no_rate_and_no_time_before_there_is_anything_to_tell(market: Market) -> None:
    [order] = await place(market, 1)
    await attempt(market, order, "created")
    [way] = await ways_of(market.haru, today())
    assert (way.attempts, way.rate, way.median, way.slowest, way.amount) == (1, None, None, None, Money(0))
    assert time_text(way.median, translator("ko")) is None


async def test_a_rate_is_a_hundred_only_where_all_succeeded() -> None:
    def rate(succeeded: int, ended: int) -> int | None:
        return WaySales("toss", "card", ended, ended, succeeded, 0, Money(0), None, None).rate

    assert [rate(999, 1_000), rate(1_000, 1_000), rate(0, 3), rate(0, 0)] == [99, 100, 0, None]


async def test_times_are_those_of_the_middle_and_of_the_slowest_of_twenty(market: Market) -> None:
    for seconds in range(1, ENOUGH + 1):
        order = await sell(market, NOON)
        paid_at = order.created_at + timedelta(seconds=seconds * 10)
        await Order.update({Order.paid_at: paid_at}).where(Order.id == order.id)
        [way] = await ways_of(market.haru, today())
        middle, slow = 10 * ((seconds + 1) // 2), 190 if seconds == ENOUGH else None
        assert (way.median, way.slowest) == (middle, slow), seconds


async def test_ways_are_told_apart_by_pg_method_and_currency(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    await customer.pay(mall.mug, "toss", "transfer")
    await customer.pay(mall.mug, "stripe")
    window = await customer.go(mall.mug, "portone")
    await customer.come_back(await window.decline())
    await hear_all(mall)
    await sell(mall, mall.time() + timedelta(minutes=5), 1_250, currency="EUR")
    found = [(way.provider, way.way, way.amount, way.orders, way.rate) for way in await ways_of(mall.haru, today())]
    assert found == [
        ("stripe", "stripe", Money(26_000), 1, 100),
        ("toss", "card", Money(26_000), 1, 100),
        ("toss", "transfer", Money(26_000), 1, 100),
        ("portone", "card", Money(0), 0, 0),
        ("toss", "card", Money(1_250, "EUR"), 1, 100),
    ]


async def test_another_shops_attempts_are_its_own(market: Market) -> None:
    await sell(market, NOON, 16_000, market.spoon)
    assert await ways_of(market.haru, today()) == []
    [way] = await ways_of(market.namu, today())
    assert (way.attempts, way.orders, way.amount) == (1, 1, Money(16_000))


async def test_amounts_are_of_the_days_of_the_payments_and_attempts_of_the_days_on_which_they_began(
    market: Market,
) -> None:
    order = await sell(market, datetime(2026, 11, 20, 15, 0, 30, tzinfo=UTC))
    assert order.created_at < datetime(2026, 11, 20, 15, tzinfo=UTC)
    yesterday, before = (spans(day)[0] for day in ("2026-11-21", "2026-11-20"))
    [way] = await ways_of(market.haru, yesterday)
    assert (way.orders, way.attempts, way.rate, way.median) == (1, 0, None, 60)
    [way] = await ways_of(market.haru, before)
    assert (way.orders, way.attempts, way.rate, way.median) == (0, 1, 100, None)


async def test_the_funnel_tells_what_has_become_of_each_order(market: Market) -> None:
    for status, count in (
        ("pending", 1),
        ("awaiting_deposit", 1),
        ("paid", 3),
        ("partially_refunded", 1),
        ("refunded", 1),
        ("failed", 1),
        ("cancelled", 2),
        ("expired", 1),
    ):
        await place(market, count, status=status)
    [replaced] = await place(market, 1, status="cancelled", checkout_token="before~1")
    await place(market, 1, market.spoon, status="paid")
    funnel = await funnel_of(market.haru, today())
    assert (funnel.placed, funnel.paid, funnel.refunded, funnel.waiting) == (12, 5, 2, 2)
    _ = translator("en")
    assert [(step.name, step.count, step.share) for step in steps_of(funnel, _)] == [
        ("Orders placed", 12, 100),
        ("Paid orders", 5, 41),
        ("Refunded since", 2, 16),
    ]
    rest = {step.name: step.count for step in rest_of(funnel, _)}
    assert rest == {
        "Waiting for payment": 2,
        "Payment failed": 1,
        "Payment cancelled": 2,
        "Expired": 1,
        "Replaced": 1,
    }
    assert funnel.paid + sum(rest.values()) == funnel.placed
    assert replaced.is_replaced


async def test_the_funnel_begins_and_ends_at_midnight_in_the_shops_zone(market: Market) -> None:
    for moment in (today().since, today().until):
        for step in (timedelta(milliseconds=-1), timedelta(0)):
            market.time.moment = moment + step - timedelta(minutes=1)
            await place(market, 1)
    assert (await funnel_of(market.haru, today())).placed == 2


def test_an_empty_funnel_has_no_steps() -> None:
    assert steps_of(Funnel({**dict.fromkeys(("paid", "refunded", "partially_refunded"), 0)}), translator("ko")) == []


def test_times_are_told_in_two_units() -> None:
    words = [time_text(seconds, translator("ko")) for seconds in (-1, 59, 60, 3_599, 3_600, 86_399, 90_000)]
    assert words == ["0초", "59초", "1분 0초", "59분 59초", "1시간 0분", "23시간 59분", "1일 1시간"]
