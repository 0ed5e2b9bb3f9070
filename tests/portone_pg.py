"""PortOne faked at the wire, for the tests of its provider: answers as its API reference shows them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx

from app.money import Money
from app.payments.provider import Account, Attempt, BankAccount, Claim, RefundRequest
from app.payments.providers.portone import PortOne

REFERENCE = "01M80XFXB0FSQV6T9SMYY4ZWNG"
REFUND_REFERENCE = "01M80XFXB0FSQV6T9SMYY4ZZZZ"
STORE = "store-2b7c9d1e-3f4a-4b5c-8d6e-7f8091a2b3c4"
KEYS = {
    "store_id": STORE,
    "channel_key": "channel-key-9a8b7c6d-0000-4000-8000-7f8091a2b3c4",
    "api_secret": "portone-api-secret",
    "webhook_secret": "whsec_cG9ydG9uZS10ZXN0LWtleS0wMTIzNDU2Nzg5YWJjZGVm",
}
ACCOUNT = Account("portone", "test", STORE, KEYS, "https://portone.test", "https://portone.test/sdk.js")
NOW = datetime(2026, 9, 10, 6, 30, 58, tzinfo=UTC)
ATTEMPT = Attempt(REFERENCE, Money(33_000), "card", "세라믹 머그 외 1건", "minji@example.com", NOW)
DEPOSIT_ATTEMPT = replace(ATTEMPT, way="virtual_account")
CLAIM = Claim(REFERENCE, "payment-token")
RECEIVER = BankAccount("WOORI", "1002123456789", "김민지")
REFUND = RefundRequest(REFUND_REFERENCE, Money(11_000), "고객 변심", 33_000, 1)

Answer = tuple[int, Any] | httpx.HTTPError


def payment(status: str = "PAID", **changes: Any) -> dict[str, Any]:
    """A Payment object; of a field given as ... nothing is said, as PortOne does."""
    told = {
        "status": status,
        "id": REFERENCE,
        "transactionId": "0199338a-1c5e-7d1b-9a44-2f7e0c1d9b10",
        "merchantId": "merchant-6f9d2c1e-0b7a-4a52-9c0e-1d2e3f4a5b6c",
        "storeId": STORE,
        "method": {"type": "PaymentMethodCard", "card": {"issuer": "KOOKMIN_CARD", "name": "KB국민카드"}},
        "channel": {"type": "TEST", "pgProvider": "TOSSPAYMENTS", "pgMerchantId": "iamporttest_3"},
        "version": "V2",
        "requestedAt": "2026-09-10T06:30:12.301Z",
        "updatedAt": "2026-09-10T06:30:59.870Z",
        "statusChangedAt": "2026-09-10T06:30:58Z",
        "orderName": "세라믹 머그 외 1건",
        "amount": amounts(),
        "currency": "KRW",
        "customer": {"email": "minji@example.com"},
        **changes,
    }
    return {name: value for name, value in told.items() if value is not ...}


def amounts(cancelled: int = 0) -> dict[str, int]:
    return {
        "total": 33_000,
        "taxFree": 0,
        "vat": 3_000,
        "supply": 30_000,
        "discount": 0,
        "paid": 33_000,
        "cancelled": cancelled,
        "cancelledTaxFree": 0,
    }


def cancellation(
    status: str = "SUCCEEDED", amount: int = 11_000, reason: str = f"고객 변심 {REFUND_REFERENCE}"
) -> dict[str, Any]:
    return {
        "status": status,
        "id": "0199355e-77aa-7000-8000-000000000001",
        "totalAmount": amount,
        "taxFreeAmount": 0,
        "vatAmount": 1_000,
        "reason": reason,
        "cancelledAt": "2026-09-11T01:02:07Z",
        "requestedAt": "2026-09-11T01:02:06Z",
        "trigger": "API",
    }


VIRTUAL_ACCOUNT = {
    "type": "PaymentMethodVirtualAccount",
    "bank": "WOORI",
    "accountNumber": "X6505123456789",
    "accountType": "NORMAL",
    "remitteeName": "하루상점",
    "expiredAt": "2026-09-13T06:30:12Z",
}
PAID = payment(paidAt="2026-09-10T06:30:58Z", receiptUrl="https://portone.test/receipt", disputes=[])
# Before a channel is chosen, and after all that can be told is told.
READY = payment("READY", channel=..., method=...)
PENDING = payment("PAY_PENDING")
ISSUED = payment("VIRTUAL_ACCOUNT_ISSUED", method=VIRTUAL_ACCOUNT)
FAILED = payment(
    "FAILED",
    failedAt="2026-09-10T06:30:58Z",
    failure={"reason": "카드사 거절", "pgCode": "REJECT_CARD_COMPANY", "pgMessage": "거절"},
)
PARTLY_CANCELLED = payment(
    "PARTIAL_CANCELLED",
    amount=amounts(11_000),
    paidAt="2026-09-10T06:30:58Z",
    cancelledAt="2026-09-11T01:02:07Z",
    cancellations=[cancellation()],
)
CANCELLED = payment(
    "CANCELLED",
    amount=amounts(33_000),
    paidAt="2026-09-10T06:30:58Z",
    cancelledAt="2026-09-11T01:02:07Z",
    cancellations=[cancellation(amount=33_000)],
)
CANCELLED_UNPAID = payment("CANCELLED", method=VIRTUAL_ACCOUNT, cancelledAt="2026-09-11T01:02:07Z", cancellations=[])
DEPOSITED = payment(method=VIRTUAL_ACCOUNT, paidAt="2026-09-11T00:00:00Z", disputes=[])


def error(type_: str, pg_code: str = "") -> dict[str, str]:
    body = {"type": type_, "message": "일시적인 오류가 발생했습니다."}
    return {**body, "pgCode": pg_code, "pgMessage": "거절되었습니다."} if pg_code else body


NOT_FOUND = (404, error("PAYMENT_NOT_FOUND"))


class Pg:
    """Answers by what is asked for, and keeps what it was asked. `payments` are its look-ups, the last one repeated."""

    def __init__(self, *lookups: Answer | Mapping[str, Any], **answers: Answer) -> None:
        self.lookups = [each if isinstance(each, tuple | httpx.HTTPError) else (200, each) for each in lookups]
        self.answers = {
            "pre-register": (200, {}),
            "confirm": (200, {"pgTxId": "tshop1", "paidAt": "2026-09-10T06:30:58Z"}),
            "cancel": (200, {"cancellation": cancellation()}),
            "close": (200, {"closedAt": "2026-09-10T07:00:00Z"}),
            **{name.replace("_", "-"): answer for name, answer in answers.items()},
        }
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.method == "POST":
            answer = self.answers[request.url.path.rsplit("/", 1)[-1]]
        else:
            answer = self.lookups.pop(0) if len(self.lookups) > 1 else self.lookups[0]
        if isinstance(answer, httpx.HTTPError):
            raise answer
        status, body = answer
        return httpx.Response(status, text=body) if isinstance(body, str) else httpx.Response(status, json=body)

    def portone(self, account: Account = ACCOUNT) -> PortOne:
        return PortOne(account, httpx.AsyncClient(transport=httpx.MockTransport(self)))

    @property
    def asked(self) -> list[str]:
        return [
            f"{request.method} {request.url.path.removeprefix('/payments/' + REFERENCE)}" for request in self.requests
        ]

    def sent(self, number: int) -> dict[str, Any]:
        return json.loads(self.requests[number].content)
