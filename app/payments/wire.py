"""How providers reach their PG: one call, one line in the log, and "no answer" as one exception."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from app import clock
from app.payments.provider import Garbled, Unreachable

log = structlog.get_logger("pg")

# Under this name stand the rows of an answer that is a JSON list.
ROWS = "rows"


async def call(
    http: httpx.AsyncClient,
    method: str,
    base: str,
    template: str,
    names: Mapping[str, str],
    *,
    trace_header: str,
    code_of: Callable[[Mapping[str, Any]], object],
    **options: Any,
) -> tuple[int, Mapping[str, Any]]:
    """The answer's status and JSON object; a list of objects is `{ROWS: [...]}`. Raises Unreachable when there is none:
    that is never a "no".

    `template` stands in the log in place of the path, and of an error what `code_of` finds in its body; nothing else
    of the bodies, keys or names does.
    """
    path = template.format(**{name: quote(value, safe="") for name, value in names.items()})
    started = clock.ticks()

    def line(**found: Any) -> dict[str, Any]:
        return {"method": method, "path": template, "ms": round((clock.ticks() - started) * 1000), **found}

    try:
        answer = await http.request(method, base + path, **options)
    except httpx.HTTPError as error:
        log.warning("pg_call", **line(status=type(error).__name__))
        raise Unreachable(type(error).__name__) from None
    try:
        body = answer.json()
    except ValueError:
        body = None
    if isinstance(body, list) and all(isinstance(row, dict) for row in body):
        body = {ROWS: body}
    code = code_of(body) if isinstance(body, dict) and not answer.is_success else None
    log.info("pg_call", **line(status=answer.status_code, code=code, pg_trace=answer.headers.get(trace_header)))
    if not isinstance(body, dict):
        # A server that fails may say so in HTML.
        raise (Unreachable if answer.is_server_error else Garbled)(f"{answer.status_code} without a JSON object")
    return answer.status_code, body
