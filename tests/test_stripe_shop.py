"""Stripe through the shop, by its own page and by its form in ours: what a shopper, the PG and its webhooks can do."""

import asyncio
import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest

from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.accounts import PURPOSE
from app.payments.states import PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Dispute, InboxEvent, Payment, PaymentEvent, ProviderAccount, Refund
from app.sealing import Ring
from app.shops.catalogue import add_product
from app.shops.tables import Shop
from tests.mall import CONTRACTS, Customer, Window, at_the_pg, hear_all, pay_value
from tests.shopping import KEYS, Market
from tests.stripe_wire import ASKS, DECLINED, NO_FUNDS

BOTH = pytest.mark.parametrize("contract", ["stripe", "stripe elements"])
REFUND_FAILS_LATER = "4000000000005126"
PATHS = {"stripe": "/stripe/v1/checkout/sessions", "stripe elements": "/stripe/v1/payment_intents"}


async def order_of(mall: Market) -> tuple[str, str | None]:
    order = await mall.only_order()
    return order.status, order.paid_by


async def sums(mall: Market) -> list[tuple[int, int]]:
    """What Stripe captured and refunded, by payment."""
    return sorted((entry["captured"], entry["refunded"]) for entry in await mall.ledger())


def asked(mall: Market, contract: str) -> list[int | str]:
    """What Stripe answered to each request that begins a payment."""
    return [answer for method, path, answer in mall.pg.transport.calls if (method, path) == ("POST", PATHS[contract])]


async def made(mall: Market, contract: str) -> list[dict[str, Any]]:
    """The Sessions or PaymentIntents that exist at Stripe."""
    key = CONTRACTS[contract].raw["secret_key"]
    answer = await mall.pg.wire.get(PATHS[contract], headers={"authorization": f"Bearer {key}"})
    return answer.json()["data"]


async def stripe_fault(mall: Market, kind: str, **more: Any) -> None:
    payment = await Payment.objects().order_by(Payment.created_at, ascending=False).first()
    await mall.fault(kind, provider="stripe", **{"reference": payment.reference, **more})


async def push(window: Window, action: str, **fields: Any) -> httpx.Response:
    """A button, whatever it leads to."""
    return await window.market.pg.wire.post(window.path, data={"action": action, **fields})


async def prove(window: Window, pushed: httpx.Response, action: str = "approve") -> httpx.Response:
    """The buyer's answer on the page of 3D Secure that a button led to."""
    assert pushed.headers["location"].endswith("/authenticate")
    return await window.market.pg.wire.post(pushed.headers["location"], data={"action": action})


async def console(mall: Market, path: str, **body: Any) -> None:
    payment = await Payment.objects().where(Payment.captured_amount > 0).first() or await mall.only_payment()
    answer = await mall.pg.wire.post(f"/control/{path.format(payment.reference)}", json=body)
    assert answer.status_code == 201, answer.text


async def set_secret_key(mall: Market, contract: str, key: str) -> None:
    account = mall.accounts[list(CONTRACTS).index(contract)]
    ring = Ring(KEYS)
    credentials = {**json.loads(ring.open(account.credentials, PURPOSE)), "secret_key": key}
    await ProviderAccount.update({ProviderAccount.credentials: ring.seal(json.dumps(credentials), PURPOSE)}).where(
        ProviderAccount.id == account.id
    )


# Beginning


@BOTH
async def test_the_pay_page_opened_again_leads_to_the_same_payment(
    mall: Market, customer: Customer, contract: str
) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    first = await customer.handoff(pay_url)
    mall.time.go_on(minutes=40)
    assert await customer.handoff(pay_url) == first
    assert asked(mall, contract) == [200]
    assert (await mall.only_payment()).pg_session_id == (await made(mall, contract))[0]["id"]


