"""The Stripe provider: how each thing that Stripe says of a payment is read, and what is closed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app import clock
from app.payments.provider import Claim, OutcomeStatus
from app.payments.providers.stripe import Stripe
from tests.stripe_pg import (
    ACCOUNT,
    BY_INTENT,
    BY_SESSION,
    CREATED,
    INTENTS,
    NEW,
    PAID_AT,
    PAID_SESSION,
    REFERENCE,
    REFUNDS,
    SESSIONS,
    Answer,
    Pg,
    charge,
    dispute,
    error,
    intent,
    rows,
    session,
)


@pytest.fixture
def pg() -> Pg:
    return Pg()


@pytest.fixture
async def stripe(pg: Pg, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stripe]:
    at(monkeypatch, minutes=1)
    async with httpx.AsyncClient(transport=httpx.MockTransport(pg)) as http:
        yield Stripe(ACCOUNT, http)


def at(monkeypatch: pytest.MonkeyPatch, **since_created: float) -> None:
    moment = CREATED + timedelta(**since_created)
    monkeypatch.setattr(clock, "now", lambda: moment)


DECLINED = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}

# What Stripe says of a PaymentIntent: our status, captured, refunded, closed, failure.
INTENT_READINGS = [
    (intent("requires_payment_method"), ("open", 0, 0, False, None)),
    (intent("requires_payment_method", last_payment_error=DECLINED), ("open", 0, 0, False, "insufficient_funds")),
    (intent("requires_confirmation"), ("open", 0, 0, False, None)),
    (intent("requires_action"), ("open", 0, 0, False, None)),
    (intent("processing"), ("processing", 0, 0, False, None)),
    (intent("requires_capture", latest_charge=charge(captured=False)), ("authorized", 0, 0, False, None)),
    (intent("succeeded"), ("paid", 33_000, 0, True, None)),
    (intent(latest_charge=charge(amount_refunded=11_000)), ("paid", 33_000, 11_000, True, None)),
    (intent(latest_charge=charge(amount_refunded=33_000, refunded=True)), ("paid", 33_000, 33_000, True, None)),
    (intent(amount_received=34_000), ("paid", 34_000, 0, True, None)),
    (intent("canceled"), ("cancelled", 0, 0, True, None)),
]

# And of a Session.
ASYNC_FAILED = intent("requires_payment_method", last_payment_error={"code": "payment_intent_payment_attempt_failed"})
SESSION_READINGS = [
    (session(), ("open", 0, 0, False, None)),
    (
        session(payment_intent=intent("requires_payment_method", last_payment_error=DECLINED)),
        ("open", 0, 0, False, "insufficient_funds"),
    ),
    (session(payment_intent=intent("requires_action")), ("open", 0, 0, False, None)),
    (session(payment_intent=intent()), ("paid", 33_000, 0, True, None)),
    (PAID_SESSION, ("paid", 33_000, 0, True, None)),
    (session("complete", payment_intent=intent()), ("paid", 33_000, 0, True, None)),
    (session("complete"), ("processing", 0, 0, False, None)),
    (session("complete", payment_intent=intent("processing")), ("processing", 0, 0, False, None)),
    (session("complete", payment_intent=intent("requires_action")), ("processing", 0, 0, False, None)),
    (
        session("complete", payment_intent=ASYNC_FAILED),
        ("failed", 0, 0, True, "payment_intent_payment_attempt_failed"),
    ),
    (session("complete", payment_intent=intent("canceled")), ("cancelled", 0, 0, True, None)),
    (session("complete", payment_intent=intent("requires_capture")), ("authorized", 0, 0, False, None)),
    (session("expired"), ("expired", 0, 0, True, "WINDOW_OVER")),
    (session("expired", payment_intent=intent("canceled")), ("expired", 0, 0, True, "WINDOW_OVER")),
    (session("expired", payment_intent=intent("processing")), ("processing", 0, 0, False, None)),
    (session("expired", payment_intent=intent()), ("paid", 33_000, 0, True, None)),
]


@pytest.mark.parametrize(("found", "expected"), [*INTENT_READINGS, *SESSION_READINGS])
async def test_every_status_has_a_meaning(stripe: Stripe, pg: Pg, found: dict, expected: tuple) -> None:
    attempt = BY_SESSION if found["object"] == "checkout.session" else BY_INTENT
    pg[f"GET {SESSIONS}/cs_test_haru"] = pg[f"GET {INTENTS}/pi_haru"] = (200, found)
    for outcome in (
        await stripe.conclude(attempt, None),
        await stripe.conclude(attempt, Claim(REFERENCE, "a key", 33_000)),
        await stripe.examine(attempt, Claim(REFERENCE, "a key", 33_000)),
    ):
        seen = (outcome.status, outcome.captured, outcome.refunded, outcome.closed, outcome.failure)
        assert seen == expected
        assert (outcome.reference, outcome.merchant, outcome.live) == (REFERENCE, "acct_haru", False)
        assert (outcome.amount, outcome.currency) == (33_000, "KRW")


async def test_a_look_up_asks_for_what_it_needs_at_once(stripe: Stripe, pg: Pg) -> None:
    await stripe.conclude(BY_SESSION, None)
    await stripe.conclude(BY_INTENT, None)
    queries = [dict(request.url.params) for request in pg.requests]
    listed = {"payment_intent": "pi_haru", "limit": "100"}
    assert queries == [{"expand[]": "payment_intent.latest_charge"}, listed, {"expand[]": "latest_charge"}, listed]


async def test_what_the_shopper_and_the_owner_are_shown_is_read(stripe: Stripe, pg: Pg) -> None:
    outcome = await stripe.conclude(BY_SESSION, None)
    assert (outcome.paid_at, outcome.pg_payment_id) == (PAID_AT, "pi_haru")
    assert (outcome.method, outcome.receipt_url) == ("VISA 4242", "https://stripe.test/receipt")


@pytest.mark.parametrize(
    ("details", "method"),
    [
        ({"type": "kr_card", "kr_card": {"brand": "kakaobank", "last4": "0001"}}, "KAKAOBANK 0001"),
        ({"type": "kakao_pay", "kakao_pay": {"buyer_id": "x"}}, "kakao_pay"),
        ({"type": "card", "card": None}, "card"),
        (None, None),
    ],
)
async def test_a_method_without_a_card_goes_by_its_name(stripe: Stripe, pg: Pg, details: Any, method: Any) -> None:
    found = intent(latest_charge=charge(payment_method_details=details, receipt_url="https://" + "x" * 600))
    pg[f"GET {INTENTS}/pi_haru"] = (200, found)
    outcome = await stripe.conclude(BY_INTENT, None)
    assert (outcome.method, outcome.receipt_url) == (method, None)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"code": "card_declined", "decline_code": "insufficient_funds"}, "insufficient_funds"),
        ({"code": "card_declined", "decline_code": "generic_decline"}, "card_declined"),
        ({"code": "card_declined", "decline_code": "stolen_card"}, "card_declined"),
        ({"code": "card_declined", "decline_code": "lost_card"}, "card_declined"),
        ({"code": "card_declined", "decline_code": "fraudulent"}, "card_declined"),
        ({"code": "expired_card"}, "expired_card"),
        ({"type": "card_error"}, "card_error"),
        ({}, None),
    ],
)
async def test_a_decline_tells_no_more_than_it_may(stripe: Stripe, pg: Pg, told: dict, shown: str | None) -> None:
    pg[f"GET {INTENTS}/pi_haru"] = (200, intent("requires_payment_method", last_payment_error=told))
    assert (await stripe.conclude(BY_INTENT, None)).failure == shown


async def test_live_money_another_amount_and_another_currency_are_told_as_they_are(stripe: Stripe, pg: Pg) -> None:
    other = intent(livemode=True, amount=34_000, amount_received=34_000, currency="usd")
    pg[f"GET {SESSIONS}/cs_test_haru"] = (200, session("complete", "paid", payment_intent=other, livemode=True))
    outcome = await stripe.conclude(BY_SESSION, None)
    assert (outcome.live, outcome.amount, outcome.captured, outcome.currency) == (True, 34_000, 34_000, "USD")


@pytest.mark.parametrize("metadata", [{}, None, {"reference": "ORD-1"}, {"reference": 7}])
async def test_what_bears_another_name_is_not_ours(stripe: Stripe, pg: Pg, metadata: Any) -> None:
    pg[f"GET {INTENTS}/pi_haru"] = (200, intent(metadata=metadata))
    assert (await stripe.conclude(BY_INTENT, None)).reference == ""


async def test_disputes_are_told(stripe: Stripe, pg: Pg) -> None:
    pg[f"GET {INTENTS}/pi_haru"] = (200, intent(latest_charge=charge(disputed=True)))
    ends = ("won", "lost", "warning_closed", "prevented")
    pg["GET /v1/disputes"] = (200, rows(dispute(), *(dispute(status=end, evidence_details=None) for end in ends)))
    outcome = await stripe.conclude(BY_INTENT, None)
    [first, *others] = outcome.disputes
    assert (first.pg_dispute_id, first.status, first.is_open) == ("dp_haru", "needs_response", True)
    assert (first.amount, first.reason, first.due_at) == (33_000, "fraudulent", PAID_AT + timedelta(days=1))
    assert [(other.is_open, other.due_at) for other in others] == [(False, None)] * 4
    assert dict(pg.requests[-1].url.params)["payment_intent"] == "pi_haru"


OPEN_DISPUTES = """
    warning_needs_response warning_under_review needs_response under_review appeal_needs_response appeal_under_review
    a_status_of_tomorrow
