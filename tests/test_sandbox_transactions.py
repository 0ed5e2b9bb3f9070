"""The sandbox's reading of Toss's list of transactions."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.sandbox_wire import (
    KEY,
    NAMU,
    ORIGIN,
    Practice,
    arm,
    authenticated,
    cancel,
    confirm,
    deposit,
    issued,
    practice,
    refused,
)

DAY = {"startDate": "2026-09-10T00:00:00", "endDate": "2026-09-10T23:59:59"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice() as opened:
        yield opened


async def listed(sandbox: Practice, auth: tuple[str, str] = KEY, **query: Any) -> httpx.Response:
    return await sandbox.wire.get("/v1/transactions", params=DAY | query, auth=auth)


async def test_an_approval_and_each_cancel_is_one_row(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    done = (await confirm(sandbox.wire, claim)).json()
    sandbox.clock.go_on(minutes=5)
    part = (await cancel(sandbox.wire, claim["paymentKey"], cancelAmount=5000)).json()
    rest = (await cancel(sandbox.wire, claim["paymentKey"])).json()

    rows = (await listed(sandbox)).json()

    assert rows[0] == {
        "mId": "haru01",
        "transactionKey": done["lastTransactionKey"],
        "paymentKey": claim["paymentKey"],
        "orderId": "ORDER0001",
        "method": "카드",
        "customerKey": None,
        "useEscrow": False,
        "receiptUrl": f"{ORIGIN}/receipts/toss/{claim['paymentKey']}",
        "status": "DONE",
        "transactionAt": "2026-09-10T15:30:12+09:00",
        "currency": "KRW",
        "amount": 15000,
    }
    assert [(row["status"], row["amount"]) for row in rows[1:]] == [("PARTIAL_CANCELED", 5000), ("CANCELED", 10000)]
    assert [row["transactionKey"] for row in rows[1:]] == [part["lastTransactionKey"], rest["lastTransactionKey"]]
    assert rows[1]["transactionAt"] == part["cancels"][0]["canceledAt"] == "2026-09-10T15:35:12+09:00"


async def test_an_account_is_listed_from_its_deposit_on(sandbox: Practice) -> None:
    await issued(sandbox.wire)
    assert (await listed(sandbox)).json() == []

    await deposit(sandbox.wire)
    await deposit(sandbox.wire, "ORDER0001/reverse")

    rows = (await listed(sandbox)).json()
    assert [(row["status"], row["amount"]) for row in rows] == [("DONE", 15000), ("WAITING_FOR_DEPOSIT", 15000)]


async def test_a_day_is_a_day_in_korea_with_both_ends(sandbox: Practice) -> None:
    sandbox.clock.go_on(hours=8, minutes=29, seconds=46, microseconds=-1)
    for number in range(2):
        await confirm(sandbox.wire, await authenticated(sandbox.wire, reference=f"ORDER000{number}"))
        sandbox.clock.go_on(seconds=1)
    await confirm(sandbox.wire, await authenticated(sandbox.wire, reference="ORDER0002"))
    next_day = {"startDate": "2026-09-11T00:00:00", "endDate": "2026-09-11T23:59:59"}

    today = [row["transactionAt"] for row in (await listed(sandbox)).json()]
    tomorrow = [row["transactionAt"] for row in (await listed(sandbox, **next_day)).json()]

    assert today == ["2026-09-10T23:59:57+09:00", "2026-09-10T23:59:58+09:00", "2026-09-10T23:59:59+09:00"]
    assert tomorrow == []
    sandbox.clock.go_on(seconds=1)
    await confirm(sandbox.wire, await authenticated(sandbox.wire, reference="ORDER0003"))
    assert len((await listed(sandbox)).json()) == 3
    assert len((await listed(sandbox, **next_day)).json()) == 1


async def test_a_long_list_is_read_page_by_page(sandbox: Practice) -> None:
    for number in range(5):
        await confirm(sandbox.wire, await authenticated(sandbox.wire, reference=f"ORDER000{number}"))

    pages, query = [], {}
    while not pages or len(pages[-1]) == 2:
        pages.append((await listed(sandbox, limit=2, **query)).json())
        query = {"startingAfter": pages[-1][-1]["transactionKey"]}

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [row["orderId"] for page in pages for row in page] == [f"ORDER000{number}" for number in range(5)]
    assert (await listed(sandbox, **query)).json() == []


async def test_a_merchant_sees_its_own_transactions_only(sandbox: Practice) -> None:
    await confirm(sandbox.wire, await authenticated(sandbox.wire))
    key = (await listed(sandbox)).json()[0]["transactionKey"]
    stranger = (NAMU["secret_key"], "")

    assert (await listed(sandbox, stranger)).json() == []
    assert refused(await listed(sandbox, stranger, startingAfter=key)) == (400, "INVALID_REQUEST")
    assert refused(await listed(sandbox, ("test_sk_nobody", ""))) == (401, "UNAUTHORIZED_KEY")


@pytest.mark.parametrize(
    "wrong",
    [
        {"startDate": ""},
        {"startDate": "2026-09-10"},
        {"endDate": "2026-09-31T00:00:00"},
        {"endDate": "2026-09-09T23:59:59"},
        {"limit": 0},
        {"limit": 5001},
        {"limit": "ten"},
        {"startingAfter": "txrd_unknown"},
    ],
)
async def test_a_question_that_makes_no_sense_is_invalid(sandbox: Practice, wrong: dict[str, Any]) -> None:
    assert refused(await listed(sandbox, **wrong)) == (400, "INVALID_REQUEST")


async def test_a_list_fails_on_demand(sandbox: Practice) -> None:
    await arm(sandbox.wire, "rate_limited", None, percent=100)

    assert refused(await listed(sandbox)) == (429, "TOO_MANY_REQUESTS")