@BOTH
@pytest.mark.parametrize("kind", ["answer_lost_before", "answer_lost_after", "slow"])
async def test_after_a_lost_answer_the_repeat_makes_no_second_payment(
    mall: Market, customer: Customer, contract: str, kind: str
) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    await stripe_fault(mall, kind, call="begin")
    page = await customer.http.get(pay_url)
    assert (page.status_code, "결제사에 연결하지 못했어요" in page.text) == (503, True)
    mall.time.go_on(minutes=1)

    window = await customer.open(pay_url)

    assert len(await made(mall, contract)) == 1
    page = await customer.come_back(await window.press("approve"))
    assert "결제가 끝났어요" in page.text
    assert await sums(mall) == [(26_000, 0)]


@BOTH
@pytest.mark.parametrize("kind", ["server_error", "server_error_after"])
async def test_a_stored_error_is_not_asked_for_again_and_one_payment_is_handed_out(
    mall: Market, customer: Customer, contract: str, kind: str
) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    await stripe_fault(mall, kind, call="begin")
    assert (await customer.http.get(pay_url)).status_code == 503
    assert (await mall.only_payment()).begin_tries == 2

    handoffs = [await customer.handoff(pay_url) for _ in range(2)]

    assert handoffs[0] == handoffs[1]
    assert asked(mall, contract) == [500, 200]
    stored = (await mall.only_payment()).pg_session_id
    assert stored in json.dumps(handoffs[0])
    page = await customer.come_back(await (await customer.open(pay_url)).press("approve"))
    assert "결제가 끝났어요" in page.text
    assert sorted(await sums(mall))[-1] == (26_000, 0)
    assert sum(captured for captured, _ in await sums(mall)) == 26_000


@BOTH
async def test_tabs_that_open_the_pay_page_at_once_get_the_same_payment(
    mall: Market, customer: Customer, contract: str
) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    handoffs = await asyncio.gather(*(Customer(mall).handoff(pay_url) for _ in range(4)))
    assert all(handoff == handoffs[0] for handoff in handoffs)
    assert len(await made(mall, contract)) == 1


