"""PortOne's cancel in the sandbox: balances, requested refunds, the console, disputes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.portone_wire import (
    ID,
    LISTENING,
    Buyer,
    call,
    cancel,
    control,
    issued,
    ledger,
    look,
    paid,
    refused,
    told,
)
from tests.sandbox_wire import Practice, practice


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[LISTENING]) as opened:
        yield opened


async def test_parts_are_given_back_until_nothing_is_left(sandbox: Practice) -> None:
    await paid(sandbox)
    sandbox.clock.go_on(days=1)

    first = (await cancel(sandbox, amount=5000, currentCancellableAmount=15000)).json()["cancellation"]
    after_first = await look(sandbox)
    second = (await cancel(sandbox, currentCancellableAmount=10000)).json()["cancellation"]
    after_second = await look(sandbox)

    assert (first["status"], first["totalAmount"], first["vatAmount"]) == ("SUCCEEDED", 5000, 455)
    assert (first["trigger"], first["reason"]) == ("API", "고객 변심")
    assert first["requestedAt"] == first["cancelledAt"] == "2026-09-11T06:30:12.000Z"
    assert (after_first["status"], after_first["amount"]["cancelled"]) == ("PARTIAL_CANCELLED", 5000)
    assert (second["totalAmount"], second["vatAmount"]) == (10000, 1364 - 455)
    assert (after_second["status"], after_second["amount"]["cancelled"]) == ("CANCELLED", 15000)
    assert after_second["cancellations"] == [first, second]
    assert after_second["cancelledAt"] == second["cancelledAt"]
    assert await ledger(sandbox) == [("CANCELLED", 15000, 15000)]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"reason": ""}, (400, "INVALID_REQUEST")),
        ({"reason": 1}, (400, "INVALID_REQUEST")),
        ({"amount": 0}, (400, "INVALID_REQUEST")),
        ({"amount": -1}, (400, "INVALID_REQUEST")),
        ({"amount": 1.5}, (400, "INVALID_REQUEST")),
        ({"amount": True}, (400, "INVALID_REQUEST")),
        ({"requester": "SHOP"}, (400, "INVALID_REQUEST")),
        ({"promotionDiscountRetainOption": "KEEP"}, (400, "INVALID_REQUEST")),
        ({"skipWebhook": "yes"}, (400, "INVALID_REQUEST")),
        ({"amount": 10001}, (409, "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT")),
        ({"currentCancellableAmount": 15000}, (409, "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN")),
        ({"currentCancellableAmount": 0}, (409, "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN")),
        ({"amount": 5000, "taxFreeAmount": 4001}, (409, "CANCEL_TAX_FREE_AMOUNT_EXCEEDS_CANCELLABLE_TAX_FREE_AMOUNT")),
        ({"amount": 5000, "vatAmount": 901}, (409, "CANCEL_TAX_AMOUNT_EXCEEDS_CANCELLABLE_TAX_AMOUNT")),
        ({"amount": 100, "taxFreeAmount": 100, "vatAmount": 1}, (409, "SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT")),
    ],
)
async def test_a_cancel_that_does_not_fit_moves_nothing(
    sandbox: Practice, body: dict[str, Any], answer: tuple[int, str]
) -> None:
    await paid(sandbox, taxFreeAmount=4000)
    await cancel(sandbox, amount=5000, taxFreeAmount=0, vatAmount=100)

    assert refused(await cancel(sandbox, **body)) == answer
    assert await ledger(sandbox) == [("PARTIAL_CANCELLED", 15000, 5000)]


async def test_the_rest_takes_what_is_left_of_the_tax_free_part(sandbox: Practice) -> None:
    await paid(sandbox, taxFreeAmount=4000)
    await cancel(sandbox, amount=5000, taxFreeAmount=1000)

    rest = (await cancel(sandbox)).json()["cancellation"]

    assert (rest["totalAmount"], rest["taxFreeAmount"], rest["vatAmount"]) == (10000, 3000, 1000 - 364)
    assert (await look(sandbox))["amount"]["cancelledTaxFree"] == 4000


async def test_what_was_not_paid_or_was_given_back_is_not_cancelled(sandbox: Practice) -> None:
    assert refused(await cancel(sandbox)) == (404, "PAYMENT_NOT_FOUND")
    buyer = Buyer(sandbox)
    await buyer.open()
    assert refused(await cancel(sandbox)) == (409, "PAYMENT_NOT_PAID")
    await buyer.decline()
    assert refused(await cancel(sandbox)) == (409, "PAYMENT_NOT_PAID")
    await paid(sandbox)
    await cancel(sandbox)
    assert refused(await cancel(sandbox)) == (409, "PAYMENT_ALREADY_CANCELLED")


async def test_a_requested_refund_has_given_nothing_back_yet(sandbox: Practice) -> None:
    await paid(sandbox, refund="later")

    cancellation = (await cancel(sandbox, amount=5000)).json()["cancellation"]

    assert cancellation["status"] == "REQUESTED"
    assert "cancelledAt" not in cancellation
    payment = await look(sandbox)
    assert (payment["status"], payment["amount"]["cancelled"]) == ("PAID", 0)
    assert payment["cancellations"] == [cancellation]
    assert await ledger(sandbox) == [("PAID", 15000, 0)]
    assert refused(await cancel(sandbox, amount=10001)) == (409, "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT")
    assert (await cancel(sandbox, currentCancellableAmount=10000)).status_code == 200
    assert refused(await cancel(sandbox)) == (409, "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT")


async def test_a_requested_refund_completes_by_hand(sandbox: Practice) -> None:
    await paid(sandbox, refund="later")
    await cancel(sandbox)
    sandbox.clock.go_on(hours=1)

    assert (await control(sandbox, f"refunds/{ID}/complete")).json()["refunded"] == 15000
    assert (await control(sandbox, f"refunds/{ID}/complete")).status_code == 409

    payment = await look(sandbox)
    assert payment["status"] == "CANCELLED"
    assert payment["cancelledAt"] == payment["cancellations"][0]["cancelledAt"] == "2026-09-10T07:30:12.000Z"
    await sandbox.send_due()
    assert told(sandbox)[-2:] == ["CancelPending", "Cancelled"]


async def test_a_requested_refund_fails_by_hand_and_can_be_asked_for_again(sandbox: Practice) -> None:
    await paid(sandbox, refund="later")
    await cancel(sandbox)

    assert (await control(sandbox, f"refunds/{ID}/fail")).json()["status"] == "PAID"

    payment = await look(sandbox)
    assert [each["status"] for each in payment["cancellations"]] == ["FAILED"]
    assert (await cancel(sandbox, currentCancellableAmount=15000)).json()["cancellation"]["status"] == "REQUESTED"
    assert (await control(sandbox, f"refunds/{ID}/fail")).status_code == 201
    assert (await control(sandbox, f"refunds/{ID}/fail")).status_code == 409
    assert await ledger(sandbox) == [("PAID", 15000, 0)]


async def test_a_requested_refund_arrives_after_two_days_by_itself(sandbox: Practice) -> None:
    await paid(sandbox, refund="later")
    await cancel(sandbox)
    sandbox.clock.go_on(days=2, seconds=-1)
    assert (await look(sandbox))["status"] == "PAID"

    sandbox.clock.go_on(seconds=1)

    assert (await look(sandbox))["status"] == "CANCELLED"
    assert await ledger(sandbox) == [("CANCELLED", 15000, 15000)]


async def test_a_requested_refund_is_called_off(sandbox: Practice) -> None:
    await paid(sandbox, refund="later")
    number = (await cancel(sandbox)).json()["cancellation"]["id"]

    answer = await call(sandbox, f"/payments/{ID}/cancellations/{number}/stop")

    assert answer.json() == {"stoppedAt": "2026-09-10T06:30:12.000Z"}
    again = await call(sandbox, f"/payments/{ID}/cancellations/{number}/stop")
    assert refused(again) == (409, "PAYMENT_CANCELLATION_NOT_PENDING")
    unknown = await call(sandbox, f"/payments/{ID}/cancellations/nothing/stop")
    assert refused(unknown) == (404, "PAYMENT_CANCELLATION_NOT_FOUND")
    sandbox.clock.go_on(days=3)
    assert (await look(sandbox))["amount"]["cancelled"] == 0


async def test_an_answer_of_200_may_tell_of_a_failed_refund(sandbox: Practice) -> None:
    await paid(sandbox, refund="failed")

    first, second = await cancel(sandbox), await cancel(sandbox)

    assert (first.status_code, first.json()["cancellation"]["status"]) == (200, "FAILED")
    assert second.json()["cancellation"]["status"] == "SUCCEEDED"
    assert await ledger(sandbox) == [("CANCELLED", 15000, 15000)]


async def test_a_cancel_may_skip_its_webhooks(sandbox: Practice) -> None:
    await paid(sandbox)
    await paid(sandbox, "ORDER0002", refund="later")
    await cancel(sandbox, skipWebhook=True)
    await cancel(sandbox, "ORDER0002", skipWebhook=True)
    await control(sandbox, "refunds/ORDER0002/complete")
    await sandbox.send_due()

    assert told(sandbox) == ["Ready", "Paid"] * 2
    assert [each["paymentStatus"] for each in (await look(sandbox))["webhooks"]] == ["READY", "PAID"]


async def test_the_console_refunds_with_its_own_trigger(sandbox: Practice) -> None:
    await paid(sandbox)

    answer = await control(sandbox, f"refunds/{ID}", {"amount": 5000})
    await control(sandbox, f"refunds/{ID}", {})

    assert (answer.status_code, answer.json()["refunded"]) == (201, 5000)
    assert [each["trigger"] for each in (await look(sandbox))["cancellations"]] == ["CONSOLE", "CONSOLE"]
    refusal = await control(sandbox, f"refunds/{ID}", {})
    assert (refusal.status_code, "PAYMENT_ALREADY_CANCELLED" in refusal.text) == (409, True)


async def test_the_console_means_the_attempt_that_got_furthest(sandbox: Practice) -> None:
    first, second = Buyer(sandbox), Buyer(sandbox)
    await first.open()
    await second.open()
    await first.approve()
    await second.cancel()

    assert (await control(sandbox, f"refunds/{ID}", {})).json()["pg_id"] == first.transaction_id


async def test_a_dispute_is_told_and_won(sandbox: Practice) -> None:
    await paid(sandbox)

    assert (await control(sandbox, f"disputes/{ID}")).status_code == 201
    assert (await control(sandbox, f"disputes/{ID}")).status_code == 409
    (dispute,) = (await look(sandbox))["disputes"]
    assert (dispute["status"], dispute["createdAt"]) == ("UNRESOLVED", "2026-09-10T06:30:12.000Z")
    assert (await control(sandbox, f"disputes/{ID}/win")).status_code == 201
    assert (await control(sandbox, f"disputes/{ID}/win")).status_code == 409

    payment = await look(sandbox)
    assert payment["disputes"][0]["status"] == "RESOLVED"
    assert payment["disputes"][0]["resolvedAt"]
    assert await ledger(sandbox) == [("PAID", 15000, 0)]
    await sandbox.send_due()
    assert told(sandbox)[2:] == ["DisputeCreated", "DisputeResolved"]
    assert [each.get("trigger") for each in payment["webhooks"]][2:] == ["DISPUTE_CREATED", "DISPUTE_RESOLVED"]


async def test_a_lost_dispute_is_a_chargeback(sandbox: Practice) -> None:
    await paid(sandbox)
    await control(sandbox, f"disputes/{ID}")

    await control(sandbox, f"disputes/{ID}/lose")

    payment = await look(sandbox)
    assert payment["status"] == "CANCELLED"
    assert [each["trigger"] for each in payment["cancellations"]] == ["CHARGEBACK"]
    assert await ledger(sandbox) == [("CANCELLED", 15000, 15000)]
    await sandbox.send_due()
    assert told(sandbox)[2:] == ["DisputeCreated", "DisputeResolved", "Cancelled"]


async def test_only_a_paid_card_payment_is_disputed(sandbox: Practice) -> None:
    await Buyer(sandbox).open()
    assert (await control(sandbox, f"disputes/{ID}")).status_code == 409
    await issued(sandbox, "ORDER0002")
    await control(sandbox, "deposits/ORDER0002")
    assert (await control(sandbox, "disputes/ORDER0002")).status_code == 409


@pytest.mark.parametrize("way", ["reverse", "deposit"])
async def test_the_console_knows_no_reversal_and_no_deposit_of_a_card(sandbox: Practice, way: str) -> None:
    await paid(sandbox)
    path = f"deposits/{ID}/reverse" if way == "reverse" else f"deposits/{ID}"

    assert (await control(sandbox, path)).status_code == 409
    assert await ledger(sandbox) == [("PAID", 15000, 0)]
