"""The network of the simulation: requests carried to an ASGI app by hand-made scopes, and what may happen to them."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import httpx
from litestar.types import ASGIApp

from app.simulation.loop import CURRENT

if TYPE_CHECKING:
    from app.simulation.stage import Stage


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def header(self, name: bytes) -> str:
        """The first of this name; empty without one."""
        return next((value.decode() for known, value in self.headers if known.lower() == name), "")


class Dropped(Exception):
    """The other side promised a body and closed the connection."""


async def ask(app: ASGIApp, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    """One request to an app. Raises Dropped."""
    parts = urlsplit(url)
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": parts.scheme or "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "root_path": "",
        "query_string": parts.query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "server": (parts.hostname or "shop.test", 80),
        "client": ("127.0.0.1", 50000),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]
    start, chunks = sent[0], sent[1:]
    if not chunks or chunks[-1].get("more_body"):
        raise Dropped
    return Answer(start["status"], list(start["headers"]), b"".join(chunk.get("body", b"") for chunk in chunks))


class ToThePgs(httpx.AsyncBaseTransport):
    """Carries the providers' calls to the sandbox. The work there goes on when the caller has given up, or died."""

    def __init__(self, stage: "Stage") -> None:
        self._stage = stage

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        world, process = self._stage.world, CURRENT.get()
        assert process is not None, "only a process of the shop calls a PG"
        await process.point(f"{request.method} {request.url.path}")
        body = await request.aread()
        if world.noise.random() < world.rates.refused_calls or self._stage.pgs.is_away(request.url.path):
            world.count("call refused")
            raise httpx.ConnectError("refused", request=request)
        delay = world.noise.uniform(0.01, 0.3)
        if world.noise.random() < world.rates.slow_calls:
            world.count("call slow to arrive")
            # As often as not longer than anybody waits.
            delay = world.noise.uniform(1, 120)
        elif world.rates.late_calls and world.noise.random() < world.rates.late_calls:
            world.count("call slow to arrive")
            delay = world.noise.uniform(61, 200)
        headers = {name.decode(): value.decode() for name, value in request.headers.raw}
        asked = self._stage.pgs.process.spawn(self._arrive(delay, request.method, str(request.url), headers, body))
        try:
            async with asyncio.timeout(request.extensions["timeout"]["read"]):
                answer = await asyncio.shield(asked)
        except TimeoutError:
            raise httpx.ReadTimeout("no answer", request=request) from None
        await process.point("answered")
        if answer is None:
            raise httpx.RemoteProtocolError("dropped", request=request)
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body, request=request)

    async def _arrive(self, delay: float, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer | None:
        """None where the PG drops the connection. Nobody may be left to hear it."""
        await asyncio.sleep(delay)
        with suppress(Dropped):
            return await ask(self._stage.sandbox, method, url, headers, body)
        return None
