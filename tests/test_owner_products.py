"""Products at the desk: what is saved, what is refused, and that no sale and no other person's edit is lost."""

import json
import re
from html import unescape
from typing import Any

import httpx
import pytest

from app.clock import new_id
from app.orders.tables import OrderItem
from app.owners.product_form import PICTURES
from app.owners.roles import Role
from app.owners.tables import AuditEntry
from app.owners.typed import is_https, read_price, write_price
from app.pages import STATIC
from app.shops.tables import Product
from tests.desk import Desks, Person
from tests.shopping import Market, fields_of

LIST = "/haru/owner/products"


def form_of(page: httpx.Response) -> dict[str, str]:
    """The fields of a page's form, texts of several lines included."""
    texts = re.findall(r'<textarea id="\w+" name="(\w+)"[^>]*>\n(.*?)</textarea>', page.text, re.DOTALL)
    fields = {**fields_of(page.text), **{name: unescape(text) for name, text in texts}}
    return {name: value for name, value in fields.items() if name not in ("_csrf_token", "hidden")}


async def open_form(person: Person, product: Product) -> dict[str, str]:
    return form_of(await person.http.get(f"{LIST}/{product.id}"))


async def read(product: Product) -> Product:
    return await Product.objects().get(Product.id == product.id)


async def edit(person: Person, product: Product, **changes: str) -> httpx.Response:
    return await person.post(f"{LIST}/{product.id}", **{**await open_form(person, product), **changes})


async def said() -> list[tuple[str, str, dict[str, Any]]]:
    """What the audit log has, in any order."""
    entries = await AuditEntry.objects()
    return [(entry.action, entry.subject, json.loads(entry.details)) for entry in entries]


async def names(person: Person) -> list[str]:
    page = await person.http.get(LIST)
    return re.findall(r'<h2><a href="[^"]+">([^<]+)</a></h2>', page.text)


def test_the_pictures_on_offer_are_those_that_are_there() -> None:
    assert set(PICTURES) == {path.stem for path in (STATIC / "pictures").glob("*.svg")}


@pytest.mark.parametrize(
    ("text", "currency", "price"),
    [
        ("26,000", "KRW", 26_000),
        ("26000", "KRW", 26_000),
        ("26,000원", "KRW", 26_000),
        ("₩ 26,000", "KRW", 26_000),
        ("KRW 26000", "KRW", 26_000),
        ("1,234,567", "JPY", 1_234_567),
        ("19.9", "USD", 1_990),
        ("$1,299.05", "USD", 129_905),
        ("19", "EUR", 1_900),
        ("26,00", "KRW", None),
        ("26000.00", "KRW", None),
        ("1.999", "USD", None),
        ("-5", "KRW", None),
        ("２６０００", "KRW", None),
        ("", "KRW", None),
        ("1" * 40, "KRW", None),
    ],
)
def test_a_price_is_understood_or_refused(text: str, currency: str, price: int | None) -> None:
    assert read_price(text, currency) == price


@pytest.mark.parametrize("currency", ["KRW", "JPY", "USD", "EUR"])
@pytest.mark.parametrize("amount", [1, 5, 99, 100, 26_000, 129_905])
def test_a_price_in_a_form_is_understood_again(amount: int, currency: str) -> None:
    assert read_price(write_price(amount, currency), currency) == amount


@pytest.mark.parametrize(
    "text", ["http://a.example/x.png", "https://", "https:///x", "https://a b/x", "https://[x", "javascript:alert(1)"]
)
def test_only_safe_addresses_are_pictures(text: str) -> None:
    assert is_https("https://img.example/a.png?w=1")
    assert not is_https(text)


async def test_the_list_shows_all_in_the_shops_order_also_to_viewers(market: Market, desks: Desks) -> None:
    await Product.update({Product.is_active: False}).where(Product.id == market.last.id)
    viewer = await desks.member(market.haru, Role.VIEWER)
    page = await viewer.http.get(LIST)
    assert page.status_code == 200
    assert page.text.index("백자 유약 머그") < page.text.index("밀랍 기둥초")
    assert [text for text in ("26,000원", "재고 12개", "숨김") if text not in page.text] == []
    assert "벚나무 숟가락" not in page.text
    assert "<form" not in page.text.split("<main")[1].split("</main>")[0]
    staff = await desks.member(market.haru, Role.STAFF)
    assert (await staff.http.get(f"{LIST}/{market.mug.id}")).status_code == 403


