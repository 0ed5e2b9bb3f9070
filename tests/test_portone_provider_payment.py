"""PortOne's Payment object and its list of payments, as the PortOne provider reads them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.payments.provider import Account, Deposit, Misconfigured, Outcome, RefundSeen, Transaction, Unreachable
from tests.portone_pg import (
    ACCOUNT,
    ATTEMPT,
    CANCELLED,
    CANCELLED_UNPAID,
    DEPOSITED,
    FAILED,
    ISSUED,
    NOW,
    PAID,
    PARTLY_CANCELLED,
    PENDING,
    READY,
    REFERENCE,
    REFUND_REFERENCE,
    STORE,
    VIRTUAL_ACCOUNT,
    Answer,
    Pg,
    amounts,
    cancellation,
    error,
    payment,
)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.clock.now", lambda: NOW)


async def look_up(found: dict[str, Any], account: Account = ACCOUNT) -> Outcome:
    return await Pg(found).portone(account).conclude(ATTEMPT, None)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (READY, ("open", 0, 0, False)),
        (PENDING, ("processing", 0, 0, False)),
        (ISSUED, ("awaiting_deposit", 0, 0, False)),
        (PAID, ("paid", 33_000, 0, True)),
        (DEPOSITED, ("paid", 33_000, 0, True)),
        (PARTLY_CANCELLED, ("paid", 33_000, 11_000, True)),
        (CANCELLED, ("paid", 33_000, 33_000, True)),
        (FAILED, ("failed", 0, 0, False)),
        (CANCELLED_UNPAID, ("cancelled", 0, 0, True)),
        # Only a virtual account is cancelled unpaid: whatever else has gone back had come.
        ({**CANCELLED, "paidAt": None}, ("paid", 33_000, 33_000, True)),
        ({**CANCELLED_UNPAID, "amount": amounts(33_000)}, ("cancelled", 0, 0, True)),
        # All of it went back, whatever part of it a discount was.
        ({**CANCELLED, "amount": amounts(30_000)}, ("paid", 33_000, 33_000, True)),
    ],
    ids=lambda value: value["status"] if isinstance(value, dict) else None,
)
async def test_every_status_has_a_meaning(found: dict, expected: tuple) -> None:
    outcome = await look_up(found)
    assert (outcome.status, outcome.captured, outcome.refunded, outcome.closed) == expected
    assert (outcome.reference, outcome.merchant, outcome.amount, outcome.currency, outcome.live) == (
        REFERENCE,
        STORE,
        33_000,
        "KRW",
        False,
    )
    assert outcome.pg_payment_id == "0199338a-1c5e-7d1b-9a44-2f7e0c1d9b10"


async def test_what_the_shopper_and_the_owner_are_shown_is_read() -> None:
    outcome = await look_up(PAID)
    assert (outcome.paid_at, outcome.receipt_url) == (NOW, "https://portone.test/receipt")
    assert (outcome.method, outcome.failure, outcome.deposit) == ("KB국민카드", None, None)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ({"type": "PaymentMethodCard"}, "카드"),
        ({"type": "PaymentMethodEasyPay", "provider": "KAKAOPAY"}, "카카오페이"),
        ({"type": "PaymentMethodEasyPay", "provider": "A_WALLET_OF_TOMORROW"}, "A_WALLET_OF_TOMORROW"),
        ({"type": "PaymentMethodEasyPay"}, "간편결제"),
        ({"type": "PaymentMethodTransfer", "bank": "WOORI"}, "계좌이체"),
        (VIRTUAL_ACCOUNT, "가상계좌"),
        ({"type": "PaymentMethodOfTomorrow"}, None),
        (..., None),
    ],
    ids=str,
)
async def test_a_method_has_a_name_for_people(method: Any, name: str | None) -> None:
    assert (await look_up(payment(paidAt="2026-09-10T06:30:58Z", method=method))).method == name


async def test_a_receipt_that_is_too_long_for_our_row_is_left_out() -> None:
    assert (await look_up({**PAID, "receiptUrl": "https://a.test/" + "a" * 500})).receipt_url is None


@pytest.mark.parametrize(
    ("failure", "code"),
    [({"pgCode": "REJECT_CARD_COMPANY", "reason": "x"}, "REJECT_CARD_COMPANY"), ({}, "FAILED")],
)
async def test_a_failure_has_the_code_of_the_pg_behind(failure: dict, code: str) -> None:
    assert (await look_up({**FAILED, "failure": failure})).failure == code


async def test_the_channel_says_whether_it_is_live_money() -> None:
    paid_live = {**PAID, "channel": {**PAID["channel"], "type": "LIVE"}}
    assert (await look_up(paid_live)).live
    # A tampered page paid through a test channel.
    assert not (await look_up(PAID, replace(ACCOUNT, mode="live"))).live


@pytest.mark.parametrize("found", [READY, {**FAILED, "channel": None}])
async def test_before_money_moves_the_channel_may_be_absent(found: dict) -> None:
    assert (await look_up(found, replace(ACCOUNT, mode="live"))).live


# Deposits


async def test_a_deposit_says_where_to_pay_and_until_when() -> None:
    due = datetime(2026, 9, 13, 6, 30, 12, tzinfo=UTC)
    assert (await look_up(ISSUED)).deposit == Deposit("우리은행", "X6505123456789", "하루상점", due)


async def test_a_deposit_of_which_little_is_told_waits_as_long_as_we_asked_for() -> None:
    method = {"type": "PaymentMethodVirtualAccount", "accountNumber": "X6505", "bank": "A_BANK_OF_TOMORROW"}
    due = datetime(2026, 9, 13, 6, 30, 12, 301_000, tzinfo=UTC)
    found = payment("VIRTUAL_ACCOUNT_ISSUED", method=method)
    assert (await look_up(found)).deposit == Deposit("A_BANK_OF_TOMORROW", "X6505", "", due)


async def test_a_deposit_past_its_time_has_expired_but_may_still_come(monkeypatch: pytest.MonkeyPatch) -> None:
    due = datetime(2026, 9, 13, 6, 30, 12, tzinfo=UTC)
    for now, status in ((due, "awaiting_deposit"), (due + timedelta(seconds=1), "expired")):
        monkeypatch.setattr("app.clock.now", lambda now=now: now)
        outcome = await look_up(ISSUED)
        assert (outcome.status, outcome.closed) == (status, False)
        assert outcome.failure == ("WINDOW_OVER" if status == "expired" else None)


# Refunds and disputes


async def test_a_refund_of_ours_is_known_by_the_end_of_its_reason() -> None:
    [refund] = (await look_up(PARTLY_CANCELLED)).refunds
    assert refund == RefundSeen("0199355e-77aa-7000-8000-000000000001", REFUND_REFERENCE, 11_000, "succeeded")


@pytest.mark.parametrize("reason", ["고객 변심", "", f"{REFUND_REFERENCE} 고객 변심", REFUND_REFERENCE.lower()])
async def test_a_refund_made_by_hand_is_nobodys(reason: str) -> None:
    [refund] = (await look_up({**PARTLY_CANCELLED, "cancellations": [cancellation(reason=reason)]})).refunds
    assert (refund.reference, refund.amount) == (None, 11_000)


@pytest.mark.parametrize(
    ("said", "status"), [("REQUESTED", "pending"), ("SUCCEEDED", "succeeded"), ("FAILED", "failed")]
)
async def test_every_status_of_a_refund_has_a_meaning(said: str, status: str) -> None:
    outcome = await look_up({**PAID, "cancellations": [cancellation(said)]})
    assert [refund.status for refund in outcome.refunds] == [status]
    # PortOne's own sum, not ours.
    assert outcome.refunded == 0


@pytest.mark.parametrize(("status", "is_open"), [("UNRESOLVED", True), ("RESOLVED", False), ("TOMORROW", True)])
async def test_a_dispute_is_told(status: str, is_open: bool) -> None:
    dispute = {"status": status, "pgDisputeId": "dp_1", "reason": "사용한 적 없음", "createdAt": "2026-09-12T00:00:00Z"}
    [seen] = (await look_up({**PAID, "disputes": [dispute]})).disputes
    assert (seen.pg_dispute_id, seen.status, seen.is_open) == ("dp_1", status, is_open)
    assert (seen.amount, seen.reason) == (33_000, "사용한 적 없음")


async def test_a_dispute_without_a_name_keeps_one() -> None:
    dispute = {"status": "UNRESOLVED", "reason": "x" * 200, "createdAt": "2026-09-12T00:00:00Z"}
    [seen] = (await look_up({**PAID, "disputes": [dispute]})).disputes
    assert seen.pg_dispute_id == f"{REFERENCE}:2026-09-12T00:00:00Z"
    assert seen.reason == "x" * 80


# What cannot be read

UNREADABLE = [
    {**PAID, "status": "A_STATUS_OF_TOMORROW"},
    {**PAID, "currency": "A_CURRENCY_OF_TOMORROW"},
    {**PAID, "amount": None},
    {**PAID, "amount": {**amounts(), "total": "33000"}},
    {**PAID, "amount": {**amounts(), "total": 33_000.0}},
    {**PAID, "amount": {**amounts(), "cancelled": None}},
    {**PAID, "channel": None},
    {**PAID, "channel": {"type": "TOMORROW"}},
    {**PAID, "paidAt": "2026-09-10T06:30:58"},
    {**PAID, "paidAt": 1},
    {**PAID, "cancellations": [cancellation("TOMORROW")]},
    {**PAID, "cancellations": [{**cancellation(), "totalAmount": "1"}]},
    {**FAILED, "failure": None},
    {**ISSUED, "method": None},
    {**ISSUED, "method": {**VIRTUAL_ACCOUNT, "expiredAt": "soon"}},
    *[{name: value for name, value in PAID.items() if name != absent} for absent in ("id", "storeId", "transactionId")],
]


@pytest.mark.parametrize("found", UNREADABLE, ids=range(len(UNREADABLE)))
async def test_what_cannot_be_read_is_no_answer(found: dict) -> None:
    with pytest.raises(Unreachable):
        await look_up(found)


async def test_another_currency_is_told_as_it_is() -> None:
    outcome = await look_up({**PAID, "currency": "USD"})
    assert (outcome.currency, outcome.captured) == ("USD", 33_000)


async def test_what_portone_adds_tomorrow_is_ignored() -> None:
    assert (await look_up({**PAID, "aFieldOfTomorrow": {"x": 1}})).captured == 33_000


# The list

SINCE, UNTIL = datetime(2026, 9, 10, tzinfo=UTC), datetime(2026, 9, 11, tzinfo=UTC)


def page(*payments: dict[str, Any]) -> Answer:
    return 200, {"items": [{"payment": each, "cursor": f"cursor-{number}"} for number, each in enumerate(payments)]}


async def listed(pg: Pg, account: Account = ACCOUNT, until: datetime = UNTIL) -> list[Transaction]:
    return [transaction async for transaction in pg.portone(account).transactions(SINCE, until)]


async def test_what_came_and_what_went_back_is_listed() -> None:
    captured, refunded = await listed(Pg(page(PARTLY_CANCELLED), page()), until=UNTIL + timedelta(days=1))
    name = "0199338a-1c5e-7d1b-9a44-2f7e0c1d9b10"
    assert captured == Transaction("captured", REFERENCE, name, name, 33_000, "KRW", NOW)
    at = datetime(2026, 9, 11, 1, 2, 7, tzinfo=UTC)
    cancelled = "0199355e-77aa-7000-8000-000000000001"
    assert refunded == Transaction("refunded", REFERENCE, name, cancelled, 11_000, "KRW", at)


async def test_the_list_is_read_to_its_end() -> None:
    pg = Pg(page(PAID, PAID), page(PAID), page())
    assert len(await listed(pg)) == 3
    queries = [json.loads(request.url.params["requestBody"]) for request in pg.requests]
    assert [query.get("cursor") for query in queries] == [None, "cursor-1", "cursor-0"]
    assert [request.url.path for request in pg.requests] == ["/payments-by-cursor"] * 3
    assert queries[0] == {
        "storeId": STORE,
        # A payment that is refunded now may have been made long ago.
        "from": "2026-06-12T00:00:00+00:00",
        "until": "2026-09-11T00:00:00+00:00",
        "size": 200,
    }


async def test_a_list_that_does_not_go_on_is_no_answer() -> None:
    with pytest.raises(Unreachable, match="does not go on"):
        await listed(Pg(page(PAID), page(PAID)))


async def test_only_what_moved_within_the_time_is_listed() -> None:
    moments = ["2026-09-09T23:59:59.999Z", "2026-09-10T00:00:00Z", "2026-09-10T23:59:59Z", "2026-09-11T00:00:00Z"]
    found = await listed(Pg(page(*[{**PAID, "paidAt": moment} for moment in moments]), page()))
    assert [transaction.at.isoformat() for transaction in found] == [
        "2026-09-10T00:00:00+00:00",
        "2026-09-10T23:59:59+00:00",
    ]


async def test_what_moved_no_money_is_not_listed() -> None:
    unmoved = [READY, PENDING, ISSUED, FAILED, CANCELLED_UNPAID, {**PAID, "status": "A_STATUS_OF_TOMORROW"}]
    assert await listed(Pg(page(*unmoved), page())) == []
    waiting = {**PAID, "cancellations": [cancellation("REQUESTED"), cancellation("FAILED")]}
    found = await listed(Pg(page(waiting), page()), until=UNTIL + timedelta(days=1))
    assert [each.kind for each in found] == ["captured"]


async def test_the_list_of_a_live_account_holds_no_play_money() -> None:
    paid_live = {**PAID, "channel": {**PAID["channel"], "type": "LIVE"}}
    for account in (ACCOUNT, replace(ACCOUNT, mode="live")):
        assert len(await listed(Pg(page(PAID, paid_live), page()), account)) == 1


async def test_what_another_system_sold_has_no_reference_of_ours() -> None:
    [transaction] = await listed(Pg(page({**PAID, "id": "order-1"}), page()))
    assert (transaction.reference, transaction.amount) == (None, 33_000)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout(""),
        (502, "<html>"),
        (200, {}),
        (200, {"items": None}),
        (200, {"items": [{}]}),
        (200, {"items": ["x"]}),
        (400, error("INVALID_REQUEST")),
        page({**PAID, "amount": {}}),
        page({}),
    ],
    ids=str,
)
async def test_a_list_that_cannot_be_read_is_no_answer(answer: Answer) -> None:
    with pytest.raises(Unreachable):
        await listed(Pg(answer))


async def test_a_list_that_the_keys_may_not_see_is_the_owners_to_mend() -> None:
    with pytest.raises(Misconfigured):
        await listed(Pg((403, error("FORBIDDEN"))))
