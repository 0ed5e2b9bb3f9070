"""Attempts to pay at PortOne's window in the sandbox: which are let through, and how they end."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.portone_wire import (
    HARU,
    ID,
    Buyer,
    arm,
    cancel,
    get,
    handoff,
    issued,
    ledger,
    look,
    paid,
    pre_register,
    refused,
    returned,
)
from tests.sandbox_wire import Practice, practice

DOOR = "/sdk/portone/payments"


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[HARU]) as opened:
        yield opened


@pytest.mark.parametrize(
    "asked",
    [{"amount": 14000}, {"amount": 16000}, {"currency": "JPY"}, {"taxFreeAmount": 1}],
)
async def test_a_window_that_asks_for_anything_else_than_was_registered_sends_the_buyer_back(
    sandbox: Practice, asked: dict[str, Any]
) -> None:
    await pre_register(sandbox, totalAmount=15000, taxFreeAmount=0, currency="KRW")
    wish = handoff(**asked)

    page = await sandbox.wire.post("/window/portone", json=wish)
    answer = await sandbox.wire.post(DOOR, json=wish)

    assert page.status_code == 303
    assert page.headers["location"] == answer.json()["url"]
    brought = returned(page.headers["location"])
    assert brought["code"] == "AmountNotEqualToPredefined"
    assert brought["paymentId"] == ID
    assert brought["message"]
    assert refused(await get(sandbox, f"/payments/{ID}")) == (404, "PAYMENT_NOT_FOUND")


async def test_a_window_that_asks_for_what_was_registered_last_opens(sandbox: Practice) -> None:
    await pre_register(sandbox, totalAmount=14000)
    await pre_register(sandbox, totalAmount=15000)

    await Buyer(sandbox).open()

    assert (await look(sandbox))["status"] == "READY"


async def test_what_was_not_registered_may_be_anything(sandbox: Practice) -> None:
    await pre_register(sandbox)
    await paid(sandbox, amount=777)

    assert await ledger(sandbox) == [("PAID", 777, 0)]


async def test_an_approval_is_paid_at_once_and_brings_no_amount_back(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    transaction_id = await buyer.open()

    assert await buyer.approve() == {"paymentId": ID, "transactionType": "PAYMENT", "txId": transaction_id}
    assert await ledger(sandbox) == [("PAID", 15000, 0)]


@pytest.mark.parametrize("code", ["REJECT_CARD_COMPANY", "INVALID_STOPPED_CARD"])
async def test_a_decline_comes_back_with_the_pgs_code(sandbox: Practice, code: str) -> None:
    buyer = Buyer(sandbox)
    transaction_id = await buyer.open()

    brought = await buyer.decline(code)

    assert brought["code"] == "PGProviderError"
    assert (brought["pgCode"], brought["txId"]) == (code, transaction_id)
    assert brought["pgMessage"]
    payment = await look(sandbox)
    assert payment["status"] == "FAILED"
    assert payment["failure"]["pgCode"] == code
    assert payment["failedAt"]
    assert await ledger(sandbox) == [("FAILED", 0, 0)]


async def test_a_buyer_who_goes_away_comes_back_with_the_pgs_word_for_it(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    await buyer.open()

    brought = await buyer.cancel()

    assert (brought["code"], brought["pgCode"]) == ("PGProviderError", "PAY_PROCESS_CANCELED")
    assert (await look(sandbox))["status"] == "FAILED"


async def test_a_failed_attempt_is_followed_by_another_that_is_paid(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    await buyer.open()
    await buyer.decline()
    await buyer.open()
    assert (await look(sandbox))["status"] == "READY"
    await buyer.approve()

    assert (await look(sandbox))["status"] == "PAID"
    assert await ledger(sandbox) == [("FAILED", 0, 0), ("PAID", 15000, 0)]


async def test_of_two_windows_only_one_is_paid(sandbox: Practice) -> None:
    first, second = Buyer(sandbox), Buyer(sandbox)
    await first.open()
    await second.open()
    await second.approve()

    brought = await first.approve()

    assert brought["code"] == "PaymentAlreadyPaid"
    assert (await look(sandbox))["transactionId"] == second.transaction_id
    assert await ledger(sandbox) == [("FAILED", 0, 0), ("PAID", 15000, 0)]


async def test_a_look_up_finds_the_paid_attempt_behind_a_newer_one(sandbox: Practice) -> None:
    first, second = Buyer(sandbox), Buyer(sandbox)
    await first.open()
    await second.open()
    await first.approve()
    await second.cancel()

    payment = await look(sandbox)
    assert (payment["status"], payment["transactionId"]) == ("PAID", first.transaction_id)
    assert await ledger(sandbox) == [("PAID", 15000, 0), ("FAILED", 0, 0)]


@pytest.mark.parametrize("is_given_back", [False, True])
async def test_a_paid_payment_opens_no_other_window(sandbox: Practice, is_given_back: bool) -> None:
    await paid(sandbox)
    if is_given_back:
        await cancel(sandbox)

    page = await sandbox.wire.post("/window/portone", json=handoff())

    assert returned(page.headers["location"])["code"] == "PaymentAlreadyPaid"
    assert len(await ledger(sandbox)) == 1


async def test_a_payment_that_waits_for_money_opens_no_other_window(sandbox: Practice) -> None:
    other = Buyer(sandbox)
    await other.open()
    await issued(sandbox)

    page = await sandbox.wire.post("/window/portone", json=handoff())

    assert returned(page.headers["location"])["code"] == "InvalidEntityState"
    assert (await other.approve())["code"] == "InvalidEntityState"


async def test_a_window_does_not_wait_for_ever(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    await buyer.open()
    sandbox.clock.go_on(minutes=30)
    assert (await look(sandbox))["status"] == "READY"

    assert (await buyer.approve())["pgCode"] == "PAY_PROCESS_ABORTED"
    assert await ledger(sandbox) == [("FAILED", 0, 0)]


@pytest.mark.parametrize(("method", "least"), [("CARD", 100), ("EASY_PAY", 100), ("TRANSFER", 200)])
async def test_the_pg_takes_no_less_than_its_minimum(sandbox: Practice, method: str, least: int) -> None:
    page = await sandbox.wire.post("/window/portone", json=handoff(amount=least - 1, payMethod=method))

    assert returned(page.headers["location"])["pgCode"] == "BELOW_MINIMUM_AMOUNT"
    await paid(sandbox, "ORDER0002", least, payMethod=method)


async def test_the_window_takes_another_amount_on_demand(sandbox: Practice) -> None:
    await arm(sandbox, "amount_changed")
    await pre_register(sandbox, totalAmount=15000)
    await paid(sandbox)

    payment = await look(sandbox)
    assert (payment["amount"]["total"], payment["amount"]["paid"]) == (16000, 16000)
    assert await ledger(sandbox) == [("PAID", 16000, 0)]


async def test_the_buyer_chooses_a_fault_of_the_window_itself(sandbox: Practice) -> None:
    await paid(sandbox, fault="amount_changed")

    assert await ledger(sandbox) == [("PAID", 16000, 0)]
    assert (await sandbox.wire.get("/control/faults")).json() == {"faults": []}


async def test_an_open_window_survives_a_restart(tmp_path: Path) -> None:
    book = tmp_path / "book.db"
    async with practice(accounts=[HARU], book=book) as sandbox:
        transaction_id = await Buyer(sandbox).open()

    async with practice(accounts=[HARU], book=book) as sandbox:
        buyer = Buyer(sandbox)
        buyer.transaction_id = transaction_id
        await buyer.approve()
        assert (await look(sandbox))["status"] == "PAID"