async def test_a_new_product_is_sold_as_written_and_sent_twice_is_one(market: Market, boss: Person) -> None:
    form = {
        **form_of(await boss.http.get(f"{LIST}/new")),
        "name": "  참나무   의자 ",
        "price": "128,000",
        "stock": "1,000",
        "max_per_order": "2",
        "description": "첫 줄\r\n둘째 줄\r\n",
        "facts": "크기: 40cm",
        "picture": "stool",
        "image_alt": "의자",
    }
    for _ in range(2):
        answer = await boss.post(f"{LIST}/new", **form)
        assert (answer.status_code, answer.headers["location"]) == (303, LIST)
    [product] = await Product.objects().where(Product.name == "참나무 의자")
    assert (product.shop, product.price, product.currency) == (market.haru.id, 128_000, "KRW")
    assert (product.stock, product.max_per_order, product.is_active) == (1_000, 2, True)
    assert product.description == "첫 줄\n둘째 줄"
    assert product.image_url == "/static/pictures/stool.svg"
    assert (await names(boss))[-1] == "참나무 의자"
    page = await market.shopper().http.get(f"/haru/products/{product.id}")
    assert "128,000원" in page.text
    assert [entry for entry in await said() if entry[0] == "product_created"] == [
        ("product_created", "참나무 의자", {"price": 128_000, "stock": 1_000})
    ]


async def test_a_new_product_may_wait_hidden(market: Market, boss: Person) -> None:
    form = form_of(await boss.http.get(f"{LIST}/new"))
    await boss.post(f"{LIST}/new", **{**form, "name": "비밀", "price": "10", "hidden": "1"})
    product = await Product.objects().where(Product.name == "비밀").first()
    assert (product.is_active, product.stock) == (False, None)
    assert (await market.shopper().http.get(f"/haru/products/{product.id}")).status_code == 404


async def test_an_id_of_another_shops_product_makes_and_changes_nothing(market: Market, boss: Person) -> None:
    form = {**form_of(await boss.http.get(f"{LIST}/new")), "name": "x", "price": "1", "id": str(market.spoon.id)}
    assert (await boss.post(f"{LIST}/new", **form)).status_code == 303
    assert (await read(market.spoon)).name == "벚나무 숟가락"
    assert not await Product.exists().where(Product.name == "x")


BAD = [
    ("name", "", "상품 이름을 적어 주세요"),
    ("name", "가" * 121, "120자 안으로"),
    ("price", "", "가격을 숫자로 적어 주세요. 예: 26,000<"),
    ("price", "스물", "가격을 숫자로"),
    ("price", "0", "0보다 커야"),
    ("price", "1,000,000,001", "까지 적을 수 있어요"),
    ("stock", "-1", "0부터"),
    ("stock", "10000000", "0부터"),
    ("stock", "많이", "0부터"),
    ("max_per_order", "0", "1부터"),
    ("max_per_order", "10000", "1부터"),
    ("description", "가" * 5_001, "5,000자 안으로"),
    ("image_url", "http://img.example/a.png", "https://로 시작하는"),
    ("image_url", "https://img.example/" + "a" * 300, "https://로 시작하는"),
    ("image_alt", "가" * 201, "200자 안으로"),
    ("picture", "../site", "그림을 하나 골라"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), BAD)
async def test_a_bad_field_is_told_and_nothing_is_saved(
    market: Market, boss: Person, field: str, value: str, sentence: str
) -> None:
    before = (await read(market.mug)).to_dict()
    for path, form in (
        (f"{LIST}/{market.mug.id}", await open_form(boss, market.mug)),
        (f"{LIST}/new", {**form_of(await boss.http.get(f"{LIST}/new")), "name": "새것", "price": "1"}),
    ):
        answer = await boss.post(path, **{**form, field: value})
        assert answer.status_code == 422
        assert sentence in unescape(answer.text)
        assert f'id="{field}-error"' in answer.text
    assert (await read(market.mug)).to_dict() == before
    assert not await Product.exists().where(Product.name == "새것")


