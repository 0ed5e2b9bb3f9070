"""The PortOne provider: what it asks PortOne for, and how it closes what can be closed."""

from dataclasses import replace

import httpx
import pytest

from app.money import Money
from app.payments.provider import (
    Claim,
    Misconfigured,
    OutcomeStatus,
    Over,
    Unreachable,
    Urls,
)
from app.payments.providers.portone import PortOne
from tests.portone_pg import (
    ACCOUNT,
    ATTEMPT,
    CANCELLED_UNPAID,
    CLAIM,
    DEPOSIT_ATTEMPT,
    DEPOSITED,
    FAILED,
    ISSUED,
    KEYS,
    NOT_FOUND,
    NOW,
    PAID,
    PARTLY_CANCELLED,
    PENDING,
    READY,
    RECEIVER,
    REFERENCE,
    REFUND,
    REFUND_REFERENCE,
    STORE,
    Answer,
    Pg,
    amounts,
    error,
)

URLS = Urls("https://shop.test/callback?payment=t0ken", "https://shop.test/callback?payment=t0ken")
DEPOSIT_REFUND = replace(REFUND, receiver=RECEIVER)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.clock.now", lambda: NOW)


# What is asked


async def test_what_begins_tells_portone_the_amount_first() -> None:
    pg = Pg()
    await pg.portone().begin(ATTEMPT, URLS)
    [request] = pg.requests
    assert (request.method, request.url) == ("POST", f"https://portone.test/payments/{REFERENCE}/pre-register")
    assert pg.sent(0) == {"storeId": STORE, "totalAmount": 33_000, "currency": "KRW"}
    assert request.headers["authorization"] == "PortOne portone-api-secret"
    # A stored answer would hide that it has been paid meanwhile.
    assert "idempotency-key" not in request.headers


async def test_what_begins_has_every_field_that_the_window_needs() -> None:
    widget = await Pg().portone().begin(ATTEMPT, URLS)
    assert (widget.template, widget.sdk_url) == ("pay.html", "https://portone.test/sdk.js")
    assert widget.params == {
        "provider": "portone",
        "request": {
            "storeId": STORE,
            "channelKey": KEYS["channel_key"],
            "paymentId": REFERENCE,
            "orderName": "세라믹 머그 외 1건",
            "totalAmount": 33_000,
            "currency": "KRW",
            "payMethod": "CARD",
            "redirectUrl": URLS.success,
            "forceRedirect": True,
            "customer": {"email": "minji@example.com"},
            "locale": "KO_KR",
        },
    }


@pytest.mark.parametrize(
    ("way", "asked"),
    [
        ("card", {"payMethod": "CARD"}),
        ("kakaopay", {"payMethod": "EASY_PAY", "easyPay": {"easyPayProvider": "KAKAOPAY"}}),
        ("naverpay", {"payMethod": "EASY_PAY", "easyPay": {"easyPayProvider": "NAVERPAY"}}),
        ("tosspay", {"payMethod": "EASY_PAY", "easyPay": {"easyPayProvider": "TOSSPAY"}}),
        ("transfer", {"payMethod": "TRANSFER"}),
        (
            "virtual_account",
            {"payMethod": "VIRTUAL_ACCOUNT", "virtualAccount": {"accountExpiry": {"validHours": 72}}},
        ),
    ],
)
async def test_each_way_opens_its_own_window(way: str, asked: dict) -> None:
    widget = await Pg().portone().begin(replace(ATTEMPT, way=way), URLS)
    assert asked.items() <= widget.params["request"].items()


def test_those_are_all_the_ways() -> None:
    assert list(PortOne.traits.ways) == ["card", "kakaopay", "naverpay", "tosspay", "transfer", "virtual_account"]


async def test_a_window_in_english_and_dollars() -> None:
    attempt = replace(ATTEMPT, money=Money(1_999, "USD"), locale="en", order_name="m" * 50)
    request = (await Pg().portone().begin(attempt, URLS)).params["request"]
    assert (request["totalAmount"], request["currency"], request["locale"]) == (1_999, "USD", "EN_US")
    assert request["orderName"] == "m" * 40


