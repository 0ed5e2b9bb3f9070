"""An order at the desk: its timeline with the evidence, asking the PG now, and refunds from the page."""

import asyncio
import re

import pytest

from app.database import write_transaction
from app.orders.tables import Order
from app.owners.audit import Action
from app.owners.refund_form import read_amount
from app.owners.roles import Role
from app.owners.tables import AuditEntry
from app.payments.events import record
from app.payments.noticing import notice_waiting
from app.payments.states import Cause, PaymentStatus, RefundStatus
from app.payments.tables import Payment, PaymentEvent, Refund
from app.shops.tables import Shop
from tests.desk import Desks, Person
from tests.mall import Customer, hear_all, move
from tests.shopping import Market


@pytest.fixture
async def clerk(mall: Market) -> Person:
    return await Desks(mall).member(mall.haru, Role.STAFF)


async def url_of(market: Market) -> str:
    return f"/haru/owner/orders/{(await market.only_order()).number}"


async def ask(market: Market, clerk: Person, **typed: str):
    """What the form of the page sends; `typed` goes instead."""
    url = await url_of(market)
    page = await clerk.http.get(url)
    assert page.status_code == 200, page.text
    [seen] = re.findall(r'name="seen_balance" value="(\d+)"', page.text)
    form = {"seen_balance": seen, "amount": "26,000", "reason": "고객 변심", "restock": "0", **typed}
    return await clerk.post(f"{url}/refunds", **form)


async def work(market: Market) -> None:
    market.time.go_on(minutes=2)
    await hear_all(market)


async def deposited(market: Market, customer: Customer) -> None:
    await customer.pay(market.mug, "toss", "virtual_account")
    await move(market, f"deposits/{(await market.only_payment()).reference}")
    await hear_all(market)


# The page


@pytest.mark.parametrize("contract", ["toss", "portone", "stripe"])
async def test_the_page_tells_the_way_of_the_money(
    mall: Market, customer: Customer, clerk: Person, contract: str
) -> None:
    await customer.pay(mall.mug, contract)
    await hear_all(mall)
    page = await clerk.http.get(await url_of(mall))
    payment = await mall.only_payment()
    told = (
        "minji.kim@example.com",
        "주문이 들어옴",
        "결제를 시작함",
        "결제사가 돈을 받음",
        "→ 결제 완료",
        "결제사의 상태",
    )
    for text in (*told, payment.reference, payment.pg_payment_id, "26,000", "(같음)"):
        assert text in page.text, text
    assert "(다름)" not in page.text


async def test_money_that_differs_is_told_beside_ours(mall: Market, customer: Customer, clerk: Person) -> None:
    window = await customer.go(mall.mug, "stripe")
    await customer.come_back(await window.press("approve", fault="amount_changed"))
    page = await clerk.http.get(await url_of(mall))
    assert "주문과 다른 돈이 들어옴" in page.text
    assert "(다름)" in page.text


async def test_wrong_money_that_went_back_is_not_told_as_money_that_came(
    mall: Market, customer: Customer, clerk: Person
) -> None:
    window = await customer.go(mall.mug, "stripe")
    await customer.come_back(await window.press("approve", fault="amount_changed"))
    await work(mall)
    payment = await mall.only_payment()
    taken = payment.captured_amount
    assert (payment.status, payment.refunded_amount) == (PaymentStatus.MISMATCH, taken)
    assert await told_sums(mall, clerk) == [("주문과 다른 돈이 들어옴", taken), ("모두 돌아감", taken)]


async def test_sums_that_change_without_the_state_are_told_by_what_changed(
    mall: Market, customer: Customer, clerk: Person
) -> None:
    await customer.pay(mall.mug, "toss")
    order, payment = await mall.only_order(), await mall.only_payment()
    state = PaymentStatus.MISMATCH
    await Payment.update({Payment.status: state}).where(Payment.id == payment.id)
    for refunded in (1_000, 5_000, 2_000, 26_000):
        mall.time.go_on(minutes=1)
        async with write_transaction():
            sums = {"captured": 26_000, "refunded": refunded, "currency": "KRW"}
            await record(Cause.RECONCILE, "payment", order, payment, state, state, sums)
    assert (await told_sums(mall, clerk))[-4:] == [
        ("일부가 돌아감", 1_000),
        ("일부가 돌아감", 5_000),
        ("돌려준 돈이 되돌아옴", 3_000),
        ("모두 돌아감", 26_000),
    ]


