"""The Stripe provider: a decision for every error of Stripe's, and nothing believed that cannot be read."""

from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app import clock
from app.payments.provider import Misconfigured, OutcomeStatus, Refused, Unreachable
from app.payments.providers.decisions import Decision
from app.payments.providers.stripe import Stripe
from app.payments.providers.stripe_errors import DECISIONS, StripeError
from tests.stripe_pg import (
    ACCOUNT,
    BY_INTENT,
    BY_SESSION,
    CREATED,
    INTENTS,
    NEW,
    PAID_SESSION,
    REFUND,
    REFUNDS,
    SESSIONS,
    URLS,
    Answer,
    Pg,
    charge,
    dispute,
    error,
    intent,
    refund,
    rows,
    session,
)


@pytest.fixture
def pg() -> Pg:
    return Pg()


@pytest.fixture
async def stripe(pg: Pg, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stripe]:
    monkeypatch.setattr(clock, "now", lambda: CREATED + timedelta(minutes=1))
    async with httpx.AsyncClient(transport=httpx.MockTransport(pg)) as http:
        yield Stripe(ACCOUNT, http)


# Every error that Stripe documents, as (HTTP status, code, type), by what it means for us.
CARD = "card_error"
AGAIN_WITH_THE_SAME_KEY = [
    (409, "idempotency_key_in_use", "invalid_request_error"),
    (409, None, "invalid_request_error"),
    (424, None, "api_error"),
    (429, "rate_limit", "invalid_request_error"),
    (429, "lock_timeout", "invalid_request_error"),
    (429, None, "invalid_request_error"),
]
OUR_KEYS_ARE_WRONG = [
    (401, None, "invalid_request_error"),
    (401, "api_key_expired", "invalid_request_error"),
    (403, None, "invalid_request_error"),
    (404, "resource_missing", "invalid_request_error"),
]
LOOK_FIRST = [
    (400, "payment_intent_unexpected_state", "invalid_request_error"),
    (400, "charge_already_refunded", "invalid_request_error"),
    (400, None, "idempotency_error"),
    (500, None, "api_error"),
    (502, None, "api_error"),
    (503, None, "api_error"),
    (504, None, "api_error"),
    (503, "a_code_of_tomorrow", "api_error"),
    (500, "amount_too_small", "api_error"),
]
FINAL = [
    (400, None, "invalid_request_error"),
    (400, "parameter_missing", "invalid_request_error"),
    (400, "parameter_unknown", "invalid_request_error"),
    (400, "parameter_invalid_empty", "invalid_request_error"),
    (400, "parameter_invalid_integer", "invalid_request_error"),
    (400, "parameter_invalid_string_blank", "invalid_request_error"),
    (400, "parameter_invalid_string_empty", "invalid_request_error"),
    (400, "amount_too_small", "invalid_request_error"),
    (400, "amount_too_large", "invalid_request_error"),
    (400, "charge_disputed", "invalid_request_error"),
    (402, None, CARD),
    (402, "card_declined", CARD),
    (402, "expired_card", CARD),
    (402, "incorrect_cvc", CARD),
    (402, "incorrect_number", CARD),
    (402, "processing_error", CARD),
    (402, "authentication_required", CARD),
    (402, "try_again_later", CARD),
    (402, "issuer_not_available", CARD),
    (400, "a_code_of_tomorrow", "invalid_request_error"),
]
ALL = {
    Decision.RETRY: AGAIN_WITH_THE_SAME_KEY,
    Decision.MISCONFIGURED: OUR_KEYS_ARE_WRONG,
    Decision.LOOK_UP: LOOK_FIRST,
    Decision.FINAL: FINAL,
}
NOT_IN_THE_TABLE = {"a_code_of_tomorrow", "api_key_expired"}


def answer_of(case: tuple[int, str | None, str]) -> Answer:
    status, code, kind = case
    return status, error(code, kind)


def test_every_documented_code_has_a_decision() -> None:
    documented = {code or kind for cases in ALL.values() for _, code, kind in cases} - NOT_IN_THE_TABLE
    assert documented == set(DECISIONS)
    for decision, cases in ALL.items():
        for status, code, kind in cases:
            assert StripeError(status, code or kind).decision is decision, (status, code, kind)


def every_call(stripe: Stripe) -> dict[str, Callable[[], Coroutine[Any, Any, Any]]]:
    return {
        "begin": lambda: stripe.begin(NEW, URLS),
        "begin again": lambda: stripe.begin(BY_SESSION, URLS),
        "conclude a session": lambda: stripe.conclude(BY_SESSION, None),
        "conclude an intent": lambda: stripe.conclude(BY_INTENT, None),
        "close a session": lambda: stripe.close(BY_SESSION),
        "close an intent": lambda: stripe.close(BY_INTENT),
        "refund": lambda: stripe.refund(REFUND, BY_SESSION),
        "transactions": lambda: listed(stripe),
    }


