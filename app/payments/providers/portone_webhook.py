"""PortOne's webhooks, version 2024-04-25, signed as the Standard Webhooks say. Source: PortOne's V2 webhook guide."""

import base64
import hmac
import json
import re

from app import clock
from app.payments.provider import Delivery, Forged, Heard, NotSetUp, Unreadable
from app.payments.providers.portone_payment import TAG

# How far the sender's clock may be from ours, in seconds.
TOLERANCE = 300
TIMESTAMP = re.compile(r"[0-9]{1,12}")

# Sent to a `confirmUrl`, which we do not have: it asks for permission instead of telling something.
PERMISSION = "Transaction.Confirm"
KINDS = frozenset(
    f"Transaction.{kind}"
    for kind in (
        "Ready Paid VirtualAccountIssued PartialCancelled Cancelled Failed PayPending CancelPending DisputeCreated "
        "DisputeResolved"
    ).split()
)


def keys_of(secrets: str) -> list[bytes]:
    """The signing keys in one or several secrets, separated by commas or white space. Raises ValueError."""
    keys = []
    for secret in secrets.replace(",", " ").split():
        text = secret.removeprefix("whsec_")
        keys.append(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    # An empty key would verify what anybody signs.
    if not all(keys):
        raise ValueError("an empty secret")
    return keys


def verify(delivery: Delivery, secrets: str) -> None:
    """Raises NotSetUp, Forged. While a secret is replaced two of them are good."""
    try:
        keys = keys_of(secrets)
    except ValueError:
        keys = []
    if not keys:
        raise NotSetUp
    name, sent_at, signatures = (
        delivery.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature")
    )
    if not name or not TIMESTAMP.fullmatch(sent_at):
        raise Forged("unsigned")
    if abs(clock.now().timestamp() - int(sent_at)) > TOLERANCE:
        raise Forged("too old, or from the future")
    given = [entry.removeprefix("v1,").encode() for entry in signatures.split() if entry.startswith("v1,")]
    signed = f"{name}.{sent_at}.".encode() + delivery.body
    for key in keys:
        expected = base64.b64encode(hmac.digest(key, signed, "sha256"))
        if any(hmac.compare_digest(expected, signature) for signature in given):
            return
    raise Forged("wrongly signed")


def read_event(delivery: Delivery, store_id: str) -> Heard | None:
    """What a verified webhook is about: it names the payment and tells no amount. Raises Unreadable."""
    try:
        event = json.loads(delivery.body)
        kind, data = event["type"], event["data"]
        if kind == PERMISSION or (kind not in KINDS and "paymentId" not in data):
            return None
        if data["storeId"] != store_id:
            return None
        reference = data["paymentId"] if TAG.fullmatch(data["paymentId"]) else None
        transaction_id = data.get("transactionId")
        if not isinstance(transaction_id, str | None):
            raise TypeError("not a transactionId")
        if reference is None and transaction_id is None:
            return None
        return Heard(delivery.headers["webhook-id"], kind[:60], reference, transaction_id)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unreadable("not one of PortOne's webhooks") from None
