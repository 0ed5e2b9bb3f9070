"""The sandbox's Checkout Sessions: opened, paid, paid late, expired."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox_wire import ORIGIN, Practice, ledger
from tests.stripe_wire import (
    ASKS,
    CANCEL,
    DECLINED,
    NO_FUNDS,
    SUCCESS,
    Shop,
    answer_3ds,
    paid_session,
    press,
    refused,
    row,
    session_fields,
    stripe_practice,
)

DAY = 24 * 60 * 60


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with stripe_practice() as opened:
        yield opened


@pytest.fixture
def shop(sandbox: Practice) -> Shop:
    return Shop(sandbox.wire)


async def test_a_new_session_is_open_and_leads_to_its_page(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session(metadata={"order": "7"}, customer_email="buyer@shop.test", locale="ko")

    assert re.fullmatch(r"cs_test_a1\w{56}", session["id"])
    assert session["url"] == f"{ORIGIN}/window/stripe/{session['id']}"
    same = ("object", "status", "payment_status", "payment_intent", "mode", "ui_mode", "livemode", "locale")
    assert [session[name] for name in same] == [
        "checkout.session",
        "open",
        "unpaid",
        None,
        "payment",
        "hosted_page",
        False,
        "ko",
    ]
    assert (session["amount_total"], session["currency"]) == (15000, "krw")
    assert (session["client_reference_id"], session["metadata"]) == ("ORDER0001", {"order": "7"})
    assert session["customer_email"] == "buyer@shop.test"
    assert session["expires_at"] == session["created"] + DAY
    assert await shop.session(session["id"]) == session
    assert await row(sandbox) == {
        "provider": "stripe",
        "reference": "ORDER0001",
        "pg_id": session["id"],
        "status": "open",
        "currency": "KRW",
        "captured": 0,
        "refunded": 0,
    }


@pytest.mark.parametrize(
    ("asked", "reference"),
    [
        ({"client_reference_id": "A", "metadata": {"reference": "B"}}, "A"),
        ({"metadata": {"reference": "B"}}, "B"),
        ({"payment_intent_data": {"metadata": {"reference": "C"}}}, "C"),
    ],
)
async def test_the_reference_is_the_merchants_own_id(
    sandbox: Practice, shop: Shop, asked: dict[str, Any], reference: str
) -> None:
    await shop.post("checkout/sessions", **session_fields(**{"client_reference_id": None, **asked}))

    assert (await row(sandbox))["reference"] == reference


async def test_a_session_without_a_reference_goes_by_its_id(sandbox: Practice, shop: Shop) -> None:
    session = (await shop.post("checkout/sessions", **session_fields(client_reference_id=None))).json()

    assert (await row(sandbox))["reference"] == session["id"]


@pytest.mark.parametrize(("currency", "unit", "shown"), [("jpy", 500, "¥1,000"), ("usd", 600, "12.00 USD")])
async def test_an_item_is_taken_as_often_as_it_is_bought(
    sandbox: Practice, shop: Shop, currency: str, unit: int, shown: str
) -> None:
    price = {"currency": currency, "unit_amount": unit, "product_data": {"name": "Mug"}}
    session = await shop.open_session(line_items=[{"price_data": price, "quantity": 2}])
    items = (await shop.get(f"checkout/sessions/{session['id']}/line_items")).json()

    assert session["amount_total"] == 2 * unit
    assert [(item["quantity"], item["amount_total"], item["price"]["unit_amount"]) for item in items["data"]] == [
        (2, 2 * unit, unit)
    ]
    assert shown in (await sandbox.wire.get(f"/window/stripe/{session['id']}")).text
    await press(sandbox.wire, session["id"])
    assert (await row(sandbox))["captured"] == 2 * unit


async def test_all_items_have_the_same_currency(shop: Shop) -> None:
    items = [
        {"price_data": {"currency": each, "unit_amount": 1000, "product_data": {"name": "Mug"}}}
        for each in ("krw", "usd")
    ]

    assert refused(await shop.post("checkout/sessions", **session_fields(line_items=items)))[0] == 400


@pytest.mark.parametrize(("seconds", "status"), [(1799, 400), (1800, 200), (DAY, 200), (DAY + 1, 400)])
async def test_a_session_lasts_from_half_an_hour_to_a_day(
    sandbox: Practice, shop: Shop, seconds: int, status: int
) -> None:
    expires_at = int(sandbox.clock().timestamp()) + seconds

    assert (await shop.post("checkout/sessions", **session_fields(expires_at=expires_at))).status_code == status


async def test_a_session_expires_by_itself_and_says_so_once(sandbox: Practice, shop: Shop) -> None:
    expires_at = int(sandbox.clock().timestamp()) + 1800
    session = await shop.open_session(expires_at=expires_at)
    sandbox.clock.go_on(seconds=1799)
    assert (await shop.session(session["id"]))["status"] == "open"
    sandbox.clock.go_on(seconds=1)

    assert [entry["status"] for entry in await ledger(sandbox.wire)] == ["expired"]
    expired = await shop.session(session["id"])
    assert (expired["status"], expired["payment_status"], expired["url"]) == ("expired", "unpaid", None)
    assert await shop.events() == ["checkout.session.expired"]
    page = await press(sandbox.wire, session["id"])
    assert page.status_code == 409
    assert f'href="{CANCEL}"' in page.text


async def test_a_session_pays_what_it_asked_for(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session(payment_intent_data={"metadata": {"order": "7"}})

    answer = await press(sandbox.wire, session["id"])

    assert answer.headers["location"] == SUCCESS.replace("{CHECKOUT_SESSION_ID}", session["id"])
    done = await shop.session(session["id"], expand=["payment_intent"])
    intent = done["payment_intent"]
    assert (done["status"], done["payment_status"], done["url"]) == ("complete", "paid", None)
    assert done["customer_details"]["email"] == "buyer@example.com"
    assert (intent["status"], intent["amount_received"], intent["metadata"]) == ("succeeded", 15000, {"order": "7"})
    charge = (await shop.get(f"charges/{intent['latest_charge']}")).json()
    assert (charge["status"], charge["paid"], charge["captured"], charge["amount_captured"]) == (
        "succeeded",
        True,
        True,
        15000,
    )
    entry = await row(sandbox)
    assert (entry["pg_id"], entry["status"], entry["captured"]) == (session["id"], "succeeded", 15000)
    assert await shop.events() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


async def test_only_the_literal_placeholder_is_replaced(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session(success_url="http://shop.test/ok?sid=%7BCHECKOUT_SESSION_ID%7D")

    answer = await press(sandbox.wire, session["id"])

    assert answer.headers["location"] == "http://shop.test/ok?sid=%7BCHECKOUT_SESSION_ID%7D"


@pytest.mark.parametrize(("number", "reason"), [(DECLINED, "generic_decline"), (NO_FUNDS, "insufficient_funds")])
async def test_a_declined_card_leaves_the_session_open_for_another(
    sandbox: Practice, shop: Shop, number: str, reason: str
) -> None:
    session = await shop.open_session()

    page = await press(sandbox.wire, session["id"], number=number)

    assert page.status_code == 402
    assert "결제되지 않았습니다" in page.text
    assert 'value="approve"' in page.text
    after = await shop.session(session["id"], expand=["payment_intent"])
    problem = after["payment_intent"]["last_payment_error"]
    assert (after["status"], after["payment_status"]) == ("open", "unpaid")
    assert after["payment_intent"]["status"] == "requires_payment_method"
    assert (problem["type"], problem["code"], problem["decline_code"]) == ("card_error", "card_declined", reason)
    assert (await row(sandbox))["captured"] == 0

    assert (await press(sandbox.wire, session["id"])).status_code == 303
    again = await shop.session(session["id"], expand=["payment_intent"])
    assert again["payment_intent"]["id"] == after["payment_intent"]["id"]
    assert (again["payment_status"], again["payment_intent"]["last_payment_error"]) == ("paid", None)
    assert (await row(sandbox))["captured"] == 15000
    assert (await shop.events())[1:3] == ["charge.failed", "payment_intent.payment_failed"]


async def test_an_incorrect_number_reaches_no_bank(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()

    page = await press(sandbox.wire, session["id"], number="4242424242424241")

    assert page.status_code == 402
    assert (await shop.session(session["id"]))["payment_intent"] is None


async def test_leaving_the_page_ends_nothing(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()

    answer = await press(sandbox.wire, session["id"], "cancel")

    assert (answer.status_code, answer.headers["location"]) == (303, CANCEL)
    assert (await shop.session(session["id"]))["status"] == "open"


async def test_3d_secure_comes_between(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()

    asked = await press(sandbox.wire, session["id"], number=ASKS)
    between = await shop.session(session["id"], expand=["payment_intent"])
    page = await sandbox.wire.get(asked.headers["location"])
    answer = await answer_3ds(sandbox.wire, session["id"])

    assert (between["status"], between["payment_intent"]["status"]) == ("open", "requires_action")
    assert between["payment_intent"]["next_action"]["type"] == "redirect_to_url"
    assert "본인이 맞나요?" in page.text
    assert answer.headers["location"] == SUCCESS.replace("{CHECKOUT_SESSION_ID}", session["id"])
    assert (await shop.session(session["id"]))["payment_status"] == "paid"
    assert "payment_intent.requires_action" in await shop.events()


@pytest.mark.parametrize(
    ("number", "action", "code"),
    [
        (ASKS, "decline", "payment_intent_authentication_failure"),
        (ASKS, "cancel", "payment_intent_authentication_failure"),
        ("4000008400001629", "approve", "card_declined"),
        ("4000008260003178", "approve", "card_declined"),
    ],
)
async def test_3d_secure_may_end_in_a_decline(
    sandbox: Practice, shop: Shop, number: str, action: str, code: str
) -> None:
    session = await shop.open_session()
    await press(sandbox.wire, session["id"], number=number)

    page = await answer_3ds(sandbox.wire, session["id"], action)

    assert page.status_code == 402
    after = await shop.session(session["id"], expand=["payment_intent"])
    assert (after["status"], after["payment_intent"]["status"]) == ("open", "requires_payment_method")
    assert after["payment_intent"]["last_payment_error"]["code"] == code
    assert after["payment_intent"]["next_action"] is None


async def test_a_delayed_payment_is_complete_and_unpaid_until_the_money_comes(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()

    answer = await press(sandbox.wire, session["id"], way="customer_balance")
    waiting = await shop.session(session["id"], expand=["payment_intent.latest_charge"])
    captured = (await row(sandbox))["captured"]
    settled = await sandbox.wire.post(f"/window/stripe/{session['id']}/account", data={"action": "settle_pending"})

    assert answer.status_code == settled.status_code == 303
    assert (waiting["status"], waiting["payment_status"], captured) == ("complete", "unpaid", 0)
    assert waiting["payment_intent"]["status"] == "processing"
    assert waiting["payment_intent"]["latest_charge"]["status"] == "pending"
    paid = await shop.session(session["id"], expand=["payment_intent.latest_charge"])
    assert (paid["status"], paid["payment_status"]) == ("complete", "paid")
    assert paid["payment_intent"]["latest_charge"]["status"] == "succeeded"
    assert (await row(sandbox))["captured"] == 15000
    assert await shop.events() == [
        "payment_intent.created",
        "charge.pending",
        "payment_intent.processing",
        "checkout.session.completed",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.async_payment_succeeded",
    ]


async def test_a_delayed_payment_may_fail(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session(payment_method_types=["konbini"])
    await press(sandbox.wire, session["id"])

    await sandbox.wire.post(f"/window/stripe/{session['id']}/account", data={"action": "fail_pending"})

    after = await shop.session(session["id"], expand=["payment_intent"])
    assert (after["status"], after["payment_status"]) == ("complete", "unpaid")
    assert after["payment_intent"]["status"] == "requires_payment_method"
    assert (await shop.events())[-3:] == [
        "charge.failed",
        "payment_intent.payment_failed",
        "checkout.session.async_payment_failed",
    ]
    assert (await press(sandbox.wire, session["id"])).status_code == 409


async def test_a_session_may_only_authorise(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session(payment_intent_data={"capture_method": "manual"})
    await press(sandbox.wire, session["id"])
    authorised = await shop.session(session["id"])

    captured = await shop.post(f"payment_intents/{authorised['payment_intent']}/capture")

    assert (authorised["status"], authorised["payment_status"]) == ("complete", "unpaid")
    assert captured.json()["status"] == "succeeded"
    assert (await shop.session(session["id"]))["payment_status"] == "paid"


async def test_an_expired_session_can_no_longer_be_paid(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()
    await press(sandbox.wire, session["id"], number=ASKS)

    expired = (await shop.post(f"checkout/sessions/{session['id']}/expire", expand=["payment_intent"])).json()

    assert (expired["status"], expired["url"], expired["payment_intent"]["status"]) == ("expired", None, "canceled")
    assert (await answer_3ds(sandbox.wire, session["id"])).status_code == 409
    assert (await press(sandbox.wire, session["id"])).status_code == 409
    assert (await shop.events())[-2:] == ["payment_intent.canceled", "checkout.session.expired"]
    assert (await row(sandbox))["captured"] == 0


async def test_only_an_open_session_can_be_expired(sandbox: Practice, shop: Shop) -> None:
    session = await paid_session(sandbox)

    assert refused(await shop.post(f"checkout/sessions/{session['id']}/expire")) == (
        400,
        "invalid_request_error",
        None,
    )


async def test_the_payment_intent_of_an_open_session_belongs_to_its_page(sandbox: Practice, shop: Shop) -> None:
    session = await shop.open_session()
    await press(sandbox.wire, session["id"], number=DECLINED)
    intent_id = (await shop.session(session["id"]))["payment_intent"]

    for verb in ("cancel", "confirm"):
        answer = await shop.post(f"payment_intents/{intent_id}/{verb}")
        assert refused(answer) == (400, "invalid_request_error", "payment_intent_unexpected_state")
    changed = await shop.post(f"payment_intents/{intent_id}", amount=1000)
    assert refused(changed)[2] == "payment_intent_unexpected_state"
    assert (await shop.post(f"payment_intents/{intent_id}", metadata={"a": "1"})).json()["metadata"] == {"a": "1"}


async def test_sessions_are_found_by_their_payment_intent_and_status(sandbox: Practice, shop: Shop) -> None:
    paid = await paid_session(sandbox)
    other = await shop.open_session("ORDER0002")

    async def ids(**query: str) -> list[str]:
        return [each["id"] for each in (await shop.get("checkout/sessions", **query)).json()["data"]]

    assert await ids(payment_intent=paid["payment_intent"]) == [paid["id"]]
    assert (await ids(status="open"), await ids(status="complete")) == ([other["id"]], [paid["id"]])
    assert await ids() == [other["id"], paid["id"]]
