"""The "needs you" list: every kind of matter has its sentence and the button that settles it."""

import re
from datetime import UTC, datetime

import pytest

from app.checkout.alert_mails import DISPUTE_REASONS
from app.clock import new_id
from app.database import write_transaction
from app.jobs.queue import MOST_TRIES, enqueue
from app.jobs.tables import Job
from app.language import translator
from app.messages.tables import Message
from app.orders.tables import Order
from app.owners.audit import Action
from app.owners.needs_you import ADVICE, BUTTONS, MOST, REMEDIES, Remedy
from app.owners.roles import Role
from app.owners.tables import AuditEntry
from app.payments.alerts import raise_alert
from app.payments.asking import ask_refund, refundable_of
from app.payments.booking import BALANCE_CHANGED
from app.payments.noticing import notice_poison
from app.payments.states import AlertKind, RefundStatus
from app.payments.tables import Alert, Refund
from app.shops.tables import Shop
from tests.desk import Desks, Person
from tests.mall import Customer, hear_all, move
from tests.shopping import BASE, Market
from tests.test_alerts import late_deposit

LIST = "/haru/owner/orders"


@pytest.fixture
async def clerk(mall: Market) -> Person:
    return await Desks(mall).member(mall.haru, Role.STAFF)


async def tell(market: Market, kind: AlertKind, order: Order | None = None, **evidence: object) -> Alert:
    payment = await market.only_payment() if order else None
    key = str(new_id())
    async with write_transaction():
        await raise_alert(kind, key, market.haru.id, order, payment, evidence)
    return await Alert.objects().get(Alert.alert_key == f"{kind}:{key}")


async def failed_refund(market: Market, customer: Customer) -> Refund:
    await customer.pay(market.mug, "toss")
    reference, order = (await market.only_payment()).reference, await market.only_order()
    await market.fault("error", call="cancel", code="NOT_CANCELABLE_PAYMENT", reference=reference)
    balance = await refundable_of(order)
    refund = await ask_refund(order.id, 26_000, "고객 변심", seen_balance=balance, requested_by="a@b.example")
    market.time.go_on(minutes=2)
    await hear_all(market)
    return await Refund.objects().get(Refund.id == refund.id)


async def actions() -> list[str]:
    return [entry.action for entry in await AuditEntry.objects().order_by(AuditEntry.id)]


def test_every_kind_of_matter_has_a_remedy() -> None:
    assert set(REMEDIES) == set(AlertKind)
    assert set(BUTTONS) == set(Remedy)
    assert all(translator("en")(words) != words for words in BUTTONS.values())


@pytest.mark.parametrize("kind", AlertKind)
@pytest.mark.parametrize("lang", ["ko", "en"])
async def test_every_kind_stands_first_with_its_sentence_and_its_button(
    mall: Market, customer: Customer, clerk: Person, kind: AlertKind, lang: str
) -> None:
    await customer.pay(mall.mug, "toss")
    order = await mall.only_order()
    alert = await tell(mall, kind, order, code="SOME_CODE", amount=1_234, currency="KRW")
    await clerk.http.get(f"/haru/language/{lang}")
    for path in (LIST, f"{LIST}/{order.number}"):
        page = await clerk.http.get(path)
        assert page.status_code == 200, page.text
        needs = page.text[page.text.index('class="needs"') :]
        needs = needs[: needs.index("</section>")]
        assert "1,234" in needs
        assert "SOME_CODE" in needs
        assert order.number in needs
        assert f'action="/haru/owner/needs/{alert.id}/close"' in needs
        if REMEDIES[kind] in (Remedy.RETRY_REFUND, Remedy.ASK_PG, Remedy.HASTEN):
            assert f'action="/haru/owner/needs/{alert.id}"' in needs
            assert translator(lang)(BUTTONS[REMEDIES[kind]]) in needs
        if REMEDIES[kind] is Remedy.NAME_ACCOUNT:
            assert f'href="{LIST}/{order.number}#refunds"' in needs
        assert (lang == "ko") or not re.search("[가-힣]", needs)


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("ko", ("기한: 2026년 11월 27일 18:39", "까닭: 본인이 결제하지 않았다고 함")),
        ("en", ("Due: November 27, 2026 18:39", "Reason: the cardholder says that they did not pay")),
    ],
)
async def test_a_dispute_says_until_when_and_why_in_words(
    mall: Market, clerk: Person, lang: str, said: tuple[str, ...]
) -> None:
    zone = {Shop.time_zone: "America/New_York", Shop.locale: lang, Shop.alert_email: "owner@haru.example"}
    await Shop.update(zone).where(Shop.id == mall.haru.id)
    due = datetime(2026, 11, 27, 23, 39, 5, tzinfo=UTC)
    await tell(mall, AlertKind.DISPUTE, reason="fraudulent", due_at=due)
    await tell(mall, AlertKind.DISPUTE, reason="a_reason_of_tomorrow")
    await mall.work()
    page = await clerk.http.get(LIST)
    for text in (*said, "a_reason_of_tomorrow"):
        assert text in page.text, text
    mail = "".join(message.body for message in await Message.objects().where(Message.dedupe_key.like("alert:%")))
    assert said[1] in mail
    assert "18:39" in mail
    for told in (page.text, mail):
        assert "+00:00" not in told
        assert "fraudulent" not in told


