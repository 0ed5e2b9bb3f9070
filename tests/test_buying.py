"""The whole path: a shopper orders, pays at the PG, and comes back to an order that is truly paid."""

from app.orders.states import OrderStatus
from app.payments.states import PaymentStatus
from tests.shopping import Market, Shopper


async def test_a_shopper_buys_two_mugs(market: Market, shopper: Shopper) -> None:
    page = await shopper.buy(market.mug, quantity=2)

    order, payment = await market.only_order(), await market.only_payment()
    assert page.status_code == 200
    assert "결제가 끝났어요" in page.text
    assert "52,000원" in page.text
    assert order.number in page.text
    assert (order.status, order.total_amount, order.paid_by) == (OrderStatus.PAID, 52_000, payment.id)
    assert (payment.status, payment.captured_amount) == (PaymentStatus.PAID, 52_000)
    assert await market.stock_of(market.mug) == 10
    [booked] = await market.ledger()
    assert (booked["reference"], booked["captured"], booked["refunded"]) == (payment.reference, 52_000, 0)
