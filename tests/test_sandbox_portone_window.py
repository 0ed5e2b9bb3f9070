"""PortOne's window in the sandbox: opening it, the buyer's buttons, and what comes back to the shop."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.portone_wire import (
    CALLBACK,
    HARU,
    ID,
    Buyer,
    control,
    handoff,
    issued,
    ledger,
    look,
    paid,
)
from tests.sandbox_wire import ORIGIN, Practice, practice

DOOR = "/sdk/portone/payments"


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[HARU]) as opened:
        yield opened


def ways(page: str) -> list[str]:
    return re.findall(r'name="way" value="(\w+)"', page)


async def test_the_handoff_opens_the_window_as_json_and_as_a_form_field(sandbox: Practice) -> None:
    for sent in ({"json": handoff()}, {"data": {"handoff": json.dumps(handoff())}}, {"json": handoff()["request"]}):
        page = await sandbox.wire.post("/window/portone", **sent)
        assert page.status_code == 200
        assert "하루상점에" in page.text
        assert "15,000원" in page.text
        for action in ("approve", "decline", "cancel"):
            assert f'name="action" value="{action}"' in page.text

    assert [status for status, _, _ in await ledger(sandbox)] == ["READY"] * 3


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"storeId": "store-of-nobody"}, "StoreNotFound"),
        ({"channelKey": "channel-key-of-nobody"}, "ChannelNotFound"),
        ({"channelGroupId": "channel-group-id-1"}, "ChannelNotFound"),
        ({"storeId": None}, "RequestParseFailed"),
        ({"channelKey": ""}, "RequestParseFailed"),
        ({"paymentId": "short"}, "RequestParseFailed"),
        ({"paymentId": "O" * 65}, "RequestParseFailed"),
        ({"paymentId": "ORDER=0001"}, "RequestParseFailed"),
        ({"orderName": ""}, "RequestParseFailed"),
        ({"totalAmount": 0}, "RequestParseFailed"),
        ({"totalAmount": "15000"}, "RequestParseFailed"),
        ({"totalAmount": 150.5}, "RequestParseFailed"),
        ({"totalAmount": True}, "RequestParseFailed"),
        ({"taxFreeAmount": 15001}, "RequestParseFailed"),
        ({"currency": "GBP"}, "RequestParseFailed"),
        ({"currency": None}, "RequestParseFailed"),
        ({"payMethod": "MOBILE"}, "RequestParseFailed"),
        ({"payMethod": ["CARD"]}, "RequestParseFailed"),
        ({"payMethod": "EASY_PAY", "easyPay": {"easyPayProvider": "PAYCO"}}, "RequestParseFailed"),
        ({"redirectUrl": "/checkout/callback"}, "RequestParseFailed"),
        ({"redirectUrl": "javascript:alert(1)"}, "RequestParseFailed"),
        ({"redirectUrl": "http://[shop"}, "RequestParseFailed"),
        ({"forceRedirect": False}, "RequestParseFailed"),
        ({"customer": {"email": 1}}, "RequestParseFailed"),
        ({"customData": "{}"}, "RequestParseFailed"),
        ({"noticeUrls": []}, "RequestParseFailed"),
        ({"noticeUrls": ["/hook"]}, "RequestParseFailed"),
        ({"confirmUrl": "http://shop.test/confirm"}, "RequestParseFailed"),
        ({"isEscrow": True}, "RequestParseFailed"),
        ({"virtualAccount": {"accountExpiry": {}}}, "RequestParseFailed"),
        ({"virtualAccount": {"accountExpiry": {"validHours": 0}}}, "RequestParseFailed"),
        (
            {"virtualAccount": {"accountExpiry": {"validHours": 1, "dueDate": "2026-09-11 00:00:00"}}},
            "RequestParseFailed",
        ),
        ({"virtualAccount": {"accountExpiry": {"dueDate": "2026-09-11T00:00:00"}}}, "RequestParseFailed"),
        ({"virtualAccount": {"accountExpiry": {"dueDate": "2026-02-30 00:00:00"}}}, "RequestParseFailed"),
        ({"virtualAccount": {"accountExpiry": {"dueDate": "2026-09-10 15:30:12"}}}, "RequestParseFailed"),
        ({"virtualAccount": {"accountExpiry": {"dueDate": "2026-12-09 15:30:13"}}}, "RequestParseFailed"),
    ],
)
async def test_what_is_wrong_before_the_window_is_the_result_of_the_sdk(
    sandbox: Practice, wrong: dict[str, Any], code: str
) -> None:
    asked = {"request": handoff()["request"] | wrong}
    answer = await sandbox.wire.post(DOOR, json=asked)
    page = await sandbox.wire.post("/window/portone", json=asked)

    assert answer.status_code == page.status_code >= 400
    assert answer.json()["code"] == code
    assert code in page.text
    assert answer.headers["access-control-allow-origin"] == "*"
    assert await ledger(sandbox) == []


@pytest.mark.parametrize(
    "posted", [{"content": b"{"}, {"json": [1]}, {"json": {"request": 1}}, {"data": {"handoff": "{"}}]
)
async def test_a_request_that_cannot_be_read_opens_no_window(sandbox: Practice, posted: dict[str, Any]) -> None:
    assert (await sandbox.wire.post("/window/portone", **posted)).status_code == 400


async def test_the_sdk_is_a_script_that_posts_to_its_own_origin(sandbox: Practice) -> None:
    script = await sandbox.wire.get("/sdk/portone/v2/browser-sdk.js")
    answer = await sandbox.wire.post(DOOR, json=handoff())

    assert script.headers["content-type"].startswith("text/javascript")
    assert "window.PortOne" in script.text
    assert answer.json()["url"].startswith(f"{ORIGIN}/window/portone/")
    assert (await sandbox.wire.get(answer.json()["url"])).status_code == 200


async def test_a_button_pressed_twice_leads_to_the_same_place(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    for press in (buyer.approve, buyer.decline, buyer.cancel):
        await buyer.open(f"ORDER{press.__name__}")
        assert await press() == await press()

    assert sum(captured for _, captured, _ in await ledger(sandbox)) == 15000


async def test_another_button_after_the_first_shows_what_has_become_of_it(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    await buyer.open()
    await buyer.decline()

    page = await sandbox.wire.post(f"/window/portone/{buyer.transaction_id}", data={"action": "approve"})

    assert page.status_code == 409
    assert "이미 쓰였습니다" in page.text
    assert await ledger(sandbox) == [("FAILED", 0, 0)]


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ({"payMethod": "CARD"}, ["CARD"]),
        ({"payMethod": "EASY_PAY"}, ["KAKAOPAY", "NAVERPAY", "TOSSPAY"]),
        ({"payMethod": "EASY_PAY", "easyPay": {"easyPayProvider": "NAVERPAY"}}, ["NAVERPAY"]),
        ({"payMethod": "TRANSFER"}, ["TRANSFER"]),
        ({"payMethod": "VIRTUAL_ACCOUNT"}, ["VIRTUAL_ACCOUNT"]),
    ],
)
async def test_the_window_offers_what_was_asked_for(
    sandbox: Practice, asked: dict[str, Any], offered: list[str]
) -> None:
    page = (await sandbox.wire.post("/window/portone", json=handoff(**asked))).text

    assert ways(page) == offered
    assert ('name="bank"' in page) == (offered[0] in ("TRANSFER", "VIRTUAL_ACCOUNT"))
    assert ('name="depositor"' in page) == (offered == ["VIRTUAL_ACCOUNT"])


@pytest.mark.parametrize(
    ("wallet", "inside"),
    [
        ("KAKAOPAY", "PaymentMethodEasyPayMethodCharge"),
        ("NAVERPAY", "PaymentMethodCard"),
        ("TOSSPAY", "PaymentMethodTransfer"),
    ],
)
async def test_a_wallet_pays_in_its_own_way(sandbox: Practice, wallet: str, inside: str) -> None:
    await paid(sandbox, payMethod="EASY_PAY", way=wallet)

    method = (await look(sandbox))["method"]
    assert (method["type"], method["provider"]) == ("PaymentMethodEasyPay", wallet)
    assert method["easyPayMethod"]["type"] == inside


async def test_a_transfer_names_the_bank(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    await buyer.open(payMethod="TRANSFER")
    await buyer.approve(bank="SHINHAN")

    assert (await look(sandbox))["method"] == {"type": "PaymentMethodTransfer", "bank": "SHINHAN"}


@pytest.mark.parametrize(
    "form",
    [
        {"action": "pay"},
        {},
        {"action": "approve", "way": "TRANSFER"},
        {"action": "approve", "bank": "KDB"},
        {"action": "approve", "approval": "never"},
        {"action": "approve", "refund": "never"},
        {"action": "approve", "depositor": "홍" * 101},
        {"action": "decline", "decline_code": "PROVIDER_ERROR"},
        {"action": "approve", "fault": "explosion"},
    ],
)
async def test_a_button_that_is_not_there_does_nothing(sandbox: Practice, form: dict[str, str]) -> None:
    buyer = Buyer(sandbox)
    await buyer.open()

    answer = await sandbox.wire.post(f"/window/portone/{buyer.transaction_id}", data=form)

    assert answer.status_code == 400
    assert await ledger(sandbox) == [("READY", 0, 0)]


async def test_an_unknown_window_and_a_receipt_of_nothing_are_not_found(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    await buyer.open()

    assert (await sandbox.wire.get("/window/portone/nothing")).status_code == 404
    assert (await sandbox.wire.get(f"/receipts/portone/{buyer.transaction_id}")).status_code == 404


async def test_the_index_leads_to_the_payment_and_its_buttons(sandbox: Practice) -> None:
    buyer = await issued(sandbox)

    page = (await sandbox.wire.get("/")).text

    assert f'href="/window/portone/{buyer.transaction_id}"' in page
    assert f'action="/window/portone/{buyer.transaction_id}/account"' in page
    assert 'value="deposit"' in page


async def test_the_page_of_a_used_window_leads_back_to_the_shop(sandbox: Practice) -> None:
    buyer = await paid(sandbox)

    page = (await sandbox.wire.get(f"/window/portone/{buyer.transaction_id}")).text

    assert f'href="{CALLBACK}?payment=tok&amp;paymentId={ID}' in page


async def test_a_refund_at_the_console_needs_a_paid_payment(sandbox: Practice) -> None:
    await Buyer(sandbox).open()

    answer = await control(sandbox, f"refunds/{ID}", {})

    assert answer.status_code == 409
    assert "PAYMENT_NOT_PAID" in answer.text
