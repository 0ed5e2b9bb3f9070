"""The sandbox's events and webhooks: what Stripe tells whom, how it is signed, and how long it keeps trying."""

import hashlib
import hmac
import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import stripe

from app.sandbox.stripe_events import sign
from tests.sandbox_wire import Delivery, Practice
from tests.stripe_wire import (
    DECLINED,
    HOOK,
    LISTENING,
    NAMU,
    SECRET,
    Shop,
    arm,
    paid_session,
    press,
    raw,
    refused,
    stripe_practice,
    told,
)

PAID = [
    "payment_intent.created",
    "charge.succeeded",
    "payment_intent.succeeded",
    "checkout.session.completed",
]
REFUNDED = ["refund.created", "charge.refunded"]


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with stripe_practice() as opened:
        yield opened


@pytest.fixture
def shop(sandbox: Practice) -> Shop:
    return Shop(sandbox.wire)


def signatures(delivery: Delivery) -> tuple[str, list[str]]:
    """The moment and the signatures of the header."""
    parts = [part.split("=", 1) for part in delivery.headers["stripe-signature"].split(",")]
    assert parts[0][0] == "t"
    return parts[0][1], [value for name, value in parts if name == "v1"]


def is_signed_with(delivery: Delivery, secret: str) -> bool:
    moment, given = signatures(delivery)
    message = f"{moment}.{raw(delivery)}".encode()
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest() in given


def test_the_signature_is_that_of_the_documented_example() -> None:
    body = '{"id":"evt_test_1","object":"event","type":"checkout.session.completed"}'

    assert sign(["whsec_test_secret_0123456789"], 1788996561, body) == (
        "t=1788996561,v1=c69a629194b59a12b78df2023492d53d4e78fd9f926b228861eb0b29d2719ee2"
    )


async def test_a_paid_session_is_told_in_several_events_about_the_same(sandbox: Practice) -> None:
    session = await paid_session(sandbox)

    assert await sandbox.send_due() == 4

    assert told(sandbox.inbox.deliveries) == PAID
    assert {delivery.url for delivery in sandbox.inbox.deliveries} == {HOOK}
    last = sandbox.inbox.deliveries[-1].body
    assert last["id"].startswith("evt_3")
    assert (last["object"], last["livemode"], last["api_version"]) == ("event", False, "2026-10-28.endive")
    assert last["request"] == {"id": None, "idempotency_key": None}
    assert last["data"] == {"object": session}
    assert len({delivery.body["id"] for delivery in sandbox.inbox.deliveries}) == 4


async def test_each_event_shows_the_object_as_it_was_then(sandbox: Practice) -> None:
    await paid_session(sandbox)
    await sandbox.send_due()

    by_type = {delivery.body["type"]: delivery.body["data"]["object"] for delivery in sandbox.inbox.deliveries}
    assert by_type["payment_intent.created"]["status"] == "requires_payment_method"
    assert by_type["payment_intent.succeeded"]["status"] == "succeeded"