def test_every_reason_of_a_dispute_has_words_in_both_languages() -> None:
    assert set(DISPUTE_REASONS) == set(
        "fraudulent duplicate product_not_received product_unacceptable subscription_canceled unrecognized "
        "credit_not_processed general".split()
    )
    assert all(translator("en")(words) != words for words in DISPUTE_REASONS.values())


async def test_a_matter_without_an_order_is_told_as_well(mall: Market, clerk: Person) -> None:
    await tell(mall, AlertKind.ORPHAN, reference="X" * 26, amount=5_000, currency="KRW")
    page = await clerk.http.get(LIST)
    assert "주문이 없는 결제가 있어요" in page.text
    assert "5,000" in page.text


async def test_the_list_is_short_and_tells_how_many_there_are(mall: Market, clerk: Person) -> None:
    for _ in range(MOST + 1):
        await tell(mall, AlertKind.ORPHAN)
    page = await clerk.http.get(LIST)
    assert page.text.count("주문이 없는 결제가 있어요") == MOST
    assert f"{MOST + 1}건" in page.text
    assert "주문이 없는 결제가 있어요" not in (await clerk.http.get(f"{LIST}?state=paid")).text


async def test_a_viewer_reads_what_waits_and_has_no_button(mall: Market) -> None:
    viewer = await Desks(mall).member(mall.haru, Role.VIEWER)
    await tell(mall, AlertKind.ORPHAN)
    page = await viewer.http.get(LIST)
    assert "주문이 없는 결제가 있어요" in page.text
    assert "/owner/needs/" not in page.text


async def test_a_failed_refund_is_asked_for_again(mall: Market, customer: Customer, clerk: Person) -> None:
    await failed_refund(mall, customer)
    [alert] = await Alert.objects()
    order = await mall.only_order()
    answer = await clerk.post(f"/haru/owner/needs/{alert.id}")
    assert answer.headers["location"] == f"{LIST}/{order.number}?said=refund"
    mall.time.go_on(minutes=2)
    await hear_all(mall)
    assert (await mall.only_order()).refunded_amount == 26_000
    [alert] = await Alert.objects()
    assert alert.closed_by == clerk.email
    assert await actions() == [Action.REFUND_RETRIED]
    answer = await clerk.post(f"/haru/owner/needs/{alert.id}")
    assert answer.headers["location"] == f"{LIST}?said=over"