async def test_a_form_without_fields_or_with_odd_ones_is_no_failure(market: Market, boss: Person) -> None:
    assert (await boss.post(f"{LIST}/{market.mug.id}")).status_code == 422
    assert (await boss.post(f"{LIST}/new", name="x", price="1", id="none")).status_code == 404
    form = await open_form(boss, market.mug)
    assert (await boss.post(f"{LIST}/{market.mug.id}", **{**form, "version": "x"})).status_code == 409
    assert (await boss.post(f"{LIST}/{market.mug.id}", **{**form, "name": "a\0b"})).status_code == 303
    assert (await read(market.mug)).name == "ab"


async def test_an_edit_is_saved_and_told_from_and_to(market: Market, boss: Person) -> None:
    answer = await edit(boss, market.mug, price="27,500", image_url="https://img.example/mug.png", max_per_order="")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{LIST}#p-{market.mug.id}")
    product = await read(market.mug)
    assert (product.price, product.image_url) == (27_500, "https://img.example/mug.png")
    assert (product.max_per_order, product.stock, product.version) == (None, 12, 2)
    details = {"price": "26000 → 27500", "image_url": " → https://img.example/mug.png", "max_per_order": "10 → –"}
    assert await said() == [("product_changed", "백자 유약 머그", details)]
    await edit(boss, market.mug)
    assert len(await said()) == 1
    assert (await read(market.mug)).version == 2


async def test_placed_orders_keep_their_name_and_price(market: Market, boss: Person) -> None:
    shopper = market.shopper()
    await shopper.buy(market.mug, quantity=2)
    await edit(boss, market.mug, name="다른 이름", price="99,000")
    order = await market.only_order()
    page = await shopper.http.get(f"/haru/orders/{order.token}")
    assert "백자 유약 머그" in page.text
    assert "52,000원" in page.text
    assert "다른 이름" not in page.text
    [item] = await OrderItem.objects()
    assert (item.product_name, item.unit_price, order.total_amount) == ("백자 유약 머그", 26_000, 52_000)


async def test_who_saves_second_sees_what_was_changed_and_saves_nothing(
    market: Market, desks: Desks, boss: Person
) -> None:
    other = desks.browser("other@haru.example")
    await desks.hire(other.email, market.haru)
    await other.sign_in()
    form = await open_form(other, market.mug)
    await edit(boss, market.mug, price="27,000", description="새 설명")
    answer = await other.post(f"{LIST}/{market.mug.id}", **{**form, "price": "30,000"})
    assert answer.status_code == 409
    assert "그사이 다른 분이 고쳤어요" in answer.text
    assert 'value="30,000"' in answer.text
    assert re.search(r'id="price-now">지금은: 27,000<', answer.text)
    assert re.search(r'id="description-now">지금은: 새 설명<', answer.text)
    assert 'id="name-now"' not in answer.text
    assert (await read(market.mug)).price == 27_000
    again = form_of(answer)
    assert (await other.post(f"{LIST}/{market.mug.id}", **again)).status_code == 303
    assert ((await read(market.mug)).price, (await read(market.mug)).description) == (30_000, "")


async def test_a_sale_meanwhile_disturbs_no_edit_and_is_not_lost(market: Market, boss: Person) -> None:
    form = await open_form(boss, market.mug)
    await market.shopper().buy(market.mug, quantity=3)
    assert await market.stock_of(market.mug) == 9
    assert (await boss.post(f"{LIST}/{market.mug.id}", **{**form, "price": "27,000"})).status_code == 303
    assert await market.stock_of(market.mug) == 9
    form = await open_form(boss, market.mug)
    await market.shopper().buy(market.mug, quantity=2)
    assert (await boss.post(f"{LIST}/{market.mug.id}", **{**form, "stock": "20"})).status_code == 303
    assert await market.stock_of(market.mug) == 18
    assert {"stock": "7 → 18"} in [details for _, _, details in await said()]


