"""PortOne's manual approval in the sandbox, and its idempotency store."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.portone_wire import (
    HARU,
    ID,
    MANUAL,
    NAMU,
    Buyer,
    arm,
    call,
    cancel,
    confirm,
    ledger,
    look,
    paid,
    pre_register,
    refused,
)
from tests.sandbox_wire import Practice, practice

KEY = "ORD20260910000001-confirm-1"


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[MANUAL, NAMU]) as opened:
        yield opened


async def token(sandbox: Practice, **request: Any) -> str:
    """What the buyer brings back from a window where he agreed."""
    buyer = Buyer(sandbox)
    await buyer.open(**request)
    return (await buyer.approve())["paymentToken"]


async def test_nothing_is_approved_until_the_shop_confirms(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    transaction_id = await buyer.open()
    brought = await buyer.approve()
    assert await ledger(sandbox) == [("READY", 0, 0)]
    sandbox.clock.go_on(seconds=5)

    answer = await confirm(
        sandbox,
        brought["paymentToken"],
        txId=transaction_id,
        totalAmount=15000,
        taxFreeAmount=0,
        currency="KRW",
        isTest=True,
    )

    payment = await look(sandbox)
    assert answer.json() == {"pgTxId": payment["pgTxId"], "paidAt": "2026-09-10T06:30:17.000Z"}
    assert (payment["status"], payment["paidAt"]) == ("PAID", "2026-09-10T06:30:17.000Z")
    assert await ledger(sandbox) == [("PAID", 15000, 0)]


@pytest.mark.parametrize(
    "claim",
    [{"totalAmount": 14000}, {"currency": "USD"}, {"taxFreeAmount": 1}, {"isTest": False}, {"txId": "another"}],
)
async def test_a_confirm_that_believes_something_else_is_refused(sandbox: Practice, claim: dict[str, Any]) -> None:
    key = await token(sandbox)

    assert refused(await confirm(sandbox, key, **claim)) == (409, "INFORMATION_MISMATCH")
    assert await ledger(sandbox) == [("READY", 0, 0)]
    assert (await confirm(sandbox, key)).status_code == 200


async def test_a_confirm_needs_the_token_of_this_payment(sandbox: Practice) -> None:
    assert refused(await confirm(sandbox, "token")) == (404, "PAYMENT_NOT_FOUND")
    await token(sandbox)
    other = await token(sandbox, reference="ORDER0002")

    assert refused(await confirm(sandbox, other)) == (400, "INVALID_PAYMENT_TOKEN")
    assert refused(await call(sandbox, f"/payments/{ID}/confirm", {})) == (400, "INVALID_REQUEST")
    foreign = {"authorization": "PortOne namu-api-secret"}
    answer = await call(sandbox, f"/payments/{ID}/confirm", {"paymentToken": other}, **foreign)
    assert refused(answer) == (404, "PAYMENT_NOT_FOUND")


async def test_a_second_confirm_hears_that_it_is_paid(sandbox: Practice) -> None:
    key = await token(sandbox)
    await confirm(sandbox, key)

    assert refused(await confirm(sandbox, key)) == (409, "ALREADY_PAID")
    await cancel(sandbox)
    assert refused(await confirm(sandbox, key)) == (409, "ALREADY_PAID")
    assert await ledger(sandbox) == [("CANCELLED", 15000, 15000)]


async def test_of_two_tokens_only_one_is_confirmed(sandbox: Practice) -> None:
    first, second = await token(sandbox), await token(sandbox)

    await confirm(sandbox, second)

    assert refused(await confirm(sandbox, first)) == (409, "ALREADY_PAID")
    assert sorted(await ledger(sandbox)) == [("PAID", 15000, 0), ("READY", 0, 0)]


async def test_a_token_does_not_wait_for_ever(sandbox: Practice) -> None:
    key = await token(sandbox)
    sandbox.clock.go_on(minutes=10)

    assert refused(await confirm(sandbox, key)) == (502, "NOT_FOUND_PAYMENT_SESSION")
    assert (await look(sandbox))["status"] == "FAILED"
    assert refused(await confirm(sandbox, key)) == (400, "INVALID_PAYMENT_TOKEN")


async def test_a_card_that_is_refused_when_it_is_approved_ends_the_attempt(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    await buyer.open()
    brought = await buyer.decline("INVALID_STOPPED_CARD")
    assert "code" not in brought

    answer = await confirm(sandbox, brought["paymentToken"])

    assert answer.status_code == 502
    assert set(answer.json()) == {"type", "message", "pgCode", "pgMessage"}
    assert (answer.json()["type"], answer.json()["pgCode"]) == ("PG_PROVIDER", "INVALID_STOPPED_CARD")
    assert (await look(sandbox))["failure"]["pgCode"] == "INVALID_STOPPED_CARD"


async def test_a_fault_of_the_pg_leaves_the_attempt_where_it_was(sandbox: Practice) -> None:
    key = await token(sandbox)
    await arm(sandbox, "error", code="PROVIDER_ERROR")

    assert refused(await confirm(sandbox, key)) == (502, "PROVIDER_ERROR")
    assert (await confirm(sandbox, key)).status_code == 200


async def test_a_confirm_issues_a_virtual_account(sandbox: Practice) -> None:
    key = await token(sandbox, payMethod="VIRTUAL_ACCOUNT")

    answer = await confirm(sandbox, key)

    assert set(answer.json()) == {"pgTxId", "paidAt"}
    assert (await look(sandbox))["status"] == "VIRTUAL_ACCOUNT_ISSUED"
    assert refused(await confirm(sandbox, key)) == (400, "INVALID_PAYMENT_TOKEN")


async def test_an_automatic_channel_gives_no_token() -> None:
    async with practice(accounts=[HARU]) as sandbox:
        buyer = Buyer(sandbox)
        await buyer.open()

        assert "paymentToken" not in await buyer.approve()
        assert refused(await confirm(sandbox, "token")) == (409, "ALREADY_PAID")


async def test_a_key_gets_the_first_answer_again_for_three_hours(sandbox: Practice) -> None:
    key = await token(sandbox)
    first = await confirm(sandbox, key, key=KEY)
    sandbox.clock.go_on(hours=2, minutes=59)
    again = await confirm(sandbox, key, key=KEY)
    sandbox.clock.go_on(minutes=1)
    later = await confirm(sandbox, key, key=KEY)

    assert (again.status_code, again.json()) == (first.status_code, first.json()) == (200, again.json())
    assert refused(later) == (409, "ALREADY_PAID")


async def test_an_error_is_kept_for_its_key_too(sandbox: Practice) -> None:
    assert refused(await cancel(sandbox, key=KEY)) == (404, "PAYMENT_NOT_FOUND")
    await confirm(sandbox, await token(sandbox))

    assert refused(await cancel(sandbox, key=KEY)) == (404, "PAYMENT_NOT_FOUND")
    assert (await cancel(sandbox, key=KEY + "2")).json()["cancellation"]["status"] == "SUCCEEDED"


async def test_one_cancel_with_a_key_gives_back_once(sandbox: Practice) -> None:
    await confirm(sandbox, await token(sandbox))

    first = await cancel(sandbox, key=KEY, amount=5000)
    second = await cancel(sandbox, key=KEY, amount=5000)

    assert first.json() == second.json()
    assert await ledger(sandbox) == [("PARTIAL_CANCELLED", 15000, 5000)]


async def test_without_a_key_nothing_is_repeated(sandbox: Practice) -> None:
    await confirm(sandbox, await token(sandbox))
    await cancel(sandbox, amount=5000)
    await cancel(sandbox, amount=5000)

    assert await ledger(sandbox) == [("PARTIAL_CANCELLED", 15000, 10000)]


async def test_a_key_is_refused_for_another_request(sandbox: Practice) -> None:
    await confirm(sandbox, await token(sandbox))
    await cancel(sandbox, key=KEY, amount=5000)

    assert refused(await cancel(sandbox, key=KEY, amount=6000)) == (400, "INVALID_REQUEST")
    assert refused(await pre_register(sandbox, "ORDER0002", key=KEY)) == (400, "INVALID_REQUEST")


async def test_two_stores_may_use_the_same_key(sandbox: Practice) -> None:
    await pre_register(sandbox, key=KEY, totalAmount=1)

    foreign = {"authorization": "PortOne namu-api-secret"}
    answer = await call(sandbox, f"/payments/{ID}/pre-register", {"totalAmount": 2}, KEY, **foreign)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "ORD20260910000001-confirm-1",
        '"fifteen-letters"',
        f'"{"k" * 257}"',
        '"ORD20260910000001-confirm-1',
        '"ORD2026091"0000001-confirm-1"',
        '"ORD20260910000001\\confirm-1"',
        "",
    ],
)
async def test_a_key_is_a_quoted_string_of_16_to_256(sandbox: Practice, header: str) -> None:
    answer = await call(sandbox, f"/payments/{ID}/pre-register", {}, **{"idempotency-key": header})

    assert refused(answer) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("header", [f'"{"k" * 16}"', f'"{"k" * 256}"', '"sixteen \\"letters"'])
async def test_the_quotes_do_not_count(sandbox: Practice, header: str) -> None:
    answer = await call(sandbox, f"/payments/{ID}/pre-register", {}, **{"idempotency-key": header})

    assert answer.status_code == 200


async def test_a_key_whose_request_still_runs_is_outstanding() -> None:
    is_running, may_go_on = asyncio.Event(), asyncio.Event()

    async def hold(_: float) -> None:
        is_running.set()
        await may_go_on.wait()

    async with practice(accounts=[HARU], sleep=hold) as sandbox:
        await paid(sandbox)
        await arm(sandbox, "slow")
        first = asyncio.create_task(cancel(sandbox, key=KEY))
        await is_running.wait()
        assert refused(await cancel(sandbox, key=KEY)) == (409, "IDEMPOTENCY_OUTSTANDING_REQUEST")
        may_go_on.set()
        assert (await first).status_code == 200
        assert (await cancel(sandbox, key=KEY)).json() == (await first).json()
        assert await ledger(sandbox) == [("CANCELLED", 15000, 15000)]


async def test_a_look_up_takes_no_notice_of_a_key(sandbox: Practice) -> None:
    await confirm(sandbox, await token(sandbox))
    headers = {"authorization": "PortOne haru-api-secret", "idempotency-key": "no key at all"}

    answer = await sandbox.wire.get(f"/portone/payments/{ID}", headers=headers)

    assert answer.json()["status"] == "PAID"


async def test_a_confirm_may_skip_the_webhook() -> None:
    account = MANUAL | {"webhook_url": "http://shop.test/hook", "webhook_secret": "whsec_cG9ydG9uZQ=="}
    async with practice(accounts=[account]) as sandbox:
        await confirm(sandbox, await token(sandbox), skipWebhook=True)
        await confirm(sandbox, await token(sandbox, reference="ORDER0002"), reference="ORDER0002")
        await sandbox.send_due()

        told = [(each.body["type"], each.body["data"]["paymentId"]) for each in sandbox.inbox.deliveries]
        assert [each for each in told if each[0] == "Transaction.Paid"] == [("Transaction.Paid", "ORDER0002")]


async def test_a_late_approval_waits_at_the_pg() -> None:
    async with practice(accounts=[HARU]) as sandbox:
        buyer = await paid(sandbox, approval="later")
        assert (await look(sandbox))["status"] == "PAY_PENDING"
        assert refused(await cancel(sandbox)) == (409, "PAYMENT_NOT_PAID")

        await buyer.at_the_bank("settle_pending")
        await buyer.at_the_bank("settle_pending")

        assert await ledger(sandbox) == [("PAID", 15000, 0)]
        other = await paid(sandbox, "ORDER0002", approval="later")
        await other.at_the_bank("fail_pending")
        assert (await look(sandbox, "ORDER0002"))["status"] == "FAILED"
