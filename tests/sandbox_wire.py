"""The sandbox without sockets: an httpx transport that carries requests to its app, and a buyer."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from litestar import Litestar

from app.sandbox.main import create_sandbox
from tests.shelf import Shelf

ORIGIN = "http://sandbox.test"
HARU = {
    "provider": "toss",
    "client_key": "test_ck_haru",
    "secret_key": "test_sk_haru",
    "merchant": "haru01",
    "shop_name": "하루상점",
}
NAMU = {
    "provider": "toss",
    "client_key": "test_ck_namu",
    "secret_key": "test_sk_namu",
    "merchant": "namu01",
    "shop_name": "나무상점",
}
HOOK = "http://shop.test/webhooks/toss/haru"
LISTENING = HARU | {"webhook_url": HOOK}
KEY = (HARU["secret_key"], "")
_waited: ContextVar[list[float] | None] = ContextVar("waited", default=None)
_shelf = Shelf()


async def sleep(seconds: float) -> None:
    """Hand this to `create_sandbox`: no time passes, but the transport counts it against the time-out."""
    waited = _waited.get()
    if waited is not None:
        waited.append(seconds)


class SandboxTransport(httpx.AsyncBaseTransport):
    """Carries requests to a sandbox made with `sleep` from here.

    A slow answer beyond the request's read time-out raises `httpx.ReadTimeout`, a dropped connection
    `httpx.RemoteProtocolError`; the sandbox has done its work by then. `calls` lists (method, path,
    status or name of the exception).
    """

    def __init__(self, app: Litestar) -> None:
        self.app = app
        self.calls: list[tuple[str, str, int | str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._carry(request)
        except httpx.TransportError as error:
            self.calls.append((request.method, request.url.path, type(error).__name__))
            raise
        self.calls.append((request.method, request.url.path, response.status_code))
        return response

    async def _carry(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        body = b"".join([chunk async for chunk in request.stream])
        waited: list[float] = []
        token = _waited.set(waited)
        try:
            messages = await _call(self.app, _scope(request), body)
        finally:
            _waited.reset(token)
        limit = request.extensions.get("timeout", {}).get("read")
        if limit is not None and sum(waited) > limit:
            raise httpx.ReadTimeout("the sandbox is slow", request=request)
        start, chunks = messages[0], messages[1:]
        if not chunks or chunks[-1].get("more_body"):
            raise httpx.RemoteProtocolError("the sandbox dropped the connection", request=request)
        # A server sends no body after HEAD, whatever the app gives it.
        content = b"" if request.method == "HEAD" else b"".join(chunk.get("body", b"") for chunk in chunks)
        return httpx.Response(start["status"], headers=start["headers"], content=content, request=request)


class Buyer:
    """A shopper without JavaScript at the sandbox's payment window; `wire` reaches the sandbox."""

    def __init__(self, wire: httpx.AsyncClient) -> None:
        self.wire = wire
        self.payment_key = ""

    async def open(self, handoff: dict[str, Any]) -> str:
        """Open the window with what the pay page holds in `#handoff`; the paymentKey of the new payment."""
        page = await self.wire.post("/window/toss", data={"handoff": json.dumps(handoff)})
        action = re.search(r'action="/window/toss/([^"]+)"', page.text)
        assert page.status_code == 200, page.text
        assert action is not None, page.text
        self.payment_key = action.group(1)
        return self.payment_key

    async def approve(self, **fields: Any) -> str:
        """Press 승인하기; the URL that leads back to the shop. `way` and `fault` are the form's fields."""
        return await self._press("approve", **fields)

    async def decline(self, code: str | None = None) -> str:
        """Press 거절하기, for the reason `code`; the URL that leads back to the shop."""
        return await self._press("decline", **({"decline_code": code} if code else {}))

    async def cancel(self) -> str:
        """Close the window; the URL that leads back to the shop."""
        return await self._press("cancel")

    async def _press(self, action: str, **fields: Any) -> str:
        answer = await self.wire.post(f"/window/toss/{self.payment_key}", data={"action": action, **fields})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]


class Clock:
    """A moment that stands still until a test moves it."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 9, 10, 6, 30, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def go_on(self, **by: float) -> None:
        self.moment += timedelta(**by)


@dataclass(frozen=True)
class Delivery:
    """One request to a shop's webhook address."""

    url: str
    headers: dict[str, str]
    body: dict[str, Any]


