"""The sandbox's Stripe when calls are repeated, or go wrong on demand."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.sandbox.stripe_errors import CODES, DECLINES, ERRORS
from tests.sandbox_wire import Practice, ledger
from tests.stripe_wire import (
    NAMU,
    Shop,
    answer_3ds,
    arm,
    intent_fields,
    paid_session,
    press,
    refused,
    row,
    session_fields,
    stripe_practice,
)

API_ERROR = (500, "api_error", None)


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with stripe_practice() as opened:
        yield opened


@pytest.fixture
def shop(sandbox: Practice) -> Shop:
    return Shop(sandbox.wire)


async def test_a_repeated_key_gets_the_first_answer_again(sandbox: Practice, shop: Shop) -> None:
    first = await shop.post("checkout/sessions", key="k-1", **session_fields())
    again = await shop.post("checkout/sessions", key="k-1", **session_fields())
    other = await shop.post("checkout/sessions", key="k-2", **session_fields())

    assert again.json() == first.json() != other.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["idempotency-key"] == "k-1"
    assert again.headers["request-id"] != first.headers["request-id"]
    assert len(await ledger(sandbox.wire)) == 2


async def test_a_repeated_refund_with_a_key_is_made_once(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent()

    for key in ("r-1", "r-1", "", ""):
        await shop.refund(intent["id"], key=key, amount=1000)

    assert (await row(sandbox))["refunded"] == 3000


async def test_a_key_belongs_to_its_parameters_and_its_call(sandbox: Practice, shop: Shop) -> None:
    await shop.post("payment_intents", key="k-1", **intent_fields())

    more = await shop.post("payment_intents", key="k-1", **intent_fields(amount=20000))
    elsewhere = await shop.post("checkout/sessions", key="k-1", **session_fields())
    turned = await shop.post("payment_intents", key="k-1", **dict(reversed(intent_fields().items())))
    stranger = await Shop(sandbox.wire, NAMU["secret_key"]).post(
        "payment_intents", key="k-1", **intent_fields(amount=20000)
    )

    assert refused(more) == refused(elsewhere) == (400, "idempotency_error", None)
    assert turned.headers["idempotent-replayed"] == "true"
    assert stranger.json()["amount"] == 20000


async def test_a_key_is_forgotten_after_a_day(sandbox: Practice, shop: Shop) -> None:
    first = await shop.post("payment_intents", key="k-1", **intent_fields())
    sandbox.clock.go_on(hours=24, seconds=-1)
    assert (await shop.post("payment_intents", key="k-1", **intent_fields())).json() == first.json()
    sandbox.clock.go_on(seconds=1)

    assert (await shop.post("payment_intents", key="k-1", **intent_fields(amount=20000))).json()["amount"] == 20000


async def test_a_key_has_at_most_255_characters(shop: Shop) -> None:
    assert (await shop.post("payment_intents", key="k" * 256, **intent_fields())).status_code == 400
    assert (await shop.post("payment_intents", key="k" * 255, **intent_fields())).status_code == 200


async def test_nothing_is_kept_of_a_request_that_was_not_valid(shop: Shop) -> None:
    assert (await shop.post("payment_intents", key="k-1", **intent_fields(amount=1))).status_code == 400
    assert (await shop.post("payment_intents", key="k-1", amount=1000)).status_code == 400
    assert (await shop.post("payment_intents", key="k-1", expand=["colour"], **intent_fields())).status_code == 400

    answer = await shop.post("payment_intents", key="k-1", **intent_fields())

    assert (answer.status_code, answer.headers.get("idempotent-replayed")) == (200, None)


async def test_a_decline_is_kept_for_its_key(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent()
    path, card = f"payment_intents/{intent['id']}/confirm", {"payment_method": "pm_card_chargeDeclined"}

    first = await shop.post(path, key="c-1", **card)
    again = await shop.post(path, key="c-1", **card)

    assert again.json() == first.json()
    assert (await shop.events()).count("charge.failed") == 1


async def test_a_refusal_by_the_state_is_kept_for_its_key(shop: Shop) -> None:
    intent = await shop.paid_intent()
    await shop.refund(intent["id"], key="r-1")

    first = await shop.refund(intent["id"], key="r-2")
    again = await shop.refund(intent["id"], key="r-2")

    assert refused(first)[2] == "charge_already_refunded"
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_repeated_key_waits_for_the_first_request() -> None:
    reached, released = asyncio.Event(), asyncio.Event()

    async def hold(seconds: float) -> None:
        reached.set()
        await released.wait()

    async with stripe_practice(sleep=hold) as sandbox:
        shop = Shop(sandbox.wire)
        await arm(sandbox.wire, "slow", call="begin")
        first = asyncio.create_task(shop.post("payment_intents", key="k-1", **intent_fields()))
        await reached.wait()

        early = await shop.post("payment_intents", key="k-1", **intent_fields())
        released.set()
        made = (await first).json()

        assert refused(early) == (409, "invalid_request_error", "idempotency_key_in_use")
        assert early.headers["stripe-should-retry"] == "true"
        assert (await shop.post("payment_intents", key="k-1", **intent_fields())).json() == made


async def test_a_look_up_ignores_keys(shop: Shop) -> None:
    intent = await shop.open_intent()
    path, headers = f"payment_intents/{intent['id']}", {"Idempotency-Key": "k" * 256}
    before = (await shop.get(path, headers=headers)).json()
    await shop.post(f"{path}/cancel")

    assert (before["status"], (await shop.get(path, headers=headers)).json()["status"]) == (
        "requires_payment_method",
        "canceled",
    )


@pytest.mark.parametrize(("kind", "made"), [("answer_lost_before", 0), ("answer_lost_after", 1)])
async def test_an_answer_is_lost_before_or_after_it_happened(
    sandbox: Practice, shop: Shop, kind: str, made: int
) -> None:
    await arm(sandbox.wire, kind, call="begin")

    with pytest.raises(httpx.RemoteProtocolError):
        await shop.post("checkout/sessions", key="k-1", **session_fields())

    assert len(await ledger(sandbox.wire)) == made
    again = await shop.post("checkout/sessions", key="k-1", **session_fields())
    assert again.headers.get("idempotent-replayed") == ("true" if made else None)
    assert len(await ledger(sandbox.wire)) == 1


@pytest.mark.parametrize(("kind", "refunded"), [("server_error", 0), ("server_error_after", 4000)])
async def test_a_server_error_is_kept_for_its_key(sandbox: Practice, shop: Shop, kind: str, refunded: int) -> None:
    intent = await shop.paid_intent()
    await arm(sandbox.wire, kind, call="cancel")

    answers = [await shop.refund(intent["id"], key="r-1", amount=4000) for _ in range(2)]

    assert [refused(answer) for answer in answers] == [API_ERROR] * 2
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert (await row(sandbox))["refunded"] == refunded
    assert (await shop.refund(intent["id"], key="r-2", amount=4000)).status_code == 200


async def test_a_slow_answer_runs_into_the_read_time_out_while_it_happens(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent()
    await arm(sandbox.wire, "slow", call="cancel")
    sandbox.wire.timeout = httpx.Timeout(29)

    with pytest.raises(httpx.ReadTimeout):
        await shop.refund(intent["id"])

    assert (await row(sandbox))["refunded"] == 15000


@pytest.mark.parametrize(
    ("kind", "status"), [("rate_limited", 429), ("server_error", 500), ("server_error_after", 500)]
)
async def test_a_look_up_fails_on_demand(sandbox: Practice, shop: Shop, kind: str, status: int) -> None:
    session = await paid_session(sandbox)
    path = f"checkout/sessions/{session['id']}"
    await arm(sandbox.wire, kind, call="lookup")

    assert [(await shop.get(path)).status_code for _ in range(2)] == [status, 200]


async def test_a_look_up_through_any_of_its_objects_is_about_the_payment(sandbox: Practice, shop: Shop) -> None:
    session = await paid_session(sandbox)
    await arm(sandbox.wire, "server_error", call="lookup", times=3)

    answers = [
        await shop.get(f"payment_intents/{session['payment_intent']}"),
        await shop.get("refunds", payment_intent=session["payment_intent"]),
        await shop.get(f"checkout/sessions/{session['id']}/line_items"),
    ]

    assert [answer.status_code for answer in answers] == [500] * 3


async def test_a_look_up_loses_its_answer_or_is_slow_on_demand(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent()
    await arm(sandbox.wire, "answer_lost_after", call="lookup")
    await arm(sandbox.wire, "slow", call="lookup", seconds=30)

    for expected in (httpx.RemoteProtocolError, httpx.ReadTimeout):
        with pytest.raises(expected):
            await shop.get(f"payment_intents/{intent['id']}")


@pytest.mark.parametrize("code", [code for code in ERRORS if code != "payment_intent_authentication_failure"])
async def test_every_error_can_be_had_for_the_asking(sandbox: Practice, shop: Shop, code: str) -> None:
    intent = await shop.open_intent()
    path = f"payment_intents/{intent['id']}"
    await arm(sandbox.wire, "error", code=code)
    await arm(sandbox.wire, "error", code=code, call="lookup")

    answers = [
        await shop.post(f"{path}/confirm", key="k-1", payment_method="pm_card_visa"),
        await shop.get(path),
    ]

    assert [answer.status_code for answer in answers] == [ERRORS[code][0]] * 2
    assert [answer.json()["error"]["type"] for answer in answers] == [ERRORS[code][1]] * 2
    assert answers[0].headers.get("stripe-should-retry") == (
        "true" if code in ("lock_timeout", "idempotency_key_in_use") else None
    )
    assert (await shop.get(path)).json()["status"] == "requires_payment_method"
    again = await shop.post(f"{path}/confirm", key="k-1", payment_method="pm_card_visa")
    is_kept = ERRORS[code][0] >= 500 or code in (
        "payment_intent_unexpected_state",
        "charge_already_refunded",
        "charge_disputed",
    )
    assert again.status_code == (ERRORS[code][0] if is_kept else 200)


@pytest.mark.parametrize("code", [*DECLINES, "card_declined"])
async def test_every_decline_can_be_had_for_the_asking(sandbox: Practice, shop: Shop, code: str) -> None:
    session = await shop.open_session()
    await arm(sandbox.wire, "error", code=code)

    page = await press(sandbox.wire, session["id"])

    assert page.status_code == 402
    after = await shop.session(session["id"], expand=["payment_intent"])
    assert after["payment_intent"]["last_payment_error"]["decline_code"] == (
        "generic_decline" if code == "card_declined" else code
    )
    assert (await press(sandbox.wire, session["id"])).status_code == 303


async def test_a_decline_of_a_confirm_can_be_had_for_the_asking(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.open_intent()
    await arm(sandbox.wire, "error", code="do_not_honor")

    answer = await shop.post(f"payment_intents/{intent['id']}/confirm", payment_method="pm_card_visa")

    assert answer.json()["error"]["decline_code"] == "do_not_honor"
    assert (await shop.events())[-1] == "payment_intent.payment_failed"


async def test_a_capture_and_the_hosted_page_fail_on_demand(sandbox: Practice, shop: Shop) -> None:
    intent = await shop.paid_intent("ORDER0001", capture_method="manual")
    session = await shop.open_session("ORDER0002")
    await arm(sandbox.wire, "error", "ORDER0001", code="processing_error")
    await arm(sandbox.wire, "error", "ORDER0002", code="service_unavailable")

    assert refused(await shop.post(f"payment_intents/{intent['id']}/capture"))[0] == 402
    assert (await press(sandbox.wire, session["id"])).status_code == 503
    assert [entry["captured"] for entry in await ledger(sandbox.wire)] == [0, 0]


@pytest.mark.parametrize(("call", "path"), [("close", "checkout/sessions/{}/expire"), ("begin", "checkout/sessions")])
async def test_a_call_fails_with_what_was_asked_for(sandbox: Practice, shop: Shop, call: str, path: str) -> None:
    session = await shop.open_session()
    await arm(sandbox.wire, "error", call=call, code="lock_timeout")

    fields = session_fields() if call == "begin" else {}
    assert refused(await shop.post(path.format(session["id"]), **fields))[0] == 429
    assert (await shop.post(path.format(session["id"]), **fields)).status_code == 200


async def test_the_page_takes_another_amount_on_demand(sandbox: Practice, shop: Shop) -> None:
    await arm(sandbox.wire, "amount_changed")
    session = await paid_session(sandbox)

    assert session["amount_total"] == 16000
    assert (await shop.intent(session["payment_intent"]))["amount_received"] == 16000
    assert (await row(sandbox))["captured"] == 16000


async def test_the_page_of_an_intent_takes_another_amount_on_demand(sandbox: Practice, shop: Shop) -> None:
    await arm(sandbox.wire, "amount_changed")
    intent = await shop.open_intent()
    form = {"publishableKey": "pk_test_haru", "clientSecret": intent["client_secret"], "returnUrl": "http://shop.test/"}
    await sandbox.wire.post("/window/stripe", json=form)

    await press(sandbox.wire, intent["id"])

    assert (await row(sandbox))["captured"] == 16000


async def test_a_fault_names_only_codes_that_stripe_has(sandbox: Practice) -> None:
    fault = {"provider": "stripe", "kind": "error", "reference": "ORDER0001", "code": "REJECT_CARD_COMPANY"}

    answer = await sandbox.wire.post("/control/faults", json=fault)

    assert answer.status_code == 400
    assert all(code in answer.json()["detail"] for code in CODES)


async def test_a_restarted_sandbox_knows_everything(tmp_path: Path) -> None:
    book = tmp_path / "book.db"
    async with stripe_practice(book=book) as sandbox:
        shop = Shop(sandbox.wire)
        first = await shop.post("checkout/sessions", key="k-1", **session_fields())
        await press(sandbox.wire, first.json()["id"], number="4000002760003184")

    async with stripe_practice(book=book) as sandbox:
        shop = Shop(sandbox.wire)
        again = await shop.post("checkout/sessions", key="k-1", **session_fields())
        assert again.json() == first.json()
        assert (await answer_3ds(sandbox.wire, first.json()["id"])).status_code == 303
        assert (await shop.session(first.json()["id"]))["payment_status"] == "paid"


async def test_a_payment_of_a_forgotten_account_is_only_looked_at(tmp_path: Path) -> None:
    book = tmp_path / "book.db"
    async with stripe_practice(book=book) as sandbox:
        await Shop(sandbox.wire).open_session()

    async with stripe_practice(book=book, accounts=[NAMU]) as sandbox:
        sandbox.clock.go_on(days=2)
        assert (await row(sandbox))["status"] == "open"
        assert (await sandbox.wire.get("/")).status_code == 200
        assert (await sandbox.wire.post("/control/refunds/ORDER0001")).status_code == 404
