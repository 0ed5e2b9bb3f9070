"""The owner's refunds: down to the last won, in any number of parts, never more than is left, with goods put back."""

import asyncio
import json
from typing import Any

import pytest

from app.database import write_transaction
from app.orders import stock
from app.orders.states import OrderStatus
from app.orders.tables import Order, OrderItem
from app.payments.asking import BalanceChanged, NotRefundable, Why, ask_refund, balance_of, refundable_of, retry_refund
from app.payments.booking import BALANCE_CHANGED, GONE_ALREADY
from app.payments.following import lock_order
from app.payments.provider import BankAccount, RefundSeen
from app.payments.refunding import seal_receiver
from app.payments.states import AlertKind, Cause, PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Alert, Payment, PaymentEvent, Refund
from app.shops.tables import Product
from tests.mall import CARDS, Customer, at_the_pg, hear_all, mails, move
from tests.shopping import Market

OWNER = "owner@haru.example"
CONTRACTS = list(CARDS)


async def ask(market: Market, amount: int, **changes: Any) -> Refund:
    """What the desk does with what it shows."""
    order = await market.only_order()
    asked = {"seen_balance": await refundable_of(order), "requested_by": OWNER, **changes}
    return await ask_refund(order.id, amount, "고객 변심", **asked)


async def work(market: Market, **by: float) -> None:
    market.time.go_on(**(by or {"minutes": 2}))
    await hear_all(market)


async def read(refund: Refund) -> Refund:
    return await Refund.objects().get(Refund.id == refund.id)


async def fail_next_cancel(market: Market, code: str = "NOT_CANCELABLE_PAYMENT") -> None:
    reference = (await market.only_payment()).reference
    await market.fault("error", call="cancel", code=code, reference=reference)


