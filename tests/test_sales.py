"""Sales: what counts as one, on which day, and that the sums of the desk are those of the orders."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from app.database import DB
from app.language import translator
from app.money import Money
from app.orders.tables import Order
from app.owners.sales import CurrencySales, Sales, sales_of
from app.owners.sales_period import SalesPeriod, Span
from app.payments.asking import ask_refund, refundable_of
from app.payments.provider import RefundSeen
from app.payments.states import RefundStatus
from app.payments.tables import Payment, Refund
from app.shops.tables import Product, Shop
from piccolo_migrations.sellog_2026_11_23_sales import DONE_BEFORE
from tests.mall import Customer, hear_all, move
from tests.shopping import Market
from tests.test_alerts import late_deposit
from tests.test_desk_orders import place

NOON = datetime(2026, 11, 22, 3, tzinfo=UTC)


def spans(first: str, last: str = "", by: str = "day", zone: str = "Asia/Seoul") -> list[Span]:
    period = SalesPeriod(by, first, last or first)
    found = period.spans(zone, date(2026, 11, 22), translator("en"))
    assert period.errors == {}
    return found


async def sell(
    market: Market, at: datetime, amount: int = 26_000, product: Product | None = None, **more: str
) -> Order:
    """An order that was placed a minute before it was paid, as the app would have written it down."""
    market.time.moment = at - timedelta(minutes=2)
    money = {"total_amount": amount, "currency": more.pop("currency", "KRW")}
    [order] = await place(market, 1, product, status="paid", paid_at=at, **money)
    account = next(account.id for account in market.accounts if account.shop == order.shop)
    values = {"provider": "toss", "way": "card", **more, "amount": amount, "currency": money["currency"]}
    paid = {"status": "paid", "captured_amount": amount, "paid_at": at, "created_at": order.created_at}
    payment = Payment(order=order.id, account=account, **values, **paid)
    await Payment.insert(payment)
    await Order.update({Order.paid_by: payment.id}).where(Order.id == order.id)
    order.paid_by = payment.id
    return order


async def give_back(order: Order, amount: int, at: datetime) -> None:
    await Refund.insert(
        Refund(payment=order.paid_by, kind="asked", amount=amount, reason="x", status="succeeded", succeeded_at=at)
    )
    await Order.update({Order.refunded_amount: Order.refunded_amount + amount}).where(Order.id == order.id)


async def sums(market: Market, days: Sequence[Span]) -> list[tuple[int, int, int]]:
    """Gross, refunded and paid orders of each span, in won; no other currency is there."""
    found = await sales_of(market.haru, days)
    assert [each.currency for each in found] in ([], ["KRW"])
    rows = found[0].rows if found else []
    return [(row.gross.amount, row.refunded.amount, row.orders) for _, row in rows]


async def test_a_sale_counts_on_the_day_of_its_payment_in_the_shops_zone(market: Market) -> None:
    """The day begins in Seoul at three in the afternoon before, in UTC."""
    for moment, amount in (
        (datetime(2026, 11, 20, 14, 59, 59, 999_000, tzinfo=UTC), 1_000),
        (datetime(2026, 11, 20, 15, 0, tzinfo=UTC), 20_000),
        (datetime(2026, 11, 21, 14, 59, 59, 999_000, tzinfo=UTC), 300_000),
        (datetime(2026, 11, 21, 15, 0, tzinfo=UTC), 4_000_000),
    ):
        await sell(market, moment, amount)
    assert await sums(market, spans("2026-11-20", "2026-11-22")) == [
        (1_000, 0, 1),
        (320_000, 0, 2),
        (4_000_000, 0, 1),
    ]
    assert await sums(market, spans("2026-11-21")) == [(320_000, 0, 2)]


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 11, 1), 25), (date(2026, 3, 8), 23)], ids=["clocks go back", "clocks go forward"]
)
async def test_a_day_of_other_length_is_whole(market: Market, day: date, hours: int) -> None:
    zone = "America/New_York"
    await Shop.update({Shop.time_zone: zone}).where(Shop.id == market.haru.id)
    [span] = spans(day.isoformat(), zone=zone)
    assert span.until - span.since == timedelta(hours=hours)
    for moment in (span.since - timedelta(seconds=1), span.since, span.until - timedelta(seconds=1), span.until):
        await sell(market, moment, 1_000)
    beside = [(day + timedelta(days=step)).isoformat() for step in (-1, 1)]
    assert await sums(market, spans(*beside, zone=zone)) == [(1_000, 0, 1), (2_000, 0, 2), (1_000, 0, 1)]


async def test_days_without_sales_are_there(market: Market) -> None:
    await sell(market, datetime(2026, 11, 18, 3, tzinfo=UTC))
    assert await sums(market, spans("2026-11-17", "2026-11-19")) == [(0, 0, 0), (26_000, 0, 1), (0, 0, 0)]


async def test_days_weeks_and_months_come_to_the_same(market: Market) -> None:
    for number, day in enumerate((1, 2, 8, 9, 15, 29)):
        order = await sell(
            market, datetime(2026, 11, day, 15, 0, tzinfo=UTC) - timedelta(hours=number), 10_000 + number
        )
        await give_back(order, 1_000, datetime(2026, 11, day, 16, tzinfo=UTC))
    for by, count in (("day", 30), ("week", 6), ("month", 1)):
        [found] = await sales_of(market.haru, spans("2026-11-01", "2026-11-30", by))
        assert len(found.rows) == count
        assert found.total == Sales(Money(60_015), Money(6_000), 6), by


async def test_a_refund_counts_on_the_day_when_it_was_done(mall: Market, customer: Customer) -> None:
    """Through the app and the PG: bought on the 22nd, a part of it back on the 24th."""
    await customer.pay(mall.mug, "toss")
    order = await mall.only_order()
    mall.time.go_on(days=1)
    balance = await refundable_of(order)
    await ask_refund(order.id, 6_000, "고객 변심", seen_balance=balance, requested_by="a@b.example")
    assert await sums(mall, spans("2026-11-22", "2026-11-24")) == [(26_000, 0, 1), (0, 0, 0), (0, 0, 0)]
    mall.time.go_on(days=1)
    await hear_all(mall)
    assert await sums(mall, spans("2026-11-22", "2026-11-24")) == [(26_000, 0, 1), (0, 0, 0), (0, 6_000, 0)]
    [found] = await sales_of(mall.haru, spans("2026-11-24"))
    assert (found.total.net, found.total.average) == (Money(-6_000), None)


async def test_a_refund_made_at_the_pg_counts_as_well(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "stripe")
    mall.time.go_on(days=1)
    await move(mall, f"refunds/{(await mall.only_payment()).reference}", amount=5_000)
    await hear_all(mall)
    assert await sums(mall, spans("2026-11-22", "2026-11-23")) == [(26_000, 0, 1), (0, 5_000, 0)]


async def test_a_refund_counts_at_midnight_like_a_sale(market: Market) -> None:
    order = await sell(market, datetime(2026, 11, 1, tzinfo=UTC))
    for moment in (datetime(2026, 11, 20, 14, 59, 59, tzinfo=UTC), datetime(2026, 11, 20, 15, 0, tzinfo=UTC)):
        await give_back(order, 1_000, moment)
    assert await sums(market, spans("2026-11-20", "2026-11-21")) == [(0, 1_000, 0), (0, 1_000, 0)]
    assert await sums(market, spans("2026-11-22")) == []


async def test_a_refund_that_is_not_done_or_came_back_does_not_count(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    order, payment = await mall.only_order(), await mall.only_payment()
    balance = await refundable_of(order)
    refund = await ask_refund(order.id, 26_000, "고객 변심", seen_balance=balance, requested_by="a@b.example")
    today = spans("2026-11-22")
    for status, refunded in (("pending", 0), ("succeeded", 26_000), ("failed", 0)):
        seen = RefundSeen("re-1", refund.reference, 26_000, status)
        now = await Payment.objects().get(Payment.id == payment.id)
        back = 26_000 if status == "succeeded" else 0
        await mall.hear(now, refunded=back, refunds=(seen,), pg_payment_id=payment.pg_payment_id)
        assert (await Refund.objects().get(Refund.id == refund.id)).status == RefundStatus(status)
        assert await sums(mall, today) == [(26_000, refunded, 1)], status
    # Nor does it beside another one.
    await give_back(order, 1_000, mall.time())
    assert await sums(mall, today) == [(26_000, 1_000, 1)]


async def test_refunds_from_before_that_was_written_down_have_the_moment_of_their_event(
    mall: Market, customer: Customer
) -> None:
    await customer.pay(mall.mug, "toss")
    for amount in (1_000, 2_000):
        order = await mall.only_order()
        balance = await refundable_of(order)
        await ask_refund(order.id, amount, "고객 변심", seen_balance=balance, requested_by="a@b.example")
        mall.time.go_on(days=1)
        await hear_all(mall)
    before = [refund.succeeded_at for refund in await Refund.objects().order_by(Refund.id)]
    assert before == [mall.time() - timedelta(days=1), mall.time()]
    await Refund.update({Refund.succeeded_at: None}, force=True)
    await DB.run_ddl(DONE_BEFORE)
    assert [refund.succeeded_at for refund in await Refund.objects().order_by(Refund.id)] == before


async def test_a_second_payment_is_no_sale_and_its_way_back_no_refund(market: Market) -> None:
    order = await sell(market, NOON)
    account = market.accounts[0].id
    second = Payment(order=order.id, account=account, provider="toss", way="card", amount=26_000, currency="KRW")
    await Payment.insert(second)
    assert await market.hear(second)
    market.time.go_on(hours=1)
    [refund] = await Refund.objects()
    seen = RefundSeen("re-1", refund.reference, 26_000, "succeeded")
    now = await Payment.objects().get(Payment.id == second.id)
    assert await market.hear(now, refunded=26_000, refunds=(seen,))
    assert (await Refund.objects().get(Refund.id == refund.id)).status == RefundStatus.SUCCEEDED
    assert await sums(market, spans("2026-11-22")) == [(26_000, 0, 1)]
    await give_back(order, 1_000, NOON)
    assert await sums(market, spans("2026-11-22")) == [(26_000, 1_000, 1)]


async def test_money_of_another_amount_is_no_sale(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "stripe")
    await customer.come_back(await window.press("approve", fault="amount_changed"))
    mall.time.go_on(minutes=2)
    await hear_all(mall)
    payment = await mall.only_payment()
    assert payment.status == "mismatch"
    assert 0 < payment.captured_amount == payment.refunded_amount
    assert await sums(mall, spans("2026-11-22")) == []


async def test_a_deposit_for_an_order_that_is_over_is_no_sale(mall: Market, customer: Customer) -> None:
    await late_deposit(mall, customer)
    assert (await mall.only_payment()).captured_amount
    assert await sums(mall, spans("2026-11-22")) == []


async def test_a_deposit_that_the_bank_takes_back_was_no_sale(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss", "virtual_account")
    assert await sums(mall, spans("2026-11-22")) == []
    reference = (await mall.only_payment()).reference
    await move(mall, f"deposits/{reference}")
    await hear_all(mall)
    assert await sums(mall, spans("2026-11-22")) == [(26_000, 0, 1)]
    await move(mall, f"deposits/{reference}/reverse")
    await hear_all(mall)
    assert (await mall.only_order()).status == "awaiting_deposit"
    assert await sums(mall, spans("2026-11-22")) == []


async def test_currencies_never_mix_and_the_shops_own_stands_first(market: Market) -> None:
    await sell(market, NOON, 1_250, currency="EUR")
    order = await sell(market, NOON, 26_000)
    await sell(market, NOON, 1_999, currency="USD")
    await give_back(order, 500, NOON)
    found = await sales_of(market.haru, spans("2026-11-21", "2026-11-22"))
    assert [(each.currency, each.total) for each in found] == [
        ("KRW", Sales(Money(26_000), Money(500), 1)),
        ("EUR", Sales(Money(1_250, "EUR"), Money(0, "EUR"), 1)),
        ("USD", Sales(Money(1_999, "USD"), Money(0, "USD"), 1)),
    ]
    assert all(len(each.rows) == 2 for each in found)


async def test_another_shops_sales_are_its_own(market: Market) -> None:
    order = await sell(market, NOON, 16_000, market.spoon)
    await give_back(order, 1_000, NOON)
    assert await sums(market, spans("2026-11-22")) == []
    [found] = await sales_of(market.namu, spans("2026-11-22"))
    assert found.total == Sales(Money(16_000), Money(1_000), 1)


def test_the_average_is_rounded_to_the_nearest_unit() -> None:
    [span] = spans("2026-11-22")
    for gross, orders, average in ((10, 3, 3), (11, 3, 4), (5, 2, 3), (2**62, 1, 2**62)):
        total = CurrencySales("KRW", [(span, Sales(Money(gross), Money(0), orders))]).total
        assert total.average == Money(average)