async def test_a_stock_that_was_left_alone_stays_so_also_after_a_conflict(market: Market, boss: Person) -> None:
    form = await open_form(boss, market.mug)
    await edit(boss, market.mug, price="27,000")
    await market.shopper().buy(market.mug, quantity=3)
    answer = await boss.post(f"{LIST}/{market.mug.id}", **{**form, "name": "머그"})
    assert answer.status_code == 409
    assert (await boss.post(f"{LIST}/{market.mug.id}", **form_of(answer))).status_code == 303
    assert await market.stock_of(market.mug) == 9


async def test_a_stock_never_falls_below_nothing(market: Market, boss: Person) -> None:
    form = await open_form(boss, market.mug)
    await market.shopper().buy(market.mug, quantity=10)
    answer = await boss.post(f"{LIST}/{market.mug.id}", **{**form, "stock": "5", "price": "1,000"})
    assert answer.status_code == 409
    assert "지금은 2개 남았어요" in answer.text
    product = await read(market.mug)
    assert (product.stock, product.price, product.version) == (2, 26_000, 1)
    assert (await boss.post(f"{LIST}/{market.mug.id}", **form_of(answer))).status_code == 303
    assert await market.stock_of(market.mug) == 5


async def test_a_stock_may_be_without_limit_and_counted_again(market: Market, boss: Person) -> None:
    assert (await edit(boss, market.mug, stock="")).status_code == 303
    assert await market.stock_of(market.mug) is None
    await market.shopper().buy(market.mug)
    assert (await edit(boss, market.mug, stock="4")).status_code == 303
    assert await market.stock_of(market.mug) == 4
    form = await open_form(boss, market.mug)
    assert (await boss.post(f"{LIST}/{market.mug.id}", **{**form, "stock_seen": ""})).status_code == 409
    too_many = {**form, "stock": "9999999", "stock_seen": "0"}
    assert (await boss.post(f"{LIST}/{market.mug.id}", **too_many)).status_code == 409
    assert await market.stock_of(market.mug) == 4


async def test_a_hidden_product_cannot_be_bought_until_it_is_shown_again(market: Market, boss: Person) -> None:
    shopper = market.shopper()
    form = await shopper.form(market.mug)
    for _ in range(2):
        assert (await boss.post(f"{LIST}/{market.mug.id}/hide")).status_code == 303
    assert (await shopper.http.get(f"/haru/products/{market.mug.id}")).status_code == 404
    assert (await shopper.send(market.mug, form)).status_code == 404
    assert "백자 유약 머그" not in (await shopper.http.get("/haru")).text
    assert await market.stock_of(market.mug) == 12
    assert (await boss.post(f"{LIST}/{market.mug.id}/show")).status_code == 303
    assert "백자 유약 머그" in (await shopper.http.get("/haru")).text
    actions = sorted((action, subject) for action, subject, _ in await said())
    assert actions == [("product_hidden", "백자 유약 머그"), ("product_shown", "백자 유약 머그")]


async def test_products_move_up_and_down(market: Market, boss: Person) -> None:
    assert await names(boss) == ["백자 유약 머그", "밀랍 기둥초"]
    answer = await boss.post(f"{LIST}/{market.last.id}/move", way="up")
    assert answer.headers["location"] == f"{LIST}#p-{market.last.id}"
    assert await names(boss) == ["밀랍 기둥초", "백자 유약 머그"]
    shop = (await market.shopper().http.get("/haru")).text
    assert shop.index("밀랍 기둥초") < shop.index("백자 유약 머그")
    await boss.post(f"{LIST}/{market.last.id}/move", way="up")
    assert await said() == [("product_moved", "밀랍 기둥초", {"place": "2 → 1"})]
    await boss.post(f"{LIST}/{market.last.id}/move", way="down")
    assert await names(boss) == ["백자 유약 머그", "밀랍 기둥초"]
    assert (await boss.post(f"{LIST}/{market.last.id}/move", way="left")).status_code == 404


async def test_another_shops_product_is_no_product(market: Market, boss: Person) -> None:
    for number in (market.spoon.id, new_id(), "none"):
        assert (await boss.http.get(f"{LIST}/{number}")).status_code == 404
        for path in ("", "/hide", "/show", "/move"):
            assert (await boss.post(f"{LIST}/{number}{path}", way="up", name="x")).status_code == 404
    assert (await read(market.spoon)).is_active
