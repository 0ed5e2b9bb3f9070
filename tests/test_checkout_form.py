"""The checkout form: what it takes, what it says to what it does not, and the slip that follows the quantity."""

from uuid import uuid4

import httpx
import pytest

from app.orders.tables import Order
from app.payments.tables import Payment, ProviderAccount
from app.shops.catalogue import add_product
from app.shops.tables import Product
from tests.shopping import EMAIL, Market, Shopper, fields_of

EMPTY = "몇 개를 살지 적어 주세요."
WHOLE = "수량은 1 이상의 정수로 적어 주세요."
FROM_ONE = "1개부터 살 수 있어요."
AT_MOST = "지금은 10개까지 살 수 있어요. 10개 이하로 줄여 주세요."
QUANTITIES = [
    ("", EMPTY),
    ("   ", EMPTY),
    ("0", FROM_ONE),
    ("-1", WHOLE),
    ("1.5", WHOLE),
    ("abc", WHOLE),
    ("1e3", WHOLE),
    ("0x1", WHOLE),
    ("1_0", WHOLE),
    ("２", WHOLE),
    ("٢", WHOLE),
    ("11", AT_MOST),
    (str(10**9), AT_MOST),
    (str(10**30), WHOLE),
]
MISSING = "이메일을 적어 주세요. 예: minji.kim@example.com"
WRONG = "이메일 주소를 다시 확인해 주세요. 예: minji.kim@example.com"
NO_HOST = "@ 뒤의 주소가 빠졌어요. 예: minji.kim@example.com"
CHOOSE = "결제 방법을 하나 골라 주세요."
EMAILS = [
    ("", MISSING),
    ("   ", MISSING),
    ("minji", WRONG),
    ("minji@", NO_HOST),
    ("@example.com", WRONG),
    ("minji kim@example.com", WRONG),
    ("minji@exam ple.com", WRONG),
    ("minji@example.com, other@example.com", WRONG),
    ("minji@example.com\r\nBcc: other@example.com", WRONG),
    ("Minji <minji@example.com>", WRONG),
    ("a" * 250 + "@example.com", WRONG),
    ("a@" + "b." * 130 + "com", WRONG),
]


def refused(answer: httpx.Response, field: str, message: str) -> bool:
    """Whether the form came back with this message at this field, and nothing was ordered."""
    at_field = f'id="{field}-error">{message}</p>' in answer.text and f'aria-describedby="{field}-error' in answer.text
    return answer.status_code == 422 and at_field and 'role="alert"' in answer.text


@pytest.mark.parametrize(("quantity", "message"), QUANTITIES)
async def test_a_quantity_that_cannot_be_bought_comes_back_with_the_reason(
    market: Market, shopper: Shopper, quantity: str, message: str
):
    answer = await shopper.submit(market.mug, quantity=quantity)
    assert refused(answer, "quantity", message)
    assert 'aria-invalid="true"' in answer.text
    assert fields_of(answer.text)["quantity"] == quantity.strip()
    assert fields_of(answer.text)["email"] == EMAIL
    assert await Order.count() == 0
    assert await market.stock_of(market.mug) == 12


@pytest.mark.parametrize(("quantity", "message"), QUANTITIES)
async def test_the_slip_says_the_same_of_a_quantity_as_it_is_typed(
    market: Market, shopper: Shopper, quantity: str, message: str
):
    query = {"product": str(market.mug.id), "quantity": quantity}
    slip = await shopper.http.get("/haru/checkout/totals", params=query)
    assert slip.status_code == 200
    assert f'<p class="error">{message}</p>' in slip.text
    assert '<span id="pay-amount" hx-swap-oob="true">결제하기</span>' in slip.text


@pytest.mark.parametrize("quantity", ["2", " 2 ", "02"])
async def test_the_slip_and_the_button_follow_a_good_quantity(market: Market, shopper: Shopper, quantity: str):
    query = {"product": str(market.mug.id), "quantity": quantity}
    slip = await shopper.http.get("/haru/checkout/totals", params=query)
    assert slip.status_code == 200
    assert slip.text.startswith('<div id="totals">')
    assert '<data class="money" value="52000">52,000원</data>' in slip.text
    assert '<span id="pay-amount" hx-swap-oob="true">52,000원 결제하기</span>' in slip.text
    assert 'class="error"' not in slip.text
    await shopper.order(market.mug, quantity=quantity)
    assert (await market.only_order()).total_amount == 52_000


async def test_a_product_without_limits_has_a_limit_all_the_same(market: Market, shopper: Shopper):
    answer = await shopper.submit(market.spoon, quantity=10_000)
    assert refused(answer, "quantity", "지금은 9,999개까지 살 수 있어요. 9,999개 이하로 줄여 주세요.")
    await shopper.order(market.spoon, quantity=9_999)
    assert (await market.only_order()).total_amount == 9_999 * 16_000


async def test_what_is_left_limits_a_quantity_before_the_products_own_maximum(market: Market, shopper: Shopper):
    few = await add_product(market.haru, "소반", 150_000, stock=3, max_per_order=5)
    answer = await shopper.submit(few, quantity=4)
    assert refused(answer, "quantity", "지금은 3개까지 살 수 있어요. 3개 이하로 줄여 주세요.")
    assert 'data-max="3"' in answer.text


@pytest.mark.parametrize(("email", "message"), EMAILS)
async def test_an_email_address_that_cannot_be_written_to_comes_back_with_the_reason(
    market: Market, shopper: Shopper, email: str, message: str
):
    answer = await shopper.submit(market.mug, email=email, quantity=2)
    assert refused(answer, "email", message)
    assert fields_of(answer.text)["quantity"] == "2"
    assert await Order.count() == 0


