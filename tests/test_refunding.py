"""Money on its way back: it is asked for until the PG has said what happened, and goes back once."""

import json

import httpx
import pytest
from structlog.testing import capture_logs

from app.database import write_transaction
from app.jobs.queue import enqueue
from app.orders.states import OrderStatus
from app.payments.booking import BALANCE_CHANGED
from app.payments.provider import BankAccount
from app.payments.refunding import RECEIVER, carry_out, name_receiver, seal_receiver
from app.payments.states import Cause, PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Payment, PaymentEvent, Refund
from tests import stripe_wire
from tests.mall import Customer, hear_all
from tests.sandbox_wire import KEY, authenticated, confirm
from tests.shopping import EMAIL, Market, Shopper


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


async def payment_of(refund: Refund) -> Payment:
    return await Payment.objects().get(Payment.id == refund.payment)


async def books(market: Market, refund: Refund) -> tuple[int, int]:
    """What the PG captured and refunded of the refund's payment; of the other one nothing went back."""
    payment = await payment_of(refund)
    entries = {entry["reference"]: (entry["captured"], entry["refunded"]) for entry in await market.ledger()}
    mine = entries.pop(payment.reference)
    assert list(entries.values()) == [(26_000, 0)]
    return mine


async def is_done_once(market: Market, refund: Refund) -> bool:
    row = await read(refund)
    payment = await payment_of(refund)
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
    payment = await payment_of(surplus)
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
    payment = await payment_of(surplus)
    await market.fault(kind, call="cancel", reference=payment.reference, seconds=120)
    await market.work()
    market.time.go_on(minutes=1)
    await market.work()
    assert cancels == keys
    assert await is_done_once(market, surplus)


async def test_errors_upon_errors_end_well(market: Market, surplus: Refund, cancels: list[str]) -> None:
    payment = await payment_of(surplus)
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
    payment = await payment_of(surplus)
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
    payment = await payment_of(surplus)
    await market.fault("answer_lost_after", call="cancel", reference=payment.reference)
    await market.work()
    market.time.go_on(minutes=1)
    await market.work()
    assert cancels == ["refund-1"]
    assert await books(market, surplus) == (26_000, 10_000)
    row = await payment_of(surplus)
    assert (row.status, row.refunded_amount) == (PaymentStatus.PARTIALLY_REFUNDED, 10_000)


async def test_of_a_surplus_sent_back_in_part_by_hand_the_rest_goes_back(
    market: Market, surplus: Refund, cancels: list[str]
) -> None:
    payment = await payment_of(surplus)
    await market.pg.wire.post(f"/control/refunds/{payment.reference}", json={"amount": 6_000})
    await market.work()
    row = await read(surplus)
    assert (row.status, row.amount) == (RefundStatus.SUCCEEDED, 20_000)
    assert await books(market, surplus) == (26_000, 26_000)


async def test_the_last_won_goes_back_under_a_key_of_its_own(
    market: Market, surplus: Refund, cancels: list[str]
) -> None:
    payment = await payment_of(surplus)
    await market.pg.wire.post(f"/control/refunds/{payment.reference}", json={"amount": 25_999})
    await market.work()
    row = await read(surplus)
    assert (row.status, row.amount, row.tries) == (RefundStatus.SUCCEEDED, 1, 2)
    # Another amount is another request.
    assert cancels == ["refund-2"]
    assert await books(market, surplus) == (26_000, 26_000)
    [event] = await PaymentEvent.objects().where(PaymentEvent.subject == "refused")
    said = {"why": "balance_changed", "refund": str(surplus.id), "asked": 26_000, "amount": 1}
    assert (event.cause, event.payment, json.loads(event.evidence)) == (Cause.RECONCILE, payment.id, said)


@pytest.mark.parametrize(
    "named", [{Refund.kind: RefundKind.ASKED}, {Refund.requested_by: "owner@haru.example"}], ids=["kind", "by"]
)
async def test_a_sum_that_an_owner_named_is_not_made_less(
    market: Market, surplus: Refund, cancels: list[str], named: dict
) -> None:
    await Refund.update(named).where(Refund.id == surplus.id)
    payment = await payment_of(surplus)
    await market.pg.wire.post(f"/control/refunds/{payment.reference}", json={"amount": 6_000})
    await market.work()
    row = await read(surplus)
    assert (row.status, row.failure_code, row.amount) == (RefundStatus.FAILED, BALANCE_CHANGED, 26_000)
    assert cancels == []


