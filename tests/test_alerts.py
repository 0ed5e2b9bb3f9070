"""What needs a person: noticed once, told by mail, and closed by itself where it settles itself."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.checkout import alert_mails
from app.database import DB, recorded_statements, write_transaction
from app.jobs.queue import MOST_TRIES, enqueue, hasten
from app.jobs.tables import Job
from app.jobs.worker import work_once
from app.messages.delivering import Courier, resume
from app.messages.tables import Message
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.alerts import close_alert, raise_alert
from app.payments.asking import ask_refund, refundable_of
from app.payments.noticing import notice_poison, notice_stuck, notice_waiting
from app.payments.provider import DisputeSeen, OutcomeStatus
from app.payments.states import AlertKind, PaymentStatus, RefundStatus
from app.payments.tables import Alert, Dispute, Payment, Refund
from app.settings import BadSetting, Settings
from app.shops.tables import Shop
from tests import sandbox_wire
from tests.mall import Customer, hear_all, mails, move
from tests.post_office import PostOffice, open_office
from tests.shopping import BASE, EMAIL, Market
from tests.test_deposits import post
from tests.test_stripe_shop import REFUND_FAILS_LATER
from tests.test_webhook_door import UNKNOWN, door_of, pass_minutes

OWNER = "owner@haru.example"


@pytest.fixture(autouse=True)
async def owned(mall: Market) -> None:
    await Shop.update({Shop.alert_email: OWNER}).where(Shop.id == mall.haru.id)


async def alerts() -> list[tuple[str, bool]]:
    """Which there are, by name, and whether they are open."""
    rows = await Alert.objects()
    return sorted((row.kind, row.closed_at is None) for row in rows)


async def work(market: Market, **by: float) -> None:
    market.time.go_on(**(by or {"minutes": 2}))
    await hear_all(market)


async def calm(market: Market) -> None:
    """The PG's troubles are over."""
    assert (await market.pg.wire.delete("/control/faults")).status_code == 204


async def ask(market: Market, amount: int = 26_000) -> Refund:
    order = await market.only_order()
    balance = await refundable_of(order)
    return await ask_refund(order.id, amount, "고객 변심", seen_balance=balance, requested_by=OWNER)


async def late_deposit(market: Market, customer: Customer) -> None:
    """A deposit for an order whose goods are gone."""
    await customer.pay(market.last, "toss", "virtual_account")
    order = await market.only_order()
    await Order.update({Order.status: OrderStatus.EXPIRED, Order.holds_stock: False}).where(Order.id == order.id)
    await move(market, f"deposits/{(await market.only_payment()).reference}")
    await hear_all(market)


# What is noticed


async def test_wrong_money_is_told_until_it_has_gone_back(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "stripe")
    payment = await mall.only_payment()
    await mall.fault("answer_lost_before", provider="stripe", call="cancel", reference=payment.reference, times=2)
    await customer.come_back(await window.press("approve", fault="amount_changed"))
    await hear_all(mall)
    [alert] = await Alert.objects()
    order = await mall.only_order()
    assert (alert.kind, alert.closed_at) == (AlertKind.MISMATCH, None)
    assert (alert.shop, alert.order, alert.payment) == (mall.haru.id, order.id, payment.id)
    evidence = json.loads(alert.evidence)
    assert evidence["asked"] == 26_000 != evidence["captured"]
    for _ in range(4):
        await work(mall, hours=1)
    [alert] = await Alert.objects()
    assert (alert.closed_at is not None, alert.closed_by) == (True, None)


