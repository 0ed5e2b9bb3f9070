"""Money on its way back: it is asked for until the PG has said what happened, and goes back once."""

import httpx
import pytest

from app.orders.states import OrderStatus
from app.payments.refunding import carry_out
from app.payments.states import PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Payment, PaymentEvent, Refund
from tests.sandbox_wire import KEY, authenticated, confirm
from tests.shopping import Market, Shopper


@pytest.fixture
async def surplus(market: Market, shopper: Shopper) -> Refund:
    """A refund that is to be done: the PG captured a second payment of a paid order."""
    await shopper.buy(market.mug)
    paid = await market.only_payment()
    order = await market.only_order()
    second = Payment(order=order.id, account=paid.account, provider="toss", way="card", amount=26_000, currency="KRW")
    await Payment.insert(second)
    claim = await authenticated(market.pg.wire, reference=second.reference, amount=26_000)
    assert (await confirm(market.pg.wire, claim)).status_code == 200
    assert await market.hear(second, pg_payment_id=claim["paymentKey"])
    [refund] = await Refund.objects()
    assert (refund.kind, refund.status) == (RefundKind.SURPLUS, RefundStatus.REQUESTED)
    return refund


@pytest.fixture
def cancels(market: Market, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The idempotency keys that refunds were asked for with, without their reference."""
    sent: list[str] = []
    carry = market.pg.transport.handle_async_request

    async def watched(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            sent.append(request.headers["idempotency-key"].partition("-")[2])
        return await carry(request)

    monkeypatch.setattr(market.pg.transport, "handle_async_request", watched)
    return sent


async def read(refund: Refund) -> Refund:
    return await Refund.objects().get(Refund.id == refund.id)


async def books(market: Market, refund: Refund) -> tuple[int, int]:
    """What the PG captured and refunded of the refund's payment; of the other one nothing went back."""
    payment = await Payment.objects().get(Payment.id == refund.payment)
    entries = {entry["reference"]: (entry["captured"], entry["refunded"]) for entry in await market.ledger()}
    mine = entries.pop(payment.reference)
    assert list(entries.values()) == [(26_000, 0)]
    return mine


async def is_done_once(market: Market, refund: Refund) -> bool:
    row = await read(refund)
    payment = await Payment.objects().get(Payment.id == refund.payment)
    order = await market.only_order()
    assert row.status == RefundStatus.SUCCEEDED
    assert row.pg_refund_id
    assert (payment.status, payment.refunded_amount) == (PaymentStatus.REFUNDED, 26_000)
    assert (order.status, order.refunded_amount) == (OrderStatus.PAID, 0)
    assert [job.done_at is not None for job in await market.jobs()] == [True]
    return await books(market, refund) == (26_000, 26_000)


async def test_the_worker_sends_the_money_back(market: Market, surplus: Refund, cancels: list[str]) -> None:
    await market.work()
    assert cancels == ["refund-1"]
    assert await is_done_once(market, surplus)


async def test_it_is_found_again_by_the_reference_at_the_end_of_its_reason(market: Market, surplus: Refund) -> None:
    await market.work()
    payment = await Payment.objects().get(Payment.id == surplus.payment)
    answer = await market.pg.wire.get(f"/v1/payments/orders/{payment.reference}", auth=KEY)
    [cancel] = answer.json()["cancels"]
    assert cancel["cancelReason"] == f"중복 결제 자동 환불 {surplus.reference}"
    assert (await read(surplus)).pg_refund_id == cancel["transactionKey"]


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        # Done in spite of silence: found, not asked for again.
        ("answer_lost_after", ["refund-1"]),
        ("slow", ["refund-1"]),
        # Nothing was heard: the same key.
        ("answer_lost_before", ["refund-1", "refund-1"]),
        # The error is stored under the key: a new one, after a look.
        ("server_error", ["refund-1", "refund-2"]),
        ("server_error_after", ["refund-1"]),
    ],
)
async def test_no_answer_is_asked_about_until_it_is_known(
    market: Market, surplus: Refund, cancels: list[str], kind: str, keys: list[str]
) -> None:
    payment = await Payment.objects().get(Payment.id == surplus.payment)
    await market.fault(kind, call="cancel", reference=payment.reference, seconds=120)
    await market.work()
    market.time.go_on(minutes=1)
    await market.work()
    assert cancels == keys
    assert await is_done_once(market, surplus)


async def test_errors_upon_errors_end_well(market: Market, surplus: Refund, cancels: list[str]) -> None:
    payment = await Payment.objects().get(Payment.id == surplus.payment)
    for kind in ("server_error", "answer_lost_before", "server_error", "answer_lost_after"):
        await market.fault(kind, call="cancel", reference=payment.reference)
    for _ in range(6):
        market.time.go_on(hours=7)
        await market.work()
    assert cancels == ["refund-1", "refund-2", "refund-2", "refund-3"]
    assert await is_done_once(market, surplus)


