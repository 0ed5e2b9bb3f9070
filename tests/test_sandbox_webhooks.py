"""The sandbox's webhooks: what Toss tells whom, in which form, and how long it keeps trying."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.sandbox_wire import (
    HARU,
    HOOK,
    LISTENING,
    NAMU,
    Practice,
    authenticated,
    cancel,
    confirm,
    deposit,
    handoff,
    issued,
    ledger,
    look,
    practice,
)

MINUTES = [1, 4, 16, 64, 256, 1024, 4096]
ID = "tosspayments-webhook-transmission-id"
TIME = "tosspayments-webhook-transmission-time"
RETRIED = "tosspayments-webhook-transmission-retried-count"


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[LISTENING, NAMU]) as opened:
        yield opened


async def sent(sandbox: Practice) -> list[dict[str, object]]:
    return (await sandbox.wire.get("/control/ledger")).json()["webhooks"]


async def test_a_payment_that_is_done_is_told_with_the_whole_payment(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    assert await sandbox.send_due() == 0
    done = (await confirm(sandbox.wire, claim)).json()
    assert sandbox.inbox.deliveries == []

    assert await sandbox.send_due() == 1

    (delivery,) = sandbox.inbox.deliveries
    assert delivery.url == HOOK
    assert list(delivery.body) == ["eventType", "createdAt", "data"]
    assert delivery.body["eventType"] == "PAYMENT_STATUS_CHANGED"
    assert delivery.body["data"] == done
    assert await sandbox.send_due() == 0


async def test_the_headers_name_the_transmission_and_hold_no_signature(sandbox: Practice) -> None:
    await confirm(sandbox.wire, await authenticated(sandbox.wire))
    await sandbox.send_due()

    (delivery,) = sandbox.inbox.deliveries
    assert set(delivery.headers) == {"content-type", ID, TIME, RETRIED}
    assert delivery.headers["content-type"] == "application/json"
    assert re.fullmatch(r"whtrans_\w+", delivery.headers[ID])
    assert delivery.headers[TIME] == "2026-09-10T15:30:12+09:00"
    assert delivery.headers[RETRIED] == "0"


async def test_the_moment_of_an_event_has_no_offset_and_a_varying_fraction() -> None:
    async with practice(accounts=[LISTENING], chance=Random(3)) as sandbox:
        sandbox.clock.go_on(microseconds=123456)
        for number in range(20):
            await confirm(sandbox.wire, await authenticated(sandbox.wire, reference=f"ORDER{number:04}"))
        await sandbox.send_due()

    moments = [delivery.body["createdAt"] for delivery in sandbox.inbox.deliveries]
    assert all("2026-09-10T15:30:12.123456".startswith(moment) for moment in moments)
    assert {len(moment) for moment in moments} >= {len("2026-09-10T15:30:12.1"), len("2026-09-10T15:30:12.123456")}


async def test_each_change_of_a_card_payment_that_toss_tells_is_told(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim)
    await cancel(sandbox.wire, claim["paymentKey"], cancelAmount=5000)
    await cancel(sandbox.wire, claim["paymentKey"])
    await sandbox.buyer.open(handoff("ORDER0002"))
    await sandbox.buyer.decline("REJECT_CARD_PAYMENT")
    refused = {"paymentKey": sandbox.buyer.payment_key, "orderId": "ORDER0002", "amount": 15000}
    await confirm(sandbox.wire, refused)

    assert await sandbox.send_due() == 4
    assert sandbox.inbox.told() == [
        ("PAYMENT_STATUS_CHANGED", "DONE"),
        ("PAYMENT_STATUS_CHANGED", "PARTIAL_CANCELED"),
        ("PAYMENT_STATUS_CHANGED", "CANCELED"),
        ("PAYMENT_STATUS_CHANGED", "ABORTED"),
    ]


async def test_a_window_that_was_left_is_told_when_its_time_is_over(sandbox: Practice) -> None:
    await sandbox.buyer.open(handoff())
    await sandbox.buyer.cancel()
    assert await sandbox.send_due() == 0

    sandbox.clock.go_on(minutes=30)
    await look(sandbox.wire, "orders/ORDER0001")
    await look(sandbox.wire, "orders/ORDER0001")

    assert await sandbox.send_due() == 1
    assert sandbox.inbox.told() == [("PAYMENT_STATUS_CHANGED", "EXPIRED")]


async def test_each_change_of_a_virtual_account_is_told_in_two_forms(sandbox: Practice) -> None:
    await issued(sandbox.wire)
    await deposit(sandbox.wire)
    await deposit(sandbox.wire, "ORDER0001/reverse")
    key = sandbox.app.state.book.with_reference("ORDER0001")[0].pg_id
    await cancel(sandbox.wire, key)
    await sandbox.send_due()

    assert sandbox.inbox.told() == [
        (kind, status)
        for status in ("WAITING_FOR_DEPOSIT", "DONE", "WAITING_FOR_DEPOSIT", "CANCELED")
        for kind in ("PAYMENT_STATUS_CHANGED", "DEPOSIT_CALLBACK")
    ]


async def test_a_deposit_callback_is_flat_and_proves_itself_with_the_secret(sandbox: Practice) -> None:
    payment = await issued(sandbox.wire)
    await deposit(sandbox.wire)
    await sandbox.send_due()

    issue, paid = sandbox.inbox.deliveries[1].body, sandbox.inbox.deliveries[3].body
    assert list(issue) == ["createdAt", "secret", "status", "transactionKey", "orderId"]
    assert (issue["secret"], issue["orderId"]) == (payment["secret"], "ORDER0001")
    assert (issue["status"], issue["transactionKey"]) == ("WAITING_FOR_DEPOSIT", payment["lastTransactionKey"])
    assert (paid["status"], paid["secret"]) == ("DONE", payment["secret"])
    now = (await look(sandbox.wire, payment["paymentKey"])).json()
    assert paid["transactionKey"] == now["lastTransactionKey"] != payment["lastTransactionKey"]


async def test_an_account_without_an_address_is_told_nothing(sandbox: Practice) -> None:
    wish = handoff() | {"clientKey": NAMU["client_key"]}
    await sandbox.buyer.open(wish)
    sandbox.clock.go_on(minutes=30)

    assert [entry["status"] for entry in await ledger(sandbox.wire)] == ["EXPIRED"]
    assert await sandbox.send_due() == 0
    assert await sent(sandbox) == []


@pytest.mark.parametrize("answer", [201, 302, 500, TimeoutError(), httpx.ConnectError("refused"), RuntimeError()])
async def test_anything_but_200_is_tried_again_after_a_minute(sandbox: Practice, answer: int | Exception) -> None:
    await confirm(sandbox.wire, await authenticated(sandbox.wire))
    sandbox.inbox.answers = [answer]
    await sandbox.send_due()
    (failed,) = await sent(sandbox)

    sandbox.clock.go_on(seconds=59)
    assert await sandbox.send_due() == 0
    sandbox.clock.go_on(seconds=1)
    assert await sandbox.send_due() == 1

    (arrived,) = await sent(sandbox)
    assert failed["answer"] == (answer if isinstance(answer, int) else type(answer).__name__)
    assert (failed["attempts"], arrived["attempts"], arrived["answer"]) == (1, 2, 200)


async def test_toss_gives_up_after_seven_retries(sandbox: Practice) -> None:
    await confirm(sandbox.wire, await authenticated(sandbox.wire))
    sandbox.inbox.answers = [500] * 9
    await sandbox.send_due()
    for minutes in MINUTES:
        sandbox.clock.go_on(minutes=minutes, seconds=-1)
        assert await sandbox.send_due() == 0
        sandbox.clock.go_on(seconds=1)
        assert await sandbox.send_due() == 1
    sandbox.clock.go_on(days=365)

    assert await sandbox.send_due() == 0
    deliveries = sandbox.inbox.deliveries
    assert [delivery.headers[RETRIED] for delivery in deliveries] == [str(count) for count in range(8)]
    assert len({delivery.headers[ID] for delivery in deliveries}) == 1
    assert len({delivery.headers[TIME] for delivery in deliveries}) == 8
    assert all(delivery.body == deliveries[0].body for delivery in deliveries)


async def test_a_scale_makes_seconds_of_minutes() -> None:
    async with practice(accounts=[LISTENING], webhook_time_scale=1 / 60) as sandbox:
        await confirm(sandbox.wire, await authenticated(sandbox.wire))
        sandbox.inbox.answers = [500, 500]
        await sandbox.send_due()
        sandbox.clock.go_on(seconds=1)
        assert await sandbox.send_due() == 1
        sandbox.clock.go_on(seconds=4)
        assert await sandbox.send_due() == 1


async def test_a_restarted_sandbox_goes_on_sending(tmp_path: Path) -> None:
    book = tmp_path / "book.db"
    async with practice(accounts=[LISTENING], book=book) as sandbox:
        claim = await authenticated(sandbox.wire)
        await confirm(sandbox.wire, claim)
        sandbox.inbox.answers = [500]
        await sandbox.send_due()
        await cancel(sandbox.wire, claim["paymentKey"])

    async with practice(accounts=[HARU], book=book) as sandbox:
        sandbox.clock.go_on(minutes=1)
        assert await sandbox.send_due() == 2
        assert {status for _, status in sandbox.inbox.told()} == {"DONE", "CANCELED"}


async def test_the_ledger_lists_every_webhook(sandbox: Practice) -> None:
    await issued(sandbox.wire)
    sandbox.inbox.answers = [500]
    await sandbox.send_due()

    rest = {"provider": "toss", "reference": "ORDER0001", "url": HOOK, "attempts": 1}
    assert await sent(sandbox) == [
        rest | {"id": 1, "type": "PAYMENT_STATUS_CHANGED", "answer": 500},
        rest | {"id": 2, "type": "DEPOSIT_CALLBACK", "answer": 200},
    ]


async def test_a_webhook_is_sent_again_by_hand_at_once(sandbox: Practice) -> None:
    await confirm(sandbox.wire, await authenticated(sandbox.wire))
    await sandbox.send_due()

    answer = await sandbox.wire.post("/control/webhooks/1/send")

    assert (answer.status_code, answer.json()["attempts"], answer.json()["answer"]) == (201, 2, 200)
    assert [delivery.headers[RETRIED] for delivery in sandbox.inbox.deliveries] == ["0", "1"]
    assert (await sandbox.wire.post("/control/webhooks/9/send")).status_code == 404
