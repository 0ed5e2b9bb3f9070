"""Stripe's REST API: pinned to one version, requests form-encoded, lists in pages.

Source: Stripe's API reference: authentication, versioning, idempotent requests, pagination, expanding responses.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from app.payments import wire
from app.payments.provider import Account, Unreachable
from app.payments.providers.stripe_errors import StripeError, code_of

VERSION = "2026-10-28.endive"

# Where money moves. Stripe's own client waits 80 s; a dropped connection does not stop its work.
PATIENT = httpx.Timeout(60, connect=10)
PROMPT = httpx.Timeout(10)
# A shopper is waiting for the page.
BRISK = httpx.Timeout(4)

LONGEST_PAGE = 100


def form_of(values: Mapping[str, Any], outer: str = "") -> dict[str, str | list[str]]:
    """Stripe's form fields: `{"a": {"b": 1}, "c": [{"d": True}], "e": ["x"]}` is `a[b]=1`, `c[0][d]=true`, `e[]=x`.

    None is left out.
    """
    fields: dict[str, str | list[str]] = {}
    for key, value in values.items():
        name = f"{outer}[{key}]" if outer else key
        if isinstance(value, Mapping):
            fields |= form_of(value, name)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            fields |= form_of(dict(enumerate(value)), name)
        elif isinstance(value, list):
            fields[f"{name}[]"] = [_text(item) for item in value]
        elif value is not None:
            fields[name] = _text(value)
    return fields


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class StripeApi:
    """One account's side of the API. Every call may raise StripeError and Unreachable."""

    def __init__(self, account: Account, http: httpx.AsyncClient) -> None:
        self.account, self.http = account, http

    async def get(
        self, template: str, params: Mapping[str, Any], patience: httpx.Timeout = PROMPT, **names: str
    ) -> Mapping[str, Any]:
        return await self._call("GET", template, names, params=form_of(params), timeout=patience)

    async def post(
        self, template: str, params: Mapping[str, Any], patience: httpx.Timeout, key: str | None = None, **names: str
    ) -> Mapping[str, Any]:
        headers = {"Idempotency-Key": key} if key else {}
        return await self._call("POST", template, names, data=form_of(params), timeout=patience, headers=headers)

    async def rows(self, template: str, params: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Every object of a list, newest first, page by page."""
        last, has_more = None, True
        while has_more:
            page = await self.get(template, {**params, "limit": LONGEST_PAGE, "starting_after": last})
            try:
                rows, has_more, before = page["data"], page["has_more"], last
                last = rows[-1]["id"] if has_more else None
            except (KeyError, TypeError, IndexError):
                raise Unreachable("a list that we cannot read") from None
            if has_more and last == before:
                raise Unreachable("a list that does not go on")
            for row in rows:
                yield row

    async def _call(self, method: str, template: str, names: Mapping[str, str], **options: Any) -> Mapping[str, Any]:
        headers = {
            "Authorization": f"Bearer {self.account.credentials['secret_key']}",
            "Stripe-Version": VERSION,
            **options.pop("headers", {}),
        }
        status, body = await wire.call(
            self.http,
            method,
            self.account.api_base,
            template,
            names,
            trace_header="request-id",
            code_of=lambda body: code_of(body.get("error")),
            headers=headers,
            **options,
        )
        if status < 400:
            return body
        code = code_of(body.get("error"))
        if code is None:
            raise Unreachable(f"{status} without an error")
        raise StripeError(status, code)
