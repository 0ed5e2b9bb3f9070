"""The sandbox's faults on demand: lost and late answers, server errors, refusals."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import httpx
import pytest
import uvicorn

from app.sandbox.main import create_sandbox
from tests.sandbox_wire import (
    HARU,
    KEY,
    Practice,
    arm,
    authenticated,
    captured,
    confirm,
    ledger,
    practice,
)


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice() as opened:
        yield opened


@pytest.mark.parametrize(
    ("kind", "taken"), [("answer_lost_before", 0), ("answer_lost_after", 15000), ("answer_lost", 15000)]
)
async def test_an_answer_is_lost_before_or_after_the_money_moved(sandbox: Practice, kind: str, taken: int) -> None:
    claim = await authenticated(sandbox.wire)
    await arm(sandbox.wire, kind)

    with pytest.raises(httpx.RemoteProtocolError):
        await confirm(sandbox.wire, claim, key="k-1")

    assert await captured(sandbox.wire) == taken
    assert (await confirm(sandbox.wire, claim, key="k-1")).json()["status"] == "DONE"
    assert await captured(sandbox.wire) == 15000
    assert ("POST", "/v1/payments/confirm", "RemoteProtocolError") in sandbox.transport.calls


@pytest.mark.parametrize(("kind", "taken"), [("server_error", 0), ("5xx", 0), ("server_error_after", 15000)])
async def test_a_server_error_is_kept_for_its_key(sandbox: Practice, kind: str, taken: int) -> None:
    claim = await authenticated(sandbox.wire)
    await arm(sandbox.wire, kind)

    for _ in range(2):
        answer = await confirm(sandbox.wire, claim, key="k-1")
        assert answer.status_code == 500
        assert answer.json()["code"] == "FAILED_INTERNAL_SYSTEM_PROCESSING"
        assert await captured(sandbox.wire) == taken
    assert (await confirm(sandbox.wire, claim, key="k-2")).status_code == (400 if taken else 200)


async def test_a_slow_answer_runs_into_the_read_time_out_while_the_money_moves(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await arm(sandbox.wire, "slow", times=2)

    with pytest.raises(httpx.ReadTimeout):
        await sandbox.wire.post("/v1/payments/confirm", json=claim, auth=KEY, timeout=29)

    assert await captured(sandbox.wire) == 15000
    answer = await sandbox.wire.post("/v1/payments/confirm", json=claim, auth=KEY, timeout=60)
    assert answer.json()["code"] == "ALREADY_PROCESSED_PAYMENT"


async def test_a_confirm_is_refused_with_the_code_that_was_asked_for(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await arm(sandbox.wire, "error", code="INVALID_STOPPED_CARD")

    answer = await confirm(sandbox.wire, claim)

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_STOPPED_CARD")
    assert [entry["status"] for entry in await ledger(sandbox.wire)] == ["ABORTED"]


async def test_a_passing_error_does_not_end_the_payment(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await arm(sandbox.wire, "error", code="PROVIDER_ERROR")

    assert (await confirm(sandbox.wire, claim)).json()["code"] == "PROVIDER_ERROR"
    assert (await confirm(sandbox.wire, claim)).json()["status"] == "DONE"


async def test_a_refund_can_be_refused(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await arm(sandbox.wire, "error", code="REFUND_REJECTED", call="cancel")
    await confirm(sandbox.wire, claim)
    path, body = f"/v1/payments/{claim['paymentKey']}/cancel", {"cancelReason": "고객 변심"}

    assert (await sandbox.wire.post(path, json=body, auth=KEY)).json()["code"] == "REFUND_REJECTED"
    assert (await sandbox.wire.post(path, json=body, auth=KEY)).json()["status"] == "CANCELED"


@pytest.mark.parametrize(("kind", "status"), [("rate_limited", 429), ("server_error", 500)])
async def test_a_look_up_fails_on_demand(sandbox: Practice, kind: str, status: int) -> None:
    claim = await authenticated(sandbox.wire)
    await arm(sandbox.wire, kind, call="lookup")
    await confirm(sandbox.wire, claim)

    answers = [await sandbox.wire.get("/v1/payments/orders/ORDER0001", auth=KEY) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [status, 200]


async def test_a_look_up_loses_its_answer_or_is_slow_on_demand(sandbox: Practice) -> None:
    await authenticated(sandbox.wire)
    await arm(sandbox.wire, "answer_lost_after", call="lookup")
    await arm(sandbox.wire, "slow", call="lookup", seconds=3)

    for expected in (httpx.RemoteProtocolError, httpx.ReadTimeout):
        with pytest.raises(expected):
            await sandbox.wire.get("/v1/payments/orders/ORDER0001", auth=KEY, timeout=2)


async def test_a_fault_for_one_payment_leaves_the_others_alone(sandbox: Practice) -> None:
    await arm(sandbox.wire, "server_error", "ORDER0001")

    assert (await confirm(sandbox.wire, await authenticated(sandbox.wire, reference="ORDER0002"))).status_code == 200
    assert (await confirm(sandbox.wire, await authenticated(sandbox.wire, reference="ORDER0001"))).status_code == 500


async def test_a_fault_strikes_as_often_as_it_was_armed_for(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await arm(sandbox.wire, "server_error", times=2)

    statuses = [(await confirm(sandbox.wire, claim)).status_code for _ in range(3)]

    assert statuses == [500, 500, 200]


async def test_a_lost_answer_may_be_lost_again_when_it_is_replayed(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await arm(sandbox.wire, "answer_lost_after", times=2)

    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            await confirm(sandbox.wire, claim, key="k-1")
    assert (await confirm(sandbox.wire, claim, key="k-1")).json()["status"] == "DONE"


async def test_a_percentage_of_calls_fails_the_same_way_for_the_same_seed() -> None:
    async def run() -> list[int]:
        async with practice(chance=Random(7)) as sandbox:
            await arm(sandbox.wire, "rate_limited", None, percent=30)
            path = "/v1/payments/orders/UNKNOWN01"
            return [(await sandbox.wire.get(path, auth=KEY)).status_code for _ in range(200)]

    statuses = await run()

    assert 40 <= statuses.count(429) <= 80
    assert statuses.count(404) == 200 - statuses.count(429)
    assert await run() == statuses


async def test_armed_faults_are_listed_and_dropped(sandbox: Practice) -> None:
    await arm(sandbox.wire, "5xx", times=3)
    await arm(sandbox.wire, "slow", None, percent=5)

    listed = (await sandbox.wire.get("/control/faults")).json()["faults"]
    assert [(each["kind"], each["call"], each["times"]) for each in listed] == [
        ("server_error", "money", 3),
        ("slow", "money", None),
    ]
    dropped = await sandbox.wire.delete("/control/faults")
    assert (dropped.status_code, dropped.content) == (204, b"")
    assert (await sandbox.wire.get("/control/faults")).json() == {"faults": []}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"kind": "explode"},
            "kind must be one of answer_lost_before, answer_lost_after, slow, server_error",
        ),
        ({"kind": None}, "kind must be one of"),
        ({"kind": ["slow"]}, "kind must be one of"),
        ({"provider": "paypal"}, "provider must be one of toss"),
        ({"call": "refund"}, "call must be one of money, begin, confirm, cancel, close, lookup, webhook"),
        ({"percent": 5}, "either reference"),
        ({"reference": None}, "either reference"),
        ({"reference": 7}, "reference must be"),
        ({"reference": None, "percent": 101}, "percent must be a number from 0 to 100"),
        ({"reference": None, "percent": True}, "percent must be"),
        ({"times": 0}, "times must be a whole number from 1"),
        ({"times": 1.5}, "times must be"),
        ({"seconds": -1}, "seconds must be"),
        ({"code": "FDS_ERROR"}, "code belongs to the kind error"),
        ({"kind": "error"}, "error needs a code"),
        ({"kind": "error", "code": "NO_SUCH_CODE"}, "code must be one of"),
        ({"kind": "rate_limited", "call": "money"}, "look-ups only"),
        ({"kind": "webhook_late", "call": "money"}, "belong together"),
        ({"kind": "slow", "call": "webhook"}, "belong together"),
        ({"refrence": "ORDER0001"}, "unknown fields refrence"),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused_with_a_sentence(
    sandbox: Practice, wrong: dict[str, Any], sentence: str
) -> None:
    fault = {"provider": "toss", "kind": "slow", "reference": "ORDER0001"} | wrong

    answer = await sandbox.wire.post("/control/faults", json=fault)

    assert answer.status_code == 400
    assert sentence in answer.json()["detail"]
    assert (await sandbox.wire.get("/control/faults")).json() == {"faults": []}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"slow"'])
async def test_a_fault_is_a_json_object(sandbox: Practice, body: bytes) -> None:
    assert (await sandbox.wire.post("/control/faults", content=body)).status_code == 400


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """A sandbox behind a real server on a free port. The socket listens first: no client comes too early."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(create_sandbox(accounts=[HARU]), log_config=None)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


async def test_a_lost_answer_breaks_a_real_connection_without_a_word_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as origin, httpx.AsyncClient(base_url=origin, timeout=10) as wire:
        claim = await authenticated(wire)
        await arm(wire, "answer_lost_after")

        with caplog.at_level(logging.ERROR), pytest.raises(httpx.RemoteProtocolError):
            await confirm(wire, claim, key="k-1")

        assert caplog.records == []
        assert await captured(wire) == 15000
        assert (await confirm(wire, claim, key="k-1")).json()["status"] == "DONE"