async def listed(stripe: Stripe) -> list:
    return [row async for row in stripe.transactions(CREATED, CREATED + timedelta(days=1))]


def everything(pg: Pg, answer: Answer) -> None:
    for call in pg.answers:
        pg[call] = answer


@pytest.mark.parametrize("case", AGAIN_WITH_THE_SAME_KEY, ids=str)
async def test_what_still_runs_is_no_answer(stripe: Stripe, pg: Pg, case: tuple) -> None:
    everything(pg, answer_of(case))
    for call in every_call(stripe).values():
        with pytest.raises(Unreachable):
            await call()


@pytest.mark.parametrize("case", OUR_KEYS_ARE_WRONG, ids=str)
async def test_refused_keys_are_the_owners_to_mend(stripe: Stripe, pg: Pg, case: tuple) -> None:
    everything(pg, answer_of(case))
    for call in every_call(stripe).values():
        with pytest.raises(Misconfigured, match=case[1] or case[2]):
            await call()


@pytest.mark.parametrize("case", LOOK_FIRST, ids=str)
async def test_a_begin_that_may_have_been_done_is_no_answer(stripe: Stripe, pg: Pg, case: tuple) -> None:
    pg[f"POST {INTENTS}"] = answer_of(case)
    with pytest.raises(Unreachable):
        await stripe.begin(NEW, URLS)


@pytest.mark.parametrize("case", FINAL, ids=str)
async def test_a_begin_refused_for_good_was_not_done(stripe: Stripe, pg: Pg, case: tuple) -> None:
    pg[f"POST {INTENTS}"] = answer_of(case)
    with pytest.raises(Misconfigured, match=case[1] or case[2]):
        await stripe.begin(NEW, URLS)


@pytest.mark.parametrize("case", [*LOOK_FIRST, *FINAL], ids=str)
async def test_a_look_up_that_fails_says_nothing(stripe: Stripe, pg: Pg, case: tuple) -> None:
    everything(pg, answer_of(case))
    for name in ("conclude a session", "conclude an intent", "close a session", "refund", "transactions"):
        with pytest.raises(Unreachable):
            await every_call(stripe)[name]()


@pytest.mark.parametrize("case", LOOK_FIRST, ids=str)
async def test_a_refund_that_may_have_been_done_is_looked_up(stripe: Stripe, pg: Pg, case: tuple) -> None:
    pg[f"POST {REFUNDS}"] = answer_of(case)
    outcome = await stripe.refund(REFUND, BY_SESSION)
    assert (outcome.status, outcome.refunds, outcome.retry_key) == (OutcomeStatus.PAID, (), True)


@pytest.mark.parametrize("case", LOOK_FIRST, ids=str)
@pytest.mark.parametrize("looked", [httpx.ReadTimeout(""), (401, error(None))], ids=str)
async def test_without_that_look_up_nothing_is_known(stripe: Stripe, pg: Pg, case: tuple, looked: Answer) -> None:
    """That our keys are refused now says nothing of a refund that was asked for before."""
    pg[f"POST {REFUNDS}"] = answer_of(case)
    pg[f"GET {SESSIONS}/cs_test_haru"] = [(200, PAID_SESSION), looked]
    with pytest.raises(Unreachable):
        await stripe.refund(REFUND, BY_SESSION)


async def test_keys_refused_after_a_refund_say_nothing_about_it(stripe: Stripe, pg: Pg) -> None:
    pg[f"GET {SESSIONS}/cs_test_haru"] = [(200, PAID_SESSION), (401, error(None))]
    with pytest.raises(Unreachable):
        await stripe.refund(REFUND, BY_SESSION)


async def test_keys_refused_after_a_close_say_nothing_about_it(stripe: Stripe, pg: Pg) -> None:
    pg[f"POST {SESSIONS}/cs_test_haru/expire"] = (500, error(None, "api_error"))
    pg[f"GET {SESSIONS}/cs_test_haru"] = (401, error(None))
    with pytest.raises(Unreachable):
        await stripe.close(BY_SESSION)


@pytest.mark.parametrize("case", FINAL, ids=str)
async def test_a_refund_refused_for_good_says_so(stripe: Stripe, pg: Pg, case: tuple) -> None:
    pg[f"POST {REFUNDS}"] = answer_of(case)
    with pytest.raises(Refused, match=case[1] or case[2]):
        await stripe.refund(REFUND, BY_SESSION)


