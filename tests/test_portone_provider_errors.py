"""What the PortOne provider makes of each error that PortOne documents, and of answers that are none."""

from collections.abc import Awaitable, Iterator
from dataclasses import replace

import httpx
import pytest

from app.payments.provider import (
    Misconfigured,
    NeedsReceiver,
    Outcome,
    OutcomeStatus,
    Refused,
    Unreachable,
)
from app.payments.providers.portone import PortOne
from app.payments.providers.portone_errors import DECISIONS
from tests.portone_pg import (
    ATTEMPT,
    CLAIM,
    DEPOSIT_ATTEMPT,
    DEPOSITED,
    FAILED,
    NOT_FOUND,
    NOW,
    PAID,
    PARTLY_CANCELLED,
    READY,
    RECEIVER,
    REFERENCE,
    REFUND,
    REFUND_REFERENCE,
    Answer,
    Pg,
    cancellation,
    error,
    payment,
)

DEPOSIT_REFUND = replace(REFUND, receiver=RECEIVER)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.clock.now", lambda: NOW)


def codes(status: int, names: str) -> list[tuple[int, str]]:
    return [(status, name) for name in names.split()]


# Every type of error in PortOne's documents for our calls, by what it means for us.
AGAIN_WITH_THE_SAME_KEY = codes(409, "IDEMPOTENCY_OUTSTANDING_REQUEST") + codes(429, "TOO_MANY_REQUESTS")
OUR_KEYS_ARE_WRONG = codes(401, "UNAUTHORIZED A_TYPE_OF_TOMORROW") + codes(403, "FORBIDDEN A_TYPE_OF_TOMORROW")
LOOK_FIRST = (
    codes(
        409,
        "ALREADY_PAID PAYMENT_ALREADY_CANCELLED CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN "
        "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT CANCEL_TAX_AMOUNT_EXCEEDS_CANCELLABLE_TAX_AMOUNT "
        "CANCEL_TAX_FREE_AMOUNT_EXCEEDS_CANCELLABLE_TAX_FREE_AMOUNT SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT "
        "SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT",
    )
    + codes(502, "PG_PROVIDER")
    + codes(500, "A_TYPE_OF_TOMORROW")
)
FINAL = (
    codes(
        400,
        "INVALID_REQUEST INVALID_PAYMENT_TOKEN MAX_TRANSACTION_COUNT_REACHED MAX_WEBHOOK_RETRY_COUNT_REACHED "
        "DISCOUNT_AMOUNT_EXCEEDS_TOTAL_AMOUNT PROMOTION_PAY_METHOD_DOES_NOT_MATCH "
        "NEGATIVE_PROMOTION_ADJUSTED_CANCEL_AMOUNT PROMOTION_DISCOUNT_RETAIN_OPTION_SHOULD_NOT_BE_CHANGED "
        "A_TYPE_OF_TOMORROW",
    )
    + codes(
        404,
        "PAYMENT_NOT_FOUND CHANNEL_NOT_FOUND BILLING_KEY_NOT_FOUND WEBHOOK_NOT_FOUND PAYMENT_CANCELLATION_NOT_FOUND",
    )
    + codes(
        409,
        "PAYMENT_NOT_PAID INFORMATION_MISMATCH MAX_CANCEL_COUNT_REACHED PAYMENT_NOT_WAITING_FOR_DEPOSIT "
        "PAYMENT_CANCELLATION_NOT_PENDING PAYMENT_SCHEDULE_ALREADY_EXISTS",
    )
)


def test_every_documented_error_has_a_decision_and_no_other_one() -> None:
    documented = {
        name for group in (AGAIN_WITH_THE_SAME_KEY, OUR_KEYS_ARE_WRONG, LOOK_FIRST, FINAL) for _, name in group
    }
    assert set(DECISIONS) == documented - {"TOO_MANY_REQUESTS", "A_TYPE_OF_TOMORROW"}


# Errors of a confirm


@pytest.mark.parametrize(("status", "code"), AGAIN_WITH_THE_SAME_KEY)
async def test_a_confirm_that_still_runs_is_no_answer(status: int, code: str) -> None:
    with pytest.raises(Unreachable):
        await Pg(PAID, confirm=(status, error(code))).portone().conclude(ATTEMPT, CLAIM)


def calls(portone: PortOne) -> Iterator[Awaitable[Outcome]]:
    yield portone.conclude(ATTEMPT, CLAIM)
    yield portone.conclude(ATTEMPT, None)
    yield portone.examine(ATTEMPT, CLAIM)
    yield portone.close(ATTEMPT)
    yield portone.refund(REFUND, ATTEMPT)