@pytest.mark.parametrize("contract", CONTRACTS)
async def test_all_of_it_goes_back_in_uneven_parts_down_to_the_last_won(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.pay(mall.mug, contract)
    await hear_all(mall)
    for amount in (1, 9_999, 15_999, 1):
        refund = await ask(mall, amount)
        await work(mall)
        assert (await read(refund)).status == RefundStatus.SUCCEEDED
    order, payment = await mall.only_order(), await mall.only_payment()
    assert (order.status, order.refunded_amount, payment.status) == ("refunded", 26_000, "refunded")
    assert (await at_the_pg(mall, payment))["refunded"] == 26_000
    with pytest.raises(NotRefundable) as refused:
        await ask(mall, 1)
    assert refused.value.why is Why.TOO_MUCH
    assert await mails(mall) == ["paid", *["refunded"] * 4]


@pytest.mark.parametrize("contract", CONTRACTS)
async def test_parts_that_two_workers_send_back_at_once_all_go_back_once(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.pay(mall.mug, contract)
    await hear_all(mall)
    refunds = [await ask(mall, amount) for amount in (10_000, 10_000, 6_000)]
    await asyncio.gather(*(mall.work() for _ in range(3)))
    for _ in range(3):
        await work(mall, minutes=10)
    assert [(await read(refund)).status for refund in refunds] == [RefundStatus.SUCCEEDED] * 3
    entry = await at_the_pg(mall, await mall.only_payment())
    assert (entry["captured"], entry["refunded"]) == (26_000, 26_000)
    assert (await mails(mall)).count("refunded") == 3


async def test_what_an_owner_asks_for_is_on_record(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    refund = await ask(mall, 10_000, restock=1)
    row = await read(refund)
    assert (row.kind, row.amount, row.requested_by, row.restock) == (RefundKind.ASKED, 10_000, OWNER, 1)
    [event] = await PaymentEvent.objects().where(PaymentEvent.cause == Cause.OWNER)
    told = json.loads(event.evidence)
    assert (event.subject, event.from_status, event.to_status) == ("refund", None, "requested")
    assert (told["refund"], told["amount"], OWNER in event.evidence) == (str(refund.id), 10_000, False)
    [job] = await mall.jobs()
    assert job.dedupe_key == f"refund:{refund.id}"


async def test_two_equal_requests_at_once_are_one_refund(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    clicks = await asyncio.gather(*(ask(mall, 5_000, seen_balance=26_000) for _ in range(8)), return_exceptions=True)
    assert [type(each) for each in clicks if isinstance(each, Exception)] == [BalanceChanged] * 7
    assert {each.balance for each in clicks if isinstance(each, BalanceChanged)} == {21_000}
    await work(mall)
    assert await Refund.count() == 1
    assert (await at_the_pg(mall, await mall.only_payment()))["refunded"] == 5_000


async def test_a_double_click_on_all_of_it_says_that_the_balance_has_changed(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    await ask(mall, 26_000)
    with pytest.raises(BalanceChanged) as changed:
        await ask(mall, 26_000, seen_balance=26_000)
    assert changed.value.balance == 0


@pytest.mark.parametrize(
    ("amount", "changes", "why"),
    [
        (0, {}, Why.TOO_LITTLE),
        (-1, {}, Why.TOO_LITTLE),
        (26_001, {}, Why.TOO_MUCH),
        (1_000, {"restock": 2}, Why.TOO_MANY_PIECES),
        (1_000, {"restock": -1}, Why.TOO_MANY_PIECES),
    ],
)
async def test_nothing_is_asked_for_that_cannot_be(
    mall: Market, customer: Customer, amount: int, changes: dict[str, int], why: Why
) -> None:
    await customer.pay(mall.mug, "toss")
    with pytest.raises(NotRefundable) as refused:
        await ask(mall, amount, **changes)
    assert (refused.value.why, refused.value.sentence.endswith(".")) == (why, True)
    assert await Refund.count() == len(await mall.jobs()) == 0


async def test_a_refund_needs_a_reason(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    order = await mall.only_order()
    with pytest.raises(NotRefundable) as refused:
        await ask_refund(order.id, 1_000, " \n ", seen_balance=26_000, requested_by=OWNER)
    assert refused.value.why is Why.NO_REASON
    refund = await ask_refund(order.id, 1_000, "줄\n바꿈 " + "가" * 200, seen_balance=26_000, requested_by=OWNER)
    assert (refund.reason[:4], len(refund.reason)) == ("줄 바꿈", 120)


async def test_of_an_unpaid_order_nothing_goes_back(mall: Market, customer: Customer) -> None:
    await customer.choose(mall.mug, "toss")
    with pytest.raises(NotRefundable) as refused:
        await ask(mall, 1_000)
    assert refused.value.why is Why.NOT_PAID


@pytest.mark.parametrize("told", [0, 6_000])
async def test_a_pending_refund_counts_once_whether_or_not_the_pg_counts_it(told: int) -> None:
    payment = Payment(captured_amount=26_000, refunded_amount=4_000 + told, _ignore_missing=True)
    waiting = [
        Refund(amount=amount, status=status, _ignore_missing=True)
        for amount, status in (
            (4_000, RefundStatus.SUCCEEDED),
            (6_000, RefundStatus.PENDING),
            (3_000, RefundStatus.REQUESTED),
            (2_000, RefundStatus.NEEDS_ACCOUNT),
            (26_000, RefundStatus.FAILED),
        )
    ]
    assert balance_of(payment, waiting) == 11_000


async def test_what_went_back_at_the_console_is_not_there_to_be_asked_for(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "portone")
    await move(mall, f"refunds/{(await mall.only_payment()).reference}", amount=20_000)
    await hear_all(mall)
    assert await refundable_of(await mall.only_order()) == 6_000


# Goods


async def pieces(market: Market) -> tuple[int | None, int]:
    """What is on sale, and what of the order's pieces a refund put there."""
    item = await OrderItem.objects().first()
    return await market.stock_of(market.mug), item.restocked


async def test_goods_go_back_on_sale_when_the_money_has_gone_back(mall: Market, customer: Customer) -> None:
    await customer.come_back(await (await customer.go(mall.mug, "toss", quantity=3)).press("approve"))
    assert await pieces(mall) == (9, 0)
    await ask(mall, 30_000, restock=2)
    assert await pieces(mall) == (9, 0)
    await work(mall)
    assert await pieces(mall) == (11, 2)
    with pytest.raises(NotRefundable):
        await ask(mall, 1_000, restock=2)
    await ask(mall, 48_000, restock=1)
    await work(mall)
    assert await pieces(mall) == (12, 3)


async def test_pieces_that_are_promised_to_one_refund_are_not_promised_to_another(
    mall: Market, customer: Customer
) -> None:
    await customer.pay(mall.mug, "toss")
    await ask(mall, 1_000, restock=1)
    with pytest.raises(NotRefundable) as refused:
        await ask(mall, 1_000, restock=1)
    assert refused.value.why is Why.TOO_MANY_PIECES


async def test_what_is_not_counted_is_not_put_back(mall: Market, customer: Customer) -> None:
    await Product.update({Product.stock: None}).where(Product.id == mall.mug.id)
    await customer.pay(mall.mug, "toss")
    await Product.update({Product.stock: 5}).where(Product.id == mall.mug.id)
    await ask(mall, 26_000, restock=1)
    await work(mall)
    assert await pieces(mall) == (5, 0)


async def test_a_refund_that_fails_later_takes_no_goods_back_and_puts_none_back_twice(
    mall: Market, customer: Customer
) -> None:
    await customer.come_back(await (await customer.go(mall.mug, "toss", quantity=3)).press("approve"))
    refund = await ask(mall, 26_000, restock=1)
    payment = await mall.only_payment()

    async def hear(status: str, pg_id: str, refunded: int) -> None:
        now = await Payment.objects().get(Payment.id == payment.id)
        seen = RefundSeen(pg_id, refund.reference, 26_000, status)
        await mall.hear(now, refunded=refunded, refunds=(seen,), pg_payment_id=payment.pg_payment_id)

    await hear("succeeded", "re-1", 26_000)
    assert await pieces(mall) == (10, 1)
    # A deposit's refund that its bank sent back is asked for again with another account.
    await Refund.update({Refund.status: RefundStatus.NEEDS_ACCOUNT}).where(Refund.id == refund.id)
    await hear("succeeded", "re-2", 26_000)
    assert await pieces(mall) == (10, 1)
    await hear("failed", "re-2", 0)
    assert (await read(refund)).status == RefundStatus.FAILED
    assert await pieces(mall) == (10, 1)


async def test_an_order_whose_goods_were_put_back_gives_back_only_the_rest(mall: Market, customer: Customer) -> None:
    """A bank that takes a deposit back leaves an unpaid order, whose hold ends like any other's."""
    await customer.come_back(await (await customer.go(mall.mug, "toss", quantity=3)).press("approve"))
    await ask(mall, 26_000, restock=1)
    await work(mall)
    async with write_transaction():
        order = await lock_order((await mall.only_order()).id)
        assert order.holds_stock
        await stock.give_back(order)
    assert await pieces(mall) == (12, 1)
    async with write_transaction():
        order = await lock_order(order.id)
        await stock.restock(order, 1)
        await stock.take_again(order)
    assert await pieces(mall) == (9, 0)


# Deposits


async def deposited(market: Market, customer: Customer) -> None:
    await customer.pay(market.mug, "toss", "virtual_account")
    await move(market, f"deposits/{(await market.only_payment()).reference}")
    await hear_all(market)


async def test_a_deposit_goes_back_to_the_account_that_the_owner_names(mall: Market, customer: Customer) -> None:
    await deposited(mall, customer)
    receiver = seal_receiver(mall.gateways, BankAccount("20", "1002123456789", "김민지"))
    refund = await ask(mall, 26_000, sealed_receiver=receiver)
    await work(mall)
    assert (await read(refund)).status == RefundStatus.PENDING
    assert "refund_account_wanted" not in await mails(mall)


async def test_without_an_account_the_shopper_is_asked(mall: Market, customer: Customer) -> None:
    await deposited(mall, customer)
    refund = await ask(mall, 26_000)
    await work(mall)
    assert (await read(refund)).status == RefundStatus.NEEDS_ACCOUNT
    assert await refundable_of(await mall.only_order()) == 0


async def test_a_cards_refund_takes_no_account(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    assert (await ask(mall, 1_000, sealed_receiver="sealed")).receiver is None


# Once more


async def test_a_refund_that_failed_is_asked_for_again_beside_it(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    failed = await ask(mall, 10_000, restock=1)
    await fail_next_cancel(mall)
    await work(mall)
    assert (await read(failed)).status == RefundStatus.FAILED
    [alert] = await Alert.objects()
    assert (alert.kind, alert.alert_key) == (AlertKind.REFUND_FAILED, f"refund_failed:{failed.id}")

    again = await retry_refund(failed.id, OWNER)
    assert (again.amount, again.restock, again.kind) == (10_000, 1, RefundKind.ASKED)
    [alert] = await Alert.objects()
    assert (alert.closed_at, alert.closed_by) == (mall.time(), OWNER)
    with pytest.raises(NotRefundable) as refused:
        await retry_refund(failed.id, OWNER)
    assert refused.value.why is Why.ASKED_AGAIN
    await work(mall)
    assert [(await read(each)).status for each in (failed, again)] == [RefundStatus.FAILED, RefundStatus.SUCCEEDED]
    assert (await mall.only_order()).refunded_amount == 10_000
    assert await pieces(mall) == (12, 1)


async def test_only_what_is_left_is_asked_for_again(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    failed = await ask(mall, 26_000)
    await fail_next_cancel(mall)
    await work(mall)
    await ask(mall, 20_000)
    assert (await retry_refund(failed.id, OWNER)).amount == 6_000


async def test_goods_that_a_failed_refund_had_put_back_are_not_put_back_again(mall: Market, customer: Customer) -> None:
    await customer.come_back(await (await customer.go(mall.mug, "stripe", quantity=3)).press("approve"))
    refund, payment = await ask(mall, 26_000, restock=1), await mall.only_payment()
    for status, refunded in (("succeeded", 26_000), ("failed", 0)):
        now = await Payment.objects().get(Payment.id == payment.id)
        seen = RefundSeen("re-1", refund.reference, 26_000, status)
        await mall.hear(now, refunded=refunded, refunds=(seen,), pg_payment_id=payment.pg_payment_id)
    assert (await read(refund)).status == RefundStatus.FAILED
    assert await pieces(mall) == (10, 1)
    again = await retry_refund(refund.id, OWNER)
    assert again.restock == 0
    await work(mall)
    assert (await read(again)).status == RefundStatus.SUCCEEDED
    assert await pieces(mall) == (10, 1)


@pytest.mark.parametrize("is_retried", [False, True])
async def test_where_less_is_left_than_the_owner_asked_for_nothing_is_sent(
    mall: Market, customer: Customer, is_retried: bool
) -> None:
    await customer.pay(mall.mug, "toss")
    refund, payment = await ask(mall, 20_000), await mall.only_payment()
    if is_retried:
        await fail_next_cancel(mall)
        await work(mall)
        refund = await retry_refund(refund.id, OWNER)
    await move(mall, f"refunds/{payment.reference}", amount=20_000)
    await mall.work()
    row = await read(refund)
    assert (row.status, row.amount, row.failure_code) == (RefundStatus.FAILED, 20_000, BALANCE_CHANGED)
    assert (await at_the_pg(mall, payment))["refunded"] == 20_000
    assert (await mall.only_order()).refunded_amount == 20_000
    [alert] = await Alert.objects().where(Alert.closed_at.is_null())
    assert alert.alert_key == f"refund_failed:{refund.id}"
    # What is left is the owner's to decide.
    again = await retry_refund(refund.id, OWNER)
    await work(mall)
    assert ((await read(again)).status, again.amount) == (RefundStatus.SUCCEEDED, 6_000)


async def test_a_surplus_asked_for_again_by_a_person_is_not_sent_in_part(mall: Market, customer: Customer) -> None:
    failed = await failed_surplus(mall, customer)
    again = await retry_refund(failed.id, OWNER)
    await move(mall, f"refunds/{(await mall.only_payment()).reference}", amount=1_000)
    await mall.work()
    row = await read(again)
    assert (row.kind, row.status, row.failure_code) == (RefundKind.SURPLUS, RefundStatus.FAILED, BALANCE_CHANGED)


async def test_where_nothing_is_left_nothing_is_asked_for_again(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    refund = await ask(mall, 26_000)
    await move(mall, f"refunds/{(await mall.only_payment()).reference}")
    await work(mall)
    row = await read(refund)
    assert (row.status, row.failure_code) == (RefundStatus.FAILED, GONE_ALREADY)
    assert await Alert.count() == 0
    with pytest.raises(NotRefundable) as refused:
        await retry_refund(refund.id, OWNER)
    assert refused.value.why is Why.NOTHING_LEFT


async def test_a_refund_that_has_not_failed_is_not_asked_for_again(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    refund = await ask(mall, 1_000)
    with pytest.raises(NotRefundable) as refused:
        await retry_refund(refund.id, OWNER)
    assert refused.value.why is Why.NOT_FAILED


async def failed_surplus(market: Market, customer: Customer) -> Refund:
    """Money for an order whose goods are gone."""
    window = await customer.go(market.last, "stripe")
    market.time.go_on(minutes=1)
    order = await market.only_order()
    await Order.update({Order.status: OrderStatus.EXPIRED, Order.holds_stock: False}).where(Order.id == order.id)
    await window.press("approve")
    payment = await market.only_payment()
    await market.fault("error", provider="stripe", call="cancel", code="charge_disputed", reference=payment.reference)
    await work(market)
    [failed] = await Refund.objects()
    assert (failed.kind, failed.status) == (RefundKind.SURPLUS, RefundStatus.FAILED)
    return failed


async def test_a_surplus_that_could_not_go_back_is_sent_back_again(mall: Market, customer: Customer) -> None:
    failed = await failed_surplus(mall, customer)
    again = await retry_refund(failed.id, OWNER)
    await work(mall)
    assert (again.kind, (await read(again)).status) == (RefundKind.SURPLUS, RefundStatus.SUCCEEDED)
    payment = await mall.only_payment()
    assert (payment.status, payment.refunded_amount) == (PaymentStatus.REFUNDED, 21_000)
    assert (await mails(mall))[-1] == "unused_refunded"