async def told_sums(market: Market, clerk: Person) -> list[tuple[str, int]]:
    """The titles of the payment's rows that tell of money, with their sums."""
    page = await clerk.http.get(await url_of(market))
    rows = re.findall(r'<li[^>]*><b>([^<]+?) <data class="money" value="(\d+)">', page.text)
    titles = {"주문과 다른 돈이 들어옴", "결제사가 돈을 받음", "일부가 돌아감", "모두 돌아감", "돌려준 돈이 되돌아옴"}
    return [(title, int(amount)) for title, amount in rows if title in titles]


async def test_times_are_the_shops_own(mall: Market, customer: Customer, clerk: Person) -> None:
    await Shop.update({Shop.time_zone: "America/New_York"}).where(Shop.id == mall.haru.id)
    await customer.pay(mall.mug, "toss")
    page = await clerk.http.get(await url_of(mall))
    assert "2026년 11월 22일 00:00" in page.text
    assert "11월 22일 00:00:00" in page.text


async def test_the_page_speaks_english(mall: Market, customer: Customer, clerk: Person) -> None:
    await deposited(mall, customer)
    await ask(mall, clerk, amount="1,000", reason="changed mind")
    await work(mall)
    await clerk.http.get("/haru/language/en")
    page = await clerk.http.get(await url_of(mall))
    main = page.text[page.text.index("<main") : page.text.index("</main>")]
    for text in ("The way of the money", "Refund asked for", "Waiting for an account"):
        assert text in main, text
    # What people and banks are called stays.
    left = set(re.findall("[가-힣]+", re.sub(r"<option[^>]*>[^<]*</option>", "", main)))
    assert left <= {"백자", "유약", "머그", "김민지", "가상계좌"} | set(await _names()), left


async def _names() -> list[str]:
    payments = await Payment.objects()
    return re.findall("[가-힣]+", " ".join(f"{each.deposit_bank} {each.deposit_holder}" for each in payments))


async def test_a_viewer_sees_all_and_is_offered_no_button(mall: Market, customer: Customer) -> None:
    viewer = await Desks(mall).member(mall.haru, Role.VIEWER)
    await customer.pay(mall.mug, "toss")
    page = await viewer.http.get(await url_of(mall))
    assert "돈이 지나온 길" in page.text
    assert set(re.findall(r'<form method="post" action="([^"]+)"', page.text)) == {"/logout"}
    assert "seen_balance" not in page.text


async def test_an_order_of_another_shop_is_not_there(mall: Market, customer: Customer) -> None:
    stranger = await Desks(mall).member(mall.namu)
    await customer.pay(mall.mug, "toss")
    number = (await mall.only_order()).number
    for path in (f"/namu/owner/orders/{number}", f"/namu/owner/orders/{number}/status"):
        assert (await stranger.http.get(path)).status_code == 404
    for path in (f"/namu/owner/orders/{number}/ask", f"/namu/owner/orders/{number}/refunds"):
        assert (await stranger.post(path)).status_code == 404
    assert await Refund.count() == 0


# Asking now


async def test_the_pg_is_asked_now_also_about_what_was_closed(mall: Market, customer: Customer, clerk: Person) -> None:
    await customer.pay(mall.mug, "toss")
    await hear_all(mall)
    payment = await mall.only_payment()
    assert payment.closed_at is not None
    # By hand, and its webhook is lost.
    await mall.fault("webhook_dropped", reference=payment.reference)
    await move(mall, f"refunds/{payment.reference}", amount=1_000)
    answer = await clerk.post(f"{await url_of(mall)}/ask")
    assert answer.headers["location"] == f"{await url_of(mall)}?said=asked"
    assert (await mall.only_order()).refunded_amount == 1_000
    assert (await PaymentEvent.exists().where(PaymentEvent.cause == Cause.OWNER)) is True
    [entry] = await AuditEntry.objects()
    assert (entry.action, entry.who, entry.subject) == (
        Action.ORDER_ASKED,
        clerk.email,
        (await mall.only_order()).number,
    )
    page = await clerk.http.get(answer.headers["location"])
    assert "결제사에 다시 확인했습니다" in page.text


async def test_a_silent_pg_is_told_as_one(mall: Market, customer: Customer, clerk: Person) -> None:
    await customer.pay(mall.mug, "toss")
    await mall.fault("answer_lost_before", call="lookup", percent=100)
    answer = await clerk.post(f"{await url_of(mall)}/ask")
    assert answer.headers["location"].endswith("?said=silent")
    assert "아직 답하지 않았습니다" in (await clerk.http.get(answer.headers["location"])).text
    # It is asked again.
    assert (await mall.only_payment()).closed_at is None


