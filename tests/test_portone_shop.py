"""PortOne through the shop, by a channel that approves by itself and by one that waits for our confirm."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from app.database import write_transaction
from app.jobs.queue import enqueue
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.states import PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Dispute, Payment, ProviderAccount, Refund
from app.shops.catalogue import add_product
from app.shops.tables import Shop
from tests.mall import CONTRACTS, Customer, Window, at_the_pg, hear_all
from tests.portone_wire import AUTH
from tests.shopping import Market

BOTH = pytest.mark.parametrize("contract", ["portone", "portone manual"])


async def order_of(mall: Market) -> tuple[str, str | None]:
    order = await mall.only_order()
    return order.status, order.paid_by


async def sums(mall: Market) -> list[tuple[int, int]]:
    """What was captured and refunded, by attempt."""
    return sorted((entry["captured"], entry["refunded"]) for entry in await mall.ledger())


async def portone_fault(mall: Market, kind: str, **more: Any) -> None:
    await mall.fault(kind, provider="portone", **{"reference": (await mall.only_payment()).reference, **more})


async def console(mall: Market, path: str, **body: Any) -> None:
    answer = await mall.pg.wire.post(f"/control/{path.format((await mall.only_payment()).reference)}", json=body)
    assert answer.status_code == 201, answer.text


async def open_tampered(mall: Market, handoff: dict[str, Any], **changes: Any) -> httpx.Response:
    """What the PG answers to a page whose script asks for something else."""
    request = {**handoff["request"], **changes}
    return await mall.pg.wire.post("/window/portone", json={**handoff, "request": request})


async def open_window(mall: Market, handoff: dict[str, Any], **changes: Any) -> Window:
    page = await open_tampered(mall, handoff, **changes)
    assert page.status_code == 200, page.text
    return Window(mall, page.text.partition('action="')[2].partition('"')[0])


async def want_refund(mall: Market, amount: int) -> Refund:
    """A refund that the shop wants: its row and its job, as the owner's desk writes them."""
    payment = await mall.only_payment()
    refund = Refund(payment=payment.id, kind=RefundKind.ASKED, amount=amount, reason="고객 변심")
    async with write_transaction():
        await Refund.insert(refund)
        await enqueue("refund", {"refund": str(refund.id)}, f"refund:{refund.id}")
    return refund


async def only_refund() -> Refund:
    [refund] = await Refund.objects()
    return refund


def with_query(url: str, **changes: str | None) -> str:
    """The same return with other parameters; None takes one away."""
    parts = urlsplit(url)
    fields = {**dict(parse_qsl(parts.query)), **changes}
    return parts._replace(
        query=urlencode({name: value for name, value in fields.items() if value is not None})
    ).geturl()


# The amount that was laid down


@BOTH
async def test_a_page_that_asks_for_another_amount_gets_no_window(
    mall: Market, customer: Customer, contract: str
) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    for changes in ({"totalAmount": 100}, {"totalAmount": 26_001}, {"currency": "USD"}):
        answer = await open_tampered(mall, await customer.handoff(pay_url), **changes)
        assert answer.status_code == 303
        assert "AmountNotEqualToPredefined" in answer.headers["location"]
        page = await customer.come_back(answer.headers["location"])
        assert "결제가 끝났어요" not in page.text
        assert await order_of(mall) == (OrderStatus.PENDING, None)
    assert await mall.ledger() == []
    page = await customer.come_back(await (await customer.open(pay_url)).press("approve"))
    assert "결제가 끝났어요" in page.text


async def test_money_of_another_amount_goes_back_and_the_order_can_be_paid(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "portone")
    page = await customer.come_back(await window.press("approve", fault="amount_changed"))
    assert "결제가 끝났어요" not in page.text
    assert (await mall.only_payment()).status == PaymentStatus.MISMATCH
    await hear_all(mall)
    refund = await only_refund()
    assert (refund.kind, refund.amount, refund.status) == (RefundKind.MISMATCH, 27_000, RefundStatus.SUCCEEDED)
    assert await sums(mall) == [(27_000, 27_000)]
    assert await order_of(mall) == (OrderStatus.PENDING, None)
    again = await customer.pay_again(await customer.order_page(), "portone")
    assert "결제가 끝났어요" in (await customer.come_back(await again.press("approve"))).text


async def test_another_amount_is_not_confirmed(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "portone manual")
    page = await customer.come_back(await window.press("approve", fault="amount_changed"))
    assert page.status_code == 400
    await hear_all(mall)
    assert mall.confirms == []
    assert await sums(mall) == [(0, 0)]
    assert await order_of(mall) == (OrderStatus.PENDING, None)


