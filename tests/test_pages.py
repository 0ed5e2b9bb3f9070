"""Pages: both languages, the headers that guard them, and nothing of a shopper's or an owner's text run as code."""

import re

import httpx
import pytest

from app.main import create_app
from app.shops.catalogue import add_product, add_shop
from tests.sandbox_wire import ORIGIN
from tests.shopping import EMAIL, Market, Shopper, fields_of, make_settings, open_market

SCRIPT = "</script><script>alert(1)</script>"
QUOTES = "\"'&<b>"
KOREAN = re.compile("[가-힣]")


def policy_of(page: httpx.Response) -> dict[str, list[str]]:
    parts = [directive.split() for directive in page.headers["content-security-policy"].split("; ")]
    return {name: sources for name, *sources in parts}


async def walk(market: Market, shopper: Shopper) -> dict[str, httpx.Response]:
    """Every page that a shopper sees on the way to a paid order, and beside it."""
    pay_url = await shopper.order(market.mug)
    order = await market.only_order()
    pages = {
        "shop": await shopper.http.get("/haru"),
        "product": await shopper.http.get(f"/haru/products/{market.mug.id}"),
        "checkout": await shopper.http.get(f"/haru/checkout?product={market.mug.id}"),
        "mistakes": await shopper.submit(market.mug, quantity="0", email=""),
        "pay": await shopper.http.get(pay_url),
        "pending": await shopper.http.get(f"/haru/orders/{order.token}"),
        "missing": await shopper.http.get("/haru/nothing"),
    }
    await shopper.open_window(pay_url)
    pages["fail"] = await shopper.come_back(await market.pg.buyer.decline())
    pay_url = (await shopper.press(pages["fail"])).headers["location"]
    await shopper.open_window(pay_url)
    pages["cancel"] = await shopper.come_back(await market.pg.buyer.cancel())
    pay_url = (await shopper.press(pages["cancel"])).headers["location"]
    await shopper.open_window(pay_url)
    pages["success"] = await shopper.come_back(await market.pg.buyer.approve())
    pages["paid"] = await shopper.http.get(f"/haru/orders/{order.token}")
    return pages


async def test_every_page_speaks_korean(market: Market, shopper: Shopper):
    said = {
        "shop": "하루상점",
        "product": "구매하기",
        "checkout": "주문하기",
        "mistakes": "두 가지만 고쳐 주세요",
        "pay": "토스페이먼츠에서 결제해 주세요",
        "pending": "아직 결제되지 않았어요",
        "missing": "여기에는 아무것도 없어요",
        "fail": "결제되지 않았어요",
        "cancel": "결제를 그만두셨어요",
        "success": "결제가 끝났어요",
        "paid": "결제가 끝났어요",
    }
    pages = await walk(market, shopper)
    assert pages.keys() == said.keys()
    for name, page in pages.items():
        assert '<html lang="ko">' in page.text, name
        assert said[name] in page.text, name


async def test_every_page_speaks_english_after_the_switch(market: Market, shopper: Shopper):
    await shopper.http.get("/haru/language/en")
    for name, page in (await walk(market, shopper)).items():
        assert '<html lang="en">' in page.text, name
        left = page.text
        # The shop's own words, the PG's word for a method, and the way back to Korean.
        for word in (market.mug.name, market.last.name, *market.haru.legal_lines, market.haru.name, "카드", "한국어"):
            left = left.replace(word, "")
        assert KOREAN.findall(left.replace('data-mark="하"', "")) == [], name


async def test_a_shop_opens_in_its_own_language(market: Market, shopper: Shopper):
    await add_shop("nara", "Nara", locale="en")
    assert '<html lang="en">' in (await shopper.http.get("/nara")).text
    await shopper.http.get("/haru/language/ko")
    assert '<html lang="ko">' in (await shopper.http.get("/nara")).text


async def test_an_unknown_language_in_the_cookie_is_ignored(market: Market, shopper: Shopper):
    shopper.http.cookies.set("lang", "../../etc")
    assert '<html lang="ko">' in (await shopper.http.get("/haru")).text