@BOTH
async def test_a_tab_that_was_slower_with_another_key_gets_the_payment_that_is_stored(
    mall: Market, customer: Customer, contract: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    carry = mall.pg.transport.handle_async_request
    faster: list[dict[str, Any]] = []

    async def overtaken(request: httpx.Request) -> httpx.Response:
        """While the first tab's request is under way, a second tab begins with the next key."""
        answer = await carry(request)
        if request.method == "POST" and not faster:
            faster.append({})
            await Payment.update({Payment.begin_tries: 2}, force=True)
            faster[0] = await Customer(mall).handoff(pay_url)
        return answer

    monkeypatch.setattr(mall.pg.transport, "handle_async_request", overtaken)
    assert await customer.handoff(pay_url) == faster[0]
    assert len(await made(mall, contract)) == 2
    assert (await mall.only_payment()).pg_session_id in json.dumps(faster[0])


@BOTH
async def test_while_stripe_is_down_nothing_is_charged_and_opening_again_works(
    mall: Market, customer: Customer, contract: str
) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    await stripe_fault(mall, "answer_lost_before", call="begin", times=3)
    for _ in range(3):
        page = await customer.http.get(pay_url)
        assert page.status_code == 503
        assert "결제사에 연결하지 못했어요" in page.text
        assert pay_url in page.text.replace("&amp;", "&")
    assert await mall.ledger() == []
    assert await order_of(mall) == (OrderStatus.PENDING, None)
    page = await customer.come_back(await (await customer.open(pay_url)).press("approve"))
    assert "결제가 끝났어요" in page.text


@BOTH
async def test_refused_keys_are_told_to_shopper_and_owner_until_they_are_mended(
    mall: Market, customer: Customer, contract: str
) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    await set_secret_key(mall, contract, "sk_test_rolled")
    page = await customer.http.get(pay_url)
    assert (page.status_code, "가게의 결제 설정에 문제가 있어요" in page.text) == (503, True)
    account = (await mall.only_payment()).account
    row = await ProviderAccount.objects().get(ProviderAccount.id == account)
    assert row.last_error == "invalid_request_error"

    await set_secret_key(mall, contract, CONTRACTS[contract].raw["secret_key"])
    page = await customer.come_back(await (await customer.open(pay_url)).press("approve"))

    assert "결제가 끝났어요" in page.text
    assert (await ProviderAccount.objects().get(ProviderAccount.id == account)).last_error is None


@BOTH
async def test_a_pay_page_first_opened_after_half_an_hour_begins_nothing_and_another_payment_does(
    mall: Market, customer: Customer, contract: str
) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    mall.time.go_on(minutes=30)
    page = await customer.http.get(pay_url, follow_redirects=True)
    assert page.url.path.startswith("/haru/orders/")
    assert asked(mall, contract) == []
    page = await customer.come_back(await (await customer.pay_again(page, contract)).press("approve"))
    assert "결제가 끝났어요" in page.text
    first, second = await Payment.objects().order_by(Payment.created_at)
    assert (first.status, second.status) == (PaymentStatus.EXPIRED, PaymentStatus.PAID)


# Coming back


@BOTH
@pytest.mark.parametrize("end", ["settle_pending", "fail_pending"])
async def test_a_delayed_payment_is_being_confirmed_until_the_webhook_says_how_it_ended(
    mall: Market, customer: Customer, contract: str, end: str
) -> None:
    window = await customer.go(mall.mug, contract)
    page = await customer.come_back(await window.press("approve", way="customer_balance"))
    assert "결제를 확인하고 있어요" in page.text
    await hear_all(mall)
    assert (await mall.only_payment()).status == PaymentStatus.CONFIRMING
    assert await order_of(mall) == (OrderStatus.PENDING, None)
    # Days may pass: its order holds on as long as its money may come.
    mall.time.go_on(days=2)
    await mall.work()
    assert await mall.stock_of(mall.mug) == 11

    await window.at_the_bank(end)
    await hear_all(mall)

    payment = await mall.only_payment()
    page = await customer.order_page()
    if end == "settle_pending":
        assert await order_of(mall) == (OrderStatus.PAID, payment.id)
        assert await sums(mall) == [(26_000, 0)]
    else:
        assert payment.status == PaymentStatus.FAILED
        assert (await order_of(mall))[0] in (OrderStatus.FAILED, OrderStatus.EXPIRED)
        page = await customer.come_back(await (await customer.pay_again(page, contract)).press("approve"))
    assert "결제가 끝났어요" in page.text


@BOTH
async def test_a_card_that_asks_for_3d_secure_is_paid_after_it(mall: Market, customer: Customer, contract: str) -> None:
    window = await customer.go(mall.mug, contract)
    asks = await push(window, "approve", number=ASKS)
    await hear_all(mall)
    assert (await mall.only_payment()).status == PaymentStatus.CREATED
    page = await customer.come_back((await prove(window, asks)).headers["location"])
    assert "결제가 끝났어요" in page.text
    assert await sums(mall) == [(26_000, 0)]


@BOTH
async def test_a_failed_3d_secure_takes_nothing_and_another_card_in_the_window_pays(
    mall: Market, customer: Customer, contract: str
) -> None:
    window = await customer.go(mall.mug, contract)
    await prove(window, await push(window, "approve", number=ASKS), "decline")
    await hear_all(mall)
    assert await order_of(mall) == (OrderStatus.PENDING, None)
    page = await customer.come_back(await window.press("approve"))
    assert "결제가 끝났어요" in page.text
    assert await sums(mall) == [(26_000, 0)]


@BOTH
@pytest.mark.parametrize("card", [DECLINED, NO_FUNDS])
async def test_a_declined_card_and_then_another_in_the_same_window_is_one_payment(
    mall: Market, customer: Customer, contract: str, card: str
) -> None:
    window = await customer.go(mall.mug, contract)
    await push(window, "approve", number=card)
    await hear_all(mall)
    assert await order_of(mall) == (OrderStatus.PENDING, None)
    page = await customer.come_back(await window.press("approve"))
    assert "결제가 끝났어요" in page.text
    assert (await mall.only_payment()).status == PaymentStatus.PAID
    assert await sums(mall) == [(26_000, 0)]


async def test_a_decline_in_elements_is_told_and_the_old_form_is_dead_once_it_is_paid_anew(
    mall: Market, customer: Customer
) -> None:
    window = await customer.go(mall.mug, "stripe elements")
    declined = await push(window, "approve", number=NO_FUNDS)
    page = await customer.come_back(declined.headers["location"])
    assert page.url.path == "/haru/checkout/fail"
    payment = await mall.only_payment()
    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "insufficient_funds")
    # Stripe would still take another card there.
    assert payment.closed_at is None

    again = await customer.pay_again(page, "stripe elements")
    assert (await push(window, "approve")).status_code == 409
    assert "결제가 끝났어요" in (await customer.come_back(await again.press("approve"))).text
    assert await sums(mall) == [(0, 0), (26_000, 0)]
    assert [each.closed_at is not None for each in await Payment.objects()] == [True, True]


