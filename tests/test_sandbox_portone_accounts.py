"""PortOne's virtual accounts in the sandbox: issued, deposited, closed, over, and given back to the buyer."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.portone_wire import (
    HOOK,
    ID,
    LISTENING,
    REFUND_ACCOUNT,
    Buyer,
    call,
    cancel,
    control,
    handoff,
    issued,
    ledger,
    look,
    paid,
    pre_register,
    refused,
    returned,
    told,
)
from tests.sandbox_wire import Practice, practice


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[LISTENING]) as opened:
        yield opened


async def deposited(sandbox: Practice, **more: Any) -> None:
    await issued(sandbox, **more)
    assert (await control(sandbox, f"deposits/{ID}")).status_code == 201


async def close(sandbox: Practice) -> Any:
    return await call(sandbox, f"/payments/{ID}/virtual-account/close")


async def test_success_at_the_window_means_issued(sandbox: Practice) -> None:
    buyer = Buyer(sandbox)
    await buyer.open(payMethod="VIRTUAL_ACCOUNT")

    brought = await buyer.approve(bank="KOOKMIN", depositor="김하루")

    assert set(brought) == {"paymentId", "transactionType", "txId"}
    payment = await look(sandbox)
    assert payment["status"] == "VIRTUAL_ACCOUNT_ISSUED"
    number = payment["method"].pop("accountNumber")
    assert number.startswith("X")
    assert payment["method"] == {
        "type": "PaymentMethodVirtualAccount",
        "bank": "KOOKMIN",
        "accountType": "NORMAL",
        "remitteeName": "하루상점",
        "remitterName": "김하루",
        "issuedAt": "2026-09-10T06:30:12.000Z",
        "expiredAt": "2026-09-17T06:30:12.000Z",
    }
    assert payment["amount"]["paid"] == 0
    assert "paidAt" not in payment
    page = (await sandbox.wire.get(f"/window/portone/{buyer.transaction_id}")).text
    for words in ("국민", number, "김하루", "입금하기"):
        assert words in page


@pytest.mark.parametrize(
    ("expiry", "over"),
    [
        ({"validHours": 24}, "2026-09-11T06:30:12.000Z"),
        ({"dueDate": "2026-09-12 23:59:59"}, "2026-09-12T14:59:59.000Z"),
    ],
)
async def test_the_shop_says_how_long_the_account_waits(sandbox: Practice, expiry: dict[str, Any], over: str) -> None:
    await issued(sandbox, virtualAccount={"accountExpiry": expiry})

    assert (await look(sandbox))["method"]["expiredAt"] == over


async def test_a_deposit_is_the_payment(sandbox: Practice) -> None:
    buyer = await issued(sandbox)
    sandbox.clock.go_on(hours=1)

    await buyer.at_the_bank("deposit")
    await buyer.at_the_bank("deposit")

    payment = await look(sandbox)
    assert (payment["status"], payment["paidAt"]) == ("PAID", "2026-09-10T07:30:12.000Z")
    assert "refundStatus" not in payment["method"]
    assert await ledger(sandbox) == [("PAID", 15000, 0)]
    await sandbox.send_due()
    assert told(sandbox) == ["Ready", "VirtualAccountIssued", "Paid"]
    assert payment["webhooks"][-1]["trigger"] == "VIRTUAL_ACCOUNT_DEPOSIT"


async def test_a_deposit_is_never_taken_back(sandbox: Practice) -> None:
    await deposited(sandbox)

    assert (await control(sandbox, f"deposits/{ID}/reverse")).status_code == 409
    assert await ledger(sandbox) == [("PAID", 15000, 0)]


async def test_an_account_whose_term_is_over_takes_nothing(sandbox: Practice) -> None:
    await issued(sandbox, virtualAccount={"accountExpiry": {"validHours": 1}})
    sandbox.clock.go_on(hours=1, seconds=-1)
    assert (await look(sandbox))["status"] == "VIRTUAL_ACCOUNT_ISSUED"

    sandbox.clock.go_on(seconds=1)

    assert (await control(sandbox, f"deposits/{ID}")).status_code == 409
    payment = await look(sandbox)
    assert payment["status"] == "FAILED"
    assert payment["failure"] == {"reason": "입금 기한이 지났습니다."}
    await sandbox.send_due()
    assert told(sandbox) == ["Ready", "VirtualAccountIssued", "Failed"]
    await paid(sandbox)
    assert (await look(sandbox))["status"] == "PAID"


async def test_a_closed_account_takes_nothing_and_tells_nobody(sandbox: Practice) -> None:
    await issued(sandbox)
    sandbox.clock.go_on(hours=1)

    assert (await close(sandbox)).json() == {"closedAt": "2026-09-10T07:30:12.000Z"}

    assert refused(await close(sandbox)) == (409, "PAYMENT_NOT_WAITING_FOR_DEPOSIT")
    assert (await control(sandbox, f"deposits/{ID}")).status_code == 409
    payment = await look(sandbox)
    assert (payment["status"], payment["cancellations"]) == ("CANCELLED", [])
    assert payment["cancelledAt"] == "2026-09-10T07:30:12.000Z"
    assert payment["amount"]["paid"] == 0
    await sandbox.send_due()
    assert told(sandbox) == ["Ready", "VirtualAccountIssued"]
    assert (await pre_register(sandbox)).status_code == 200


async def test_only_an_account_that_waits_is_closed(sandbox: Practice) -> None:
    assert refused(await close(sandbox)) == (404, "PAYMENT_NOT_FOUND")
    await Buyer(sandbox).open()
    assert refused(await close(sandbox)) == (409, "PAYMENT_NOT_WAITING_FOR_DEPOSIT")


async def test_an_account_that_still_waits_is_not_cancelled(sandbox: Practice) -> None:
    await issued(sandbox)

    assert refused(await cancel(sandbox, refundAccount=REFUND_ACCOUNT)) == (409, "PAYMENT_NOT_PAID")


@pytest.mark.parametrize(
    ("account", "answer"),
    [
        (None, (502, "INVALID_REFUND_ACCOUNT_INFO")),
        ("1002123456789", (400, "INVALID_REQUEST")),
        (REFUND_ACCOUNT | {"bank": "20"}, (400, "INVALID_REQUEST")),
        ({"bank": "WOORI", "number": "1002123456789"}, (400, "INVALID_REQUEST")),
        (REFUND_ACCOUNT | {"number": "1002-123"}, (502, "INVALID_REFUND_ACCOUNT_INFO")),
    ],
)
async def test_a_deposit_goes_back_to_an_account_only(sandbox: Practice, account: Any, answer: tuple[int, str]) -> None:
    await deposited(sandbox)

    assert refused(await cancel(sandbox, refundAccount=account)) == answer
    assert (await look(sandbox))["cancellations"] == []


async def test_the_refund_of_a_deposit_is_requested_and_then_arrives(sandbox: Practice) -> None:
    await deposited(sandbox)

    answer = await cancel(sandbox, amount=5000, refundAccount=REFUND_ACCOUNT)

    assert answer.json()["cancellation"]["status"] == "REQUESTED"
    assert (await look(sandbox))["method"]["refundStatus"] == "PENDING"
    await control(sandbox, f"refunds/{ID}/complete")
    payment = await look(sandbox)
    assert (payment["status"], payment["method"]["refundStatus"]) == ("PARTIAL_CANCELLED", "COMPLETED")
    assert await ledger(sandbox) == [("PARTIAL_CANCELLED", 15000, 5000)]
    await sandbox.send_due()
    assert told(sandbox)[3:] == ["CancelPending", "PartialCancelled"]


async def test_the_refund_of_a_deposit_fails_in_whole_or_in_part(sandbox: Practice) -> None:
    await deposited(sandbox)
    await cancel(sandbox, amount=5000, refundAccount=REFUND_ACCOUNT)
    await control(sandbox, f"refunds/{ID}/fail")
    assert (await look(sandbox))["method"]["refundStatus"] == "FAILED"
    await cancel(sandbox, amount=5000, refundAccount=REFUND_ACCOUNT)
    await control(sandbox, f"refunds/{ID}/complete")
    await cancel(sandbox, refundAccount=REFUND_ACCOUNT)
    await control(sandbox, f"refunds/{ID}/fail")

    payment = await look(sandbox)

    assert payment["method"]["refundStatus"] == "PARTIAL_REFUND_FAILED"
    assert [each["status"] for each in payment["cancellations"]] == ["FAILED", "SUCCEEDED", "FAILED"]
    assert await ledger(sandbox) == [("PARTIAL_CANCELLED", 15000, 5000)]


async def test_the_console_refunds_a_deposit_without_asking_where_to(sandbox: Practice) -> None:
    await deposited(sandbox)

    assert (await control(sandbox, f"refunds/{ID}", {})).status_code == 201
    await control(sandbox, f"refunds/{ID}/complete")

    assert await ledger(sandbox) == [("CANCELLED", 15000, 15000)]


async def test_a_button_of_the_bank_arms_a_fault_of_the_webhook(sandbox: Practice) -> None:
    buyer = await issued(sandbox)
    await buyer.at_the_bank("deposit", fault="webhook_doubled")
    await sandbox.send_due()

    assert told(sandbox) == ["Ready", "VirtualAccountIssued", "Paid", "Paid"]


async def test_a_button_that_the_bank_does_not_have_does_nothing(sandbox: Practice) -> None:
    buyer = await issued(sandbox)
    path = f"/window/portone/{buyer.transaction_id}/account"

    for form in ({"action": "reverse"}, {"action": "deposit", "fault": "slow"}, {}):
        assert (await sandbox.wire.post(path, data=form)).status_code == 400
    assert await ledger(sandbox) == [("VIRTUAL_ACCOUNT_ISSUED", 0, 0)]


async def test_a_payment_names_its_own_addresses_for_webhooks(sandbox: Practice) -> None:
    urls = ["http://shop.test/one", "http://shop.test/two"]
    await issued(sandbox, noticeUrls=urls)
    await sandbox.send_due()

    assert [delivery.url for delivery in sandbox.inbox.deliveries] == urls * 2
    assert HOOK not in [delivery.url for delivery in sandbox.inbox.deliveries]
    assert len({delivery.headers["webhook-id"] for delivery in sandbox.inbox.deliveries}) == 4


async def test_while_one_account_waits_no_window_opens(sandbox: Practice) -> None:
    await issued(sandbox)
    page = await sandbox.wire.post("/window/portone", json=handoff())
    assert returned(page.headers["location"])["code"] == "InvalidEntityState"

    await close(sandbox)

    assert (await sandbox.wire.post("/window/portone", json=handoff())).status_code == 200