@pytest.mark.parametrize("code", ["NOT_CANCELABLE_PAYMENT", "EXCEED_MAX_REFUND_DUE", "REFUND_REJECTED"])
async def test_a_refund_that_the_pg_refuses_has_failed_and_is_not_asked_for_again(
    market: Market, surplus: Refund, cancels: list[str], code: str
) -> None:
    payment = await Payment.objects().get(Payment.id == surplus.payment)
    await market.fault("error", call="cancel", code=code, reference=payment.reference)
    for _ in range(3):
        await market.work()
        market.time.go_on(hours=7)
    row = await read(surplus)
    assert (row.status, row.failure_code) == (RefundStatus.FAILED, code)
    assert cancels == ["refund-1"]
    assert await books(market, surplus) == (26_000, 0)
    [event] = await PaymentEvent.objects().where(PaymentEvent.to_status == RefundStatus.FAILED)
    assert (event.subject, event.from_status) == ("refund", RefundStatus.REQUESTED)


async def test_too_many_requests_is_not_a_refusal(
    market: Market, surplus: Refund, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry = market.pg.transport.handle_async_request

    async def busy(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            return httpx.Response(429, json={"code": "TOO_MANY_REQUESTS", "message": ""}, request=request)
        return await carry(request)

    with monkeypatch.context() as patched:
        patched.setattr(market.pg.transport, "handle_async_request", busy)
        await market.work()
    assert (await read(surplus)).status == RefundStatus.REQUESTED
    market.time.go_on(minutes=1)
    await market.work()
    assert await is_done_once(market, surplus)


async def test_done_twice_it_goes_back_once(market: Market, surplus: Refund, cancels: list[str]) -> None:
    payload = {"refund": str(surplus.id)}
    await market.work()
    await carry_out(market.gateways, payload)
    await Refund.update({Refund.status: RefundStatus.REQUESTED}).where(Refund.id == surplus.id)
    await carry_out(market.gateways, payload)
    assert cancels == ["refund-1"]
    assert await is_done_once(market, surplus)


async def test_a_refund_that_has_failed_is_not_asked_for_again(
    market: Market, surplus: Refund, cancels: list[str]
) -> None:
    await Refund.update({Refund.status: RefundStatus.FAILED}).where(Refund.id == surplus.id)
    await market.work()
    assert cancels == []


async def test_a_part_whose_answer_was_lost_is_found_and_not_asked_for_again(
    market: Market, surplus: Refund, cancels: list[str]
) -> None:
    await Refund.update({Refund.amount: 10_000}).where(Refund.id == surplus.id)
    payment = await Payment.objects().get(Payment.id == surplus.payment)
    await market.fault("answer_lost_after", call="cancel", reference=payment.reference)
    await market.work()
    market.time.go_on(minutes=1)
    await market.work()
    assert cancels == ["refund-1"]
    assert await books(market, surplus) == (26_000, 10_000)
    row = await Payment.objects().get(Payment.id == surplus.payment)
    assert (row.status, row.refunded_amount) == (PaymentStatus.PARTIALLY_REFUNDED, 10_000)


async def test_of_a_surplus_sent_back_in_part_by_hand_the_rest_goes_back(
    market: Market, surplus: Refund, cancels: list[str]
) -> None:
    payment = await Payment.objects().get(Payment.id == surplus.payment)
    await market.pg.wire.post(f"/control/refunds/{payment.reference}", json={"amount": 6_000})
    await market.work()
    row = await read(surplus)
    assert (row.status, row.amount) == (RefundStatus.SUCCEEDED, 20_000)
    assert await books(market, surplus) == (26_000, 26_000)


async def test_a_refund_done_by_hand_meanwhile_is_not_done_again(
    market: Market, surplus: Refund, cancels: list[str]
) -> None:
    payment = await Payment.objects().get(Payment.id == surplus.payment)
    await market.pg.wire.post(f"/control/refunds/{payment.reference}", json={})
    for _ in range(3):
        await market.work()
        market.time.go_on(hours=7)
    assert cancels == []
    assert await books(market, surplus) == (26_000, 26_000)
    row, payment = await read(surplus), await Payment.objects().get(Payment.id == surplus.payment)
    assert (row.status, row.failure_code) == (RefundStatus.FAILED, "GONE_ALREADY")
    assert (payment.status, payment.refunded_amount) == (PaymentStatus.REFUNDED, 26_000)


async def test_money_of_another_currency_goes_back_in_its_own(market: Market, shopper: Shopper) -> None:
    """The PG captured won where the row says dollars: what goes back is won."""
    await shopper.approve(market.mug)
    payment = await market.only_payment()
    claim = {"paymentKey": market.pg.buyer.payment_key, "orderId": payment.reference, "amount": 26_000}
    await market.pg.wire.post("/v1/payments/confirm", json=claim, auth=KEY)
    await Payment.update({Payment.currency: "USD"}).where(Payment.id == payment.id)
    payment = await market.only_payment()

    await market.hear(payment, currency="KRW", pg_payment_id=market.pg.buyer.payment_key)
    await market.work()

    [entry], [refund] = await market.ledger(), await Refund.objects()
    assert (entry["captured"], entry["refunded"]) == (26_000, 26_000)
    assert refund.status == RefundStatus.SUCCEEDED