NO_ANSWERS: list[Answer] = [
    httpx.ConnectError(""),
    httpx.ReadTimeout(""),
    httpx.RemoteProtocolError(""),
    (502, "<html>Bad Gateway</html>"),
    (200, "OK"),
    (200, []),
    (200, {}),
    (404, {}),
    (400, {"error": "Bad request"}),
    (400, {"error": {}}),
    (400, {"error": {"code": 7}}),
    (500, {}),
]


@pytest.mark.parametrize("answer", NO_ANSWERS, ids=str)
async def test_what_is_no_answer_is_never_a_no(stripe: Stripe, pg: Pg, answer: Answer) -> None:
    everything(pg, answer)
    for call in every_call(stripe).values():
        with pytest.raises(Unreachable):
            await call()


def without(found: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != field}


INTENT_FIELDS = "object status amount amount_received currency id livemode latest_charge".split()
SESSION_FIELDS = "object status payment_status payment_intent livemode".split()
CHARGE_FIELDS = "amount_refunded created".split()
UNREADABLE = [
    *(without(intent(), field) for field in INTENT_FIELDS),
    *(intent(latest_charge=without(charge(), field)) for field in CHARGE_FIELDS),
    *(without(PAID_SESSION, field) for field in SESSION_FIELDS),
    without(session(), "amount_total"),
    without(session(), "currency"),
    intent("a_status_of_tomorrow"),
    intent(latest_charge=None),
    intent(latest_charge="ch_not_expanded"),
    intent(id=""),
    intent(amount="33000"),
    intent(amount=33_000.0),
    intent(amount_received=True),
    intent(currency=None),
    intent(livemode="false"),
    intent(latest_charge=charge(created=10**30)),
    session("a_status_of_tomorrow"),
    session(paid="a_word_of_tomorrow"),
    session("complete", "no_payment_required"),
    session("complete", "paid"),
    session("complete", "paid", payment_intent=intent("processing")),
    session("complete", "paid", payment_intent="pi_not_expanded"),
    session("complete", payment_intent=intent("a_status_of_tomorrow")),
    session("complete", payment_intent={**intent(), "object": "setup_intent"}),
    session(metadata="x", client_reference_id=None),
]


@pytest.mark.parametrize("found", UNREADABLE)
async def test_what_cannot_be_read_is_no_answer(stripe: Stripe, pg: Pg, found: dict) -> None:
    for call in (f"GET {SESSIONS}/cs_test_haru", f"GET {INTENTS}/pi_haru", f"POST {INTENTS}/pi_haru/cancel"):
        pg[call] = (200, found)
    for call in (stripe.conclude(BY_SESSION, None), stripe.conclude(BY_INTENT, None), stripe.close(BY_INTENT)):
        with pytest.raises(Unreachable):
            await call


UNREADABLE_REFUNDS = [
    refund(status="a_status_of_tomorrow"),
    refund(amount=None),
    refund(id=None),
    without(refund(), "status"),
]


@pytest.mark.parametrize("found", UNREADABLE_REFUNDS)
async def test_a_refund_that_cannot_be_read_is_no_answer(stripe: Stripe, pg: Pg, found: dict) -> None:
    pg[f"POST {REFUNDS}"] = (200, found)
    with pytest.raises(Unreachable):
        await stripe.refund(REFUND, BY_SESSION)
    pg[f"GET {REFUNDS}"] = (200, rows(found))
    for call in (stripe.conclude(BY_SESSION, None), stripe.refund(REFUND, BY_SESSION), listed(stripe)):
        with pytest.raises(Unreachable):
            await call


@pytest.mark.parametrize(
    "found", [dispute(status=None), dispute(id=None), dispute(amount="1"), without(dispute(), "id")]
)
async def test_a_dispute_that_cannot_be_read_is_no_answer(stripe: Stripe, pg: Pg, found: dict) -> None:
    pg[f"GET {INTENTS}/pi_haru"] = (200, intent(latest_charge=charge(disputed=True)))
    pg["GET /v1/disputes"] = (200, rows(found))
    with pytest.raises(Unreachable):
        await stripe.conclude(BY_INTENT, None)


@pytest.mark.parametrize(
    "found",
    [charge(amount_captured=None), charge(created="now"), without(charge(), "currency"), without(charge(), "status")],
)
async def test_a_charge_that_cannot_be_read_stops_the_list(stripe: Stripe, pg: Pg, found: dict) -> None:
    pg["GET /v1/charges"] = (200, rows(found))
    with pytest.raises(Unreachable):
        await listed(stripe)


@pytest.mark.parametrize("page", [rows(has_more=True), {"data": []}, {"has_more": False}, rows(*["x"], has_more=True)])
async def test_a_list_that_cannot_be_read_is_no_answer(stripe: Stripe, pg: Pg, page: dict) -> None:
    pg[f"GET {REFUNDS}"] = (200, page)
    with pytest.raises(Unreachable):
        await stripe.conclude(BY_SESSION, None)
