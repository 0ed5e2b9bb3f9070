"""PortOne's server API in the sandbox: secrets and tokens, registering before the window, look-ups."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.sandbox.main import create_sandbox
from tests.portone_wire import (
    CHANNEL,
    HARU,
    HOOK,
    ID,
    NAMU,
    NEXT_SECRET,
    OTHER_STORE,
    SECRET,
    STORE,
    Buyer,
    call,
    cancel,
    get,
    handoff,
    ledger,
    look,
    paid,
    pre_register,
    refused,
    returned,
)
from tests.sandbox_wire import Practice, practice

NAMU_AUTH = {"authorization": "PortOne namu-api-secret"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[HARU, NAMU]) as opened:
        yield opened


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "PortOne",
        "PortOne ",
        "PortOne nobody",
        "PortOne  haru-api-secret",
        "portone haru-api-secret",
        "Basic aGFydS1hcGktc2VjcmV0",
        "Bearer haru-api-secret",
    ],
)
async def test_a_call_needs_the_secret_behind_its_own_scheme(sandbox: Practice, header: str | None) -> None:
    sent = {"authorization": header} if header is not None else {}

    answer = await sandbox.wire.get(f"/portone/payments/{ID}", headers=sent)

    assert refused(answer) == (401, "UNAUTHORIZED")


async def test_a_secret_buys_a_token_for_half_an_hour(sandbox: Practice) -> None:
    await paid(sandbox)
    answer = await sandbox.wire.post("/portone/login/api-secret", json={"apiSecret": HARU["api_secret"]})
    bearer = {"authorization": f"Bearer {answer.json()['accessToken']}"}

    assert set(answer.json()) == {"accessToken", "refreshToken"}
    sandbox.clock.go_on(minutes=29)
    assert (await get(sandbox, f"/payments/{ID}", **bearer)).json()["status"] == "PAID"
    sandbox.clock.go_on(minutes=1)
    assert refused(await get(sandbox, f"/payments/{ID}", **bearer)) == (401, "UNAUTHORIZED")


async def test_a_token_is_refreshed_once(sandbox: Practice) -> None:
    first = (await sandbox.wire.post("/portone/login/api-secret", json={"apiSecret": HARU["api_secret"]})).json()
    asked = {"refreshToken": first["refreshToken"]}
    second = await sandbox.wire.post("/portone/token/refresh", json=asked)
    again = await sandbox.wire.post("/portone/token/refresh", json=asked)

    bearer = {"authorization": f"Bearer {second.json()['accessToken']}"}
    assert (await get(sandbox, "/payments", **bearer)).status_code == 200
    assert refused(again) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("/login/api-secret", {"apiSecret": "nobody"}, (401, "UNAUTHORIZED")),
        ("/login/api-secret", {}, (400, "INVALID_REQUEST")),
        ("/token/refresh", {"refreshToken": "nothing"}, (401, "UNAUTHORIZED")),
        ("/token/refresh", {}, (400, "INVALID_REQUEST")),
    ],
)
async def test_a_stranger_gets_no_token(
    sandbox: Practice, path: str, body: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert refused(await sandbox.wire.post(f"/portone{path}", json=body)) == answer


async def test_an_access_token_does_not_refresh(sandbox: Practice) -> None:
    tokens = (await sandbox.wire.post("/portone/login/api-secret", json={"apiSecret": HARU["api_secret"]})).json()

    answer = await sandbox.wire.post("/portone/token/refresh", json={"refreshToken": tokens["accessToken"]})

    assert refused(answer) == (401, "UNAUTHORIZED")


async def test_one_store_sees_nothing_of_the_other(sandbox: Practice) -> None:
    await paid(sandbox)

    mine = await get(sandbox, f"/payments/{ID}?storeId={STORE}")
    assert mine.json()["storeId"] == STORE
    assert refused(await get(sandbox, f"/payments/{ID}", **NAMU_AUTH)) == (404, "PAYMENT_NOT_FOUND")
    assert refused(await get(sandbox, f"/payments/{ID}?storeId={STORE}", **NAMU_AUTH)) == (403, "FORBIDDEN")
    foreign = await call(sandbox, f"/payments/{ID}/cancel", {"reason": "r", "storeId": OTHER_STORE})
    assert refused(foreign) == (403, "FORBIDDEN")
    assert (await get(sandbox, "/payments", **NAMU_AUTH)).json()["items"] == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"1"])
async def test_a_body_that_is_no_object_is_refused(sandbox: Practice, body: bytes) -> None:
    headers = {"authorization": "PortOne haru-api-secret"}

    answer = await sandbox.wire.post(f"/portone/payments/{ID}/pre-register", content=body, headers=headers)

    assert refused(answer) == (400, "INVALID_REQUEST")


async def test_a_payment_exists_only_when_its_window_was_opened(sandbox: Practice) -> None:
    assert refused(await get(sandbox, f"/payments/{ID}")) == (404, "PAYMENT_NOT_FOUND")
    answer = await pre_register(sandbox, totalAmount=15000, currency="KRW")
    assert (answer.status_code, answer.json()) == (200, {})
    assert refused(await get(sandbox, f"/payments/{ID}")) == (404, "PAYMENT_NOT_FOUND")

    transaction_id = await Buyer(sandbox).open()

    payment = await look(sandbox)
    assert (payment["status"], payment["transactionId"]) == ("READY", transaction_id)
    assert payment["requestedAt"] == "2026-09-10T06:30:12.000Z"
    assert payment["amount"]["total"] == 15000
    assert not {"method", "paidAt", "pgTxId", "cancellations", "disputes"} & set(payment)


@pytest.mark.parametrize(
    "body",
    [{"totalAmount": -1}, {"totalAmount": "15000"}, {"totalAmount": True}, {"taxFreeAmount": 1.5}, {"currency": "XXX"}],
)
async def test_what_makes_no_sense_is_not_registered(sandbox: Practice, body: dict[str, Any]) -> None:
    assert refused(await pre_register(sandbox, **body)) == (400, "INVALID_REQUEST")


async def test_a_paid_payment_is_not_registered_again_even_if_it_was_given_back(sandbox: Practice) -> None:
    await paid(sandbox)
    assert refused(await pre_register(sandbox, totalAmount=15000)) == (409, "ALREADY_PAID")
    await cancel(sandbox)
    assert refused(await pre_register(sandbox, totalAmount=15000)) == (409, "ALREADY_PAID")


async def test_a_paid_card_payment_is_told_in_full(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    await buyer.open(taxFreeAmount=4000, customData={"order": "하나"})
    sandbox.clock.go_on(seconds=46)
    await buyer.approve()

    payment = await look(sandbox)

    assert payment["status"] == "PAID"
    assert payment["transactionId"] == buyer.transaction_id
    assert payment["channel"]["type"] == "TEST"
    assert payment["channel"]["key"] == CHANNEL
    assert payment["method"]["type"] == "PaymentMethodCard"
    assert payment["amount"] == {
        "total": 15000,
        "taxFree": 4000,
        "vat": 1000,
        "supply": 10000,
        "discount": 0,
        "paid": 15000,
        "cancelled": 0,
        "cancelledTaxFree": 0,
    }
    assert (payment["requestedAt"], payment["paidAt"]) == ("2026-09-10T06:30:12.000Z", "2026-09-10T06:30:58.000Z")
    assert payment["statusChangedAt"] == payment["updatedAt"] == payment["paidAt"]
    assert payment["customer"] == {"name": "홍길동", "email": "buyer@example.com"}
    assert payment["customData"] == '{"order":"하나"}'
    assert payment["disputes"] == payment["cancellations"] == payment["webhooks"] == []
    receipt = await sandbox.wire.get(payment["receiptUrl"])
    assert "영수증" in receipt.text
    assert "15,000원" in receipt.text


@pytest.mark.parametrize(("currency", "shown"), [("JPY", "¥1,999"), ("USD", "19.99 USD"), ("EUR", "19.99 EUR")])
async def test_amounts_of_other_currencies_are_minor_units_too(sandbox: Practice, currency: str, shown: str) -> None:
    buyer = Buyer(sandbox)
    await buyer.open(amount=1999, currency=currency)

    assert shown in (await sandbox.wire.get(f"/window/portone/{buyer.transaction_id}")).text
    await buyer.approve()
    payment = await look(sandbox)
    assert (payment["currency"], payment["amount"]["paid"]) == (currency, 1999)
    await cancel(sandbox, amount=999)
    assert await ledger(sandbox) == [("PARTIAL_CANCELLED", 1999, 999)]


async def test_a_page_that_was_tampered_with_pays_through_another_channel() -> None:
    live = HARU | {"channel_key": "channel-key-live", "channel_type": "LIVE"}
    async with practice(accounts=[live, HARU]) as sandbox:
        await paid(sandbox)
        await paid(sandbox, "ORD20260910000002", channelKey="channel-key-live")

        assert (await look(sandbox))["channel"]["type"] == "TEST"
        assert (await look(sandbox, "ORD20260910000002"))["channel"]["type"] == "LIVE"


async def test_each_attempt_has_an_id_of_its_own(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    first = await buyer.open()
    await buyer.decline()
    second = await buyer.open()
    await buyer.approve()

    payment = await look(sandbox)
    assert (payment["status"], payment["transactionId"]) == ("PAID", second)
    items = (await get(sandbox, f"/payments/{ID}/transactions")).json()["items"]
    assert [(each["id"], each["paymentId"], each["status"]) for each in items] == [
        (second, ID, "PAID"),
        (first, ID, "FAILED"),
    ]
    assert refused(await get(sandbox, "/payments/NOTHING1/transactions")) == (404, "PAYMENT_NOT_FOUND")


async def test_a_restarted_sandbox_knows_what_was_registered_and_paid(tmp_path: Path) -> None:
    book = tmp_path / "book.db"
    async with practice(accounts=[HARU], book=book) as sandbox:
        await pre_register(sandbox, "ORDER0002", totalAmount=15000)
        await paid(sandbox)
        before = await look(sandbox)

    async with practice(accounts=[HARU], book=book) as sandbox:
        assert await look(sandbox) == before
        assert refused(await pre_register(sandbox, totalAmount=1)) == (409, "ALREADY_PAID")
        page = await sandbox.wire.post("/window/portone", json=handoff("ORDER0002", 14000))
        assert returned(page.headers["location"])["code"] == "AmountNotEqualToPredefined"


@pytest.mark.parametrize(
    "wrong",
    [
        {"approval": "sometimes"},
        {"channel_type": "PRODUCTION"},
        {"merchant": "store-of-somebody-else"},
        {"webhook_url": HOOK},
        {"webhook_secret": "cG9ydG9uZQ=="},
        {"webhook_secret": "whsec_§"},
        {"webhook_secret": "whsec_abc"},
        {"webhook_url": HOOK, "webhook_secrets": [SECRET, NEXT_SECRET, SECRET]},
    ],
)
def test_an_account_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"webhook|approval|merchant"):
        create_sandbox(accounts=[HARU | wrong])
