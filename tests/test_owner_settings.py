"""The shop's settings at the desk: what is saved is what the shop's pages and new orders go by."""

import json
import re
from datetime import timedelta
from html import unescape

import httpx
import pytest

from app.database import write_transaction
from app.orders.tables import Order
from app.owners.roles import Role
from app.owners.tables import AuditEntry
from app.shops.catalogue import CurrencyInUse, edit_shop
from app.shops.tables import Product, Shop
from tests.desk import Desks, Person
from tests.shopping import Market
from tests.test_owner_products import form_of as inputs_of

PAGE = "/haru/owner/settings"


def form_of(page: httpx.Response) -> dict[str, str]:
    choices = re.findall(r'<select id="\w+" name="(\w+)".*?<option value="([^"]*)" selected>', page.text, re.DOTALL)
    return {**inputs_of(page), **dict(choices)}


async def edit(person: Person, **changes: str) -> httpx.Response:
    return await person.post(PAGE, **{**form_of(await person.http.get(PAGE)), **changes})


async def read(market: Market) -> Shop:
    return await Shop.objects().get(Shop.id == market.haru.id)


async def test_the_pages_look_and_speak_as_the_owner_says(market: Market, boss: Person) -> None:
    answer = await edit(
        boss,
        name="저녁상점",
        tagline="저녁에 여는 가게",
        description="첫 줄\r\n둘째 줄",
        legal="저녁상점 · 대표 한소라\r\n02-000-0000",
        accent="250",
        logo_url="https://img.example/logo.png",
        locale="en",
        time_zone="Europe/Berlin",
        alert_email="Owner@Haru.example",
    )
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?saved=1")
    shop = await read(market)
    assert (shop.time_zone, shop.alert_email, shop.version) == ("Europe/Berlin", "owner@haru.example", 2)
    page = (await market.shopper().http.get("/haru")).text
    for text in (
        '<html lang="en">',
        "저녁상점",
        "저녁에 여는 가게",
        "<p>02-000-0000</p>",
        "--accent:250",
        '<img class="logo" src="https://img.example/logo.png"',
    ):
        assert text in page, text
    assert "Saved." in (await boss.http.get(f"{PAGE}?saved=1")).text
    [entry] = await AuditEntry.objects()
    details = json.loads(entry.details)
    assert entry.action == "settings_changed"
    assert details["name"] == "하루상점 → 저녁상점"
    assert details["accent"] == "162 → 250"
    assert "currency" not in details


async def test_a_form_that_changes_nothing_leaves_no_trace(market: Market, boss: Person) -> None:
    assert (await edit(boss)).status_code == 303
    assert (await read(market)).version == 1
    assert await AuditEntry.count() == 0


async def test_new_orders_hold_their_goods_as_long_as_the_owner_says(market: Market, boss: Person) -> None:
    await market.shopper().order(market.mug)
    await edit(boss, hold_minutes="15")
    await market.shopper().order(market.mug)
    holds = {order.expires_at - order.created_at for order in await Order.objects()}
    assert holds == {timedelta(minutes=60), timedelta(minutes=15)}


async def test_the_owner_chooses_what_becomes_of_late_deposits(market: Market, boss: Person) -> None:
    assert (await read(market)).late_deposit == "accept"
    await edit(boss, late_deposit="refund")
    assert (await read(market)).late_deposit == "refund"
    assert '<option value="refund" selected>언제나 돌려드리기</option>' in (await boss.http.get(PAGE)).text
    [entry] = await AuditEntry.objects()
    assert json.loads(entry.details) == {"late_deposit": "accept → refund"}


BAD = [
    ("name", "", "가게 이름을"),
    ("name", "가" * 81, "80자 안으로"),
    ("tagline", "가" * 121, "120자 안으로"),
    ("description", "가" * 2_001, "2,000자 안으로"),
    ("legal", "가" * 2_001, "2,000자 안으로"),
    ("accent", "360", "0부터 359까지"),
    ("accent", "초록", "0부터 359까지"),
    ("accent", "", "0부터 359까지"),
    ("logo_url", "http://img.example/logo.png", "https://로 시작하는"),
    ("logo_url", "https://img.example/" + "a" * 300, "300자 안으로"),
    ("locale", "fr", "하나 골라"),
    ("time_zone", "Seoul", "시간대를 골라"),
    ("time_zone", "", "시간대를 골라"),
    ("currency", "XXX", "하나 골라"),
    ("hold_minutes", "4", "5부터 360까지"),
    ("hold_minutes", "361", "5부터 360까지"),
    ("late_deposit", "keep", "하나 골라"),
    ("alert_email", "nobody", "이메일 주소를 다시"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), BAD)
async def test_a_bad_field_is_told_and_nothing_is_saved(
    market: Market, boss: Person, field: str, value: str, sentence: str
) -> None:
    before = (await read(market)).to_dict()
    answer = await edit(boss, **{"tagline": "새 소개", field: value})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert sentence in unescape(answer.text)
    assert (await read(market)).to_dict() == before


async def test_a_form_without_fields_is_no_failure(market: Market, boss: Person) -> None:
    assert (await boss.post(PAGE)).status_code == 422


async def test_the_currency_stays_once_there_are_prices_in_it(market: Market, boss: Person) -> None:
    answer = await edit(boss, currency="USD", name="x")
    assert answer.status_code == 409
    assert "통화를 바꿀 수 없어요" in answer.text
    assert ((await read(market)).currency, (await read(market)).name) == ("KRW", "하루상점")
    with pytest.raises(CurrencyInUse):
        async with write_transaction():
            await edit_shop(market.haru, 1, {"currency": "USD"})
    await Product.delete().where(Product.shop == market.haru.id)
    assert (await edit(boss, currency="USD")).status_code == 303
    assert (await read(market)).currency == "USD"
    page = await boss.http.get("/haru/owner/products/new")
    await boss.post("/haru/owner/products/new", **{**inputs_of(page), "name": "Mug", "price": "19.90"})
    [product] = await Product.objects().where(Product.shop == market.haru.id)
    assert (product.price, product.currency) == (1_990, "USD")


async def test_who_saves_second_sees_what_was_changed(market: Market, boss: Person) -> None:
    form = form_of(await boss.http.get(PAGE))
    await edit(boss, tagline="먼저")
    answer = await boss.post(PAGE, **{**form, "tagline": "나중"})
    assert answer.status_code == 409
    assert 'value="나중"' in answer.text
    assert 'id="tagline-now">지금은: 먼저<' in answer.text
    assert (await read(market)).tagline == "먼저"
    assert (await boss.post(PAGE, **form_of(answer))).status_code == 303
    assert (await read(market)).tagline == "나중"


async def test_an_order_does_not_disturb_an_edit(market: Market, boss: Person) -> None:
    form = form_of(await boss.http.get(PAGE))
    await market.shopper().order(market.mug)
    assert (await boss.post(PAGE, **{**form, "tagline": "새 소개"})).status_code == 303
    assert (await read(market)).order_count == 1


@pytest.mark.parametrize("role", [Role.VIEWER, Role.STAFF])
async def test_settings_are_the_owners(market: Market, desks: Desks, role: Role) -> None:
    person = await desks.member(market.haru, role)
    assert (await person.http.get(PAGE)).status_code == 403
    assert (await person.post(PAGE, name="x")).status_code == 403