class Inbox:
    """A shop that listens for webhooks, and answers each with the next of `answers`, then 200."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.answers: list[int | Exception] = []

    async def __call__(self, url: str, headers: dict[str, str], body: bytes) -> int:
        self.deliveries.append(Delivery(url, headers, json.loads(body)))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer

    def told(self) -> list[tuple[str, str]]:
        """Type and status of everything that came."""
        bodies = [delivery.body for delivery in self.deliveries]
        return [(body.get("eventType", "DEPOSIT_CALLBACK"), body.get("data", body)["status"]) for body in bodies]


@dataclass(frozen=True)
class Practice:
    """A sandbox for two merchants, with everything that a test needs around it."""

    app: Litestar
    clock: Clock
    transport: SandboxTransport
    wire: httpx.AsyncClient
    buyer: Buyer
    inbox: Inbox

    async def send_due(self) -> int:
        """Let the sandbox send the webhooks whose time has come; how many."""
        sent: int = await self.app.state.webhooks.send_due()
        return sent


@asynccontextmanager
async def practice(**options: Any) -> AsyncIterator[Practice]:
    """Open a sandbox; `options` go to `create_sandbox`."""
    clock, inbox = Clock(), Inbox()
    given = {"accounts": [HARU, NAMU], "now": clock, "sleep": sleep, "webhook_post": inbox, **options}
    with _sandbox(given) as app, closing(app.state.book):
        transport = SandboxTransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as wire:
            yield Practice(app, clock, transport, wire, Buyer(wire), inbox)


def _sandbox(options: dict[str, Any]) -> AbstractContextManager[Litestar]:
    if {"assets", "mail_listener"} & set(options):
        return nullcontext(create_sandbox(**options))
    played = frozenset(account["provider"] for account in options["accounts"])
    return _shelf.lend(played, lambda idle: create_sandbox(**options, reuse=idle))


def handoff(reference: str = "ORDER0001", amount: int = 15000, **request: Any) -> dict[str, Any]:
    """What a shop's pay page holds in `#handoff`."""
    return {
        "provider": "toss",
        "sdkUrl": f"{ORIGIN}/sdk/toss/v2/standard",
        "clientKey": HARU["client_key"],
        "customerKey": "@@ANONYMOUS",
        "request": {
            "method": "CARD",
            "amount": {"currency": "KRW", "value": amount},
            "orderId": reference,
            "orderName": "세라믹 머그 외 1건",
            "successUrl": "http://shop.test/haru/checkout/callback?payment=tok",
            "failUrl": "http://shop.test/haru/checkout/callback?payment=tok",
            "customerEmail": "buyer@example.com",
            "card": {"flowMode": "DEFAULT"},
            **request,
        },
    }


async def authenticated(wire: httpx.AsyncClient, way: str | None = None, **asked: Any) -> dict[str, Any]:
    """A payment that the buyer approved at the window: what the shop must send to confirm it."""
    buyer, wish = Buyer(wire), handoff(**asked)
    key = await buyer.open(wish)
    await buyer.approve(**({"way": way} if way else {}))
    return {
        "paymentKey": key,
        "orderId": wish["request"]["orderId"],
        "amount": wish["request"]["amount"]["value"],
    }


async def confirm(
    wire: httpx.AsyncClient,
    claim: dict[str, Any],
    key: str = "",
    auth: tuple[str, str] | None = KEY,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    sent = ({"Idempotency-Key": key} if key else {}) | (headers or {})
    return await wire.post("/v1/payments/confirm", json=claim, headers=sent, auth=auth)


async def issued(wire: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    """A payment whose virtual account waits for the money, as the confirm answered it."""
    claim = await authenticated(wire, method="VIRTUAL_ACCOUNT", **asked)
    payment: dict[str, Any] = (await confirm(wire, claim)).json()
    return payment


async def deposit(wire: httpx.AsyncClient, path: str = "ORDER0001") -> httpx.Response:
    """Send the money to the virtual account of a payment; `{reference}/reverse` takes it back."""
    return await wire.post(f"/control/deposits/{path}")


async def cancel(wire: httpx.AsyncClient, payment_key: str, key: str = "", **body: Any) -> httpx.Response:
    sent = {"Idempotency-Key": key} if key else {}
    asked = {"cancelReason": "고객 변심", **body}
    return await wire.post(f"/v1/payments/{payment_key}/cancel", json=asked, headers=sent, auth=KEY)


async def look(wire: httpx.AsyncClient, path: str, auth: tuple[str, str] = KEY) -> httpx.Response:
    return await wire.get(f"/v1/payments/{path}", auth=auth)


async def arm(wire: httpx.AsyncClient, kind: str, reference: str | None = "ORDER0001", **more: Any) -> None:
    """Arm a fault at Toss, for one payment unless `reference` is None."""
    fault = {"provider": "toss", "kind": kind} | ({"reference": reference} if reference else {}) | more
    answer = await wire.post("/control/faults", json=fault)
    assert answer.status_code == 201, answer.text


async def ledger(wire: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await wire.get("/control/ledger")).json()["payments"]


async def captured(wire: httpx.AsyncClient) -> int:
    return sum(entry["captured"] for entry in await ledger(wire))


def refused(answer: httpx.Response) -> tuple[int, str]:
    """HTTP status and code of Toss's error."""
    assert set(answer.json()) == {"code", "message"}
    return answer.status_code, answer.json()["code"]


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "root_path": "",
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 50000),
    }


async def _call(app: Litestar, scope: dict[str, Any], body: bytes) -> list[dict[str, Any]]:
    """Everything that the app sends for one request."""
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]
    return messages
