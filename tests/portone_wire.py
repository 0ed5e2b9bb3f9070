"""PortOne's sandbox without sockets: a store's server, its pay page, and a buyer at the window."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from tests.sandbox_wire import ORIGIN, Practice

STORE = "store-11111111-aaaa-4aaa-8aaa-111111111111"
OTHER_STORE = "store-22222222-bbbb-4bbb-8bbb-222222222222"
CHANNEL = "channel-key-11111111-cccc-4ccc-8ccc-111111111111"
HOOK = "http://shop.test/webhooks/portone/haru"
SECRET = "whsec_cG9ydG9uZS10ZXN0LWtleS0wMTIzNDU2Nzg5YWJjZGVm"
NEXT_SECRET = "whsec_bmV4dC1wb3J0b25lLXRlc3Qta2V5LTAxMjM0NTY3ODk="
HARU: dict[str, Any] = {
    "provider": "portone",
    "store_id": STORE,
    "channel_key": CHANNEL,
    "api_secret": "haru-api-secret",
    "merchant": STORE,
    "shop_name": "하루상점",
}
LISTENING = HARU | {"webhook_url": HOOK, "webhook_secret": SECRET}
MANUAL = HARU | {"approval": "manual"}
NAMU = HARU | {
    "store_id": OTHER_STORE,
    "merchant": OTHER_STORE,
    "api_secret": "namu-api-secret",
    "channel_key": "channel-key-22222222-dddd-4ddd-8ddd-222222222222",
    "shop_name": "나무상점",
}
AUTH = {"authorization": "PortOne haru-api-secret"}
REFUND_ACCOUNT = {"bank": "WOORI", "number": "1002123456789", "holderName": "홍길동"}
CALLBACK = "http://shop.test/haru/checkout/callback"
ID = "ORD20260910000001"


def handoff(reference: str = ID, amount: int = 15000, **request: Any) -> dict[str, Any]:
    """What a shop's pay page holds in `#handoff`."""
    return {
        "provider": "portone",
        "sdkUrl": f"{ORIGIN}/sdk/portone/v2/browser-sdk.js",
        "request": {
            "storeId": STORE,
            "channelKey": CHANNEL,
            "paymentId": reference,
            "orderName": "세라믹 머그 외 1건",
            "totalAmount": amount,
            "currency": "KRW",
            "payMethod": "CARD",
            "customer": {"fullName": "홍길동", "email": "buyer@example.com"},
            "redirectUrl": f"{CALLBACK}?payment=tok",
            "forceRedirect": True,
            **request,
        },
    }


class Buyer:
    """A shopper without JavaScript at PortOne's window."""

    def __init__(self, sandbox: Practice) -> None:
        self.wire = sandbox.wire
        self.transaction_id = ""

    async def open(self, reference: str = ID, amount: int = 15000, **request: Any) -> str:
        """Open the window with what the pay page holds; the transactionId of the new attempt."""
        page = await self.wire.post("/window/portone", json=handoff(reference, amount, **request))
        action = re.search(r'action="/window/portone/([^"]+)"', page.text)
        assert page.status_code == 200, page.text
        assert action is not None, page.text
        self.transaction_id = action.group(1)
        return self.transaction_id

    async def approve(self, **fields: Any) -> dict[str, str]:
        """Press 승인하기; what is brought back to the shop. `fields` are those of the form."""
        return await self._press("approve", **fields)

    async def decline(self, code: str = "REJECT_CARD_COMPANY") -> dict[str, str]:
        return await self._press("decline", decline_code=code)

    async def cancel(self) -> dict[str, str]:
        return await self._press("cancel")

    async def at_the_bank(self, action: str, **fields: Any) -> None:
        """Press a button of the page that shows what became of the attempt."""
        path = f"/window/portone/{self.transaction_id}"
        answer = await self.wire.post(f"{path}/account", data={"action": action, **fields})
        assert (answer.status_code, answer.headers["location"]) == (303, path), answer.text

    async def _press(self, action: str, **fields: Any) -> dict[str, str]:
        answer = await self.wire.post(f"/window/portone/{self.transaction_id}", data={"action": action, **fields})
        assert answer.status_code == 303, answer.text
        return returned(answer.headers["location"])


