"""The sandbox's control API: the ledger, and refunds by the merchant's own hand."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox_wire import KEY, Practice, authenticated, confirm, handoff, ledger, practice


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice() as opened:
        yield opened


async def test_the_ledger_tells_what_was_captured_and_refunded(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim)
    path = f"/v1/payments/{claim['paymentKey']}/cancel"
    await sandbox.wire.post(path, json={"cancelReason": "고객 변심", "cancelAmount": 4000}, auth=KEY)
    open_key = await sandbox.buyer.open(handoff("ORDER0002"))

    answer = (await sandbox.wire.get("/control/ledger")).json()

    rest = {"provider": "toss", "currency": "KRW"}
    assert answer == {
        "payments": [
            rest
            | {"reference": "ORDER0001", "pg_id": claim["paymentKey"], "status": "PARTIAL_CANCELED"}
            | {"captured": 15000, "refunded": 4000},
            rest | {"reference": "ORDER0002", "pg_id": open_key, "status": "READY"} | {"captured": 0, "refunded": 0},
        ],
        "webhooks": [],
    }


async def test_the_ledger_expires_what_nobody_looked_at(sandbox: Practice) -> None:
    await sandbox.buyer.open(handoff())
    sandbox.clock.go_on(minutes=30)

    assert [entry["status"] for entry in await ledger(sandbox.wire)] == ["EXPIRED"]


async def test_the_console_refunds_behind_the_shops_back(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim)

    part = await sandbox.wire.post("/control/refunds/ORDER0001", json={"amount": 5000})
    rest = await sandbox.wire.post("/control/refunds/ORDER0001")

    assert (part.status_code, part.json()["refunded"], part.json()["status"]) == (
        201,
        5000,
        "PARTIAL_CANCELED",
    )
    assert (rest.json()["refunded"], rest.json()["status"]) == (15000, "CANCELED")
    payment = (await sandbox.wire.get("/v1/payments/orders/ORDER0001", auth=KEY)).json()
    assert [cancel["cancelAmount"] for cancel in payment["cancels"]] == [5000, 10000]


@pytest.mark.parametrize(
    ("reference", "body", "status"),
    [
        ("ORDER0001", {"amount": 15001}, 403),
        ("ORDER0001", {"amount": 0}, 400),
        ("ORDER0001", {"amount": "5000"}, 400),
        ("ORDER0001", {"amount": True}, 400),
        ("ORDER0001", {"sum": 5000}, 400),
        ("ORDER0001", [5000], 400),
        ("ORDER0009", {"amount": 5000}, 404),
    ],
)
async def test_the_console_refuses_what_cannot_be_refunded(
    sandbox: Practice, reference: str, body: Any, status: int
) -> None:
    await confirm(sandbox.wire, await authenticated(sandbox.wire))

    answer = await sandbox.wire.post(f"/control/refunds/{reference}", json=body)

    assert answer.status_code == status
    assert answer.json()["detail"]
    assert [entry["refunded"] for entry in await ledger(sandbox.wire)] == [0]