async def test_a_refund_of_what_is_disputed_says_that_the_bank_decides(
    mall: Market, customer: Customer, clerk: Person
) -> None:
    await customer.pay(mall.mug, "stripe")
    order = await mall.only_order()
    await move(mall, f"disputes/{(await mall.only_payment()).reference}")
    await ask_refund(order.id, 26_000, "고객 변심", seen_balance=26_000, requested_by="a@b.example")
    mall.time.go_on(minutes=2)
    await hear_all(mall)
    [refund] = await Refund.objects()
    assert (refund.status, refund.failure_code) == (RefundStatus.FAILED, "charge_disputed")
    for lang, title, advice in (
        ("ko", "이의가 제기된 결제라 환불하지 못했어요", "다른 길로 돌려드리지 말고"),
        ("en", "A refund was refused, because the payment is disputed", "Do not pay it back in another way as well"),
    ):
        await clerk.http.get(f"/haru/language/{lang}")
        page = (await clerk.http.get(f"{LIST}/{order.number}")).text
        needs, refunds = page[: page.index('id="refunds"')], page[page.index('id="refunds"') :]
        assert title in needs
        assert advice in needs
        assert title in refunds
        assert "charge_disputed" not in refunds
        # What is said of other failures is wrong here.
        assert translator(lang)(ADVICE[AlertKind.REFUND_FAILED]) not in needs


async def test_a_refund_that_is_there_no_more_to_be_made_is_told(
    mall: Market, customer: Customer, clerk: Person
) -> None:
    refund = await failed_refund(mall, customer)
    await Alert.update({Alert.evidence: f'{{"refund": "{refund.id}", "why": "{BALANCE_CHANGED}"}}'}).where(
        Alert.kind == AlertKind.REFUND_FAILED
    )
    [alert] = await Alert.objects()
    order = await mall.only_order()
    await ask_refund(order.id, 26_000, "x", seen_balance=26_000, requested_by="a@b.example")
    answer = await clerk.post(f"/haru/owner/needs/{alert.id}")
    assert (answer.status_code, "돌려드릴 돈이 남아 있지 않습니다" in answer.text) == (409, True)


@pytest.mark.parametrize("kind", [AlertKind.STUCK, AlertKind.MISMATCH, AlertKind.DISPUTE])
async def test_the_pg_is_asked_about_the_order(
    mall: Market, customer: Customer, clerk: Person, kind: AlertKind
) -> None:
    await customer.pay(mall.mug, "toss")
    await move(mall, f"refunds/{(await mall.only_payment()).reference}", amount=1_000)
    order = await mall.only_order()
    alert = await tell(mall, kind, order)
    answer = await clerk.post(f"/haru/owner/needs/{alert.id}")
    assert answer.headers["location"] == f"{LIST}/{order.number}?said=asked"
    assert (await mall.only_order()).refunded_amount == 1_000
    assert await actions() == [Action.ORDER_ASKED]


async def test_a_poisoned_job_is_tried_again(mall: Market, clerk: Person) -> None:
    async with write_transaction():
        await enqueue("mail", {}, "poison")
    await Job.update({Job.tries: MOST_TRIES}).where(Job.dedupe_key == "poison")
    await notice_poison()
    await Alert.update({Alert.shop: mall.haru.id}).where(Alert.kind == AlertKind.POISON_JOB)
    [alert] = await Alert.objects()
    answer = await clerk.post(f"/haru/owner/needs/{alert.id}")
    assert answer.headers["location"] == f"{LIST}?said=hastened"
    job = await Job.objects().get(Job.dedupe_key == "poison")
    assert (job.tries, job.run_at) == (0, mall.time())
    assert await actions() == [Action.JOB_HASTENED]


async def test_a_refund_that_waits_is_tried_again(mall: Market, customer: Customer, clerk: Person) -> None:
    await customer.pay(mall.mug, "toss")
    await mall.fault("error", call="lookup", code="UNAUTHORIZED_KEY", percent=100)
    order = await mall.only_order()
    refund = await ask_refund(order.id, 26_000, "x", seen_balance=26_000, requested_by="a@b.example")
    await mall.work()
    alert = await tell(mall, AlertKind.REFUND_WAITING, order, refund=str(refund.id), why=RefundStatus.REQUESTED)
    assert (await mall.jobs())[0].run_at > mall.time()
    answer = await clerk.post(f"/haru/owner/needs/{alert.id}")
    assert answer.headers["location"] == f"{LIST}?said=hastened"
    assert (await mall.jobs())[0].run_at == mall.time()


