"""Virtual accounts: issued, paid into, told late, taken back, closed and expired, with webhooks and without."""

from datetime import timedelta

import httpx
import pytest

from app.messages.tables import Message
from app.orders.states import OrderStatus
from app.payments.concluding import SECRET
from app.payments.states import PaymentStatus
from app.payments.tables import InboxEvent, Payment
from app.payments.watching import AFTER_DUE
from tests import portone_wire
from tests.mall import Customer, at_the_pg, hear_all, mails, move
from tests.sandbox_wire import HOOK
from tests.shopping import Market

WAY = "virtual_account"
DUE = timedelta(hours=72)
both = pytest.mark.parametrize("pg", ["toss", "portone"])


async def deposit(mall: Market) -> None:
    """The shopper sends the money; the shop hears nothing yet."""
    mall.time.go_on(minutes=1)
    await move(mall, f"deposits/{(await mall.only_payment()).reference}")


async def tell_late(mall: Market) -> None:
    """The bank tells only now of a transfer: the sandbox's own button works until the account's time is over."""
    mall.time.go_on(minutes=1)
    book = mall.pg.app.state.book
    [entry] = book.with_reference((await Payment.objects().order_by(Payment.created_at).first()).reference)
    later = (mall.time() + timedelta(hours=10)).strftime("%Y-%m-%dT%H:%M:%S")
    account = entry.facts["virtual_account"]
    if entry.provider == "toss":
        account.update(dueDate=later, expired=False)
    else:
        account["expiredAt"], entry.status = f"{later}Z", "VIRTUAL_ACCOUNT_ISSUED"
    book.save(entry)
    await move(mall, f"deposits/{entry.reference}")


async def post(mall: Market, body: dict[str, str], delivery: str = "whtrans_1") -> None:
    """A webhook in Toss's form, from anybody."""
    headers = {"tosspayments-webhook-transmission-id": delivery}
    answer = await mall.shopper().http.post(mall.hooks[HOOK], json=body, headers=headers)
    assert answer.status_code == 200, answer.text


async def work_for(mall: Market, **time: float) -> None:
    """The worker, now and then, until so much time has passed; nobody sends webhooks."""
    end = mall.time() + timedelta(**time)
    while mall.time() < end:
        mall.time.go_on(seconds=min(6 * 3600, (end - mall.time()).total_seconds()))
        await mall.work()


async def states(mall: Market) -> tuple[str, str]:
    return (await mall.only_order()).status, (await mall.only_payment()).status


async def captured(mall: Market) -> int:
    return sum(entry["captured"] - entry["refunded"] for entry in await mall.ledger())


WAITING = (OrderStatus.AWAITING_DEPOSIT, PaymentStatus.AWAITING_DEPOSIT)
PAID = (OrderStatus.PAID, PaymentStatus.PAID)


# Issued


@pytest.mark.parametrize(("pg", "holder"), [("toss", "김민지"), ("portone", "하루상점")])
async def test_the_order_waits_and_its_page_shows_where_to_pay(
    mall: Market, customer: Customer, pg: str, holder: str
) -> None:
    page = await customer.pay(mall.mug, pg, WAY, depositor="김민지")

    order, payment = await mall.only_order(), await mall.only_payment()
    assert page.url.path == f"/haru/orders/{order.token}"
    number = payment.deposit_number
    for text in ("아래 계좌로 입금해 주세요", "우리은행", number, holder, "26,000원", "11월 25일", "14:00"):
        assert text in page.text
    assert 'hx-trigger="every 5s"' in page.text
    assert await states(mall) == WAITING
    assert payment.deposit_due_at == mall.time() + DUE
    assert (order.expires_at, order.paid_by) == (payment.deposit_due_at + timedelta(days=1), None)
    assert (payment.captured_amount, payment.closed_at) == (0, None)
    assert await mall.stock_of(mall.mug) == 11
    await mall.work()
    assert await mails(mall) == ["deposit_account"]
    [message] = await Message.objects()
    for text in ("우리은행", number, holder, "26,000원", "2026년 11월 25일 (수) 14:00"):
        assert text in message.body