@pytest.mark.parametrize(("status", "code"), OUR_KEYS_ARE_WRONG)
async def test_a_refused_key_is_the_owners_to_mend(status: int, code: str) -> None:
    refusal = (status, error(code))
    for call in calls(Pg(refusal, confirm=refusal, cancel=refusal).portone()):
        with pytest.raises(Misconfigured, match=code):
            await call


@pytest.mark.parametrize(("status", "code"), LOOK_FIRST)
@pytest.mark.parametrize(
    ("found", "meaning", "retry_key"),
    [(PAID, "paid", False), (FAILED, "failed", False), (READY, "authorized", True), (NOT_FOUND, "authorized", True)],
)
async def test_after_an_error_that_says_nothing_the_look_up_decides(
    status: int, code: str, found: Answer, meaning: str, retry_key: bool
) -> None:
    pg = Pg(found, confirm=(status, error(code)))
    outcome = await pg.portone().conclude(ATTEMPT, CLAIM)
    assert (outcome.status, outcome.retry_key, outcome.closed) == (meaning, retry_key, meaning == "paid")
    assert pg.asked == ["POST /confirm", "GET "]


@pytest.mark.parametrize(("status", "code"), [*LOOK_FIRST, *FINAL])
@pytest.mark.parametrize("lookup", [httpx.ReadTimeout(""), (401, error("UNAUTHORIZED")), (502, "<html>")])
async def test_without_that_look_up_nothing_is_known(status: int, code: str, lookup: Answer) -> None:
    pg = Pg(lookup, confirm=(status, error(code)), cancel=(status, error(code)))
    with pytest.raises(Unreachable):
        await pg.portone().conclude(ATTEMPT, CLAIM)
    with pytest.raises(Unreachable):
        await pg.portone().refund(REFUND, ATTEMPT)


@pytest.mark.parametrize(("status", "code"), FINAL)
async def test_a_refusal_ends_the_attempt_but_not_the_payment(status: int, code: str) -> None:
    outcome = await Pg(READY, confirm=(status, error(code))).portone().conclude(ATTEMPT, CLAIM)
    assert (outcome.status, outcome.failure, outcome.closed) == (OutcomeStatus.FAILED, code, False)
    assert (outcome.reference, outcome.captured, outcome.retry_key) == (REFERENCE, 0, False)


@pytest.mark.parametrize(("status", "code"), FINAL)
async def test_a_refusal_that_the_look_up_contradicts_is_not_believed(status: int, code: str) -> None:
    outcome = await Pg(PAID, confirm=(status, error(code))).portone().conclude(ATTEMPT, CLAIM)
    assert (outcome.status, outcome.failure) == (OutcomeStatus.PAID, None)


async def test_what_the_pg_behind_it_refuses_is_told_in_its_own_words() -> None:
    pg = Pg(READY, confirm=(502, error("PG_PROVIDER", "REJECT_CARD_COMPANY")))
    outcome = await pg.portone().conclude(ATTEMPT, CLAIM)
    assert (outcome.status, outcome.failure, outcome.closed) == (OutcomeStatus.FAILED, "REJECT_CARD_COMPANY", False)


async def test_a_fault_of_the_pg_behind_it_is_tried_again_with_another_key() -> None:
    pg = Pg(READY, confirm=(502, error("PG_PROVIDER", "PROVIDER_ERROR")))
    outcome = await pg.portone().conclude(ATTEMPT, CLAIM)
    assert (outcome.status, outcome.retry_key) == (OutcomeStatus.AUTHORIZED, True)


async def test_keys_refused_after_a_confirm_say_nothing_about_it() -> None:
    with pytest.raises(Unreachable):
        await Pg((401, error("UNAUTHORIZED"))).portone().conclude(ATTEMPT, CLAIM)


async def test_a_confirm_that_the_look_up_does_not_show_yet_keeps_its_key() -> None:
    outcome = await Pg(READY).portone().conclude(ATTEMPT, CLAIM)
    assert (outcome.status, outcome.retry_key) == (OutcomeStatus.AUTHORIZED, False)


# Errors of a cancel


@pytest.mark.parametrize(("status", "code"), AGAIN_WITH_THE_SAME_KEY)
async def test_a_refund_that_still_runs_is_no_answer(status: int, code: str) -> None:
    with pytest.raises(Unreachable):
        await Pg(PAID, cancel=(status, error(code))).portone().refund(REFUND, ATTEMPT)


@pytest.mark.parametrize(("status", "code"), LOOK_FIRST)
async def test_a_refund_that_may_have_been_done_is_looked_up(status: int, code: str) -> None:
    answer = (status, error(code))
    undone = await Pg(PAID, cancel=answer).portone().refund(REFUND, ATTEMPT)
    assert (undone.status, undone.refunds, undone.retry_key) == (OutcomeStatus.PAID, (), True)
    done = await Pg(PARTLY_CANCELLED, cancel=answer).portone().refund(REFUND, ATTEMPT)
    assert (done.refunds[0].reference, done.retry_key) == (REFUND_REFERENCE, False)


