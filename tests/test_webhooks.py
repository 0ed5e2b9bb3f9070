"""Webhooks: stored and answered at once; then the PG is asked, whatever they claimed."""

import json
from typing import Any

import httpx
import pytest

from app.jobs.tables import Job
from app.orders.states import OrderStatus
from app.payments.states import Cause, PaymentStatus
from app.payments.tables import InboxEvent, PaymentEvent, ProviderAccount
from tests.sandbox_wire import HOOK
from tests.shopping import Market, Shopper


def told(reference: str, **more: Any) -> bytes:
    """A webhook that claims that all is paid."""
    data = {"orderId": reference, "status": "DONE", "totalAmount": 1, **more}
    return json.dumps(
        {"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-11-22T14:00:00", "data": data}
    ).encode()


async def post(market: Market, body: bytes, delivery: str = "whtrans_1", url: str = "") -> httpx.Response:
    headers = {"content-type": "application/json", "tosspayments-webhook-transmission-id": delivery}
    return await market.shopper().http.post(url or market.hooks[HOOK], content=body, headers=headers)


async def cancel_by_hand(market: Market, reference: str, amount: int) -> None:
    answer = await market.pg.wire.post(f"/control/refunds/{reference}", json={"amount": amount})
    assert answer.is_success, answer.text


async def test_a_refund_made_at_the_pgs_console_is_booked(market: Market, shopper: Shopper) -> None:
    await shopper.buy(market.mug)
    reference = (await market.only_payment()).reference
    for amount, status in ((6_000, PaymentStatus.PARTIALLY_REFUNDED), (20_000, PaymentStatus.REFUNDED)):
        market.time.go_on(hours=1)
        await cancel_by_hand(market, reference, amount)
        assert await market.pg.send_due() >= 1
        await market.work()
        assert (await market.only_payment()).status == status
        assert (await market.only_order()).status == status
    order = await market.only_order()
    assert order.refunded_amount == 26_000
    page = await shopper.http.get(f"/haru/orders/{order.token}")
    assert "모두 돌려드렸어요" in page.text
    assert [text for text in ("환불 <data", "6,000원", "20,000원") if text not in page.text] == []
    causes = await PaymentEvent.select(PaymentEvent.cause).where(PaymentEvent.to_status == PaymentStatus.REFUNDED)
    assert {row["cause"] for row in causes} == {Cause.WEBHOOK}


async def test_what_a_webhook_claims_is_not_believed(market: Market, shopper: Shopper) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    payment = await market.only_payment()
    assert (await post(market, told(payment.reference, paymentKey="forged"))).status_code == 200
    await market.work()
    assert (await market.only_payment()).status == PaymentStatus.CREATED
    assert (await market.only_order()).status == OrderStatus.PENDING
    [event] = await InboxEvent.objects()
    assert (event.handled_at is not None, event.error) == (True, None)
    assert market.confirms == []


