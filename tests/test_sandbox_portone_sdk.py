"""PortOne's own Python SDK and the verifiers of Standard Webhooks against the sandbox."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import portone_server_sdk
import pytest
from portone_server_sdk import errors
from portone_server_sdk.common import PageInput
from portone_server_sdk.payment import (
    CancelledPayment,
    CancelPaymentBodyRefundAccount,
    FailedPayment,
    PaidPayment,
    PartialCancelledPayment,
    PayPendingPayment,
    ReadyPayment,
    RequestedPaymentCancellation,
    SucceededPaymentCancellation,
    VirtualAccountIssuedPayment,
)
from standardwebhooks import Webhook, WebhookVerificationError

from tests.portone_wire import (
    HARU,
    HOOK,
    ID,
    LISTENING,
    MANUAL,
    NEXT_SECRET,
    SECRET,
    STORE,
    Buyer,
    arm,
    cancel,
    control,
    issued,
    paid,
)
from tests.sandbox_wire import ORIGIN, Practice, practice

Raw = tuple[dict[str, str], str]


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[LISTENING]) as opened:
        yield opened


def client_of(sandbox: Practice, secret: str = HARU["api_secret"]) -> portone_server_sdk.PaymentClient:
    """The SDK as a shop would make it, with its connections led to the sandbox."""
    client = portone_server_sdk.PaymentClient(secret=secret, base_url=f"{ORIGIN}/portone", store_id=STORE)
    client._async_client = httpx.AsyncClient(transport=sandbox.transport, timeout=60)
    return client


async def test_the_sdk_knows_every_status(sandbox: Practice) -> None:
    client = client_of(sandbox)
    await Buyer(sandbox).open("ORDERREADY")
    failed = Buyer(sandbox)
    await failed.open("ORDERFAILED")
    await failed.decline()
    await paid(sandbox, "ORDERPENDING", approval="later")
    await issued(sandbox, "ORDERISSUED")
    for name in ("ORDERPAID", "ORDERPART", "ORDERGONE"):
        await paid(sandbox, name)
    await cancel(sandbox, "ORDERPART", amount=1)
    await cancel(sandbox, "ORDERGONE")
    await control(sandbox, "disputes/ORDERPAID")
    await sandbox.send_due()

    seen = {
        name: type(await client.get_payment_async(payment_id=f"ORDER{name}"))
        for name in ("READY", "FAILED", "PENDING", "ISSUED", "PAID", "PART", "GONE")
    }

    assert seen == {
        "READY": ReadyPayment,
        "FAILED": FailedPayment,
        "PENDING": PayPendingPayment,
        "ISSUED": VirtualAccountIssuedPayment,
        "PAID": PaidPayment,
        "PART": PartialCancelledPayment,
        "GONE": CancelledPayment,
    }
    items = (await client.get_payments_async(page=PageInput(size=3))).items
    assert len(items) == 3
    rows = (await client.get_all_payments_by_cursor_async(size=100)).items
    assert (len(rows), rows[0].payment.id) == (7, "ORDERREADY")
    attempts = (await client.get_payment_transactions_async(payment_id="ORDERPAID")).items
    assert [attempt.payment_id for attempt in attempts] == ["ORDERPAID"]


async def test_the_sdk_registers_and_cancels(sandbox: Practice) -> None:
    client = client_of(sandbox)
    await client.pre_register_payment_async(payment_id=ID, total_amount=15000, currency="KRW")
    await paid(sandbox)
    with pytest.raises(errors.AlreadyPaidError):
        await client.pre_register_payment_async(payment_id=ID, total_amount=1)

    part = await client.cancel_payment_async(
        payment_id=ID, reason="고객 변심", amount=5000, requester="CUSTOMER", current_cancellable_amount=15000
    )
    with pytest.raises(errors.CancelAmountExceedsCancellableAmountError):
        await client.cancel_payment_async(payment_id=ID, reason="고객 변심", amount=10001)
    await client.cancel_payment_async(payment_id=ID, reason="고객 변심")
    with pytest.raises(errors.PaymentAlreadyCancelledError):
        await client.cancel_payment_async(payment_id=ID, reason="고객 변심")

    assert isinstance(part.cancellation, SucceededPaymentCancellation)
    assert (part.cancellation.total_amount, part.cancellation.trigger) == (5000, "API")


async def test_the_sdk_confirms() -> None:
    async with practice(accounts=[MANUAL]) as sandbox:
        client = client_of(sandbox)
        buyer = Buyer(sandbox)
        await buyer.open()
        token = (await buyer.approve())["paymentToken"]
        with pytest.raises(errors.InformationMismatchError):
            await client.confirm_payment_async(payment_id=ID, payment_token=token, total_amount=1)
        with pytest.raises(errors.InvalidPaymentTokenError):
            await client.confirm_payment_async(payment_id=ID, payment_token="another")

        summary = await client.confirm_payment_async(
            payment_id=ID, payment_token=token, total_amount=15000, currency="KRW", is_test=True
        )

        payment = await client.get_payment_async(payment_id=ID)
        assert isinstance(payment, PaidPayment)
        assert (payment.pg_tx_id, payment.paid_at) == (summary.pg_tx_id, summary.paid_at)


async def test_the_sdk_closes_and_refunds_virtual_accounts(sandbox: Practice) -> None:
    client = client_of(sandbox)
    await issued(sandbox)
    assert (await client.close_virtual_account_async(payment_id=ID)).closed_at == "2026-09-10T06:30:12.000Z"
    with pytest.raises(errors.PaymentNotWaitingForDepositError):
        await client.close_virtual_account_async(payment_id=ID)
    await issued(sandbox, "ORDER0002")
    await control(sandbox, "deposits/ORDER0002")
    with pytest.raises(errors.PgProviderError):
        await client.cancel_payment_async(payment_id="ORDER0002", reason="고객 변심")

    account = CancelPaymentBodyRefundAccount(bank="WOORI", number="1002123456789", holder_name="홍길동")
    answer = await client.cancel_payment_async(payment_id="ORDER0002", reason="고객 변심", refund_account=account)

    assert isinstance(answer.cancellation, RequestedPaymentCancellation)
    stopped = await client.stop_payment_cancellation_async(
        payment_id="ORDER0002", cancellation_id=answer.cancellation.id
    )
    assert stopped.stopped_at == "2026-09-10T06:30:12.000Z"


async def test_the_sdk_asks_for_a_webhook_again(sandbox: Practice) -> None:
    await paid(sandbox)
    await sandbox.send_due()

    answer = await client_of(sandbox).resend_webhook_async(payment_id=ID)

    assert (answer.webhook.trigger, answer.webhook.status) == ("MANUAL", "SUCCEEDED")


async def test_the_sdk_hears_who_it_is_not(sandbox: Practice) -> None:
    with pytest.raises(errors.PaymentNotFoundError):
        await client_of(sandbox).get_payment_async(payment_id=ID)
    with pytest.raises(errors.UnauthorizedError):
        await client_of(sandbox, "nobody").get_payment_async(payment_id=ID)
    foreign = portone_server_sdk.PaymentClient(
        secret=HARU["api_secret"], base_url=f"{ORIGIN}/portone", store_id="store-of-another"
    )
    foreign._async_client = httpx.AsyncClient(transport=sandbox.transport)
    with pytest.raises(errors.ForbiddenError):
        await foreign.get_payment_async(payment_id=ID)


@pytest.fixture
async def heard() -> AsyncIterator[tuple[Practice, list[Raw]]]:
    """A sandbox in the present, whose secrets rotate, and what it sends: headers and raw body."""
    raw: list[Raw] = []

    async def listen(_: str, headers: dict[str, str], body: bytes) -> int:
        raw.append((headers, body.decode()))
        return 200

    account = HARU | {"webhook_url": HOOK, "webhook_secrets": [SECRET, NEXT_SECRET]}
    # The verifiers look at the clock of this machine.
    async with practice(accounts=[account], webhook_post=listen, now=lambda: datetime.now(UTC)) as sandbox:
        yield sandbox, raw


async def every_type(sandbox: Practice) -> None:
    """Let the sandbox send each type of webhook that it knows."""
    buyer = Buyer(sandbox)
    await buyer.open("ORDERFAILED")
    await buyer.decline()
    await paid(sandbox, "ORDERPENDING", approval="later")
    await issued(sandbox, "ORDERISSUED")
    await paid(sandbox, refund="later")
    await control(sandbox, f"disputes/{ID}")
    await control(sandbox, f"disputes/{ID}/win")
    await cancel(sandbox, amount=5000)
    await control(sandbox, f"refunds/{ID}/complete")
    await cancel(sandbox)
    await control(sandbox, f"refunds/{ID}/complete")
    await sandbox.send_due()


async def test_the_sdk_verifies_every_webhook_with_either_secret(heard: tuple[Practice, list[Raw]]) -> None:
    sandbox, raw = heard
    await every_type(sandbox)

    types: set[Any] = set()
    for headers, body in raw:
        for secret in (SECRET, NEXT_SECRET):
            assert Webhook(secret).verify(body, headers)
            types.add(type(portone_server_sdk.webhook.verify(secret, body, headers)).__name__)

    assert types == {
        "WebhookTransactionReady",
        "WebhookTransactionFailed",
        "WebhookTransactionPayPending",
        "WebhookTransactionVirtualAccountIssued",
        "WebhookTransactionPaid",
        "WebhookTransactionDisputeCreated",
        "WebhookTransactionDisputeResolved",
        "WebhookTransactionCancelledCancelPending",
        "WebhookTransactionCancelledPartialCancelled",
        "WebhookTransactionCancelledCancelled",
    }


async def test_no_verifier_believes_a_forged_webhook(heard: tuple[Practice, list[Raw]]) -> None:
    sandbox, raw = heard
    for number in range(12):
        await arm(sandbox, "webhook_forged", f"ORDER{number:04}")
        await Buyer(sandbox).open(f"ORDER{number:04}")
    await sandbox.send_due()

    forged = [(headers, body) for headers, body in raw if "Transaction.Paid" in body]
    assert len(forged) == 12
    for headers, body in forged:
        for secret in (SECRET, NEXT_SECRET):
            with pytest.raises(portone_server_sdk.webhook.WebhookVerificationError):
                portone_server_sdk.webhook.verify(secret, body, headers)
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(body, headers)