async def test_a_live_shop_refuses_a_payment_that_came_through_a_test_channel(mall: Market, customer: Customer) -> None:
    await ProviderAccount.update({ProviderAccount.mode: "live"}, force=True)
    window = await customer.go(mall.mug, "portone")
    page = await customer.come_back(await window.press("approve"))
    assert "결제가 끝났어요" not in page.text
    await hear_all(mall)
    assert (await mall.only_payment()).status == PaymentStatus.MISMATCH
    refund = await only_refund()
    assert (refund.kind, refund.amount, refund.status) == (RefundKind.MISMATCH, 26_000, RefundStatus.SUCCEEDED)
    assert await order_of(mall) == (OrderStatus.PENDING, None)
    assert await sums(mall) == [(26_000, 26_000)]


async def test_a_live_shop_confirms_nothing_that_came_through_a_test_channel(mall: Market, customer: Customer) -> None:
    await ProviderAccount.update({ProviderAccount.mode: "live"}, force=True)
    window = await customer.go(mall.mug, "portone manual")
    await customer.come_back(await window.press("approve"))
    await hear_all(mall)
    assert 200 not in mall.confirms
    assert await sums(mall) == [(0, 0)]
    assert (await order_of(mall))[1] is None


async def test_a_page_that_names_another_channel_of_the_store_pays_all_the_same(
    mall: Market, customer: Customer
) -> None:
    handoff = await customer.handoff(await customer.choose(mall.mug, "portone manual"))
    window = await open_window(mall, handoff, channelKey=CONTRACTS["portone"].raw["channel_key"])
    page = await customer.come_back(await window.press("approve"))
    assert "결제가 끝났어요" in page.text
    assert await sums(mall) == [(26_000, 0)]


# Before, in and after the window


@BOTH
async def test_a_window_that_was_never_opened_is_no_failure_and_ends_by_our_own_clock(
    mall: Market, customer: Customer, contract: str
) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    await customer.handoff(pay_url)
    mall.time.go_on(minutes=61)
    await mall.work()
    assert (await mall.only_payment()).status == PaymentStatus.CREATED
    assert await order_of(mall) == (OrderStatus.PENDING, None)
    mall.time.go_on(minutes=5)
    await mall.work()
    assert (await order_of(mall))[0] == OrderStatus.EXPIRED
    assert await mall.stock_of(mall.mug) == 12
    assert (await mall.only_payment()).closed_at is None
    for _ in range(60):
        mall.time.go_on(hours=1)
        await mall.work()
    payment = await mall.only_payment()
    assert (payment.status, payment.next_check_at) == (PaymentStatus.EXPIRED, None)
    assert payment.closed_at is not None


async def test_a_look_before_the_window_that_finds_nothing_does_not_stop_the_payment(
    mall: Market, customer: Customer
) -> None:
    pay_url = await customer.choose(mall.mug, "portone")
    handoff = await customer.handoff(pay_url)
    payment = await mall.only_payment()
    page = await customer.come_back(f"/haru/checkout/callback?payment={payment.token}&paymentId={payment.reference}")
    assert "결제가 끝났어요" not in page.text
    await Payment.update({Payment.next_check_at: mall.time()}, force=True)
    await mall.work()
    assert (await mall.only_payment()).status == PaymentStatus.CREATED
    window = await open_window(mall, handoff)
    assert "결제가 끝났어요" in (await customer.come_back(await window.press("approve"))).text


@BOTH
async def test_leaving_the_window_is_a_cancel_and_not_the_end(mall: Market, customer: Customer, contract: str) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    handoff = await customer.handoff(pay_url)
    window = await customer.open(pay_url)
    page = await customer.come_back(await window.press("cancel"))
    assert page.url.path == "/haru/checkout/cancel"
    assert "결제를 그만두셨어요" in page.text
    payment = await mall.only_payment()
    assert (payment.status, payment.failure_code) == (PaymentStatus.CANCELLED, "PAY_PROCESS_CANCELED")
    # PortOne takes money for the same paymentId as soon as a window asks for it.
    assert payment.closed_at is None
    await hear_all(mall)
    assert (await order_of(mall))[0] == OrderStatus.CANCELLED
    assert (await open_tampered(mall, handoff)).status_code == 200


