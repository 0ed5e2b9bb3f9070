"""The sandbox's PaymentIntents: confirmed with every test card, captured, cancelled, changed."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox_wire import ORIGIN, Practice, ledger
from tests.stripe_wire import RETURN, Shop, answer_3ds, refused, row, stripe_practice

UNEXPECTED = (400, "invalid_request_error", "payment_intent_unexpected_state")


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with stripe_practice() as opened:
        yield opened


@pytest.fixture
def shop(sandbox: Practice) -> Shop:
    return Shop(sandbox.wire)


async def test_a_new_intent_waits_for_a_way_to_pay(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent(automatic_payment_methods={"enabled": True}, description="머그")

    assert re.fullmatch(r"pi_3\w{23}", intent["id"])
    assert re.fullmatch(rf"{intent['id']}_secret_\w{{25}}", intent["client_secret"])
    assert (intent["status"], intent["amount"], intent["amount_received"]) == ("requires_payment_method", 15000, 0)
    assert (intent["latest_charge"], intent["livemode"], intent["description"]) == (None, False, "머그")
    assert intent["metadata"] == {"reference": "ORDER0001"}
    assert "charges" not in intent
    assert await shop.intent(intent["id"]) == intent
    entry = await row(sandbox)
    assert (entry["reference"], entry["pg_id"], entry["status"]) == (
        "ORDER0001",
        intent["id"],
        "requires_payment_method",
    )
    assert await shop.events() == ["payment_intent.created"]


@pytest.mark.parametrize("token", ["pm_card_visa", "pm_card_mastercard", "pm_card_amex"])
async def test_a_good_card_pays_at_once(sandbox: Practice, shop: Shop, token: str) -> None:
    intent = await shop.open_intent()

    answer = await shop.post(f"payment_intents/{intent['id']}/confirm", payment_method=token, return_url=RETURN)

    done = answer.json()
    assert (done["status"], done["amount_received"]) == ("succeeded", 15000)
    charge = (await shop.get(f"charges/{done['latest_charge']}")).json()
    assert charge["payment_method_details"]["card"]["brand"] == token.rpartition("_")[2]
    assert charge["receipt_url"] == f"{ORIGIN}/receipts/stripe/{charge['id']}"
    assert (await row(sandbox))["captured"] == 15000
    assert await shop.events() == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


@pytest.mark.parametrize(
    ("token", "code", "reason"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
    ],
)
async def test_a_declined_card_is_no_end(sandbox: Practice, shop: Shop, token: str, code: str, reason: str) -> None:
    intent = await shop.open_intent()
    path = f"payment_intents/{intent['id']}/confirm"

    answer = await shop.post(path, payment_method=token)

    assert refused(answer) == (402, "card_error", code)
    error = answer.json()["error"]
    assert error["decline_code"] == reason
    assert error["payment_intent"]["status"] == "requires_payment_method"
    charge = (await shop.get(f"charges/{error['charge']}")).json()
    assert (charge["status"], charge["paid"], charge["failure_code"]) == ("failed", False, code)
    assert charge["outcome"]["reason"] == reason
    after = await shop.intent(intent["id"])
    assert (after["payment_method"], after["last_payment_error"]["decline_code"]) == (None, reason)
    assert (await shop.events())[1:] == ["charge.failed", "payment_intent.payment_failed"]
    assert (await row(sandbox))["captured"] == 0

    again = await shop.post(path, payment_method="pm_card_visa")
    assert (again.json()["status"], again.json()["last_payment_error"]) == ("succeeded", None)


async def test_a_confirmed_creation_that_is_declined_leaves_the_intent(sandbox: Practice, shop: Shop) -> None:
    fields = {"amount": 1000, "currency": "usd", "confirm": True, "payment_method": "pm_card_chargeDeclined"}

    answer = await shop.post("payment_intents", **fields)

    intent_id = answer.json()["error"]["payment_intent"]["id"]
    assert refused(answer)[0] == 402
    assert (await shop.intent(intent_id))["status"] == "requires_payment_method"


@pytest.mark.parametrize(("action", "status"), [("approve", "succeeded"), ("decline", "failed")])
async def test_a_card_may_ask_for_the_buyer(sandbox: Practice, shop: Shop, action: str, status: str) -> None:
    intent = await shop.paid_intent(payment_method="pm_card_threeDSecure2Required")
    place = intent["next_action"]["redirect_to_url"]
    assert intent["status"] == (await row(sandbox))["status"] == "requires_action"
    assert place == {"url": f"{ORIGIN}/window/stripe/{intent['id']}/authenticate", "return_url": RETURN}

    back = await answer_3ds(sandbox.wire, intent["id"], action)

    assert back.headers["location"] == (
        f"{RETURN}&payment_intent={intent['id']}"
        f"&payment_intent_client_secret={intent['client_secret']}&redirect_status={status}"
    )
    paid = 15000 if action == "approve" else 0
    assert (await row(sandbox))["captured"] == paid


async def test_an_unknown_payment_method_is_refused(shop: Shop) -> None:
    answer = await shop.post("payment_intents", amount=1000, currency="krw", payment_method="pm_unknown")

    assert refused(answer) == (404, "invalid_request_error", "resource_missing")
    assert (await shop.get("payment_intents")).json()["data"] == []


async def test_a_confirm_needs_a_payment_method_or_has_one(shop: Shop) -> None:
    bare = await shop.open_intent("ORDER0001")
    given = await shop.open_intent("ORDER0002", payment_method="pm_card_visa")

    assert given["status"] == "requires_confirmation"
    assert refused(await shop.post(f"payment_intents/{bare['id']}/confirm")) == UNEXPECTED
    assert (await shop.post(f"payment_intents/{given['id']}/confirm")).json()["status"] == "succeeded"


async def test_a_paid_intent_cannot_be_confirmed_captured_cancelled_or_changed(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent()
    path = f"payment_intents/{intent['id']}"

    answers = [
        await shop.post(f"{path}/confirm", payment_method="pm_card_visa"),
        await shop.post(f"{path}/capture"),
        await shop.post(f"{path}/cancel"),
        await shop.post(path, amount=20000),
    ]

    assert [refused(answer) for answer in answers] == [UNEXPECTED] * 4
    assert {answer.json()["error"]["payment_intent"]["status"] for answer in answers} == {"succeeded"}
    assert (await row(sandbox))["captured"] == 15000


async def test_an_authorisation_is_captured(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent(capture_method="manual")
    charge = (await shop.get(f"charges/{intent['latest_charge']}")).json()
    assert (intent["status"], intent["amount_capturable"], intent["amount_received"]) == ("requires_capture", 15000, 0)
    assert (charge["status"], charge["captured"]) == ("succeeded", False)
    assert (await row(sandbox))["captured"] == 0

    answer = (await shop.post(f"payment_intents/{intent['id']}/capture")).json()

    assert (answer["status"], answer["amount_capturable"], answer["amount_received"]) == ("succeeded", 0, 15000)
    assert (await row(sandbox))["captured"] == 15000
    assert await shop.events() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "charge.captured",
        "payment_intent.succeeded",
    ]


async def test_a_part_of_an_authorisation_is_captured(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent(capture_method="manual")
    path = f"payment_intents/{intent['id']}/capture"

    assert refused(await shop.post(path, amount_to_capture=15001))[2] == "amount_too_large"
    answer = await shop.post(path, amount_to_capture=9000)

    assert (answer.json()["status"], answer.json()["amount_received"]) == ("succeeded", 9000)
    assert (await row(sandbox))["captured"] == 9000
    assert refused(await shop.refund(intent["id"], amount=9001))[0] == 400
    assert (await shop.refund(intent["id"])).json()["amount"] == 9000


async def test_an_authorisation_is_cancelled(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent(capture_method="manual")

    answer = await shop.post(f"payment_intents/{intent['id']}/cancel", cancellation_reason="abandoned")

    done = answer.json()
    assert (done["status"], done["cancellation_reason"], done["amount_capturable"]) == ("canceled", "abandoned", 0)
    entry = await row(sandbox)
    assert (entry["captured"], entry["refunded"], entry["status"]) == (0, 0, "canceled")


async def test_an_authorisation_lapses_after_seven_days(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent(capture_method="manual")
    sandbox.clock.go_on(days=7, seconds=-1)
    assert (await shop.intent(intent["id"]))["status"] == "requires_capture"
    sandbox.clock.go_on(seconds=1)

    lapsed = await shop.intent(intent["id"])

    assert (lapsed["status"], lapsed["cancellation_reason"]) == ("canceled", "automatic")
    assert (await shop.events())[-2:] == ["charge.expired", "payment_intent.canceled"]
    assert refused(await shop.post(f"payment_intents/{intent['id']}/capture")) == UNEXPECTED


async def test_an_intent_that_nobody_paid_is_cancelled(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent()
    path = f"payment_intents/{intent['id']}"

    done = (await shop.post(f"{path}/cancel")).json()

    assert (done["status"], done["canceled_at"]) == ("canceled", done["created"])
    assert refused(await shop.post(f"{path}/confirm", payment_method="pm_card_visa")) == UNEXPECTED
    assert refused(await shop.post(f"{path}/cancel")) == UNEXPECTED
    assert refused(await shop.post(f"{path}/cancel", cancellation_reason="bored"))[2] is None


async def test_an_open_intent_is_changed(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent(metadata={"reference": "ORDER0001", "a": "1", "b": "2"}, description="머그")

    changed = await shop.post(
        f"payment_intents/{intent['id']}", amount=20000, description="", metadata={"a": "", "c": "3"}
    )
    fresh = await shop.open_intent("ORDER0002", metadata={"a": "", "b": "2"})
    cleared = await shop.post(f"payment_intents/{intent['id']}", metadata="")

    after = changed.json()
    assert (after["amount"], after["description"]) == (20000, None)
    assert after["metadata"] == {"reference": "ORDER0001", "b": "2", "c": "3"}
    assert (fresh["metadata"], cleared.json()["metadata"]) == ({"b": "2"}, {})
    assert refused(await shop.post(f"payment_intents/{intent['id']}", amount=1))[2] == "amount_too_small"


async def test_a_disputed_card_is_paid_and_then_disputed(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent(payment_method="pm_card_createDispute")

    (dispute,) = (await shop.get("disputes", payment_intent=intent["id"])).json()["data"]
    assert (intent["status"], dispute["status"], dispute["reason"]) == ("succeeded", "needs_response", "fraudulent")
    assert [entry["captured"] for entry in await ledger(sandbox.wire)] == [15000]


@pytest.mark.parametrize(
    ("asked", "automatic"),
    [
        ({}, {"allow_redirects": "always", "enabled": True}),
        ({"payment_method_types": ["card"]}, None),
    ],
)
async def test_the_ways_to_pay_are_chosen_by_the_shop_or_by_stripe(
    shop: Shop, asked: dict[str, Any], automatic: dict[str, Any] | None
) -> None:
    intent = await shop.open_intent(**asked)

    assert intent["automatic_payment_methods"] == automatic
    assert intent["payment_method_types"][0] == "card"
    assert ("kakao_pay" in intent["payment_method_types"]) == (automatic is not None)
