"""The sandbox's Refunds and Disputes: by the shop's server, by the merchant's hand, by the bank."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox_wire import Practice
from tests.stripe_wire import Shop, paid_session, press, refused, row, stripe_practice

INVALID = "invalid_request_error"


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with stripe_practice() as opened:
        yield opened


@pytest.fixture
def shop(sandbox: Practice) -> Shop:
    return Shop(sandbox.wire)


async def paid_late(sandbox: Practice, shop: Shop) -> str:
    """A payment whose money came by a bank; the id of its PaymentIntent."""
    session = await shop.open_session()
    await press(sandbox.wire, session["id"], way="customer_balance")
    await sandbox.wire.post(f"/window/stripe/{session['id']}/account", data={"action": "settle_pending"})
    intent_id: str = (await shop.session(session["id"]))["payment_intent"]
    return intent_id


async def test_a_refund_in_parts_ends_with_the_rest(sandbox: Practice, shop: Shop) -> None:
    intent_id = (await paid_session(sandbox))["payment_intent"]

    part = (await shop.refund(intent_id, amount=4000, reason="requested_by_customer", metadata={"refund": "R1"})).json()
    charge = (await shop.get(f"charges/{part['charge']}")).json()
    rest = (await shop.post("refunds", charge=part["charge"])).json()
    whole = (await shop.get(f"charges/{part['charge']}")).json()

    assert part["id"].startswith("re_3")
    assert (part["status"], part["amount"], part["payment_intent"]) == ("succeeded", 4000, intent_id)
    assert (part["metadata"], part["reason"]) == ({"refund": "R1"}, "requested_by_customer")
    assert (charge["amount_refunded"], charge["refunded"]) == (4000, False)
    assert (rest["amount"], whole["amount_refunded"], whole["refunded"]) == (11000, 15000, True)
    entry = await row(sandbox)
    assert (entry["captured"], entry["refunded"], entry["status"]) == (15000, 15000, "succeeded")
    assert (await shop.events())[-4:] == ["refund.created", "charge.refunded"] * 2


async def test_refunds_are_listed_by_payment_and_found_by_id(sandbox: Practice, shop: Shop) -> None:
    first, second = await shop.paid_intent("ORDER0001"), await shop.paid_intent("ORDER0002")
    refunds = [(await shop.refund(first["id"], amount=1000)).json() for _ in range(2)]
    await shop.refund(second["id"])

    listed = (await shop.get("refunds", payment_intent=first["id"])).json()

    assert [each["id"] for each in listed["data"]] == [refunds[1]["id"], refunds[0]["id"]]
    assert (await shop.get("refunds", charge=first["latest_charge"])).json()["data"] == listed["data"]
    assert (await shop.get(f"refunds/{refunds[0]['id']}")).json() == refunds[0]
    assert len((await shop.get("refunds")).json()["data"]) == 3


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"amount": 15001}, None, "amount"),
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": "4000.5"}, "parameter_invalid_integer", "amount"),
        ({"reason": "bored"}, None, "reason"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
    ],
)
async def test_a_refund_that_is_wrong_moves_nothing(
    sandbox: Practice, shop: Shop, asked: dict[str, Any], code: str | None, param: str
) -> None:
    intent = await shop.paid_intent()

    answer = await shop.refund(intent["id"], **asked)

    assert refused(answer) == (400, INVALID, code)
    assert answer.json()["error"]["param"] == param
    assert (await row(sandbox))["refunded"] == 0


async def test_a_refund_names_its_payment(shop: Shop) -> None:
    first, second = await shop.paid_intent("ORDER0001"), await shop.paid_intent("ORDER0002")

    assert refused(await shop.post("refunds", amount=1000)) == (400, INVALID, "parameter_missing")
    assert refused(await shop.refund("pi_unknown")) == (404, INVALID, "resource_missing")
    assert refused(await shop.refund(first["id"], charge=second["latest_charge"])) == (400, INVALID, None)


async def test_what_was_not_captured_cannot_be_refunded(shop: Shop) -> None:
    open_intent = await shop.open_intent("ORDER0001")
    authorised = await shop.paid_intent("ORDER0002", capture_method="manual")

    for intent in (open_intent, authorised):
        assert refused(await shop.refund(intent["id"])) == (400, INVALID, None)


async def test_what_is_wholly_refunded_cannot_be_refunded_again(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent()
    await shop.refund(intent["id"])

    assert refused(await shop.refund(intent["id"])) == (400, INVALID, "charge_already_refunded")
    assert (await row(sandbox))["refunded"] == 15000


async def test_the_metadata_of_a_refund_is_changed(shop: Shop) -> None:
    intent = await shop.paid_intent()
    refund = (await shop.refund(intent["id"], metadata={"a": "1"})).json()

    changed = (await shop.post(f"refunds/{refund['id']}", metadata={"a": "", "b": "2"})).json()

    assert changed["metadata"] == {"b": "2"}
    assert (await shop.get(f"refunds/{refund['id']}")).json() == changed


async def test_a_pending_refund_counts_at_once_and_arrives_later(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent(payment_method="pm_card_pendingRefund")
    refund = (await shop.refund(intent["id"])).json()
    assert (refund["status"], refund["pending_reason"], refund["balance_transaction"]) == (
        "pending",
        "processing",
        None,
    )
    assert (await row(sandbox))["refunded"] == 15000
    sandbox.clock.go_on(hours=1, seconds=-1)
    assert (await shop.get(f"refunds/{refund['id']}")).json()["status"] == "pending"
    sandbox.clock.go_on(seconds=1)

    arrived = (await shop.get(f"refunds/{refund['id']}", expand=["balance_transaction"])).json()

    assert (arrived["status"], arrived["balance_transaction"]["amount"]) == ("succeeded", -15000)
    assert "pending_reason" not in arrived
    assert (await shop.events())[-2:] == ["refund.updated", "charge.refund.updated"]


async def test_a_pending_refund_may_fail_and_then_nothing_was_refunded(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent(payment_method="pm_card_refundFail")
    refund = (await shop.refund(intent["id"], amount=5000)).json()
    sandbox.clock.go_on(hours=1)

    failed = (await shop.get(f"refunds/{refund['id']}")).json()
    charge = (await shop.get(f"charges/{intent['latest_charge']}")).json()

    assert (refund["status"], failed["status"], failed["failure_reason"]) == (
        "pending",
        "failed",
        "lost_or_stolen_card",
    )
    assert (charge["amount_refunded"], charge["refunded"], (await row(sandbox))["refunded"]) == (0, False, 0)
    assert (await shop.events())[-3:] == ["refund.failed", "refund.updated", "charge.refund.updated"]


@pytest.mark.parametrize(("verb", "status", "refunded"), [("complete", "succeeded", 15000), ("fail", "failed", 0)])
async def test_a_refund_on_its_way_is_ended_by_hand(
    sandbox: Practice, shop: Shop, verb: str, status: str, refunded: int
) -> None:
    intent = await shop.paid_intent(payment_method="pm_card_pendingRefund")
    refund = (await shop.refund(intent["id"])).json()

    answer = await sandbox.wire.post(f"/control/refunds/ORDER0001/{verb}")

    assert answer.json()["refunded"] == refunded
    assert (await shop.get(f"refunds/{refund['id']}")).json()["status"] == status
    assert (await sandbox.wire.post("/control/refunds/ORDER0001/complete")).status_code == 409


async def test_a_refund_that_has_succeeded_may_still_fail(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent()
    refund = (await shop.refund(intent["id"], amount=5000)).json()

    answer = await sandbox.wire.post("/control/refunds/ORDER0001/fail")

    failed = (await shop.get(f"refunds/{refund['id']}", expand=["failure_balance_transaction"])).json()
    assert (refund["status"], failed["status"]) == ("succeeded", "failed")
    assert failed["failure_balance_transaction"]["amount"] == 5000
    assert answer.json()["refunded"] == 0
    assert (await shop.refund(intent["id"])).json()["amount"] == 15000


async def test_a_bank_transfer_is_refunded_to_an_account_that_the_buyer_names(sandbox: Practice, shop: Shop) -> None:
    intent_id = await paid_late(sandbox, shop)

    assert refused(await shop.refund(intent_id)) == (400, INVALID, "parameter_missing")
    refund = (await shop.refund(intent_id, instructions_email="buyer@example.com")).json()
    assert (refund["status"], refund["next_action"]["type"]) == ("requires_action", "display_details")
    await sandbox.wire.post("/control/refunds/ORDER0001/complete")

    arrived = (await shop.get(f"refunds/{refund['id']}")).json()
    assert arrived["status"] == "succeeded"
    assert "next_action" not in arrived
    assert refused(await shop.post(f"refunds/{refund['id']}/cancel")) == (400, INVALID, None)


async def test_a_refund_that_waits_for_the_buyer_can_be_cancelled(sandbox: Practice, shop: Shop) -> None:
    intent_id = await paid_late(sandbox, shop)
    refund = (await shop.refund(intent_id, instructions_email="buyer@example.com")).json()

    cancelled = (await shop.post(f"refunds/{refund['id']}/cancel")).json()

    assert cancelled["status"] == "canceled"
    assert (await row(sandbox))["refunded"] == 0
    assert (await shop.events())[-2:] == ["refund.updated", "charge.refund.updated"]


async def test_the_merchant_refunds_by_hand(sandbox: Practice, shop: Shop) -> None:
    session = await paid_session(sandbox)

    part = await sandbox.wire.post("/control/refunds/ORDER0001", json={"amount": 4000})
    rest = await sandbox.wire.post("/control/refunds/ORDER0001")
    again = await sandbox.wire.post("/control/refunds/ORDER0001")

    assert (part.status_code, part.json()["refunded"], rest.json()["refunded"]) == (201, 4000, 15000)
    assert (again.status_code, again.json()["detail"][:23]) == (400, "charge_already_refunded")
    refunds = (await shop.get("refunds", payment_intent=session["payment_intent"])).json()["data"]
    assert [each["amount"] for each in refunds] == [11000, 4000]
    event = (await shop.get("events", type="refund.created")).json()["data"][0]
    assert event["request"] == {"id": None, "idempotency_key": None}


async def test_the_merchant_refunds_a_bank_transfer_by_hand(sandbox: Practice, shop: Shop) -> None:
    await paid_late(sandbox, shop)

    assert (await sandbox.wire.post("/control/refunds/ORDER0001")).json()["refunded"] == 15000


@pytest.mark.parametrize(("amount", "status"), [(15001, 400), (0, 400), (-1, 400)])
async def test_the_merchants_hand_cannot_refund_what_is_not_there(
    sandbox: Practice, shop: Shop, amount: int, status: int
) -> None:
    await shop.paid_intent()

    assert (await sandbox.wire.post("/control/refunds/ORDER0001", json={"amount": amount})).status_code == status
    assert (await row(sandbox))["refunded"] == 0


async def test_the_console_means_the_payment_that_got_furthest(sandbox: Practice, shop: Shop) -> None:
    await shop.open_session("ORDER0001")
    paid = await shop.paid_intent("ORDER0001")
    await shop.open_intent("ORDER0001")

    assert (await sandbox.wire.post("/control/refunds/ORDER0001")).json()["pg_id"] == paid["id"]


@pytest.mark.parametrize(
    ("verb", "status", "kinds"),
    [
        ("win", "won", ["charge.dispute.closed", "charge.dispute.updated", "charge.dispute.funds_reinstated"]),
        ("lose", "lost", ["charge.dispute.closed", "charge.dispute.updated"]),
    ],
)
async def test_a_dispute_takes_the_money_until_it_is_won(
    sandbox: Practice, shop: Shop, verb: str, status: str, kinds: list[str]
) -> None:
    intent = await shop.paid_intent()

    opened = await sandbox.wire.post("/control/disputes/ORDER0001")
    (dispute,) = (await shop.get("disputes", charge=intent["latest_charge"])).json()["data"]
    assert opened.status_code == 201
    assert (dispute["status"], dispute["amount"], dispute["payment_intent"]) == ("needs_response", 15000, intent["id"])
    assert (await shop.get(f"charges/{intent['latest_charge']}")).json()["disputed"] is True
    assert (await shop.events())[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert refused(await shop.refund(intent["id"])) == (400, INVALID, "charge_disputed")

    await sandbox.wire.post(f"/control/disputes/ORDER0001/{verb}")

    ended = (await shop.get(f"disputes/{dispute['id']}")).json()
    assert ended["status"] == status
    assert sum(each["amount"] for each in ended["balance_transactions"]) == (0 if verb == "win" else -15000)
    assert (await shop.events())[-len(kinds) :] == kinds
    assert (await shop.refund(intent["id"])).status_code == (200 if verb == "win" else 400)


@pytest.mark.parametrize("path", ["disputes/ORDER0001", "disputes/ORDER0001/win", "deposits/ORDER0001"])
async def test_a_verb_that_makes_no_sense_is_refused(sandbox: Practice, shop: Shop, path: str) -> None:
    await shop.open_intent()

    answer = await sandbox.wire.post(f"/control/{path}")

    assert answer.status_code == 409
    assert answer.json()["detail"]


async def test_what_moved_stands_among_the_balance_transactions(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent()
    await shop.refund(intent["id"], amount=4000)
    await sandbox.wire.post("/control/disputes/ORDER0001")

    rows = (await shop.get("balance_transactions")).json()["data"]
    refunds = (await shop.get("balance_transactions", type="refund", expand=["data.source"])).json()["data"]

    assert [(each["type"], each["amount"]) for each in rows] == [
        ("adjustment", -11000),
        ("refund", -4000),
        ("charge", 15000),
    ]
    assert all(each["net"] == each["amount"] - each["fee"] for each in rows)
    assert [each["source"]["payment_intent"] for each in refunds] == [intent["id"]]