async def test_after_a_decline_in_elements_another_card_in_the_old_form_is_believed(
    mall: Market, customer: Customer
) -> None:
    window = await customer.go(mall.mug, "stripe elements")
    page = await customer.come_back((await push(window, "approve", number=DECLINED)).headers["location"])
    assert "결제되지 않았어요" in page.text
    page = await customer.come_back(await window.press("approve"))
    assert "결제가 끝났어요" in page.text
    assert (await mall.only_payment()).status == PaymentStatus.PAID
    assert await order_of(mall) == (OrderStatus.PAID, (await mall.only_payment()).id)


async def test_leaving_stripes_page_expires_its_session(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "stripe")
    page = await customer.come_back(await window.press("cancel"))
    assert page.url.path == "/haru/checkout/cancel"
    assert "결제를 그만두셨어요" in page.text
    payment = await mall.only_payment()
    assert (payment.status, payment.failure_code) == (PaymentStatus.CANCELLED, "CANCELED_BY_SHOPPER")
    assert payment.closed_at is not None
    assert [each["status"] for each in await made(mall, "stripe")] == ["expired"]
    assert (await push(window, "approve")).status_code == 409
    await hear_all(mall)
    assert (await order_of(mall))[0] == OrderStatus.CANCELLED
    assert await sums(mall) == [(0, 0)]


async def test_leaving_after_paying_is_a_success(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "stripe")
    left = await window.press("cancel")
    await window.press("approve")
    page = await customer.come_back(left)
    assert "결제가 끝났어요" in page.text
    assert await order_of(mall) == (OrderStatus.PAID, (await mall.only_payment()).id)


async def test_leaving_while_stripe_is_down_says_nothing_that_is_later_contradicted(
    mall: Market, customer: Customer
) -> None:
    window = await customer.go(mall.mug, "stripe")
    await stripe_fault(mall, "answer_lost_before", call="close")
    page = await customer.come_back(await window.press("cancel"))
    assert "돈은 빠져나가지 않았습니다" not in page.text
    assert (await mall.only_payment()).closed_at is None
    await window.press("approve")
    await hear_all(mall)
    assert "결제가 끝났어요" in (await customer.order_page()).text


@BOTH
async def test_a_return_without_a_name_or_with_a_strangers_pays_nothing(
    mall: Market, customer: Customer, contract: str
) -> None:
    stranger = Customer(mall)
    await stranger.pay(mall.mug, contract)
    [theirs] = await Payment.objects()
    await customer.go(mall.mug, contract)
    mine = await Payment.objects().get(Payment.id != theirs.id)
    name = "session" if contract == "stripe" else "payment_intent"
    back = f"/haru/checkout/callback?payment={mine.token}"

    assert (await customer.come_back(back)).status_code == 400
    for given in (theirs.pg_session_id, theirs.pg_payment_id, "cs_test_nobody", "../../v1/refunds"):
        page = await customer.come_back(f"{back}&{name}={given}&redirect_status=succeeded")
        assert "결제가 끝났어요" not in page.text
    rows = {row.id: row.status for row in await Payment.objects()}
    assert rows == {theirs.id: PaymentStatus.PAID, mine.id: PaymentStatus.CREATED}
    assert await Order.count().where(Order.paid_by.is_not_null()) == 1