def returned(url: str) -> dict[str, str]:
    """The query that the buyer's browser brings to the shop."""
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == CALLBACK
    query = {name: value for name, (value,) in parse_qs(parts.query, strict_parsing=True).items()}
    # The shop's own is kept.
    assert query.pop("payment") == "tok"
    return query


async def paid(sandbox: Practice, reference: str = ID, amount: int = 15000, **more: Any) -> Buyer:
    """A payment that the buyer has made. `refund` and `fault` go to the window's form, the rest into the request."""
    fields = {name: more.pop(name) for name in ("refund", "fault", "approval", "way") if name in more}
    buyer = Buyer(sandbox)
    await buyer.open(reference, amount, **more)
    brought = await buyer.approve(**fields)
    assert "code" not in brought, brought
    return buyer


async def issued(sandbox: Practice, reference: str = ID, amount: int = 15000, **more: Any) -> Buyer:
    """A payment whose virtual account waits for the money."""
    return await paid(sandbox, reference, amount, payMethod="VIRTUAL_ACCOUNT", **more)


async def call(
    sandbox: Practice, path: str, body: dict[str, Any] | None = None, key: str = "", **headers: str
) -> httpx.Response:
    """POST to PortOne's server API; `key` is an idempotency key, without its quotes."""
    sent = AUTH | ({"idempotency-key": f'"{key}"'} if key else {}) | headers
    return await sandbox.wire.post(f"/portone{path}", json=body or {}, headers=sent)


async def pre_register(sandbox: Practice, reference: str = ID, key: str = "", **body: Any) -> httpx.Response:
    return await call(sandbox, f"/payments/{reference}/pre-register", body, key)


async def confirm(sandbox: Practice, token: str, reference: str = ID, key: str = "", **body: Any) -> httpx.Response:
    return await call(sandbox, f"/payments/{reference}/confirm", {"paymentToken": token, **body}, key)


async def cancel(sandbox: Practice, reference: str = ID, key: str = "", **body: Any) -> httpx.Response:
    return await call(sandbox, f"/payments/{reference}/cancel", {"reason": "고객 변심", **body}, key)


async def get(sandbox: Practice, path: str, **headers: str) -> httpx.Response:
    return await sandbox.wire.get(f"/portone{path}", headers=AUTH | headers)


async def listed(sandbox: Practice, path: str, asked: str) -> httpx.Response:
    """A list, asked for by JSON in the query."""
    return await get(sandbox, f"{path}?requestBody={quote(asked)}")


async def look(sandbox: Practice, reference: str = ID) -> dict[str, Any]:
    answer = await get(sandbox, f"/payments/{reference}")
    assert answer.status_code == 200, answer.text
    payment: dict[str, Any] = answer.json()
    return payment


async def control(sandbox: Practice, path: str, body: Any = None) -> httpx.Response:
    return await sandbox.wire.post(f"/control/{path}", content=json.dumps(body) if body is not None else b"")


async def arm(sandbox: Practice, kind: str, reference: str = ID, **more: Any) -> None:
    answer = await control(sandbox, "faults", {"provider": "portone", "kind": kind, "reference": reference, **more})
    assert answer.status_code == 201, answer.text


async def ledger(sandbox: Practice) -> list[tuple[str, int, int]]:
    """Status, captured and refunded of every attempt, oldest first."""
    entries = (await sandbox.wire.get("/control/ledger")).json()["payments"]
    return [(entry["status"], entry["captured"], entry["refunded"]) for entry in entries]


def refused(answer: httpx.Response) -> tuple[int, str]:
    """HTTP status and type of PortOne's error, or the PG's code inside of it."""
    body = answer.json()
    assert {"type", "message"} <= set(body)
    return answer.status_code, body.get("pgCode", body["type"])


def told(sandbox: Practice) -> list[str]:
    """The types of everything that came, in order, without `Transaction.`."""
    return [delivery.body["type"].removeprefix("Transaction.") for delivery in sandbox.inbox.deliveries]