# Refunds


async def test_a_refund_goes_from_the_page_to_the_pg_and_back(mall: Market, customer: Customer, clerk: Person) -> None:
    await customer.pay(mall.mug, "toss")
    answer = await ask(mall, clerk, amount="10,000", restock="1")
    url = await url_of(mall)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{url}?said=refund")
    page = await clerk.http.get(f"{url}?said=refund")
    assert "환불을 요청했습니다" in page.text
    [poll] = re.findall(r'hx-get="([^"]+)"', page.text)
    again = await clerk.http.get(poll.replace("&amp;", "&"))
    assert "HX-Refresh" not in again.headers
    assert 'id="order-head"' in again.text
    await work(mall)
    done = await clerk.http.get(poll.replace("&amp;", "&"))
    assert done.headers["HX-Refresh"] == "true"
    page = await clerk.http.get(url)
    assert "hx-get" not in page.text
    assert "16,000" in page.text
    assert re.search(r"<b>일부가 돌아감 <data[^>]*>10,000원", page.text)
    assert f"가게 · {clerk.email}" in page.text
    [refund] = await Refund.objects()
    assert (refund.status, refund.amount, refund.restock, refund.requested_by) == ("succeeded", 10_000, 1, clerk.email)
    [entry] = await AuditEntry.objects()
    assert (entry.action, '"amount": 10000' in entry.details) == (Action.REFUND_ASKED, True)


async def test_a_double_click_is_one_refund(mall: Market, customer: Customer, clerk: Person) -> None:
    await customer.pay(mall.mug, "toss")
    answers = await asyncio.gather(*(ask(mall, clerk, amount="5,000", seen_balance="26000") for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    [refused] = [answer for answer in answers if answer.status_code == 409]
    assert "그사이 남은 금액이 21,000원이 되어" in refused.text
    assert 'name="seen_balance" value="21000"' in refused.text
    assert 'value="5,000"' in refused.text
    assert await Refund.count() == await AuditEntry.count() == 1


async def test_a_double_click_on_all_of_it_says_that_nothing_is_left(
    mall: Market, customer: Customer, clerk: Person
) -> None:
    await customer.pay(mall.mug, "toss")
    assert (await ask(mall, clerk)).status_code == 303
    answer = await clerk.post(
        f"{await url_of(mall)}/refunds", seen_balance="26000", amount="26000", reason="x", restock="0"
    )
    assert (answer.status_code, "돌려드릴 돈이 남아 있지 않습니다" in answer.text) == (409, True)
    assert await Refund.count() == 1


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"amount": "이만 원"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "26,001"}, "amount"),
        ({"amount": "9" * 300}, "amount"),
        ({"reason": " "}, "reason"),
        ({"reason": "가" * 121}, "reason"),
        ({"restock": "2"}, "restock"),
        ({"restock": "-1"}, "restock"),
        ({"restock": "하나"}, "restock"),
    ],
)
async def test_what_makes_no_refund_is_told_beside_the_field(
    mall: Market, customer: Customer, clerk: Person, typed: dict[str, str], field: str
) -> None:
    await customer.pay(mall.mug, "toss")
    answer = await ask(mall, clerk, **{"reason": "깨진 손잡이", **typed})
    assert answer.status_code == 422
    assert re.search(rf'<input id="{field}"[^>]* aria-invalid="true"', answer.text)
    assert ("깨진 손잡이" in answer.text) == (field != "reason")
    assert await Refund.count() == await AuditEntry.count() == 0


async def test_a_form_without_the_balance_that_it_saw_is_no_refund(
    mall: Market, customer: Customer, clerk: Person
) -> None:
    await customer.pay(mall.mug, "toss")
    for seen in ("", "x", "25999"):
        assert (await ask(mall, clerk, seen_balance=seen)).status_code == 409
    assert await Refund.count() == 0


async def test_an_unpaid_order_has_no_refund(mall: Market, customer: Customer, clerk: Person) -> None:
    await customer.choose(mall.mug, "toss")
    url = await url_of(mall)
    assert "seen_balance" not in (await clerk.http.get(url)).text
    answer = await clerk.post(f"{url}/refunds", seen_balance="0", amount="1", reason="x", restock="0")
    assert (answer.status_code, "결제된 주문이 아니라" in answer.text) == (409, True)


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("10,000", "KRW", 10_000),
        ("10000원", "KRW", 10_000),
        ("₩ 1,234,567", "KRW", 1_234_567),
        (" １０，０００ ", "KRW", 10_000),
        ("10,00", "KRW", None),
        ("1만원", "KRW", None),
        ("-1", "KRW", None),
        ("1.5", "KRW", None),
        ("1e3", "KRW", None),
        ("$12.5", "USD", 1_250),
        ("12.05", "USD", 1_205),
        ("1,200", "USD", 120_000),
        ("12.345", "USD", None),
        ("", "KRW", None),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, currency: str, amount: int | None) -> None:
    assert read_amount(text, currency) == amount