async def test_a_surplus_leads_to_the_form_for_its_account(mall: Market, customer: Customer, clerk: Person) -> None:
    await late_deposit(mall, customer)
    order = await mall.only_order()
    page = await clerk.http.get(LIST)
    assert f'href="{LIST}/{order.number}#refunds"' in page.text
    page = await clerk.http.get(f"{LIST}/{order.number}")
    assert 'id="refunds"' in page.text
    assert "/account" in page.text


async def test_a_person_closes_a_matter_with_a_note(mall: Market, clerk: Person) -> None:
    alert = await tell(mall, AlertKind.ORPHAN)
    path = f"/haru/owner/needs/{alert.id}/close"
    for note in ("", "  ", "가" * 501):
        answer = await clerk.post(path, note=note)
        assert (answer.status_code, "500자 안으로" in answer.text) == (422, True)
    answer = await clerk.post(path, note=" 결제사에서\n돌려드림 ")
    assert answer.headers["location"] == f"{LIST}?said=closed"
    [alert] = await Alert.objects()
    assert (alert.closed_by, alert.note, alert.closed_at) == (clerk.email, "결제사에서 돌려드림", mall.time())
    [entry] = await AuditEntry.objects()
    assert (entry.action, "결제사에서 돌려드림" in entry.details) == (Action.ALERT_CLOSED, True)
    assert (await clerk.post(path, note="x")).headers["location"] == f"{LIST}?said=over"
    assert "주문이 없는 결제가 있어요" not in (await clerk.http.get(LIST)).text


async def test_the_mail_of_a_matter_without_an_order_leads_to_its_page(mall: Market, clerk: Person) -> None:
    alert = await tell(mall, AlertKind.ORPHAN, reference="X" * 26)
    await tell(mall, AlertKind.REVERSED)
    await Shop.update({Shop.alert_email: "owner@haru.example"}).where(Shop.id == mall.haru.id)
    await mall.work()
    message = await Message.objects().get(Message.dedupe_key == f"alert:{alert.id}")
    [path] = re.findall(rf"관리 화면: {BASE}(\S+)\n$", message.body)
    page = await clerk.http.get(path)
    assert page.status_code == 200
    for text in ("주문이 없는 결제가 있어요", "X" * 26, "어떻게 해결했나요?"):
        assert text in page.text
    assert "은행이 취소했어요" not in page.text
    viewer = await Desks(mall).member(mall.haru, Role.VIEWER)
    page = (await viewer.http.get(path)).text
    assert "주문이 없는 결제가 있어요" in page
    assert "어떻게 해결했나요?" not in page
    await clerk.post(f"{path}/close", note="돌려드림")
    assert (await clerk.http.get(path)).headers["location"] == f"{LIST}?said=over"


async def test_what_is_settled_by_hand_alone_asks_how(mall: Market, clerk: Person) -> None:
    alert = await tell(mall, AlertKind.REVERSED)
    answer = await clerk.post(f"/haru/owner/needs/{alert.id}")
    assert (answer.status_code, "어떻게 해결했나요?" in answer.text) == (422, True)
    assert (await Alert.objects())[0].closed_at is None


async def test_a_matter_of_another_shop_is_not_there(mall: Market) -> None:
    stranger = await Desks(mall).member(mall.namu)
    alert = await tell(mall, AlertKind.ORPHAN)
    assert "주문이 없는 결제가 있어요" not in (await stranger.http.get("/namu/owner/orders")).text
    assert (await stranger.http.get(f"/namu/owner/needs/{alert.id}")).status_code == 404
    for path in (f"/namu/owner/needs/{alert.id}", f"/namu/owner/needs/{alert.id}/close"):
        assert (await stranger.post(path, note="x")).status_code == 404
    assert (await Alert.objects())[0].closed_at is None
