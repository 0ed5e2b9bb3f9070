"""PortOne's webhooks in the sandbox: their form and signature, how long they are tried, and their log."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.portone_wire import (
    HARU,
    HOOK,
    ID,
    LISTENING,
    NEXT_SECRET,
    SECRET,
    STORE,
    Buyer,
    arm,
    call,
    cancel,
    control,
    look,
    paid,
    refused,
    told,
)
from tests.sandbox_wire import Delivery, Practice, practice

MINUTES = [1, 4, 16, 64, 256]


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[LISTENING]) as opened:
        yield opened


def signatures(delivery: Delivery, secret: str) -> str:
    """What Standard Webhooks sign with this secret. The body is what the sandbox writes, without spaces."""
    body = json.dumps(delivery.body, separators=(",", ":"))
    signed = f"{delivery.headers['webhook-id']}.{delivery.headers['webhook-timestamp']}.{body}"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()


async def resend(sandbox: Practice, **body: Any) -> httpx.Response:
    return await call(sandbox, f"/payments/{ID}/resend-webhook", body)


async def test_a_webhook_names_the_payment_and_no_amount(sandbox: Practice) -> None:
    buyer = await paid(sandbox)
    await sandbox.send_due()

    ready, delivery = sandbox.inbox.deliveries
    assert told(sandbox) == ["Ready", "Paid"]
    assert delivery.url == HOOK
    assert delivery.body == {
        "type": "Transaction.Paid",
        "timestamp": "2026-09-10T06:30:12.000Z",
        "data": {"storeId": STORE, "paymentId": ID, "transactionId": buyer.transaction_id},
    }
    assert set(delivery.headers) == {"content-type", "webhook-id", "webhook-timestamp", "webhook-signature"}
    assert delivery.headers["webhook-timestamp"] == "1789021812"
    assert delivery.headers["webhook-signature"] == signatures(delivery, SECRET)
    assert delivery.headers["webhook-id"] != ready.headers["webhook-id"]


async def test_a_cancel_names_its_cancellation(sandbox: Practice) -> None:
    await paid(sandbox)
    part = (await cancel(sandbox, amount=5000)).json()["cancellation"]["id"]
    rest = (await cancel(sandbox)).json()["cancellation"]["id"]
    await sandbox.send_due()

    assert told(sandbox) == ["Ready", "Paid", "PartialCancelled", "Cancelled"]
    assert [each.body["data"].get("cancellationId") for each in sandbox.inbox.deliveries] == [None, None, part, rest]


async def test_what_fails_and_what_is_late_is_told(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    await buyer.open()
    await buyer.decline()
    buyer = await paid(sandbox, approval="later")
    await buyer.at_the_bank("settle_pending")
    await sandbox.send_due()

    assert told(sandbox) == ["Ready", "Failed", "Ready", "PayPending", "Paid"]
    log = (await look(sandbox))["webhooks"]
    assert [each.get("trigger") for each in log] == [None, "ASYNC_PAY_PENDING", "ASYNC_PAY_APPROVED"]


async def test_both_secrets_sign_while_they_rotate() -> None:
    account = HARU | {"webhook_url": HOOK, "webhook_secrets": [SECRET, NEXT_SECRET]}
    async with practice(accounts=[account]) as sandbox:
        await paid(sandbox)
        await sandbox.send_due()

        for delivery in sandbox.inbox.deliveries:
            both = " ".join(signatures(delivery, secret) for secret in (SECRET, NEXT_SECRET))
            assert delivery.headers["webhook-signature"] == both


async def test_an_account_without_an_address_is_told_nothing() -> None:
    async with practice(accounts=[HARU]) as sandbox:
        await paid(sandbox)

        assert await sandbox.send_due() == 0
        assert (await look(sandbox))["webhooks"] == []


@pytest.mark.parametrize("answer", [302, 401, 500, TimeoutError(), httpx.ConnectError("refused")])
async def test_anything_but_an_ok_is_tried_again_after_a_minute(sandbox: Practice, answer: int | Exception) -> None:
    sandbox.inbox.answers = [answer]
    await Buyer(sandbox).open()
    await sandbox.send_due()
    (failed,) = (await look(sandbox))["webhooks"]

    sandbox.clock.go_on(seconds=59)
    assert await sandbox.send_due() == 0
    sandbox.clock.go_on(seconds=1)
    assert await sandbox.send_due() == 1

    (arrived,) = (await look(sandbox))["webhooks"]
    assert failed["status"] == ("FAILED_NOT_OK_RESPONSE" if isinstance(answer, int) else "FAILED_UNEXPECTED_ERROR")
    assert (failed["currentExecutionCount"], arrived["currentExecutionCount"]) == (1, 2)
    assert arrived["status"] == "SUCCEEDED"


async def test_portone_gives_up_after_six_deliveries(sandbox: Practice) -> None:
    await Buyer(sandbox).open()
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
    assert len(deliveries) == 6
    assert len({delivery.headers["webhook-id"] for delivery in deliveries}) == 1
    assert len({delivery.headers["webhook-timestamp"] for delivery in deliveries}) == 6
    assert all(delivery.headers["webhook-signature"] == signatures(delivery, SECRET) for delivery in deliveries)
    assert all(delivery.body == deliveries[0].body for delivery in deliveries)
    (log,) = (await look(sandbox))["webhooks"]
    assert (log["currentExecutionCount"], log["maxExecutionCount"]) == (6, 6)
    assert refused(await resend(sandbox)) == (400, "MAX_WEBHOOK_RETRY_COUNT_REACHED")


async def test_portone_waits_thirty_seconds_for_an_answer(sandbox: Practice) -> None:
    assert sandbox.app.state.webhooks.manners["portone"].limit == 30


async def test_the_log_tells_what_was_sent_and_when(sandbox: Practice) -> None:
    await paid(sandbox)
    unsent = (await look(sandbox))["webhooks"]
    await sandbox.send_due()

    log = (await look(sandbox))["webhooks"]

    assert [each["currentExecutionCount"] for each in unsent] == [0, 0]
    assert not any("status" in each for each in unsent)
    assert [each["paymentStatus"] for each in log] == ["READY", "PAID"]
    assert [each["id"] for each in log] == [each.headers["webhook-id"] for each in sandbox.inbox.deliveries]
    assert [json.loads(each["request"]["body"]) for each in log] == [each.body for each in sandbox.inbox.deliveries]
    assert all((each["url"], each["isAsync"], each["maxExecutionCount"]) == (HOOK, True, 6) for each in log)


async def test_a_webhook_is_sent_again_when_the_shop_asks(sandbox: Practice) -> None:
    await paid(sandbox)
    await sandbox.send_due()
    first, last = (each.headers["webhook-id"] for each in sandbox.inbox.deliveries)

    answer = await resend(sandbox)
    named = await resend(sandbox, webhookId=first)

    assert (answer.json()["webhook"]["id"], answer.json()["webhook"]["trigger"]) == (last, "MANUAL")
    assert named.json()["webhook"]["id"] == first
    assert await sandbox.send_due() == 2
    assert sorted(told(sandbox)) == ["Paid", "Paid", "Ready", "Ready"]
    assert len({each.headers["webhook-id"] for each in sandbox.inbox.deliveries}) == 2


async def test_a_webhook_that_is_not_there_is_not_sent_again(sandbox: Practice) -> None:
    assert refused(await resend(sandbox)) == (404, "PAYMENT_NOT_FOUND")
    await Buyer(sandbox).open()

    assert refused(await resend(sandbox, webhookId="nothing")) == (404, "WEBHOOK_NOT_FOUND")
    assert refused(await resend(sandbox, webhookId=["nothing"])) == (404, "WEBHOOK_NOT_FOUND")


async def test_without_any_webhook_there_is_none_to_send_again() -> None:
    async with practice(accounts=[HARU]) as sandbox:
        await paid(sandbox)

        assert refused(await resend(sandbox)) == (404, "WEBHOOK_NOT_FOUND")


async def test_a_restarted_sandbox_goes_on_sending(tmp_path: Path) -> None:
    book = tmp_path / "book.db"
    async with practice(accounts=[LISTENING], book=book) as sandbox:
        await Buyer(sandbox).open()
        sandbox.inbox.answers = [500]
        await sandbox.send_due()

    async with practice(accounts=[LISTENING], book=book) as sandbox:
        sandbox.clock.go_on(minutes=1)
        assert await sandbox.send_due() == 1
        (delivery,) = sandbox.inbox.deliveries
        assert delivery.headers["webhook-signature"] == signatures(delivery, SECRET)


async def test_a_dropped_webhook_never_comes_but_can_be_sent_by_hand(sandbox: Practice) -> None:
    await Buyer(sandbox).open()
    await arm(sandbox, "webhook_dropped")
    await paid(sandbox, "ORDER0002")
    await cancel(sandbox, "ORDER0002")
    await paid(sandbox)
    sandbox.clock.go_on(days=1)
    await sandbox.send_due()

    assert told(sandbox) == ["Ready", "Ready", "Paid", "Cancelled", "Paid"]
    dropped = [each for each in (await look(sandbox))["webhooks"] if not each["currentExecutionCount"]]
    assert [each["paymentStatus"] for each in dropped] == ["READY"]
    await resend(sandbox, webhookId=dropped[0]["id"])
    assert await sandbox.send_due() == 1


async def test_a_doubled_webhook_comes_twice_with_the_same_id(sandbox: Practice) -> None:
    await arm(sandbox, "webhook_doubled")
    await Buyer(sandbox).open()

    assert await sandbox.send_due() == 2
    first, second = sandbox.inbox.deliveries
    assert (first.headers, first.body) == (second.headers, second.body)
    assert len((await look(sandbox))["webhooks"]) == 1


async def test_a_late_webhook_and_one_out_of_order_come_after_the_others(sandbox: Practice) -> None:
    await arm(sandbox, "webhook_late")
    await paid(sandbox)
    await sandbox.send_due()
    assert told(sandbox) == ["Paid"]
    sandbox.clock.go_on(seconds=60)
    await sandbox.send_due()
    await arm(sandbox, "webhook_out_of_order")
    await cancel(sandbox, amount=5000)
    assert await sandbox.send_due() == 0
    await cancel(sandbox)
    await sandbox.send_due()

    assert told(sandbox) == ["Paid", "Ready", "Cancelled", "PartialCancelled"]


async def test_a_forged_webhook_is_signed_with_no_secret_of_ours(sandbox: Practice) -> None:
    forged = []
    for number in range(12):
        name = f"ORDER{number:04}"
        await arm(sandbox, "webhook_forged", name)
        await Buyer(sandbox).open(name)
        await sandbox.send_due()
        forged.append(sandbox.inbox.deliveries[-2])

    assert {each.body["type"] for each in forged} == {"Transaction.Paid"}
    assert {"webhook-signature" in each.headers for each in forged} == {True, False}
    assert not any(each.headers.get("webhook-signature") == signatures(each, SECRET) for each in forged)
    assert all({"webhook-id", "webhook-timestamp"} <= set(each.headers) for each in forged)
    assert (await look(sandbox, "ORDER0000"))["status"] == "READY"
    assert len((await look(sandbox, "ORDER0000"))["webhooks"]) == 1


async def test_a_forged_webhook_for_a_paid_payment_claims_that_it_was_given_back(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    await buyer.open()
    await buyer.approve(fault="webhook_forged")
    await sandbox.send_due()

    assert told(sandbox) == ["Ready", "Cancelled", "Paid"]
    assert (await look(sandbox))["status"] == "PAID"


async def test_a_failed_refund_is_told_by_the_status_that_stays(sandbox: Practice) -> None:
    await paid(sandbox, refund="later")
    await cancel(sandbox, amount=5000)
    await control(sandbox, f"refunds/{ID}/fail")
    await sandbox.send_due()

    assert told(sandbox) == ["Ready", "Paid", "CancelPending", "Paid"]
    assert (await look(sandbox))["webhooks"][-1]["trigger"] == "ASYNC_CANCEL_FAILED"
