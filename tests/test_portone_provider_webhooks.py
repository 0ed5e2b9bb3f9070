"""PortOne's webhooks: who may say something, and what is heard of it."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from app.payments.provider import Delivery, Forged, Heard, NotSetUp, Unreadable
from app.payments.providers.portone import PortOne
from tests.portone_pg import ACCOUNT, KEYS, REFERENCE, STORE, Pg

NOW = datetime(2026, 9, 10, 6, 31, tzinfo=UTC)
SECRET = KEYS["webhook_secret"]
OTHER_SECRET = "whsec_" + base64.b64encode(b"another-key-0123456789abcdef").decode()
TX = "0199338a-1c5e-7d1b-9a44-2f7e0c1d9b10"


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.clock.now", lambda: NOW)


def portone(secret: str = SECRET) -> PortOne:
    return Pg().portone(replace(ACCOUNT, credentials={**KEYS, "webhook_secret": secret}))


def event(kind: str = "Transaction.Paid", **data: Any) -> bytes:
    told = {"storeId": STORE, "paymentId": REFERENCE, "transactionId": TX, **data}
    told = {name: value for name, value in told.items() if value is not ...}
    return json.dumps({"type": kind, "timestamp": "2026-09-10T06:30:58.120Z", "data": told}).encode()


def signed(body: bytes, secret: str = SECRET, at: datetime = NOW, name: str = "msg_1") -> dict[str, str]:
    """As the Standard Webhooks' own library signs."""
    signature = Webhook(secret).sign(name, at, body.decode())
    return {"webhook-id": name, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def delivery(body: bytes, **changes: Any) -> Delivery:
    return Delivery(signed(body, **changes), body)


HEARD = Heard("msg_1", "Transaction.Paid", REFERENCE, TX)


def test_what_portone_signed_is_heard() -> None:
    assert portone().hear(delivery(event())) == HEARD


def test_the_vector_that_the_official_verifiers_passed_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.clock.now", lambda: datetime.fromtimestamp(1789021858, UTC))
    body = (
        b'{"type":"Transaction.Paid","timestamp":"2026-09-10T06:30:58.120Z","data":{"storeId":"store-1",'
        b'"paymentId":"ORD20260910000001","transactionId":"tx-1"}}'
    )
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1789021858",
        "webhook-signature": "v1,WfB+7R+Nnf1AhK49nLw+9ZphAde2Yme/O8uNThk1cXc=",
    }
    shop = Pg().portone(replace(ACCOUNT, credentials={**KEYS, "store_id": "store-1", "webhook_secret": SECRET}))
    assert shop.hear(Delivery(headers, body)) == Heard("msg_1", "Transaction.Paid", None, "tx-1")


# Who may say something


def without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {each: value for each, value in headers.items() if each != name}


def by_hand(name: str, at: str, body: bytes, key: bytes) -> str:
    digest = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