async def test_a_refund_that_moved_meanwhile_is_not_made_less(
    market: Market, surplus: Refund, cancels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker's answer comes between the look-up and the smaller request."""
    payment = await payment_of(surplus)
    await market.pg.wire.post(f"/control/refunds/{payment.reference}", json={"amount": 6_000})
    carry = market.pg.transport.handle_async_request

    async def overtaken(request: httpx.Request) -> httpx.Response:
        await Refund.update({Refund.status: RefundStatus.FAILED}).where(Refund.id == surplus.id)
        return await carry(request)

    monkeypatch.setattr(market.pg.transport, "handle_async_request", overtaken)
    await market.work()
    row = await read(surplus)
    assert (row.status, row.amount, row.tries) == (RefundStatus.FAILED, 26_000, 1)
    assert cancels == await market.refusals() == []
    assert [job.error for job in await market.jobs()] == ["the refund has moved meanwhile"]


async def test_what_the_row_does_not_say_of_its_payment_the_look_up_does(
    market: Market, surplus: Refund, cancels: list[str]
) -> None:
    await Payment.update({Payment.pg_payment_id: None}).where(Payment.id == surplus.payment)
    await market.work()
    assert cancels == ["refund-1"]
    assert await is_done_once(market, surplus)


@pytest.mark.parametrize(
    ("call", "kind", "reason"),
    [
        ("lookup", "answer_lost_before", "Unreachable: RemoteProtocolError"),
        ("cancel", "server_error", "the refund is not there yet"),
    ],
)
async def test_the_job_tells_what_it_waits_for(
    market: Market, surplus: Refund, call: str, kind: str, reason: str
) -> None:
    await market.fault(kind, call=call, reference=(await payment_of(surplus)).reference)
    await market.work()
    [job] = await market.jobs()
    assert (job.done_at, job.error) == (None, reason)


async def test_a_job_carries_out_its_own_refund_and_no_other(
    market: Market, surplus: Refund, cancels: list[str]
) -> None:
    over = Refund(
        payment=surplus.payment, kind=RefundKind.ASKED, amount=1_000, reason="고객 변심", status=RefundStatus.FAILED
    )
    await Refund.insert(over)
    await carry_out(market.gateways, {"refund": str(over.id)})
    assert cancels == []


async def test_the_log_says_which_refund_was_refused_and_why(market: Market, surplus: Refund) -> None:
    payment = await payment_of(surplus)
    await market.fault("error", call="cancel", code="REFUND_REJECTED", reference=payment.reference)
    with capture_logs() as logs:
        await market.work()
    [told] = [entry for entry in logs if entry["log_level"] == "error"]
    assert told == {
        "event": "refund_refused",
        "log_level": "error",
        "refund": str(surplus.id),
        "code": "REFUND_REJECTED",
    }


async def test_a_named_account_is_the_next_try_and_is_named_once(market: Market, surplus: Refund) -> None:
    wanted = {Refund.status: RefundStatus.NEEDS_ACCOUNT, Refund.tries: 3, Refund.failure_code: "INVALID_BANK"}
    await Refund.update(wanted).where(Refund.id == surplus.id)
    payment, refund = await payment_of(surplus), await read(surplus)
    receiver = BankAccount("20", "1002123456789", "김민지")

    assert await name_receiver(market.gateways, payment, refund, receiver, Cause.OWNER)
    assert not await name_receiver(market.gateways, payment, refund, BankAccount("20", "5555555555", "이"))

    row = await read(surplus)
    assert (row.status, row.tries, row.failure_code) == (RefundStatus.REQUESTED, 4, None)
    assert json.loads(market.gateways.ring.open(row.receiver, RECEIVER))["number"] == "1002123456789"
    jobs = {job.dedupe_key: job.payload_values for job in await market.jobs()}
    again = {"refund": str(surplus.id)}
    assert jobs == {f"refund:{surplus.id}": again, f"refund:{surplus.id}:4": again}
    events = await PaymentEvent.objects().where(PaymentEvent.to_status == RefundStatus.REQUESTED)
    assert [event.cause for event in events if event.from_status] == [Cause.OWNER]


async def name_account(market: Market, refund: Refund) -> None:
    sealed = seal_receiver(market.gateways, BankAccount("20", "1002123456789", "김민지"))
    await Refund.update({Refund.receiver: sealed}).where(Refund.id == refund.id)


async def wants_account(market: Market, refund: Refund) -> bool:
    """Whether the shopper has been asked, once, by the job."""
    row, order = await read(refund), await market.only_order()
    [event] = await PaymentEvent.objects().where(PaymentEvent.to_status == RefundStatus.NEEDS_ACCOUNT)
    assert (event.cause, event.order, event.payment) == (Cause.RECONCILE, order.id, refund.payment)
    mails = [job.payload_values for job in await market.jobs("mail")]
    asking = {"mail": "refund_account_wanted", "order": str(order.id), "payment": str(refund.payment)}
    return (row.status, row.receiver, mails.count(asking)) == (RefundStatus.NEEDS_ACCOUNT, None, 1)


async def test_an_account_that_the_pg_does_not_take_is_asked_for_anew(market: Market, surplus: Refund) -> None:
    await name_account(market, surplus)
    payment, code = await payment_of(surplus), "INVALID_REFUND_ACCOUNT_NUMBER"
    await market.fault("error", call="cancel", code=code, reference=payment.reference)
    await market.work()
    assert await wants_account(market, surplus)
    assert (await read(surplus)).failure_code == code


async def test_that_nobody_has_named_an_account_yet_is_no_failure(
    market: Market, surplus: Refund, cancels: list[str]
) -> None:
    await Payment.update({Payment.way: "virtual_account"}).where(Payment.id == surplus.payment)
    await market.work()
    assert await wants_account(market, surplus)
    assert ((await read(surplus)).failure_code, cancels) == (None, [])


async def test_the_refusal_of_a_refund_is_no_failure_of_its_payment(market: Market, surplus: Refund) -> None:
    payment = await payment_of(surplus)
    await market.pg.wire.post(f"/control/refunds/{payment.reference}", json={"amount": 6_000})
    await market.fault("error", call="cancel", code="REFUND_REJECTED", reference=payment.reference)
    await market.work()
    payment = await payment_of(surplus)
    assert (payment.status, payment.refunded_amount) == (PaymentStatus.PARTIALLY_REFUNDED, 6_000)
    assert ((await read(surplus)).failure_code, payment.failure_code) == ("REFUND_REJECTED", None)


async def test_an_older_failure_of_the_payment_is_no_refusal_of_its_refund(
    market: Market, surplus: Refund, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await payment_of(surplus)
    found = (await market.pg.wire.get(f"/v1/payments/orders/{payment.reference}", auth=KEY)).json()
    tried = found | {"failure": {"code": "REJECT_CARD_COMPANY", "message": ""}}
    carry = market.pg.transport.handle_async_request

    async def unmoved(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            return httpx.Response(200, json=tried, request=request)
        return await carry(request)

    with monkeypatch.context() as patched:
        patched.setattr(market.pg.transport, "handle_async_request", unmoved)
        await market.work()
    assert (await read(surplus)).status == RefundStatus.REQUESTED
    market.time.go_on(minutes=1)
    await market.work()
    assert await is_done_once(market, surplus)


async def test_the_pg_is_told_the_account_that_was_named(
    market: Market, surplus: Refund, monkeypatch: pytest.MonkeyPatch
) -> None:
    await name_account(market, surplus)
    carry, told = market.pg.transport.handle_async_request, []

    async def watched(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            told.append(json.loads(await request.aread())["refundReceiveAccount"])
        return await carry(request)

    monkeypatch.setattr(market.pg.transport, "handle_async_request", watched)
    await market.work()
    assert told == [{"bank": "20", "accountNumber": "1002123456789", "holderName": "김민지"}]
    assert await is_done_once(market, surplus)


async def test_where_a_way_has_no_way_back_the_pg_writes_to_the_orders_own_address(
    mall: Market, customer: Customer
) -> None:
    await Customer(mall).choose(mall.mug, "toss", email="somebody.else@example.com")
    window = await customer.go(mall.mug, "stripe")
    await customer.come_back(await window.press("approve", way="customer_balance"))
    await window.at_the_bank("settle_pending")
    await hear_all(mall)
    [payment] = await Payment.objects().where(Payment.captured_amount == 26_000)
    refund = Refund(payment=payment.id, kind=RefundKind.ASKED, amount=26_000, reason="고객 변심")
    async with write_transaction():
        await Refund.insert(refund)
        await enqueue("refund", {"refund": str(refund.id)}, f"refund:{refund.id}")
    await mall.work()
    answer = await mall.pg.wire.get("/stripe/v1/refunds", auth=(stripe_wire.HARU["secret_key"], ""))
    [made] = answer.json()["data"]
    assert made["next_action"]["display_details"]["email_sent"]["email_sent_to"] == EMAIL
    assert (await read(refund)).status == RefundStatus.PENDING
    assert [job.error for job in await mall.jobs()] == ["the refund is on its way"]


async def test_a_refund_done_by_hand_meanwhile_is_not_done_again(
    market: Market, surplus: Refund, cancels: list[str]
) -> None:
    payment = await payment_of(surplus)
    await market.pg.wire.post(f"/control/refunds/{payment.reference}", json={})
    for _ in range(3):
        await market.work()
        market.time.go_on(hours=7)
    assert cancels == []
    assert await books(market, surplus) == (26_000, 26_000)
    row, payment = await read(surplus), await payment_of(surplus)
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


async def test_dollars_that_were_taken_for_won_go_back_as_dollars(market: Market, shopper: Shopper) -> None:
    await shopper.approve(market.mug)
    payment = await market.only_payment()
    claim = {"paymentKey": market.pg.buyer.payment_key, "orderId": payment.reference, "amount": 26_000}
    await market.pg.wire.post("/v1/payments/confirm", json=claim, auth=KEY)
    [entry] = market.pg.app.state.book.with_reference(payment.reference)
    entry.currency = "USD"
    market.pg.app.state.book.save(entry)

    cents = 2_600_000
    await market.hear(payment, currency="USD", amount=cents, captured=cents, pg_payment_id=claim["paymentKey"])
    await market.work()

    [entry], [refund] = await market.ledger(), await Refund.objects()
    assert (entry["captured"], entry["refunded"]) == (26_000, 26_000)
    assert (refund.amount, refund.status) == (cents, RefundStatus.SUCCEEDED)
