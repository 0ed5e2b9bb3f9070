"""What holds at every PG: the money comes once, what fails is paid again, and what goes back is booked."""

import pytest

from app.orders.states import OrderStatus
from app.payments.states import PaymentStatus
from app.payments.tables import Payment
from tests.mall import CARDS, Customer, at_the_pg, hear_all
from tests.shopping import Market

pytestmark = pytest.mark.parametrize("contract", CARDS)


async def test_a_purchase_is_paid_when_the_shopper_is_back(mall: Market, customer: Customer, contract: str) -> None:
    page = await customer.pay(mall.mug, contract)
    assert "결제가 끝났어요" in page.text
    order, payment = await mall.only_order(), await mall.only_payment()
    assert (order.status, order.paid_by) == (OrderStatus.PAID, payment.id)
    assert (payment.status, payment.captured_amount) == (PaymentStatus.PAID, 26_000)
    assert (await at_the_pg(mall, payment))["captured"] == 26_000


async def test_a_shopper_who_does_not_come_back_has_paid_all_the_same(
    mall: Market, customer: Customer, contract: str
) -> None:
    window = await customer.go(mall.mug, contract)
    await window.press("approve")
    await hear_all(mall)
    [payment] = await Payment.objects()
    captured = (await at_the_pg(mall, payment))["captured"]
    assert (payment.captured_amount, (await mall.only_order()).paid_by is not None) == (captured, captured > 0)


async def test_after_a_decline_the_same_order_is_paid(mall: Market, customer: Customer, contract: str) -> None:
    window = await customer.go(mall.mug, contract)
    way_back = await window.decline()
    if way_back is not None:
        page = await customer.come_back(way_back)
        assert "결제가 끝났어요" not in page.text
        window = await customer.pay_again(page, contract)
    page = await customer.come_back(await window.press("approve"))
    assert "결제가 끝났어요" in page.text
    assert (await mall.only_order()).status == OrderStatus.PAID
    assert sum(entry["captured"] for entry in await mall.ledger()) == 26_000


async def test_after_leaving_the_window_the_same_order_is_paid(mall: Market, customer: Customer, contract: str) -> None:
    window = await customer.go(mall.mug, contract)
    page = await customer.come_back(await window.press("cancel"))
    assert "결제가 끝났어요" not in page.text
    page = await customer.come_back(await (await customer.pay_again(page, contract)).press("approve"))
    assert "결제가 끝났어요" in page.text
    assert sum(entry["captured"] for entry in await mall.ledger()) == 26_000


async def test_a_refund_at_the_pgs_console_is_heard_and_booked(mall: Market, customer: Customer, contract: str) -> None:
    await customer.pay(mall.mug, contract)
    payment = await mall.only_payment()
    answer = await mall.pg.wire.post(f"/control/refunds/{payment.reference}", json={"amount": 6_000})
    assert answer.status_code == 201, answer.text
    await hear_all(mall)
    payment, order = await mall.only_payment(), await mall.only_order()
    assert (payment.status, payment.refunded_amount) == (PaymentStatus.PARTIALLY_REFUNDED, 6_000)
    assert (order.status, order.refunded_amount) == (OrderStatus.PARTIALLY_REFUNDED, 6_000)
