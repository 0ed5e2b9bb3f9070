"""The PortOne provider at the sandbox: two independent readings of one document, put together."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.money import Money
from app.payments.provider import (
    Account,
    Attempt,
    BankAccount,
    Delivery,
    NeedsReceiver,
    Notice,
    OutcomeStatus,
    Over,
    RefundRequest,
    Unreachable,
    Urls,
)
from app.payments.providers.portone import PortOne
from tests.portone_wire import CALLBACK, CHANNEL, LISTENING, SECRET, STORE, arm, control, returned
from tests.sandbox_wire import ORIGIN, Practice, practice

REFERENCE = "01M80XFXB0FSQV6T9SMYY4ZWNG"
REFUND = RefundRequest("01M80XFXB0FSQV6T9SMYY4ZZZZ", Money(5_000), "고객 변심", 15_000, 1)
RECEIVER = BankAccount("WOORI", "1002123456789", "홍길동")
KEYS = {
    "store_id": STORE,
    "channel_key": CHANNEL,
    "api_secret": LISTENING["api_secret"],
    "webhook_secret": SECRET,
}
URLS = Urls(f"{CALLBACK}?payment=tok", f"{CALLBACK}?payment=tok")


class Shop:
    """The shop's side: the provider, and a shopper who takes its pay page to the window."""

    def __init__(self, sandbox: Practice, way: str, heard: list[Delivery]) -> None:
        self.sandbox, self.heard = sandbox, heard
        account = Account(
            "portone", "test", STORE, KEYS, f"{ORIGIN}/portone", f"{ORIGIN}/sdk/portone/v2/browser-sdk.js"
        )
        self.portone = PortOne(account, sandbox.wire)
        self.attempt = Attempt(REFERENCE, Money(15_000), way, "세라믹 머그", "minji@example.com", sandbox.clock())

    async def visit(self, action: str, **fields: Any) -> Mapping[str, str]:
        """From the pay page through the window and back; what the browser brings."""
        widget = await self.portone.begin(self.attempt, URLS)
        page = await self.sandbox.wire.post("/window/portone", json=dict(widget.params))
        form = re.search(r'action="(/window/portone/[^"]+)"', page.text)
        assert form is not None, page.text
        answer = await self.sandbox.wire.post(form.group(1), data={"action": action, **fields})
        assert answer.status_code == 303, answer.text
        return returned(answer.headers["location"])

    async def look(self) -> Any:
        return await self.portone.conclude(self.attempt, None)


@asynccontextmanager
async def opened(monkeypatch: pytest.MonkeyPatch, way: str = "card", **account: Any) -> AsyncIterator[Shop]:
    heard: list[Delivery] = []

    async def listen(url: str, headers: Mapping[str, str], body: bytes) -> int:
        heard.append(Delivery({name.lower(): value for name, value in headers.items()}, body))
        return 200

    async with practice(accounts=[LISTENING | account], webhook_post=listen) as sandbox:
        monkeypatch.setattr("app.clock.now", sandbox.clock)
        yield Shop(sandbox, way, heard)


@pytest.mark.parametrize("way", ["card", "kakaopay", "naverpay", "tosspay", "transfer"])
async def test_a_shopper_pays_and_gets_a_part_back(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    async with opened(monkeypatch, way) as shop:
        assert (await shop.look()).status is OutcomeStatus.OPEN
        claim = shop.portone.read(Notice(await shop.visit("approve")))
        assert (claim.reference, claim.key, claim.failure) == (REFERENCE, None, None)
        outcome = await shop.portone.conclude(shop.attempt, claim)
        assert (outcome.status, outcome.captured, outcome.live, outcome.merchant) == ("paid", 15_000, False, STORE)
        with pytest.raises(Over):
            await shop.portone.begin(shop.attempt, URLS)

        outcome = await shop.portone.refund(REFUND, shop.attempt)
        assert (outcome.refunded, [refund.reference for refund in outcome.refunds]) == (5_000, [REFUND.reference])
        # Asked again with its key it is not done twice.
        assert (await shop.portone.refund(REFUND, shop.attempt)).refunded == 5_000
        now = shop.sandbox.clock()
        moves = shop.portone.transactions(now - timedelta(days=1), now + timedelta(days=1))
        assert [(move.kind, move.amount) async for move in moves] == [("captured", 15_000), ("refunded", 5_000)]


async def test_a_shopper_who_leaves_has_not_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch) as shop:
        claim = shop.portone.read(Notice(await shop.visit("cancel")))
        assert (claim.reference, claim.left) == (REFERENCE, True)
        assert not (await shop.portone.close(shop.attempt)).captured