async def test_a_lost_answer_is_found_by_the_webhook_alone(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    await market.fault("answer_lost_after", reference=(await market.only_payment()).reference)
    await shopper.http.get(url)
    assert (await market.only_payment()).status == PaymentStatus.CONFIRMING
    await market.pg.send_due()
    await market.work()
    assert (await market.only_order()).status == OrderStatus.PAID


async def test_sent_again_it_is_the_same_event(market: Market, shopper: Shopper) -> None:
    await shopper.buy(market.mug)
    reference = (await market.only_payment()).reference
    await cancel_by_hand(market, reference, 1_000)
    for _ in range(3):
        assert (await post(market, told(reference))).status_code == 200
        await market.work()
    assert await InboxEvent.count() == 1
    moves = await market.moves("payment")
    assert moves.count((PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED)) == 1
    assert len(moves) == 3


async def test_an_event_that_was_not_handled_yet_is_handled_later(market: Market, shopper: Shopper) -> None:
    await shopper.buy(market.mug)
    reference = (await market.only_payment()).reference
    await cancel_by_hand(market, reference, 1_000)
    await market.fault("server_error", percent=100, call="lookup")
    await post(market, told(reference))
    await market.work()
    [event] = await InboxEvent.objects()
    assert event.handled_at is None
    await market.pg.wire.delete("/control/faults")
    market.time.go_on(minutes=10)
    await market.work()
    assert (await market.only_payment()).refunded_amount == 1_000


async def test_one_for_a_payment_not_known_yet_waits_and_is_then_an_orphan(market: Market) -> None:
    await post(market, told("01M80XFXB0FSQV6T9SMYY4ZWNG"))
    await market.work()
    [event] = await InboxEvent.objects()
    assert event.handled_at is None
    for _ in range(20):
        market.time.go_on(minutes=1)
        await market.work()
    [event] = await InboxEvent.objects()
    assert (event.handled_at is not None, event.error) == (True, "ORPHAN")
    assert await Job.count().where(Job.done_at.is_null()) == 0


async def test_one_at_another_shops_address_finds_nothing(market: Market, shopper: Shopper) -> None:
    await shopper.buy(market.mug)
    reference = (await market.only_payment()).reference
    await cancel_by_hand(market, reference, 1_000)
    await post(market, told(reference), url=market.hooks["http://shop.test/webhooks/toss/namu"])
    for _ in range(20):
        market.time.go_on(minutes=1)
        await market.work()
    assert (await market.only_payment()).refunded_amount == 0
    assert [event.error for event in await InboxEvent.objects()] == ["ORPHAN"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"nonsense", b"\xff\xfe\x00", b'"text"', b'{"eventType": "PAYMENT_STATUS_CHANGED"}', b"null"],
)
async def test_what_is_no_webhook_is_400_and_leaves_nothing(market: Market, body: bytes) -> None:
    assert (await post(market, body)).status_code == 400
    assert await InboxEvent.count() == await Job.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        {"eventType": "METHOD_UPDATED", "data": {"customerKey": "x"}},
        {"eventType": "BILLING_DELETED", "data": {"billingKey": "x", "reason": "y"}},
        {"eventType": "EVENT_OF_TOMORROW", "data": {}},
        {"eventType": "PAYMENT_STATUS_CHANGED", "data": {"orderId": 7}},
    ],
)
async def test_what_is_not_about_a_payment_is_200_and_nothing(market: Market, body: dict[str, Any]) -> None:
    assert (await post(market, json.dumps(body).encode())).status_code == 200
    assert await InboxEvent.count() == 0


async def test_five_megabytes_are_refused(market: Market) -> None:
    assert (await post(market, b'{"a": "' + b"x" * 5_000_000 + b'"}')).status_code == 413


@pytest.mark.parametrize(
    "url", ["/webhooks/toss/nobody", "/webhooks/nobody/{id}", "/webhooks/toss/{other}", "/webhooks/toss"]
)
async def test_an_address_that_is_none_is_404(market: Market, url: str) -> None:
    account = await ProviderAccount.objects().first()
    path = url.format(id=account.id, other=market.haru.id)
    assert (await post(market, told("x"), url=path)).status_code == 404


async def test_an_account_that_is_switched_off_still_hears(market: Market, shopper: Shopper) -> None:
    await shopper.buy(market.mug)
    await ProviderAccount.update({ProviderAccount.is_enabled: False}, force=True)
    await cancel_by_hand(market, (await market.only_payment()).reference, 26_000)
    await market.pg.send_due()
    await market.work()
    assert (await market.only_payment()).status == PaymentStatus.REFUNDED


async def test_a_nul_in_a_body_is_no_reason_to_fail(market: Market) -> None:
    assert (await post(market, told("01M80XFXB0FSQV6T9SMYY4ZWNG", note="a\x00b"))).status_code == 200
    assert await InboxEvent.count() == 1