@both
async def test_coming_back_twice_issues_one_account_and_one_mail(mall: Market, customer: Customer, pg: str) -> None:
    window = await customer.go(mall.mug, pg, WAY)
    url = await window.press("approve")
    first = await customer.come_back(url)
    number = (await mall.only_payment()).deposit_number
    await hear_all(mall)
    second = await customer.come_back(url)
    assert first.url == second.url
    assert number in second.text
    assert await mails(mall) == ["deposit_account"]
    assert await mall.moves("order") == [(OrderStatus.PENDING, OrderStatus.AWAITING_DEPOSIT)]


async def test_the_secret_of_an_account_is_stored_sealed(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss", WAY)
    await hear_all(mall)
    payment = await mall.only_payment()
    [entry] = mall.pg.app.state.book.with_reference(payment.reference)
    secret = entry.facts["secret"]
    assert mall.gateways.ring.open(payment.secret, SECRET) == secret
    rows = [*(await Payment.select()), *(await InboxEvent.select())]
    assert len(rows) == 3
    assert secret not in str(rows)


async def test_the_page_of_an_account_says_when_it_was_paid(mall: Market, customer: Customer) -> None:
    page = await customer.pay(mall.mug, "toss", WAY)
    url = f"{page.url.path}/status?shown=awaiting_deposit"
    assert "HX-Refresh" not in (await customer.http.get(url)).headers
    await deposit(mall)
    await hear_all(mall)
    assert (await customer.http.get(url)).headers["HX-Refresh"] == "true"


# Paid into


@both
async def test_a_deposit_pays_the_order_once(mall: Market, customer: Customer, pg: str) -> None:
    await customer.pay(mall.mug, pg, WAY)
    await hear_all(mall)
    await deposit(mall)
    await hear_all(mall)

    assert await states(mall) == PAID
    order, payment = await mall.only_order(), await mall.only_payment()
    assert (order.paid_by, payment.captured_amount) == (payment.id, 26_000)
    assert await mall.moves("order") == [
        (OrderStatus.PENDING, OrderStatus.AWAITING_DEPOSIT),
        (OrderStatus.AWAITING_DEPOSIT, OrderStatus.PAID),
    ]
    assert await mails(mall) == ["deposit_account", "paid"]
    page = await customer.order_page()
    assert "결제가 끝났어요" in page.text
    assert payment.deposit_number not in page.text
    assert await mall.stock_of(mall.mug) == 11


@pytest.mark.parametrize(
    ("kind", "is_verified"), [("DEPOSIT_CALLBACK", True), ("PAYMENT_STATUS_CHANGED", False)], ids=lambda each: str(each)
)
async def test_either_of_tosss_two_webhooks_suffices(
    mall: Market, customer: Customer, kind: str, is_verified: bool
) -> None:
    await customer.pay(mall.mug, "toss", WAY)
    await hear_all(mall)
    await deposit(mall)
    sent = (await mall.pg.wire.get("/control/ledger")).json()["webhooks"]
    [number] = [each["id"] for each in sent if each["type"] == kind and not each["attempts"]]
    await move(mall, f"webhooks/{number}/send")
    await mall.work()
    assert await states(mall) == PAID
    [event] = await InboxEvent.objects().order_by(InboxEvent.received_at, ascending=False).limit(1)
    latest = await InboxEvent.select(InboxEvent.is_verified).where(InboxEvent.kind == kind)
    assert {row["is_verified"] for row in latest} == {is_verified}
    assert event.handled_at is not None


@pytest.mark.parametrize("secret", ["ps_aVeryWrongOne", "", "비밀", None])
async def test_a_callback_with_a_wrong_secret_is_a_hint_that_leads_to_asking(
    mall: Market, customer: Customer, secret: str | None
) -> None:
    await customer.pay(mall.mug, "toss", WAY)
    told = {"createdAt": "2026-11-22T14:00:00", "secret": secret, "status": "DONE", "transactionKey": "txrd_a01"}
    body = told | {"orderId": (await mall.only_payment()).reference}
    await post(mall, body, "whtrans_1")
    await mall.work()
    assert await states(mall) == WAITING

    await deposit(mall)
    await post(mall, body, "whtrans_2")
    await mall.work()
    assert await states(mall) == PAID
    events = await InboxEvent.select(InboxEvent.is_verified, InboxEvent.error)
    assert events == [{"is_verified": False, "error": None}] * 2


async def test_the_secret_of_another_payment_proves_nothing(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss", WAY)
    await Customer(mall).pay(mall.mug, "toss", WAY)
    first, second = await Payment.objects().order_by(Payment.created_at, Payment.id)
    other = mall.gateways.ring.open(second.secret, SECRET)
    await post(mall, {"secret": other, "status": "DONE", "orderId": first.reference, "transactionKey": "x"})
    [event] = await InboxEvent.objects()
    assert not event.is_verified


@both
async def test_a_deposit_is_found_without_any_webhook(mall: Market, customer: Customer, pg: str) -> None:
    await customer.pay(mall.mug, pg, WAY)
    await work_for(mall, hours=30)
    assert await states(mall) == WAITING
    await deposit(mall)
    await work_for(mall, hours=30)
    assert await states(mall) == PAID


@both
async def test_a_shopper_who_does_not_come_back_has_an_account_as_well(
    mall: Market, customer: Customer, pg: str
) -> None:
    """At Toss only our confirm issues it; at PortOne it is there, and paid into, before anybody is back."""
    window = await customer.go(mall.mug, pg, WAY)
    url = await window.press("approve")
    await hear_all(mall)
    if pg == "toss":
        assert await states(mall) == (OrderStatus.PENDING, PaymentStatus.CREATED)
        await customer.come_back(url)
    assert await states(mall) == WAITING
    await deposit(mall)
    await hear_all(mall)
    page = await customer.come_back(url)
    assert "결제가 끝났어요" in page.text
    assert await mails(mall) == ["deposit_account", "paid"]


async def test_webhooks_before_our_own_write_of_the_confirm_settle_once(
    mall: Market, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is issued and even paid into while the answer to the confirm is still on its way."""
    window = await customer.go(mall.mug, "toss", WAY)
    url = await window.press("approve")
    carry = mall.pg.transport.handle_async_request

    async def hurried(request: httpx.Request) -> httpx.Response:
        answer = await carry(request)
        if request.url.path.endswith("/confirm"):
            await mall.pg.send_due()
            await mall.work()
            await deposit(mall)
            await mall.pg.send_due()
            await mall.work()
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(mall.pg.transport, "handle_async_request", hurried)
        await customer.come_back(url)
    mall.time.go_on(minutes=5)
    await mall.work()

    assert await states(mall) == PAID
    payment = await mall.only_payment()
    assert (payment.secret is not None, payment.claim) == (True, None)
    moved = await mall.moves("order")
    assert moved.count((OrderStatus.AWAITING_DEPOSIT, OrderStatus.PAID)) == 1
    assert len(moved) == 2
    assert await InboxEvent.count().where(InboxEvent.handled_at.is_null()) == 0


async def test_an_account_whose_confirm_was_not_answered_is_found_and_its_deposit_too(
    mall: Market, customer: Customer
) -> None:
    """Toss tells the secret once: without it the deposit's webhook is a hint."""
    window = await customer.go(mall.mug, "toss", WAY)
    url = await window.press("approve")
    await mall.fault("answer_lost_after", call="confirm", reference=(await mall.only_payment()).reference)
    page = await customer.come_back(url)
    payment = await mall.only_payment()
    assert payment.deposit_number in page.text
    assert (payment.status, payment.secret) == (PaymentStatus.AWAITING_DEPOSIT, None)
    await deposit(mall)
    await hear_all(mall)
    assert await states(mall) == PAID
    assert not await InboxEvent.exists().where(InboxEvent.is_verified.eq(True))


async def test_an_account_that_nobody_should_pay_into_is_closed(mall: Market, customer: Customer) -> None:
    """The window of an earlier attempt issues it, when the order is paid already."""
    window = await customer.go(mall.mug, "portone", WAY)
    paid = await customer.pay_again(await customer.order_page(), "toss")
    await customer.come_back(await paid.press("approve"))
    assert (await mall.only_order()).status == OrderStatus.PAID

    await window.press("approve")
    await hear_all(mall)

    older = await Payment.objects().get(Payment.provider == "portone")
    assert (older.status, older.closed_at is not None) == (PaymentStatus.CANCELLED, True)
    assert (await at_the_pg(mall, older))["status"] == "CANCELLED"
    assert (await mall.only_order()).status == OrderStatus.PAID
    assert await mails(mall) == ["paid"]


# Told late


@both
async def test_a_deposit_told_after_the_order_expired_still_pays_it_where_its_goods_are_there(
    mall: Market, customer: Customer, pg: str
) -> None:
    await customer.pay(mall.mug, pg, WAY)
    await work_for(mall, days=5)
    assert await states(mall) == (OrderStatus.EXPIRED, PaymentStatus.EXPIRED)
    assert await mall.stock_of(mall.mug) == 12
    await tell_late(mall)
    await hear_all(mall)
    assert await states(mall) == PAID
    assert await mall.stock_of(mall.mug) == 11


@both
async def test_a_deposit_told_without_a_webhook_is_found_within_four_days_of_the_due_date(
    mall: Market, customer: Customer, pg: str
) -> None:
    await customer.pay(mall.mug, pg, WAY)
    await work_for(mall, days=5, hours=20)
    await tell_late(mall)
    await work_for(mall, hours=28)
    assert await states(mall) == PAID


@both
async def test_a_deposit_told_after_its_goods_were_sold_goes_back_to_the_shoppers_account(
    mall: Market, customer: Customer, pg: str
) -> None:
    await customer.pay(mall.last, pg, WAY)
    await work_for(mall, days=5)
    order, payment = await mall.only_order(), await mall.only_payment()
    await Customer(mall).pay(mall.last, "toss")
    await tell_late(mall)
    await hear_all(mall)

    page = await customer.http.get(f"/haru/orders/{order.token}")
    assert "받은 돈을 돌려드리고 있어요" in page.text
    assert "21,000원</data>을 어디로 돌려드릴까요?" in page.text
    assert (await mails(mall))[-1] == "refund_account_wanted"
    answer = await customer.name_receiver(page)
    assert answer.status_code == 303
    await mall.work()
    await move(mall, f"refunds/{payment.reference}/complete")
    await work_for(mall, days=1)

    assert (await at_the_pg(mall, payment))["refunded"] == 21_000
    payment = await Payment.objects().get(Payment.id == payment.id)
    assert (payment.status, payment.refunded_amount) == (PaymentStatus.REFUNDED, 21_000)
    page = await customer.http.get(f"/haru/orders/{order.token}")
    assert "결제 기한이 지났어요" in page.text
    assert "어디로 돌려드릴까요" not in page.text
    assert await captured(mall) == 21_000


# Taken back


async def test_a_deposit_that_the_bank_takes_back_leaves_the_order_waiting(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss", WAY)
    await deposit(mall)
    await hear_all(mall)
    mall.time.go_on(hours=2)
    reference = (await mall.only_payment()).reference
    await move(mall, f"deposits/{reference}/reverse")
    await hear_all(mall)

    assert await states(mall) == WAITING
    order, payment = await mall.only_order(), await mall.only_payment()
    assert (order.paid_by, order.paid_at, payment.captured_amount) == (None, None, 0)
    assert (payment.closed_at, order.expires_at) == (None, payment.deposit_due_at + timedelta(days=1))
    assert (order.holds_stock, await mall.stock_of(mall.mug)) == (True, 11)
    assert await mails(mall) == ["deposit_account", "paid", "deposit_reversed"]
    assert payment.deposit_number in (await customer.order_page()).text

    await deposit(mall)
    await hear_all(mall)
    assert await states(mall) == PAID
    assert (await mails(mall))[3:] == ["paid"]


async def test_a_deposit_taken_back_after_the_due_date_leaves_the_order_unpaid(
    mall: Market, customer: Customer
) -> None:
    await customer.pay(mall.mug, "toss", WAY)
    await deposit(mall)
    await hear_all(mall)
    mall.time.go_on(days=5)
    await move(mall, f"deposits/{(await mall.only_payment()).reference}/reverse")
    await hear_all(mall)
    order = await mall.only_order()
    assert (order.status, order.paid_by) == (OrderStatus.AWAITING_DEPOSIT, None)
    assert order.expires_at == mall.time() + timedelta(days=1)
    assert (await mails(mall))[2:] == ["deposit_reversed"]

    await work_for(mall, days=2)
    assert await states(mall) == (OrderStatus.EXPIRED, PaymentStatus.EXPIRED)
    assert await mall.stock_of(mall.mug) == 12


@pytest.mark.parametrize("days", [0, 5])
async def test_a_deposit_taken_back_after_a_refund_keeps_the_state_and_leaves_evidence(
    mall: Market, customer: Customer, days: int
) -> None:
    await customer.pay(mall.mug, "toss", WAY)
    await deposit(mall)
    await hear_all(mall)
    payment = await mall.only_payment()
    await move(mall, f"refunds/{payment.reference}", amount=6_000)
    await hear_all(mall)
    mall.time.go_on(days=days)
    # Toss does not say what it does then; the sandbox refuses.
    [entry] = mall.pg.app.state.book.with_reference(payment.reference)
    entry.status, entry.captured, entry.facts["approved_at"] = "WAITING_FOR_DEPOSIT", 0, None
    mall.pg.app.state.book.save(entry)
    for delivery in ("whtrans_1", "whtrans_2"):
        await post(mall, {"secret": "x", "status": "WAITING_FOR_DEPOSIT", "orderId": payment.reference}, delivery)
        await mall.work()

    assert await states(mall) == (OrderStatus.PARTIALLY_REFUNDED, PaymentStatus.PARTIALLY_REFUNDED)
    payment = await mall.only_payment()
    assert (payment.captured_amount, payment.refunded_amount) == (26_000, 6_000)
    assert await mall.refusals() == ["reversed_after_refund"]


# Closed


async def close_by_hand(mall: Market, pg: str, reference: str) -> None:
    """At the PG's console, or by the owner's own call of its API."""
    if pg == "toss":
        await move(mall, f"refunds/{reference}")
    else:
        answer = await portone_wire.call(mall.pg, f"/payments/{reference}/virtual-account/close")
        assert answer.status_code == 200, answer.text


@both
async def test_an_account_closed_by_hand_cancels_the_order_which_can_be_paid_again(
    mall: Market, customer: Customer, pg: str
) -> None:
    await customer.pay(mall.mug, pg, WAY)
    await hear_all(mall)
    await close_by_hand(mall, pg, (await mall.only_payment()).reference)
    await hear_all(mall)
    if pg == "portone":
        # PortOne tells nobody but the caller.
        await work_for(mall, hours=6)
    assert await states(mall) == (OrderStatus.CANCELLED, PaymentStatus.CANCELLED)
    order, payment = await mall.only_order(), await mall.only_payment()
    assert payment.closed_at is not None
    assert mall.time() < order.expires_at <= mall.time() + timedelta(minutes=60)
    assert await mall.stock_of(mall.mug) == 11

    page = await customer.order_page()
    assert payment.deposit_number not in page.text
    assert "다시 결제하기" in page.text
    again = await customer.pay_again(page, "toss", "card")
    assert "결제가 끝났어요" in (await customer.come_back(await again.press("approve"))).text
    assert await captured(mall) == 26_000


@both
async def test_an_account_closed_by_hand_holds_no_goods_for_days(mall: Market, customer: Customer, pg: str) -> None:
    await customer.pay(mall.mug, pg, WAY)
    await close_by_hand(mall, pg, (await mall.only_payment()).reference)
    await hear_all(mall)
    await work_for(mall, hours=30)
    assert (await mall.only_order()).status == OrderStatus.EXPIRED
    assert await mall.stock_of(mall.mug) == 12
    assert await mails(mall) == ["deposit_account"]


# Expired


@both
async def test_an_account_that_nobody_pays_into_expires_without_any_webhook(
    mall: Market, customer: Customer, pg: str
) -> None:
    await customer.pay(mall.mug, pg, WAY)
    due = (await mall.only_payment()).deposit_due_at
    seen: dict[tuple[str, str, bool], timedelta] = {}
    while mall.time() < due + timedelta(days=6):
        mall.time.go_on(hours=6)
        await mall.work()
        is_watched = (await mall.only_payment()).closed_at is None
        seen.setdefault((*await states(mall), is_watched), mall.time() - due)

    order_waits = (OrderStatus.AWAITING_DEPOSIT, PaymentStatus.EXPIRED, True)
    order_ended = (OrderStatus.EXPIRED, PaymentStatus.EXPIRED, True)
    watch_ended = (OrderStatus.EXPIRED, PaymentStatus.EXPIRED, False)
    assert list(seen) == [(*WAITING, True), order_waits, order_ended, watch_ended]
    assert timedelta() <= seen[order_waits] <= timedelta(days=1)
    assert timedelta(days=1) <= seen[order_ended] <= timedelta(days=1, hours=6)
    assert AFTER_DUE < seen[watch_ended] <= AFTER_DUE + timedelta(days=1, hours=6)
    assert await mall.stock_of(mall.mug) == 12
    assert await mails(mall) == ["deposit_account", "deposit_expired"]
    assert "결제 기한이 지났어요" in (await customer.order_page()).text
    assert await captured(mall) == 0


@both
async def test_after_the_due_date_the_order_page_asks_at_once_and_offers_other_ways(
    mall: Market, customer: Customer, pg: str
) -> None:
    await customer.pay(mall.mug, pg, WAY)
    number = (await mall.only_payment()).deposit_number
    mall.time.go_on(hours=73)
    page = await customer.order_page()
    assert "입금 기한이 지났어요" in page.text
    assert number not in page.text
    assert (await mall.only_payment()).status == PaymentStatus.EXPIRED

    again = await customer.pay_again(page, "toss", "card")
    assert "결제가 끝났어요" in (await customer.come_back(await again.press("approve"))).text
    await work_for(mall, days=6)
    assert (await mall.only_order()).status == OrderStatus.PAID
    assert await mall.stock_of(mall.mug) == 11
    assert await captured(mall) == 26_000


@both
async def test_an_order_does_not_expire_while_the_pg_is_silent(mall: Market, customer: Customer, pg: str) -> None:
    await customer.pay(mall.mug, pg, WAY)
    mall.time.go_on(hours=71)
    await deposit(mall)
    await mall.fault("server_error", provider=pg, call="lookup", percent=100)
    await work_for(mall, days=2)
    assert await states(mall) == WAITING
    assert await mall.stock_of(mall.mug) == 11
    await mall.pg.wire.delete("/control/faults")
    await work_for(mall, days=1)
    assert await states(mall) == PAID


# Another way


@both
async def test_the_page_of_an_account_offers_every_other_way(mall: Market, customer: Customer, pg: str) -> None:
    page = await customer.pay(mall.mug, pg, WAY)
    assert "다른 방법으로 결제하기" in page.text
    payment = await mall.only_payment()
    assert f'value="{payment.account}:{WAY}"' not in page.text
    others = {f"{account.id}:{way}" for account in mall.accounts[:-1] for way in account.ways.split(",")}
    others.remove(f"{payment.account}:{WAY}")
    assert [value for value in others if f'value="{value}"' not in page.text] == []


@both
async def test_an_account_is_closed_at_the_pg_before_another_way_is_paid(
    mall: Market, customer: Customer, pg: str
) -> None:
    page = await customer.pay(mall.mug, pg, WAY)
    older = await mall.only_payment()
    mall.time.go_on(minutes=1)
    window = await customer.pay_again(page, "stripe")
    assert (await mall.pg.wire.post(f"/control/deposits/{older.reference}")).status_code == 409
    page = await customer.come_back(await window.press("approve"))
    assert "결제가 끝났어요" in page.text
    await hear_all(mall)
    older = await Payment.objects().get(Payment.id == older.id)
    assert (older.status, older.closed_at is not None) == (PaymentStatus.CANCELLED, True)
    assert (await mall.only_order()).status == OrderStatus.PAID
    assert await mails(mall) == ["deposit_account", "paid"]
    assert await captured(mall) == 26_000


async def choose_another(customer: Customer, page: httpx.Response) -> httpx.Response:
    """Presses 이 방법으로 결제하기 for Toss's card, and sees where it leads."""
    action, form = customer.pay_again_form(page, "toss", "card")
    return await customer.http.post(action, data=form, follow_redirects=True)


@both
async def test_a_deposit_that_was_faster_is_found_and_nothing_is_paid_twice(
    mall: Market, customer: Customer, pg: str
) -> None:
    page = await customer.pay(mall.mug, pg, WAY)
    await deposit(mall)
    page = await choose_another(customer, page)
    assert "결제가 끝났어요" in page.text
    assert await states(mall) == PAID
    assert await captured(mall) == 26_000


@both
async def test_a_deposit_between_the_look_and_the_closing_is_found_too(
    mall: Market, customer: Customer, pg: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await customer.pay(mall.mug, pg, WAY)
    carry = mall.pg.transport.handle_async_request

    async def paid_meanwhile(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(("/cancel", "/virtual-account/close")):
            await deposit(mall)
        return await carry(request)

    with monkeypatch.context() as patched:
        patched.setattr(mall.pg.transport, "handle_async_request", paid_meanwhile)
        page = await choose_another(customer, page)
    assert "결제가 끝났어요" in page.text
    assert await states(mall) == PAID
    assert await captured(mall) == 26_000


@both
async def test_an_account_that_cannot_be_closed_stays_the_way_to_pay(mall: Market, customer: Customer, pg: str) -> None:
    page = await customer.pay(mall.mug, pg, WAY)
    await mall.fault("server_error", provider=pg, call="lookup", percent=100)
    page = await choose_another(customer, page)
    assert (await mall.only_payment()).deposit_number in page.text
    assert await states(mall) == WAITING
    await mall.pg.wire.delete("/control/faults")
    await deposit(mall)
    await hear_all(mall)
    assert await states(mall) == PAID


async def test_a_deposit_into_a_closed_account_told_after_all_is_a_surplus(mall: Market, customer: Customer) -> None:
    """The account was closed for another way, which then paid: whatever the bank says later goes back."""
    page = await customer.pay(mall.mug, "toss", WAY)
    older = await mall.only_payment()
    window = await customer.pay_again(page, "toss", "card")
    await customer.come_back(await window.press("approve"))
    book = mall.pg.app.state.book
    [entry] = book.with_reference(older.reference)
    entry.status, entry.captured, entry.facts["cancels"] = "DONE", 26_000, []
    entry.facts.update(approved_at="2026-11-22T15:00:00+09:00", approve_no="1")
    book.save(entry)
    await post(mall, {"secret": "x", "status": "DONE", "orderId": older.reference})
    await mall.work()

    order = await mall.only_order()
    assert (order.status, order.paid_by != older.id) == (OrderStatus.PAID, True)
    page = await customer.order_page()
    assert "26,000원</data>을 어디로 돌려드릴까요?" in page.text
    await customer.name_receiver(page)
    await mall.work()
    assert await captured(mall) == 26_000


async def test_an_account_that_came_to_nothing_otherwise_is_not_watched_for_ever(
    mall: Market, customer: Customer
) -> None:
    await customer.come_back(await (await customer.go(mall.mug, "portone")).press("decline"))
    payment = await mall.only_payment()
    await Payment.update({Payment.deposit_due_at: mall.time()}).where(Payment.id == payment.id)

    async def is_watched_after(days: int) -> bool:
        for _ in range(days):
            mall.time.go_on(days=1)
            await mall.work()
        return (await mall.only_payment()).closed_at is None

    assert await is_watched_after(days=3)
    assert not await is_watched_after(days=3)
