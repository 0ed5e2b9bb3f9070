"""The sandbox's idempotency keys and test codes, and what it remembers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.sandbox.main import create_sandbox
from tests.sandbox_wire import (
    HARU,
    KEY,
    NAMU,
    Practice,
    authenticated,
    cancel,
    confirm,
    look,
    practice,
    refused,
)

STRANGER = (NAMU["secret_key"], "")


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice() as opened:
        yield opened


async def test_a_repeated_key_gets_the_first_answer_again(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)

    first, again = await confirm(sandbox.wire, claim, key="k-1"), await confirm(sandbox.wire, claim, key="k-1")

    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert refused(await confirm(sandbox.wire, claim, key="k-2")) == (400, "ALREADY_PROCESSED_PAYMENT")


async def test_a_repeated_key_gets_the_first_error_again(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    key = claim["paymentKey"]
    assert refused(await cancel(sandbox.wire, key, key="r-1")) == (403, "NOT_CANCELABLE_PAYMENT")
    await confirm(sandbox.wire, claim)

    assert refused(await cancel(sandbox.wire, key, key="r-1")) == (403, "NOT_CANCELABLE_PAYMENT")
    assert (await cancel(sandbox.wire, key, key="r-2")).json()["status"] == "CANCELED"


async def test_a_refund_without_a_key_is_made_twice_and_with_one_once(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim)

    for _ in range(2):
        await cancel(sandbox.wire, claim["paymentKey"], cancelAmount=1000)
    for _ in range(2):
        answer = await cancel(sandbox.wire, claim["paymentKey"], key="r-1", cancelAmount=1000)

    assert answer.json()["balanceAmount"] == 12000


async def test_a_key_is_good_for_one_url_and_one_merchant(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim, key="same", auth=STRANGER)

    assert (await confirm(sandbox.wire, claim, key="same")).json()["status"] == "DONE"
    assert (await cancel(sandbox.wire, claim["paymentKey"], key="same")).json()["status"] == "CANCELED"


async def test_a_key_is_forgotten_after_15_days(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim, key="k-1")

    sandbox.clock.go_on(days=15, seconds=-1)
    assert (await confirm(sandbox.wire, claim, key="k-1")).status_code == 200
    sandbox.clock.go_on(seconds=1)
    assert refused(await confirm(sandbox.wire, claim, key="k-1")) == (400, "ALREADY_PROCESSED_PAYMENT")


async def test_a_key_has_at_most_300_characters(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)

    assert refused(await confirm(sandbox.wire, claim, key="k" * 301)) == (400, "INVALID_IDEMPOTENCY_KEY")
    assert (await confirm(sandbox.wire, claim, key="k" * 300)).status_code == 200


async def test_a_repeated_key_waits_for_the_first_request() -> None:
    reached, released = asyncio.Event(), asyncio.Event()

    async def hold(seconds: float) -> None:
        reached.set()
        await released.wait()

    async with practice(sleep=hold) as sandbox:
        claim = await authenticated(sandbox.wire)
        fault = {"provider": "toss", "kind": "slow", "reference": claim["orderId"]}
        await sandbox.wire.post("/control/faults", json=fault)
        first = asyncio.create_task(confirm(sandbox.wire, claim, key="k-1"))
        await reached.wait()

        assert refused(await confirm(sandbox.wire, claim, key="k-1")) == (409, "IDEMPOTENT_REQUEST_PROCESSING")
        released.set()
        assert (await first).json()["status"] == "DONE"
        assert (await confirm(sandbox.wire, claim, key="k-1")).json() == (await first).json()


async def test_a_test_code_forces_its_error_before_anything_is_looked_at(sandbox: Practice) -> None:
    forced = {"TossPayments-Test-Code": "REJECT_CARD_COMPANY"}
    claim = await authenticated(sandbox.wire)

    answer = await confirm(sandbox.wire, {"paymentKey": "unknown"}, headers=forced)
    assert refused(answer) == (403, "REJECT_CARD_COMPANY")
    assert refused(await confirm(sandbox.wire, claim, headers=forced)) == (403, "REJECT_CARD_COMPANY")
    looked = await sandbox.wire.get("/v1/payments/orders/ORDER0001", auth=KEY, headers=forced)
    assert refused(looked) == (403, "REJECT_CARD_COMPANY")
    misspelt = await confirm(sandbox.wire, claim, headers={"TossPayments-Test-Code": "REJECT_CARD"})
    assert refused(misspelt) == (400, "INVALID_REQUEST")
    assert (await confirm(sandbox.wire, claim)).json()["status"] == "DONE"


async def test_every_answer_bears_a_trace_id_of_its_own(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    answers = [
        await confirm(sandbox.wire, claim, key="k-1"),
        await confirm(sandbox.wire, claim, key="k-1"),
        await look(sandbox.wire, "unknown"),
        await look(sandbox.wire, "unknown", ("test_sk_nobody", "")),
    ]

    assert len({answer.headers["x-tosspayments-trace-id"] for answer in answers}) == 4


async def test_a_restarted_sandbox_knows_everything(tmp_path: Path) -> None:
    book = tmp_path / "book.db"
    async with practice(book=book) as sandbox:
        claim = await authenticated(sandbox.wire)
        first = await confirm(sandbox.wire, claim, key="k-1")
        fault = {"provider": "toss", "kind": "server_error", "reference": claim["orderId"]}
        await sandbox.wire.post("/control/faults", json=fault)

    async with practice(book=book) as sandbox:
        assert (await confirm(sandbox.wire, claim, key="k-1")).json() == first.json()
        assert (await look(sandbox.wire, claim["paymentKey"])).json() == first.json()
        assert refused(await cancel(sandbox.wire, claim["paymentKey"]))[0] == 500


@pytest.mark.parametrize("name", ["client_key", "secret_key"])
def test_it_refuses_to_run_with_a_live_key(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} of haru01 starts with live_"):
        create_sandbox(accounts=[HARU | {name: "live_ck_1"}])


async def test_a_look_up_ignores_keys(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    path, headers = f"/v1/payments/{claim['paymentKey']}", {"Idempotency-Key": "k" * 301}
    before = await sandbox.wire.get(path, auth=KEY, headers=headers)
    await confirm(sandbox.wire, claim)
    after = await sandbox.wire.get(path, auth=KEY, headers=headers)

    assert (before.json()["status"], after.json()["status"]) == ("IN_PROGRESS", "DONE")
