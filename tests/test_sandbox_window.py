"""The sandbox's pages: the payment window in all its ways, the SDK stand-in, the receipt, and the list."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.sandbox_wire import HARU, KEY, ORIGIN, Practice, handoff, practice

CALLBACK = "http://shop.test/haru/checkout/callback"


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Practice]:
    (tmp_path / "site.css").write_text("body { margin: 0 }")
    async with practice(assets=tmp_path) as opened:
        yield opened


def returned(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}", dict(parse_qsl(parts.query))


def ways(page: str) -> list[str]:
    return re.findall(r'name="way" value="(\w+)"', page)


async def status(sandbox: Practice, payment_key: str) -> str:
    return (await sandbox.wire.get(f"/v1/payments/{payment_key}", auth=KEY)).json()["status"]


async def test_the_window_says_who_asks_for_how_much_and_that_no_money_moves(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())

    page = (await sandbox.wire.get(f"/window/toss/{key}")).text

    assert '<html lang="ko" class="practice">' in page
    assert "하루상점" in page
    assert '<data class="money" value="15000">15,000원</data>' in page
    assert "세라믹 머그 외 1건" in page
    assert "<code>ORDER0001</code>" in page
    assert "<code>READY</code>" in page
    assert "실제 돈은 움직이지 않습니다" in page
    assert re.findall(r'name="action" value="(\w+)"', page) == ["approve", "decline", "cancel"]
    assert "style=" not in page


INNER = handoff()["request"]
WAITING = {"method": "VIRTUAL_ACCOUNT"}
FLAT = {name: INNER[name] for name in ("method", "orderId", "orderName", "successUrl", "failUrl")} | {
    "clientKey": HARU["client_key"]
}


@pytest.mark.parametrize(
    "posted",
    [
        {"json": handoff()},
        {"json": INNER | {"clientKey": HARU["client_key"]}},
        {"data": {"handoff": json.dumps(handoff())}},
        {"files": {"handoff": (None, json.dumps(handoff()))}},
        {"data": FLAT | {"amount": "15000", "currency": "KRW"}},
        {"data": FLAT | {"amount[value]": "15000", "amount[currency]": "KRW"}},
        {"data": FLAT | {"amount.value": "15000"}},
    ],
    ids=["json", "json on one level", "field", "multipart field", "flat", "brackets", "dots"],
)
async def test_a_buyer_without_javascript_opens_the_window(sandbox: Practice, posted: dict[str, Any]) -> None:
    page = await sandbox.wire.post("/window/toss", **posted)

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert re.search(r'<form class="form" method="post" action="/window/toss/\w+">', page.text)
    payment = (await sandbox.wire.get("/v1/payments/orders/ORDER0001", auth=KEY)).json()
    assert (payment["status"], payment["totalAmount"]) == ("READY", 15000)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"method": "MOBILE_PHONE"}, "method는 CARD"),
        ({"method": ["CARD"]}, "method는 CARD"),
        ({"method": "TRANSFER", "amount": {"currency": "KRW", "value": 199}}, "200원 이상"),
        (WAITING | {"amount": {"currency": "KRW", "value": 199}}, "200원 이상"),
        (WAITING | {"virtualAccount": 168}, "virtualAccount는 객체"),
        (WAITING | {"virtualAccount": {"validHours": 0}}, "validHours는 1 이상 2160 이하"),
        (WAITING | {"virtualAccount": {"validHours": 2161}}, "validHours는 1 이상 2160 이하"),
        (WAITING | {"virtualAccount": {"validHours": 1, "dueDate": "2026-09-11T00:00:00"}}, "함께 쓸 수 없습니다"),
        (WAITING | {"virtualAccount": {"dueDate": "2026-09-11"}}, "dueDate는 yyyy-MM-ddTHH:mm:ss"),
        (WAITING | {"virtualAccount": {"dueDate": "2026-02-30T00:00:00"}}, "dueDate는 yyyy-MM-ddTHH:mm:ss"),
        (WAITING | {"virtualAccount": {"dueDate": "2026-09-10T15:30:12"}}, "dueDate는 지금 이후"),
        (WAITING | {"virtualAccount": {"dueDate": "2026-12-09T15:30:13"}}, "90일 이내"),
        (WAITING | {"virtualAccount": {"cashReceipt": {"type": "none"}}}, "cashReceipt.type은"),
        ({"amount": 15000}, "amount는 { currency, value } 객체"),
        ({"amount": {"currency": "KRW", "value": 0}}, "양의 정수"),
        ({"amount": {"currency": "KRW", "value": 150.5}}, "양의 정수"),
        ({"amount": {"currency": "KRW", "value": True}}, "양의 정수"),
        ({"amount": {"currency": "KRW", "value": 99}}, "100원 이상"),
        ({"amount": {"currency": "USD", "value": 15}}, "KRW여야"),
        ({"orderId": "short"}, "orderId는"),
        ({"orderId": "O" * 65}, "orderId는"),
        ({"orderId": "ORDER=0001"}, "orderId는"),
        ({"orderName": ""}, "orderName은 필수"),
        ({"orderName": "이" * 101}, "orderName은 필수"),
        ({"successUrl": "/haru/checkout/callback"}, "successUrl은 오리진을 포함한 절대 주소"),
        ({"failUrl": "javascript:alert(1)"}, "failUrl은 오리진을 포함한 절대 주소"),
        ({"failUrl": "http://[shop"}, "failUrl은 오리진을 포함한 절대 주소"),
        ({"customerEmail": "e" * 101}, "100자 이하"),
        ({"taxFreeAmount": 15001}, "taxFreeAmount"),
        ({"card": {"flowMode": "DIRECT", "easyPay": "PAYPAL"}}, "easyPay는"),
        ({"metadata": {"a[0]": "b"}}, "metadata는"),
    ],
)
async def test_a_request_that_toss_would_refuse_opens_no_window(
    sandbox: Practice, wrong: dict[str, Any], sentence: str
) -> None:
    page = await sandbox.wire.post("/window/toss", json=handoff() | {"request": INNER | wrong})

    assert page.status_code == 400
    assert sentence in page.text
    assert (await sandbox.wire.get("/control/ledger")).json()["payments"] == []


@pytest.mark.parametrize(
    "posted",
    [{"content": b"{"}, {"json": [1]}, {"json": {"request": 1}}, {"data": {"handoff": "{"}}, {"data": {}}],
)
async def test_a_request_that_cannot_be_read_opens_no_window(sandbox: Practice, posted: dict[str, Any]) -> None:
    assert (await sandbox.wire.post("/window/toss", **posted)).status_code == 400


async def test_an_unknown_client_key_opens_no_window(sandbox: Practice) -> None:
    page = await sandbox.wire.post("/window/toss", json=handoff() | {"clientKey": "test_ck_nobody"})

    assert page.status_code == 401
    assert "UNAUTHORIZED_KEY" in page.text


async def test_an_approval_leads_back_with_the_payment_and_the_shops_own_query(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())

    url = await sandbox.buyer.approve()

    expected = {"paymentType": "NORMAL", "orderId": "ORDER0001", "paymentKey": key, "amount": "15000"}
    assert returned(url) == (CALLBACK, {"payment": "tok"} | expected)
    assert await status(sandbox, key) == "IN_PROGRESS"


async def test_an_approval_pressed_twice_leads_to_the_same_place(sandbox: Practice) -> None:
    await sandbox.buyer.open(handoff())

    assert await sandbox.buyer.approve() == await sandbox.buyer.approve()


async def test_closing_the_window_leads_back_without_an_order(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())

    place, query = returned(await sandbox.buyer.cancel())

    assert place == CALLBACK
    assert set(query) == {"payment", "code", "message"}
    assert query["code"] == "PAY_PROCESS_CANCELED"
    assert await status(sandbox, key) == "READY"


@pytest.mark.parametrize("code", [None, "PAY_PROCESS_ABORTED"])
async def test_a_decline_at_the_window_leads_back_with_its_reason(sandbox: Practice, code: str | None) -> None:
    key = await sandbox.buyer.open(handoff())

    place, query = returned(await sandbox.buyer.decline(code))

    assert place == CALLBACK
    assert (query["code"], query["orderId"]) == (code or "REJECT_CARD_COMPANY", "ORDER0001")
    assert "\uac00" <= query["message"][0] <= "\ud7a3"
    assert await status(sandbox, key) == "READY"


async def test_a_decline_by_the_card_company_comes_with_the_confirm(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())

    _, query = returned(await sandbox.buyer.decline("INVALID_STOPPED_CARD"))

    assert query["paymentKey"] == key
    claim = {"paymentKey": key, "orderId": "ORDER0001", "amount": 15000}
    answer = await sandbox.wire.post("/v1/payments/confirm", json=claim, auth=KEY)
    assert answer.json()["code"] == "INVALID_STOPPED_CARD"
    assert await status(sandbox, key) == "ABORTED"


@pytest.mark.parametrize("wallet", ["TOSSPAY", "KAKAOPAY", "NAVERPAY"])
async def test_a_direct_request_for_a_wallet_offers_that_wallet_alone(sandbox: Practice, wallet: str) -> None:
    key = await sandbox.buyer.open(handoff(card={"flowMode": "DIRECT", "easyPay": wallet}))
    page = (await sandbox.wire.get(f"/window/toss/{key}")).text
    other = await sandbox.wire.post(f"/window/toss/{key}", data={"action": "approve", "way": "CARD"})
    await sandbox.buyer.approve()

    assert ways(page) == [wallet]
    assert other.status_code == 400
    payment = (await sandbox.wire.get(f"/v1/payments/{key}", auth=KEY)).json()
    assert payment["method"] == "간편결제"


@pytest.mark.parametrize(
    ("method", "offered"),
    [
        ("CARD", ["CARD", "TOSSPAY", "KAKAOPAY", "NAVERPAY"]),
        ("TRANSFER", ["TRANSFER"]),
        ("VIRTUAL_ACCOUNT", ["VIRTUAL_ACCOUNT"]),
    ],
)
async def test_the_window_offers_the_ways_of_the_method_that_was_asked_for(
    sandbox: Practice, method: str, offered: list[str]
) -> None:
    key = await sandbox.buyer.open(handoff(method=method))

    page = (await sandbox.wire.get(f"/window/toss/{key}")).text

    assert ways(page) == offered
    assert ('name="bank"' in page) == (method != "CARD")
    assert ('name="depositor"' in page) == (method == "VIRTUAL_ACCOUNT")


async def test_a_checked_fault_is_armed_for_this_payment_once(sandbox: Practice) -> None:
    await sandbox.buyer.open(handoff())
    await sandbox.buyer.approve(fault=["slow", "answer_lost_after"])

    armed = (await sandbox.wire.get("/control/faults")).json()["faults"]
    assert [(each["kind"], each["reference"], each["times"]) for each in armed] == [
        ("slow", "ORDER0001", 1),
        ("answer_lost_after", "ORDER0001", 1),
    ]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"action": "steal"},
        {"action": "approve", "way": "CASH"},
        {"action": "approve", "way": "VIRTUAL_ACCOUNT"},
        {"action": "approve", "bank": "99"},
        {"action": "approve", "depositor": "이" * 101},
        {"action": "approve", "fault": "explode"},
        {"action": "decline", "decline_code": "NO_SUCH_CODE"},
    ],
)
async def test_the_window_takes_its_own_buttons_only(sandbox: Practice, form: dict[str, str]) -> None:
    key = await sandbox.buyer.open(handoff())

    assert (await sandbox.wire.post(f"/window/toss/{key}", data=form)).status_code == 400
    assert await status(sandbox, key) == "READY"


async def test_an_expired_window_cannot_be_approved_and_leads_back(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())
    sandbox.clock.go_on(minutes=30)

    page = await sandbox.wire.post(f"/window/toss/{key}", data={"action": "approve"})

    assert page.status_code == 409
    assert 'name="action"' not in page.text
    assert f'href="{CALLBACK}?payment=tok&amp;code=PAY_PROCESS_ABORTED' in page.text


async def test_a_used_window_offers_nothing(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())
    await sandbox.buyer.approve()

    page = await sandbox.wire.post(f"/window/toss/{key}", data={"action": "cancel"})

    assert page.status_code == 409
    assert 'name="action"' not in page.text
    assert await status(sandbox, key) == "IN_PROGRESS"


async def test_what_a_shop_writes_is_shown_as_text(sandbox: Practice) -> None:
    page = await sandbox.wire.post("/window/toss", json=handoff(orderName="<script>alert(1)</script>"))

    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


async def test_the_sdk_is_a_script_that_any_shop_may_load(sandbox: Practice) -> None:
    script = await sandbox.wire.get("/sdk/toss/v2/standard")

    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "window.TossPayments = TossPayments" in script.text
    assert ORIGIN not in script.text


async def test_the_sdk_opens_a_window_from_another_origin(sandbox: Practice) -> None:
    asked = await sandbox.wire.options("/sdk/toss/payments", headers={"Origin": "http://shop.test"})
    body = {name: handoff()[name] for name in ("clientKey", "customerKey", "request")}
    opened = await sandbox.wire.post("/sdk/toss/payments", json=body, headers={"Origin": "http://shop.test"})

    assert asked.status_code == 204
    assert asked.headers["access-control-allow-headers"] == "content-type"
    assert opened.headers["access-control-allow-origin"] == "*"
    assert (await sandbox.wire.get(opened.json()["checkout_url"])).status_code == 200


async def test_the_sdk_is_told_why_no_window_opens(sandbox: Practice) -> None:
    answer = await sandbox.wire.post("/sdk/toss/payments", json=handoff(amount=99))

    assert answer.status_code == 400
    assert answer.json()["code"] == "BELOW_MINIMUM_AMOUNT"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_the_list_shows_the_newest_payment_first_with_its_window(sandbox: Practice) -> None:
    older = await sandbox.buyer.open(handoff("ORDER0001"))
    newer = await sandbox.buyer.open(handoff("ORDER0002", 20000))

    page = (await sandbox.wire.get("/")).text

    assert re.findall(r'href="/window/toss/(\w+)"', page) == [newer, older]
    assert "20,000원" in page
    assert "실제 돈은 움직이지 않습니다" in page


async def test_an_empty_list_says_so(sandbox: Practice) -> None:
    assert "아직 결제가 없습니다" in (await sandbox.wire.get("/")).text


async def test_a_receipt_shows_what_was_paid_and_given_back(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())
    await sandbox.buyer.approve(way="TOSSPAY")
    assert (await sandbox.wire.get(f"/receipts/toss/{key}")).status_code == 404
    claim = {"paymentKey": key, "orderId": "ORDER0001", "amount": 15000}
    await sandbox.wire.post("/v1/payments/confirm", json=claim, auth=KEY)
    await sandbox.wire.post("/control/refunds/ORDER0001", json={"amount": 4000})

    page = (await sandbox.wire.get(f"/receipts/toss/{key}")).text

    assert "토스페이" in page
    assert re.findall(r'class="money" value="(-?\d+)"', page) == ["15000", "-4000", "11000"]


@pytest.mark.parametrize("path", ["/window/toss/unknown", "/receipts/toss/unknown", "/nowhere", "/static/no.css"])
async def test_an_unknown_page_is_not_found(sandbox: Practice, path: str) -> None:
    assert (await sandbox.wire.get(path)).status_code == 404


async def test_every_page_answers_head_like_get(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())
    pages = ["/", "/healthz", "/sdk/toss/v2/standard", "/static/site.css", f"/window/toss/{key}"]

    for path in pages:
        head, page = await sandbox.wire.head(path), await sandbox.wire.get(path)
        assert (head.status_code, page.status_code) == (200, 200), path
        assert head.headers["content-length"] == page.headers["content-length"]
