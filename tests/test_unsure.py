"""Nothing that a page says is contradicted later: "not charged" is said only where no PG may hold the money."""

from app.orders.states import OrderStatus
from tests.mall import Customer
from tests.shopping import Market

NOT_CHARGED = "돈은 빠져나가지 않았습니다"
STILL_CHECKED = "앞서 여신 결제창의 결제는 아직 확인하고 있어요"


async def test_a_page_does_not_say_not_charged_while_another_pg_may_have_charged(
    mall: Market, customer: Customer
) -> None:
    window = await customer.go(mall.mug, "stripe")
    way_back = await window.press("approve")
    await mall.fault("server_error", provider="stripe", call="lookup", percent=100)
    await mall.fault("server_error", provider="stripe", call="close", percent=100)
    page = await customer.come_back(way_back)
    mall.time.go_on(minutes=1)
    page = await customer.come_back(await (await customer.pay_again(page, "toss")).decline())
    assert STILL_CHECKED in page.text
    assert NOT_CHARGED not in page.text
    page = await customer.order_page()
    assert STILL_CHECKED in page.text
    assert NOT_CHARGED not in page.text


async def test_it_says_so_once_no_older_attempt_can_be_charged(mall: Market, customer: Customer) -> None:
    await customer.go(mall.mug, "stripe")
    page = await customer.order_page()
    mall.time.go_on(minutes=1)
    page = await customer.come_back(await (await customer.pay_again(page, "toss")).decline())
    assert (await mall.only_order()).status == OrderStatus.FAILED
    assert NOT_CHARGED in page.text
    assert STILL_CHECKED not in page.text


async def test_a_refused_payment_that_was_paid_after_all_is_not_called_unpaid_while_its_pg_is_silent(
    mall: Market, customer: Customer
) -> None:
    """The shopper goes back to the PG's window by the browser's button, and pays there."""
    kept = await customer.handoff(await customer.choose(mall.mug, "portone"))
    page = await customer.come_back(await (await customer.open_with(kept)).press("decline"))
    assert NOT_CHARGED in page.text
    mall.time.go_on(minutes=1)
    way_back = await (await customer.open_with(kept)).press("approve")
    await mall.fault("server_error", provider="portone", call="lookup", percent=100)
    page = await customer.come_back(way_back)
    assert NOT_CHARGED not in page.text
    assert "결제를 확인하고 있어요" in page.text
    page = await customer.order_page()
    assert "결제를 확인하고 있어요" in page.text
    await mall.pg.wire.delete("/control/faults")
    mall.time.go_on(minutes=1)
    await mall.work()
    assert (await mall.only_order()).status == OrderStatus.PAID


async def test_a_refused_payment_that_nobody_paid_is_called_unpaid_again_once_its_pg_answers(
    mall: Market, customer: Customer
) -> None:
    pay_url = await customer.choose(mall.mug, "portone")
    way_back = await (await customer.open(pay_url)).press("decline")
    await customer.come_back(way_back)
    await mall.fault("server_error", provider="portone", call="lookup", percent=100)
    without_a_word = way_back.replace("code=", "was=")
    page = await customer.come_back(without_a_word)
    assert NOT_CHARGED not in page.text
    await mall.pg.wire.delete("/control/faults")
    mall.time.go_on(minutes=1)
    await mall.work()
    assert NOT_CHARGED in (await customer.order_page()).text
    assert (await mall.only_payment()).status == "failed"
