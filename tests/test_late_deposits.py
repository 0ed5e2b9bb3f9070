"""Deposits that were transferred after their due date: the shop's policy says whether they pay or go back."""

from datetime import timedelta

import pytest

from app.messages.tables import Message
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.provider import OutcomeStatus
from app.payments.states import AlertKind, PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Alert, Payment, Refund
from app.shops.tables import LateDeposit, Shop
from tests.desk import Desks
from tests.mall import Customer, at_the_pg, hear_all, mails, move
from tests.shopping import Market
from tests.test_deposits import WAY, both, captured, deposit, states, tell_late, work_for

PAID = (OrderStatus.PAID, PaymentStatus.PAID)


async def choose(mall: Market, policy: LateDeposit) -> None:
    await Shop.update({Shop.late_deposit: policy}).where(Shop.id == mall.haru.id)


async def only_refund() -> Refund:
    [refund] = await Refund.objects()
    return refund


@both
async def test_the_shop_that_takes_none_asks_where_a_late_deposit_goes_back_to(
    mall: Market, customer: Customer, pg: str
) -> None:
    await choose(mall, LateDeposit.REFUND)
    await customer.pay(mall.mug, pg, WAY)
    await work_for(mall, days=5)
    await tell_late(mall)
    await hear_all(mall)

    assert await states(mall) == (OrderStatus.EXPIRED, PaymentStatus.PAID)
    assert await mall.stock_of(mall.mug) == 12
    refund = await only_refund()
    assert (refund.kind, refund.amount, refund.status) == (RefundKind.LATE, 26_000, RefundStatus.NEEDS_ACCOUNT)
    assert (await mails(mall))[-1] == "late_account_wanted"
    await mall.work()
    asking = await Message.objects().order_by(Message.id, ascending=False).first()
    assert asking.subject.startswith("[하루상점] 기한이 지나 들어온 입금을 돌려드릴게요")
    assert "입금 기한이 지난 뒤에 들어와 주문에 쓰지 못하고 돌려드립니다." in asking.body

    page = await customer.order_page()
    assert "받은 돈을 돌려드리고 있어요" in page.text
    assert (await customer.name_receiver(page)).status_code == 303
    await mall.work()
    await move(mall, f"refunds/{(await mall.only_payment()).reference}/complete")
    await work_for(mall, days=1)
    assert (await at_the_pg(mall, await mall.only_payment()))["refunded"] == 26_000
    assert (await mails(mall))[-1] == "late_refunded"
    assert await captured(mall) == 0
    assert not await Alert.exists().where(Alert.closed_at.is_null())


async def test_an_order_that_still_waits_takes_no_late_deposit_either(mall: Market, customer: Customer) -> None:
    """Between the due date and the end of the order, its goods are still there."""
    await choose(mall, LateDeposit.REFUND)
    await customer.pay(mall.mug, "toss", WAY)
    mall.time.go_on(hours=75)
    payment = await mall.only_payment()
    assert await mall.hear(payment, paid_at=payment.deposit_due_at + timedelta(seconds=1))
    assert await states(mall) == (OrderStatus.AWAITING_DEPOSIT, PaymentStatus.PAID)
    assert (await only_refund()).kind == RefundKind.LATE
    assert "받은 돈을 돌려드리고 있어요" in (await customer.order_page()).text


@pytest.mark.parametrize("policy", LateDeposit)
@pytest.mark.parametrize("is_told_late", [False, True])
async def test_a_deposit_of_the_last_second_pays_whatever_the_policy_and_whenever_it_is_told(
    mall: Market, customer: Customer, policy: LateDeposit, is_told_late: bool
) -> None:
    await choose(mall, policy)
    await customer.pay(mall.mug, "toss", WAY)
    due_at = (await mall.only_payment()).deposit_due_at
    await work_for(mall, days=5 if is_told_late else 3)
    assert (await mall.only_order()).holds_stock is not is_told_late
    assert await mall.hear(await mall.only_payment(), paid_at=due_at)
    assert await states(mall) == PAID
    assert await Refund.count() == 0