async def test_after_a_failure_another_attempt_under_the_same_payment_id_is_believed(
    mall: Market, customer: Customer
) -> None:
    pay_url = await customer.choose(mall.mug, "portone")
    handoff = await customer.handoff(pay_url)
    page = await customer.come_back(await (await customer.open(pay_url)).press("decline"))
    assert page.url.path == "/haru/checkout/fail"
    payment = await mall.only_payment()
    assert (payment.status, payment.closed_at) == (PaymentStatus.FAILED, None)
    assert (await order_of(mall))[0] == OrderStatus.FAILED

    await (await open_window(mall, handoff)).press("approve")
    await hear_all(mall)

    payment = await mall.only_payment()
    assert (payment.status, payment.captured_amount) == (PaymentStatus.PAID, 26_000)
    assert await order_of(mall) == (OrderStatus.PAID, payment.id)
    assert await sums(mall) == [(0, 0), (26_000, 0)]


@pytest.mark.parametrize("is_open_already", [False, True])
async def test_the_reconciler_soon_finds_another_attempt_that_nobody_tells_of(
    mall: Market, customer: Customer, is_open_already: bool
) -> None:
    pay_url = await customer.choose(mall.mug, "portone")
    handoff = await customer.handoff(pay_url)
    await mall.fault("webhook_dropped", provider="portone", percent=100)
    first = await customer.open(pay_url)
    if is_open_already:
        second = await customer.open(pay_url)
    page = await customer.come_back(await first.press("decline"))
    # While another window is open, nothing is called a failure.
    assert (page.url.path == "/haru/checkout/fail") is not is_open_already
    if not is_open_already:
        second = await open_window(mall, handoff)
    await second.press("approve")
    for _ in range(5):
        mall.time.go_on(minutes=1)
        await mall.work()
    assert await order_of(mall) == (OrderStatus.PAID, (await mall.only_payment()).id)


@BOTH
@pytest.mark.parametrize("end", ["settle_pending", "fail_pending"])
async def test_a_payment_that_is_approved_later_is_being_confirmed_until_then(
    mall: Market, customer: Customer, contract: str, end: str
) -> None:
    window = await customer.go(mall.mug, contract)
    page = await customer.come_back(await window.press("approve", approval="later"))
    assert "결제를 확인하고 있어요" in page.text
    await hear_all(mall)
    assert (await mall.only_payment()).status == PaymentStatus.CONFIRMING
    # Its order holds on as long as its money may come.
    mall.time.go_on(hours=8)
    await mall.work()
    assert await order_of(mall) == (OrderStatus.PENDING, None)
    assert await mall.stock_of(mall.mug) == 11

    await window.at_the_bank(end)
    await hear_all(mall)

    payment, page = await mall.only_payment(), await customer.order_page()
    if end == "fail_pending":
        assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "REJECT_CARD_PAYMENT")
        assert payment.closed_at is None
        page = await customer.come_back(await (await customer.pay_again(page, contract)).press("approve"))
    assert "결제가 끝났어요" in page.text
    assert sum(captured for captured, _ in await sums(mall)) == 26_000


async def test_an_approval_after_the_orders_end_pays_it_while_its_goods_are_there(
    mall: Market, customer: Customer
) -> None:
    window = await customer.go(mall.last, "portone")
    await Order.update({Order.expires_at: mall.time()}, force=True)
    await mall.work()
    assert (await order_of(mall))[0] == OrderStatus.EXPIRED
    await window.press("approve")
    await hear_all(mall)
    assert await order_of(mall) == (OrderStatus.PAID, (await mall.only_payment()).id)
    assert await mall.stock_of(mall.last) == 0


async def test_an_approval_after_the_orders_end_goes_back_when_its_goods_are_sold(
    mall: Market, customer: Customer
) -> None:
    window = await customer.go(mall.last, "portone")
    late = await mall.only_payment()
    await Order.update({Order.expires_at: mall.time()}, force=True)
    await mall.work()
    await Customer(mall).pay(mall.last, "toss")
    await window.press("approve")
    await hear_all(mall)
    refund = await only_refund()
    assert (refund.payment, refund.kind, refund.status) == (late.id, RefundKind.SURPLUS, RefundStatus.SUCCEEDED)
    entry = await at_the_pg(mall, late)
    assert (entry["captured"], entry["refunded"]) == (21_000, 21_000)
    assert (await Order.objects().get(Order.id == late.order)).status == OrderStatus.EXPIRED
    assert await mall.stock_of(mall.last) == 0


# Confirming


async def test_a_forged_token_confirms_nothing_and_the_order_can_be_paid(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "portone manual")
    url = await window.press("approve")
    page = await customer.come_back(with_query(url, paymentToken="forged-by-the-browser"))
    assert page.url.path == "/haru/checkout/fail"
    assert "돈은 빠져나가지 않았습니다" in page.text
    payment = await mall.only_payment()
    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "INVALID_PAYMENT_TOKEN")
    assert await sums(mall) == [(0, 0)]
    page = await customer.come_back(await (await customer.pay_again(page, "portone manual")).press("approve"))
    assert "결제가 끝났어요" in page.text
    assert await sums(mall) == [(0, 0), (26_000, 0)]


