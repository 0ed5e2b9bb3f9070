"""The Toss provider: what it sends, how it reads each answer, and a decision for every error code."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.money import Money
from app.payments.provider import (
    Account,
    Attempt,
    BankAccount,
    Claim,
    Deposit,
    Misconfigured,
    NeedsReceiver,
    Notice,
    Outcome,
    OutcomeStatus,
    RefundRequest,
    RefundSeen,
    Refused,
    Transaction,
    Unreachable,
    Unreadable,
    Urls,
)
from app.payments.providers.toss import Toss

REFERENCE = "01M80XFXB0FSQV6T9SMYY4ZWNG"
KEYS = {"client_key": "test_ck_haru", "secret_key": "test_sk_haru"}
ACCOUNT = Account("toss", "test", "haru01", KEYS, "https://toss.test", "https://toss.test/sdk")
BEGUN = datetime(2026, 9, 10, 6, 30, tzinfo=UTC)
ATTEMPT = Attempt(
    REFERENCE, Money(33_000), "card", "세라믹 머그 외 1건", "minji@example.com", BEGUN, pg_payment_id="tkey"
)
BY_DEPOSIT = replace(ATTEMPT, way="virtual_account")
VIRTUAL = {
    "method": "가상계좌",
    "approvedAt": None,
    "receipt": None,
    "secret": "ps_x1Y2z3W4v5U6",
    "virtualAccount": {
        "accountType": "일반",
        "accountNumber": "X6505636518308",
        "bankCode": "20",
        "customerName": "홍길동",
        "dueDate": "2026-09-17T23:59:59",
        "refundStatus": "NONE",
        "expired": False,
    },
}
CLAIM = Claim(REFERENCE, "tkey", 33_000)
REFUND = RefundRequest("01M80XFXB0FSQV6T9SMYY4ZZZZ", Money(33_000), "고객 변심", 33_000, 1)

Answer = tuple[int, Any] | httpx.HTTPError


def payment(**changes: Any) -> dict[str, Any]:
    """Toss's Payment object of a card payment, confirmed."""
    return {
        "mId": "haru01",
        "version": "2022-11-16",
        "paymentKey": "tkey",
        "orderId": REFERENCE,
        "orderName": "세라믹 머그 외 1건",
        "currency": "KRW",
        "method": "카드",
        "status": "DONE",
        "totalAmount": 33_000,
        "balanceAmount": 33_000,
        "approvedAt": "2026-09-10T15:30:58+09:00",
        "easyPay": None,
        "cancels": None,
        "failure": None,
        "receipt": {"url": "https://toss.test/receipt"},
        **changes,
    }


READY = payment(status="READY", method=None, approvedAt=None, receipt=None)
IN_PROGRESS = payment(status="IN_PROGRESS", approvedAt=None, receipt=None)