async def test_a_deposit_without_a_time_came_when_it_was_told(mall: Market, customer: Customer) -> None:
    await choose(mall, LateDeposit.REFUND)
    await customer.pay(mall.mug, "toss", WAY)
    mall.time.go_on(hours=73)
    assert await mall.hear(await mall.only_payment())
    assert (await only_refund()).kind == RefundKind.LATE


@pytest.mark.parametrize("policy", LateDeposit)
async def test_a_card_is_never_late(mall: Market, customer: Customer, policy: LateDeposit) -> None:
    await choose(mall, policy)
    await customer.go(mall.mug, "toss", "card")
    mall.time.go_on(days=9)
    assert await mall.hear(await mall.only_payment(), paid_at=mall.time())
    assert await states(mall) == PAID


async def test_a_late_deposit_of_a_paid_order_is_a_second_payment(mall: Market, customer: Customer) -> None:
    await choose(mall, LateDeposit.REFUND)
    page = await customer.pay(mall.mug, "toss", WAY)
    older = await mall.only_payment()
    window = await customer.pay_again(page, "toss", "card")
    await customer.come_back(await window.press("approve"))
    mall.time.go_on(days=5)
    older = await Payment.objects().get(Payment.id == older.id)
    assert await mall.hear(older, paid_at=mall.time())
    assert (await only_refund()).kind == RefundKind.SURPLUS
    assert (await mall.only_order()).status == OrderStatus.PAID


async def test_a_reversed_deposit_that_comes_again_too_late_goes_back(mall: Market, customer: Customer) -> None:
    await choose(mall, LateDeposit.REFUND)
    await customer.pay(mall.mug, "toss", WAY)
    await deposit(mall)
    await hear_all(mall)
    assert await states(mall) == PAID
    mall.time.go_on(days=5)
    taken_back = {"status": OutcomeStatus.AWAITING_DEPOSIT, "captured": 0, "closed": False}
    assert await mall.hear(await mall.only_payment(), **taken_back)
    assert await mall.hear(await mall.only_payment(), paid_at=mall.time())
    assert (await Order.objects().first()).paid_by is None
    assert (await only_refund()).kind == RefundKind.LATE


async def test_the_owner_reads_why_the_money_goes_back(mall: Market, customer: Customer) -> None:
    await choose(mall, LateDeposit.REFUND)
    await Shop.update({Shop.alert_email: "owner@haru.example"}).where(Shop.id == mall.haru.id)
    await customer.pay(mall.mug, "toss", WAY)
    await work_for(mall, days=5)
    await tell_late(mall)
    await hear_all(mall)
    await mall.work()
    [alert] = await Alert.objects()
    assert (alert.kind, alert.closed_at) == (AlertKind.SURPLUS, None)
    told = await Message.objects().get(Message.recipient == "owner@haru.example")
    assert "가게 설정대로 돌려드립니다" in told.body
    boss = await Desks(mall).member(mall.haru)
    page = await boss.http.get(f"/haru/owner/orders/{(await mall.only_order()).number}")
    assert "입금 기한이 지나 자동 환불" in page.text
    assert "기한 뒤에 들어온 돈" in page.text


async def test_whose_deposit_goes_back_is_not_told_that_none_has_come(mall: Market, customer: Customer) -> None:
    await choose(mall, LateDeposit.REFUND)
    await customer.pay(mall.mug, "toss", WAY)
    await deposit(mall)
    passed = {Payment.deposit_due_at: mall.time() - timedelta(minutes=5)}
    await Payment.update(passed, force=True)
    await Order.update({Order.expires_at: mall.time() + timedelta(hours=20)}, force=True)
    await hear_all(mall)
    await work_for(mall, days=2)
    assert (await only_refund()).kind == RefundKind.LATE
    assert (await mall.only_order()).status == OrderStatus.EXPIRED
    assert "deposit_expired" not in await mails(mall)