async def test_nothing_is_begun_for_what_is_paid() -> None:
    with pytest.raises(Over, match="ALREADY_PAID"):
        await Pg(pre_register=(409, error("ALREADY_PAID"))).portone().begin(ATTEMPT, URLS)


@pytest.mark.parametrize(("status", "code"), [(401, "UNAUTHORIZED"), (403, "FORBIDDEN"), (400, "INVALID_REQUEST")])
async def test_what_portone_will_not_register_is_the_owners_to_mend(status: int, code: str) -> None:
    with pytest.raises(Misconfigured, match=code):
        await Pg(pre_register=(status, error(code))).portone().begin(ATTEMPT, URLS)


@pytest.mark.parametrize("answer", [(503, error("X")), (429, error("X")), (502, "<html>"), httpx.ReadTimeout("")])
async def test_nothing_is_begun_without_an_answer(answer: Answer) -> None:
    with pytest.raises(Unreachable):
        await Pg(pre_register=answer).portone().begin(ATTEMPT, URLS)


async def test_a_confirm_says_what_we_stored_and_is_looked_up() -> None:
    pg = Pg(PAID)
    outcome = await pg.portone().conclude(ATTEMPT, CLAIM)
    assert (outcome.status, outcome.captured, outcome.retry_key) == (OutcomeStatus.PAID, 33_000, False)
    assert pg.asked == ["POST /confirm", "GET "]
    assert pg.sent(0) == {
        "storeId": STORE,
        "paymentToken": "payment-token",
        "totalAmount": 33_000,
        "currency": "KRW",
        "isTest": True,
    }
    assert pg.requests[0].headers["idempotency-key"] == f'"{REFERENCE}-confirm-1"'
    assert dict(pg.requests[1].url.params) == {"storeId": STORE}


async def test_a_later_confirm_has_another_key_and_live_money_is_no_test() -> None:
    pg = Pg(PAID)
    await pg.portone(replace(ACCOUNT, mode="live")).conclude(replace(ATTEMPT, confirm_try=2), CLAIM)
    assert pg.requests[0].headers["idempotency-key"] == f'"{REFERENCE}-confirm-2"'
    assert pg.sent(0)["isTest"] is False


async def test_a_claim_without_a_token_is_only_looked_up() -> None:
    pg = Pg(PAID)
    assert (await pg.portone().conclude(ATTEMPT, Claim(REFERENCE))).status is OutcomeStatus.PAID
    assert pg.asked == ["GET "]


async def test_a_refund_says_which_it_is_and_what_we_believe_is_left() -> None:
    pg = Pg(PARTLY_CANCELLED)
    outcome = await pg.portone().refund(REFUND, ATTEMPT)
    assert (outcome.captured, outcome.refunded, outcome.retry_key) == (33_000, 11_000, False)
    assert pg.asked == ["POST /cancel", "GET "]
    assert pg.sent(0) == {
        "storeId": STORE,
        "amount": 11_000,
        "reason": f"고객 변심 {REFUND_REFERENCE}",
        "currentCancellableAmount": 33_000,
    }
    assert pg.requests[0].headers["idempotency-key"] == f'"{REFUND_REFERENCE}-refund-1"'


async def test_a_deposit_goes_back_to_the_shoppers_account() -> None:
    pg = Pg(PARTLY_CANCELLED)
    await pg.portone().refund(DEPOSIT_REFUND, DEPOSIT_ATTEMPT)
    account = {"bank": "WOORI", "number": "1002123456789", "holderName": "김민지"}
    assert pg.sent(0)["refundAccount"] == account


async def test_money_is_waited_for_and_shoppers_are_not() -> None:
    pg = Pg(ISSUED)
    portone = pg.portone()
    await portone.begin(ATTEMPT, URLS)
    await portone.examine(ATTEMPT, CLAIM)
    await portone.conclude(ATTEMPT, CLAIM)
    await portone.refund(REFUND, ATTEMPT)
    await portone.close(DEPOSIT_ATTEMPT)
    waits = [
        (asked, request.extensions["timeout"]["read"]) for asked, request in zip(pg.asked, pg.requests, strict=True)
    ]
    assert waits == [
        ("POST /pre-register", 10),
        ("GET ", 4),
        ("POST /confirm", 60),
        ("GET ", 10),
        ("POST /cancel", 60),
        ("GET ", 10),
        ("GET ", 10),
        ("POST /virtual-account/close", 60),
        ("GET ", 10),
    ]