async def test_an_event_names_the_request_that_caused_it(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent()
    refund = await shop.refund(intent["id"], key="r-1")

    event = (await shop.get("events", type="refund.created")).json()["data"][0]

    assert event["request"] == {"id": refund.headers["request-id"], "idempotency_key": "r-1"}


async def test_a_webhook_is_signed_over_its_raw_body(sandbox: Practice) -> None:
    await paid_session(sandbox)
    await sandbox.send_due()

    for delivery in sandbox.inbox.deliveries:
        assert set(delivery.headers) == {"content-type", "stripe-signature"}
        assert signatures(delivery)[0] == str(int(sandbox.clock().timestamp()))
        assert is_signed_with(delivery, SECRET)
        assert not is_signed_with(delivery, "whsec_other")


async def test_the_official_library_takes_the_signature(sandbox: Practice) -> None:
    session = await paid_session(sandbox)
    await sandbox.send_due()
    delivery = sandbox.inbox.deliveries[-1]

    verify = stripe.WebhookSignature.verify_header
    assert verify(raw(delivery), delivery.headers["stripe-signature"], SECRET)
    with pytest.raises(stripe.SignatureVerificationError):
        verify(raw(delivery), delivery.headers["stripe-signature"], "whsec_other")
    event = stripe.Event.construct_from(delivery.body, "sk_test_haru")
    assert event.data.object["id"] == session["id"]


async def test_while_a_secret_is_rolled_both_sign() -> None:
    secrets = ["whsec_new", "whsec_old"]
    async with stripe_practice(accounts=[LISTENING | {"webhook_secrets": secrets}]) as sandbox:
        await paid_session(sandbox)
        await sandbox.send_due()

        delivery = sandbox.inbox.deliveries[0]
        assert len(signatures(delivery)[1]) == 2
        assert all(is_signed_with(delivery, secret) for secret in secrets)
        assert not is_signed_with(delivery, SECRET)


async def test_a_webhook_speaks_the_version_of_its_endpoint() -> None:
    old = LISTENING | {"webhook_version": "2025-03-31.basil"}
    async with stripe_practice(accounts=[old]) as sandbox:
        await paid_session(sandbox, ui_mode="hosted")
        await sandbox.send_due()

        body = sandbox.inbox.deliveries[-1].body
        assert (body["api_version"], body["data"]["object"]["ui_mode"]) == ("2025-03-31.basil", "hosted")


@pytest.mark.parametrize("answer", [200, 201, 204, 299])
async def test_any_2xx_is_received(sandbox: Practice, shop: Shop, answer: int) -> None:
    await shop.open_intent()
    sandbox.inbox.answers = [answer]
    await sandbox.send_due()
    sandbox.clock.go_on(days=3)

    assert await sandbox.send_due() == 0


@pytest.mark.parametrize("answer", [199, 300, 302, 400, 500, TimeoutError(), httpx.ConnectError("refused")])
async def test_anything_else_is_tried_again(sandbox: Practice, shop: Shop, answer: int | Exception) -> None:
    await shop.open_intent()
    sandbox.inbox.answers = [answer]
    await sandbox.send_due()
    sandbox.clock.go_on(minutes=5, seconds=-1)
    assert await sandbox.send_due() == 0
    sandbox.clock.go_on(seconds=1)

    assert await sandbox.send_due() == 1


async def test_in_test_mode_it_is_tried_three_more_times_each_signed_anew(sandbox: Practice, shop: Shop) -> None:
    await shop.open_intent()
    sandbox.inbox.answers = [500] * 5
    for _ in range(30):
        await sandbox.send_due()
        sandbox.clock.go_on(hours=1)

    deliveries = sandbox.inbox.deliveries
    assert len(deliveries) == 4
    assert len({delivery.body["id"] for delivery in deliveries}) == 1
    assert len({signatures(delivery)[0] for delivery in deliveries}) == 4
    assert all(is_signed_with(delivery, SECRET) for delivery in deliveries)


async def test_in_live_mode_it_is_tried_for_almost_three_days() -> None:
    async with stripe_practice(accounts=[LISTENING | {"webhook_retries": "live"}]) as sandbox:
        await Shop(sandbox.wire).open_intent()
        sandbox.inbox.answers = [500] * 99
        moments = []
        for hour in range(24 * 7):
            if await sandbox.send_due():
                moments.append(hour)
            sandbox.clock.go_on(hours=1)

    assert len(moments) > 6
    assert 60 <= moments[-1] <= 72
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert pauses == sorted(pauses)


async def test_a_scale_makes_seconds_of_minutes() -> None:
    async with stripe_practice(webhook_time_scale=1 / 60) as sandbox:
        await Shop(sandbox.wire).open_intent()
        sandbox.inbox.answers = [500]
        await sandbox.send_due()
        sandbox.clock.go_on(seconds=5)
        assert await sandbox.send_due() == 1


async def test_an_account_without_an_address_has_events_and_no_webhooks(sandbox: Practice) -> None:
    shop = Shop(sandbox.wire, NAMU["secret_key"])
    await shop.open_intent()

    assert await sandbox.send_due() == 0
    (event,) = (await shop.get("events")).json()["data"]
    assert (event["type"], event["pending_webhooks"]) == ("payment_intent.created", 0)


async def test_events_are_found_by_type_and_id(sandbox: Practice, shop: Shop) -> None:
    session = await paid_session(sandbox)
    await shop.refund(session["payment_intent"])

    async def types(**query: Any) -> list[str]:
        return [event["type"] for event in (await shop.get("events", **query)).json()["data"]]

    assert await types(type="charge.refunded") == ["charge.refunded"]
    assert await types(type="charge.*") == ["charge.refunded", "charge.succeeded"]
    assert await types(types=["charge.refunded", "refund.created"]) == REFUNDED[::-1]
    event = (await shop.get("events", limit=1)).json()["data"][0]
    assert (await shop.get(f"events/{event['id']}")).json() == event
    assert refused(await shop.get("events", type="a", types=["b"]))[0] == 400


async def test_events_are_found_by_whether_they_were_received(sandbox: Practice, shop: Shop) -> None:
    await paid_session(sandbox)
    sandbox.inbox.answers = [200, 500, 200, 500]
    await sandbox.send_due()

    async def types(is_delivered: bool) -> list[str]:
        answer = await shop.get("events", delivery_success=is_delivered)
        return [event["type"] for event in answer.json()["data"]]

    assert await types(False) == [PAID[3], PAID[1]]
    assert await types(True) == [PAID[2], PAID[0]]
    sandbox.clock.go_on(minutes=5)
    await sandbox.send_due()
    assert await types(False) == []


async def test_events_are_shown_for_thirty_days(sandbox: Practice, shop: Shop) -> None:
    await shop.open_intent()
    event = (await shop.get("events")).json()["data"][0]
    sandbox.clock.go_on(days=30)
    assert (await shop.get(f"events/{event['id']}")).status_code == 200
    sandbox.clock.go_on(seconds=1)

    assert (await shop.get("events")).json()["data"] == []
    assert (await shop.get(f"events/{event['id']}")).status_code == 404


async def test_a_dropped_change_is_told_in_none_of_its_events(sandbox: Practice, shop: Shop) -> None:
    await arm(sandbox.wire, "webhook_dropped")
    session = await paid_session(sandbox)
    await shop.refund(session["payment_intent"])
    await sandbox.send_due()

    assert told(sandbox.inbox.deliveries) == REFUNDED
    assert len(await shop.events()) == 6
    dropped = (await sandbox.wire.get("/control/ledger")).json()["webhooks"][0]
    assert (dropped["type"], dropped["answer"]) == (PAID[0], "dropped")
    await sandbox.wire.post(f"/control/webhooks/{dropped['id']}/send")
    assert is_signed_with(sandbox.inbox.deliveries[-1], SECRET)


async def test_a_doubled_webhook_comes_twice_with_the_same_id(sandbox: Practice, shop: Shop) -> None:
    await arm(sandbox.wire, "webhook_doubled")
    await shop.open_intent()

    assert await sandbox.send_due() == 2
    first, second = sandbox.inbox.deliveries
    assert first.body == second.body


async def test_a_late_webhook_comes_later(sandbox: Practice, shop: Shop) -> None:
    await arm(sandbox.wire, "webhook_late", seconds=30)
    await shop.open_intent()
    assert await sandbox.send_due() == 0
    sandbox.clock.go_on(seconds=30)

    assert await sandbox.send_due() == 1


async def test_webhooks_out_of_order_come_after_those_of_the_next_change(sandbox: Practice, shop: Shop) -> None:
    await arm(sandbox.wire, "webhook_out_of_order")
    session = await paid_session(sandbox)
    assert await sandbox.send_due() == 0
    await shop.refund(session["payment_intent"])
    await sandbox.send_due()

    assert told(sandbox.inbox.deliveries) == [*REFUNDED, *PAID]


async def test_a_forged_webhook_is_badly_signed_and_claims_that_an_unpaid_session_was_paid(
    sandbox: Practice, shop: Shop
) -> None:
    session = await shop.open_session()
    await arm(sandbox.wire, "webhook_forged")
    await press(sandbox.wire, session["id"], number=DECLINED)
    await sandbox.send_due()

    forged, *true = sandbox.inbox.deliveries
    claimed = forged.body["data"]["object"]
    assert forged.body["type"] == "checkout.session.completed"
    assert (claimed["id"], claimed["status"], claimed["payment_status"]) == (session["id"], "complete", "paid")
    assert not is_signed_with(forged, SECRET)
    assert all(is_signed_with(delivery, SECRET) for delivery in true)
    assert (await shop.get(f"events/{forged.body['id']}")).status_code == 404
    assert (await shop.session(session["id"]))["payment_status"] == "unpaid"


async def test_a_forged_webhook_of_a_paid_session_names_an_unknown_one(sandbox: Practice) -> None:
    session = await (Shop(sandbox.wire)).open_session()
    await arm(sandbox.wire, "webhook_forged")
    await press(sandbox.wire, session["id"])
    await sandbox.send_due()

    claimed = sandbox.inbox.deliveries[0].body["data"]["object"]
    assert (claimed["client_reference_id"], claimed["payment_status"]) == ("ORDER0001", "paid")
    assert claimed["id"] != session["id"]


async def test_a_forged_webhook_claims_that_an_unpaid_intent_was_paid(sandbox: Practice, shop: Shop) -> None:
    await arm(sandbox.wire, "webhook_forged")
    intent = await shop.open_intent()
    await sandbox.send_due()

    forged, true = sandbox.inbox.deliveries
    assert told([forged, true]) == ["payment_intent.succeeded", "payment_intent.created"]
    assert (forged.body["data"]["object"]["id"], forged.body["data"]["object"]["status"]) == (
        intent["id"],
        "succeeded",
    )
    assert not is_signed_with(forged, SECRET)