async def test_a_surplus_that_needs_an_account_is_told_until_it_has_gone_back(mall: Market, customer: Customer) -> None:
    await late_deposit(mall, customer)
    assert await alerts() == [(AlertKind.SURPLUS, True)]
    reference = (await mall.only_payment()).reference
    await mall.fault("error", call="cancel", code="INVALID_REFUND_ACCOUNT_NUMBER", reference=reference)
    for number in ("999999", "1002123456789"):
        await customer.name_receiver(await customer.order_page(), number=number)
        await work(mall)
    # The bank did not take the first account: that is the same matter.
    assert await alerts() == [(AlertKind.SURPLUS, True)]
    await move(mall, f"refunds/{reference}/complete")
    await work(mall)
    assert await alerts() == [(AlertKind.SURPLUS, False)]


async def test_a_refund_that_comes_back_is_told(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "stripe", number=REFUND_FAILS_LATER)
    refund = await ask(mall)
    await work(mall)
    assert await alerts() == []
    mall.time.go_on(hours=1)
    await mall.ledger()
    await work(mall)
    [alert] = await Alert.objects()
    assert (alert.alert_key, alert.closed_at) == (f"refund_failed:{refund.id}", None)
    assert json.loads(alert.evidence)["code"] == "lost_or_stolen_card"
    assert (await Refund.objects())[0].status == RefundStatus.FAILED


async def test_a_refund_that_was_refused_settles_when_all_of_it_went_back_by_hand(
    mall: Market, customer: Customer
) -> None:
    await customer.pay(mall.mug, "toss")
    reference = (await mall.only_payment()).reference
    await mall.fault("error", call="cancel", code="NOT_CANCELABLE_PAYMENT", reference=reference)
    await ask(mall)
    await work(mall)
    assert await alerts() == [(AlertKind.REFUND_FAILED, True)]
    await move(mall, f"refunds/{reference}", amount=10_000)
    await work(mall)
    assert await alerts() == [(AlertKind.REFUND_FAILED, True)]
    await move(mall, f"refunds/{reference}")
    await work(mall)
    assert await alerts() == [(AlertKind.REFUND_FAILED, False)]


async def test_a_payment_without_an_answer_for_more_than_an_hour_is_told_once(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "toss")
    reference = (await mall.only_payment()).reference
    await mall.fault("answer_lost_before", call="confirm", percent=100)
    await customer.come_back(await window.press("approve"))
    await mall.fault("answer_lost_before", call="lookup", percent=100)
    began = mall.time()
    mall.time.moment = began + timedelta(minutes=69)
    await mall.work()
    assert await alerts() == []
    for minutes in (70, 71, 90, 120):
        mall.time.moment = began + timedelta(minutes=minutes)
        await mall.work()
        assert await alerts() == [(AlertKind.STUCK, True)]
    [alert] = await Alert.objects()
    assert json.loads(alert.evidence)["reference"] == reference
    assert any("한 시간째" in message.subject for message in await told())
    await calm(mall)
    await work(mall, hours=2)
    assert (await mall.only_payment()).status != PaymentStatus.CONFIRMING
    assert await alerts() == [(AlertKind.STUCK, False)]


async def test_what_the_pg_itself_is_processing_is_told_after_days(mall: Market, customer: Customer) -> None:
    await customer.choose(mall.mug, "stripe")
    await mall.hear(await mall.only_payment(), status=OutcomeStatus.PROCESSING, closed=False)
    payment = await mall.only_payment()
    assert (payment.status, payment.claim) == (PaymentStatus.CONFIRMING, None)
    for passed, expected in ((timedelta(days=2, hours=23), []), (timedelta(days=3), [(AlertKind.STUCK, True)])):
        mall.time.moment = payment.created_at + passed
        await notice_stuck()
        assert await alerts() == expected
    await mall.work()
    assert any("여러 날째 결제가 처리되고 있어요" in message.subject for message in await told())


