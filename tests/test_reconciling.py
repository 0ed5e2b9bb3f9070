"""The reconciler asks about every payment that is not closed, at its times, whoever has forgotten it."""

import asyncio
from datetime import timedelta

import pytest

from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments import reconciling, watching
from app.payments.accounts import Gateways
from app.payments.concluding import look_again
from app.payments.reconciling import reconcile_due
from app.payments.states import Cause, PaymentStatus
from app.payments.tables import Payment
from tests.shopping import Market, Shopper


def lookups(market: Market) -> int:
    return sum(method == "GET" and "/v1/payments/" in path for method, path, _ in market.pg.transport.calls)


@pytest.fixture
async def confirming(market: Market, shopper: Shopper) -> Payment:
    """A payment whose confirm went unanswered, at a PG that now answers nothing."""
    url = await shopper.approve(market.mug)
    await market.fault("answer_lost_before", call="confirm", percent=100)
    await shopper.http.get(url)
    await market.fault("answer_lost_before", call="lookup", percent=100)
    return await market.only_payment()


def test_the_curve_is_what_is_promised() -> None:
    minutes = [interval / timedelta(minutes=1) for interval in watching.CURVE]
    assert minutes == [0.25, 0.75, 2, *[2] * 30, 5, 15, 60, 360, 1440]
    assert sum(minutes[:-5]) >= 38


async def test_it_asks_at_the_curves_times_and_not_before(market: Market, confirming: Payment) -> None:
    # The end of its order's hold would be one more occasion.
    await Order.update({Order.expires_at: market.time() + timedelta(days=9)}, force=True)
    for interval in [*watching.CURVE, watching.CURVE[-1], watching.CURVE[-1]]:
        asked = lookups(market)
        market.time.go_on(seconds=interval.total_seconds() - 1)
        await market.work()
        assert lookups(market) == asked, interval
        market.time.go_on(seconds=1)
        await market.work()
        assert lookups(market) == asked + 1, interval
    assert (await market.only_payment()).status == PaymentStatus.CONFIRMING


async def test_a_payment_that_is_decided_is_never_asked_about_again(market: Market, shopper: Shopper) -> None:
    await shopper.buy(market.mug)
    await shopper.open_window(await shopper.order(market.mug))
    await shopper.come_back(await market.pg.buyer.cancel())
    asked = lookups(market)
    for _ in range(10):
        market.time.go_on(hours=13)
        await market.work()
    assert lookups(market) == asked
    assert await Payment.count().where(Payment.closed_at.is_null()) == 0


async def test_one_worker_asks_at_a_time(market: Market, confirming: Payment) -> None:
    asked = lookups(market)
    market.time.go_on(seconds=15)
    await asyncio.gather(*(reconcile_due(market.gateways) for _ in range(8)))
    assert lookups(market) == asked + 1


async def test_a_lease_that_ran_out_is_taken_over(market: Market, confirming: Payment) -> None:
    assert await watching.lease(confirming, Cause.RECONCILE)
    assert not await watching.lease(confirming, Cause.RECONCILE)
    market.time.go_on(seconds=watching.LEASE.total_seconds() + 1)
    assert await watching.lease(confirming, Cause.RECONCILE)


async def test_a_worker_that_read_the_row_before_anothers_look_does_not_look_again(
    market: Market, confirming: Payment
) -> None:
    market.time.go_on(seconds=15)
    await look_again(market.gateways, await market.only_payment(), Cause.RECONCILE)
    asked = lookups(market)
    assert not await look_again(market.gateways, confirming, Cause.RECONCILE)
    assert lookups(market) == asked


async def test_a_payment_that_was_decided_meanwhile_is_not_leased(market: Market, confirming: Payment) -> None:
    await market.hear(confirming)
    assert not await watching.lease(confirming, Cause.RECONCILE)


async def test_a_payment_never_claimed_is_never_confirmed_behind_the_shoppers_back(
    market: Market, shopper: Shopper
) -> None:
    await shopper.approve(market.mug)
    for _ in range(5):
        await look_again(market.gateways, await market.only_payment(), Cause.RECONCILE)
    assert market.confirms == []
    assert (await market.only_payment()).status == PaymentStatus.CREATED


async def test_a_claim_is_not_carried_on_once_another_payment_paid_the_order(
    market: Market, confirming: Payment
) -> None:
    await market.pg.wire.delete("/control/faults")
    twin = Payment(
        order=confirming.order, account=confirming.account, provider="toss", way="card", amount=26_000, currency="KRW"
    )
    await Payment.insert(twin)
    await market.hear(twin)
    confirms = len(market.confirms)
    await look_again(market.gateways, await Payment.objects().get(Payment.id == confirming.id), Cause.RECONCILE)
    assert len(market.confirms) == confirms
    assert [entry["captured"] for entry in await market.ledger()] == [0]


async def test_an_exception_for_one_payment_does_not_stop_the_others(
    market: Market, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = [await market.shopper().approve(market.mug) for _ in range(3)]
    await market.fault("answer_lost_after", call="confirm", percent=100)
    for url in urls:
        await shopper.http.get(url)
    await market.pg.wire.delete("/control/faults")
    cursed = await Payment.objects().first()

    async def look(gateways: Gateways, payment: Payment, cause: Cause) -> None:
        if payment.id == cursed.id:
            raise LookupError
        await look_again(gateways, payment, cause)

    market.time.go_on(seconds=15)
    with monkeypatch.context() as patched:
        patched.setattr(reconciling, "look_again", look)
        await market.work()
    assert await Order.count().where(Order.status == OrderStatus.PAID) == 2
    cursed = await Payment.objects().get(Payment.id == cursed.id)
    assert (cursed.checks, cursed.next_check_at) == (1, market.time() + timedelta(seconds=45))
    market.time.go_on(seconds=45)
    await market.work()
    assert await Order.count().where(Order.status == OrderStatus.PAID) == 3


async def test_payments_that_others_are_asking_about_keep_no_other_waiting(market: Market, shopper: Shopper) -> None:
    for _ in range(20):
        await market.shopper().order(market.spoon)
    for payment in await Payment.objects():
        await Payment.update({Payment.next_check_at: market.time()}).where(Payment.id == payment.id)
        assert await watching.lease(payment, Cause.RECONCILE)
    url = await shopper.approve(market.mug)
    await market.fault("answer_lost_after", call="confirm", percent=100)
    await shopper.http.get(url)
    market.time.go_on(seconds=15)
    await market.work()
    assert await Order.count().where(Order.status == OrderStatus.PAID) == 1
