"""The sandbox's pages of Stripe: Checkout, the form without JavaScript, Stripe.js, the receipt, the list."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.sandbox_wire import ORIGIN, Practice, ledger
from tests.stripe_wire import (
    ASKS,
    DECLINED,
    NAMU,
    OK,
    RETURN,
    Shop,
    answer_3ds,
    handoff,
    paid_session,
    press,
    row,
    session_fields,
    stripe_practice,
)


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Practice]:
    (tmp_path / "site.css").write_text("body { margin: 0 }")
    async with stripe_practice(assets=tmp_path) as opened:
        yield opened


@pytest.fixture
def shop(sandbox: Practice) -> Shop:
    return Shop(sandbox.wire)


def returned(url: str) -> dict[str, str]:
    """The query of the way back to the shop."""
    assert url.startswith("http://shop.test/haru/checkout/callback?")
    return dict(parse_qsl(urlsplit(url).query))


def ways(page: str) -> list[str]:
    return re.findall(r'name="way" value="(\w+)"', page)


async def confirm(sandbox: Practice, intent: dict[str, Any], **more: Any) -> Any:
    """What the frame of Stripe.js sends when the shop's page calls confirmPayment."""
    body = {
        "key": "pk_test_haru",
        "clientSecret": intent["client_secret"],
        "returnUrl": RETURN,
        "way": "card",
        "number": OK,
        "faults": [],
    }
    return await sandbox.wire.post("/sdk/stripe/confirm", json=body | more)


async def test_checkout_says_who_asks_for_how_much_and_that_no_money_moves(sandbox: Practice, shop: Shop) -> None:
    item = session_fields()["line_items"][0]
    session = await shop.open_session(line_items=[item, item])

    page = (await sandbox.wire.get(session["url"])).text

    assert '<html lang="ko" class="practice">' in page
    assert "하루상점" in page
    assert '<data class="money" value="30000">30,000원</data>' in page
    assert "세라믹 머그 외 1건" in page
    assert "<code>ORDER0001</code>" in page
    assert "<code>open</code>" in page
    assert "실제 돈은 움직이지 않습니다" in page
    assert re.findall(r'name="action" value="(\w+)"', page) == ["approve", "decline", "cancel"]
    assert "style=" not in page


async def test_without_a_cancel_url_there_is_no_way_out(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session(cancel_url=None)

    page = (await sandbox.wire.get(session["url"])).text

    assert re.findall(r'name="action" value="(\w+)"', page) == ["approve", "decline"]
    assert (await press(sandbox.wire, session["id"], "cancel")).status_code == 409


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ({"payment_method_types": ["card"]}, ["card"]),
        ({"payment_method_types": ["kakao_pay", "card"]}, ["kakao_pay", "card"]),
        (
            {},
            ["card", "kr_card", "kakao_pay", "naver_pay", "payco", "samsung_pay", "customer_balance"],
        ),
    ],
)
async def test_checkout_offers_what_the_shop_asked_for(
    sandbox: Practice, shop: Shop, asked: dict[str, Any], offered: list[str]
) -> None:
    session = await shop.open_session(**asked)

    assert ways((await sandbox.wire.get(session["url"])).text) == offered
    await press(sandbox.wire, session["id"], way=offered[0])
    charge = (await shop.get("charges")).json()["data"][0]
    assert charge["payment_method_details"]["type"] == offered[0]


