"""When shoppers are told: once for each change, when it is so, and never what a later change has made untrue."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.database import write_transaction
from app.jobs.tables import Job
from app.messages.tables import Message
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.asking import ask_refund, refundable_of
from app.payments.following import offer_again
from app.payments.provider import RefundSeen
from app.payments.states import PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Payment, Refund
from app.shops.tables import Product
from tests.mall import Customer, hear_all, mails, move
from tests.sandbox_wire import authenticated, confirm
from tests.shopping import Market
from tests.test_stripe_shop import REFUND_FAILS_LATER

REFUND_IS_LATE = "4000000000007726"


async def subjects() -> list[str]:
    """What stands in the mailbox, oldest first, without the shop's and the order's names."""
    rows = await Message.select(Message.subject).order_by(Message.created_at)
    return [row["subject"].partition("] ")[2].partition(" (")[0] for row in rows]


async def work(market: Market, **by: float) -> None:
    market.time.go_on(**(by or {"minutes": 2}))
    await hear_all(market)


async def ask(market: Market, amount: int = 26_000) -> Refund:
    order = await market.only_order()
    balance = await refundable_of(order)
    return await ask_refund(order.id, amount, "고객 변심", seen_balance=balance, requested_by="owner@haru.example")


# Money that came


async def test_a_deposit_is_told_as_one(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "portone", "virtual_account")
    await work(mall)
    await move(mall, f"deposits/{(await mall.only_payment()).reference}")
    await work(mall)
    assert await subjects() == ["입금을 기다리고 있어요", "입금을 확인했어요"]


async def test_a_card_is_told_as_paid(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "portone")
    await work(mall)
    assert await subjects() == ["결제가 끝났어요"]


# Money that went back


async def test_a_second_payment_that_went_back_is_told(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    paid = await mall.only_payment()
    second = Payment(order=paid.order, account=paid.account, provider="toss", way="card", amount=26_000, currency="KRW")
    await Payment.insert(second)
    claim = await authenticated(mall.pg.wire, reference=second.reference, amount=26_000)
    assert (await confirm(mall.pg.wire, claim)).status_code == 200
    assert await mall.hear(second, pg_payment_id=claim["paymentKey"])
    assert await mails(mall) == ["paid"]
    await work(mall)
    await work(mall, hours=1)
    assert await mails(mall) == ["paid", "surplus_refunded"]
    [message] = await Message.objects().where(Message.subject.like("%두 번 결제된 금액을 돌려드렸어요%"))
    assert "이번에 돌려드린 금액: 26,000원\n" in message.body
    assert "지금까지" not in message.body


async def test_a_wrong_payment_that_went_back_is_told_with_what_was_paid(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "stripe")
    await customer.come_back(await window.press("approve", fault="amount_changed"))
    await work(mall)
    await work(mall, hours=1)
    [refund] = await Refund.objects()
    assert (refund.kind, refund.status) == (RefundKind.MISMATCH, RefundStatus.SUCCEEDED)
    [message] = await Message.objects()
    assert "주문과 맞지 않는 결제를 돌려드렸어요" in message.subject
    assert f"이번에 돌려드린 금액: {refund.amount:,}원\n" in message.body


async def test_money_on_its_way_back_is_told_when_it_has_arrived(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "stripe", number=REFUND_IS_LATE)
    refund = await ask(mall)
    await work(mall)
    assert (await Refund.objects())[0].status == RefundStatus.PENDING
    assert (await mall.only_order()).status == OrderStatus.REFUNDED
    assert await mails(mall) == ["paid"]
    mall.time.go_on(hours=1)
    await mall.ledger()
    await work(mall)
    assert (await Refund.objects().get(Refund.id == refund.id)).status == RefundStatus.SUCCEEDED
    assert await mails(mall) == ["paid", "refunded"]


async def test_money_that_never_arrives_is_never_told_to_be_back(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "stripe", number=REFUND_FAILS_LATER)
    await ask(mall)
    await work(mall)
    mall.time.go_on(hours=1)
    await mall.ledger()
    await work(mall)
    assert (await Refund.objects())[0].status == RefundStatus.FAILED
    assert await mails(mall) == ["paid"]


async def test_a_refund_that_came_back_before_its_mail_was_written_is_not_told(
    mall: Market, customer: Customer
) -> None:
    await customer.pay(mall.mug, "toss")
    refund = await ask(mall)
    await work(mall)
    await Message.delete(force=True)
    await Refund.update({Refund.status: RefundStatus.FAILED}).where(Refund.id == refund.id)
    await Job.update({Job.done_at: None}).where(Job.kind == "mail")
    await mall.work()
    assert await subjects() == ["결제가 끝났어요"]


async def test_a_refund_that_an_older_look_found_is_told(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "toss")
    older = await mall.only_payment()
    await customer.come_back(await window.press("approve"))
    refund = await ask(mall)
    seen = RefundSeen("re-1", refund.reference, 26_000, "succeeded")
    mall.time.go_on(seconds=1)
    assert not await mall.hear(older, refunded=26_000, refunds=(seen,))
    assert await mails(mall) == ["paid", "refunded"]


async def test_money_that_came_and_went_unseen_is_not_told(mall: Market, customer: Customer) -> None:
    await customer.choose(mall.mug, "toss")
    seen = RefundSeen("re-1", None, 26_000, "succeeded")
    await mall.hear(await mall.only_payment(), refunded=26_000, refunds=(seen,))
    assert await mails(mall) == []


async def test_two_parts_are_told_with_what_has_gone_back_so_far(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    for amount in (6_000, 6_000):
        await ask(mall, amount)
        await work(mall)
    bodies = [row["body"] for row in await Message.select(Message.body).order_by(Message.created_at)]
    assert ["지금까지 돌려드린 금액: 12,000원" in body for body in bodies] == [False, False, True]


# Paying again after an outage


async def outage(market: Market, customer: Customer) -> None:
    """A confirm without an answer, and nobody waits for it; when the PG is back it refuses."""
    window = await customer.go(market.mug, "toss")
    reference = (await market.only_payment()).reference
    await market.fault("answer_lost_before", call="confirm", reference=reference)
    await market.fault("error", call="confirm", code="REJECT_CARD_PAYMENT", reference=reference)
    await customer.http.get(await window.press("approve"))
    assert (await market.only_payment()).status == PaymentStatus.CONFIRMING


async def test_after_an_outage_the_shopper_gets_the_link_once(mall: Market, customer: Customer) -> None:
    await outage(mall, customer)
    assert await mails(mall) == []
    for _ in range(3):
        await work(mall, minutes=5)
    assert (await mall.only_payment()).status == PaymentStatus.FAILED
    [message] = await Message.objects()
    assert "아직 결제되지 않았어요" in message.subject
    assert f"/haru/orders/{(await mall.only_order()).token}\n" in message.body
    async with write_transaction():
        await offer_again(await mall.only_order())
    await work(mall)
    assert await Message.count() == 1


async def test_who_sees_it_on_the_page_needs_no_mail(mall: Market, customer: Customer) -> None:
    await outage(mall, customer)
    page = await customer.order_page()
    assert "결제되지 않았어요" in page.text
    await work(mall)
    assert await mails(mall) == []


async def test_who_is_refused_on_coming_back_needs_no_mail(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "toss")
    reference = (await mall.only_payment()).reference
    await mall.fault("error", call="confirm", code="REJECT_CARD_PAYMENT", reference=reference)
    await customer.come_back(await window.press("approve"))
    await work(mall, minutes=5)
    assert (await mall.only_payment()).status == PaymentStatus.FAILED
    assert await mails(mall) == []


@pytest.mark.parametrize(
    "change",
    [
        {Order.status: OrderStatus.PAID},
        {Order.checkout_token: "haru.other~replaced"},
        {Order.status: OrderStatus.EXPIRED, Order.holds_stock: False},
    ],
)
async def test_who_cannot_pay_any_more_is_not_asked_to(
    mall: Market, customer: Customer, change: dict[Any, Any]
) -> None:
    """Paid, replaced by another form, or sold out meanwhile."""
    await customer.choose(mall.mug, "toss")
    order = await mall.only_order()
    await Order.update(change).where(Order.id == order.id)
    await Product.update({Product.stock: 0}).where(Product.id == mall.mug.id)
    async with write_transaction():
        await offer_again(order)
    await mall.work()
    assert await Message.count() == 0
    assert await Job.count().where(Job.done_at.is_null()) == 0


async def test_goods_that_are_not_sold_any_more_are_not_offered_again(mall: Market, customer: Customer) -> None:
    await customer.choose(mall.mug, "toss")
    await Product.update({Product.is_active: False}).where(Product.id == mall.mug.id)
    async with write_transaction():
        await offer_again(await mall.only_order())
    await mall.work()
    assert await Message.count() == 0


@pytest.mark.parametrize("is_paid", [True, False])
async def test_while_another_payment_is_decided_the_mail_waits(mall: Market, customer: Customer, is_paid: bool) -> None:
    await customer.choose(mall.mug, "toss")
    payment = await mall.only_payment()
    await Payment.update({Payment.status: PaymentStatus.CONFIRMING}).where(Payment.id == payment.id)
    async with write_transaction():
        await offer_again(await mall.only_order())
    await mall.work()
    assert await Message.count() == 0
    if is_paid:
        await mall.hear(await mall.only_payment())
    else:
        await Payment.update({Payment.status: PaymentStatus.FAILED}).where(Payment.id == payment.id)
    await work(mall, minutes=1)
    assert await subjects() == (["결제가 끝났어요"] if is_paid else ["아직 결제되지 않았어요"])


@pytest.mark.parametrize(("contract", "minutes"), [("toss", 40), ("portone", 64), ("stripe", 60)])
async def test_who_may_be_at_the_pgs_window_is_not_asked_to_pay_again(
    mall: Market, customer: Customer, contract: str, minutes: int
) -> None:
    await customer.go(mall.mug, contract)
    order, began = await mall.only_order(), mall.time()
    async with write_transaction():
        await offer_again(order)
    for minute in range(2, minutes, 2):
        mall.time.moment = began + timedelta(minutes=minute)
        await Job.update({Job.run_at: began}).where(Job.kind == "mail", Job.done_at.is_null())
        await mall.work()
        assert await Message.count() == 0
    for later in (10, 12, 14):
        mall.time.moment = began + timedelta(minutes=minutes + later)
        await Job.update({Job.run_at: began}).where(Job.kind == "mail", Job.done_at.is_null())
        await mall.work()
    assert await subjects() == ["아직 결제되지 않았어요"]


async def test_a_pg_that_did_not_open_is_followed_by_the_link(mall: Market, customer: Customer) -> None:
    pay_url = await customer.choose(mall.mug, "stripe")
    await mall.fault("answer_lost_before", provider="stripe", call="begin", percent=100)
    answers = await asyncio.gather(*(customer.http.get(pay_url) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [503, 503]
    await work(mall, minutes=9)
    assert await Message.count() == 0
    await work(mall, minutes=2)
    await work(mall, minutes=30)
    assert await subjects() == ["아직 결제되지 않았어요"]


async def test_who_got_through_after_all_is_not_sent_the_link(mall: Market, customer: Customer) -> None:
    pay_url = await customer.choose(mall.mug, "stripe")
    reference = (await mall.only_payment()).reference
    await mall.fault("answer_lost_before", provider="stripe", call="begin", reference=reference)
    assert (await customer.http.get(pay_url)).status_code == 503
    window = await customer.open(pay_url)
    await customer.come_back(await window.press("approve"))
    await work(mall, minutes=30)
    assert await subjects() == ["결제가 끝났어요"]
