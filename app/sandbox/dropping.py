"""A connection that breaks in the middle of its answer, as it does between two machines."""

import logging
from contextvars import ContextVar
from typing import Any

from litestar import Response
from litestar.types import ASGIApp, Receive, Scope, Send

dropping: ContextVar[bool] = ContextVar("dropping", default=False)


class Dropped(Response):
    """Promises a body and never sends it: the server then closes the connection, and the client sees that."""

    def __init__(self) -> None:
        super().__init__(None)

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:
        return _promise_and_leave


async def _promise_and_leave(scope: Scope, receive: Receive, send: Send) -> None:
    dropping.set(True)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"512")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def not_a_drop(record: logging.LogRecord) -> bool:
    """False for the server's complaint about an answer that was dropped on purpose."""
    return not (dropping.get() and "without completing response" in record.getMessage())


def keep_the_log_quiet() -> None:
    logging.getLogger("uvicorn.error").addFilter(not_a_drop)
