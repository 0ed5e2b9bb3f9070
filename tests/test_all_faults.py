"""Whatever goes wrong on the way, at whichever PG: hours later the books are equal and nothing moved twice."""

from typing import Any

import pytest

from app.database import write_transaction
from app.jobs.queue import enqueue
from app.jobs.tables import Job
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.states import PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Payment, Refund
from tests.mall import CARDS, Customer
from tests.shopping import Market

ANSWERS = ("answer_lost_before", "answer_lost_after", "slow", "server_error", "server_error_after")
FAULTS = [
    *((call, kind) for call in ("begin", "confirm", "lookup", "cancel") for kind in ANSWERS),
    ("lookup", "rate_limited"),
    ("webhook", "webhook_dropped"),
    ("webhook", "webhook_doubled"),
    ("webhook", "webhook_late"),
    ("webhook", "webhook_out_of_order"),
    ("webhook", "webhook_forged"),
    ("begin", "amount_changed"),
]
# Without the shopper's return these take no money.
NEED_A_RETURN = ("toss", "portone manual")
MINUTES = [1] * 5 + [10] * 6 + [60] * 4
PRICE, BACK = 26_000, 6_000


async def buy(mall: Market, customer: Customer, contract: str, call: str, kind: str) -> Order:
    """Orders, and pays while the PG fails twice at `call`. A shopper who sees that a page failed loads it again."""
    pay_url = await customer.choose(mall.mug, contract)
    payment = await Payment.objects().get(Payment.token == pay_url.rpartition("payment=")[2])
    more: dict[str, Any] = {"seconds": 120} if kind in ("slow", "webhook_late") else {}
    fault = {"provider": payment.provider, "call": call, "kind": kind, "reference": payment.reference, "times": 2}
    if call != "lookup":
        await arm(mall, fault | more)
    for _ in range(3):
        if (await customer.http.get(pay_url)).status_code == 200:
            break
    window = await customer.open(pay_url)
    if call == "lookup":
        await arm(mall, fault | more)
    way_back = await window.press("approve")
    if call != "webhook" or contract in NEED_A_RETURN:
        assert (await customer.come_back(way_back)).status_code in (200, 400)
    return await Order.objects().get(Order.id == payment.order)


async def arm(mall: Market, fault: dict[str, Any]) -> None:
    answer = await mall.pg.wire.post("/control/faults", json=fault)
    assert answer.status_code == 201, answer.text


async def pass_hours(mall: Market) -> None:
    for minutes in MINUTES:
        mall.time.go_on(minutes=minutes)
        while await mall.pg.send_due():
            await mall.work()
        await mall.work()


async def give_back(payment: Payment) -> None:
    """A part of the money, as an owner asks for it."""
    refund = Refund(payment=payment.id, kind=RefundKind.ASKED, amount=BACK, reason="고객 변심")
    async with write_transaction():
        await Refund.insert(refund)
        await enqueue("refund", {"refund": str(refund.id)}, f"refund:{refund.id}")


async def at_the_pg(mall: Market) -> dict[str, tuple[int, int]]:
    """What was really captured and refunded under each reference."""
    sums: dict[str, tuple[int, int]] = {}
    for entry in await mall.ledger():
        captured, refunded = sums.get(entry["reference"], (0, 0))
        sums[entry["reference"]] = captured + entry["captured"], refunded + entry["refunded"]
    return sums


async def check_books(mall: Market) -> None:
    """What must be true of every payment and order when all work is done."""
    truth = await at_the_pg(mall)
    for payment in await Payment.objects():
        order = await Order.objects().get(Order.id == payment.order)
        captured, refunded = truth[payment.reference]
        assert (payment.captured_amount, payment.refunded_amount) == (captured, refunded), payment.provider
        is_kept = captured > 0 and payment.status != PaymentStatus.MISMATCH
        assert (order.paid_by == payment.id) == is_kept, payment.provider
        if is_kept:
            assert (captured, order.refunded_amount) == (order.total_amount, refunded), payment.provider
        else:
            assert captured == refunded, payment.provider
    sent_back = await Refund.select(Refund.status, Refund.amount)
    assert {row["status"] for row in sent_back} <= {RefundStatus.SUCCEEDED}
    assert sum(row["amount"] for row in sent_back) == sum(refunded for _, refunded in truth.values())
    assert [job.error for job in await Job.objects().where(Job.done_at.is_null())] == []


@pytest.mark.parametrize(("call", "kind"), FAULTS, ids=[f"{call} {kind}" for call, kind in FAULTS])
async def test_the_books_are_equal_in_the_end(mall: Market, customer: Customer, call: str, kind: str) -> None:
    orders = {contract: await buy(mall, customer, contract, call, kind) for contract in CARDS}
    await pass_hours(mall)
    await check_books(mall)
    for payment in await Payment.objects().where(Payment.status == PaymentStatus.PAID):
        await give_back(payment)
    await pass_hours(mall)
    await check_books(mall)
    ended = {contract: await Order.objects().get(Order.id == order.id) for contract, order in orders.items()}
    # Of another amount nothing was taken, or all of it went back.
    paid = [] if kind == "amount_changed" else list(CARDS)
    assert {contract: (order.status, order.refunded_amount) for contract, order in ended.items()} == {
        contract: (OrderStatus.PARTIALLY_REFUNDED, BACK) if contract in paid else (OrderStatus.EXPIRED, 0)
        for contract in CARDS
    }
    kept = [captured - refunded for captured, refunded in (await at_the_pg(mall)).values()]
    assert sum(kept) == (PRICE - BACK) * len(paid)


async def test_a_deposit_that_the_bank_takes_back_is_paid_once_more(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss", "virtual_account")
    reference = (await mall.only_payment()).reference
    seen = []
    for way in ("", "/reverse", ""):
        answer = await mall.pg.wire.post(f"/control/deposits/{reference}{way}")
        assert answer.status_code == 201, answer.text
        while await mall.pg.send_due():
            await mall.work()
        await check_books(mall)
        seen.append((await mall.only_order()).status)
    assert seen == [OrderStatus.PAID, OrderStatus.AWAITING_DEPOSIT, OrderStatus.PAID]
