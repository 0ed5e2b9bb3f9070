"""How PortOne is asked: its authentication, its idempotency header, its errors. Source: PortOne's V2 REST overview."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

from app.payments import wire
from app.payments.provider import Account, Misconfigured, Unreachable
from app.payments.providers.decisions import Decision
from app.payments.providers.portone_errors import PortOneError

# PortOne asks for at least 60 s where money moves: a dropped connection does not stop its work.
PATIENT = httpx.Timeout(60, connect=10)
PROMPT = httpx.Timeout(10)
# A shopper is waiting for the page, and the confirm is still to come.
BRISK = httpx.Timeout(4)


class Client:
    """The calls that a provider makes. Each raises PortOneError for an error that PortOne answered, or Unreachable."""

    def __init__(self, account: Account, http: httpx.AsyncClient) -> None:
        self.account, self.http = account, http
        self.store_id = account.credentials["store_id"]

    async def fetch(self, payment_id: str, patience: httpx.Timeout = PROMPT) -> Mapping[str, Any]:
        """The Payment object."""
        query = {"storeId": self.store_id}
        return await self._call("GET", "/payments/{paymentId}", payment_id, timeout=patience, params=query)

    async def list_payments(self, query: Mapping[str, object]) -> list[Mapping[str, Any]]:
        """A page of `{payment, cursor}`."""
        params = {"requestBody": json.dumps({"storeId": self.store_id, **query})}
        match await self._call("GET", "/payments-by-cursor", timeout=PATIENT, params=params):
            case {"items": [*rows]} if all(isinstance(row, dict) and {"payment", "cursor"} <= set(row) for row in rows):
                return rows
        raise Unreachable("not a list of payments")

    async def pre_register(self, payment_id: str, amount: Mapping[str, object]) -> None:
        """No idempotency key: to say it twice does no harm, and a stored answer would hide that it has been paid."""
        body = {"storeId": self.store_id, **amount}
        await self._call("POST", "/payments/{paymentId}/pre-register", payment_id, timeout=PROMPT, json=body)

    async def close_virtual_account(self, payment_id: str) -> None:
        """No idempotency key, for the same reason."""
        query = {"storeId": self.store_id}
        template = "/payments/{paymentId}/virtual-account/close"
        await self._call("POST", template, payment_id, timeout=PATIENT, params=query)

    async def confirm(self, payment_id: str, body: Mapping[str, object], key: str) -> Mapping[str, Any]:
        return await self._move_money("/payments/{paymentId}/confirm", payment_id, body, key)

    async def cancel(self, payment_id: str, body: Mapping[str, object], key: str) -> Mapping[str, Any]:
        return await self._move_money("/payments/{paymentId}/cancel", payment_id, body, key)

    async def _move_money(
        self, template: str, payment_id: str, body: Mapping[str, object], key: str
    ) -> Mapping[str, Any]:
        # The double quotes are part of the header's value.
        headers = {"Idempotency-Key": f'"{key}"'}
        body = {"storeId": self.store_id, **body}
        return await self._call("POST", template, payment_id, timeout=PATIENT, json=body, headers=headers)

    async def _call(self, method: str, template: str, payment_id: str = "", **options: Any) -> Mapping[str, Any]:
        headers = {"Authorization": f"PortOne {self.account.credentials['api_secret']}", **options.pop("headers", {})}
        status, body = await wire.call(
            self.http,
            method,
            self.account.api_base,
            template,
            {"paymentId": payment_id},
            # [U] PortOne documents no header that names a call.
            trace_header="x-request-id",
            code_of=lambda body: body.get("pgCode") or body.get("type"),
            headers=headers,
            **options,
        )
        if status < 400:
            return body
        if not body.get("type"):
            raise Unreachable(f"{status} without a type")
        raise PortOneError(status, str(body["type"])[:80], str(body.get("pgCode") or "")[:80])


def no_answer(error: PortOneError) -> Exception:
    """What an error means to whoever only wanted to know."""
    return (Misconfigured if error.decision is Decision.MISCONFIGURED else Unreachable)(error.code)
