"""PortOne's sandbox going wrong on demand: lost and late answers, server errors, refusals."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.sandbox.portone_errors import CODES
from tests.portone_wire import (
    HARU,
    ID,
    MANUAL,
    REFUND_ACCOUNT,
    Buyer,
    arm,
    call,
    cancel,
    confirm,
    control,
    get,
    issued,
    ledger,
    look,
    paid,
    pre_register,
    refused,
)
from tests.sandbox_wire import Practice, practice

KEY = "ORD20260910000001-cancel-1"


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[HARU]) as opened:
        yield opened


@pytest.mark.parametrize(("kind", "refunded"), [("answer_lost_before", 0), ("answer_lost_after", 15000)])
async def test_the_answer_to_a_cancel_is_lost_before_or_after_the_money_moved(
    sandbox: Practice, kind: str, refunded: int
) -> None:
    await paid(sandbox)
    await arm(sandbox, kind)

    with pytest.raises(httpx.RemoteProtocolError):
        await cancel(sandbox, key=KEY)

    assert (await ledger(sandbox))[0][2] == refunded
    assert (await cancel(sandbox, key=KEY)).json()["cancellation"]["status"] == "SUCCEEDED"
    assert await ledger(sandbox) == [("CANCELLED", 15000, 15000)]


@pytest.mark.parametrize(("kind", "captured"), [("answer_lost_before", 0), ("answer_lost_after", 15000)])
async def test_the_answer_to_a_confirm_is_lost_before_or_after_the_money_moved(kind: str, captured: int) -> None:
    async with practice(accounts=[MANUAL]) as sandbox:
        buyer = Buyer(sandbox)
        await buyer.open()
        token = (await buyer.approve(fault=kind))["paymentToken"]

        with pytest.raises(httpx.RemoteProtocolError):
            await confirm(sandbox, token, key=KEY)

        assert (await ledger(sandbox))[0][1] == captured
        assert (await confirm(sandbox, token, key=KEY)).status_code == 200
        assert await ledger(sandbox) == [("PAID", 15000, 0)]


@pytest.mark.parametrize(("kind", "refunded"), [("server_error", 0), ("server_error_after", 15000)])
async def test_a_server_error_is_kept_for_its_key(sandbox: Practice, kind: str, refunded: int) -> None:
    await paid(sandbox)
    await arm(sandbox, kind)

    for _ in range(2):
        assert refused(await cancel(sandbox, key=KEY)) == (500, "INTERNAL_SERVER_ERROR")
    assert (await ledger(sandbox))[0][2] == refunded


async def test_a_slow_answer_comes_after_the_client_has_gone(sandbox: Practice) -> None:
    await paid(sandbox)
    await arm(sandbox, "slow", seconds=30)

    with pytest.raises(httpx.ReadTimeout):
        await cancel(sandbox, key=KEY)

    assert await ledger(sandbox) == [("CANCELLED", 15000, 15000)]
    assert (await cancel(sandbox, key=KEY)).json()["cancellation"]["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("PAYMENT_NOT_FOUND", (404, "PAYMENT_NOT_FOUND")),
        ("PG_PROVIDER", (502, "PROVIDER_ERROR")),
        ("REFUND_REJECTED", (502, "REFUND_REJECTED")),
    ],
)
async def test_a_cancel_is_refused_with_a_code_of_choice(sandbox: Practice, code: str, answer: tuple[int, str]) -> None:
    await paid(sandbox)
    await arm(sandbox, "error", call="cancel", code=code)

    assert refused(await cancel(sandbox)) == answer
    assert await ledger(sandbox) == [("PAID", 15000, 0)]


async def test_only_codes_that_portone_or_its_pg_knows_are_armed(sandbox: Practice) -> None:
    fault = {"provider": "portone", "kind": "error", "reference": ID}

    assert (await control(sandbox, "faults", fault | {"code": "NOT_FOUND_PAYMENT"})).status_code == 400
    for code in CODES:
        assert (await control(sandbox, "faults", fault | {"code": code})).status_code == 201


async def test_a_close_and_a_registration_go_wrong_too(sandbox: Practice) -> None:
    await arm(sandbox, "server_error", call="begin")
    assert (await pre_register(sandbox)).status_code == 500
    await issued(sandbox)
    await arm(sandbox, "answer_lost_after", call="close")

    with pytest.raises(httpx.RemoteProtocolError):
        await call(sandbox, f"/payments/{ID}/virtual-account/close")

    assert (await look(sandbox))["status"] == "CANCELLED"


async def test_an_amount_to_be_changed_waits_for_the_window(sandbox: Practice) -> None:
    await arm(sandbox, "amount_changed")
    await pre_register(sandbox)
    assert len((await sandbox.wire.get("/control/faults")).json()["faults"]) == 1

    await paid(sandbox)

    assert (await ledger(sandbox))[0][1] == 16000


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("rate_limited", (429, "TOO_MANY_REQUESTS")),
        ("server_error", (500, "INTERNAL_SERVER_ERROR")),
    ],
)
async def test_a_look_up_is_refused_once(sandbox: Practice, kind: str, answer: tuple[int, str]) -> None:
    await paid(sandbox)
    await arm(sandbox, kind, call="lookup")

    assert refused(await get(sandbox, f"/payments/{ID}")) == answer
    assert (await look(sandbox))["status"] == "PAID"


@pytest.mark.parametrize("kind", ["answer_lost_before", "answer_lost_after", "slow"])
async def test_a_look_up_gets_no_answer(sandbox: Practice, kind: str) -> None:
    await paid(sandbox)
    await arm(sandbox, kind, call="lookup")

    with pytest.raises(httpx.TransportError):
        await get(sandbox, f"/payments/{ID}")


async def test_a_list_is_refused_by_a_share_of_calls(sandbox: Practice) -> None:
    fault: dict[str, Any] = {"provider": "portone", "kind": "rate_limited", "percent": 100}
    await control(sandbox, "faults", fault)

    assert refused(await get(sandbox, "/payments")) == (429, "TOO_MANY_REQUESTS")
    assert refused(await get(sandbox, "/payments-by-cursor")) == (429, "TOO_MANY_REQUESTS")


async def test_a_fault_for_toss_leaves_portone_alone(sandbox: Practice) -> None:
    await control(sandbox, "faults", {"provider": "toss", "kind": "server_error", "reference": ID})
    await issued(sandbox)
    await control(sandbox, f"deposits/{ID}")

    assert (await cancel(sandbox, refundAccount=REFUND_ACCOUNT)).status_code == 200
