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