BODY = event()
GOOD = signed(BODY)
AT = GOOD["webhook-timestamp"]
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
FORGED = {
    "unsigned": {},
    "no id": without(GOOD, "webhook-id"),
    "empty id": {**GOOD, "webhook-id": "", "webhook-signature": by_hand("", AT, BODY, KEY)},
    "no timestamp": without(GOOD, "webhook-timestamp"),
    "no signature": without(GOOD, "webhook-signature"),
    "empty signature": {**GOOD, "webhook-signature": ""},
    "truncated signature": {**GOOD, "webhook-signature": GOOD["webhook-signature"][:-4]},
    "no version": {**GOOD, "webhook-signature": GOOD["webhook-signature"].removeprefix("v1,")},
    "other version": {**GOOD, "webhook-signature": GOOD["webhook-signature"].replace("v1,", "v1a,")},
    "not ASCII": {**GOOD, "webhook-signature": "v1,서명"},
    "other secret": signed(BODY, secret=OTHER_SECRET),
    "secret as text": {**GOOD, "webhook-signature": by_hand("msg_1", AT, BODY, SECRET.encode())},
    "empty secret": {**GOOD, "webhook-signature": by_hand("msg_1", AT, BODY, b"")},
    "other id": {**GOOD, "webhook-id": "msg_2"},
    "other body": signed(event(paymentId="01M80XFXB0FSQV6T9SMYY4ZZZZ")),
    "new timestamp, old signature": {**signed(BODY, at=NOW - timedelta(hours=1)), "webhook-timestamp": AT},
    "stale": signed(BODY, at=NOW - timedelta(seconds=301)),
    "from the future": signed(BODY, at=NOW + timedelta(seconds=301)),
    "senseless timestamp": {
        **GOOD,
        "webhook-timestamp": "now",
        "webhook-signature": by_hand("msg_1", "now", BODY, KEY),
    },
    "endless timestamp": {
        **GOOD,
        "webhook-timestamp": "9" * 5_000,
        "webhook-signature": by_hand("msg_1", "9" * 5_000, BODY, KEY),
    },
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_a_webhook_that_does_not_prove_itself_is_forged(headers: dict[str, str]) -> None:
    with pytest.raises(Forged):
        portone().hear(Delivery(headers, BODY))


@pytest.mark.parametrize("body", [b"", BODY[:-1], BODY + b" ", BODY.replace(b"Paid", b"Failed")])
def test_a_body_that_was_touched_is_forged(body: bytes) -> None:
    with pytest.raises(Forged):
        portone().hear(Delivery(GOOD, body))


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_are_near_enough(seconds: int) -> None:
    assert portone().hear(delivery(BODY, at=NOW + timedelta(seconds=seconds))) == HEARD


@pytest.mark.parametrize("between", [" ", ",", ", ", "\n"])
def test_while_a_secret_is_replaced_both_are_good(between: str) -> None:
    shop = portone(f"{OTHER_SECRET}{between}{SECRET}")
    assert shop.hear(delivery(BODY)) == shop.hear(delivery(BODY, secret=OTHER_SECRET)) == HEARD


def test_one_good_signature_among_several_is_enough() -> None:
    several = f"v1a,AAAA v1,AAAA {GOOD['webhook-signature']}"
    assert portone().hear(Delivery({**GOOD, "webhook-signature": several}, BODY)) == HEARD


@pytest.mark.parametrize("secret", ["", " ", ",", "whsec_", f"{SECRET} whsec_", "whsec_비밀"])
def test_without_a_good_secret_nothing_is_ever_authentic(secret: str) -> None:
    for headers in (GOOD, {**GOOD, "webhook-signature": by_hand("msg_1", AT, BODY, b"")}):
        with pytest.raises(NotSetUp):
            portone(secret).hear(Delivery(headers, BODY))


def test_an_account_may_have_none() -> None:
    with pytest.raises(NotSetUp):
        Pg().portone(replace(ACCOUNT, credentials=without(KEYS, "webhook_secret"))).hear(delivery(BODY))


# What is heard


@pytest.mark.parametrize(
    "kind",
    [
        "Transaction.Ready",
        "Transaction.Paid",
        "Transaction.VirtualAccountIssued",
        "Transaction.PartialCancelled",
        "Transaction.Cancelled",
        "Transaction.Failed",
        "Transaction.PayPending",
        "Transaction.CancelPending",
        "Transaction.DisputeCreated",
        "Transaction.DisputeResolved",
        "Transaction.OfTomorrow",
    ],
)
def test_every_word_about_a_payment_is_a_reason_to_ask(kind: str) -> None:
    assert portone().hear(delivery(event(kind, cancellationId="c-1"))) == Heard("msg_1", kind, REFERENCE, TX)


@pytest.mark.parametrize(
    "body",
    [
        event("Transaction.Confirm", totalAmount=33_000),
        event("BillingKey.Issued", paymentId=..., billingKey="b-1"),
        event("Something.OfTomorrow", paymentId=...),
        event(storeId="store-of-somebody-else"),
        event(paymentId="order-1", transactionId=...),
    ],
    ids=str,
)
def test_what_is_not_about_our_payments_is_nothing(body: bytes) -> None:
    assert portone().hear(delivery(body)) is None


@pytest.mark.parametrize("name", ["order-1", REFERENCE.lower(), REFERENCE + "A", ""])
def test_a_payment_that_we_did_not_name_is_known_by_portones_name(name: str) -> None:
    assert portone().hear(delivery(event(paymentId=name))) == Heard("msg_1", "Transaction.Paid", None, TX)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payment_id=x",
        b"[]",
        b'"text"',
        b"{}",
        b'{"type":"Transaction.Paid"}',
        b'{"type":"Transaction.Paid","data":null}',
        b'{"type":1,"data":{"paymentId":"x"}}',
        # The webhooks' older version, which the console must not be set to.
        json.dumps({"payment_id": REFERENCE, "tx_id": TX, "status": "Paid"}).encode(),
        event(paymentId=...),
        event(paymentId=1),
        event(transactionId=1),
        event(storeId=...),
    ],
    ids=str,
)
def test_an_authentic_webhook_may_be_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        portone().hear(delivery(body))
