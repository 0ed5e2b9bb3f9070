"""The sandbox's virtual accounts and transfers: issued, paid in, taken back, refunded, left to expire."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox_wire import (
    LISTENING,
    Practice,
    arm,
    authenticated,
    cancel,
    captured,
    confirm,
    deposit,
    handoff,
    issued,
    look,
    practice,
    refused,
)

RECEIVER = {"bank": "88", "accountNumber": "110123456789", "holderName": "김민지"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[LISTENING]) as opened:
        yield opened


async def test_a_confirm_issues_an_account_and_takes_no_money(sandbox: Practice) -> None:
    await sandbox.buyer.open(handoff(method="VIRTUAL_ACCOUNT"))
    await sandbox.buyer.approve(bank="88", depositor="김민지")
    claim = {"paymentKey": sandbox.buyer.payment_key, "orderId": "ORDER0001", "amount": 15000}

    payment = (await confirm(sandbox.wire, claim)).json()

    assert (payment["status"], payment["method"], payment["approvedAt"]) == ("WAITING_FOR_DEPOSIT", "가상계좌", None)
    assert (payment["totalAmount"], payment["balanceAmount"]) == (15000, 15000)
    assert (payment["card"], payment["receipt"]) == (None, None)
    assert payment["secret"].startswith("ps_")
    account = payment["virtualAccount"]
    assert re.fullmatch(r"X\d{13}", account.pop("accountNumber"))
    assert account == {
        "accountType": "일반",
        "bankCode": "88",
        "customerName": "김민지",
        "depositorName": None,
        "dueDate": "2026-09-17T15:30:12",
        "refundStatus": "NONE",
        "expired": False,
        "settlementStatus": "INCOMPLETED",
        "refundReceiveAccount": None,
    }
    assert await captured(sandbox.wire) == 0


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        ({"validHours": 3}, "2026-09-10T18:30:12"),
        ({"validHours": 2160}, "2026-12-09T15:30:12"),
        ({"dueDate": "2026-09-12T23:59:59"}, "2026-09-12T23:59:59"),
        ({"dueDate": "2026-12-09T15:30:12", "cashReceipt": {"type": "소득공제"}}, "2026-12-09T15:30:12"),
    ],
)
async def test_the_shop_says_how_long_an_account_waits(sandbox: Practice, asked: dict[str, Any], due: str) -> None:
    payment = await issued(sandbox.wire, virtualAccount=asked, customerName="박서준")

    assert payment["virtualAccount"]["dueDate"] == due
    assert payment["virtualAccount"]["customerName"] == "박서준"


async def test_the_secret_is_told_once_and_never_by_a_look_up(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire, method="VIRTUAL_ACCOUNT")
    payment = (await confirm(sandbox.wire, claim, key="k-1")).json()

    assert (await look(sandbox.wire, "orders/ORDER0001")).json() == payment | {"secret": None}
    assert (await look(sandbox.wire, payment["paymentKey"])).json()["secret"] is None
    assert (await confirm(sandbox.wire, claim, key="k-1")).json()["secret"] == payment["secret"]


async def test_a_deposit_pays(sandbox: Practice) -> None:
    payment = await issued(sandbox.wire)
    sandbox.clock.go_on(hours=1)

    answer = await deposit(sandbox.wire)

    assert (answer.status_code, answer.json()["status"], answer.json()["captured"]) == (201, "DONE", 15000)
    paid = (await look(sandbox.wire, payment["paymentKey"])).json()
    assert (paid["status"], paid["approvedAt"]) == ("DONE", "2026-09-10T16:30:12+09:00")
    assert paid["balanceAmount"] == 15000
    assert paid["virtualAccount"]["depositorName"] == paid["virtualAccount"]["customerName"]
    assert (await sandbox.wire.get(paid["receipt"]["url"])).status_code == 200


async def test_a_reversed_deposit_lets_the_account_wait_again(sandbox: Practice) -> None:
    payment = await issued(sandbox.wire)
    await deposit(sandbox.wire)

    answer = await deposit(sandbox.wire, "ORDER0001/reverse")

    assert (answer.json()["status"], answer.json()["captured"]) == ("WAITING_FOR_DEPOSIT", 0)
    waiting = (await look(sandbox.wire, payment["paymentKey"])).json()
    assert (waiting["approvedAt"], waiting["virtualAccount"]["depositorName"]) == (None, None)
    assert (await deposit(sandbox.wire)).json()["captured"] == 15000


async def test_the_bank_refuses_what_cannot_be(sandbox: Practice) -> None:
    assert (await deposit(sandbox.wire)).status_code == 404
    await issued(sandbox.wire)
    assert (await deposit(sandbox.wire, "ORDER0001/reverse")).status_code == 409
    await deposit(sandbox.wire)
    assert (await deposit(sandbox.wire)).status_code == 409
    assert (await sandbox.wire.post("/control/refunds/ORDER0001/complete")).status_code == 409
    await confirm(sandbox.wire, await authenticated(sandbox.wire, reference="ORDER0002"))
    for path in ("ORDER0002", "ORDER0002/reverse"):
        answer = await deposit(sandbox.wire, path)
        assert (answer.status_code, "DONE" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(("seconds", "expired"), [(3599, False), (3600, True)])
async def test_an_account_expires_in_silence(sandbox: Practice, seconds: int, expired: bool) -> None:
    payment = await issued(sandbox.wire, virtualAccount={"validHours": 1})
    assert await sandbox.send_due() == 2

    sandbox.clock.go_on(seconds=seconds)

    late = (await look(sandbox.wire, payment["paymentKey"])).json()
    assert (late["status"], late["virtualAccount"]["expired"]) == ("WAITING_FOR_DEPOSIT", expired)
    assert await sandbox.send_due() == 0
    assert (await deposit(sandbox.wire)).status_code == (409 if expired else 201)


async def test_an_account_can_be_cancelled_before_the_deposit_as_a_whole_only(sandbox: Practice) -> None:
    payment = await issued(sandbox.wire)
    key = payment["paymentKey"]
    part = await cancel(sandbox.wire, key, cancelAmount=5000)
    assert refused(part) == (403, "NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT")

    cancelled = (await cancel(sandbox.wire, key)).json()

    assert (cancelled["status"], cancelled["balanceAmount"]) == ("CANCELED", 0)
    assert (cancelled["approvedAt"], cancelled["receipt"]) == (None, None)
    assert [each["cancelAmount"] for each in cancelled["cancels"]] == [15000]
    entry = (await sandbox.wire.get("/control/ledger")).json()["payments"][0]
    assert (entry["status"], entry["captured"], entry["refunded"]) == ("CANCELED", 0, 0)
    assert (await deposit(sandbox.wire)).status_code == 409
    assert refused(await cancel(sandbox.wire, key)) == (400, "ALREADY_CANCELED_PAYMENT")


@pytest.mark.parametrize(
    ("receiver", "expected"),
    [
        (None, (400, "INVALID_REFUND_ACCOUNT_INFO")),
        ({"bank": "88", "accountNumber": "110123456789"}, (400, "INVALID_REFUND_ACCOUNT_INFO")),
        (RECEIVER | {"holderName": "김" * 61}, (400, "INVALID_REFUND_ACCOUNT_INFO")),
        (RECEIVER | {"bank": "99"}, (400, "INVALID_BANK")),
        (RECEIVER | {"accountNumber": "110-123-456789"}, (400, "INVALID_REFUND_ACCOUNT_NUMBER")),
        (RECEIVER | {"accountNumber": "1" * 21}, (400, "INVALID_REFUND_ACCOUNT_NUMBER")),
    ],
)
async def test_a_deposit_is_given_back_to_an_account_only(
    sandbox: Practice, receiver: dict[str, str] | None, expected: tuple[int, str]
) -> None:
    payment = await issued(sandbox.wire)
    await deposit(sandbox.wire)

    answer = await cancel(sandbox.wire, payment["paymentKey"], refundReceiveAccount=receiver)

    assert refused(answer) == expected
    assert (await look(sandbox.wire, payment["paymentKey"])).json()["balanceAmount"] == 15000


async def test_a_deposit_is_given_back_in_parts_and_arrives_two_days_later(sandbox: Practice) -> None:
    key = (await issued(sandbox.wire))["paymentKey"]
    await deposit(sandbox.wire)

    part = (await cancel(sandbox.wire, key, cancelAmount=5000, refundReceiveAccount=RECEIVER)).json()
    assert (part["status"], part["balanceAmount"]) == ("PARTIAL_CANCELED", 10000)
    assert part["virtualAccount"]["refundStatus"] == "PENDING"
    assert (await deposit(sandbox.wire, "ORDER0001/reverse")).status_code == 409
    await sandbox.wire.post("/control/refunds/ORDER0001/complete")
    assert (await look(sandbox.wire, key)).json()["virtualAccount"]["refundStatus"] == "COMPLETED"
    rest = (await cancel(sandbox.wire, key, refundReceiveAccount=RECEIVER | {"bank": "신한"})).json()
    assert (rest["status"], rest["virtualAccount"]["refundStatus"]) == ("CANCELED", "PENDING")
    sandbox.clock.go_on(days=2, seconds=-1)
    assert (await look(sandbox.wire, key)).json()["virtualAccount"]["refundStatus"] == "PENDING"
    sandbox.clock.go_on(seconds=1)
    assert (await look(sandbox.wire, key)).json()["virtualAccount"]["refundStatus"] == "COMPLETED"


async def test_the_console_gives_a_deposit_back(sandbox: Practice) -> None:
    await issued(sandbox.wire)
    await deposit(sandbox.wire)

    answer = await sandbox.wire.post("/control/refunds/ORDER0001", json={"amount": 4000})

    assert (answer.json()["status"], answer.json()["refunded"]) == ("PARTIAL_CANCELED", 4000)


async def test_an_order_with_an_open_account_is_not_paid_in_another_window(sandbox: Practice) -> None:
    payment = await issued(sandbox.wire)
    second = await authenticated(sandbox.wire)

    assert refused(await confirm(sandbox.wire, second)) == (400, "ALREADY_PROCESSED_PAYMENT")
    assert (await look(sandbox.wire, "orders/ORDER0001")).json()["paymentKey"] == payment["paymentKey"]


async def test_a_refused_account_ends_the_payment(sandbox: Practice) -> None:
    await sandbox.buyer.open(handoff(method="VIRTUAL_ACCOUNT"))
    await sandbox.buyer.decline("REJECT_ACCOUNT_PAYMENT")
    claim = {"paymentKey": sandbox.buyer.payment_key, "orderId": "ORDER0001", "amount": 15000}

    assert refused(await confirm(sandbox.wire, claim)) == (403, "REJECT_ACCOUNT_PAYMENT")
    payment = (await look(sandbox.wire, claim["paymentKey"])).json()
    assert (payment["status"], payment["virtualAccount"]) == ("ABORTED", None)


async def test_a_lost_confirm_still_issues_the_account(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire, method="VIRTUAL_ACCOUNT")
    await arm(sandbox.wire, "server_error_after")

    assert (await confirm(sandbox.wire, claim)).status_code == 500
    assert (await look(sandbox.wire, "orders/ORDER0001")).json()["status"] == "WAITING_FOR_DEPOSIT"


async def test_a_transfer_pays_at_once_from_the_chosen_bank(sandbox: Practice) -> None:
    await sandbox.buyer.open(handoff(method="TRANSFER"))
    await sandbox.buyer.approve(bank="06")
    claim = {"paymentKey": sandbox.buyer.payment_key, "orderId": "ORDER0001", "amount": 15000}

    payment = (await confirm(sandbox.wire, claim)).json()

    assert (payment["status"], payment["method"]) == ("DONE", "계좌이체")
    assert payment["transfer"] == {"bankCode": "06", "settlementStatus": "INCOMPLETED"}
    assert (payment["card"], payment["easyPay"], payment["virtualAccount"]) == (None, None, None)
    assert (await cancel(sandbox.wire, claim["paymentKey"], cancelAmount=5000)).json()["balanceAmount"] == 10000


async def buttons(sandbox: Practice, url: str) -> list[tuple[str, str]]:
    return re.findall(r'name="action" value="(\w+)">([^<]+)<', (await sandbox.wire.get(url)).text)


async def test_the_page_of_the_payment_moves_the_money_by_buttons(sandbox: Practice) -> None:
    payment = await issued(sandbox.wire)
    url = f"/window/toss/{payment['paymentKey']}"
    page = (await sandbox.wire.get(url)).text
    assert payment["virtualAccount"]["accountNumber"] in page
    assert await buttons(sandbox, url) == await buttons(sandbox, "/") == [("deposit", "입금하기")]

    pressed = await sandbox.wire.post(f"{url}/account", data={"action": "deposit", "fault": "webhook_dropped"})

    assert (pressed.status_code, pressed.headers["location"]) == (303, url)
    assert await captured(sandbox.wire) == 15000
    await sandbox.send_due()
    assert {status for _, status in sandbox.inbox.told()} == {"WAITING_FOR_DEPOSIT"}
    assert await buttons(sandbox, url) == await buttons(sandbox, "/") == [("reverse", "입금 취소하기")]
    await sandbox.wire.post(f"{url}/account", data={"action": "reverse"})
    assert await captured(sandbox.wire) == 0
    await deposit(sandbox.wire)
    await sandbox.wire.post("/control/refunds/ORDER0001")
    assert await buttons(sandbox, url) == [("complete", "환불금 보내기")]
    await sandbox.wire.post(f"{url}/account", data={"action": "complete"})
    assert await buttons(sandbox, url) == []


async def test_a_button_out_of_date_does_nothing_and_a_strange_one_is_refused(sandbox: Practice) -> None:
    payment = await issued(sandbox.wire, virtualAccount={"validHours": 1})
    url = f"/window/toss/{payment['paymentKey']}"
    sandbox.clock.go_on(hours=1)

    pressed = await sandbox.wire.post(f"{url}/account", data={"action": "deposit"})
    strange = await sandbox.wire.post(f"{url}/account", data={"action": "steal"})

    assert (pressed.status_code, strange.status_code) == (303, 400)
    assert await captured(sandbox.wire) == 0
    assert "입금 기한이 지났습니다" in (await sandbox.wire.get(url)).text
    assert await buttons(sandbox, url) == await buttons(sandbox, "/") == []