# Before a confirm


@pytest.mark.parametrize("found", [READY, NOT_FOUND])
async def test_with_a_token_in_hand_the_confirm_is_still_to_come(found: Answer) -> None:
    outcome = await Pg(found).portone().examine(ATTEMPT, CLAIM)
    assert (outcome.status, outcome.reference, outcome.merchant) == (OutcomeStatus.AUTHORIZED, REFERENCE, STORE)
    assert (outcome.amount, outcome.currency, outcome.live, outcome.captured) == (33_000, "KRW", False, 0)


@pytest.mark.parametrize(
    ("found", "status"),
    [(PAID, "paid"), (FAILED, "failed"), (ISSUED, "awaiting_deposit"), (PENDING, "processing")],
)
async def test_a_token_changes_nothing_about_what_has_happened(found: dict, status: str) -> None:
    assert (await Pg(found).portone().examine(ATTEMPT, CLAIM)).status == status


async def test_another_amount_in_the_window_is_told() -> None:
    found = {**READY, "amount": {**amounts(), "total": 100}}
    assert (await Pg(found).portone().examine(ATTEMPT, CLAIM)).amount == 100


async def test_a_payment_that_portone_never_saw_is_still_open() -> None:
    outcome = await Pg(NOT_FOUND).portone().conclude(ATTEMPT, None)
    assert (outcome.status, outcome.closed, outcome.amount) == (OutcomeStatus.OPEN, False, 33_000)


# Closing


@pytest.mark.parametrize(
    ("found", "status"), [(NOT_FOUND, "open"), (READY, "open"), (PENDING, "processing"), (PAID, "paid")]
)
async def test_a_window_cannot_be_closed_only_asked_about(found: Answer, status: str) -> None:
    pg = Pg(found)
    assert (await pg.portone().close(DEPOSIT_ATTEMPT)).status == status
    assert pg.asked == ["GET "]


@pytest.mark.parametrize("afterwards", [CANCELLED_UNPAID, ISSUED])
async def test_a_virtual_account_is_closed(afterwards: dict) -> None:
    pg = Pg(ISSUED, afterwards)
    outcome = await pg.portone().close(DEPOSIT_ATTEMPT)
    assert (outcome.status, outcome.closed, outcome.deposit) == (OutcomeStatus.CANCELLED, True, None)
    assert pg.asked == ["GET ", "POST /virtual-account/close", "GET "]
    assert dict(pg.requests[1].url.params) == {"storeId": STORE}


async def test_a_deposit_may_be_faster_than_the_close() -> None:
    pg = Pg(ISSUED, DEPOSITED, close=(409, error("PAYMENT_NOT_WAITING_FOR_DEPOSIT")))
    outcome = await pg.portone().close(DEPOSIT_ATTEMPT)
    assert (outcome.status, outcome.captured) == (OutcomeStatus.PAID, 33_000)


async def test_an_account_that_the_bank_will_not_close_still_waits() -> None:
    pg = Pg(ISSUED, close=(502, error("PG_PROVIDER", "PROVIDER_ERROR")))
    outcome = await pg.portone().close(DEPOSIT_ATTEMPT)
    assert (outcome.status, outcome.closed) == (OutcomeStatus.AWAITING_DEPOSIT, False)


@pytest.mark.parametrize(
    "answer", [httpx.ReadTimeout(""), (502, "<html>"), (409, error("IDEMPOTENCY_OUTSTANDING_REQUEST"))]
)
async def test_a_close_without_an_answer_is_none(answer: Answer) -> None:
    with pytest.raises(Unreachable):
        await Pg(ISSUED, close=answer).portone().close(DEPOSIT_ATTEMPT)


async def test_nothing_secret_stands_in_what_is_printed_or_handed_over() -> None:
    widget = await Pg().portone().begin(ATTEMPT, URLS)
    for secret in (KEYS["api_secret"], KEYS["webhook_secret"]):
        assert secret not in repr(ACCOUNT)
        assert secret not in repr(widget)
    assert "payment-token" not in repr(CLAIM)
