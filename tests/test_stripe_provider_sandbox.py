"""Two readings of Stripe's documents meet: the provider, and the sandbox that was written without it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app import clock
from app.money import Money
from app.payments.provider import (
    Account,
    Attempt,
    Claim,
    Delivery,
    Forged,
    Notice,
    Outcome,
    OutcomeStatus,
    Over,
    RefundRequest,
    Unreachable,
    Urls,
)
from app.payments.providers.stripe import Stripe
from tests.sandbox_wire import ORIGIN, Practice
from tests.stripe_wire import LISTENING, NO_FUNDS, SECRET, arm, press, raw, stripe_practice

REFERENCE, REFUND_REFERENCE = "01M80XFXB0FSQV6T9SMYY4ZWNG", "01M80XFXB0FSQV6T9SMYY4ZZZZ"
KEYS = {"publishable_key": "pk_test_haru", "secret_key": "sk_test_haru", "webhook_secret": SECRET}
ACCOUNT = Account("stripe", "test", LISTENING["merchant"], KEYS, f"{ORIGIN}/stripe", f"{ORIGIN}/sdk/stripe/v3/")
BACK = "http://shop.test/haru/checkout/callback?payment=tok"
WAYS = ("redirect", "widget")


@dataclass
class Meeting:
    sandbox: Practice
    stripe: Stripe
    attempt: Attempt

    async def begin(self) -> str:
        handoff = await self.stripe.begin(self.attempt, Urls(BACK, BACK))
        assert handoff.session_id is not None
        self.attempt = replace(self.attempt, pg_session_id=handoff.session_id)
        return handoff.session_id

    async def press(self, action: str = "approve", **fields: Any) -> httpx.Response:
        return await press(self.sandbox.wire, str(self.attempt.pg_session_id), action, **fields)

    async def look(self) -> Outcome:
        return await self.stripe.conclude(self.attempt, None)

    async def refund(self, amount: int, balance: int, attempt: int = 1) -> Outcome:
        request = RefundRequest(REFUND_REFERENCE, Money(amount), "고객 변심", balance, attempt)
        return await self.stripe.refund(request, self.attempt)


@pytest.fixture
async def meet(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[Any], Meeting]]:
    async with stripe_practice() as sandbox:
        monkeypatch.setattr(clock, "now", sandbox.clock)
        attempt = Attempt(REFERENCE, Money(15_000), "stripe", "세라믹 머그", "minji@example.com", sandbox.clock())
        yield lambda way: Meeting(sandbox, Stripe(replace(ACCOUNT, handoff=way), sandbox.wire), attempt)


@pytest.mark.parametrize("way", WAYS)
async def test_a_payment_is_begun_paid_and_refunded(meet: Callable, way: str) -> None:
    meeting = meet(way)
    made = await meeting.begin()
    assert await meeting.begin() == made
    assert (await meeting.look()).status is OutcomeStatus.OPEN
    await meeting.press()
    paid = await meeting.look()
    assert (paid.status, paid.captured, paid.closed) == (OutcomeStatus.PAID, 15_000, True)
    assert (paid.reference, paid.amount, paid.currency, paid.live) == (REFERENCE, 15_000, "KRW", False)
    with pytest.raises(Over):
        await meeting.begin()
    part = await meeting.refund(5_000, 15_000)
    assert (part.refunded, [refund.reference for refund in part.refunds]) == (5_000, [REFUND_REFERENCE])
    assert (await meeting.refund(5_000, 15_000)).refunded == 5_000


@pytest.mark.parametrize("way", WAYS)
async def test_a_decline_leaves_it_open_and_then_it_is_closed(meet: Callable, way: str) -> None:
    meeting = meet(way)
    await meeting.begin()
    await meeting.press(number=NO_FUNDS)
    assert (await meeting.look()).status is OutcomeStatus.OPEN
    closed = await meeting.stripe.close(meeting.attempt)
    assert (closed.captured, closed.closed) == (0, True)
    assert closed.status in (OutcomeStatus.EXPIRED, OutcomeStatus.CANCELLED)
    assert (await meeting.look()).status is closed.status


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_paid_cannot_be_closed(meet: Callable, way: str) -> None:
    meeting = meet(way)
    await meeting.begin()
    await meeting.press()
    assert (await meeting.stripe.close(meeting.attempt)).status is OutcomeStatus.PAID


async def test_a_return_from_stripes_page_is_read(meet: Callable) -> None:
    meeting = meet("redirect")
    made = await meeting.begin()
    way_back = httpx.URL((await meeting.press()).headers["location"])
    assert dict(way_back.params) == {"payment": "tok", "session": made}
    assert meeting.stripe.read(Notice(dict(way_back.params))) == Claim(None)


async def test_leaving_stripes_page_is_told_by_our_own_mark(meet: Callable) -> None:
    meeting = meet("redirect")
    await meeting.begin()
    answer = await meeting.press("cancel")
    claim = meeting.stripe.read(Notice(dict(httpx.URL(answer.headers["location"]).params)))
    assert (claim.left, claim.failure) == (True, "CANCELED_BY_SHOPPER")
    assert (await meeting.look()).status is OutcomeStatus.OPEN


async def test_a_session_ends_after_an_hour(meet: Callable) -> None:
    meeting = meet("redirect")
    await meeting.begin()
    meeting.sandbox.clock.go_on(minutes=61)
    outcome = await meeting.look()
    assert (outcome.status, outcome.closed, outcome.captured) == (OutcomeStatus.EXPIRED, True, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["answer_lost_before", "answer_lost_after", "slow"])
async def test_a_begin_whose_answer_was_lost_is_repeated(meet: Callable, way: str, kind: str) -> None:
    meeting = meet(way)
    await arm(
        meeting.sandbox.wire, kind, REFERENCE, times=1, call="begin", **({"seconds": 70} if kind == "slow" else {})
    )
    with pytest.raises(Unreachable):
        await meeting.begin()
    await meeting.begin()
    await meeting.press()
    assert (await meeting.look()).captured == 15_000


@pytest.mark.parametrize("kind", ["answer_lost_before", "answer_lost_after", "server_error", "server_error_after"])
async def test_a_refund_is_made_once_whatever_happens_to_its_answer(meet: Callable, kind: str) -> None:
    meeting = meet("redirect")
    await meeting.begin()
    await meeting.press()
    await arm(meeting.sandbox.wire, kind, REFERENCE, times=1, call="cancel")
    ordinal = 1
    for _ in range(3):
        try:
            ordinal += (await meeting.refund(5_000, 15_000, ordinal)).retry_key
        except Unreachable:
            continue
    seen = await meeting.look()
    assert (seen.refunded, len(seen.refunds)) == (5_000, 1)


async def test_another_amount_at_the_window_is_told(meet: Callable) -> None:
    meeting = meet("redirect")
    await arm(meeting.sandbox.wire, "amount_changed", REFERENCE, times=1)
    await meeting.begin()
    await meeting.press()
    outcome = await meeting.look()
    assert outcome.status is OutcomeStatus.PAID
    assert outcome.captured != 15_000


async def test_its_webhooks_are_authentic_and_name_the_payment(meet: Callable) -> None:
    meeting = meet("redirect")
    await meeting.begin()
    await meeting.press()
    await meeting.refund(5_000, 15_000)
    await meeting.sandbox.send_due()
    deliveries = meeting.sandbox.inbox.deliveries
    assert deliveries
    for sent in deliveries:
        headers = {name.lower(): value for name, value in sent.headers.items()}
        body = raw(sent).encode()
        heard = meeting.stripe.hear(Delivery(headers, body))
        assert heard is not None
        assert heard.reference in (REFERENCE, None)
        assert heard.pg_payment_id is not None
        with pytest.raises(Forged):
            meeting.stripe.hear(Delivery(headers, body + b" "))


async def test_its_list_tells_what_moved(meet: Callable) -> None:
    meeting = meet("widget")
    since = meeting.sandbox.clock()
    await meeting.begin()
    await meeting.press()
    await meeting.refund(5_000, 15_000)
    moved = [row async for row in meeting.stripe.transactions(since, since + timedelta(days=1))]
    assert [(row.kind, row.amount, row.reference) for row in moved] == [
        ("captured", 15_000, REFERENCE),
        ("refunded", 5_000, None),
    ]
