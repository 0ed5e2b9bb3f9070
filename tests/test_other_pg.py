"""Paying again with another PG, tabs with two PGs, and accounts that come and go: one order is paid once."""

import asyncio
import re
from itertools import permutations

import httpx
import pytest

from app.database import write_transaction
from app.jobs.queue import enqueue
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.states import PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import InboxEvent, Payment, ProviderAccount, Refund
from tests.mall import CARDS, CONTRACTS, Customer, Window, hear_all, pay_value
from tests.shopping import Market, fields_of

PAIRS = list(permutations(CARDS, 2))
PAIR = pytest.mark.parametrize(("first", "second"), PAIRS, ids=[" then ".join(pair) for pair in PAIRS])
# Here nobody can pay any more what the shop has closed.
CLOSING = ("stripe", "stripe elements")
# Here money moves at the window, without a confirm of ours.
TAKING = ("portone", *CLOSING)


async def press(window: Window, action: str = "approve", **fields: str) -> str | None:
    """A button; the URL that leads back, or None where the PG does not do it any more."""
    answer = await window.market.pg.wire.post(window.path, data={"action": action, **fields})
    assert answer.status_code in (303, 402, 409), answer.text
    return answer.headers.get("location")


async def settle_all(mall: Market) -> None:
    """Every webhook, and a worker that has had its time."""
    await hear_all(mall)
    for _ in range(4):
        mall.time.go_on(minutes=2)
        await mall.work()
    await hear_all(mall)


async def is_paid_once(mall: Market) -> Payment:
    """The payment that pays the order: what else was captured has gone back, and the rows say what the PGs say."""
    order = await mall.only_order()
    assert order.status == OrderStatus.PAID
    books: dict[str, tuple[int, int]] = {}
    for entry in await mall.ledger():
        captured, refunded = books.get(entry["reference"], (0, 0))
        books[entry["reference"]] = (captured + entry["captured"], refunded + entry["refunded"])
    paying = None
    for payment in await Payment.objects():
        told = (payment.captured_amount, payment.refunded_amount)
        assert books.get(payment.reference, (0, 0)) == told
        if payment.id == order.paid_by:
            paying = payment
            assert told == (26_000, 0)
        else:
            assert told in ((0, 0), (26_000, 26_000))
    refunds = await Refund.objects()
    assert {(each.kind, each.status) for each in refunds} <= {(RefundKind.SURPLUS, RefundStatus.SUCCEEDED)}
    assert sum(each.amount for each in refunds) == sum(refunded for _, refunded in books.values())
    assert await mall.stock_of(mall.mug) == 11
    assert paying is not None
    return paying


async def in_two_tabs(mall: Market, customer: Customer, first: str, second: str) -> list[Window]:
    """One form, sent from two tabs with two PGs; the worker has not run in between."""
    form = await customer.form(mall.mug)
    windows = []
    for contract in (first, second):
        answer = await customer.send(mall.mug, {**form, "pay": pay_value(mall, contract)})
        windows.append(await customer.open(answer.headers["location"]))
        mall.time.go_on(seconds=5)
    return windows


def offered(page: httpx.Response) -> list[str]:
    """The ways to pay that a page offers, in its order."""
    return re.findall(r'<input type="radio" name="pay"[^>]* value="([^"]+)"', page.text)


async def form_page(mall: Market, customer: Customer) -> httpx.Response:
    return await customer.http.get("/haru/checkout", params={"product": str(mall.mug.id)})


async def switch_off(mall: Market, *contracts: str) -> None:
    off = [mall.accounts[list(CONTRACTS).index(contract)].id for contract in contracts]
    await ProviderAccount.update({ProviderAccount.is_enabled: False}).where(ProviderAccount.id.is_in(off))


# From one PG to another


@PAIR
async def test_left_at_one_pg_and_paid_at_another_it_is_paid_once_whatever_the_first_does_late(
    mall: Market, customer: Customer, first: str, second: str
) -> None:
    older = await customer.go(mall.mug, first)
    mall.time.go_on(minutes=1)
    newer = await customer.pay_again(await customer.order_page(), second)
    page = await customer.come_back(await newer.press("approve"))
    assert "결제가 끝났어요" in page.text

    late = await press(older)
    assert (late is None) is (first in CLOSING)
    if late:
        page = await customer.come_back(late)
        assert "결제가 끝났어요" in page.text
    await settle_all(mall)

    paying = await is_paid_once(mall)
    assert pay_value(mall, second) == f"{paying.account}:{paying.way}"
    assert await Refund.count() == (1 if first == "portone" else 0)
    assert "결제가 끝났어요" in (await customer.order_page()).text


