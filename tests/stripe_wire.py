"""Stripe's part of the sandbox in tests: two merchants, a shop's server, and a buyer."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.sandbox_wire import ORIGIN, Delivery, Practice, ledger, practice

HOOK = "http://shop.test/webhooks/stripe/haru"
SECRET = "whsec_haru_0123456789"
HARU = {
    "provider": "stripe",
    "publishable_key": "pk_test_haru",
    "secret_key": "sk_test_haru",
    "merchant": "acct_haru",
    "shop_name": "하루상점",
}
NAMU = {
    "provider": "stripe",
    "publishable_key": "pk_test_namu",
    "secret_key": "sk_test_namu",
    "merchant": "acct_namu",
    "shop_name": "나무상점",
}
LISTENING = HARU | {"webhook_url": HOOK, "webhook_secret": SECRET}
SUCCESS = "http://shop.test/haru/checkout/callback?payment=tok&sid={CHECKOUT_SESSION_ID}"
CANCEL = "http://shop.test/haru/checkout/callback?payment=tok"
RETURN = "http://shop.test/haru/checkout/callback?payment=tok"
OK, DECLINED, NO_FUNDS, ASKS = "4242424242424242", "4000000000000002", "4000000000009995", "4000002760003184"


@asynccontextmanager
async def stripe_practice(**options: Any) -> AsyncIterator[Practice]:
    """A sandbox with two merchants at Stripe, the first of which listens for webhooks."""
    async with practice(**{"accounts": [LISTENING, NAMU], **options}) as opened:
        yield opened


def encoded(value: Any, name: str = "") -> dict[str, str]:
    """Nested objects and lists as Stripe's form fields."""
    if isinstance(value, Mapping):
        pairs = [encoded(each, f"{name}[{key}]" if name else str(key)) for key, each in value.items()]
        return {key: text for pair in pairs for key, text in pair.items()}
    if isinstance(value, list):
        return encoded(dict(enumerate(value)), name)
    if isinstance(value, bool):
        return {name: "true" if value else "false"}
    return {name: str(value)}


class Shop:
    """A shop's server that speaks Stripe's API with its secret key; `wire` reaches the sandbox."""

    def __init__(self, wire: httpx.AsyncClient, secret_key: str = HARU["secret_key"]) -> None:
        self.wire, self.secret_key = wire, secret_key

    async def post(
        self, path: str, key: str = "", headers: Mapping[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        sent = self._headers(headers) | ({"Idempotency-Key": key} if key else {})
        return await self.wire.post(f"/stripe/v1/{path}", data=encoded(fields), headers=sent)

    async def get(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> httpx.Response:
        return await self.wire.get(f"/stripe/v1/{path}", params=encoded(query), headers=self._headers(headers))

    async def open_session(self, reference: str = "ORDER0001", amount: int = 15000, **more: Any) -> dict[str, Any]:
        answer = await self.post("checkout/sessions", **session_fields(reference, amount, **more))
        assert answer.status_code == 200, answer.text
        session: dict[str, Any] = answer.json()
        return session

    async def open_intent(self, reference: str = "ORDER0001", amount: int = 15000, **more: Any) -> dict[str, Any]:
        answer = await self.post("payment_intents", **intent_fields(reference, amount, **more))
        assert answer.status_code == 200, answer.text
        intent: dict[str, Any] = answer.json()
        return intent

    async def paid_intent(self, reference: str = "ORDER0001", amount: int = 15000, **more: Any) -> dict[str, Any]:
        return await self.open_intent(
            reference, amount, **{"payment_method": "pm_card_visa", "confirm": True, "return_url": RETURN, **more}
        )

    async def session(self, session_id: str, **query: Any) -> dict[str, Any]:
        session: dict[str, Any] = (await self.get(f"checkout/sessions/{session_id}", **query)).json()
        return session

    async def intent(self, intent_id: str, **query: Any) -> dict[str, Any]:
        intent: dict[str, Any] = (await self.get(f"payment_intents/{intent_id}", **query)).json()
        return intent

    async def refund(self, intent_id: str, key: str = "", **more: Any) -> httpx.Response:
        return await self.post("refunds", key=key, payment_intent=intent_id, **more)

    async def events(self, **query: Any) -> list[str]:
        """The types of all events, oldest first."""
        answer = (await self.get("events", limit=100, **query)).json()
        return [event["type"] for event in reversed(answer["data"])]

    def _headers(self, more: Mapping[str, str] | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret_key}", **(more or {})}


def session_fields(reference: str = "ORDER0001", amount: int = 15000, **more: Any) -> dict[str, Any]:
    """What a shop asks for: one mug in won, unless `more` says otherwise."""
    price = {"currency": "krw", "unit_amount": amount, "product_data": {"name": "세라믹 머그"}}
    asked = {
        "mode": "payment",
        "success_url": SUCCESS,
        "cancel_url": CANCEL,
        "client_reference_id": reference,
        "line_items": [{"quantity": 1, "price_data": price}],
        **more,
    }
    return {name: value for name, value in asked.items() if value is not None}


def intent_fields(reference: str = "ORDER0001", amount: int = 15000, **more: Any) -> dict[str, Any]:
    return {"amount": amount, "currency": "krw", "metadata": {"reference": reference}, **more}


def handoff(intent: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """What a shop's pay page holds in `#handoff` for Stripe.js."""
    return {
        "provider": "stripe",
        "sdkUrl": f"{ORIGIN}/sdk/stripe/v3/",
        "publishableKey": HARU["publishable_key"],
        "clientSecret": intent["client_secret"],
        "returnUrl": RETURN,
        "locale": "ko",
        **more,
    }


async def press(wire: httpx.AsyncClient, pg_id: str, action: str = "approve", **fields: Any) -> httpx.Response:
    """A button of the hosted page."""
    return await wire.post(f"/window/stripe/{pg_id}", data={"action": action, **fields})


async def answer_3ds(wire: httpx.AsyncClient, pg_id: str, action: str = "approve") -> httpx.Response:
    return await wire.post(f"/window/stripe/{pg_id}/authenticate", data={"action": action})


async def paid_session(sandbox: Practice, reference: str = "ORDER0001", **more: Any) -> dict[str, Any]:
    """A Session that the buyer has paid by card, as a look-up answers it."""
    shop = Shop(sandbox.wire)
    session = await shop.open_session(reference, **more)
    answer = await press(sandbox.wire, session["id"])
    assert answer.status_code == 303, answer.text
    return await shop.session(session["id"])


async def arm(wire: httpx.AsyncClient, kind: str, reference: str | None = "ORDER0001", **more: Any) -> None:
    fault = {"provider": "stripe", "kind": kind} | ({"reference": reference} if reference else {}) | more
    answer = await wire.post("/control/faults", json=fault)
    assert answer.status_code == 201, answer.text


async def row(sandbox: Practice) -> dict[str, Any]:
    """The one payment of the ledger."""
    (entry,) = await ledger(sandbox.wire)
    return entry


def refused(answer: httpx.Response) -> tuple[int, str, str | None]:
    """HTTP status, type and code of Stripe's error."""
    assert list(answer.json()) == ["error"], answer.text
    error = answer.json()["error"]
    return answer.status_code, error["type"], error.get("code")


def told(deliveries: list[Delivery]) -> list[str]:
    """The types of the events that came."""
    return [delivery.body["type"] for delivery in deliveries]


def raw(delivery: Delivery) -> str:
    """The body, byte for byte as it was sent."""
    return json.dumps(delivery.body, ensure_ascii=False)