async def test_a_deposit_goes_back_to_the_account_on_the_form(mall: Market, customer: Customer, clerk: Person) -> None:
    await deposited(mall, customer)
    page = await clerk.http.get(await url_of(mall))
    [bank] = re.findall(r'<option value="([^"]+)"[^>]*>우리은행<', page.text)
    answer = await ask(mall, clerk, bank=bank, number="1002", holder="김민지")
    assert (answer.status_code, 'id="to-number-error"' in answer.text) == (422, True)
    assert (await ask(mall, clerk, bank=bank, number="1002-123-456789", holder="김민지")).status_code == 303
    await work(mall)
    [refund] = await Refund.objects()
    assert refund.status == RefundStatus.PENDING
    assert "456789" not in (await AuditEntry.objects().first()).details


async def test_the_shop_may_name_the_account_that_a_shopper_was_asked_for(
    mall: Market, customer: Customer, clerk: Person
) -> None:
    await deposited(mall, customer)
    await ask(mall, clerk)
    await work(mall)
    [refund] = await Refund.objects()
    assert refund.status == RefundStatus.NEEDS_ACCOUNT
    page, path = await clerk.http.get(await url_of(mall)), f"{await url_of(mall)}/refunds/{refund.id}/account"
    assert f'action="{path}"' in page.text
    [bank] = re.findall(r'<option value="([^"]+)"[^>]*>우리은행<', page.text)
    mall.time.go_on(days=3, minutes=2)
    await notice_waiting()
    waiting = "돌려드릴 계좌를 아직 모르고 있어요"
    assert waiting in (await clerk.http.get(await url_of(mall))).text
    assert (await clerk.post(path, bank=bank, number="x", holder="")).status_code == 422
    assert waiting in (await clerk.http.get(await url_of(mall))).text
    answer = await clerk.post(path, bank=bank, number="1002123456789", holder="김민지")
    assert answer.headers["location"].endswith("?said=account")
    assert waiting not in (await clerk.http.get(await url_of(mall))).text
    assert (await clerk.post(path, bank=bank, number="1", holder="x")).headers["location"].endswith("?said=over")
    await work(mall)
    assert (await Refund.objects())[0].status == RefundStatus.PENDING
    actions = [entry.action for entry in await AuditEntry.objects().order_by(AuditEntry.id)]
    assert actions == [Action.REFUND_ASKED, Action.REFUND_ACCOUNT_NAMED]


async def test_a_failed_refund_is_asked_for_again_once(mall: Market, customer: Customer, clerk: Person) -> None:
    await customer.pay(mall.mug, "toss")
    reference = (await mall.only_payment()).reference
    await mall.fault("error", call="cancel", code="NOT_CANCELABLE_PAYMENT", reference=reference)
    await ask(mall, clerk, amount="10000원")
    await work(mall)
    [failed] = await Refund.objects()
    url = await url_of(mall)
    path = f"{url}/refunds/{failed.id}/retry"
    assert f'action="{path}"' in (await clerk.http.get(url)).text
    assert (await clerk.post(path)).headers["location"] == f"{url}?said=refund"
    answer = await clerk.post(path)
    assert (answer.status_code, "이미 다시 요청한 환불입니다" in answer.text) == (409, True)
    assert f'action="{path}"' not in (await clerk.http.get(url)).text
    await work(mall)
    assert (await mall.only_order()).refunded_amount == 10_000


async def test_a_refund_of_another_order_is_none_of_this_ones(mall: Market, customer: Customer, clerk: Person) -> None:
    await customer.pay(mall.mug, "toss")
    await ask(mall, clerk)
    [refund], first = await Refund.objects(), await url_of(mall)
    await customer.choose(mall.spoon if mall.spoon.shop == mall.haru.id else mall.last, "toss")
    other = await Order.objects().where(Order.paid_by.is_null()).first()
    for verb in ("retry", "account"):
        path = f"/haru/owner/orders/{other.number}/refunds/{refund.id}/{verb}"
        assert (await clerk.post(path)).status_code == 404
        assert (await clerk.post(f"{first}/refunds/nothing/{verb}")).status_code == 404