@BOTH
async def test_a_return_that_was_cut_off_does_not_lose_the_money(
    mall: Market, customer: Customer, contract: str
) -> None:
    window = await customer.go(mall.mug, contract)
    url = await window.press("approve")
    assert "결제가 끝났어요" in (await customer.come_back(url.split("&")[0])).text
    assert await sums(mall) == [(26_000, 0)]


# Ends


async def test_a_session_whose_time_is_over_cannot_be_opened_again_and_its_order_can(
    mall: Market, customer: Customer
) -> None:
    pay_url = await customer.choose(mall.mug, "stripe")
    window = await customer.open(pay_url)
    mall.time.go_on(minutes=60)
    assert (await push(window, "approve")).status_code == 409
    page = await customer.http.get(pay_url, follow_redirects=True)
    payment = await mall.only_payment()
    assert (payment.status, payment.failure_code) == (PaymentStatus.EXPIRED, "WINDOW_OVER")
    assert payment.closed_at is not None
    page = await customer.come_back(await (await customer.pay_again(page, "stripe")).press("approve"))
    assert "결제가 끝났어요" in page.text


async def test_the_webhook_of_an_expired_session_ends_its_payment(mall: Market, customer: Customer) -> None:
    await customer.go(mall.mug, "stripe")
    mall.time.go_on(minutes=60)
    await mall.ledger()
    await hear_all(mall)
    assert (await mall.only_payment()).status == PaymentStatus.EXPIRED
    assert "checkout.session.expired" in {event.kind for event in await InboxEvent.objects()}


@BOTH
async def test_what_was_left_open_is_ended_at_stripe_when_the_hold_ends(
    mall: Market, customer: Customer, contract: str
) -> None:
    window = await customer.go(mall.mug, contract)
    await Order.update({Order.expires_at: mall.time()}, force=True)
    await mall.work()
    assert (await order_of(mall))[0] == OrderStatus.EXPIRED
    assert await mall.stock_of(mall.mug) == 12
    assert [each["status"] for each in await made(mall, contract)] in (["expired"], ["canceled"])
    assert (await push(window, "approve")).status_code == 409
    assert (await mall.only_payment()).closed_at is not None


@BOTH
async def test_the_hold_does_not_end_while_stripe_cannot_be_asked_to_end_the_payment(
    mall: Market, customer: Customer, contract: str
) -> None:
    window = await customer.go(mall.mug, contract)
    await stripe_fault(mall, "answer_lost_before", call="close")
    await Order.update({Order.expires_at: mall.time()}, force=True)
    await mall.work()
    assert (await order_of(mall))[0] == OrderStatus.PENDING
    page = await customer.come_back(await window.press("approve"))
    assert "결제가 끝났어요" in page.text


@BOTH
@pytest.mark.parametrize("is_sold", [False, True])
async def test_money_for_an_order_that_has_ended_pays_it_or_goes_back(
    mall: Market, customer: Customer, contract: str, is_sold: bool
) -> None:
    window = await customer.go(mall.last, contract)
    payment = await mall.only_payment()
    # As if Stripe had said that nobody can pay it any more.
    closed = {Payment.closed_at: mall.time(), Payment.next_check_at: None}
    await Payment.update(closed).where(Payment.id == payment.id)
    await Order.update({Order.expires_at: mall.time()}, force=True)
    await mall.work()
    assert (await order_of(mall))[0] == OrderStatus.EXPIRED
    if is_sold:
        await Customer(mall).pay(mall.last, "toss")

    await window.press("approve")
    await hear_all(mall)

    order = await Order.objects().get(Order.id == payment.order)
    entry = await at_the_pg(mall, payment)
    payment = await Payment.objects().get(Payment.id == payment.id)
    if is_sold:
        [refund] = await Refund.objects()
        assert (refund.kind, refund.status) == (RefundKind.SURPLUS, RefundStatus.SUCCEEDED)
        assert (order.status, order.paid_by) == (OrderStatus.EXPIRED, None)
        assert (entry["captured"], entry["refunded"], payment.refunded_amount) == (26_000 - 5_000, 21_000, 21_000)
    else:
        assert (order.status, order.paid_by) == (OrderStatus.PAID, payment.id)
        assert (entry["captured"], entry["refunded"]) == (21_000, 0)
    assert await mall.stock_of(mall.last) == 0


