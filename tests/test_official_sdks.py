"""The PGs' own libraries and our shop at the same sandbox: each finds, and hears, what the other did."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import portone_server_sdk
import pytest
import stripe
from portone_server_sdk.payment import CancelledPayment, PaidPayment, VirtualAccountIssuedPayment
from standardwebhooks import Webhook

from app.orders.states import OrderStatus
from app.payments.states import PaymentStatus
from app.payments.tables import InboxEvent, ProviderAccount
from tests import portone_wire, stripe_wire
from tests.mall import CONTRACTS, ELEMENTS, Customer, hear_all
from tests.sandbox_wire import ORIGIN
from tests.shopping import Market

# Stripe's library gives httpx its form in a way that httpx no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

SECRETS = {"stripe": stripe_wire.SECRET, "stripe elements": ELEMENTS["webhook_secret"]}
TOLD = {
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.created",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "payment_intent.processing",
    "charge.succeeded",
    "charge.refunded",
    "refund.created",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.closed",
}

Raw = tuple[str, Mapping[str, str], bytes]


def stripe_of(mall: Market, contract: str) -> stripe.StripeClient:
    """The library as the merchant would use it, with its connections led to the sandbox."""
    library = stripe.HTTPXClient()
    library._client_async = httpx.AsyncClient(transport=mall.pg.transport)
    return stripe.StripeClient(
        CONTRACTS[contract].raw["secret_key"],
        base_addresses={"api": f"{ORIGIN}/stripe"},
        http_client=library,
        max_network_retries=0,
    )


@pytest.fixture
async def portone(mall: Market) -> AsyncIterator[portone_server_sdk.PaymentClient]:
    client = portone_server_sdk.PaymentClient(
        secret=portone_wire.HARU["api_secret"], base_url=f"{ORIGIN}/portone", store_id=portone_wire.STORE
    )
    client._async_client = httpx.AsyncClient(transport=mall.pg.transport, timeout=60)
    yield client
    await client._async_client.aclose()


@pytest.fixture
def sent(mall: Market) -> list[Raw]:
    """Every webhook that the sandbox sends to the shop, byte for byte; each must be taken."""
    webhooks, told = mall.pg.app.state.webhooks, []
    post = webhooks.post

    async def watched(url: str, headers: dict[str, str], body: bytes) -> int:
        told.append((url, headers, body))
        answer: int = await post(url, headers, body)
        assert answer == 200
        return answer

    webhooks.post = watched
    return told


async def test_stripes_library_finds_the_session_that_the_shop_opened(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "stripe")
    payment, sessions = await mall.only_payment(), stripe_of(mall, "stripe").v1.checkout.sessions
    found = await sessions.retrieve_async(payment.pg_session_id, {"expand": ["line_items"]})
    assert (found.status, found.amount_total, found.currency) == ("open", 26_000, "krw")
    assert (found.client_reference_id, found.metadata["reference"]) == (payment.reference, payment.reference)
    assert [item.amount_total for item in found.line_items.data] == [26_000]
    await customer.come_back(await window.press("approve"))
    paid = await sessions.retrieve_async(payment.pg_session_id, {"expand": ["payment_intent"]})
    assert (paid.payment_status, paid.payment_intent.metadata["reference"]) == ("paid", payment.reference)
    assert (await mall.only_payment()).pg_payment_id == paid.payment_intent.id


async def test_stripes_library_finds_the_intent_that_the_shop_made(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "stripe elements")
    payment, client = await mall.only_payment(), stripe_of(mall, "stripe elements")
    found = await client.v1.payment_intents.retrieve_async(payment.pg_session_id)
    assert (found.status, found.amount_received) == ("succeeded", 26_000)
    assert found.metadata["reference"] == payment.reference
    assert [each.id for each in (await client.v1.payment_intents.list_async()).data] == [found.id]


@pytest.mark.parametrize("contract", SECRETS)
async def test_the_shop_hears_of_a_refund_by_stripes_library(mall: Market, customer: Customer, contract: str) -> None:
    await customer.pay(mall.mug, contract)
    refunds = stripe_of(mall, contract).v1.refunds
    intent = (await mall.only_payment()).pg_payment_id
    made = await refunds.create_async({"payment_intent": intent, "amount": 6_000})
    await hear_all(mall)
    assert [each.id for each in (await refunds.list_async({"payment_intent": intent})).data] == [made.id]
    assert (await mall.only_payment()).refunded_amount == 6_000
    assert (await mall.only_order()).status == OrderStatus.PARTIALLY_REFUNDED


async def test_the_shop_hears_of_a_session_that_stripes_library_expired(mall: Market, customer: Customer) -> None:
    await customer.go(mall.mug, "stripe")
    made = (await mall.only_payment()).pg_session_id
    assert (await stripe_of(mall, "stripe").v1.checkout.sessions.expire_async(made)).status == "expired"
    await hear_all(mall)
    payment = await mall.only_payment()
    assert (payment.status, payment.closed_at is not None) == (PaymentStatus.EXPIRED, True)


async def test_stripes_library_believes_every_webhook_that_the_shop_takes(
    mall: Market, customer: Customer, sent: list[Raw]
) -> None:
    await customer.pay(mall.mug, "stripe")
    reference = (await mall.only_payment()).reference
    for path in (f"disputes/{reference}", f"disputes/{reference}/win", f"refunds/{reference}"):
        assert (await mall.pg.wire.post(f"/control/{path}")).status_code == 201, path
    # A card whose refunds come back.
    await customer.pay(mall.mug, "stripe", number="4000000000005126")
    reference = (await mall.ledger())[-1]["reference"]
    for path in (f"refunds/{reference}", f"refunds/{reference}/fail"):
        assert (await mall.pg.wire.post(f"/control/{path}")).status_code == 201, path
    for verb in ("settle_pending", "fail_pending"):
        window = await customer.go(mall.mug, "stripe")
        await window.press("approve", way="customer_balance")
        await window.at_the_bank(verb)
    expiring = await customer.go(mall.mug, "stripe")
    await stripe_of(mall, "stripe").v1.checkout.sessions.expire_async(expiring.path.rpartition("/")[2])
    elements = await customer.go(mall.mug, "stripe elements")
    await elements.decline()
    await stripe_of(mall, "stripe elements").v1.payment_intents.cancel_async(elements.path.rpartition("/")[2])
    await hear_all(mall)

    types = set()
    for url, headers, body in sent:
        secret = next(SECRETS[name] for name in SECRETS if CONTRACTS[name].raw["webhook_url"] == url)
        # The library looks at this machine's clock, and time stands still here.
        event = stripe.Webhook.construct_event(body, headers["stripe-signature"], secret, tolerance=None)
        types.add(event.type)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body + b" ", headers["stripe-signature"], secret, tolerance=None)
    assert types >= TOLD, TOLD - types


async def test_portones_library_finds_and_cancels_what_the_shop_sold(
    mall: Market, customer: Customer, portone: portone_server_sdk.PaymentClient
) -> None:
    await customer.pay(mall.mug, "portone")
    payment = await mall.only_payment()
    found = await portone.get_payment_async(payment_id=payment.reference)
    assert isinstance(found, PaidPayment)
    assert (found.amount.total, found.currency) == (26_000, "KRW")
    await portone.cancel_payment_async(payment_id=payment.reference, reason="고객 변심", amount=6_000)
    await hear_all(mall)
    assert (await mall.only_order()).status == OrderStatus.PARTIALLY_REFUNDED
    await portone.cancel_payment_async(payment_id=payment.reference, reason="고객 변심")
    await hear_all(mall)
    assert isinstance(await portone.get_payment_async(payment_id=payment.reference), CancelledPayment)
    assert (await mall.only_order()).status == OrderStatus.REFUNDED


async def test_portones_library_closes_an_account_and_the_order_can_be_paid_again(
    mall: Market, customer: Customer, portone: portone_server_sdk.PaymentClient
) -> None:
    await customer.pay(mall.mug, "portone", "virtual_account")
    reference = (await mall.only_payment()).reference
    assert isinstance(await portone.get_payment_async(payment_id=reference), VirtualAccountIssuedPayment)
    await portone.close_virtual_account_async(payment_id=reference)
    # [U] PortOne may tell nobody: the shop asks by itself.
    mall.time.go_on(hours=2)
    await mall.work()
    assert (await mall.only_payment()).captured_amount == 0
    window = await customer.pay_again(await customer.order_page(), "toss")
    await customer.come_back(await window.press("approve"))
    assert (await mall.only_order()).status == OrderStatus.PAID


async def test_what_portones_library_registered_and_confirmed_is_found_by_the_shop(
    mall: Market, customer: Customer, portone: portone_server_sdk.PaymentClient
) -> None:
    window = await customer.go(mall.mug, "portone manual")
    reference = (await mall.only_payment()).reference
    # Said twice by two parties, it is the same.
    await portone.pre_register_payment_async(payment_id=reference, total_amount=26_000, currency="KRW")
    way_back = await window.press("approve")
    token = httpx.URL(way_back).params["paymentToken"]
    await portone.confirm_payment_async(payment_id=reference, payment_token=token, total_amount=26_000)
    page = await customer.come_back(way_back)
    assert "결제가 끝났어요" in page.text
    assert [entry["captured"] for entry in await mall.ledger()] == [26_000]


@pytest.mark.parametrize("contract", ["portone", "stripe"])
async def test_the_shop_believes_what_the_official_verifiers_sign(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.go(mall.mug, contract)
    payment = await mall.only_payment()
    account = await ProviderAccount.objects().get(ProviderAccount.id == payment.account)
    body, signed = signing(mall, contract, payment.reference)
    for secret, status in ((CONTRACTS[contract].raw["webhook_secret"], 200), (portone_wire.NEXT_SECRET, 401)):
        url = f"/webhooks/{account.provider}/{account.id}"
        answer = await mall.shopper().http.post(url, content=body, headers=signed(secret))
        assert answer.status_code == status
    [event] = await InboxEvent.objects()
    assert (event.reference, event.is_verified) == (payment.reference, True)


def signing(mall: Market, contract: str, reference: str) -> tuple[str, Any]:
    """A webhook about a payment, and what makes its headers from a secret."""
    if contract == "portone":
        data = f'"storeId":"{portone_wire.STORE}","paymentId":"{reference}","transactionId":"tx-1"'
        body = f'{{"type":"Transaction.Paid","timestamp":"2026-11-22T05:00:00Z","data":{{{data}}}}}'
        at = mall.time.moment
        return body, lambda secret: {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign("msg_1", at, body),
        }
    about = f'"id":"pi_1","object":"payment_intent","metadata":{{"reference":"{reference}"}}'
    kind = '"type":"payment_intent.succeeded","livemode":false'
    body = f'{{"id":"evt_1","object":"event",{kind},"data":{{"object":{{{about}}}}}}}'
    sign, at = stripe.WebhookSignature.generate_signature_header, int(mall.time.moment.timestamp())
    return body, lambda secret: {"stripe-signature": sign(body, secret, at)}
