"""What a later look mends: money that came without us, keys that changed, and refunds that came back."""

from dataclasses import replace

import pytest

from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.accounts import adopt, offers_of
from app.payments.provider import OutcomeStatus, RefundSeen
from app.payments.states import PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Payment, ProviderAccount, Refund
from tests.mall import CONTRACTS, Customer, hear_all
from tests.shopping import Market, Shopper


async def read(payment: Payment) -> Payment:
    return await Payment.objects().get(Payment.id == payment.id)


async def test_a_refused_payment_intent_is_cancelled_when_its_orders_hold_ends(
    mall: Market, customer: Customer
) -> None:
    window = await customer.go(mall.mug, "stripe elements")
    await customer.come_back(await window.decline() or "")
    assert (await mall.only_payment()).status == PaymentStatus.FAILED
    mall.time.go_on(hours=2)
    await mall.work()
    payment, order = await mall.only_payment(), await mall.only_order()
    assert (order.status, payment.closed_at is not None) == (OrderStatus.EXPIRED, True)
    answer = await mall.pg.wire.post(window.path, data={"action": "approve"})
    assert answer.status_code == 409


async def test_an_answer_from_before_a_confirm_does_not_end_it(market: Market, shopper: Shopper) -> None:
    await shopper.order(market.mug)
    before = await market.only_payment()
    await Payment.update({Payment.status: PaymentStatus.CONFIRMING}).where(Payment.id == before.id)
    assert not await market.hear(before, status=OutcomeStatus.FAILED, closed=False)
    assert (await read(before)).status == PaymentStatus.CONFIRMING


async def test_an_account_that_was_closed_is_not_waited_for_again(market: Market, shopper: Shopper) -> None:
    await shopper.order(market.mug)
    payment = await market.only_payment()
    await market.hear(payment, status=OutcomeStatus.CANCELLED)
    assert not await market.hear(await read(payment), status=OutcomeStatus.AWAITING_DEPOSIT, closed=False)
    assert (await market.only_order()).status == OrderStatus.CANCELLED


async def test_money_for_a_replaced_order_goes_back(market: Market, shopper: Shopper) -> None:
    form = await shopper.form(market.mug)
    await shopper.send(market.mug, form)
    older = await market.only_payment()
    await shopper.send(market.mug, {**form, "quantity": "2"})
    assert await market.hear(older)
    [refund] = await Refund.objects()
    assert (refund.kind, refund.payment) == (RefundKind.SURPLUS, older.id)
    assert await Order.count().where(Order.paid_by.is_not_null()) == 0


async def test_beside_a_live_account_no_test_account_sells(mall: Market) -> None:
    accounts = list(mall.accounts)
    accounts[0].mode = "live"
    assert {offer.account.id for offer in offers_of(accounts)} == {accounts[0].id}


async def test_the_mode_of_an_account_follows_the_settings(mall: Market) -> None:
    live = replace(CONTRACTS["portone"], mode="live").settings(mall.gateways.settings.gateways["portone"])
    [account] = await adopt(mall.gateways.ring, mall.haru, "portone", [live])
    assert (account.id, account.mode) == (mall.accounts[1].id, "live")


async def test_keys_that_are_gone_sell_no_more(mall: Market) -> None:
    assert await adopt(mall.gateways.ring, mall.haru, "portone", []) == []
    left = ProviderAccount.provider == "portone", ProviderAccount.is_enabled.eq(True)
    assert not await ProviderAccount.exists().where(*left)


@pytest.mark.parametrize("first", ["failed", "pending"])
async def test_a_deposit_that_came_back_from_the_bank_is_asked_for_anew(
    mall: Market, customer: Customer, first: str
) -> None:
    window = await customer.go(mall.mug, "toss", "virtual_account")
    await customer.come_back(await window.press("approve"))
    await window.at_the_bank("deposit")
    await hear_all(mall)
    payment = await mall.only_payment()
    refund = Refund(payment=payment.id, kind=RefundKind.ASKED, amount=26_000, reason="고객 변심")
    await Refund.insert(refund)
    sent = RefundSeen("try-1", refund.reference, 26_000, first)
    await mall.hear(payment, refunds=(sent,), closed=False)
    await mall.hear(await read(payment), refunds=(replace(sent, status="failed"),), closed=False)
    assert (await Refund.objects().get(Refund.id == refund.id)).status == RefundStatus.NEEDS_ACCOUNT

    again = RefundSeen("try-2", refund.reference, 26_000, "succeeded")
    told = (replace(sent, status="failed"), again)
    await mall.hear(await read(payment), refunds=told, refunded=26_000, closed=False)
    row = await Refund.objects().get(Refund.id == refund.id)
    assert (row.status, row.pg_refund_id) == (RefundStatus.SUCCEEDED, "try-2")


async def test_a_refund_that_the_pg_refused_is_no_longer_promised(market: Market, shopper: Shopper) -> None:
    await shopper.order(market.mug)
    payment = await market.only_payment()
    await market.hear(payment, amount=9, captured=9)
    url = f"/haru/orders/{(await market.only_order()).token}"
    assert "받은 돈을 돌려드리고 있어요" in (await shopper.http.get(url)).text
    await Refund.update({Refund.status: RefundStatus.FAILED}).where(Refund.payment == payment.id)
    page = await shopper.http.get(url)
    assert "환불이 아직 끝나지 않았어요" in page.text
    assert "hx-get" not in page.text
