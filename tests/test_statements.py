"""How many SQL statements each page takes: few, and never more because there is more to show."""

from collections.abc import Awaitable

from app.clock import new_token
from app.database import recorded_statements
from app.payments.tables import Payment
from app.shops.catalogue import add_product
from tests.shopping import Market, Shopper, fields_of

TRANSACTION = ("BEGIN", "COMMIT")


async def count(work: Awaitable[object]) -> int:
    """The statements of this work, BEGIN and COMMIT included."""
    with recorded_statements() as statements:
        await work
    return len(statements)


async def test_each_page_takes_its_few_statements(market: Market, shopper: Shopper):
    pay_url = await shopper.order(market.mug)
    order = await market.only_order()
    bounds = {
        "/haru": 2,
        f"/haru/products/{market.mug.id}": 2,
        f"/haru/checkout?product={market.mug.id}": 3,
        f"/haru/checkout/totals?product={market.mug.id}&quantity=2": 3,
        pay_url: 5,
        f"/haru/orders/{order.token}": 5,
        f"/haru/orders/{order.token}/status": 3,
        f"/haru/checkout/pay?payment={new_token()}": 3,
        "/haru/language/en": 1,
        "/nobody": 2,
        "/login/checkout": 0,
        "/healthz": 0,
        "/readyz": 1,
        "/favicon.ico": 0,
        "/static/site.css": 0,
    }
    taken = {url: await count(shopper.http.get(url)) for url in bounds}
    assert taken == bounds


async def test_the_pages_after_a_payment_take_few_statements_too(market: Market, shopper: Shopper):
    success = await shopper.buy(market.mug)
    assert await count(shopper.http.get(str(success.url))) <= 5
    assert await count(shopper.http.get(f"/haru/orders/{(await market.only_order()).token}")) <= 5


async def test_a_full_shop_takes_no_more_statements_than_a_small_one(market: Market, shopper: Shopper):
    pages = ["/haru", f"/haru/products/{market.mug.id}", f"/haru/checkout?product={market.mug.id}"]
    before = [await count(shopper.http.get(url)) for url in pages]
    for number in range(30):
        await add_product(market.haru, f"상품 {number}", 1_000)
    assert "상품 29" in (await shopper.http.get("/haru")).text
    assert [await count(shopper.http.get(url)) for url in pages] == before


async def test_an_order_with_five_attempts_takes_no_more_statements_than_one(market: Market, shopper: Shopper):
    pay_url = await shopper.order(market.mug)
    order = await market.only_order()
    pages = [f"/haru/orders/{order.token}", f"/haru/orders/{order.token}/status"]
    before = [await count(shopper.http.get(url)) for url in pages]
    for _ in range(4):
        await shopper.open_window(pay_url)
        failed = await shopper.come_back(await market.pg.buyer.decline())
        pay_url = (await shopper.press(failed)).headers["location"]
    assert await Payment.count() == 5
    assert [await count(shopper.http.get(url)) for url in pages] == before


async def test_placing_an_order_takes_ten_statements_at_most(market: Market, shopper: Shopper):
    """The whole request: shop, product and ways to pay, then order and payment in one transaction."""
    form = await shopper.form(market.mug)
    with recorded_statements() as statements:
        assert (await shopper.send(market.mug, form)).status_code == 303
    assert len(statements) == 10
    assert (statements[3].split()[0], statements[-1]) == TRANSACTION


async def test_sending_the_form_again_takes_few_more(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    await shopper.send(market.mug, form)
    with recorded_statements() as statements:
        assert (await shopper.send(market.mug, form)).status_code == 303
    assert len(statements) <= 11


async def test_a_form_with_mistakes_takes_no_more_than_the_page(market: Market, shopper: Shopper):
    back = await shopper.submit(market.mug, quantity="0")
    assert await count(shopper.send(market.mug, fields_of(back.text))) <= 4