@pytest.mark.parametrize(
    "changes", [{"paymentToken": None}, {"paymentId": None}, {"paymentId": "01M80XFXB0FSQV6T9SMYY4ZWNG"}]
)
async def test_a_return_that_lacks_something_or_names_another_payment_confirms_nothing(
    mall: Market, customer: Customer, changes: dict[str, str | None]
) -> None:
    url = await (await customer.go(mall.mug, "portone manual")).press("approve")
    page = await customer.come_back(with_query(url, **changes))
    assert "결제가 끝났어요" not in page.text
    assert (mall.confirms, await order_of(mall)) == ([], (OrderStatus.PENDING, None))
    assert "결제가 끝났어요" in (await customer.come_back(url)).text


async def test_a_token_brought_to_a_channel_that_needs_none_does_no_harm(mall: Market, customer: Customer) -> None:
    url = await (await customer.go(mall.mug, "portone")).press("approve")
    page = await customer.come_back(with_query(url, paymentToken="forged-by-the-browser"))
    assert "결제가 끝났어요" in page.text
    assert mall.confirms == []


@pytest.mark.parametrize("kind", ["answer_lost_after", "answer_lost_before", "server_error", "server_error_after"])
async def test_a_confirm_without_an_answer_is_carried_on_and_takes_the_money_once(
    mall: Market, customer: Customer, kind: str
) -> None:
    window = await customer.go(mall.mug, "portone manual")
    url = await window.press("approve")
    await portone_fault(mall, kind, call="confirm")
    page = await customer.come_back(url)
    for _ in range(3):
        mall.time.go_on(minutes=1)
        await mall.work()
    await hear_all(mall)
    page = await customer.order_page()
    assert "결제가 끝났어요" in page.text
    assert await sums(mall) == [(26_000, 0)]


async def test_the_webhook_alone_never_confirms(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "portone manual")
    await window.press("approve")
    await hear_all(mall)
    mall.time.go_on(minutes=70)
    await mall.work()
    assert (mall.confirms, await sums(mall)) == ([], [(0, 0)])


# Money that goes back


