"""The Stripe provider against a server that others wrote: localstripe 1.15 plays PaymentIntents, refunds and events.

It has no Checkout Sessions, no disputes and no idempotency keys, filters no list by `created[gte]`, and cannot confirm
a PaymentIntent again after a decline. `Older` makes up for the rest of what it lacks of today's API.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest

from app import clock
from app.money import Money
from app.payments.provider import (
    Account,
    Attempt,
    Delivery,
    Forged,
    Outcome,
    OutcomeStatus,
    RefundRequest,
    Urls,
    Widget,
)
from app.payments.providers.stripe import Stripe

SECRET = "whsec_localstripe"
KEYS = {"publishable_key": "pk_test_haru", "secret_key": "sk_test_haru", "webhook_secret": SECRET}
URLS = Urls("https://shop.test/back?payment=tok", "https://shop.test/back?payment=tok")
CARD = {"type": "card", "card[exp_month]": "12", "card[exp_year]": "2030", "card[cvc]": "123"}
NEEDS_3DS = {**CARD, "card[number]": "4000002500003155"}

# It would bind every address, and keep its objects in one file for everybody.
LOCALSTRIPE = """
import socket, sys
from aiohttp import web
from localstripe import resources, server

resources.Store.dump_to_disk = lambda store: None
web.run_app(server.app, sock=socket.socket(fileno=int(sys.argv[1])), print=None)
"""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Its address. The socket listens before the server runs: the first request waits there until it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, handle = listener.getsockname()[1], listener.fileno()
        command = [sys.executable, "-c", LOCALSTRIPE, str(handle)]
        process = subprocess.Popen(command, pass_fds=[handle], stderr=subprocess.DEVNULL)
    with process:
        yield f"http://127.0.0.1:{port}"
        process.kill()


class Older(httpx.AsyncBaseTransport):
    """Leaves out of requests what localstripe does not know, and adds to its PaymentIntents what it does not tell."""

    UNKNOWN = frozenset({"automatic_payment_methods[enabled]", "reason"})

    def __init__(self) -> None:
        self.wire = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            known = [(name, value) for name, value in parse_qsl(request.content.decode()) if name not in self.UNKNOWN]
            kept = {name: value for name, value in request.headers.items() if name != "content-length"}
            body = urlencode(known).encode()
            request = httpx.Request("POST", request.url, headers=kept, content=body, extensions=request.extensions)
        answer = await self.wire.handle_async_request(request)
        await answer.aread()
        found = answer.json()
        if found.get("object") == "payment_intent":
            found["amount_received"] = found["amount"] if found["status"] == "succeeded" else 0
        return httpx.Response(answer.status_code, json=found)

    async def aclose(self) -> None:
        await self.wire.aclose()


class Shop:
    """The provider with one payment that it has begun, and a buyer who confirms it as a browser would."""

    def __init__(self, origin: str, http: httpx.AsyncClient) -> None:
        self.origin, self.http = origin, http
        self.stripe = Stripe(Account("stripe", "test", "", KEYS, origin, f"{origin}/js.stripe.com/v3/"), http)
        self.attempt = Attempt(clock.new_reference(), Money(33_000), "stripe", "머그", "minji@example.com", clock.now())

    async def begin(self) -> None:
        widget = await self.stripe.begin(self.attempt, URLS)
        assert isinstance(widget, Widget)
        self.attempt = replace(self.attempt, pg_session_id=widget.session_id)
        self.client_secret = str(widget.params["clientSecret"])

    async def post(self, path: str, **values: str) -> tuple[int, Any]:
        answer = await self.http.post(f"{self.origin}/v1{path}", data=values, auth=(KEYS["secret_key"], ""))
        return answer.status_code, answer.json()

    async def pay(self, method: str) -> int:
        intent = f"/payment_intents/{self.attempt.pg_session_id}"
        await self.post(intent, payment_method=method)
        return (await self.post(f"{intent}/confirm"))[0]

    async def look(self) -> Outcome:
        return await self.stripe.conclude(self.attempt, None)


@pytest.fixture
async def shop(origin: str) -> AsyncIterator[Shop]:
    async with httpx.AsyncClient(transport=Older()) as http:
        shop = Shop(origin, http)
        await shop.begin()
        yield shop


def refund_of(amount: int, balance: int) -> RefundRequest:
    return RefundRequest(clock.new_reference(), Money(amount), "고객 변심", balance, 1)


async def test_a_payment_is_open_until_it_is_paid(shop: Shop) -> None:
    assert (await shop.look()).status is OutcomeStatus.OPEN
    assert await shop.pay("pm_card_visa") == 200
    paid = await shop.look()
    assert (paid.status, paid.captured, paid.refunded, paid.closed) == (OutcomeStatus.PAID, 33_000, 0, True)
    assert (paid.reference, paid.amount, paid.currency) == (shop.attempt.reference, 33_000, "KRW")
    assert paid.pg_payment_id == shop.attempt.pg_session_id
    assert paid.paid_at is not None


async def test_begun_again_it_is_the_same_intent(shop: Shop) -> None:
    widget = await shop.stripe.begin(shop.attempt, URLS)
    assert isinstance(widget, Widget)
    assert (widget.session_id, widget.params["clientSecret"]) == (shop.attempt.pg_session_id, shop.client_secret)


async def test_a_declined_card_leaves_it_open(shop: Shop) -> None:
    assert await shop.pay("pm_card_chargeCustomerFail") == 402
    declined = await shop.look()
    assert (declined.status, declined.failure, declined.closed) == (OutcomeStatus.OPEN, "card_declined", False)


async def test_a_payment_that_waits_for_the_bank_is_open(shop: Shop) -> None:
    _, method = await shop.post("/payment_methods", **NEEDS_3DS)
    await shop.pay(method["id"])
    assert (await shop.look()).status is OutcomeStatus.OPEN
    intent = f"/payment_intents/{shop.attempt.pg_session_id}"
    await shop.post(f"{intent}/_authenticate", client_secret=shop.client_secret, success="true")
    assert (await shop.look()).status is OutcomeStatus.PAID


async def test_money_goes_back_in_parts_and_is_found_again(shop: Shop) -> None:
    await shop.pay("pm_card_visa")
    first, second = refund_of(11_000, 33_000), refund_of(22_000, 22_000)
    part = await shop.stripe.refund(first, shop.attempt)
    assert (part.captured, part.refunded) == (33_000, 11_000)
    again = await shop.stripe.refund(first, shop.attempt)
    assert again.refunded == 11_000
    whole = await shop.stripe.refund(second, shop.attempt)
    assert (whole.status, whole.captured, whole.refunded) == (OutcomeStatus.PAID, 33_000, 33_000)
    seen = {(refund.reference, refund.amount, refund.status) for refund in whole.refunds}
    assert seen == {(first.reference, 11_000, "succeeded"), (second.reference, 22_000, "succeeded")}


async def test_a_refund_by_hand_stops_ours(shop: Shop) -> None:
    await shop.pay("pm_card_visa")
    await shop.post("/refunds", payment_intent=str(shop.attempt.pg_session_id), amount="30000")
    outcome = await shop.stripe.refund(refund_of(11_000, 33_000), shop.attempt)
    assert (outcome.refunded, [refund.reference for refund in outcome.refunds]) == (30_000, [None])


async def test_what_is_closed_takes_no_money(shop: Shop) -> None:
    closed = await shop.stripe.close(shop.attempt)
    assert (closed.status, closed.closed) == (OutcomeStatus.CANCELLED, True)
    assert await shop.pay("pm_card_visa") == 400
    assert (await shop.look()).captured == 0


async def test_what_is_paid_cannot_be_closed(shop: Shop) -> None:
    await shop.pay("pm_card_visa")
    assert (await shop.stripe.close(shop.attempt)).status is OutcomeStatus.PAID


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, asyncio.Queue[Delivery]]]:
    """The shop's webhook address, and what comes there."""
    inbox: asyncio.Queue[Delivery] = asyncio.Queue()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head)}
        body = await reader.readexactly(int(headers["content-length"]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        inbox.put_nowait(Delivery(headers, body))

    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", inbox


async def test_its_events_are_authentic_and_name_the_payment(shop: Shop, origin: str) -> None:
    other = Shop(origin, shop.http)
    await other.begin()
    expected = {
        (shop.attempt.reference, shop.attempt.pg_session_id, "payment_intent.payment_failed"),
        (other.attempt.reference, other.attempt.pg_session_id, "payment_intent.succeeded"),
    }
    async with listening() as (url, inbox), httpx.AsyncClient() as console, asyncio.timeout(20):
        await console.post(f"{origin}/_config/webhooks/haru", json={"url": url, "secret": SECRET})
        await shop.pay("pm_card_chargeCustomerFail")
        await other.pay("pm_card_visa")
        while expected:
            delivery = await inbox.get()
            heard = shop.stripe.hear(delivery)
            assert heard is not None
            assert heard.delivery.startswith("evt_")
            with pytest.raises(Forged):
                shop.stripe.hear(Delivery(delivery.headers, delivery.body + b" "))
            # Those of other tests may come, too: each is a second late.
            expected.discard((heard.reference, heard.pg_payment_id, heard.kind))
