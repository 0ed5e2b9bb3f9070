"""The sandbox's reading of Toss's cancel call."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox_wire import Practice, authenticated, cancel, confirm, look, practice, refused


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice() as opened:
        yield opened


async def test_refunds_in_parts_add_up(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire, amount=33000)
    done = (await confirm(sandbox.wire, claim)).json()

    part = (await cancel(sandbox.wire, claim["paymentKey"], cancelAmount=11000)).json()
    rest = (await cancel(sandbox.wire, claim["paymentKey"])).json()

    assert (part["status"], part["totalAmount"], part["balanceAmount"]) == ("PARTIAL_CANCELED", 33000, 22000)
    assert (part["vat"], part["suppliedAmount"]) == (2000, 20000)
    assert (rest["status"], rest["totalAmount"], rest["balanceAmount"]) == ("CANCELED", 33000, 0)
    assert [each["cancelAmount"] for each in rest["cancels"]] == [11000, 22000]
    assert [each["refundableAmount"] for each in rest["cancels"]] == [22000, 0]
    assert rest["cancels"][0] == part["cancels"][0]
    assert rest["cancels"][1]["transactionKey"] == rest["lastTransactionKey"]
    assert len({payment["lastTransactionKey"] for payment in (done, part, rest)}) == 3


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"cancelReason": ""}, (400, "INVALID_REQUEST")),
        ({"cancelReason": "x" * 201}, (400, "INVALID_REQUEST")),
        ({"cancelAmount": 0}, (400, "INVALID_REQUEST")),
        ({"cancelAmount": 0.5}, (400, "INVALID_REQUEST")),
        ({"cancelAmount": "100"}, (400, "INVALID_REQUEST")),
        ({"currency": "USD"}, (400, "INVALID_REQUEST")),
        ({"taxFreeAmount": 1}, (400, "INVALID_REQUEST")),
        ({"cancelAmount": 15001}, (403, "NOT_CANCELABLE_AMOUNT")),
        ({"cancelAmount": 100, "refundableAmount": 14000}, (400, "NOT_MATCHES_REFUNDABLE_AMOUNT")),
    ],
)
async def test_a_wrong_refund_moves_nothing(sandbox: Practice, body: dict[str, Any], expected: tuple[int, str]) -> None:
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim)

    assert refused(await cancel(sandbox.wire, claim["paymentKey"], **body)) == expected
    assert (await look(sandbox.wire, claim["paymentKey"])).json()["balanceAmount"] == 15000


async def test_a_refund_with_the_right_guard_and_currency_is_made(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim)

    answer = await cancel(sandbox.wire, claim["paymentKey"], cancelAmount=100, refundableAmount=15000, currency="KRW")

    assert answer.json()["balanceAmount"] == 14900


async def test_only_captured_money_is_refunded_and_only_once(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    assert refused(await cancel(sandbox.wire, claim["paymentKey"])) == (403, "NOT_CANCELABLE_PAYMENT")

    await confirm(sandbox.wire, claim)
    await cancel(sandbox.wire, claim["paymentKey"])
    assert refused(await cancel(sandbox.wire, claim["paymentKey"])) == (400, "ALREADY_CANCELED_PAYMENT")
    assert refused(await cancel(sandbox.wire, "unknown")) == (404, "NOT_FOUND_PAYMENT")


async def test_the_tax_free_part_bears_no_vat(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire, amount=21000, taxFreeAmount=10000)
    payment = (await confirm(sandbox.wire, claim)).json()
    assert (payment["taxFreeAmount"], payment["vat"], payment["suppliedAmount"]) == (10000, 1000, 10000)

    payment = (await cancel(sandbox.wire, claim["paymentKey"], cancelAmount=10000, taxFreeAmount=10000)).json()
    assert (payment["taxFreeAmount"], payment["vat"], payment["suppliedAmount"]) == (0, 1000, 10000)
