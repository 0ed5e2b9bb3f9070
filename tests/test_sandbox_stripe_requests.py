"""The sandbox's Stripe: keys, versions, form fields, lists, and what may be expanded."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.sandbox.main import create_sandbox
from tests.sandbox_wire import Practice
from tests.stripe_wire import (
    HARU,
    LISTENING,
    NAMU,
    Shop,
    intent_fields,
    paid_session,
    refused,
    session_fields,
    stripe_practice,
)

INVALID = "invalid_request_error"


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with stripe_practice() as opened:
        yield opened


@pytest.fixture
def shop(sandbox: Practice) -> Shop:
    return Shop(sandbox.wire)


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret_key": "sk_live_1"},
        {"secret_key": "rk_live_1"},
        {"publishable_key": "pk_live_1"},
        {"secret_key": "pk_test_1"},
    ],
)
def test_it_refuses_to_run_with_anything_but_test_keys(wrong: dict[str, str]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"no live keys: {name} of acct_haru starts with"):
        create_sandbox(accounts=[HARU | wrong])


@pytest.mark.parametrize("wrong", [{"webhook_secret": ""}, {"webhook_secret": "secret"}, {"webhook_secrets": ["x"]}])
def test_it_refuses_a_webhook_that_nobody_could_verify(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs a secret that starts with whsec_"):
        create_sandbox(accounts=[LISTENING | wrong])


def test_it_refuses_a_patience_that_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="webhook_retries is one of test, live"):
        create_sandbox(accounts=[HARU | {"webhook_retries": "endless"}])


async def test_the_account_is_told_to_its_own_key_in_both_forms(sandbox: Practice) -> None:
    bearer = await Shop(sandbox.wire).get("account")
    basic = await sandbox.wire.get("/stripe/v1/account", auth=(HARU["secret_key"], ""))

    assert bearer.json()["id"] == basic.json()["id"] == "acct_haru"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        ("Bearer sk_test_nobody", 401),
        ("Bearer ", 401),
        ("Basic %%%", 401),
        ("Digest sk_test_haru", 401),
        ("Bearer pk_test_haru", 403),
    ],
)
async def test_a_wrong_key_gets_nothing(sandbox: Practice, authorization: str, status: int) -> None:
    headers = {"Authorization": authorization}
    answers = [
        await sandbox.wire.get("/stripe/v1/account", headers=headers),
        await sandbox.wire.post("/stripe/v1/checkout/sessions", headers=headers, data={}),
    ]

    assert [refused(answer)[0] for answer in answers] == [status, status]
    assert all(answer.headers["request-id"].startswith("req_") for answer in answers)


async def test_every_answer_bears_its_own_request_id_and_the_version(shop: Shop) -> None:
    answers = [
        await shop.get("account"),
        await shop.get("payment_intents/pi_unknown"),
        await shop.post("payment_intents", **intent_fields()),
        await shop.get("account", headers={"Stripe-Version": "2024-06-20"}),
    ]

    assert len({answer.headers["request-id"] for answer in answers}) == 4
    versions = [answer.headers["stripe-version"] for answer in answers]
    assert versions == ["2026-10-28.endive"] * 3 + ["2024-06-20"]


@pytest.mark.parametrize("version", ["newest", "2026", "2026-10-28.Endive", "2022-08-01"])
async def test_a_version_that_is_not_played_is_refused(shop: Shop, version: str) -> None:
    assert refused(await shop.get("account", headers={"Stripe-Version": version}))[:2] == (400, INVALID)


async def test_an_older_version_calls_the_hosted_page_differently(shop: Shop) -> None:
    old = {"Stripe-Version": "2025-03-31.basil"}
    session = (await shop.post("checkout/sessions", headers=old, **session_fields(ui_mode="hosted"))).json()

    assert session["ui_mode"] == "hosted"
    assert (await shop.session(session["id"]))["ui_mode"] == "hosted_page"
    assert refused(await shop.post("checkout/sessions", **session_fields(ui_mode="hosted")))[0] == 400


PRICE = session_fields()["line_items"][0]["price_data"]


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        ({"mode": None}, "parameter_missing", "mode"),
        ({"success_url": None}, "parameter_missing", "success_url"),
        ({"line_items": None}, "parameter_missing", "line_items"),
        ({"line_items": ""}, "parameter_invalid_empty", "line_items"),
        ({"line_items": [{"quantity": 1}]}, "parameter_missing", "line_items[0][price_data]"),
        (
            {"line_items": [{"price_data": {k: v for k, v in PRICE.items() if k != "currency"}}]},
            "parameter_missing",
            "line_items[0][price_data][currency]",
        ),
        (
            {"line_items": [{"price_data": PRICE | {"unit_amount": "15.00"}}]},
            "parameter_invalid_integer",
            "line_items[0][price_data][unit_amount]",
        ),
        (
            {"line_items": [{"price_data": PRICE, "quantity": 0}]},
            "parameter_invalid_integer",
            "line_items[0][quantity]",
        ),
        ({"line_items": [{"price_data": PRICE | {"product_data": {"name": ""}}}]}, "parameter_invalid_empty", None),
        ({"line_items": [{"price_data": PRICE | {"currency": "KRW"}}]}, None, "line_items[0][price_data][currency]"),
        ({"line_items": [{"price_data": PRICE}] * 101}, None, "line_items"),
        ({"line_items": {"first": {"price_data": PRICE}}}, None, "line_items"),
        ({"line_items": "mug"}, None, "line_items"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"payment_intent_data": {"colour": "red"}}, "parameter_unknown", "payment_intent_data[colour]"),
        ({"customer": "cus_1"}, "resource_missing", "customer"),
        ({"line_items": [{"price": "price_1"}]}, "resource_missing", "line_items[0][price]"),
        ({"mode": "subscription"}, None, "mode"),
        ({"ui_mode": "embedded_page"}, None, "ui_mode"),
        ({"success_url": "/callback"}, None, "success_url"),
        ({"client_reference_id": "O" * 201}, None, "client_reference_id"),
        ({"client_reference_id": ""}, "parameter_invalid_empty", "client_reference_id"),
        ({"metadata": {"k" * 41: "v"}}, None, "metadata"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({"metadata": {f"k{number}": "v" for number in range(51)}}, None, "metadata"),
        ({"payment_method_types": ["cash"]}, None, "payment_method_types[0]"),
        ({"expires_at": "tomorrow"}, "parameter_invalid_integer", "expires_at"),
        ({"expand": ["customer.name.first.letter.size"]}, None, "expand[0]"),
        ({"expand": ["colour"]}, None, "expand[0]"),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(
    shop: Shop, wrong: dict[str, Any], code: str | None, param: str | None
) -> None:
    answer = await shop.post("checkout/sessions", **session_fields(**wrong))

    assert refused(answer) == (404 if code == "resource_missing" else 400, INVALID, code)
    assert param in (None, answer.json()["error"].get("param"))
    assert (await shop.get("checkout/sessions")).json()["data"] == []


@pytest.mark.parametrize(
    "body",
    [b"amount=1000&amount[value]=1", b"amount[value]=1&amount=1000", b"amount[=1000", b"[amount]=1000", b"metadata=x"],
)
async def test_brackets_that_make_no_sense_are_refused(sandbox: Practice, body: bytes) -> None:
    headers = {"Authorization": "Bearer sk_test_haru", "Content-Type": "application/x-www-form-urlencoded"}

    answer = await sandbox.wire.post("/stripe/v1/payment_intents", content=body, headers=headers)

    assert refused(answer)[:2] == (400, INVALID)


async def test_lists_may_be_written_without_numbers(sandbox: Practice) -> None:
    headers = {"Authorization": "Bearer sk_test_haru", "Content-Type": "application/x-www-form-urlencoded"}
    body = b"amount=1000&currency=krw&payment_method_types[]=card&payment_method_types[]=kakao_pay"

    answer = await sandbox.wire.post("/stripe/v1/payment_intents", content=body, headers=headers)

    assert answer.json()["payment_method_types"] == ["card", "kakao_pay"]


async def test_a_json_body_is_refused(sandbox: Practice) -> None:
    headers = {"Authorization": "Bearer sk_test_haru"}

    answer = await sandbox.wire.post("/stripe/v1/payment_intents", json=intent_fields(), headers=headers)

    assert refused(answer)[:2] == (400, INVALID)
    assert "form-encoded" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("currency", "amount", "code"),
    [
        ("krw", 1, "amount_too_small"),
        ("jpy", 49, "amount_too_small"),
        ("usd", 49, "amount_too_small"),
        ("eur", 100_000_000, "amount_too_large"),
        ("usd", 50, None),
        ("jpy", 99_999_999, None),
    ],
)
async def test_an_amount_has_its_limits(shop: Shop, currency: str, amount: int, code: str | None) -> None:
    priced = [{"price_data": PRICE | {"currency": currency, "unit_amount": amount}}]
    answers = [
        await shop.post("payment_intents", amount=amount, currency=currency),
        await shop.post("checkout/sessions", **session_fields(line_items=priced)),
    ]

    assert [answer.json().get("error", {}).get("code") for answer in answers] == [code, code]


async def test_an_unknown_address_is_said_to_be_one(shop: Shop) -> None:
    answers = [
        await shop.get("customers"),
        await shop.post("customers/cus_1", email="x"),
        await shop.get("nothing/at/all"),
    ]

    assert [refused(answer)[0] for answer in answers] == [404, 404, 404]
    assert "Unrecognized request URL (GET: /v1/customers)" in answers[0].json()["error"]["message"]


async def test_nothing_of_another_merchant_can_be_reached(sandbox: Practice, shop: Shop) -> None:
    session = await paid_session(sandbox)
    intent_id = session["payment_intent"]
    charge_id = (await shop.intent(intent_id))["latest_charge"]
    refund_id = (await shop.refund(intent_id, amount=1000)).json()["id"]
    event_id = (await shop.get("events")).json()["data"][0]["id"]
    stranger = Shop(sandbox.wire, NAMU["secret_key"])

    answers = [
        await stranger.get(f"checkout/sessions/{session['id']}"),
        await stranger.get(f"checkout/sessions/{session['id']}/line_items"),
        await stranger.post(f"checkout/sessions/{session['id']}/expire"),
        await stranger.get(f"payment_intents/{intent_id}"),
        await stranger.post(f"payment_intents/{intent_id}/cancel"),
        await stranger.get(f"charges/{charge_id}"),
        await stranger.get(f"refunds/{refund_id}"),
        await stranger.post("refunds", payment_intent=intent_id),
        await stranger.post("refunds", charge=charge_id),
        await stranger.get(f"events/{event_id}"),
        await stranger.get("events", starting_after=event_id),
    ]

    assert {refused(answer) for answer in answers} == {(404, INVALID, "resource_missing")}
    for path in ("checkout/sessions", "payment_intents", "charges", "refunds", "events", "balance_transactions"):
        assert (await stranger.get(path)).json()["data"] == []


async def test_an_id_of_another_kind_finds_nothing(shop: Shop) -> None:
    intent = await shop.open_intent()

    assert refused(await shop.get(f"checkout/sessions/{intent['id']}"))[0] == 404


async def test_a_list_is_turned_page_by_page_in_both_directions(shop: Shop) -> None:
    ids = [(await shop.open_intent(f"ORDER{number:04}"))["id"] for number in range(5)][::-1]

    first = (await shop.get("payment_intents", limit=2)).json()
    second = (await shop.get("payment_intents", limit=2, starting_after=ids[1])).json()
    last = (await shop.get("payment_intents", limit=2, starting_after=ids[3])).json()
    back = (await shop.get("payment_intents", limit=2, ending_before=ids[3])).json()

    assert (first["object"], first["url"]) == ("list", "/v1/payment_intents")
    pages = [([each["id"] for each in page["data"]], page["has_more"]) for page in (first, second, last, back)]
    assert pages == [(ids[:2], True), (ids[2:4], True), (ids[4:], False), (ids[1:3], True)]


async def test_a_list_has_ten_unless_asked_otherwise(shop: Shop) -> None:
    for number in range(11):
        await shop.open_intent(f"ORDER{number:04}")

    assert len((await shop.get("payment_intents")).json()["data"]) == 10
    assert len((await shop.get("payment_intents", limit=100)).json()["data"]) == 11


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "ten"},
        {"starting_after": "pi_unknown"},
        {"created": {"since": 1}},
        {"created": "today"},
        {"customer": "cus_1"},
    ],
)
async def test_a_list_refuses_what_it_does_not_know(shop: Shop, query: dict[str, Any]) -> None:
    assert refused(await shop.get("payment_intents", **query))[1] == INVALID


async def test_a_list_goes_one_way_at_a_time(shop: Shop) -> None:
    intent = await shop.open_intent()

    assert refused(await shop.get("charges", starting_after=intent["id"]))[0] == 404
    both = {"starting_after": intent["id"], "ending_before": intent["id"]}
    assert refused(await shop.get("payment_intents", **both))[0] == 400


async def test_a_list_is_narrowed_by_time(sandbox: Practice, shop: Shop) -> None:
    old = await shop.open_intent("ORDER0001")
    sandbox.clock.go_on(minutes=10)
    new = await shop.open_intent("ORDER0002")

    async def ids(**created: int) -> list[str]:
        return [each["id"] for each in (await shop.get("payment_intents", created=created)).json()["data"]]

    assert await ids(gte=new["created"]) == await ids(gt=old["created"]) == [new["id"]]
    assert await ids(lte=old["created"]) == await ids(lt=new["created"]) == [old["id"]]
    exactly = await shop.get("payment_intents", created=old["created"])
    assert [each["id"] for each in exactly.json()["data"]] == [old["id"]]


async def test_an_id_is_expanded_to_the_whole_object(sandbox: Practice, shop: Shop) -> None:
    session = await paid_session(sandbox)
    await shop.refund(session["payment_intent"], amount=1000)

    paths = ["payment_intent.latest_charge.balance_transaction", "line_items", "customer"]
    whole = await shop.session(session["id"], expand=paths)
    listed = await shop.get("charges", expand=["data.refunds.data.balance_transaction"])

    assert whole["payment_intent"]["latest_charge"]["balance_transaction"]["amount"] == 15000
    assert [item["description"] for item in whole["line_items"]["data"]] == ["세라믹 머그"]
    (charge,) = listed.json()["data"]
    assert [each["balance_transaction"]["amount"] for each in charge["refunds"]["data"]] == [-1000]
    assert "line_items" not in await shop.session(session["id"])


@pytest.mark.parametrize(
    ("path", "expand"),
    [("payment_intents", "latest_charge"), ("payment_intents", "data.colour"), ("charges", "data.refunds.charge")],
)
async def test_what_cannot_be_expanded_is_refused(shop: Shop, path: str, expand: str) -> None:
    assert refused(await shop.get(path, expand=[expand]))[:2] == (400, INVALID)