async def test_a_refund_that_cannot_go_out_is_told_until_it_has_gone(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    await mall.fault("error", call="lookup", code="UNAUTHORIZED_KEY", percent=100)
    refund = await ask(mall)
    await work(mall, hours=23)
    assert await alerts() == []
    for _ in range(2):
        await work(mall, hours=1)
        assert await alerts() == [(AlertKind.REFUND_WAITING, True)]
    [alert] = await Alert.objects()
    evidence = json.loads(alert.evidence)
    assert (alert.alert_key, alert.order) == (f"refund_waiting:{refund.id}", (await mall.only_order()).id)
    assert (evidence["why"], evidence["amount"]) == ("requested", 26_000)
    assert evidence["error"].startswith("Misconfigured")
    assert any("환불이 끝나지 않고 있어요" in message.subject for message in await told())
    await calm(mall)
    await work(mall, hours=8)
    assert (await Refund.objects())[0].status == RefundStatus.SUCCEEDED
    assert await alerts() == [(AlertKind.REFUND_WAITING, False)]


async def test_a_refund_that_waits_for_a_bank_account_is_told_after_days(mall: Market, customer: Customer) -> None:
    await late_deposit(mall, customer)
    refund = (await Refund.objects())[0]
    assert refund.status == RefundStatus.NEEDS_ACCOUNT
    for passed, expected in (({"hours": 71}, 0), ({"hours": 2}, 1)):
        await work(mall, **passed)
        assert await Alert.count().where(Alert.kind == AlertKind.REFUND_WAITING) == expected
    await mall.work()
    [message] = [message for message in await told() if "돌려드릴 계좌를 아직 모르고 있어요" in message.subject]
    assert "21,000원" in message.body
    # Named now: the day begins anew, and nothing is told twice.
    await customer.name_receiver(await customer.order_page())
    assert await alerts() == [(AlertKind.REFUND_WAITING, False), (AlertKind.SURPLUS, True)]
    await work(mall)
    await work(mall, days=2)
    assert await Alert.count().where(Alert.kind == AlertKind.REFUND_WAITING) == 1


async def test_a_refund_whose_account_was_just_named_is_not_late(mall: Market, customer: Customer) -> None:
    await late_deposit(mall, customer)
    await work(mall, days=2)
    await customer.name_receiver(await customer.order_page())
    await mall.fault("answer_lost_before", call="lookup", percent=100)
    await work(mall, hours=23)
    assert await alerts() == [(AlertKind.SURPLUS, True)]
    await work(mall, hours=2)
    assert await alerts() == [(AlertKind.REFUND_WAITING, True), (AlertKind.SURPLUS, True)]


async def test_an_alert_that_is_not_about_the_account_stays_when_one_is_named(mall: Market, customer: Customer) -> None:
    await late_deposit(mall, customer)
    refund, order = (await Refund.objects())[0], await mall.only_order()
    async with write_transaction():
        why = {"why": RefundStatus.REQUESTED}
        await raise_alert(AlertKind.REFUND_WAITING, str(refund.id), mall.haru.id, order, evidence=why)
    await customer.name_receiver(await customer.order_page())
    assert await alerts() == [(AlertKind.REFUND_WAITING, True), (AlertKind.SURPLUS, True)]


async def test_the_sweeps_read_no_table_from_end_to_end(mall: Market) -> None:
    if DB.engine_type != "sqlite":
        return
    for sweep, index in (
        (notice_stuck, "payments_confirming"),
        (notice_waiting, "refunds_waiting"),
        (notice_poison, "jobs_due"),
    ):
        with recorded_statements() as statements:
            await sweep()
        plan = await DB.run_ddl("EXPLAIN QUERY PLAN " + statements[0].replace("?", "''"))
        steps = [row["detail"] for row in plan]
        assert index in steps[0]
        assert not any("TEMP B-TREE" in step for step in steps)


async def test_a_payment_that_was_decided_in_time_is_not_told(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    await work(mall, hours=2)
    assert await alerts() == []


async def test_what_anybody_may_have_said_is_told_only_where_the_pg_has_the_money(mall: Market) -> None:
    door = door_of(mall, "toss")
    await door.post(door.told(UNKNOWN))
    await pass_minutes(mall, 20)
    assert await alerts() == []

    claim = await sandbox_wire.authenticated(mall.pg.wire, reference=UNKNOWN, amount=26_000)
    assert (await sandbox_wire.confirm(mall.pg.wire, claim)).status_code == 200
    await mall.fault("answer_lost_before", call="lookup", reference=UNKNOWN)
    await door.post(door.told(UNKNOWN, eventId="2"), {"tosspayments-webhook-transmission-id": "2"})
    await pass_minutes(mall, 30)
    [alert] = await Alert.objects()
    assert (alert.kind, json.loads(alert.evidence)["amount"]) == (AlertKind.ORPHAN, 26_000)
    [mail] = await Message.objects()
    assert (mail.recipient, UNKNOWN in mail.body) == (OWNER, True)


async def test_another_business_at_the_same_pg_is_not_told(mall: Market) -> None:
    door = door_of(mall, "stripe")
    await door.post(door.told(None, "somebody-elses"))
    await pass_minutes(mall, 20)
    assert await alerts() == []


@pytest.mark.parametrize(("verb", "end"), [("win", "won"), ("lose", "lost")])
async def test_a_dispute_is_told_until_it_is_decided(mall: Market, customer: Customer, verb: str, end: str) -> None:
    await customer.pay(mall.mug, "stripe")
    reference = (await mall.only_payment()).reference
    await move(mall, f"disputes/{reference}")
    await hear_all(mall)
    assert await alerts() == [(AlertKind.DISPUTE, True)]
    await move(mall, f"disputes/{reference}/{verb}")
    await hear_all(mall)
    assert await alerts() == [(AlertKind.DISPUTE, False)]
    [dispute] = await Dispute.objects()
    assert (dispute.status, dispute.is_open) == (end, False)


@pytest.mark.parametrize("closed_by", [None, OWNER])
async def test_a_dispute_that_is_opened_again_is_told_again(
    mall: Market, customer: Customer, closed_by: str | None
) -> None:
    await customer.pay(mall.mug, "stripe")
    payment = await mall.only_payment()

    async def hear(status: str, is_open: bool) -> None:
        now = await Payment.objects().get(Payment.id == payment.id)
        await mall.hear(now, disputes=(DisputeSeen("dp-1", status, is_open, 26_000),))
        await mall.work()

    await hear("warning_needs_response", True)
    assert len(await told()) == 1
    if closed_by:
        async with write_transaction():
            await close_alert(AlertKind.DISPUTE, str((await Dispute.objects())[0].id), "", closed_by)
        # It goes on, and that is no news to who has closed it.
        await hear("warning_under_review", True)
        assert await alerts() == [(AlertKind.DISPUTE, False)]
    await hear("warning_closed", False)
    assert await alerts() == [(AlertKind.DISPUTE, False)]
    await hear("needs_response", True)
    assert await alerts() == [(AlertKind.DISPUTE, True)]
    assert len(await told()) == 2


async def test_a_deposit_taken_back_after_a_refund_is_told(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss", "virtual_account")
    payment = await mall.only_payment()
    await move(mall, f"deposits/{payment.reference}")
    await hear_all(mall)
    await move(mall, f"refunds/{payment.reference}", amount=6_000)
    await hear_all(mall)
    # Toss does not say what it does then; the sandbox refuses.
    [entry] = mall.pg.app.state.book.with_reference(payment.reference)
    entry.status, entry.captured, entry.facts["approved_at"] = "WAITING_FOR_DEPOSIT", 0, None
    mall.pg.app.state.book.save(entry)
    for delivery in ("whtrans_1", "whtrans_2"):
        await post(mall, {"secret": "x", "status": "WAITING_FOR_DEPOSIT", "orderId": payment.reference}, delivery)
        await mall.work()
        assert await alerts() == [(AlertKind.REVERSED, True)]


# Work that was set aside


async def add_job(kind: str, payload: dict[str, str], **changes: Any) -> None:
    async with write_transaction():
        await enqueue(kind, payload, f"{kind}:test")
    await Job.update({Job.tries: MOST_TRIES - 1, **changes}).where(Job.dedupe_key == f"{kind}:test")


@pytest.mark.parametrize("named", ["order", "payment", "refund", "account", "nothing"])
async def test_a_job_that_was_set_aside_is_told_to_its_shop(mall: Market, customer: Customer, named: str) -> None:
    await customer.pay(mall.mug, "toss")
    refund = await ask(mall)
    await hear_all(mall)
    order, payment = await mall.only_order(), await mall.only_payment()
    ids = {"order": order.id, "payment": payment.id, "refund": refund.id, "account": payment.account}
    await add_job("nobody_knows", {named: str(ids.get(named, "?"))})
    await mall.work()
    [alert] = await Alert.objects()
    shop = None if named == "nothing" else mall.haru.id
    about = order.id if named in ("order", "payment", "refund") else None
    assert (alert.kind, alert.shop, alert.order) == (AlertKind.POISON_JOB, shop, about)
    assert json.loads(alert.evidence)["error"].startswith("KeyError")
    await mall.work()
    assert await Alert.count() == 1


async def test_a_webhooks_job_that_was_set_aside_is_told_to_the_shop_that_heard_it(mall: Market) -> None:
    door = door_of(mall, "namu")
    await door.post(door.told(UNKNOWN))
    await Job.update({Job.kind: "nobody_knows", Job.tries: MOST_TRIES - 1}).where(Job.kind == "inbox")
    await mall.work()
    assert [alert.shop for alert in await Alert.objects()] == [mall.namu.id]


async def test_a_refund_is_never_given_up_silently(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    refund = await ask(mall)
    # Keys that do not open what was sealed with others: nothing that the PG could mend.
    await Refund.update({Refund.receiver: "not sealed"}).where(Refund.id == refund.id)
    for _ in range(MOST_TRIES + 2):
        mall.time.go_on(hours=7)
        await mall.work()
    assert await alerts() == [(AlertKind.POISON_JOB, True), (AlertKind.REFUND_WAITING, True)]
    [alert] = await Alert.objects().where(Alert.kind == AlertKind.POISON_JOB)
    assert json.loads(alert.evidence)["kind"] == "refund"
    assert any("끝내지 못한 일이 있어요" in mail.subject for mail in await Message.objects())

    await Refund.update({Refund.receiver: None}).where(Refund.id == refund.id)
    async with write_transaction():
        await hasten(f"refund:{refund.id}")
    await mall.work()
    assert (await Refund.objects())[0].status == RefundStatus.SUCCEEDED
    assert await alerts() == [(AlertKind.POISON_JOB, False), (AlertKind.REFUND_WAITING, False)]


async def test_a_job_that_its_last_worker_died_over_is_told(mall: Market) -> None:
    await add_job("close", {}, **{"tries": MOST_TRIES, "lease_until": mall.time() + timedelta(minutes=5)})
    await mall.work()
    assert await alerts() == []
    await work(mall, minutes=6)
    assert await alerts() == [(AlertKind.POISON_JOB, True)]


async def test_what_tells_the_owner_never_tells_that_it_could_not(mall: Market, customer: Customer) -> None:
    async with write_transaction():
        await raise_alert(AlertKind.DIFFERENCE, "1", mall.haru.id)
    await mall.work()
    [message] = await Message.objects()
    await Job.update({Job.tries: MOST_TRIES, Job.done_at: None}).where(Job.dedupe_key == f"deliver:{message.id}")
    await add_job("alert", {"alert": "no id"})
    await mall.work()
    assert await alerts() == [(AlertKind.DIFFERENCE, True)]
    # Any other mail that cannot be delivered is told of.
    await Message.update({Message.dedupe_key: "mail:1"}).where(Message.id == message.id)
    await mall.work()
    assert await alerts() == [(AlertKind.DIFFERENCE, True), (AlertKind.POISON_JOB, True)]


# What was over


@pytest.mark.parametrize("closed_by", [None, OWNER])
async def test_what_had_settled_itself_is_told_again_and_what_a_person_settled_is_not(
    mall: Market, closed_by: str | None
) -> None:
    async def notice(amount: int) -> bool:
        async with write_transaction():
            is_new = await raise_alert(AlertKind.ORPHAN, "1", mall.haru.id, evidence={"amount": amount})
        await mall.work()
        return is_new

    assert await notice(1)
    assert not await notice(2)
    assert len(await told()) == 1
    async with write_transaction():
        await close_alert(AlertKind.ORPHAN, "1", "사라짐", closed_by)
    mall.time.go_on(days=1)
    assert await notice(3) is (closed_by is None)
    [alert] = await Alert.objects()
    assert (alert.closed_at is None, alert.note) == ((True, "") if closed_by is None else (False, "사라짐"))
    assert json.loads(alert.evidence)["amount"] == (3 if closed_by is None else 1)
    assert len(await told()) == (2 if closed_by is None else 1)
    assert (alert.raised_at == mall.time()) is (closed_by is None)


async def test_a_mail_that_waited_for_a_server_until_its_matter_was_settled_is_not_sent(mall: Market) -> None:
    async with write_transaction():
        for key in ("1", "2"):
            await raise_alert(AlertKind.ORPHAN, key, mall.haru.id)
    await mall.work()
    async with write_transaction():
        await close_alert(AlertKind.ORPHAN, "1")
    async with open_office(PostOffice()) as office:
        settings = replace(mall.gateways.settings, smtp_url=office.url, mail_from="orders@shop.test")
        courier = Courier(settings)
        mall.time.go_on(hours=1)
        await resume(settings)
        for _ in range(2):
            await work_once({"deliver": partial(alert_mails.deliver, courier)}, {})
    assert len(office.letters) == 1
    rows = await Message.objects().order_by(Message.created_at, Message.id)
    assert sorted((row.status, row.error) for row in rows if row.error) == [("failed", "settled")]
    await resume(settings)
    assert await Job.count().where(Job.done_at.is_null()) == 0


# How it is told


async def refused_refund(market: Market, customer: Customer) -> Alert:
    await customer.pay(market.mug, "toss")
    reference = (await market.only_payment()).reference
    await market.fault("error", call="cancel", code="NOT_CANCELABLE_PAYMENT", reference=reference)
    await ask(market, 10_000)
    await work(market)
    [alert] = await Alert.objects()
    return alert


async def told() -> list[Message]:
    return await Message.objects().where(Message.dedupe_key.like("alert:%"))


async def test_the_owner_is_told_what_happened_to_which_order_and_what_to_do(mall: Market, customer: Customer) -> None:
    alert = await refused_refund(mall, customer)
    order = await mall.only_order()
    [message] = await told()
    assert (message.recipient, message.dedupe_key) == (OWNER, f"alert:{alert.id}")
    assert message.subject == f"[하루상점] 환불하지 못했어요 (주문 {order.number})"
    for text in ("10,000원", "26,000원", "NOT_CANCELABLE_PAYMENT", "다시 환불하거나"):
        assert text in message.body
    assert message.body.endswith(f"관리 화면: {BASE}/haru/owner/orders/{order.number}\n")
    assert order.token not in message.body
    assert EMAIL not in message.body + alert.evidence
    await Job.update({Job.done_at: None}).where(Job.kind == "alert")
    await work(mall)
    assert len(await told()) == 1


async def test_the_owner_is_told_that_a_refund_did_not_fit_any_more(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    await ask(mall, 20_000)
    await move(mall, f"refunds/{(await mall.only_payment()).reference}", amount=20_000)
    await work(mall)
    [message] = await told()
    assert "남은 금액이 달라져 환불하지 않았어요" in message.subject
    assert "이번에는 아무것도 보내지 않았습니다." in message.body
    # The PG has not refused anything.
    assert "BALANCE_CHANGED" not in message.body


async def test_the_owner_is_told_in_the_shops_language(mall: Market, customer: Customer) -> None:
    await Shop.update({Shop.locale: "en"}).where(Shop.id == mall.haru.id)
    await refused_refund(mall, customer)
    [message] = await told()
    assert "A refund has failed" in message.subject
    body = message.body.replace("고객 변심", "")
    assert not any("가" <= letter <= "힣" for letter in body), body


@pytest.mark.parametrize(("kind", "why"), [*((kind, None) for kind in AlertKind), *alert_mails.WORDS_BY_REASON])
@pytest.mark.parametrize("locale", ["ko", "en"])
async def test_every_kind_is_told_in_words(mall: Market, kind: AlertKind, why: str | None, locale: str) -> None:
    await Shop.update({Shop.locale: locale, Shop.name: "Haru"}).where(Shop.id == mall.haru.id)
    async with write_transaction():
        await raise_alert(kind, "1", mall.haru.id, evidence={"amount": 100, "currency": "KRW", "why": why})
    await mall.work()
    [message] = await told()
    assert any("가" <= letter <= "힣" for letter in message.subject + message.body) == (locale == "ko")


async def test_where_a_shop_names_nobody_the_settings_do(mall: Market, customer: Customer) -> None:
    await Shop.update({Shop.alert_email: ""}).where(Shop.id == mall.haru.id)
    with capture_logs() as lines:
        alert = await refused_refund(mall, customer)
    assert await told() == []
    assert [line["kind"] for line in lines if line["event"] == "alert_unsent"] == [AlertKind.REFUND_FAILED]
    settings = replace(mall.gateways.settings, alerts_to="all@shops.example")
    await alert_mails.write(settings, {"alert": str(alert.id)})
    assert [message.recipient for message in await told()] == ["all@shops.example"]


async def test_the_settings_name_one_address_or_none() -> None:
    environ = {"SELLOG_ENV": "development", "SELLOG_SECRET_KEYS": b64encode(bytes(32)).decode()}
    assert Settings.from_environ(environ).alerts_to == ""
    told = Settings.from_environ({**environ, "SELLOG_ALERTS_TO": " owner@shops.example "})
    assert told.alerts_to == "owner@shops.example"
    for wrong in ("owner", "Owner <owner@shops.example>", "a@shops.example, b@shops.example"):
        with pytest.raises(BadSetting, match="SELLOG_ALERTS_TO is not an address"):
            Settings.from_environ({**environ, "SELLOG_ALERTS_TO": wrong})


async def test_what_has_settled_itself_needs_nobody(mall: Market, customer: Customer) -> None:
    alert = await refused_refund(mall, customer)
    await Message.delete(force=True)
    await Alert.update({Alert.closed_at: mall.time()}).where(Alert.id == alert.id)
    await alert_mails.write(mall.gateways.settings, {"alert": str(alert.id)})
    assert await told() == []


async def test_money_in_a_currency_that_we_do_not_know_is_told_without_a_sum(mall: Market) -> None:
    async with write_transaction():
        await raise_alert(AlertKind.MISMATCH, "1", mall.haru.id, evidence={"captured": 100, "currency": "XXX"})
    await mall.work()
    [message] = await told()
    assert "걸린 금액" not in message.body


async def test_an_owner_is_not_told_of_anothers_matter(mall: Market, customer: Customer) -> None:
    await Shop.update({Shop.alert_email: "owner@namu.example"}).where(Shop.id == mall.namu.id)
    await refused_refund(mall, customer)
    assert [message.recipient for message in await told()] == [OWNER]
    assert "paid" in await mails(mall)
