"""What nobody should send: each gets a page that says so, never a 500, and never anything of another shop."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.clock import new_token
from app.orders.tables import Order
from app.payments.tables import Payment, PaymentEvent
from app.shops.tables import Product
from tests.shopping import Market, Shopper, open_market

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
NOTHING_HERE = "여기에는 아무것도 없어요"
STRANGE = ("", "x", "%00", "%ff", "%2e%2e", "'--", "%7B%7D", "0" * 36, "a" * 5000, "%EA%B0%80")


def is_shops_page(answer: httpx.Response, status: int, shop: str) -> bool:
    """Whether this is a whole page with the shop's masthead."""
    masthead = f'<a class="shop-name" data-mark="{"하" if shop == "haru" else "나"}" href="/{shop}">'
    return answer.status_code == status and masthead in answer.text


@pytest.fixture
async def placed(market: Market, shopper: Shopper) -> tuple[Order, Payment]:
    """An order of haru with a payment that can be paid."""
    await shopper.order(market.mug)
    return await market.only_order(), await market.only_payment()


def routes(product: object, order: str, payment: str) -> list[str]:
    """Every address that names a product, an order or a payment."""
    return [
        f"/products/{product}",
        f"/checkout?product={product}",
        f"/checkout/totals?product={product}&quantity=1",
        f"/checkout/pay?payment={payment}",
        f"/checkout/callback?payment={payment}&code=PAY_PROCESS_CANCELED",
        f"/checkout/success?order={order}",
        f"/checkout/fail?order={order}",
        f"/checkout/cancel?order={order}",
        f"/orders/{order}",
        f"/orders/{order}/status",
    ]


async def test_what_is_there_is_found_on_every_route(market: Market, shopper: Shopper, placed: tuple[Order, Payment]):
    order, payment = placed
    for path in routes(market.mug.id, order.token, payment.token):
        assert (await shopper.http.get(f"/haru{path}")).status_code in (200, 303), path


async def test_an_unknown_thing_is_a_404_page_of_the_shop_on_every_route(market: Market, shopper: Shopper):
    for path in routes(uuid4(), new_token(), new_token()):
        answer = await shopper.http.get(f"/haru{path}")
        assert is_shops_page(answer, 404, "haru"), path
        assert NOTHING_HERE in answer.text


async def test_nothing_of_one_shop_is_found_at_another(market: Market, shopper: Shopper, placed: tuple[Order, Payment]):
    order, payment = placed
    for path in routes(market.mug.id, order.token, payment.token):
        answer = await shopper.http.get(f"/namu{path}")
        assert is_shops_page(answer, 404, "namu"), path
        assert market.mug.name not in answer.text
    assert await Payment.count().where(Payment.status != payment.status) == 0


async def test_an_unknown_shop_has_nothing(market: Market, shopper: Shopper, placed: tuple[Order, Payment]):
    order, payment = placed
    for path in ("", *routes(market.mug.id, order.token, payment.token)):
        answer = await shopper.http.get(f"/nobody{path}")
        assert answer.status_code == 404, path
        assert NOTHING_HERE in answer.text
        assert "Sellog" in answer.text


@pytest.mark.parametrize("name", STRANGE)
async def test_a_malformed_name_is_a_404_page_on_every_route(market: Market, shopper: Shopper, name: str):
    for path in routes(name, name, name):
        assert (await shopper.http.get(f"/haru{path}")).status_code == 404, path


@pytest.mark.parametrize("name", ["HARU", "h", "-haru", "haru.", "h%00ru", "ha%2fru", "%ff", "하루", "a" * 5000])
async def test_a_name_that_no_shop_can_have_is_a_404_page(market: Market, shopper: Shopper, name: str):
    answer = await shopper.http.get(f"/{name}")
    assert answer.status_code == 404
    assert NOTHING_HERE in answer.text


async def test_a_product_off_the_shelf_cannot_be_seen_or_bought(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    await Product.update({Product.is_active: False}).where(Product.id == market.mug.id)
    for path in routes(market.mug.id, "", "")[:3]:
        assert is_shops_page(await shopper.http.get(f"/haru{path}"), 404, "haru"), path
    assert is_shops_page(await shopper.send(market.mug, form), 404, "haru")
    assert await Order.count() == 0


async def test_a_product_of_another_shop_cannot_be_ordered(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    answer = await shopper.http.post("/haru/checkout", data={**form, "product": str(market.spoon.id)})
    assert is_shops_page(answer, 404, "haru")
    assert await Order.count() == 0


async def test_an_order_cannot_be_paid_again_at_another_shop(
    market: Market, shopper: Shopper, placed: tuple[Order, Payment]
):
    form = await shopper.form(market.spoon)
    answer = await shopper.http.post(f"/namu/orders/{placed[0].token}/payments", data=form)
    assert is_shops_page(answer, 404, "namu")
    assert await Payment.count() == 1


@pytest.mark.parametrize(
    "path",
    ["/", "/login/checkout", "/schema", "/schema/openapi.json", "/static", "/static/", "/static/nothing.css"],
)
async def test_a_reserved_name_is_never_a_shop(market: Market, shopper: Shopper, path: str):
    answer = await shopper.http.get(path)
    assert answer.status_code == 404
    assert NOTHING_HERE in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/static/..",
        "/static/../pyproject.toml",
        "/static/%2e%2e/pyproject.toml",
        "/static/%2e%2e%2fpyproject.toml",
        "/static/..%5cpyproject.toml",
        "/static//etc/passwd",
        "/static/pictures",
        "/static/%00",
        "/static/site.css%00",
    ],
)
async def test_nothing_beside_the_static_files_can_be_read(market: Market, shopper: Shopper, path: str):
    # A client would resolve the dots before it sends them.
    target = httpx.URL("http://shop.test").copy_with(raw_path=path.encode())
    answer = await shopper.http.get(target)
    assert answer.status_code == 404
    assert "litestar" not in answer.text


