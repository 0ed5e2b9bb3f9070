"""The Stripe provider: sending money back, finding it again, and the list of what moved."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from app import clock
from app.money import Money
from app.payments.provider import RefundSeen, Refused, Transaction
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
    REFUND,
    REFUND_REFERENCE,
    REFUNDS,
    SESSIONS,
    Pg,
    charge,
    error,
    fields,
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
    monkeypatch.setattr(clock, "now", lambda: CREATED + timedelta(hours=2))
    async with httpx.AsyncClient(transport=httpx.MockTransport(pg)) as http:
        yield Stripe(ACCOUNT, http)


def refunded(amount: int) -> dict:
    return session("complete", "paid", payment_intent=intent(latest_charge=charge(amount_refunded=amount)))


async def test_a_refund_says_which_it_is(stripe: Stripe, pg: Pg) -> None:
    pg[f"GET {SESSIONS}/cs_test_haru"] = [(200, PAID_SESSION), (200, refunded(11_000))]
    pg[f"GET {REFUNDS}"] = [(200, rows()), (200, rows(refund()))]
    outcome = await stripe.refund(replace(REFUND, attempt=2), BY_SESSION)
    look = [f"GET {SESSIONS}/cs_test_haru", f"GET {REFUNDS}"]
    assert pg.asked == [*look, f"POST {REFUNDS}", *look]
    asked = pg.requests[2]
    assert fields(asked) == {
        "payment_intent": "pi_haru",
        "amount": "11000",
        "reason": "requested_by_customer",
        "metadata[reference]": REFUND_REFERENCE,
    }
    assert asked.headers["idempotency-key"] == f"{REFUND_REFERENCE}-refund-2"
    assert asked.extensions["timeout"]["read"] == 60
    assert (outcome.captured, outcome.refunded, outcome.retry_key) == (33_000, 11_000, False)
    assert outcome.refunds == (RefundSeen("re_haru", REFUND_REFERENCE, 11_000, "succeeded"),)


@pytest.mark.parametrize("balance", [32_999, 33_001, 22_000])
async def test_another_balance_than_ours_is_told_and_nothing_asked(stripe: Stripe, pg: Pg, balance: int) -> None:
    outcome = await stripe.refund(replace(REFUND, balance=balance), BY_SESSION)
    assert (outcome.captured, outcome.refunded, outcome.refunds) == (33_000, 0, ())
    assert f"POST {REFUNDS}" not in pg.asked


async def test_what_took_no_money_gives_none_back(stripe: Stripe, pg: Pg) -> None:
    pg[f"GET {SESSIONS}/cs_test_haru"] = (200, session("expired"))
    for attempt in (BY_SESSION, NEW):
        assert (await stripe.refund(REFUND, attempt)).captured == 0
    assert pg.asked == [f"GET {SESSIONS}/cs_test_haru"]


@pytest.mark.parametrize("status", ["pending", "requires_action", "succeeded"])
async def test_a_refund_that_is_there_is_not_asked_for_again(stripe: Stripe, pg: Pg, status: str) -> None:
    """Whatever the balance is: the answer to it was lost, and it may have changed the balance."""
    pg[f"GET {REFUNDS}"] = (200, rows(refund(status=status)))
    outcome = await stripe.refund(REFUND, BY_SESSION)
    assert outcome.refunds[0].reference == REFUND_REFERENCE
    assert f"POST {REFUNDS}" not in pg.asked


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("pending", "pending"),
        ("requires_action", "pending"),
        ("succeeded", "succeeded"),
        ("failed", "failed"),
        ("canceled", "failed"),
    ],
)
async def test_every_status_of_a_refund_has_a_meaning(stripe: Stripe, pg: Pg, status: str, meaning: str) -> None:
    pg[f"GET {REFUNDS}"] = (200, rows(refund(status=status, failure_reason="declined")))
    [seen] = (await stripe.conclude(BY_INTENT, None)).refunds
    assert (seen.status, seen.amount, seen.failure) == (meaning, 11_000, "declined")


@pytest.mark.parametrize("status", ["pending", "requires_action"])
async def test_a_refund_on_its_way_is_no_refusal(stripe: Stripe, pg: Pg, status: str) -> None:
    pg[f"POST {REFUNDS}"] = (200, refund(status=status))
    pg[f"GET {REFUNDS}"] = [(200, rows()), (200, rows(refund(status=status)))]
    [seen] = (await stripe.refund(REFUND, BY_SESSION)).refunds
    assert seen.status == "pending"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (refund(status="failed", failure_reason="expired_or_canceled_card"), "expired_or_canceled_card"),
        (refund(status="canceled"), "refund_failed"),
    ],
)
async def test_a_refund_that_failed_is_refused(stripe: Stripe, pg: Pg, found: dict, why: str) -> None:
    pg[f"POST {REFUNDS}"] = (200, found)
    with pytest.raises(Refused, match=why):
        await stripe.refund(REFUND, BY_SESSION)
    pg[f"GET {REFUNDS}"] = (200, rows(found))
    with pytest.raises(Refused, match=why):
        await stripe.refund(REFUND, BY_SESSION)
    assert pg.asked.count(f"POST {REFUNDS}") == 1


async def test_everything_gone_already_is_looked_up(stripe: Stripe, pg: Pg) -> None:
    by_hand = refund(id="re_hand", metadata={}, amount=33_000)
    pg[f"POST {REFUNDS}"] = (400, error("charge_already_refunded"))
    pg[f"GET {SESSIONS}/cs_test_haru"] = [(200, PAID_SESSION), (200, refunded(33_000))]
    pg[f"GET {REFUNDS}"] = [(200, rows()), (200, rows(by_hand))]
    outcome = await stripe.refund(REFUND, BY_SESSION)
    assert (outcome.refunded, outcome.refunds) == (33_000, (RefundSeen("re_hand", None, 33_000, "succeeded"),))


async def test_another_currency_goes_back_in_its_own(stripe: Stripe, pg: Pg) -> None:
    pg[f"GET {INTENTS}/pi_haru"] = (200, intent(currency="usd"))
    await stripe.refund(replace(REFUND, money=Money(33_000, "USD")), BY_INTENT)
    assert fields(pg.requests[2])["amount"] == "33000"


async def test_more_refunds_than_a_page_holds_are_all_found(stripe: Stripe, pg: Pg) -> None:
    first = [refund(id=f"re_{number}", amount=1, metadata={}) for number in range(100)]
    pg[f"GET {REFUNDS}"] = [(200, rows(*first, has_more=True)), (200, rows(refund()))]
    outcome = await stripe.conclude(BY_INTENT, None)
    assert len(outcome.refunds) == 101
    assert outcome.refunds[-1].reference == REFUND_REFERENCE
    queries = [dict(request.url.params) for request in pg.requests[1:]]
    listed = {"payment_intent": "pi_haru", "limit": "100"}
    assert queries == [listed, {**listed, "starting_after": "re_99"}]


async def test_a_list_that_does_not_go_on_ends(stripe: Stripe, pg: Pg) -> None:
    pg[f"GET {REFUNDS}"] = (200, rows(refund(), has_more=True))
    with pytest.raises(Exception, match="does not go on"):
        await stripe.conclude(BY_INTENT, None)


SINCE, UNTIL = CREATED, CREATED + timedelta(days=1)


async def test_the_list_of_what_moved(stripe: Stripe, pg: Pg) -> None:
    pg["GET /v1/charges"] = [
        (200, rows(charge(), charge(id="ch_declined", status="failed", captured=False), has_more=True)),
        (
            200,
            rows(
                charge(id="ch_held", captured=False, amount_captured=0),
                charge(id="ch_part", amount_captured=20_000, metadata={}, currency="usd"),
                charge(id="ch_old", payment_intent=None, metadata={"reference": "ORD-1"}),
            ),
        ),
    ]
    pg[f"GET {REFUNDS}"] = (
        200,
        rows(refund(), refund(id="re_way", status="pending"), refund(id="re_no", status="failed")),
    )
    later = PAID_AT + timedelta(minutes=10)
    assert [row async for row in stripe.transactions(SINCE, UNTIL)] == [
        Transaction("captured", REFERENCE, "pi_haru", "ch_haru", 33_000, "KRW", PAID_AT),
        Transaction("captured", None, "pi_haru", "ch_part", 20_000, "USD", PAID_AT),
        Transaction("captured", None, "ch_old", "ch_old", 33_000, "KRW", PAID_AT),
        Transaction("refunded", None, "pi_haru", "re_haru", 11_000, "KRW", later),
        Transaction("refunded", None, "pi_haru", "re_way", 11_000, "KRW", later),
    ]
    span = {"created[gte]": str(int(SINCE.timestamp())), "created[lt]": str(int(UNTIL.timestamp())), "limit": "100"}
    queries = [dict(request.url.params) for request in pg.requests]
    assert queries == [span, {**span, "starting_after": "ch_declined"}, span]


async def test_neighbouring_spans_neither_overlap_nor_leave_a_gap(stripe: Stripe, pg: Pg) -> None:
    middle = SINCE + timedelta(hours=1, microseconds=700_000)
    for since, until in ((SINCE, middle), (middle, UNTIL)):
        assert [row async for row in stripe.transactions(since, until)] == []
    first, second = (dict(request.url.params) for request in (pg.requests[0], pg.requests[2]))
    assert first["created[lt]"] == second["created[gte]"]
