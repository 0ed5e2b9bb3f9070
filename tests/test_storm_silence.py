"""A day on which every webhook is lost, while shoppers pay and close the browser: the reconciler finds them all."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.states import PaymentStatus
from app.payments.tables import Payment, Refund
from app.shops.catalogue import add_product
from tests.mall import Customer, Window
from tests.shopping import Market

SILENCE = timedelta(hours=24)
REPAIRED_WITHIN = timedelta(minutes=10)
# Those that take the money without our confirm, and the longest that a shopper stays in the window there.
STAYS = {
    "portone": timedelta(minutes=29),
    "stripe": timedelta(minutes=58),
    "stripe elements": timedelta(minutes=58),
}
SHOPPERS, OF_THEM_LAST = 24, 6
# Between two rounds of the worker.
PAUSE = timedelta(seconds=2)


@dataclass
class Silence:
    """The shop while no webhook comes. `approved` and `found` are moments, by the payment's reference."""

    market: Market
    windows: dict[int, tuple[str, Window]] = field(default_factory=dict)
    approved: dict[str, datetime] = field(default_factory=dict)
    found: dict[str, datetime] = field(default_factory=dict)

    async def open(self, number: int, contract: str) -> None:
        """A shopper orders and opens the PG's window."""
        customer = Customer(self.market)
        lot = await add_product(self.market.haru, "엽서", 2_000)
        pay_url = await customer.choose(lot, contract)
        payment = await Payment.objects().get(Payment.token == pay_url.rpartition("payment=")[2])
        self.windows[number] = payment.reference, await customer.open(pay_url)

    async def approve(self, number: int) -> None:
        """The shopper pays there and closes the browser."""
        reference, window = self.windows[number]
        await window.press("approve")
        self.approved[reference] = self.market.time()

    async def work_until(self, end: datetime) -> None:
        """The worker works whenever something is due."""
        time = self.market.time
        while (due := await _next_due()) is not None and max(due, time() + PAUSE) <= end:
            time.moment = max(due, time() + PAUSE)
            await self.market.work()
            for row in await Payment.select(Payment.reference).where(Payment.status == PaymentStatus.PAID):
                self.found.setdefault(row["reference"], time())
        time.moment = max(end, time())

    @property
    def delays(self) -> list[timedelta]:
        """From the shopper's approval until the order was paid, shortest first."""
        return sorted(found - self.approved[reference] for reference, found in self.found.items())


async def _next_due() -> datetime | None:
    watched = Payment.closed_at.is_null() & Payment.next_check_at.is_not_null()
    held = Order.holds_stock.eq(True) & Order.paid_by.is_null()
    rows = [
        await Payment.select(Payment.next_check_at).where(watched).order_by(Payment.next_check_at).first(),
        await Order.select(Order.expires_at).where(held).order_by(Order.expires_at).first(),
    ]
    return min((moment for row in rows if row for moment in row.values()), default=None)


@pytest.fixture
async def silence(mall: Market) -> Silence:
    for provider in ("portone", "stripe"):
        await mall.fault("webhook_dropped", provider=provider, percent=100)
    return Silence(mall)


async def test_after_a_day_without_webhooks_all_are_paid_within_ten_minutes(mall: Market, silence: Silence) -> None:
    chance, start = random.Random(24), mall.time()
    contracts, steps = {}, []
    for number in range(SHOPPERS):
        contracts[number] = contract = list(STAYS)[number % len(STAYS)]
        stay = chance.random() * STAYS[contract]
        before_the_end = chance.random() * (timedelta(minutes=5) if number < OF_THEM_LAST else SILENCE - stay)
        steps += [(start + SILENCE - before_the_end - stay, number), (start + SILENCE - before_the_end, number)]
    for moment, number in sorted(steps):
        await silence.work_until(moment)
        if number not in silence.windows:
            await silence.open(number, contracts[number])
        else:
            await silence.approve(number)
    await mall.pg.wire.delete("/control/faults")
    assert await mall.pg.send_due() == 0
    await silence.work_until(start + SILENCE + REPAIRED_WITHIN)
    assert await Order.count().where(Order.status == OrderStatus.PAID) == len(silence.approved) == SHOPPERS
    assert [entry["captured"] for entry in await mall.ledger()] == [2_000] * SHOPPERS
    assert await Refund.count() == 0
    p95 = silence.delays[SHOPPERS * 95 // 100]
    assert p95 <= silence.delays[-1] <= timedelta(minutes=2) + PAUSE