@PAIR
async def test_approved_at_the_first_before_the_second_it_is_paid_once(
    mall: Market, customer: Customer, first: str, second: str
) -> None:
    older = await customer.go(mall.mug, first)
    mall.time.go_on(minutes=1)
    newer = await customer.pay_again(await customer.order_page(), second)
    await press(older)
    await hear_all(mall)
    way_back = await press(newer)
    if way_back:
        page = await customer.come_back(way_back)
        assert "결제가 끝났어요" in page.text
    await settle_all(mall)
    await is_paid_once(mall)
    # Where our confirm is still to come, it does not come, and what can be closed is closed: no refund is needed.
    assert await Refund.count() == 0


@PAIR
async def test_two_tabs_with_two_pgs_both_approved_keep_one_payment(
    mall: Market, customer: Customer, first: str, second: str
) -> None:
    windows = await in_two_tabs(mall, customer, first, second)
    ways_back = [await press(window) for window in windows]
    answers = await asyncio.gather(*(Customer(mall).http.get(url) for url in ways_back if url))
    assert {answer.status_code for answer in answers} == {303}
    await settle_all(mall)
    await is_paid_once(mall)
    assert await Payment.count() == 2
    if {first, second} <= set(TAKING):
        assert await Refund.count() == 1


@pytest.mark.parametrize("first", CARDS)
async def test_a_late_failure_of_the_first_does_not_fail_an_order_whose_second_is_in_its_window(
    mall: Market, customer: Customer, first: str
) -> None:
    second = "stripe" if first == "toss" else "toss"
    older = await customer.go(mall.mug, first)
    mall.time.go_on(minutes=1)
    newer = await customer.pay_again(await customer.order_page(), second)
    failed = await press(older, "decline")
    if failed:
        await customer.come_back(failed)
    await settle_all(mall)
    assert (await mall.only_order()).status == OrderStatus.PENDING
    assert "결제가 끝났어요" in (await customer.come_back(await newer.press("approve"))).text
    await is_paid_once(mall)


@pytest.mark.parametrize("end", ["settle_pending", "fail_pending"])
async def test_the_first_being_decided_late_neither_fails_nor_pays_the_order_a_second_time(
    mall: Market, customer: Customer, end: str
) -> None:
    older = await customer.go(mall.mug, "portone")
    mall.time.go_on(minutes=1)
    newer = await customer.pay_again(await customer.order_page(), "toss")
    await older.press("approve", approval="later")
    await hear_all(mall)
    assert {row.status for row in await Payment.objects()} == {PaymentStatus.CONFIRMING, PaymentStatus.CREATED}
    if end == "fail_pending":
        await older.at_the_bank(end)
        await hear_all(mall)
        assert {row.status for row in await Payment.objects()} == {PaymentStatus.FAILED, PaymentStatus.CREATED}
        assert (await mall.only_order()).status == OrderStatus.PENDING
    assert "결제가 끝났어요" in (await customer.come_back(await newer.press("approve"))).text
    if end == "settle_pending":
        await older.at_the_bank(end)
    await settle_all(mall)
    assert (await is_paid_once(mall)).provider == "toss"


@pytest.mark.parametrize("first", CLOSING)
async def test_stripes_delayed_money_that_comes_after_another_pgs_goes_back(
    mall: Market, customer: Customer, first: str
) -> None:
    older, newer = await in_two_tabs(mall, customer, first, "toss")
    await older.press("approve", way="customer_balance")
    assert "결제가 끝났어요" in (await customer.come_back(await newer.press("approve"))).text
    await hear_all(mall)
    await older.at_the_bank("settle_pending")
    await hear_all(mall)
    order = await mall.only_order()
    paying = await Payment.objects().get(Payment.id == order.paid_by)
    assert (order.status, paying.provider) == (OrderStatus.PAID, "toss")
    # Stripe writes to the shopper, who says where money of this kind goes.
    [refund] = await Refund.objects()
    assert (refund.kind, refund.status, refund.amount) == (RefundKind.SURPLUS, RefundStatus.PENDING, 26_000)
    surplus = await Payment.objects().get(Payment.id == refund.payment)
    done = await mall.pg.wire.post(f"/control/refunds/{surplus.reference}/complete")
    assert done.status_code == 201, done.text
    await hear_all(mall)
    [refund] = await Refund.objects()
    assert refund.status == RefundStatus.SUCCEEDED


@pytest.mark.parametrize("first", CLOSING)
async def test_when_the_first_pg_is_down_it_is_closed_there_later(mall: Market, customer: Customer, first: str) -> None:
    older = await customer.go(mall.mug, first)
    reference = (await mall.only_payment()).reference
    await mall.fault("answer_lost_before", provider="stripe", call="close", reference=reference)
    mall.time.go_on(minutes=1)
    newer = await customer.pay_again(await customer.order_page(), "toss")
    assert (await Payment.objects().get(Payment.reference == reference)).closed_at is None
    await mall.work()
    assert (await Payment.objects().get(Payment.reference == reference)).closed_at is not None
    assert await press(older) is None
    assert "결제가 끝났어요" in (await customer.come_back(await newer.press("approve"))).text
    await is_paid_once(mall)