async def test_robots_and_icon_are_served(market: Market, shopper: Shopper):
    robots, icon = await shopper.http.get("/robots.txt"), await shopper.http.get("/favicon.ico")
    assert "Disallow: /*/checkout" in robots.text
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")


async def test_head_is_answered_as_get_is_without_a_body(
    market: Market, shopper: Shopper, placed: tuple[Order, Payment], monkeypatch: pytest.MonkeyPatch
):
    bodies = watch_bodies(shopper, monkeypatch)
    order, payment = placed
    shop = [f"/haru{path}" for path in ("", *routes(market.mug.id, order.token, payment.token), "/language/en")]
    site = ["/", "/nobody", "/favicon.ico", "/robots.txt", "/healthz", "/readyz", "/static/site.css", "/static/nothing"]
    for path in (*shop, *site):
        head = await shopper.http.head(path)
        assert b"".join(bodies) == b"", path
        get = await shopper.http.get(path)
        bodies.clear()
        assert head.status_code == get.status_code, path
        assert head.headers["content-type"] == get.headers["content-type"], path
        assert head.headers["content-length"] == get.headers["content-length"], path


def watch_bodies(shopper: Shopper, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the app sends as body: httpx would drop that of an answer to HEAD."""
    bodies: list[bytes] = []
    transport = shopper.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    app = transport.app

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            bodies.append(message.get("body", b""))
            await send(message)

        await app(scope, receive, note)

    monkeypatch.setattr(transport, "app", watched)
    return bodies


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "BREW"])
async def test_a_wrong_method_is_a_405_page(
    market: Market, shopper: Shopper, placed: tuple[Order, Payment], method: str
):
    for path in routes(market.mug.id, placed[0].token, placed[1].token):
        answer = await shopper.http.request(method, f"/haru{path}")
        assert is_shops_page(answer, 405, "haru"), path
        assert "GET" in answer.headers["allow"]


async def test_a_form_is_not_sent_to_a_page_that_takes_none(market: Market, shopper: Shopper):
    answer = await shopper.http.post("/haru/checkout/totals", data=await shopper.form(market.mug))
    assert is_shops_page(answer, 405, "haru")


async def test_a_body_that_is_too_large_is_a_413_page(market: Market, shopper: Shopper):
    answer = await shopper.submit(market.mug, email="a" * 70_000)
    assert is_shops_page(answer, 413, "haru")
    assert await Order.count() == 0


@pytest.mark.parametrize("token", ["", "x", "0" * 128, "가" * 100])
async def test_a_form_without_its_csrf_token_is_a_403_page(market: Market, shopper: Shopper, token: str):
    answer = await shopper.submit(market.mug, _csrf_token=token)
    assert is_shops_page(answer, 403, "haru")
    assert await Order.count() == 0


async def test_another_shoppers_csrf_token_is_refused(market: Market, shopper: Shopper):
    form, others = await shopper.form(market.mug), await market.shopper().form(market.mug)
    answer = await shopper.send(market.mug, {**form, "_csrf_token": others["_csrf_token"]})
    assert is_shops_page(answer, 403, "haru")


async def test_a_form_without_its_cookie_is_refused(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    shopper.http.cookies.clear()
    assert is_shops_page(await shopper.send(market.mug, form), 403, "haru")


async def test_a_csrf_cookie_of_an_older_key_is_dropped_so_that_the_next_form_works(market: Market, shopper: Shopper):
    shopper.http.cookies.set("csrf", "0" * 128, domain="shop.test")
    assert (await shopper.submit(market.mug)).status_code == 403
    assert (await shopper.submit(market.mug)).status_code == 303


async def test_a_dropped_cookie_keeps_what_its_prefix_asks_for(database_url: str, time):
    async with open_market(database_url, time, base_url="https://shop.test") as market:
        answer = await market.shopper().http.post("/haru/checkout")
    assert answer.status_code == 403
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name == '__Host-csrf=""'
    assert {"Secure", "Path=/", "Max-Age=0"} <= set(attributes)


@pytest.mark.parametrize("field", ["product", "quantity", "email", "pay", "checkout_token", "_csrf_token"])
@pytest.mark.parametrize("value", ["\0", "1\0", "a\0@example.com", "9" * 5000, "<script>", "\ud7ff\uffff", "%", "😀"])
async def test_odd_text_in_a_field_is_a_mistake_and_no_more(market: Market, shopper: Shopper, field: str, value: str):
    answer = await shopper.send(market.mug, {**await shopper.form(market.mug), field: value})
    assert answer.status_code in (403, 404, 422)
    assert "<script>" not in answer.text.replace("<script src", "")
    assert await Order.count() == 0


async def test_bytes_that_are_no_text_are_a_mistake(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    fields = f"_csrf_token={form['_csrf_token']}&product={market.mug.id}&quantity=".encode()
    for quantity in (b"%ff%fe", b"\xff", b"%ed%a0%80", b"%"):
        answer = await shopper.http.post("/haru/checkout", content=fields + quantity, headers={"content-type": FORM})
        assert answer.status_code == 422


async def test_a_field_that_comes_twice_is_one_field(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    answer = await shopper.http.post("/haru/checkout", data={**form, "quantity": ["2", "3"]})
    assert answer.status_code == 303
    assert (await market.only_order()).total_amount in (52_000, 78_000)


async def test_a_query_that_names_two_products_shows_one(market: Market, shopper: Shopper):
    twice = {"product": [str(market.mug.id), str(market.last.id)]}
    answer = await shopper.http.get("/haru/checkout", params=twice)
    assert answer.status_code in (200, 404)


async def test_a_file_is_no_quantity(market: Market, shopper: Shopper):
    form = await shopper.form(market.mug)
    del form["quantity"]
    answer = await shopper.http.post("/haru/checkout", data=form, files={"quantity": ("two.txt", b"2")})
    assert answer.status_code == 422
    assert "몇 개를 살지 적어 주세요" in answer.text


async def test_a_form_may_come_in_parts(market: Market, shopper: Shopper):
    answer = await shopper.http.post("/haru/checkout", data=await shopper.form(market.mug), files={"more": b""})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x--"),
        (MULTIPART, b"quantity=1"),
        (MULTIPART, b"--x\r\nquantity=1"),
        (MULTIPART, b'--x\r\nContent-Disposition: form-data; name="quantity"\r\n\r\n\xff\r\n--x--\r\n'),
        (
            MULTIPART,
            b'--x\r\nContent-Disposition: form-data; name="quantity"\r\n'
            b"Content-Type: text/plain; charset=klingon\r\n\r\n1\r\n--x--\r\n",
        ),
        (MULTIPART, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 1100 + b"--x--\r\n"),
        (f"{FORM}; charset=klingon", b"quantity=1"),
        (FORM, b"&".join([b"a=1"] * 10_000)),
        ("application/json", b'{"quantity": 1}'),
        ("application/json", b"{"),
        (";;;", b"\xff"),
        ("", b""),
    ],
)
async def test_a_body_that_is_no_form_is_a_mistake(market: Market, shopper: Shopper, content_type: str, body: bytes):
    token = (await shopper.form(market.mug))["_csrf_token"]
    for headers in ({}, {"x-csrftoken": token}):
        headers["content-type"] = content_type
        answer = await shopper.http.post("/haru/checkout", content=body, headers=headers)
        assert answer.status_code in (400, 403, 404)
        assert 'href="/haru"' in answer.text


async def test_odd_bytes_in_a_return_are_evidence_of_nothing(
    market: Market, shopper: Shopper, placed: tuple[Order, Payment]
):
    callback = f"/haru/checkout/callback?payment={placed[1].token}"
    for fields in ({"code": "\0"}, {"paymentKey": "\0", "orderId": "\0", "amount": "26000"}, {"paymentKey": "\ud7ff"}):
        answer = await shopper.http.post(callback, data=fields)
        assert answer.status_code == 303, fields
    assert market.confirms == []
    assert await PaymentEvent.count().where(PaymentEvent.subject == "refused") == 3


async def test_an_error_in_an_htmx_partial_is_a_notice_and_no_page(market: Market, shopper: Shopper):
    answer = await shopper.http.get("/haru/checkout/totals?product=x", headers={"HX-Request": "true"})
    assert answer.status_code == 404
    assert NOTHING_HERE in answer.text
    assert "<html" not in answer.text


async def test_our_own_mistake_is_a_page_that_tells_nothing_of_it(
    market: Market, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr("app.shops.controllers.list_products", broken)
    answer = await shopper.http.get("/haru")
    assert is_shops_page(answer, 500, "haru")
    assert "저희 쪽에 문제가 생겼어요" in answer.text
    assert "secret" not in answer.text