# Money that goes back


@BOTH
async def test_a_refund_that_fails_later_moves_payment_and_order_back(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.pay(mall.mug, contract, number=REFUND_FAILS_LATER)
    await console(mall, "refunds/{}")
    await hear_all(mall)
    [refund] = await Refund.objects()
    assert (refund.kind, refund.status) == (RefundKind.OUTSIDE, RefundStatus.PENDING)
    assert (await mall.only_payment()).status == PaymentStatus.REFUNDED
    assert (await order_of(mall))[0] == OrderStatus.REFUNDED

    mall.time.go_on(hours=1)
    await mall.ledger()
    await hear_all(mall)

    [refund] = await Refund.objects()
    assert (refund.status, refund.failure_code) == (RefundStatus.FAILED, "lost_or_stolen_card")
    payment, order = await mall.only_payment(), await mall.only_order()
    assert (payment.status, payment.captured_amount, payment.refunded_amount) == (PaymentStatus.PAID, 26_000, 0)
    assert (order.status, order.refunded_amount) == (OrderStatus.PAID, 0)
    assert (PaymentStatus.REFUNDED, PaymentStatus.PAID) in await mall.moves("payment")
    assert (RefundStatus.PENDING, RefundStatus.FAILED) in await mall.moves("refund")
    assert "lost_or_stolen" not in (await customer.order_page()).text


@BOTH
async def test_a_refund_that_had_arrived_and_comes_back_moves_them_back_too(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.pay(mall.mug, contract)
    await console(mall, "refunds/{}", amount=6_000)
    await hear_all(mall)
    assert (await mall.only_order()).refunded_amount == 6_000
    await console(mall, "refunds/{}/fail")
    await hear_all(mall)
    [refund] = await Refund.objects()
    assert refund.status == RefundStatus.FAILED
    assert ((await order_of(mall))[0], (await mall.only_order()).refunded_amount) == (OrderStatus.PAID, 0)


@BOTH
async def test_money_of_another_amount_goes_back_and_the_order_can_be_paid(
    mall: Market, customer: Customer, contract: str
) -> None:
    window = await customer.go(mall.mug, contract)
    page = await customer.come_back(await window.press("approve", fault="amount_changed"))
    assert "결제가 끝났어요" not in page.text
    assert (await mall.only_payment()).status == PaymentStatus.MISMATCH
    await hear_all(mall)
    [refund] = await Refund.objects()
    assert (refund.kind, refund.amount, refund.status) == (RefundKind.MISMATCH, 27_000, RefundStatus.SUCCEEDED)
    assert await sums(mall) == [(27_000, 27_000)]
    assert await order_of(mall) == (OrderStatus.PENDING, None)
    page = await customer.come_back(
        await (await customer.pay_again(await customer.order_page(), contract)).press("approve")
    )
    assert "결제가 끝났어요" in page.text


@BOTH
@pytest.mark.parametrize(("verb", "status"), [("win", "won"), ("lose", "lost")])
async def test_a_dispute_is_a_row_of_its_own_and_moves_nothing_else(
    mall: Market, customer: Customer, contract: str, verb: str, status: str
) -> None:
    await customer.pay(mall.mug, contract)
    await hear_all(mall)
    before = (await mall.only_payment()).to_dict(), (await mall.only_order()).to_dict()

    await console(mall, "disputes/{}")
    await hear_all(mall)
    mall.time.go_on(days=1)
    [dispute] = await Dispute.objects()
    assert (dispute.status, dispute.is_open, dispute.amount) == ("needs_response", True, 26_000)
    assert dispute.payment == (await mall.only_payment()).id
    assert dispute.due_at is not None
    await console(mall, f"disputes/{{}}/{verb}")
    await hear_all(mall)

    [dispute] = await Dispute.objects()
    assert (dispute.status, dispute.is_open) == (status, False)
    assert await mall.moves("dispute") == [(None, "needs_response"), ("needs_response", status)]
    after = (await mall.only_payment()).to_dict(), (await mall.only_order()).to_dict()
    for row in (*before, *after):
        for watch in ("next_check_at", "checks", "lease_until", "updated_at"):
            row.pop(watch, None)
    assert before == after
    assert await Refund.count() == 0


# The other mode, and other currencies


@BOTH
async def test_a_test_payment_at_an_account_that_should_be_live_is_a_mismatch_and_goes_back(
    mall: Market, customer: Customer, contract: str
) -> None:
    window = await customer.go(mall.mug, contract)
    await ProviderAccount.update({ProviderAccount.mode: "live"}, force=True)
    page = await customer.come_back(await window.press("approve"))
    assert "결제가 끝났어요" not in page.text
    await mall.work()
    assert (await mall.only_payment()).status == PaymentStatus.MISMATCH
    assert await order_of(mall) == (OrderStatus.PENDING, None)
    assert await sums(mall) == [(26_000, 26_000)]


async def test_a_signed_webhook_of_the_other_mode_is_200_and_nothing(mall: Market, customer: Customer) -> None:
    await customer.go(mall.mug, "stripe")
    reference = (await mall.only_payment()).reference
    contract = CONTRACTS["stripe"].raw
    for is_live in (True, False):
        about = {"object": "checkout.session", "id": "cs_live_x", "client_reference_id": reference}
        event = {"id": "evt_1", "type": "checkout.session.completed", "livemode": is_live, "data": {"object": about}}
        body = json.dumps(event).encode()
        sent = int(mall.time().timestamp())
        proof = hmac.new(contract["webhook_secret"].encode(), f"{sent}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"stripe-signature": f"t={sent},v1={proof}"}
        answer = await customer.http.post(mall.hooks[contract["webhook_url"]], content=body, headers=headers)
        assert answer.status_code == 200
        assert await InboxEvent.count() == (0 if is_live else 1)


@BOTH
@pytest.mark.parametrize(
    ("currency", "price", "shown"), [("USD", 600, "6.00"), ("JPY", 600, "600"), ("EUR", 1_999, "19.99")]
)
async def test_other_currencies_are_paid_and_refunded_in_their_minor_units(
    mall: Market, customer: Customer, contract: str, currency: str, price: int, shown: str
) -> None:
    await Shop.update({Shop.currency: currency}).where(Shop.id == mall.haru.id)
    mall.haru.currency = currency
    cup = await add_product(mall.haru, "Cup", price)
    form = await customer.http.get("/haru/checkout", params={"product": str(cup.id)})
    assert shown in form.text
    # Toss takes won alone.
    assert pay_value(mall, contract) in form.text
    assert pay_value(mall, "toss") not in form.text

    page = await customer.pay(cup, contract)

    assert "결제가 끝났어요" in page.text
    assert shown in page.text
    payment = await mall.only_payment()
    entry = await at_the_pg(mall, payment)
    assert (entry["currency"], entry["captured"]) == (currency, price)
    assert (payment.currency, payment.captured_amount, await order_of(mall)) == (
        currency,
        price,
        (OrderStatus.PAID, payment.id),
    )
    await console(mall, "refunds/{}", amount=100)
    await hear_all(mall)
    assert (await mall.only_order()).refunded_amount == 100


async def test_every_webhook_of_a_purchase_is_handled_and_one_transition_is_recorded(
    mall: Market, customer: Customer
) -> None:
    await customer.pay(mall.mug, "stripe")
    await hear_all(mall)
    assert await mall.moves("payment") == [(PaymentStatus.CREATED, PaymentStatus.PAID)]
    assert await mall.moves("order") == [(OrderStatus.PENDING, OrderStatus.PAID)]
    events = await InboxEvent.objects()
    assert events
    assert [event.kind for event in events if event.handled_at is None] == []
    assert await PaymentEvent.count().where(PaymentEvent.subject == "refused") == 0