# Accounts


@pytest.mark.parametrize("contract", CARDS)
async def test_an_account_that_was_switched_off_is_not_offered_but_receives_reconciles_and_refunds(
    mall: Market, customer: Customer, contract: str
) -> None:
    window = await customer.go(mall.mug, contract)
    await switch_off(mall, contract)
    for page in (await form_page(mall, customer), await customer.order_page()):
        assert pay_value(mall, contract) not in page.text
        assert offered(page)
    answer = await Customer(mall).submit(mall.mug, pay=pay_value(mall, contract))
    assert (answer.status_code, await Order.count()) == (422, 1)

    way_back = await window.press("approve")
    if contract in TAKING:
        await mall.fault("webhook_dropped", provider=CONTRACTS[contract].provider, percent=100)
        mall.time.go_on(minutes=61)
        await mall.work()
        await mall.pg.wire.delete("/control/faults")
    else:
        await customer.come_back(way_back)
    payment = await is_paid_once(mall)

    answer = await mall.pg.wire.post(f"/control/refunds/{payment.reference}", json={"amount": 6_000})
    assert answer.status_code == 201, answer.text
    await hear_all(mall)
    assert (await mall.only_order()).refunded_amount == 6_000
    refund = Refund(payment=payment.id, kind=RefundKind.ASKED, amount=5_000, reason="고객 변심")
    async with write_transaction():
        await Refund.insert(refund)
        await enqueue("refund", {"refund": str(refund.id)}, f"refund:{refund.id}")
    await hear_all(mall)
    assert (await Refund.objects().get(Refund.id == refund.id)).status == RefundStatus.SUCCEEDED
    assert (await mall.only_order()).refunded_amount == 11_000


async def test_with_every_account_switched_off_the_page_says_so_and_takes_no_order(
    mall: Market, customer: Customer
) -> None:
    await customer.go(mall.mug, "toss")
    page = await customer.order_page()
    await switch_off(mall, *CONTRACTS)
    closed = await form_page(mall, customer)
    assert (closed.status_code, offered(closed)) == (200, [])
    assert "이 가게는 아직 결제를 받지 않습니다" in closed.text
    form = {"pay": pay_value(mall, "stripe"), "_csrf_token": fields_of(page.text)["_csrf_token"]}
    action = re.search(r'action="([^"]+/payments)"', page.text)
    assert action is not None
    answer = await customer.http.post(action[1], data=form)
    assert (answer.status_code, "/haru/orders/" in answer.headers["location"]) == (303, True)
    assert await Payment.count() == 1


async def test_the_offers_stand_in_the_owners_order(mall: Market, customer: Customer) -> None:
    wanted = ["stripe elements", "portone manual", "toss", "stripe", "portone"]
    for position, contract in enumerate(wanted):
        account = mall.accounts[list(CONTRACTS).index(contract)].id
        await ProviderAccount.update({ProviderAccount.position: position}).where(ProviderAccount.id == account)
    await customer.choose(mall.mug, "toss")
    ways = [f"{pay_value(mall, contract, way)}" for contract in wanted for way in CONTRACTS[contract].ways]
    assert offered(await form_page(mall, customer)) == ways
    used = pay_value(mall, "toss")
    assert [way for way in offered(await customer.order_page()) if way != used] == [way for way in ways if way != used]


async def test_accounts_of_one_pg_keep_their_order_whatever_is_written_about_them(
    mall: Market, customer: Customer
) -> None:
    before = offered(await form_page(mall, customer))
    for account in mall.accounts:
        # An indexed column: PostgreSQL then keeps the row in another place.
        key = {ProviderAccount.account_key: f"{account.account_key}-rolled"}
        await ProviderAccount.update(key).where(ProviderAccount.id == account.id)
        assert offered(await form_page(mall, customer)) == before


async def test_each_of_two_accounts_of_one_pg_hears_of_its_own_payments_alone(mall: Market, customer: Customer) -> None:
    await customer.go(mall.mug, "stripe")
    here, there = (CONTRACTS[contract].raw["webhook_url"] for contract in CLOSING)
    mall.hooks[here], mall.hooks[there] = mall.hooks[there], mall.hooks[here]
    payment = await mall.only_payment()
    await mall.pg.wire.post(f"/window/stripe/{payment.pg_session_id}", data={"action": "approve"})
    # Signed with the secret of the one and sent to the other.
    await hear_all(mall)
    assert await InboxEvent.count() == 0
    assert (await mall.only_payment()).status == PaymentStatus.CREATED
    mall.time.go_on(minutes=61)
    await mall.work()
    assert (await mall.only_order()).status == OrderStatus.PAID