async def test_a_declined_card_may_be_followed_by_a_good_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch) as shop:
        claim = shop.portone.read(Notice(await shop.visit("decline", decline_code="REJECT_CARD_COMPANY")))
        assert (claim.failure, claim.left) == ("REJECT_CARD_COMPANY", False)
        outcome = await shop.look()
        assert (outcome.status, outcome.failure, outcome.closed) == ("failed", "REJECT_CARD_COMPANY", False)
        await shop.visit("approve")
        assert (await shop.look()).captured == 15_000


async def test_with_manual_confirm_nothing_moves_before_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch, approval="manual") as shop:
        claim = shop.portone.read(Notice(await shop.visit("approve")))
        seen = await shop.portone.examine(shop.attempt, claim)
        assert (seen.status, seen.amount, seen.captured) == ("authorized", 15_000, 0)
        for _ in range(2):
            outcome = await shop.portone.conclude(shop.attempt, claim)
            assert (outcome.status, outcome.captured) == ("paid", 15_000)


async def test_a_token_that_is_none_confirms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch, approval="manual") as shop:
        claim = shop.portone.read(Notice(await shop.visit("approve")))
        outcome = await shop.portone.conclude(shop.attempt, replace(claim, key="another"))
        assert (outcome.status, outcome.failure, outcome.closed) == ("failed", "INVALID_PAYMENT_TOKEN", False)


async def test_an_amount_that_was_changed_in_the_page_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch) as shop:
        widget = await shop.portone.begin(shop.attempt, URLS)
        request = {**widget.params["request"], "totalAmount": 100}
        await shop.sandbox.wire.post("/window/portone", json={**widget.params, "request": request})
        outcome = await shop.look()
        assert (outcome.captured, outcome.status is OutcomeStatus.PAID) == (0, False)


async def test_a_deposit_comes_and_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch, "virtual_account") as shop:
        await shop.visit("approve")
        waiting = await shop.look()
        assert (waiting.status, waiting.closed) == ("awaiting_deposit", False)
        assert waiting.deposit.due_at == shop.sandbox.clock() + timedelta(hours=72)

        assert (await control(shop.sandbox, f"deposits/{REFERENCE}")).status_code == 201
        assert (await shop.portone.close(shop.attempt)).captured == 15_000
        with pytest.raises(NeedsReceiver):
            await shop.portone.refund(REFUND, shop.attempt)
        outcome = await shop.portone.refund(replace(REFUND, receiver=RECEIVER), shop.attempt)
        assert [refund.status for refund in outcome.refunds] == ["pending"]


async def test_a_virtual_account_is_closed_or_passes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch, "virtual_account") as shop:
        await shop.visit("approve")
        outcome = await shop.portone.close(shop.attempt)
        assert (outcome.status, outcome.captured) in (("cancelled", 0), ("failed", 0))
    async with opened(monkeypatch, "virtual_account") as shop:
        await shop.visit("approve")
        shop.sandbox.clock.go_on(hours=73)
        outcome = await shop.look()
        assert (outcome.status, outcome.captured) in (("expired", 0), ("failed", 0))


async def test_its_webhooks_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch) as shop:
        await shop.visit("approve")
        await shop.portone.refund(REFUND, shop.attempt)
        while await shop.sandbox.send_due():
            pass
        heard = [shop.portone.hear(delivery) for delivery in shop.heard]
        assert {each.kind for each in heard if each} >= {"Transaction.Paid", "Transaction.PartialCancelled"}
        assert {each.reference for each in heard if each} == {REFERENCE}


async def test_a_refund_whose_answer_is_lost_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch) as shop:
        await shop.visit("approve")
        await arm(shop.sandbox, "answer_lost_after", REFERENCE, call="cancel")
        with pytest.raises(Unreachable):
            await shop.portone.refund(REFUND, shop.attempt)
        assert (await shop.portone.refund(REFUND, shop.attempt)).refunded == 5_000