@pytest.mark.parametrize(("status", "code"), FINAL)
async def test_a_refund_refused_for_good_says_so_unless_it_was_done(status: int, code: str) -> None:
    answer = (status, error(code))
    with pytest.raises(Refused, match=code):
        await Pg(PAID, cancel=answer).portone().refund(REFUND, ATTEMPT)
    done = await Pg(PARTLY_CANCELLED, cancel=answer).portone().refund(REFUND, ATTEMPT)
    assert done.refunds[0].reference == REFUND_REFERENCE


async def test_a_refund_that_failed_before_is_not_taken_for_done() -> None:
    found = payment(paidAt="2026-09-10T06:30:58Z", cancellations=[cancellation("FAILED")])
    outcome = await Pg(found, cancel=(502, error("PG_PROVIDER", "PROVIDER_ERROR"))).portone().refund(REFUND, ATTEMPT)
    assert (outcome.retry_key, outcome.refunds[0].status) == (True, "failed")


async def test_what_the_pg_behind_it_will_not_give_back_is_refused() -> None:
    pg = Pg(PAID, cancel=(502, error("PG_PROVIDER", "EXCEED_MAX_REFUND_DUE")))
    with pytest.raises(Refused, match="EXCEED_MAX_REFUND_DUE"):
        await pg.portone().refund(REFUND, ATTEMPT)


async def test_an_answer_is_not_yet_a_refund() -> None:
    waiting = payment(paidAt="2026-09-10T06:30:58Z", cancellations=[cancellation("REQUESTED")])
    pg = Pg(waiting, cancel=(200, {"cancellation": cancellation("REQUESTED")}))
    outcome = await pg.portone().refund(REFUND, ATTEMPT)
    assert (outcome.refunds[0].status, outcome.refunded) == ("pending", 0)
    with pytest.raises(Refused, match="CANCELLATION_FAILED"):
        await Pg(PAID, cancel=(200, {"cancellation": cancellation("FAILED")})).portone().refund(REFUND, ATTEMPT)


@pytest.mark.parametrize("body", [{}, {"cancellation": {}}, {"cancellation": {"status": "LATER"}}, {"cancellation": 1}])
async def test_a_refund_that_cannot_be_read_is_no_answer(body: dict) -> None:
    with pytest.raises(Unreachable):
        await Pg(PAID, cancel=(200, body)).portone().refund(REFUND, ATTEMPT)


async def test_a_deposit_needs_an_account_before_anything_is_asked() -> None:
    pg = Pg(DEPOSITED)
    with pytest.raises(NeedsReceiver):
        await pg.portone().refund(REFUND, DEPOSIT_ATTEMPT)
    assert pg.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        (502, error("PG_PROVIDER", "INVALID_REFUND_ACCOUNT_INFO")),
        (502, error("PG_PROVIDER", "INVALID_REFUND_ACCOUNT_NUMBER")),
        (502, error("PG_PROVIDER", "INVALID_BANK")),
        (502, error("PG_PROVIDER", "FORBIDDEN_BANK_REFUND_REQUEST")),
        (400, error("INVALID_REQUEST")),
    ],
)
async def test_an_account_that_is_not_taken_is_asked_for_again(answer: Answer) -> None:
    with pytest.raises(NeedsReceiver):
        await Pg(DEPOSITED, cancel=answer).portone().refund(DEPOSIT_REFUND, DEPOSIT_ATTEMPT)


async def test_a_deposit_in_place_of_a_card_needs_an_account_too() -> None:
    with pytest.raises(NeedsReceiver):
        await Pg(DEPOSITED, cancel=(400, error("INVALID_REQUEST"))).portone().refund(REFUND, ATTEMPT)


async def test_a_fault_of_the_bank_is_not_the_accounts() -> None:
    pg = Pg(DEPOSITED, cancel=(502, error("PG_PROVIDER", "NOT_AVAILABLE_BANK")))
    assert (await pg.portone().refund(DEPOSIT_REFUND, DEPOSIT_ATTEMPT)).retry_key


# No answers


NO_ANSWERS: list[Answer] = [
    httpx.ConnectError(""),
    httpx.ReadTimeout(""),
    httpx.RemoteProtocolError(""),
    (502, "<html>Bad Gateway</html>"),
    (200, "OK"),
    (200, []),
    (200, {}),
    (404, {}),
    (500, {}),
    (503, error("A_TYPE_OF_TOMORROW")),
]


@pytest.mark.parametrize("answer", NO_ANSWERS, ids=str)
async def test_what_cannot_be_read_is_no_answer(answer: Answer) -> None:
    for call in calls(Pg(answer, confirm=answer, cancel=answer).portone()):
        with pytest.raises(Unreachable):
            await call
