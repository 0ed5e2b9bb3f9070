"""How providers reach their PG: one call, one line in the log, and "no answer" as one exception."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from app import clock
from app.payments.provider import Unreachable

log = structlog.get_logger("pg")


async def call(
    http: httpx.AsyncClient,
    method: str,
    base: str,
    template: str,
    names: Mapping[str, str],
    *,
    trace_header: str,
    **options: Any,
) -> tuple[int, Mapping[str, Any]]:
    """The answer's status and JSON object. Raises Unreachable when there is none: that is never a "no".

    `template` stands in the log in place of the path; nothing of the bodies, keys or names does.
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
    code = body.get("code") if isinstance(body, dict) and not answer.is_success else None
    log.info("pg_call", **line(status=answer.status_code, code=code, pg_trace=answer.headers.get(trace_header)))
    if not isinstance(body, dict):
        raise Unreachable(f"{answer.status_code} without a JSON object")
    return answer.status_code, body