class Pg:
    """Answers by method and path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.confirm: Answer = (200, payment())
        self.cancel: Answer = (200, payment())
        self.lookup: Answer = (200, IN_PROGRESS)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        verb = request.url.path.rsplit("/", 1)[-1] if request.method == "POST" else "lookup"
        answer = {"confirm": self.confirm, "cancel": self.cancel}.get(verb, self.lookup)
        if isinstance(answer, httpx.HTTPError):
            raise answer
        status, body = answer
        return httpx.Response(status, text=body) if isinstance(body, str) else httpx.Response(status, json=body)


@pytest.fixture
def pg() -> Pg:
    return Pg()


@pytest.fixture
async def toss(pg: Pg) -> AsyncIterator[Toss]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(pg)) as http:
        yield Toss(ACCOUNT, http)


def error(code: str) -> dict[str, str]:
    return {"code": code, "message": "일시적인 오류가 발생했습니다."}


def codes(http_status: int, names: str) -> list[tuple[int, str]]:
    return [(http_status, name) for name in names.split()]


# Every code that Toss documents for a confirm, by what it means for us.
AGAIN_WITH_THE_SAME_KEY = codes(409, "IDEMPOTENT_REQUEST_PROCESSING") + codes(429, "TOO_MANY_REQUESTS")
OUR_KEYS_ARE_WRONG = (
    codes(400, "INVALID_API_KEY INCORRECT_BASIC_AUTH_FORMAT INVALID_IDEMPOTENCY_KEY")
    + codes(401, "UNAUTHORIZED_KEY")
    + codes(403, "INCORRECT_BASIC_AUTH_FORMAT")
)
LOOK_FIRST = (
    codes(400, "ALREADY_PROCESSED_PAYMENT PROVIDER_ERROR DUPLICATED_ORDER_ID")
    + codes(403, "NOT_AVAILABLE_BANK")
    + codes(
        500,
        "FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING FAILED_INTERNAL_SYSTEM_PROCESSING UNKNOWN_PAYMENT_ERROR "
        "CARD_PROCESSING_ERROR COMMON_ERROR",
    )
    + codes(503, "A_CODE_OF_TOMORROW")
)
FINAL = (
    codes(
        400,
        "INVALID_REQUEST BELOW_MINIMUM_AMOUNT EXCEED_MAX_PAYMENT_AMOUNT EXCEED_MAX_DAILY_PAYMENT_COUNT "
        "EXCEED_MAX_CARD_INSTALLMENT_PLAN INVALID_CARD_NUMBER INVALID_CARD_EXPIRATION INVALID_CARD_INSTALLMENT_PLAN "
        "INVALID_CARD_LOST_OR_STOLEN INVALID_STOPPED_CARD INVALID_REJECT_CARD RESTRICTED_TRANSFER_ACCOUNT "
        "NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN "
        "INVALID_ACCOUNT_INFO_RE_REGISTER INVALID_PASSWORD A_CODE_OF_TOMORROW",
    )
    + codes(
        403,
        "REJECT_CARD_PAYMENT REJECT_ACCOUNT_PAYMENT REJECT_CARD_COMPANY REJECT_TOSSPAY_INVALID_ACCOUNT "
        "EXCEED_MAX_AUTH_COUNT EXCEED_MAX_ONE_DAY_AMOUNT FDS_ERROR",
    )
    + codes(404, "NOT_FOUND_PAYMENT")
)


@pytest.mark.parametrize(("status", "code"), AGAIN_WITH_THE_SAME_KEY)
async def test_a_confirm_that_still_runs_is_no_answer(toss: Toss, pg: Pg, status: int, code: str) -> None:
    pg.confirm = (status, error(code))
    with pytest.raises(Unreachable):
        await toss.conclude(ATTEMPT, CLAIM)


@pytest.mark.parametrize(("status", "code"), OUR_KEYS_ARE_WRONG)
async def test_a_refused_key_is_the_owners_to_mend(toss: Toss, pg: Pg, status: int, code: str) -> None:
    pg.confirm = pg.cancel = pg.lookup = (status, error(code))
    for call in (
        toss.conclude(ATTEMPT, CLAIM),
        toss.conclude(ATTEMPT, None),
        toss.examine(ATTEMPT, CLAIM),
        toss.close(ATTEMPT),
        toss.refund(REFUND, ATTEMPT),
    ):
        with pytest.raises(Misconfigured, match=code):
            await call


async def test_what_our_keys_may_not_see_is_no_payment_of_ours(toss: Toss, pg: Pg) -> None:
    pg.confirm = pg.lookup = (403, error("FORBIDDEN_REQUEST"))
    with pytest.raises(Unreadable):
        await toss.examine(ATTEMPT, CLAIM)
    with pytest.raises(Misconfigured, match="FORBIDDEN_REQUEST"):
        await toss.conclude(ATTEMPT, CLAIM)


@pytest.mark.parametrize(("status", "code"), LOOK_FIRST)
@pytest.mark.parametrize(
    ("found", "meaning"), [(payment(), OutcomeStatus.PAID), (IN_PROGRESS, OutcomeStatus.AUTHORIZED)]
)
async def test_after_an_error_that_says_nothing_the_look_up_decides(
    toss: Toss, pg: Pg, status: int, code: str, found: dict, meaning: OutcomeStatus
) -> None:
    pg.confirm, pg.lookup = (status, error(code)), (200, found)
    outcome = await toss.conclude(ATTEMPT, CLAIM)
    assert (outcome.status, outcome.retry_key) == (meaning, True)
    assert [request.method for request in pg.requests] == ["POST", "GET"]


@pytest.mark.parametrize(("status", "code"), LOOK_FIRST)
async def test_without_that_look_up_nothing_is_known(toss: Toss, pg: Pg, status: int, code: str) -> None:
    pg.confirm, pg.lookup = (status, error(code)), httpx.ReadTimeout("")
    with pytest.raises(Unreachable):
        await toss.conclude(ATTEMPT, CLAIM)


@pytest.mark.parametrize(("status", "code"), FINAL)
async def test_a_refusal_ends_the_attempt(toss: Toss, pg: Pg, status: int, code: str) -> None:
    pg.confirm = (status, error(code))
    outcome = await toss.conclude(ATTEMPT, CLAIM)
    assert (outcome.status, outcome.failure, outcome.closed) == (OutcomeStatus.FAILED, code, True)
    assert (outcome.reference, outcome.captured, outcome.amount) == (REFERENCE, 0, 33_000)


async def test_a_refusal_that_the_look_up_contradicts_is_not_believed(toss: Toss, pg: Pg) -> None:
    pg.confirm, pg.lookup = (400, error("INVALID_REQUEST")), (200, payment())
    assert (await toss.conclude(ATTEMPT, CLAIM)).status is OutcomeStatus.PAID


async def test_a_refusal_that_we_do_not_know_needs_a_look_up(toss: Toss, pg: Pg) -> None:
    pg.confirm, pg.lookup = (400, error("A_CODE_OF_TOMORROW")), httpx.ReadTimeout("")
    with pytest.raises(Unreachable):
        await toss.conclude(ATTEMPT, CLAIM)


@pytest.mark.parametrize("answer", [(500, "COMMON_ERROR"), (400, "A_CODE_OF_TOMORROW")])
async def test_keys_refused_after_a_confirm_say_nothing_about_it(toss: Toss, pg: Pg, answer: tuple[int, str]) -> None:
    pg.confirm, pg.lookup = (answer[0], error(answer[1])), (401, error("UNAUTHORIZED_KEY"))
    with pytest.raises(Unreachable):
        await toss.conclude(ATTEMPT, CLAIM)


async def test_a_known_refusal_needs_none(toss: Toss, pg: Pg) -> None:
    pg.confirm, pg.lookup = (403, error("REJECT_CARD_COMPANY")), httpx.ReadTimeout("")
    assert (await toss.conclude(ATTEMPT, CLAIM)).status is OutcomeStatus.FAILED


async def test_a_deposit_in_place_of_a_card_is_never_confirmed(toss: Toss, pg: Pg) -> None:
    pg.lookup = (200, {**IN_PROGRESS, "method": "가상계좌"})
    with pytest.raises(Unreadable):
        await toss.examine(ATTEMPT, CLAIM)


async def test_a_confirm_after_the_ten_minutes_is_expired(toss: Toss, pg: Pg) -> None:
    pg.confirm = (404, error("NOT_FOUND_PAYMENT_SESSION"))
    outcome = await toss.conclude(ATTEMPT, CLAIM)
    assert (outcome.status, outcome.closed, outcome.captured) == (OutcomeStatus.EXPIRED, True, 0)


# Every code that Toss documents for a cancel.
REFUND_NOT_KNOWN = (
    codes(400, "PROVIDER_ERROR ALREADY_CANCELED_PAYMENT ALREADY_REFUND_PAYMENT NOT_MATCHES_REFUNDABLE_AMOUNT")
    + codes(403, "NOT_AVAILABLE_BANK FORBIDDEN_CONSECUTIVE_REQUEST")
    + codes(
        500,
        "FAILED_REFUND_PROCESS FAILED_METHOD_HANDLING_CANCEL FAILED_PARTIAL_REFUND COMMON_ERROR "
        "FAILED_INTERNAL_SYSTEM_PROCESSING FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING UNKNOWN_PAYMENT_ERROR",
    )
)
REFUND_REFUSED = codes(
    400,
    "INVALID_REQUEST INVALID_REFUND_ACCOUNT_INFO INVALID_REFUND_ACCOUNT_NUMBER INVALID_BANK "
    "FORBIDDEN_BANK_REFUND_REQUEST REFUND_REJECTED EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT",
) + codes(
    403,
    "NOT_CANCELABLE_AMOUNT NOT_CANCELABLE_PAYMENT EXCEED_MAX_REFUND_DUE NOT_ALLOWED_PARTIAL_REFUND "
    "NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER EXCEED_CANCEL_LIMIT",
)


@pytest.mark.parametrize(("status", "code"), REFUND_NOT_KNOWN)
async def test_a_refund_that_may_have_been_done_is_looked_up(toss: Toss, pg: Pg, status: int, code: str) -> None:
    pg.cancel, pg.lookup = (status, error(code)), (200, payment())
    outcome = await toss.refund(REFUND, ATTEMPT)
    assert (outcome.status, outcome.refunds, outcome.retry_key) == (OutcomeStatus.PAID, (), True)


@pytest.mark.parametrize(("status", "code"), REFUND_REFUSED)
async def test_a_refund_refused_for_good_says_so(toss: Toss, pg: Pg, status: int, code: str) -> None:
    pg.cancel = (status, error(code))
    with pytest.raises(Refused, match=code):
        await toss.refund(REFUND, ATTEMPT)


@pytest.mark.parametrize(("status", "code"), AGAIN_WITH_THE_SAME_KEY)
async def test_a_refund_that_still_runs_is_no_answer(toss: Toss, pg: Pg, status: int, code: str) -> None:
    pg.cancel = (status, error(code))
    with pytest.raises(Unreachable):
        await toss.refund(REFUND, ATTEMPT)


NO_ANSWERS = [
    httpx.ConnectError(""),
    httpx.ReadTimeout(""),
    httpx.RemoteProtocolError(""),
    (502, "<html>Bad Gateway</html>"),
    (200, "OK"),
    (200, []),
    (200, {}),
    (200, payment(status="A_STATUS_OF_TOMORROW")),
    (200, payment(totalAmount=None)),
    (404, {}),
    (500, {}),
]


@pytest.mark.parametrize("answer", NO_ANSWERS, ids=str)
async def test_what_cannot_be_read_is_no_answer(toss: Toss, pg: Pg, answer: Answer) -> None:
    pg.confirm = pg.cancel = pg.lookup = answer
    for call in (
        toss.conclude(ATTEMPT, CLAIM),
        toss.conclude(ATTEMPT, None),
        toss.examine(ATTEMPT, CLAIM),
        toss.close(ATTEMPT),
        toss.refund(REFUND, ATTEMPT),
    ):
        with pytest.raises(Unreachable):
            await call


CANCELLED = [{"cancelAmount": 11_000, "cancelReason": f"고객 변심 {REFUND.reference}", "transactionKey": "txrd_1"}]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (READY, ("open", 0, 0, False)),
        (IN_PROGRESS, ("authorized", 0, 0, False)),
        (payment(), ("paid", 33_000, 0, True)),
        (payment(approvedAt=None), ("paid", 33_000, 0, True)),
        (payment(status="PARTIAL_CANCELED", balanceAmount=22_000, cancels=CANCELLED), ("paid", 33_000, 11_000, True)),
        (payment(status="CANCELED", balanceAmount=0, cancels=CANCELLED), ("paid", 33_000, 33_000, True)),
        (payment(status="CANCELED", balanceAmount=0, approvedAt=None), ("cancelled", 0, 0, True)),
        (payment(status="ABORTED", approvedAt=None, failure=error("REJECT_CARD_COMPANY")), ("failed", 0, 0, True)),
        (payment(status="EXPIRED", approvedAt=None), ("expired", 0, 0, True)),
        (payment(status="WAITING_FOR_DEPOSIT", **VIRTUAL), ("awaiting_deposit", 0, 0, False)),
    ],
    ids=lambda value: value["status"] if isinstance(value, dict) else None,
)
async def test_every_status_has_a_meaning(toss: Toss, pg: Pg, found: dict, expected: tuple) -> None:
    pg.lookup = (200, found)
    attempt = BY_DEPOSIT if found["method"] == VIRTUAL["method"] else ATTEMPT
    for outcome in (await toss.conclude(attempt, None), await toss.examine(attempt, CLAIM)):
        assert (outcome.status, outcome.captured, outcome.refunded, outcome.closed) == expected
        assert (outcome.reference, outcome.merchant, outcome.amount, outcome.currency) == (
            REFERENCE,
            "haru01",
            33_000,
            "KRW",
        )


async def test_what_the_shopper_and_the_owner_are_shown_is_read(toss: Toss, pg: Pg) -> None:
    pg.lookup = (200, payment(cancels=CANCELLED, easyPay={"provider": "토스페이"}))
    outcome: Outcome = await toss.conclude(ATTEMPT, None)
    assert outcome.paid_at == datetime(2026, 9, 10, 6, 30, 58, tzinfo=UTC)
    assert (outcome.method, outcome.receipt_url) == ("토스페이", "https://toss.test/receipt")
    assert outcome.refunds == (RefundSeen("txrd_1", REFUND.reference, 11_000, "succeeded"),)


async def test_dollars_go_and_come_as_decimals(toss: Toss, pg: Pg) -> None:
    attempt = replace(ATTEMPT, money=Money(1_999, "USD"))
    pg.confirm = (200, payment(currency="USD", totalAmount=19.99, balanceAmount=19.99))
    outcome = await toss.conclude(attempt, CLAIM)
    assert json.loads(pg.requests[0].content)["amount"] == 19.99
    assert (outcome.amount, outcome.captured, outcome.refunded) == (1_999, 1_999, 0)


async def test_a_payment_that_toss_never_saw_is_still_open(toss: Toss, pg: Pg) -> None:
    pg.lookup = (404, error("NOT_FOUND_PAYMENT"))
    outcome = await toss.conclude(ATTEMPT, None)
    assert (outcome.status, outcome.closed) == (OutcomeStatus.OPEN, False)


async def test_a_claimed_payment_that_toss_never_saw_is_no_claim(toss: Toss, pg: Pg) -> None:
    pg.lookup = (404, error("NOT_FOUND_PAYMENT"))
    with pytest.raises(Unreadable):
        await toss.examine(ATTEMPT, CLAIM)


async def test_a_look_up_that_the_keys_may_not_do_is_no_answer(toss: Toss, pg: Pg) -> None:
    pg.lookup = (404, error("NOT_FOUND_MERCHANT"))
    with pytest.raises(Unreachable):
        await toss.examine(ATTEMPT, CLAIM)


async def test_a_confirm_says_what_we_stored(toss: Toss, pg: Pg) -> None:
    await toss.conclude(ATTEMPT, Claim("SOMETHING-ELSE", "tkey", 1))
    [request] = pg.requests
    assert request.url == "https://toss.test/v1/payments/confirm"
    assert json.loads(request.content) == {"paymentKey": "tkey", "orderId": REFERENCE, "amount": 33_000}
    assert request.headers["idempotency-key"] == f"{REFERENCE}-confirm-1"
    basic = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
    assert basic == "test_sk_haru:"
    assert request.extensions["timeout"]["read"] == 60


async def test_a_refund_says_which_it_is_and_what_we_believe_is_left(toss: Toss, pg: Pg) -> None:
    await toss.refund(REFUND, ATTEMPT)
    [request] = pg.requests
    assert request.url == "https://toss.test/v1/payments/tkey/cancel"
    assert json.loads(request.content) == {
        "cancelReason": f"고객 변심 {REFUND.reference}",
        "cancelAmount": 33_000,
        "currency": "KRW",
        "refundableAmount": 33_000,
    }
    assert request.headers["idempotency-key"] == f"{REFUND.reference}-refund-1"
    assert request.extensions["timeout"]["read"] == 60


async def test_what_begins_has_every_field_that_the_window_needs(toss: Toss) -> None:
    widget = await toss.begin(ATTEMPT, Urls("https://shop.test/ok", "https://shop.test/no"))
    request = widget.params["request"]
    assert request["amount"] == {"currency": "KRW", "value": 33_000}
    assert (request["orderId"], request["method"]) == (REFERENCE, "CARD")
    assert (request["successUrl"], request["failUrl"]) == ("https://shop.test/ok", "https://shop.test/no")
    assert widget.params["customerKey"] == "@@ANONYMOUS"
    assert "test_sk_haru" not in json.dumps(widget.params)


async def test_names_beyond_toss_s_limits_are_shortened_or_left_out(toss: Toss) -> None:
    attempt = replace(ATTEMPT, order_name="가" * 150, customer_email="m" * 90 + "@example.com")
    request = (await toss.begin(attempt, Urls("https://a.test", "https://b.test"))).params["request"]
    assert request["orderName"] == "가" * 100
    assert "customerEmail" not in request


RETURN = {"paymentKey": "tkey", "orderId": REFERENCE, "amount": "33000"}


@pytest.mark.parametrize(
    ("query", "claim"),
    [
        (RETURN, CLAIM),
        ({**RETURN, "paymentType": "NORMAL"}, CLAIM),
        (
            {"code": "PAY_PROCESS_CANCELED", "message": "취소"},
            Claim(None, failure="PAY_PROCESS_CANCELED", left=True),
        ),
        ({"code": "USER_CANCEL"}, Claim(None, failure="USER_CANCEL", left=True)),
        (
            {"code": "REJECT_CARD_COMPANY", "orderId": REFERENCE},
            Claim(REFERENCE, failure="REJECT_CARD_COMPANY"),
        ),
    ],
)
async def test_a_return_is_read(toss: Toss, query: dict[str, str], claim: Claim) -> None:
    assert toss.read(Notice(query)) == claim


SENSELESS: list[dict[str, str]] = [
    {},
    {"code": ""},
    {"message": "x"},
    {**RETURN, "amount": "33000.0"},
    {**RETURN, "amount": "1" * 5000},
    {**RETURN, "paymentKey": ""},
    {**RETURN, "paymentKey": "../confirm"},
    {"paymentKey": "tkey"},
]


@pytest.mark.parametrize("query", SENSELESS, ids=str)
async def test_a_senseless_return_is_unreadable(toss: Toss, query: dict[str, str]) -> None:
    with pytest.raises(Unreadable):
        toss.read(Notice(query))


async def test_nothing_secret_stands_in_what_is_printed(toss: Toss) -> None:
    assert "test_sk_haru" not in repr(ACCOUNT)
    assert "minji@example.com" not in repr(ATTEMPT)


# Ways beside the card


@pytest.mark.parametrize(
    ("way", "asked"),
    [
        ("card", {"method": "CARD", "card": {"flowMode": "DEFAULT"}}),
        ("tosspay", {"method": "CARD", "card": {"flowMode": "DIRECT", "easyPay": "TOSSPAY"}}),
        ("kakaopay", {"method": "CARD", "card": {"flowMode": "DIRECT", "easyPay": "KAKAOPAY"}}),
        ("naverpay", {"method": "CARD", "card": {"flowMode": "DIRECT", "easyPay": "NAVERPAY"}}),
        ("transfer", {"method": "TRANSFER"}),
        (
            "virtual_account",
            {"method": "VIRTUAL_ACCOUNT", "virtualAccount": {"validHours": 72, "cashReceipt": {"type": "미발행"}}},
        ),
    ],
)
async def test_each_way_asks_for_its_own_window(toss: Toss, way: str, asked: dict[str, Any]) -> None:
    request = (await toss.begin(replace(ATTEMPT, way=way), Urls("https://a.test", "https://b.test"))).params["request"]
    assert {name: request[name] for name in asked} == asked
    assert Toss.traits.ways.keys() >= {way}


@pytest.mark.parametrize(("attempt", "found"), [(ATTEMPT, VIRTUAL), (BY_DEPOSIT, {"method": "카드"})])
async def test_a_return_with_another_kind_of_way_is_not_confirmed(
    toss: Toss, pg: Pg, attempt: Attempt, found: dict[str, Any]
) -> None:
    pg.lookup = (200, payment(**{**found, "status": "IN_PROGRESS"}))
    with pytest.raises(Unreadable):
        await toss.examine(attempt, CLAIM)


async def test_an_issued_account_is_told_with_its_secret(toss: Toss, pg: Pg) -> None:
    pg.confirm = (200, payment(status="WAITING_FOR_DEPOSIT", **VIRTUAL))
    outcome = await toss.conclude(BY_DEPOSIT, CLAIM)
    due_at = datetime(2026, 9, 17, 14, 59, 59, tzinfo=UTC)
    assert outcome.deposit == Deposit("우리은행", "X6505636518308", "홍길동", due_at)
    assert (outcome.secret, outcome.closed) == ("ps_x1Y2z3W4v5U6", False)


@pytest.mark.parametrize(("days", "closed"), [(8, False), (12, True)])
async def test_an_account_whose_time_is_over_has_expired_and_stays_watched_for_days(
    toss: Toss, pg: Pg, monkeypatch: pytest.MonkeyPatch, days: int, closed: bool
) -> None:
    monkeypatch.setattr("app.clock.now", lambda: BEGUN + timedelta(days=days))
    over = {**VIRTUAL, "virtualAccount": {**VIRTUAL["virtualAccount"], "expired": True}}
    pg.lookup = (200, payment(status="WAITING_FOR_DEPOSIT", **over))
    outcome = await toss.conclude(BY_DEPOSIT, None)
    assert (outcome.status, outcome.closed) == (OutcomeStatus.EXPIRED, closed)


@pytest.mark.parametrize(("days", "closed"), [(8, False), (12, True)])
async def test_a_deposit_is_watched_while_its_bank_may_take_it_back(
    toss: Toss, pg: Pg, monkeypatch: pytest.MonkeyPatch, days: int, closed: bool
) -> None:
    monkeypatch.setattr("app.clock.now", lambda: BEGUN + timedelta(days=days))
    pg.lookup = (200, payment(**{**VIRTUAL, "status": "DONE", "approvedAt": "2026-09-11T10:00:00+09:00"}))
    outcome = await toss.conclude(BY_DEPOSIT, None)
    assert (outcome.status, outcome.closed) == (OutcomeStatus.PAID, closed)


async def test_closing_cancels_an_account_that_waits(toss: Toss, pg: Pg) -> None:
    pg.lookup = (200, payment(status="WAITING_FOR_DEPOSIT", **VIRTUAL))
    pg.cancel = (200, payment(**{**VIRTUAL, "status": "CANCELED", "balanceAmount": 0}))
    outcome = await toss.close(BY_DEPOSIT)
    assert (outcome.status, outcome.captured, outcome.closed) == (OutcomeStatus.CANCELLED, 0, True)
    [_, request] = pg.requests
    assert json.loads(request.content)["cancelAmount"] == 33_000


async def test_closing_finds_a_deposit_that_was_faster(toss: Toss, pg: Pg) -> None:
    paid = payment(**{**VIRTUAL, "status": "DONE", "approvedAt": "2026-09-11T10:00:00+09:00"})
    waiting = iter([payment(status="WAITING_FOR_DEPOSIT", **VIRTUAL), paid, paid])
    pg.__class__ = type("Changing", (Pg,), {"lookup": property(lambda _: (200, next(waiting)), lambda *_: None)})
    pg.cancel = (400, error("INVALID_REQUEST"))
    assert (await toss.close(BY_DEPOSIT)).status is OutcomeStatus.PAID


async def test_closing_another_payment_asks_only(toss: Toss, pg: Pg) -> None:
    await toss.close(ATTEMPT)
    assert [request.method for request in pg.requests] == ["GET"]


async def test_a_deposit_goes_back_to_a_named_account(toss: Toss, pg: Pg) -> None:
    with pytest.raises(NeedsReceiver):
        await toss.refund(REFUND, BY_DEPOSIT)
    assert pg.requests == []
    await toss.refund(replace(REFUND, receiver=BankAccount("20", "1002123456789", "홍길동")), BY_DEPOSIT)
    receiver = {"bank": "20", "accountNumber": "1002123456789", "holderName": "홍길동"}
    assert json.loads(pg.requests[0].content)["refundReceiveAccount"] == receiver


@pytest.mark.parametrize("code", ["INVALID_REFUND_ACCOUNT_INFO", "INVALID_REFUND_ACCOUNT_NUMBER", "INVALID_BANK"])
async def test_an_account_that_is_not_taken_is_asked_for_again(toss: Toss, pg: Pg, code: str) -> None:
    pg.cancel = (400, error(code))
    with pytest.raises(NeedsReceiver):
        await toss.refund(replace(REFUND, receiver=BankAccount("20", "1", "홍길동")), BY_DEPOSIT)


@pytest.mark.parametrize(
    ("word", "status"),
    [("PENDING", "pending"), ("COMPLETED", "succeeded"), ("FAILED", "failed"), ("PARTIAL_FAILED", "pending")],
)
async def test_a_deposit_is_back_when_the_bank_has_sent_it(toss: Toss, pg: Pg, word: str, status: str) -> None:
    account = {**VIRTUAL["virtualAccount"], "refundStatus": word}
    done = {"status": "CANCELED", "approvedAt": "2026-09-11T10:00:00+09:00", "virtualAccount": account}
    cancels = [{"cancelAmount": 33_000, "cancelReason": "상점 관리자", "transactionKey": "txrd_9"}]
    pg.lookup = (200, payment(**{**VIRTUAL, **done, "balanceAmount": 0, "cancels": cancels}))
    outcome = await toss.conclude(BY_DEPOSIT, None)
    assert (outcome.refunded, outcome.refunds) == (33_000, (RefundSeen("txrd_9", None, 33_000, status),))


# The list of transactions


def row(number: int, status: str = "DONE", **changed: Any) -> dict[str, Any]:
    return {
        "mId": "haru01",
        "transactionKey": f"txrd_{number}",
        "paymentKey": "tkey",
        "orderId": REFERENCE,
        "status": status,
        "transactionAt": "2026-09-10T15:30:58+09:00",
        "currency": "KRW",
        "amount": 33_000,
        **changed,
    }


async def listed(toss: Toss) -> list[Transaction]:
    return [each async for each in toss.transactions(BEGUN, BEGUN + timedelta(days=1))]


async def test_the_list_is_read_page_by_page_in_korean_time(toss: Toss, pg: Pg) -> None:
    pages = iter([[row(number) for number in range(1000)], [row(1000, "PARTIAL_CANCELED", amount=-11_000)]])
    pg.__class__ = type("Paging", (Pg,), {"lookup": property(lambda _: (200, next(pages)), lambda *_: None)})
    rows = await listed(toss)
    assert len(rows) == 1001
    assert (rows[0].kind, rows[0].reference, rows[0].amount) == ("captured", REFERENCE, 33_000)
    assert (rows[-1].kind, rows[-1].pg_id, rows[-1].amount) == ("refunded", "txrd_1000", 11_000)
    first, second = (dict(request.url.params) for request in pg.requests)
    assert (first["startDate"], first["endDate"]) == ("2026-09-10T15:30:00", "2026-09-11T15:29:59")
    assert ("startingAfter" in first, second["startingAfter"]) == (False, "txrd_999")


async def test_a_list_that_does_not_go_on_is_no_answer(toss: Toss, pg: Pg) -> None:
    pg.lookup = (200, [row(number) for number in range(1000)])
    with pytest.raises(Unreachable, match="does not go on"):
        await listed(toss)


@pytest.mark.parametrize("answer", [{"code": "x"}, [{"status": "DONE"}], [1], "<html>"])
async def test_a_list_that_cannot_be_read_is_no_answer(toss: Toss, pg: Pg, answer: Any) -> None:
    pg.lookup = (200, answer)
    with pytest.raises(Unreachable):
        await listed(toss)


async def test_rows_without_money_and_of_others_are_told_apart(toss: Toss, pg: Pg) -> None:
    pg.lookup = (200, [row(1, "READY"), row(2, orderId="someone-elses")])
    [only] = await listed(toss)
    assert (only.pg_id, only.reference) == ("txrd_2", None)


@pytest.mark.parametrize(
    ("keys", "mode"),
    [(("test_ck_a", "test_sk_a"), "test"), (("live_ck_a", "live_sk_a"), "live")],
)
def test_the_keys_tell_which_money_they_move(keys: tuple[str, str], mode: str) -> None:
    assert Toss.mode_of({"client_key": keys[0], "secret_key": keys[1]}) == mode


@pytest.mark.parametrize("keys", [("test_ck_a", "live_sk_a"), ("test_gck_a", "test_gsk_a"), ("", "")])
def test_keys_that_do_not_belong_together_are_refused(keys: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="one pair"):
        Toss.mode_of({"client_key": keys[0], "secret_key": keys[1]})