@pytest.mark.parametrize("path", ["/haru", "/haru/products/x?from=here", "/haru/checkout?product=x&quantity=2"])
async def test_the_switch_comes_back_to_the_same_page(market: Market, shopper: Shopper, path: str):
    answer = await shopper.http.get("/haru/language/en", headers={"referer": f"http://shop.test{path}"})
    assert (answer.status_code, answer.headers["location"]) == (303, path)


@pytest.mark.parametrize(
    "referer",
    [
        "",
        "http://evil.test/haru/checkout",
        "http://shop.test.evil.test/haru/x",
        "http://shop.test@evil.test/haru/x",
        "http://shop.test:99/haru/x",
        "//evil.test/haru/x",
        "http://shop.test//evil.test/haru/x",
        "http://shop.test/namu/products/x",
        "http://shop.test/haruharu/x",
        "http://shop.test/",
        "javascript:alert(1)",
        "http://[",
    ],
)
async def test_the_switch_leads_to_no_other_site_or_shop(market: Market, shopper: Shopper, referer: str):
    answer = await shopper.http.get("/haru/language/en", headers={"referer": referer})
    assert (answer.status_code, answer.headers["location"]) == (303, "/haru")


async def test_the_language_can_be_switched_on_a_form_that_came_back(market: Market, shopper: Shopper):
    page = await shopper.http.get(f"/haru/checkout?product={market.mug.id}")
    [action] = re.findall(r'<form class="order-form" method="post" action="([^"]+)"', page.text)
    back = await shopper.http.post(action, data={**fields_of(page.text), "quantity": "0"})
    assert back.status_code == 422
    switched = await shopper.http.get("/haru/language/en", headers={"referer": str(back.url)}, follow_redirects=True)
    assert switched.status_code == 200
    assert '<html lang="en">' in switched.text
    assert 'name="checkout_token"' in switched.text


async def test_no_page_lets_foreign_code_run_or_other_sites_frame_it(market: Market, shopper: Shopper):
    for name, page in (await walk(market, shopper)).items():
        policy = policy_of(page)
        assert policy["default-src"] == ["'none'"], name
        assert "'unsafe-inline'" not in policy.get("script-src", []), name
        assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"], name
        assert policy["form-action"] == ["'self'"], name
        [nonce] = re.findall(r'<style nonce="([^"]+)"', page.text)
        # A PG's script draws its own frame around its window, on the page that it opens from.
        style = "'unsafe-inline'" if name == "pay" else f"'nonce-{nonce}'"
        assert policy["style-src"] == ["'self'", style], name
        assert "style=" not in page.text, name
        assert not re.search(r"<[^>]+ on\w+=", page.text), name
        assert page.headers["x-content-type-options"] == "nosniff", name
        assert page.headers["referrer-policy"] == "same-origin", name


async def test_each_answer_has_a_nonce_of_its_own(market: Market, shopper: Shopper):
    first, second = [policy_of(await shopper.http.get("/haru"))["style-src"] for _ in range(2)]
    assert first != second


async def test_only_the_pay_page_allows_the_pgs_scripts(market: Market, shopper: Shopper):
    for name, page in (await walk(market, shopper)).items():
        scripts = policy_of(page)["script-src"]
        if name == "pay":
            assert scripts == ["'self'", "https://js.tosspayments.com", ORIGIN]
        else:
            assert scripts == ["'self'"], name


async def test_no_page_about_a_shopper_is_kept_or_found_by_search_engines(market: Market, shopper: Shopper):
    for name, page in (await walk(market, shopper)).items():
        public = name in ("shop", "product")
        assert page.headers["x-robots-tag"] == ("all" if public else "noindex"), name
        # Back from the PG's window, the form must be the very one that made the order.
        kept = public or name == "checkout"
        assert page.headers["cache-control"] == ("private, no-cache" if kept else "no-store"), name


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(database_url: str, time):
    async with open_market(database_url, time, base_url="https://shop.test") as market:
        cookies = (await market.shopper().http.get("/haru/language/en")).headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        attributes = set(cookie.split("; ")[1:])
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= attributes, cookie
    assert any(cookie.startswith("__Host-csrf=") and "Secure" in cookie for cookie in cookies)