async def test_a_button_pressed_twice_leads_to_the_same_place(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()

    places = [(await press(sandbox.wire, session["id"])).headers["location"] for _ in range(2)]

    assert places[0] == places[1]
    assert (await row(sandbox))["captured"] == 15000
    assert len((await shop.get("charges")).json()["data"]) == 1


async def test_3d_secure_answered_twice_leads_to_the_same_place(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()
    await press(sandbox.wire, session["id"], number=ASKS)

    places = [(await answer_3ds(sandbox.wire, session["id"])).headers["location"] for _ in range(2)]

    assert places[0] == places[1]
    assert (await sandbox.wire.get(f"/window/stripe/{session['id']}/authenticate")).status_code == 200


async def test_a_decline_is_chosen_by_its_reason(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()

    page = await press(sandbox.wire, session["id"], "decline", decline_code="expired_card")

    assert page.status_code == 402
    assert "유효기간이 지남" in page.text
    after = await shop.session(session["id"], expand=["payment_intent"])
    assert after["payment_intent"]["last_payment_error"]["code"] == "expired_card"


@pytest.mark.parametrize(
    "form",
    [
        {"action": ""},
        {"action": "steal"},
        {"way": "cash"},
        {"way": "konbini"},
        {"decline_code": "NO_SUCH_CODE"},
        {"fault": "explode"},
    ],
)
async def test_checkout_takes_its_own_buttons_only(sandbox: Practice, shop: Shop, form: dict[str, str]) -> None:
    session = await shop.open_session()

    answer = await sandbox.wire.post(f"/window/stripe/{session['id']}", data={"action": "approve", **form})

    assert answer.status_code == 400
    assert (await row(sandbox))["status"] == "open"


async def test_a_checked_fault_is_armed_for_this_payment_once(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()
    await press(sandbox.wire, session["id"], fault=["slow", "webhook_doubled", "amount_changed"])

    armed = (await sandbox.wire.get("/control/faults")).json()["faults"]
    assert [(each["kind"], each["call"], each["reference"], each["times"]) for each in armed] == [
        ("slow", "lookup", "ORDER0001", 1)
    ]
    assert (await row(sandbox))["captured"] == 16000
    assert await sandbox.send_due() == 8


async def test_what_a_shop_writes_is_shown_as_text(sandbox: Practice, shop: Shop) -> None:
    price = {"currency": "krw", "unit_amount": 1000, "product_data": {"name": "<script>alert(1)</script>"}}
    session = await shop.open_session(line_items=[{"price_data": price}])

    page = (await sandbox.wire.get(session["url"])).text

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("form", ["json", "field", "multipart", "flat"])
async def test_a_buyer_without_javascript_opens_the_form(sandbox: Practice, shop: Shop, form: str) -> None:
    intent = await shop.open_intent()
    wish = handoff(intent)
    posted: dict[str, Any] = {
        "json": {"json": wish},
        "field": {"data": {"handoff": json.dumps(wish)}},
        "multipart": {"files": {"handoff": (None, json.dumps(wish))}},
        "flat": {"data": wish},
    }[form]

    page = await sandbox.wire.post("/window/stripe", **posted)

    assert page.status_code == 200
    assert f'<form class="form" method="post" action="/window/stripe/{intent["id"]}">' in page.text
    assert re.findall(r'name="action" value="(\w+)"', page.text) == ["approve", "decline", "cancel"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"publishableKey": "pk_test_nobody"},
        {"publishableKey": NAMU["publishable_key"]},
        {"clientSecret": "pi_unknown_secret_x"},
        {"clientSecret": None},
        {"returnUrl": None},
    ],
)
async def test_a_handoff_that_is_wrong_opens_no_form(sandbox: Practice, shop: Shop, wrong: dict[str, Any]) -> None:
    page = await sandbox.wire.post("/window/stripe", json=handoff(await shop.open_intent(), **wrong))

    assert page.status_code in (400, 401, 404)
    assert 'name="action"' not in page.text


@pytest.mark.parametrize("posted", [{"content": b"{"}, {"json": [1]}, {"data": {"handoff": "{"}}, {"data": {}}])
async def test_a_handoff_that_cannot_be_read_opens_no_form(sandbox: Practice, posted: dict[str, Any]) -> None:
    assert (await sandbox.wire.post("/window/stripe", **posted)).status_code in (400, 401)


async def test_a_guessed_secret_opens_no_form(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent()

    page = await sandbox.wire.post("/window/stripe", json=handoff(intent, clientSecret=f"{intent['id']}_secret_guess"))

    assert page.status_code == 404


@pytest.mark.parametrize(
    ("action", "fields", "status", "captured"),
    [
        ("approve", {}, "succeeded", 15000),
        ("approve", {"way": "customer_balance"}, "processing", 0),
        ("approve", {"number": DECLINED}, "failed", 0),
        ("decline", {"decline_code": "lost_card"}, "failed", 0),
        ("cancel", {}, "requires_payment_method", 0),
    ],
)
async def test_the_form_leads_back_with_what_came_of_it(
    sandbox: Practice, shop: Shop, action: str, fields: dict[str, str], status: str, captured: int
) -> None:
    intent = await shop.open_intent()
    await sandbox.wire.post("/window/stripe", json=handoff(intent))

    answer = await press(sandbox.wire, intent["id"], action, **fields)

    assert answer.status_code == 303
    assert returned(answer.headers["location"]) == {
        "payment": "tok",
        "payment_intent": intent["id"],
        "payment_intent_client_secret": intent["client_secret"],
        "redirect_status": status,
    }
    assert (await row(sandbox))["captured"] == captured


async def test_the_form_asks_3d_secure_where_the_card_wants_it(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent()
    await sandbox.wire.post("/window/stripe", json=handoff(intent))

    asked = await press(sandbox.wire, intent["id"], number=ASKS)
    back = await answer_3ds(sandbox.wire, intent["id"])

    assert asked.headers["location"] == f"/window/stripe/{intent['id']}/authenticate"
    assert returned(back.headers["location"])["redirect_status"] == "succeeded"


async def test_the_sdk_is_a_script_that_any_shop_may_load(sandbox: Practice) -> None:
    for path in ("/sdk/stripe/v3/", "/sdk/stripe/v3"):
        script = await sandbox.wire.get(path)
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "window.Stripe = Stripe" in script.text
        assert ORIGIN not in script.text


async def test_the_frame_holds_the_form_of_its_own_payment(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent(payment_method_types=["card", "konbini"])
    query = {"key": "pk_test_haru", "client_secret": intent["client_secret"]}

    page = await sandbox.wire.get("/sdk/stripe/element", params=query)
    wrong = await sandbox.wire.get("/sdk/stripe/element", params=query | {"key": "pk_test_namu"})

    assert page.status_code == 200
    assert ways(page.text) == ["card", "konbini"]
    assert f'value="{ASKS}"' in page.text
    assert "x-frame-options" not in page.headers
    assert (wrong.status_code, 'id="payment"' in wrong.text) == (404, False)
    assert (await sandbox.wire.get("/sdk/stripe/element.js")).status_code == 200


async def test_the_frame_is_told_where_to_go(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent()

    answer = (await confirm(sandbox, intent)).json()

    assert answer["authenticate"] is None
    assert answer["paymentIntent"]["status"] == "succeeded"
    assert returned(answer["return"])["redirect_status"] == "succeeded"
    assert (await row(sandbox))["captured"] == 15000


async def test_the_frame_is_told_of_a_decline_and_may_try_again(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent()

    declined = await confirm(sandbox, intent, number=DECLINED)
    again = await confirm(sandbox, intent)
    twice = await confirm(sandbox, intent)

    assert (declined.status_code, declined.json()["error"]["decline_code"]) == (402, "generic_decline")
    assert again.json()["paymentIntent"]["status"] == "succeeded"
    assert twice.json()["error"]["code"] == "payment_intent_unexpected_state"
    assert (await row(sandbox))["captured"] == 15000


async def test_the_frame_leads_to_3d_secure(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent()

    answer = (await confirm(sandbox, intent, number=ASKS)).json()
    back = await answer_3ds(sandbox.wire, intent["id"], "decline")

    assert answer["authenticate"] == f"{ORIGIN}/window/stripe/{intent['id']}/authenticate"
    assert returned(back.headers["location"])["redirect_status"] == "failed"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"key": "pk_test_namu"}, 404),
        ({"key": "pk_test_nobody"}, 401),
        ({"clientSecret": 7}, 404),
        ({"number": "1234"}, 402),
        ({"number": 7}, 400),
        ({"way": "cash"}, 400),
        ({"way": ["card"]}, 400),
        ({"faults": ["explode"]}, 400),
        ({"faults": [["slow"]]}, 400),
        ({"returnUrl": 7}, 400),
    ],
)
async def test_the_frame_is_told_what_is_wrong(
    sandbox: Practice, shop: Shop, wrong: dict[str, Any], status: int
) -> None:
    intent = await shop.open_intent()

    answer = await confirm(sandbox, intent, **wrong)

    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert (await shop.intent(intent["id"]))["status"] == "requires_payment_method"


async def test_the_frame_speaks_json(sandbox: Practice) -> None:
    assert (await sandbox.wire.post("/sdk/stripe/confirm", content=b"{")).status_code == 400


async def test_the_page_of_a_payment_carries_the_buttons_of_the_bank(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()
    await press(sandbox.wire, session["id"], way="customer_balance")

    async def verbs() -> list[str]:
        page = (await sandbox.wire.get(f"/window/stripe/{session['id']}")).text
        return re.findall(r'name="action" value="(\w+)"', page)

    async def act(verb: str) -> None:
        answer = await sandbox.wire.post(f"/window/stripe/{session['id']}/account", data={"action": verb})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/window/stripe/{session['id']}")

    assert await verbs() == ["settle_pending", "fail_pending"]
    await act("settle_pending")
    assert await verbs() == ["dispute"]
    await act("dispute")
    assert await verbs() == ["win_dispute", "lose_dispute"]
    await act("settle_pending")
    assert (await row(sandbox))["captured"] == 15000
    await act("win_dispute")
    await sandbox.wire.post("/control/refunds/ORDER0001")
    assert await verbs() == ["complete", "fail_refund"]


async def test_the_page_is_found_by_the_id_of_the_payment_intent_too(sandbox: Practice) -> None:
    session = await paid_session(sandbox)

    page = await sandbox.wire.get(f"/window/stripe/{session['payment_intent']}")

    assert page.status_code == 200
    assert "이 결제창은 이미 쓰였습니다" in page.text


async def test_the_list_shows_every_payment_with_its_page_and_buttons(sandbox: Practice, shop: Shop) -> None:
    session = await paid_session(sandbox)
    intent = await shop.open_intent("ORDER0002", 600, currency="usd")

    page = (await sandbox.wire.get("/")).text

    assert re.findall(r'href="/window/stripe/(\w+)"', page) == [intent["id"], session["id"]]
    assert "6.00 USD" in page
    assert 'value="dispute"' in page


async def test_a_receipt_shows_what_was_paid_and_given_back(sandbox: Practice, shop: Shop) -> None:
    session = await paid_session(sandbox)
    charge_id = (await shop.intent(session["payment_intent"]))["latest_charge"]
    await shop.refund(session["payment_intent"], amount=4000)

    page = (await sandbox.wire.get(f"/receipts/stripe/{charge_id}")).text

    assert re.findall(r'class="money" value="(-?\d+)"', page) == ["15000", "-4000", "11000"]


@pytest.mark.parametrize(
    "path", ["/window/stripe/cs_unknown", "/window/stripe/cs_unknown/authenticate", "/receipts/stripe/ch_unknown"]
)
async def test_an_unknown_page_is_not_found(sandbox: Practice, path: str) -> None:
    assert (await sandbox.wire.get(path)).status_code == 404


async def test_every_page_answers_head_like_get(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()

    for path in ("/sdk/stripe/v3/", "/sdk/stripe/element.js", f"/window/stripe/{session['id']}"):
        head, page = await sandbox.wire.head(path), await sandbox.wire.get(path)
        assert (head.status_code, page.status_code) == (200, 200), path
        assert head.headers["content-length"] == page.headers["content-length"]


async def test_two_sessions_for_one_order_are_two_payments(sandbox: Practice, shop: Shop) -> None:
    first, second = await shop.open_session(), await shop.open_session()
    for session in (first, second):
        await press(sandbox.wire, session["id"])

    assert [entry["captured"] for entry in await ledger(sandbox.wire)] == [15000, 15000]