@pytest.mark.parametrize(
    ("email", "kept"),
    [
        (f"  {EMAIL} ", EMAIL),
        ("Minji.Kim@EXAMPLE.com", "Minji.Kim@example.com"),
        ("민지@예시.com", "민지@예시.com"),
        ("a" * 64 + "@" + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + ".com", None),
    ],
)
async def test_a_good_email_address_is_kept_in_one_form(market: Market, shopper: Shopper, email: str, kept: str | None):
    await shopper.order(market.mug, email=email)
    assert (await market.only_order()).customer_email == (kept or email)


@pytest.mark.parametrize("pay", ["", "card", "x:card"])
async def test_a_way_to_pay_must_be_one_that_is_offered(market: Market, shopper: Shopper, pay: str):
    answer = await shopper.submit(market.mug, pay=pay)
    assert refused(answer, "pay", CHOOSE)
    assert await Order.count() == 0


async def test_a_form_without_its_way_to_pay_comes_back(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    del form["pay"]
    assert refused(await shopper.send(market.mug, form), "pay", CHOOSE)


async def test_nobody_pays_with_the_account_of_another_shop(market: Market, shopper: Shopper):
    theirs = (await shopper.form(market.spoon))["pay"]
    answer = await shopper.submit(market.mug, pay=theirs)
    assert refused(answer, "pay", CHOOSE)
    assert theirs not in answer.text
    assert await Payment.count() == 0


async def test_an_account_that_was_switched_off_is_no_longer_offered(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    await ProviderAccount.update({ProviderAccount.is_enabled: False}).where(ProviderAccount.shop == market.haru.id)
    answer = await shopper.send(market.mug, form)
    assert answer.status_code == 422
    assert form["pay"] not in answer.text
    assert await Order.count() == 0


async def test_every_mistake_is_told_at_once_and_every_value_kept(market: Market, shopper: Shopper):
    answer = await shopper.submit(market.mug, quantity="1.5", email="<minji>@", pay=str(uuid4()))
    assert refused(answer, "quantity", WHOLE)
    assert refused(answer, "email", NO_HOST)
    assert refused(answer, "pay", CHOOSE)
    assert "세 가지만 고쳐 주세요" in answer.text
    for link in ("#quantity", "#email", "#pay-1"):
        assert f'<a href="{link}">' in answer.text
    assert 'value="1.5"' in answer.text
    assert 'value="&lt;minji&gt;@"' in answer.text
    assert "고칠 곳이 있어요" in answer.text


async def test_a_form_that_came_back_can_be_sent_again(market: Market, shopper: Shopper):
    back = await shopper.submit(market.mug, quantity="0")
    answer = await shopper.send(market.mug, {**fields_of(back.text), "quantity": "2"})
    assert answer.status_code == 303
    assert (await market.only_order()).total_amount == 52_000


@pytest.mark.parametrize("token", ["", "x", "a" * 23])
async def test_a_form_with_a_damaged_token_comes_back_with_a_good_one(market: Market, shopper: Shopper, token: str):
    back = await shopper.submit(market.mug, checkout_token=token)
    assert back.status_code == 422
    assert "주문서가 오래되었습니다" in back.text
    assert (await shopper.send(market.mug, fields_of(back.text))).status_code == 303


async def test_a_total_below_the_pgs_minimum_offers_no_way_to_pay(market: Market, shopper: Shopper):
    sticker = await add_product(market.haru, "스티커", 50)
    page = await shopper.http.get("/haru/checkout", params={"product": str(sticker.id)})
    assert 'name="pay"' not in page.text.replace("[name=pay]", "")
    assert "100원부터 결제할 수 있습니다. 수량을 늘려 주세요." in page.text


async def test_a_way_to_pay_comes_and_goes_with_the_quantity(market: Market, shopper: Shopper):
    sticker = await add_product(market.haru, "스티커", 50)
    for quantity, offered in (("1", False), ("2", True), ("1", False)):
        query = {"product": str(sticker.id), "quantity": quantity}
        slip = await shopper.http.get("/haru/checkout/totals", params=query)
        assert 'id="ways" hx-swap-oob="true"' in slip.text
        assert ('type="radio"' in slip.text) is offered


async def test_a_total_below_the_pgs_minimum_cannot_be_ordered(market: Market, shopper: Shopper):
    sticker = await add_product(market.haru, "스티커", 50)
    page = await shopper.http.get("/haru/checkout", params={"product": str(sticker.id), "quantity": "2"})
    form = {**fields_of(page.text), "email": EMAIL}
    answer = await shopper.send(sticker, {**form, "quantity": "1"})
    assert answer.status_code == 422
    assert await Order.count() == 0
    assert (await shopper.send(sticker, form)).status_code == 303
    assert (await market.only_order()).total_amount == 100


async def test_a_shop_without_any_account_says_so(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    await ProviderAccount.delete().where(ProviderAccount.shop == market.haru.id)
    page = await shopper.http.get("/haru/checkout", params={"product": str(market.mug.id)})
    assert "이 가게는 아직 결제를 받지 않습니다." in page.text
    assert (await shopper.send(market.mug, form)).status_code == 422
    assert await Order.count() == 0


async def test_a_sold_out_product_has_no_form(market: Market, shopper: Shopper):
    form = await shopper.form(market.last)
    await Product.update({Product.stock: 0}).where(Product.id == market.last.id)
    page = await shopper.http.get("/haru/checkout", params={"product": str(market.last.id)})
    answer = await shopper.send(market.last, form)
    assert (page.status_code, answer.status_code) == (200, 422)
    for html in (page.text, answer.text):
        assert "지금은 품절이라 살 수 없어요." in html
        assert "<form" not in html
    assert await Order.count() == 0


async def test_a_quantity_in_the_link_is_filled_in(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug, quantity=" 3 ")
    assert form["quantity"] == "3"