async def test_owners_text_is_text_on_every_page(market: Market, shopper: Shopper):
    odd = await add_shop("odd", SCRIPT, tagline=SCRIPT, description=SCRIPT, legal=SCRIPT)
    thing = await add_product(odd, SCRIPT, 1_000, description=SCRIPT, facts=f"a{QUOTES}: {SCRIPT}", image_alt=QUOTES)
    for path in ("/odd", f"/odd/products/{thing.id}", f"/odd/checkout?product={thing.id}", "/odd/nothing"):
        page = await shopper.http.get(path)
        assert "<script>alert" not in page.text, path
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text, path


async def test_the_handoff_cannot_end_its_script(market: Market, shopper: Shopper):
    thing = await add_product(market.haru, SCRIPT, 1_000)
    email = "o'neil&co@example.com"
    pay_url = await shopper.order(thing, email=email)
    page = await shopper.http.get(pay_url)
    raw = page.text.partition('id="handoff">')[2].partition("</script>")[0]
    assert raw.endswith("}")
    assert not set("<>&") & set(raw)
    request = (await shopper.handoff(pay_url))["request"]
    assert (request["orderName"], request["customerEmail"]) == (SCRIPT, email)


async def test_what_a_shopper_typed_comes_back_as_text(market: Market, shopper: Shopper):
    page = await shopper.submit(market.mug, quantity=SCRIPT, email=f'" autofocus onfocus="alert(1){SCRIPT}')
    assert page.status_code == 422
    assert "<script>alert" not in page.text
    assert not re.search(r"<[^>]+ onfocus=", re.sub(r'"[^"]*"', '""', page.text))


async def test_the_checkout_page_is_light(market: Market, shopper: Shopper):
    page = await shopper.http.get(f"/haru/checkout?product={market.mug.id}")
    assert len(page.content) < 8_000
    linked = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    sizes = [int((await shopper.http.get(url)).headers["content-length"]) for url in linked]
    assert len(page.content) + sum(sizes) < 30_000


async def test_an_order_page_asks_again_until_the_order_is_final(market: Market, shopper: Shopper):
    return_url = await shopper.approve(market.mug)
    order_url = f"/haru/orders/{(await market.only_order()).token}"
    pending = await shopper.http.get(order_url)
    assert f'hx-get="{order_url}/status?shown=pending" hx-trigger="every 2s"' in pending.text
    assert "http-equiv" in pending.text
    await shopper.come_back(return_url)
    paid = await shopper.http.get(order_url)
    assert "hx-trigger" not in paid.text
    assert "http-equiv" not in paid.text


async def test_the_status_brings_a_new_page_only_when_the_state_has_changed(market: Market, shopper: Shopper):
    return_url = await shopper.approve(market.mug)
    status_url = f"/haru/orders/{(await market.only_order()).token}/status"
    same = await shopper.http.get(status_url, params={"shown": "pending"})
    await shopper.come_back(return_url)
    changed = await shopper.http.get(status_url, params={"shown": "pending"})
    final = await shopper.http.get(status_url, params={"shown": "paid"})
    assert same.text.startswith('<section id="status" data-status="pending"')
    assert "hx-refresh" not in same.headers
    assert changed.headers["hx-refresh"] == "true"
    assert "hx-refresh" not in final.headers
    assert "hx-trigger" not in final.text


async def test_no_page_shows_the_shoppers_address_to_whoever_has_the_link(market: Market, shopper: Shopper):
    pages = await walk(market, shopper)
    for name in ("pending", "fail", "cancel", "success", "paid"):
        assert EMAIL not in pages[name].text, name


def test_an_app_is_made_without_touching_the_database():
    assert create_app(make_settings("sqlite:////nowhere/at/all.sqlite")).state.settings.base_url == "http://shop.test"
