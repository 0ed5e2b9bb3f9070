"""The sandbox's webhooks going wrong on demand, and their way over a real connection."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from app.sandbox.main import create_sandbox
from tests.sandbox_wire import (
    LISTENING,
    Practice,
    arm,
    authenticated,
    cancel,
    confirm,
    deposit,
    handoff,
    issued,
    look,
    practice,
)

ID = "tosspayments-webhook-transmission-id"
DONE = ("PAYMENT_STATUS_CHANGED", "DONE")
CANCELED = ("PAYMENT_STATUS_CHANGED", "CANCELED")


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[LISTENING]) as opened:
        yield opened


async def test_a_dropped_webhook_never_comes_but_can_be_sent_by_hand(sandbox: Practice) -> None:
    await arm(sandbox.wire, "webhook_dropped")
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim)
    await cancel(sandbox.wire, claim["paymentKey"])
    sandbox.clock.go_on(days=7)

    assert await sandbox.send_due() == 1
    assert sandbox.inbox.told() == [CANCELED]
    dropped = (await sandbox.wire.get("/control/ledger")).json()["webhooks"][0]
    assert (dropped["attempts"], dropped["answer"]) == (0, "dropped")
    await sandbox.wire.post(f"/control/webhooks/{dropped['id']}/send")
    assert sandbox.inbox.told() == [CANCELED, DONE]


async def test_a_fault_strikes_all_that_is_told_about_one_change(sandbox: Practice) -> None:
    await issued(sandbox.wire)
    await arm(sandbox.wire, "webhook_dropped")
    await deposit(sandbox.wire)
    await deposit(sandbox.wire, "ORDER0001/reverse")
    await sandbox.send_due()

    assert {status for _, status in sandbox.inbox.told()} == {"WAITING_FOR_DEPOSIT"}
    assert len(sandbox.inbox.deliveries) == 4


async def test_a_doubled_webhook_comes_twice_with_the_same_id(sandbox: Practice) -> None:
    await arm(sandbox.wire, "webhook_doubled")
    await confirm(sandbox.wire, await authenticated(sandbox.wire))

    assert await sandbox.send_due() == 2
    first, second = sandbox.inbox.deliveries
    assert (first.body, first.headers[ID]) == (second.body, second.headers[ID])


@pytest.mark.parametrize(("more", "seconds"), [({}, 60), ({"seconds": 5}, 5)])
async def test_a_late_webhook_comes_when_others_are_long_there(
    sandbox: Practice, more: dict[str, Any], seconds: int
) -> None:
    await arm(sandbox.wire, "webhook_late", **more)
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim)
    await cancel(sandbox.wire, claim["paymentKey"])
    await sandbox.send_due()

    sandbox.clock.go_on(seconds=seconds - 1)
    assert await sandbox.send_due() == 0
    sandbox.clock.go_on(seconds=1)
    assert await sandbox.send_due() == 1
    assert sandbox.inbox.told() == [CANCELED, DONE]


async def test_a_webhook_out_of_order_comes_after_the_next_one(sandbox: Practice) -> None:
    await arm(sandbox.wire, "webhook_out_of_order")
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim)
    assert await sandbox.send_due() == 0
    await confirm(sandbox.wire, await authenticated(sandbox.wire, reference="ORDER0002"))
    assert await sandbox.send_due() == 1

    await cancel(sandbox.wire, claim["paymentKey"])

    assert await sandbox.send_due() == 2
    orders = [delivery.body["data"]["orderId"] for delivery in sandbox.inbox.deliveries]
    assert orders == ["ORDER0002", "ORDER0001", "ORDER0001"]
    assert sandbox.inbox.told() == [DONE, CANCELED, DONE]


async def test_a_webhook_out_of_order_comes_even_if_no_other_follows(sandbox: Practice) -> None:
    await arm(sandbox.wire, "webhook_out_of_order")
    await confirm(sandbox.wire, await authenticated(sandbox.wire))

    sandbox.clock.go_on(seconds=60)

    assert await sandbox.send_due() == 1


async def test_a_forged_webhook_claims_a_payment_that_nobody_made(sandbox: Practice) -> None:
    await arm(sandbox.wire, "webhook_forged")
    claim = await authenticated(sandbox.wire)

    assert await sandbox.send_due() == 1
    (forged,) = sandbox.inbox.deliveries
    assert sandbox.inbox.told() == [DONE]
    assert forged.body["data"]["paymentKey"] == claim["paymentKey"]
    assert (await look(sandbox.wire, claim["paymentKey"])).json()["status"] == "IN_PROGRESS"
    done = (await confirm(sandbox.wire, claim)).json()
    assert forged.body["data"]["secret"] != done["secret"]


async def test_a_forged_webhook_for_a_paid_order_names_an_unknown_payment(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await arm(sandbox.wire, "webhook_forged")
    await confirm(sandbox.wire, claim)

    assert await sandbox.send_due() == 2
    forged, real = (delivery.body["data"] for delivery in sandbox.inbox.deliveries)
    assert (forged["orderId"], forged["status"]) == (real["orderId"], "DONE")
    assert forged["paymentKey"] != real["paymentKey"] == claim["paymentKey"]
    assert forged["secret"] != real["secret"]
    assert (await look(sandbox.wire, forged["paymentKey"])).status_code == 404


async def test_a_forged_deposit_callback_does_not_know_the_secret(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire, method="VIRTUAL_ACCOUNT")
    await arm(sandbox.wire, "webhook_forged")
    payment = (await confirm(sandbox.wire, claim)).json()
    await sandbox.send_due()

    forged, true = sandbox.inbox.deliveries[0].body, sandbox.inbox.deliveries[2].body
    assert (forged["status"], forged["orderId"]) == ("DONE", "ORDER0001")
    assert forged["secret"] != true["secret"] == payment["secret"]
    assert (await look(sandbox.wire, claim["paymentKey"])).json()["status"] == "WAITING_FOR_DEPOSIT"


async def test_a_webhook_fault_is_chosen_at_the_window(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())
    page = (await sandbox.wire.get(f"/window/toss/{key}")).text
    for words in ("웹훅이 오지 않음", "웹훅이 두 번 옴", "웹훅이 늦게 옴"):
        assert words in page

    await sandbox.buyer.approve(fault="webhook_doubled")
    await confirm(sandbox.wire, {"paymentKey": key, "orderId": "ORDER0001", "amount": 15000})

    assert await sandbox.send_due() == 2


@asynccontextmanager
async def served(make: Callable[[str], Any]) -> AsyncIterator[str]:
    """An app behind a real server on a free port. The socket listens first: no client comes too early."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(make(origin), log_config=None))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield origin
        finally:
            server.should_exit = True
            await running


async def test_a_served_sandbox_sends_by_itself_while_the_confirm_is_answered() -> None:
    heard: asyncio.Queue[tuple[str, dict[bytes, bytes]]] = asyncio.Queue()
    statuses = [500, 200]

    async def shop(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]) -> None:
        if scope["type"] != "http":
            return
        await receive()
        heard.put_nowait((scope["path"], dict(scope["headers"])))
        await send({"type": "http.response.start", "status": statuses.pop(0), "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async with served(lambda _: shop) as shop_url, asyncio.timeout(20):

        def sandbox(_: str) -> Any:
            account = LISTENING | {"webhook_url": f"{shop_url}/hook"}
            return create_sandbox(accounts=[account], webhook_time_scale=1 / 6000)

        async with served(sandbox) as origin, httpx.AsyncClient(base_url=origin) as wire:
            await confirm(wire, await authenticated(wire))
            (path, first), (_, second) = await heard.get(), await heard.get()

    assert path == "/hook"
    assert first[ID.encode()] == second[ID.encode()]
    assert second[b"tosspayments-webhook-transmission-retried-count"] == b"1"
