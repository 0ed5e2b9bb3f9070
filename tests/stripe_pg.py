"""Stripe at the wire, for tests of its provider: objects as the API reference shows them, and a transport that answers.

Not to be confused with the sandbox, which plays all of Stripe.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx

from app.money import Money
from app.payments.provider import Account, Attempt, RefundRequest, Urls

REFERENCE = "01M80XFXB0FSQV6T9SMYY4ZWNG"
REFUND_REFERENCE = "01M80XFXB0FSQV6T9SMYY4ZZZZ"
SECRET = "whsec_test_secret_0123456789"
KEYS = {"publishable_key": "pk_test_haru", "secret_key": "sk_test_haru", "webhook_secret": SECRET}
ACCOUNT = Account("stripe", "test", "acct_haru", KEYS, "https://stripe.test", "https://stripe.test/sdk")

CREATED = datetime(2026, 9, 10, 6, 0, tzinfo=UTC)
PAID_AT = CREATED + timedelta(minutes=5)
NEW = Attempt(REFERENCE, Money(33_000), "stripe", "세라믹 머그 외 1건", "minji@example.com", CREATED)
BY_SESSION = replace(NEW, pg_session_id="cs_test_haru")
BY_INTENT = replace(NEW, pg_session_id="pi_haru")
REFUND = RefundRequest(REFUND_REFERENCE, Money(11_000), "고객 변심", 33_000, 1)
URLS = Urls(
    "https://shop.test/haru/checkout/callback?payment=tok", "https://shop.test/haru/checkout/callback?payment=tok"
)

Answer = tuple[int, Any] | httpx.HTTPError


def charge(**changes: Any) -> dict[str, Any]:
    return {
        "id": "ch_haru",
        "object": "charge",
        "amount": 33_000,
        "amount_captured": 33_000,
        "amount_refunded": 0,
        "captured": True,
        "created": int(PAID_AT.timestamp()),
        "currency": "krw",
        "disputed": False,
        "livemode": False,
        "metadata": {"reference": REFERENCE},
        "paid": True,
        "payment_intent": "pi_haru",
        "payment_method_details": {"card": {"brand": "visa", "last4": "4242"}, "type": "card"},
        "receipt_url": "https://stripe.test/receipt",
        "refunded": False,
        "status": "succeeded",
        **changes,
    }


def intent(status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    """A PaymentIntent with `latest_charge` expanded."""
    succeeded = status == "succeeded"
    return {
        "id": "pi_haru",
        "object": "payment_intent",
        "amount": 33_000,
        "amount_capturable": 33_000 if status == "requires_capture" else 0,
        "amount_received": 33_000 if succeeded else 0,
        "client_secret": "pi_haru_secret_x9Y8",
        "created": int(CREATED.timestamp()),
        "currency": "krw",
        "last_payment_error": None,
        "latest_charge": charge() if succeeded else None,
        "livemode": False,
        "metadata": {"reference": REFERENCE},
        "next_action": None,
        "status": status,
        **changes,
    }


def session(status: str = "open", paid: str = "unpaid", **changes: Any) -> dict[str, Any]:
    """A Checkout Session; `payment_intent`, where there is one, is expanded."""
    return {
        "id": "cs_test_haru",
        "object": "checkout.session",
        "amount_total": 33_000,
        "client_reference_id": REFERENCE,
        "currency": "krw",
        "livemode": False,
        "metadata": {"reference": REFERENCE},
        "mode": "payment",
        "payment_intent": None,
        "payment_status": paid,
        "status": status,
        "url": "https://stripe.test/c/pay/cs_test_haru" if status == "open" else None,
        **changes,
    }


PAID_SESSION = session("complete", "paid", payment_intent=intent())


def refund(**changes: Any) -> dict[str, Any]:
    return {
        "id": "re_haru",
        "object": "refund",
        "amount": 11_000,
        "charge": "ch_haru",
        "created": int(PAID_AT.timestamp()) + 600,
        "currency": "krw",
        "metadata": {"reference": REFUND_REFERENCE},
        "payment_intent": "pi_haru",
        "reason": "requested_by_customer",
        "status": "succeeded",
        **changes,
    }


def dispute(**changes: Any) -> dict[str, Any]:
    return {
        "id": "dp_haru",
        "object": "dispute",
        "amount": 33_000,
        "charge": "ch_haru",
        "currency": "krw",
        "evidence_details": {"due_by": int(PAID_AT.timestamp()) + 86_400},
        "metadata": {},
        "payment_intent": "pi_haru",
        "reason": "fraudulent",
        "status": "needs_response",
        **changes,
    }


def rows(*data: Mapping[str, Any], has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(data), "has_more": has_more, "url": "/v1/…"}


def error(code: str | None, kind: str = "invalid_request_error", **more: Any) -> dict[str, Any]:
    told = {"type": kind, "message": "Something is not right.", **more}
    return {"error": told if code is None else {**told, "code": code}}


SESSIONS, INTENTS, REFUNDS = "/v1/checkout/sessions", "/v1/payment_intents", "/v1/refunds"


class Pg:
    """Answers by method and path (`POST /v1/refunds`), and keeps what it was asked. A list of answers is one for each
    call; the last one stays."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answers: dict[str, Answer | list[Answer]] = {
            f"POST {SESSIONS}": (200, session()),
            f"GET {SESSIONS}/cs_test_haru": (200, PAID_SESSION),
            f"POST {SESSIONS}/cs_test_haru/expire": (200, session("expired")),
            f"POST {INTENTS}": (200, intent("requires_payment_method")),
            f"GET {INTENTS}/pi_haru": (200, intent()),
            f"POST {INTENTS}/pi_haru/cancel": (200, intent("canceled")),
            f"POST {REFUNDS}": (200, refund()),
            f"GET {REFUNDS}": (200, rows()),
            "GET /v1/disputes": (200, rows()),
            "GET /v1/charges": (200, rows()),
        }

    def __setitem__(self, call: str, answer: Answer | list[Answer]) -> None:
        assert call in self.answers
        self.answers[call] = answer

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        call = f"{request.method} {request.url.path}"
        answer = self.answers[call]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, httpx.HTTPError):
            raise answer
        status, body = answer
        return httpx.Response(status, text=body) if isinstance(body, str) else httpx.Response(status, json=body)

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]


def fields(request: httpx.Request) -> dict[str, str]:
    """What a POST says in its body."""
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    return dict(parse_qsl(request.content.decode(), keep_blank_values=True, strict_parsing=True))