"""


@pytest.mark.parametrize("status", OPEN_DISPUTES.split())
async def test_a_dispute_is_open_until_it_is_known_to_have_ended(stripe: Stripe, pg: Pg, status: str) -> None:
    pg[f"GET {INTENTS}/pi_haru"] = (200, intent(latest_charge=charge(disputed=True)))
    pg["GET /v1/disputes"] = (200, rows(dispute(status=status)))
    [seen] = (await stripe.conclude(BY_INTENT, None)).disputes
    assert (seen.status, seen.is_open) == (status, True)


@pytest.mark.parametrize(
    ("minutes", "expected"), [(59.9, ("open", False, None)), (60, ("expired", True, "WINDOW_OVER"))]
)
async def test_what_was_never_begun_ends_with_its_window(
    stripe: Stripe, pg: Pg, monkeypatch: pytest.MonkeyPatch, minutes: float, expected: tuple
) -> None:
    at(monkeypatch, minutes=minutes)
    for outcome in (await stripe.conclude(NEW, None), await stripe.close(NEW)):
        assert (outcome.status, outcome.closed, outcome.failure) == expected
        assert (outcome.reference, outcome.amount, outcome.captured) == (REFERENCE, 33_000, 0)
    assert pg.requests == []


async def test_closing_expires_a_session_and_cancels_an_intent(stripe: Stripe, pg: Pg) -> None:
    expired, cancelled = await stripe.close(BY_SESSION), await stripe.close(BY_INTENT)
    assert (expired.status, expired.closed) == (OutcomeStatus.EXPIRED, True)
    assert (cancelled.status, cancelled.closed) == (OutcomeStatus.CANCELLED, True)
    assert pg.asked == [f"POST {SESSIONS}/cs_test_haru/expire", f"POST {INTENTS}/pi_haru/cancel"]
    assert {request.extensions["timeout"]["read"] for request in pg.requests} == {60}


CANNOT_BE_CLOSED: list[Answer] = [
    (400, error("payment_intent_unexpected_state")),
    (400, error(None)),
    (500, error(None, "api_error")),
]


@pytest.mark.parametrize("answer", CANNOT_BE_CLOSED, ids=str)
@pytest.mark.parametrize("attempt", [BY_SESSION, BY_INTENT], ids=["session", "intent"])
async def test_what_cannot_be_closed_any_more_is_looked_up(
    stripe: Stripe, pg: Pg, answer: Answer, attempt: Any
) -> None:
    pg[f"POST {SESSIONS}/cs_test_haru/expire"] = pg[f"POST {INTENTS}/pi_haru/cancel"] = answer
    outcome = await stripe.close(attempt)
    assert (outcome.status, outcome.captured) == (OutcomeStatus.PAID, 33_000)
    assert pg.asked[2:] == [f"GET {REFUNDS}"]
