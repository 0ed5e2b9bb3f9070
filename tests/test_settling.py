"""settle(): whatever the PG answers, money is on a paid order or on its way back, and everything happens once."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from app.database import write_transaction
from app.jobs.tables import Job
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments import following, settling, watching
from app.payments.accounts import attempt_of
from app.payments.alerts import raise_alert
from app.payments.provider import Deposit, DisputeSeen, Outcome, OutcomeStatus, RefundSeen
from app.payments.settling import settle
from app.payments.states import AlertKind, Cause, PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Alert, Dispute, Payment, PaymentEvent, ProviderAccount, Refund
from tests.sandbox_wire import KEY
from tests.shopping import Market, Shopper


@pytest.fixture
async def payment(market: Market, shopper: Shopper) -> Payment:
    """Of one mug, untouched."""
    await shopper.order(market.mug)
    return await market.only_payment()


async def read(payment: Payment) -> Payment:
    return await Payment.objects().get(Payment.id == payment.id)


async def order_of(payment: Payment) -> Order:
    return await Order.objects().get(Order.id == payment.order)


async def everything(market: Market) -> list[Any]:
    """All rows that settling may write."""
    rows: list[Any] = []
    for table in (Order, Payment, PaymentEvent, Refund, Job):
        rows += [row for row in await table.select().order_by(table.id)]
    return [*rows, await market.stock_of(market.mug), await market.stock_of(market.last)]


async def twin_of(payment: Payment) -> Payment:
    """Another payment of the same order."""
    twin = Payment(
        order=payment.order, account=payment.account, provider="toss", way="card", amount=26_000, currency="KRW"
    )
    await Payment.insert(twin)
    return twin


async def is_told_to_the_owner(kind: AlertKind, payment: Payment) -> dict[str, Any]:
    """The evidence of the one matter that there is."""
    [alert], order = await Alert.objects(), await order_of(payment)
    assert (alert.kind, alert.alert_key) == (kind, f"{kind}:{payment.id}")
    assert (alert.shop, alert.order, alert.payment) == (order.shop, order.id, payment.id)
    return json.loads(alert.evidence)


async def captured_at_the_pg(market: Market, shopper: Shopper) -> Payment:
    """A payment that the PG has captured while the shop heard nothing of it."""
    await shopper.approve(market.mug)
    [payment] = await Payment.objects().where(Payment.status == PaymentStatus.CREATED)
    claim = {"paymentKey": market.pg.buyer.payment_key, "orderId": payment.reference, "amount": payment.amount}
    answer = await market.pg.wire.post("/v1/payments/confirm", json=claim, auth=KEY)
    assert answer.status_code == 200
    return payment


async def look_and_settle(market: Market, payment: Payment) -> bool:
    payment = await read(payment)
    row = await ProviderAccount.objects().get(ProviderAccount.id == payment.account)
    account = market.gateways.open(row)
    outcome = await market.gateways.provider(account).conclude(attempt_of(payment), None)
    return await settle(payment, outcome, account, Cause.RECONCILE)


# Identity first


@pytest.mark.parametrize("lie", [{"reference": "00000000000000000000000000"}, {"merchant": "namu01"}])
async def test_a_strangers_payment_moves_nothing_and_is_not_cancelled(
    market: Market, payment: Payment, lie: dict[str, str]
) -> None:
    assert not await market.hear(payment, **lie)
    assert (await read(payment)).status == PaymentStatus.CREATED
    assert (await order_of(payment)).status == OrderStatus.PENDING
    assert await market.refusals() == ["foreign"]
    assert await Refund.count() == len(await market.jobs()) == 0


async def test_after_a_strangers_answer_the_next_look_is_rarer(market: Market, payment: Payment) -> None:
    await market.hear(payment, merchant="namu01")
    row = await read(payment)
    assert (row.checks, row.next_check_at) == (1, watching.next_look(1, market.time()))
    [event] = await PaymentEvent.objects().where(PaymentEvent.subject == "refused")
    evidence = json.loads(event.evidence)
    assert (event.cause, event.payment, evidence["merchant"]) == (Cause.RECONCILE, payment.id, "namu01")


async def test_a_merchant_that_we_do_not_know_by_name_is_not_compared(market: Market, payment: Payment) -> None:
    await ProviderAccount.update({ProviderAccount.merchant: ""}, force=True)
    assert await market.hear(payment, merchant="whoever")
    assert (await order_of(payment)).status == OrderStatus.PAID


async def test_live_money_of_a_live_account_is_ours(market: Market, payment: Payment) -> None:
    await ProviderAccount.update({ProviderAccount.mode: "live"}, force=True)
    assert await market.hear(payment, live=True)
    assert (await order_of(payment)).status == OrderStatus.PAID


WRONG_MONEY = [
    {"amount": 25_999, "captured": 25_999},
    {"amount": 52_000, "captured": 52_000},
    {"currency": "USD"},
    {"live": True},
    {"captured": 25_999},
    {"captured": 26_001},
]


@pytest.mark.parametrize("wrong", WRONG_MONEY, ids=str)
async def test_wrong_money_is_set_aside_and_sent_back(market: Market, payment: Payment, wrong: dict) -> None:
    assert await market.hear(payment, **wrong)

    row, order = await read(payment), await order_of(payment)
    taken = wrong.get("captured", 26_000)
    assert (row.status, row.captured_amount) == (PaymentStatus.MISMATCH, taken)
    assert (order.status, order.paid_by, order.refunded_amount) == (OrderStatus.PENDING, None, 0)
    [refund], [job] = await Refund.objects(), await market.jobs()
    assert (refund.kind, refund.amount, refund.status) == (RefundKind.MISMATCH, taken, RefundStatus.REQUESTED)
    assert (job.kind, job.payload_values) == ("refund", {"refund": str(refund.id)})
    assert await market.stock_of(market.mug) == 11


@pytest.mark.parametrize("wrong", WRONG_MONEY, ids=str)
async def test_wrong_money_heard_again_is_sent_back_once(market: Market, payment: Payment, wrong: dict) -> None:
    await market.hear(payment, **wrong)
    assert not await market.hear(payment, **wrong)
    assert not await market.hear(await read(payment), **wrong)
    assert await Refund.count() == len(await market.jobs()) == 1


async def test_the_owner_is_told_of_wrong_money_and_of_what_was_asked(market: Market, payment: Payment) -> None:
    await market.hear(payment, amount=9, captured=9)
    evidence = await is_told_to_the_owner(AlertKind.MISMATCH, payment)
    assert (evidence["asked"], evidence["captured"]) == (26_000, 9)
    events = PaymentEvent.objects().where(PaymentEvent.to_status == PaymentStatus.MISMATCH)
    assert [event.cause for event in await events] == [Cause.RECONCILE]


async def test_wrong_money_that_has_gone_back_already_is_not_sent_back(market: Market, payment: Payment) -> None:
    assert await market.hear(payment, amount=9, captured=9, refunded=9)
    assert (await read(payment)).status == PaymentStatus.MISMATCH
    assert await Refund.count() == len(await market.jobs()) == await Alert.count() == 0


async def test_wrong_money_that_goes_back_in_parts_is_sent_back_once(market: Market, payment: Payment) -> None:
    await market.hear(payment, amount=9, captured=9)
    assert await market.hear(await read(payment), amount=9, captured=9, refunded=4)
    row = await read(payment)
    assert (row.status, row.captured_amount, row.refunded_amount) == (PaymentStatus.MISMATCH, 9, 4)
    assert await Refund.count() == len(await market.jobs()) == await Alert.count() == 1


async def test_wrong_money_that_may_still_move_is_looked_at_ever_more_rarely(market: Market, payment: Payment) -> None:
    for looks in range(3):
        await market.hear(await read(payment), amount=9, captured=9, closed=False)
        row = await read(payment)
        assert (row.checks, row.next_check_at) == (looks, watching.next_look(looks, market.time()))


async def test_wrong_money_is_believed_of_a_payment_that_was_given_up(market: Market, payment: Payment) -> None:
    await market.hear(payment, status=OutcomeStatus.CANCELLED)
    assert await market.hear(payment, amount=9, captured=9)
    assert (await read(payment)).status == PaymentStatus.MISMATCH


async def test_an_account_of_another_amount_is_set_aside_before_anybody_pays_into_it(
    market: Market, payment: Payment
) -> None:
    assert await market.hear(payment, status=OutcomeStatus.AWAITING_DEPOSIT, amount=9, closed=False)
    assert (await read(payment)).status == PaymentStatus.MISMATCH
    assert (await order_of(payment)).status == OrderStatus.PENDING
    assert await Refund.count() == await Alert.count() == 0


@pytest.mark.parametrize("status", [OutcomeStatus.OPEN, OutcomeStatus.AUTHORIZED])
async def test_a_wrong_amount_without_money_is_an_event_only(
    market: Market, payment: Payment, status: OutcomeStatus
) -> None:
    assert not await market.hear(payment, status=status, amount=1, closed=False)
    assert (await read(payment)).status == PaymentStatus.CREATED
    assert await market.refusals() == ["mismatch"]
    assert await Refund.count() == len(await market.jobs()) == 0


async def test_a_wrong_amount_that_ended_without_money_ends_like_any_other(market: Market, payment: Payment) -> None:
    assert await market.hear(payment, status=OutcomeStatus.FAILED, amount=1)
    assert (await read(payment)).status == PaymentStatus.FAILED
    assert await market.refusals() == ["mismatch"]
    assert await Refund.count() == 0


async def test_a_paid_answer_without_money_pays_nothing(market: Market, payment: Payment) -> None:
    assert not await market.hear(payment, captured=0, closed=False)
    row = await read(payment)
    assert (row.status, row.captured_amount, row.closed_at) == (PaymentStatus.CREATED, 0, None)
    assert (await order_of(payment)).status == OrderStatus.PENDING
    assert await market.refusals() == ["mismatch"]


async def test_an_amount_changed_in_the_browser_goes_back_in_full(market: Market, shopper: Shopper) -> None:
    """As if the PG had captured it in spite of our gate."""
    handoff = await shopper.handoff(await shopper.order(market.mug))
    handoff["request"]["amount"]["value"] = 100
    key = await market.pg.buyer.open(handoff)
    await market.pg.buyer.approve()
    payment = await market.only_payment()
    claim = {"paymentKey": key, "orderId": payment.reference, "amount": 100}
    await market.pg.wire.post("/v1/payments/confirm", json=claim, auth=KEY)

    assert await look_and_settle(market, payment)
    await market.work()

    [booked], [refund] = await market.ledger(), await Refund.objects()
    assert (booked["captured"], booked["refunded"]) == (100, 100)
    assert (refund.amount, refund.status) == (100, RefundStatus.SUCCEEDED)
    row, order = await read(payment), await order_of(payment)
    assert (row.status, row.captured_amount, row.refunded_amount) == (PaymentStatus.MISMATCH, 100, 100)
    assert (order.status, order.paid_by) == (OrderStatus.PENDING, None)


# Surplus


async def test_money_beside_another_payment_goes_back_and_the_order_stays(market: Market, shopper: Shopper) -> None:
    first = await captured_at_the_pg(market, shopper)
    page = await shopper.http.get(f"/haru/orders/{(await market.only_order()).token}")
    given_up = {Payment.status: PaymentStatus.CANCELLED, Payment.closed_at: market.time()}
    await Payment.update(given_up).where(Payment.id == first.id)
    market.time.go_on(seconds=5)
    await shopper.open_window((await shopper.press(page)).headers["location"])
    await shopper.come_back(await market.pg.buyer.approve())
    paid = await market.only_order()

    assert await look_and_settle(market, first)
    [refund], [job] = await Refund.objects(), await market.jobs()
    assert (refund.kind, refund.amount, refund.payment) == (RefundKind.SURPLUS, 26_000, first.id)
    assert job.payload_values == {"refund": str(refund.id)}
    await market.work()

    order = await market.only_order()
    assert (order.status, order.paid_by, order.refunded_amount) == (OrderStatus.PAID, paid.paid_by, 0)
    assert order.paid_by != first.id
    row = await read(first)
    assert (row.status, row.captured_amount, row.refunded_amount) == (PaymentStatus.REFUNDED, 26_000, 26_000)
    books = {booked["reference"]: (booked["captured"], booked["refunded"]) for booked in await market.ledger()}
    assert books.pop(first.reference) == (26_000, 26_000)
    assert list(books.values()) == [(26_000, 0)]
    assert (await Refund.objects())[0].status == RefundStatus.SUCCEEDED
    assert "결제가 끝났어요" in (await shopper.http.get(f"/haru/orders/{order.token}")).text


async def test_money_for_an_expired_order_whose_goods_are_gone_goes_back(market: Market, shopper: Shopper) -> None:
    await shopper.order(market.last)
    payment = await market.only_payment()
    market.time.go_on(minutes=61)
    await market.work()
    await market.shopper().buy(market.last)

    assert await market.hear(payment)

    order, [refund] = await order_of(payment), await Refund.objects()
    assert (order.status, order.paid_by, order.holds_stock) == (OrderStatus.EXPIRED, None, False)
    assert (refund.kind, refund.payment, refund.amount) == (RefundKind.SURPLUS, payment.id, 21_000)
    assert len(await market.jobs()) == 1
    assert (await read(payment)).status == PaymentStatus.PAID
    assert await market.stock_of(market.last) == 0


async def test_a_surplus_that_the_pg_has_sent_back_already_is_not_sent_again(market: Market, shopper: Shopper) -> None:
    await shopper.order(market.last)
    payment = await market.only_payment()
    market.time.go_on(minutes=61)
    await market.work()
    await market.shopper().buy(market.last)
    assert await market.hear(payment, refunded=21_000)
    assert await Refund.count() == len(await market.jobs()) == 0
    assert (await read(payment)).status == PaymentStatus.REFUNDED


# A late success is believed


@pytest.mark.parametrize("end", [PaymentStatus.FAILED, PaymentStatus.CANCELLED])
async def test_a_late_success_pays_an_order_that_had_failed(
    market: Market, payment: Payment, end: PaymentStatus
) -> None:
    assert await market.hear(payment, status=OutcomeStatus(end))
    assert (await order_of(payment)).status == end
    assert await market.stock_of(market.mug) == 11

    assert await market.hear(await read(payment))

    order = await order_of(payment)
    assert (order.status, order.paid_by) == (OrderStatus.PAID, payment.id)
    assert await market.stock_of(market.mug) == 11
    assert await Refund.count() == 0


async def test_a_late_success_takes_the_stock_of_an_expired_order_again(market: Market, payment: Payment) -> None:
    market.time.go_on(minutes=61)
    await market.work()
    assert await market.stock_of(market.mug) == 12
    assert await market.hear(payment)
    order = await order_of(payment)
    assert (order.status, order.holds_stock) == (OrderStatus.PAID, True)
    assert await market.stock_of(market.mug) == 11


async def test_an_older_failure_after_the_success_moves_nothing(market: Market, payment: Payment) -> None:
    await market.hear(payment)
    for status in (OutcomeStatus.FAILED, OutcomeStatus.EXPIRED, OutcomeStatus.CANCELLED, OutcomeStatus.OPEN):
        assert not await market.hear(payment, status=status)
        assert not await market.hear(await read(payment), status=status)
    assert (await read(payment)).status == PaymentStatus.PAID
    assert (await order_of(payment)).status == OrderStatus.PAID


# Once


@pytest.mark.parametrize("expired", [False, True])
async def test_eight_at_once_are_one_transition(market: Market, payment: Payment, expired: bool) -> None:
    if expired:
        market.time.go_on(minutes=61)
        await market.work()
    before = OrderStatus.EXPIRED if expired else OrderStatus.PENDING

    moved = await asyncio.gather(*(market.hear(payment) for _ in range(8)))

    assert sorted(moved) == [False] * 7 + [True]
    assert (await market.moves("order")).count((before, OrderStatus.PAID)) == 1
    assert (await market.moves("payment")).count((PaymentStatus.CREATED, PaymentStatus.PAID)) == 1
    assert await market.stock_of(market.mug) == 11


async def test_two_payments_of_one_order_captured_at_once_are_one_sale_and_one_refund(
    market: Market, payment: Payment
) -> None:
    twin = await twin_of(payment)

    moved = await asyncio.gather(*(market.hear(each) for each in (payment, twin, payment, twin)))

    assert sorted(moved) == [False, False, True, True]
    order, [refund] = await order_of(payment), await Refund.objects()
    assert {order.paid_by, refund.payment} == {payment.id, twin.id}
    assert len(await market.jobs()) == 1


async def test_settling_again_writes_nothing_at_all(market: Market, payment: Payment) -> None:
    await market.hear(payment)
    before = await everything(market)
    assert not await market.hear(payment)
    assert not await market.hear(await read(payment))
    assert await everything(market) == before


@pytest.mark.parametrize("broken", ["record", "enqueue", "move_order"])
async def test_a_failure_inside_leaves_nothing_changed(
    market: Market, payment: Payment, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    twin = await twin_of(payment)
    if broken == "enqueue":
        await market.hear(twin)
    before = await everything(market)

    async def fail(*_: object) -> None:
        raise LookupError

    with monkeypatch.context() as patched:
        patched.setattr(settling if broken == "record" else following, broken, fail)
        with pytest.raises(LookupError):
            await market.hear(payment)

    assert await everything(market) == before
    assert await market.hear(payment)


# Refunds outside of the shop


async def test_refunds_at_the_pgs_console_are_taken_over_by_arithmetic(market: Market, shopper: Shopper) -> None:
    await shopper.buy(market.mug)
    payment = await market.only_payment()
    steps = [
        (10_000, 10_000, PaymentStatus.PARTIALLY_REFUNDED),
        (6_000, 16_000, PaymentStatus.PARTIALLY_REFUNDED),
        (None, 26_000, PaymentStatus.REFUNDED),
    ]
    for amount, sum_, status in steps:
        body = {} if amount is None else {"amount": amount}
        await market.pg.wire.post(f"/control/refunds/{payment.reference}", json=body)
        assert await look_and_settle(market, payment)
        assert not await look_and_settle(market, payment)

        row, order = await read(payment), await market.only_order()
        assert (row.status, row.captured_amount, row.refunded_amount) == (status, 26_000, sum_)
        assert (order.status, order.refunded_amount, order.paid_by) == (status, sum_, payment.id)
        page = await shopper.http.get(f"/haru/orders/{order.token}")
        assert f"−{sum_:,}원" in page.text
        assert f"{26_000 - sum_:,}원" in page.text
    rows = [(refund.kind, refund.status, refund.amount) for refund in await Refund.objects().order_by(Refund.amount)]
    outside = (RefundKind.OUTSIDE, RefundStatus.SUCCEEDED)
    assert rows == [(*outside, 6_000), (*outside, 10_000), (*outside, 10_000)]
    assert await market.jobs() == []


async def test_a_refund_or_a_dispute_is_booked_whatever_else_the_pg_says(market: Market, payment: Payment) -> None:
    undecided = {"status": OutcomeStatus.AUTHORIZED, "closed": False}
    by_hand = RefundSeen("cancel-1", None, 1_000, "succeeded")
    assert not await market.hear(payment, **undecided, refunds=(by_hand,))
    assert [refund.pg_refund_id for refund in await Refund.objects()] == ["cancel-1"]
    dispute = DisputeSeen("dispute-1", "needs_response", True, 1_000, "fraudulent", None)
    assert not await market.hear(payment, **undecided, disputes=(dispute,))
    assert await Dispute.count() == 1


async def test_an_answer_from_before_a_refund_moves_nothing(market: Market, payment: Payment) -> None:
    await market.hear(payment)
    before = await read(payment)
    await market.hear(before, refunded=10_000)
    assert not await market.hear(before, refunded=0)
    assert not await market.hear(before, refunded=5_000)
    row = await read(payment)
    assert (row.status, row.refunded_amount) == (PaymentStatus.PARTIALLY_REFUNDED, 10_000)
    assert (await order_of(payment)).refunded_amount == 10_000


@pytest.mark.parametrize("late", [{}, {"status": OutcomeStatus.FAILED}], ids=str)
async def test_of_two_answers_that_crossed_only_the_pg_can_say_which_is_the_later(
    market: Market, payment: Payment, late: dict
) -> None:
    await twin_of(payment)
    await market.hear(payment)
    before = await read(payment)
    await market.hear(before, refunded=10_000)
    market.time.go_on(minutes=1)
    assert not await market.hear(before, **late)
    row = await read(payment)
    assert (row.refunded_amount, row.closed_at, row.next_check_at) == (10_000, None, market.time())


async def test_a_payment_read_before_its_money_came_is_asked_about_at_once(market: Market, payment: Payment) -> None:
    twin = await twin_of(payment)
    await market.hear(payment)
    market.time.go_on(minutes=1)
    assert not await market.hear(payment, refunded=5_000)
    row = await read(payment)
    assert (row.refunded_amount, row.closed_at, row.next_check_at) == (0, None, market.time())
    assert (await read(twin)).next_check_at != market.time()


async def test_a_refund_of_one_payment_leaves_the_sums_of_another(market: Market, payment: Payment) -> None:
    twin = await twin_of(payment)
    await market.hear(payment)
    await market.hear(twin)
    await market.hear(await read(payment), refunded=10_000)
    assert ((await read(payment)).refunded_amount, (await read(twin)).refunded_amount) == (10_000, 0)


async def test_what_the_pg_has_told_is_kept_until_it_tells_something_newer(market: Market, payment: Payment) -> None:
    told = {"method": "카드", "pg_payment_id": "key-1", "receipt_url": "https://pg.test/1", "paid_at": market.time()}
    later = {"method": "계좌이체", "pg_payment_id": "key-2", "receipt_url": "https://pg.test/2"}
    later["paid_at"] = market.time() + timedelta(minutes=1)
    silent = dict.fromkeys(told)
    for refunded, says, stands in [(0, told, told), (1, silent, told), (2, later, later)]:
        await market.hear(await read(payment), refunded=refunded, **says)
        row = await read(payment)
        assert {name: getattr(row, name) for name in told} == stands


async def test_a_refund_that_fails_later_moves_the_sums_back(market: Market, payment: Payment) -> None:
    await market.hear(payment)
    await market.hear(await read(payment), refunded=26_000)
    assert (await order_of(payment)).status == OrderStatus.REFUNDED
    await market.hear(await read(payment), refunded=0)
    order = await order_of(payment)
    assert (order.status, order.refunded_amount) == (OrderStatus.PAID, 0)


# What the PG has not decided


async def test_money_on_its_way_is_being_confirmed_until_it_came_or_did_not(market: Market, payment: Payment) -> None:
    assert await market.hear(payment, status=OutcomeStatus.PROCESSING, closed=False)
    assert (await read(payment)).status == PaymentStatus.CONFIRMING
    assert not await market.hear(await read(payment), status=OutcomeStatus.PROCESSING, closed=False)
    assert (await read(payment)).checks == 1

    assert await market.hear(await read(payment), status=OutcomeStatus.OPEN, closed=False)
    row = await read(payment)
    assert (row.status, row.closed_at) == (PaymentStatus.FAILED, None)
    assert (await order_of(payment)).status == OrderStatus.FAILED

    assert await market.hear(row, status=OutcomeStatus.PROCESSING, closed=False)
    assert await market.hear(await read(payment))
    assert (await order_of(payment)).status == OrderStatus.PAID


async def test_what_we_may_have_confirmed_has_not_failed_while_the_pg_says_nothing(
    market: Market, payment: Payment
) -> None:
    claimed = {Payment.status: PaymentStatus.CONFIRMING, Payment.claim: "sealed"}
    await Payment.update(claimed).where(Payment.id == payment.id)
    assert not await market.hear(await read(payment), status=OutcomeStatus.OPEN, closed=False)
    row = await read(payment)
    assert (row.status, row.claim) == (PaymentStatus.CONFIRMING, "sealed")


async def test_the_answer_that_moves_a_payment_ends_its_claim_and_its_lease(market: Market, payment: Payment) -> None:
    held = {Payment.claim: "sealed", Payment.lease_until: market.time(), Payment.next_check_at: None}
    await Payment.update(held).where(Payment.id == payment.id)
    await market.hear(payment, status=OutcomeStatus.FAILED, failure="REJECT_CARD_COMPANY", closed=False)
    row = await read(payment)
    assert (row.claim, row.lease_until, row.failure_code) == (None, None, "REJECT_CARD_COMPANY")
    assert (row.closed_at, row.next_check_at) == (None, watching.next_look(0, market.time()))

    await market.hear(row)
    row = await read(payment)
    assert (row.closed_at, row.next_check_at, row.failure_code) == (market.time(), None, None)


async def test_an_answer_that_decides_a_stuck_payment_settles_the_owners_matter(
    market: Market, payment: Payment
) -> None:
    await market.hear(payment, status=OutcomeStatus.PROCESSING, closed=False)
    order = await order_of(payment)
    async with write_transaction():
        await raise_alert(AlertKind.STUCK, str(payment.id), order.shop, order, payment)
    await market.hear(await read(payment), status=OutcomeStatus.PROCESSING, closed=False)
    assert (await Alert.objects())[0].closed_at is None
    await market.hear(await read(payment))
    [alert] = await Alert.objects()
    assert (alert.closed_at, alert.closed_by, alert.note) == (market.time(), None, "결제사가 답함")


async def test_a_key_whose_error_the_pg_stored_is_not_used_again(market: Market, payment: Payment) -> None:
    for uses, retry in enumerate([False, True, True]):
        await market.hear(await read(payment), status=OutcomeStatus.OPEN, closed=False, retry_key=retry)
        assert (await read(payment)).confirm_tries == uses


async def test_the_record_tells_which_state_this_very_payment_has_left(market: Market, payment: Payment) -> None:
    twin = await twin_of(payment)
    await market.hear(payment, status=OutcomeStatus.FAILED)
    await market.hear(twin)
    [event] = await PaymentEvent.objects().where(PaymentEvent.payment == twin.id, PaymentEvent.subject == "payment")
    assert (event.from_status, event.to_status) == (PaymentStatus.CREATED, PaymentStatus.PAID)


async def test_what_the_pg_has_closed_is_closed_here_once_and_nothing_else_is(market: Market, payment: Payment) -> None:
    twin, closed_at = await twin_of(payment), market.time()
    await Payment.update({Payment.lease_until: closed_at}).where(Payment.id == payment.id)
    for _ in range(2):
        assert not await market.hear(await read(payment), status=OutcomeStatus.OPEN)
        row = await read(payment)
        assert (row.status, row.closed_at) == (PaymentStatus.CREATED, closed_at)
        assert (row.next_check_at, row.lease_until) == (None, None)
        market.time.go_on(minutes=1)
    assert (await read(twin)).closed_at is None


async def test_an_answer_about_a_state_that_is_over_closes_nothing(market: Market, payment: Payment) -> None:
    await Payment.update({Payment.status: PaymentStatus.CONFIRMING}).where(Payment.id == payment.id)
    assert not await market.hear(payment, status=OutcomeStatus.FAILED)
    row = await read(payment)
    assert (row.status, row.closed_at) == (PaymentStatus.CONFIRMING, None)


@pytest.mark.parametrize("status", [OutcomeStatus.OPEN, OutcomeStatus.AUTHORIZED])
async def test_not_yet_moves_nothing_and_keeps_watching(
    market: Market, payment: Payment, status: OutcomeStatus
) -> None:
    assert not await market.hear(payment, status=status, closed=False)
    row = await read(payment)
    assert (row.status, row.closed_at) == (PaymentStatus.CREATED, None)
    assert (row.checks, row.next_check_at) == (1, watching.next_look(1, market.time()))


async def test_a_deposit_that_is_awaited_stays_under_watch(market: Market, payment: Payment) -> None:
    assert await market.hear(payment, status=OutcomeStatus.AWAITING_DEPOSIT, closed=False)
    row = await read(payment)
    assert (row.status, row.closed_at) == (PaymentStatus.AWAITING_DEPOSIT, None)
    assert row.next_check_at is not None
    assert (await order_of(payment)).status == OrderStatus.AWAITING_DEPOSIT


async def test_an_account_is_kept_as_far_as_its_columns_hold_it_and_its_secret_for_good(
    market: Market, payment: Payment
) -> None:
    await Payment.update({Payment.secret: "sealed"}).where(Payment.id == payment.id)
    due_at = market.time() + timedelta(days=3)
    deposit = Deposit("은" * 41, "1" * 41, "김" * 101, due_at)
    await market.hear(payment, status=OutcomeStatus.AWAITING_DEPOSIT, deposit=deposit, closed=False)
    row = await read(payment)
    kept = (row.deposit_bank, row.deposit_number, row.deposit_holder, row.deposit_due_at)
    assert kept == ("은" * 40, "1" * 40, "김" * 100, due_at)
    assert (row.secret, row.checks) == ("sealed", watching.LOOKS_WHILE_OPEN)
    # What is told of it once it has been paid into changes neither the account nor what the money says.
    for refunded, status in [(0, PaymentStatus.PAID), (1, PaymentStatus.PARTIALLY_REFUNDED)]:
        told = {"deposit": Deposit("다른은행", "2", "이", due_at), "refunded": refunded}
        assert await market.hear(await read(payment), **told)
        row = await read(payment)
        assert (row.deposit_bank, row.status) == ("은" * 40, status)


async def test_what_the_webhooks_of_a_deposit_prove_themselves_with_is_kept(market: Market, payment: Payment) -> None:
    account = market.gateways.open(await ProviderAccount.objects().get(ProviderAccount.id == payment.account))
    deposit = Deposit("우리은행", "1", "김", market.time() + timedelta(days=3))
    asked = (payment.reference, account.merchant, False, payment.amount, payment.currency)
    outcome = Outcome(OutcomeStatus.AWAITING_DEPOSIT, *asked, deposit=deposit)
    assert await settle(payment, outcome, account, Cause.RETURN, "sealed")
    assert (await read(payment)).secret == "sealed"


async def test_a_deposit_that_the_bank_takes_back_after_its_time_is_awaited_again(
    market: Market, payment: Payment
) -> None:
    await market.hear(payment)
    account = Deposit("우리은행", "1", "김", market.time())
    assert await market.hear(await read(payment), status=OutcomeStatus.EXPIRED, deposit=account, closed=False)
    row = await read(payment)
    assert (row.status, row.captured_amount) == (PaymentStatus.AWAITING_DEPOSIT, 0)
    assert (await order_of(payment)).status == OrderStatus.AWAITING_DEPOSIT


async def test_an_account_is_watched_until_no_deposit_can_be_told_of_any_more(market: Market, payment: Payment) -> None:
    await Payment.update({Payment.deposit_due_at: market.time()}).where(Payment.id == payment.id)
    for days, closes in [(0, False), (4, False), (1, True)]:
        market.time.go_on(days=days)
        await market.hear(await read(payment), status=OutcomeStatus.EXPIRED, closed=False)
        assert ((await read(payment)).closed_at == market.time()) is closes


async def test_a_deposit_taken_back_after_a_part_went_back_is_the_owners_matter(
    market: Market, payment: Payment
) -> None:
    await market.hear(payment)
    paid = await read(payment)
    await market.hear(paid, refunded=6_000)
    taken_back = {"status": OutcomeStatus.AWAITING_DEPOSIT, "closed": False}
    assert not await market.hear(paid, **taken_back)
    assert not await market.hear(await read(payment), refunded=6_000)
    assert await Alert.count() == 0

    assert not await market.hear(await read(payment), **taken_back)
    row = await read(payment)
    assert (row.status, row.refunded_amount) == (PaymentStatus.PARTIALLY_REFUNDED, 6_000)
    assert await market.refusals() == ["reversed_after_refund"]
    evidence = await is_told_to_the_owner(AlertKind.REVERSED, payment)
    assert (evidence["why"], evidence["pg_status"]) == ("reversed_after_refund", OutcomeStatus.AWAITING_DEPOSIT)


async def test_one_failure_leaves_the_order_while_another_payment_is_open(market: Market, payment: Payment) -> None:
    twin = await twin_of(payment)
    await market.hear(payment, status=OutcomeStatus.FAILED, failure="REJECT_CARD_COMPANY")
    assert (await order_of(payment)).status == OrderStatus.PENDING
    await market.hear(twin, status=OutcomeStatus.FAILED)
    assert (await order_of(payment)).status == OrderStatus.FAILED


async def test_the_evidence_says_what_the_pg_said_and_nothing_of_the_shopper(market: Market, payment: Payment) -> None:
    await market.hear(payment)
    [event] = await PaymentEvent.objects().where(PaymentEvent.to_status == "paid", PaymentEvent.subject == "payment")
    evidence = json.loads(event.evidence)
    assert evidence["captured"] == evidence["amount"] == 26_000
    assert (evidence["currency"], evidence["pg_status"], evidence["merchant"]) == ("KRW", "paid", "haru01")
    order = await order_of(payment)
    for secret in (order.customer_email, order.token, payment.token, "test_sk"):
        assert secret not in event.evidence