@BOTH
async def test_a_refund_of_ours_is_told_by_its_webhook_before_our_own_write(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.pay(mall.mug, contract)
    await hear_all(mall)
    await want_refund(mall, 6_000)
    await portone_fault(mall, "answer_lost_after", call="cancel")
    await mall.work()
    assert (await only_refund()).status == RefundStatus.REQUESTED

    await hear_all(mall)

    refund = await only_refund()
    assert (refund.kind, refund.status) == (RefundKind.ASKED, RefundStatus.SUCCEEDED)
    assert refund.pg_refund_id
    for _ in range(10):
        mall.time.go_on(minutes=5)
        await mall.work()
    assert await Refund.count() == 1
    assert [job.done_at is not None for job in await mall.jobs()] == [True]
    assert await sums(mall) == [(26_000, 6_000)]
    assert ((await order_of(mall))[0], (await mall.only_order()).refunded_amount) == (
        OrderStatus.PARTIALLY_REFUNDED,
        6_000,
    )
    assert [move for move in await mall.moves("payment") if PaymentStatus.PARTIALLY_REFUNDED in move] == [
        (PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED)
    ]


@BOTH
async def test_a_refund_that_was_only_requested_is_not_done_yet(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.pay(mall.mug, contract, refund="later")
    await want_refund(mall, 26_000)
    await hear_all(mall)
    assert (await only_refund()).status == RefundStatus.PENDING
    assert ((await order_of(mall))[0], (await mall.only_order()).refunded_amount) == (OrderStatus.PAID, 0)
    await console(mall, "refunds/{}/complete")
    await hear_all(mall)
    mall.time.go_on(hours=1)
    await mall.work()
    assert (await only_refund()).status == RefundStatus.SUCCEEDED
    assert ((await order_of(mall))[0], (await mall.only_order()).refunded_amount) == (OrderStatus.REFUNDED, 26_000)
    assert await sums(mall) == [(26_000, 26_000)]
    assert [job.done_at is not None for job in await mall.jobs()] == [True]


async def test_a_requested_refund_that_fails_leaves_the_money_where_it_is(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "portone", refund="later")
    await want_refund(mall, 26_000)
    await hear_all(mall)
    await console(mall, "refunds/{}/fail")
    await hear_all(mall)
    for _ in range(10):
        mall.time.go_on(hours=1)
        await mall.work()
    assert (await only_refund()).status == RefundStatus.FAILED
    assert (await order_of(mall))[0] == OrderStatus.PAID
    assert await sums(mall) == [(26_000, 0)]
    assert (RefundStatus.PENDING, RefundStatus.FAILED) in await mall.moves("refund")


async def test_a_cancel_that_is_answered_with_failed_is_no_refund(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "portone", refund="failed")
    await want_refund(mall, 26_000)
    await hear_all(mall)
    assert (await only_refund()).status == RefundStatus.FAILED
    assert (await order_of(mall))[0] == OrderStatus.PAID
    assert await sums(mall) == [(26_000, 0)]


async def test_refunds_at_the_console_are_booked_part_by_part(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "portone")
    for amount, status in ((6_000, OrderStatus.PARTIALLY_REFUNDED), (20_000, OrderStatus.REFUNDED)):
        mall.time.go_on(hours=1)
        await console(mall, "refunds/{}", amount=amount)
        await hear_all(mall)
        assert (await order_of(mall))[0] == status
    refunds = await Refund.objects().order_by(Refund.amount)
    assert [(each.kind, each.amount, each.status) for each in refunds] == [
        (RefundKind.OUTSIDE, 6_000, RefundStatus.SUCCEEDED),
        (RefundKind.OUTSIDE, 20_000, RefundStatus.SUCCEEDED),
    ]


async def test_a_refund_at_the_console_that_is_on_its_way_is_booked_as_such(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "portone", refund="later")
    await console(mall, "refunds/{}", amount=6_000)
    await hear_all(mall)
    refund = await only_refund()
    assert (refund.kind, refund.status) == (RefundKind.OUTSIDE, RefundStatus.PENDING)
    assert (await order_of(mall))[0] == OrderStatus.PAID
    mall.time.go_on(minutes=10)
    await console(mall, "refunds/{}/complete")
    await hear_all(mall)
    assert (await only_refund()).status == RefundStatus.SUCCEEDED
    assert (await order_of(mall))[0] == OrderStatus.PARTIALLY_REFUNDED


@pytest.mark.parametrize("verb", ["win", "lose"])
async def test_a_dispute_is_a_row_of_its_own(mall: Market, customer: Customer, verb: str) -> None:
    await customer.pay(mall.mug, "portone")
    await hear_all(mall)
    mall.time.go_on(days=1)
    await console(mall, "disputes/{}")
    await hear_all(mall)
    [dispute] = await Dispute.objects()
    assert (dispute.status, dispute.is_open, dispute.amount) == ("UNRESOLVED", True, 26_000)
    assert await order_of(mall) == (OrderStatus.PAID, (await mall.only_payment()).id)
    mall.time.go_on(days=1)
    await console(mall, f"disputes/{{}}/{verb}")
    await hear_all(mall)
    status = (await order_of(mall))[0]
    if verb == "win":
        [dispute] = await Dispute.objects()
        assert (dispute.status, dispute.is_open) == ("RESOLVED", False)
        assert await mall.moves("dispute") == [(None, "UNRESOLVED"), ("UNRESOLVED", "RESOLVED")]
        assert (status, await Refund.count()) == (OrderStatus.PAID, 0)
    else:
        # The card company took the money back, which PortOne tells as a cancellation.
        refund = await only_refund()
        assert (refund.kind, refund.amount, status) == (RefundKind.OUTSIDE, 26_000, OrderStatus.REFUNDED)


@BOTH
@pytest.mark.parametrize(("currency", "price"), [("USD", 600), ("JPY", 600)])
async def test_other_currencies_are_paid_in_their_minor_units(
    mall: Market, customer: Customer, contract: str, currency: str, price: int
) -> None:
    await Shop.update({Shop.currency: currency}).where(Shop.id == mall.haru.id)
    mall.haru.currency = currency
    page = await customer.pay(await add_product(mall.haru, "Cup", price), contract)
    assert "결제가 끝났어요" in page.text
    entry = await at_the_pg(mall, await mall.only_payment())
    assert (entry["currency"], entry["captured"]) == (currency, price)


async def test_the_window_keeps_the_order_for_as_long_as_it_may_be_open(mall: Market, customer: Customer) -> None:
    pay_url = await customer.choose(mall.mug, "portone")
    mall.time.go_on(minutes=50)
    await customer.handoff(pay_url)
    assert (await mall.only_order()).expires_at == mall.time() + timedelta(minutes=65)
    answer = await mall.pg.wire.get(f"/portone/payments/{(await mall.only_payment()).reference}", headers=AUTH)
    assert json.loads(answer.text)["type"] == "PAYMENT_NOT_FOUND"
