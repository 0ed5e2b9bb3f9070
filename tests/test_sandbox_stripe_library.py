"""The official Stripe library works against the sandbox as it does against Stripe."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import stripe
import uvicorn

from app.sandbox.main import create_sandbox
from tests.stripe_wire import LISTENING, RETURN, SECRET, arm, intent_fields, press, session_fields

# The library gives httpx its form in a way that httpx no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")


class Inbox:
    """What the sandbox sends, byte for byte."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def __call__(self, url: str, headers: dict[str, str], body: bytes) -> int:
        self.heard.put_nowait((headers, body))
        return 200


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def origin(inbox: Inbox) -> AsyncIterator[str]:
    """A sandbox behind a real server on a free port. The socket listens first: no client comes too early."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = create_sandbox(accounts=[LISTENING], webhook_post=inbox)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@pytest.fixture
async def client(origin: str) -> AsyncIterator[stripe.StripeClient]:
    library = stripe.HTTPXClient()
    yield stripe.StripeClient(
        LISTENING["secret_key"],
        base_addresses={"api": f"{origin}/stripe"},
        http_client=library,
        max_network_retries=0,
    )
    await library.close_async()


@pytest.fixture
async def wire(origin: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=origin) as opened:
        yield opened


async def test_it_opens_finds_and_expires_a_session(client: stripe.StripeClient) -> None:
    sessions = client.v1.checkout.sessions

    made = await sessions.create_async(session_fields())
    found = await sessions.retrieve_async(made.id, {"expand": ["line_items", "payment_intent"]})
    listed = await sessions.list_async({"status": "open", "limit": 3})
    expired = await sessions.expire_async(made.id)

    assert (made.status, made.amount_total, made.client_reference_id) == ("open", 15000, "ORDER0001")
    assert found.line_items.data[0].description == "세라믹 머그"
    assert [each.id for each in listed.data] == [made.id]
    assert expired.status == "expired"
    with pytest.raises(stripe.InvalidRequestError):
        await sessions.expire_async(made.id)


async def test_it_moves_a_payment_through_everything(client: stripe.StripeClient) -> None:
    intents, refunds = client.v1.payment_intents, client.v1.refunds

    made = await intents.create_async({**intent_fields(), "capture_method": "manual"}, {"idempotency_key": "k-1"})
    again = await intents.create_async({**intent_fields(), "capture_method": "manual"}, {"idempotency_key": "k-1"})
    await intents.update_async(made.id, {"description": "머그"})
    held = await intents.confirm_async(made.id, {"payment_method": "pm_card_visa", "return_url": RETURN})
    done = await intents.capture_async(made.id, {"expand": ["latest_charge"]})
    refund = await refunds.create_async({"payment_intent": made.id, "amount": 4000})
    listed = await refunds.list_async({"payment_intent": made.id})
    charge = await client.v1.charges.retrieve_async(done.latest_charge.id)

    assert (again.id, again.last_response.headers["idempotent-replayed"]) == (made.id, "true")
    assert (held.status, done.status, done.description) == ("requires_capture", "succeeded", "머그")
    assert (refund.status, [each.id for each in listed.data]) == ("succeeded", [refund.id])
    assert (charge.amount_refunded, charge.refunded) == (4000, False)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await intents.cancel_async(made.id)
    assert caught.value.code == "payment_intent_unexpected_state"


async def test_it_turns_the_pages_of_a_list(client: stripe.StripeClient) -> None:
    for number in range(5):
        await client.v1.payment_intents.create_async(intent_fields(f"ORDER{number:04}"))

    page = await client.v1.payment_intents.list_async({"limit": 2})
    references = [each.metadata["reference"] async for each in page.auto_paging_iter()]

    assert references == [f"ORDER{number:04}" for number in range(4, -1, -1)]


async def test_it_tells_errors_apart(origin: str, client: stripe.StripeClient) -> None:
    card = {"confirm": True, "payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"}

    with pytest.raises(stripe.CardError) as declined:
        await client.v1.payment_intents.create_async({**intent_fields(), **card})
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await client.v1.payment_intents.retrieve_async("pi_unknown")
    await client.v1.payment_intents.create_async(intent_fields(), {"idempotency_key": "k-2"})
    with pytest.raises(stripe.IdempotencyError):
        await client.v1.payment_intents.create_async(intent_fields(amount=2000), {"idempotency_key": "k-2"})

    assert (declined.value.code, declined.value.error.decline_code) == ("card_declined", "insufficient_funds")
    assert (missing.value.code, missing.value.http_status) == ("resource_missing", 404)
    with pytest.raises(stripe.AuthenticationError):
        await client.v1.accounts.retrieve_current_async({}, {"api_key": "sk_test_nobody"})


async def test_it_repeats_a_call_whose_answer_was_lost(
    origin: str, wire: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
    library = stripe.HTTPXClient()
    client = stripe.StripeClient(
        LISTENING["secret_key"],
        base_addresses={"api": f"{origin}/stripe"},
        http_client=library,
        max_network_retries=2,
    )
    await arm(wire, "answer_lost_after", call="begin")

    made = await client.v1.payment_intents.create_async(intent_fields())

    assert [each.id for each in (await client.v1.payment_intents.list_async()).data] == [made.id]
    await library.close_async()


async def test_it_takes_a_webhook_for_true_and_a_forged_one_for_false(
    client: stripe.StripeClient, wire: httpx.AsyncClient, inbox: Inbox
) -> None:
    session = await client.v1.checkout.sessions.create_async(session_fields())
    await arm(wire, "webhook_forged")
    await press(wire, session.id)

    events, refused = [], 0
    for _ in range(5):
        headers, body = await asyncio.wait_for(inbox.heard.get(), 10)
        try:
            events.append(stripe.Webhook.construct_event(body, headers["stripe-signature"], SECRET))
        except stripe.SignatureVerificationError:
            refused += 1
            assert json.loads(body)["type"] == "checkout.session.completed"

    assert refused == 1
    assert (events[-1].type, events[-1].data.object.payment_status) == ("checkout.session.completed", "paid")
    listed = await client.v1.events.list_async({"types": ["checkout.session.completed"]})
    assert [each.id for each in listed.data] == [events[-1].id]
