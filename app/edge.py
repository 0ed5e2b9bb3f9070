"""The edge of the app: HEAD like GET, and one structured line for each request."""

import logging
from typing import TextIO

import structlog
from litestar import Litestar
from litestar.types import Message, Receive, Scope, Send

from app import clock
from app.failures import describe
from app.incoming import IS_HEAD

log = structlog.get_logger("request")


def configure_logging(stream: TextIO) -> None:
    """One JSON line for each event. No library may add lines of its own about requests: they would hold tokens."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Discreet("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.ERROR)


class _Discreet(logging.Formatter):
    """Says of an exception where it came from, not what it holds."""

    def formatException(self, ei: tuple) -> str:
        return describe(ei[1])


class Edge:
    """Wraps the whole app."""

    def __init__(self, app: Litestar) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method = scope["method"]
        trace = clock.new_id().hex
        structlog.contextvars.bind_contextvars(trace=trace)
        started, status = clock.ticks(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-trace-id", trace.encode())]
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        inner = {**scope, "method": "GET", IS_HEAD: True} if method == "HEAD" else scope
        try:
            await self.app(inner, receive, answer)
        finally:
            ms = round((clock.ticks() - started) * 1000, 1)
            template = inner.get("path_template") or "-"
            self.app.state.metrics.requests.labels(template, status).inc()
            log.info("request", method=method, path=template, status=status, ms=ms)
