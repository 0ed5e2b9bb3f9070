"""Stripe's webhooks: proved by their signature, then taken as a hint of which payment to ask about.

Source: Stripe's pages on webhook signatures and event types.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from app import clock
from app.payments.provider import Account, Delivery, Forged, Heard, NotSetUp, Unreadable
from app.payments.providers.stripe_payment import reference_of

# Seconds that the signed time may be away from ours, before or after.
TOLERANCE = 300
TIMESTAMP = re.compile(r"[0-9]{1,12}")

# The beginnings of what is told about a payment; `charge.` covers its disputes too.
ABOUT_PAYMENTS = ("checkout.session.", "payment_intent.", "charge.", "refund.")
# Their metadata is their own: a refund's holds the refund's reference, not the payment's.
WITH_OUR_REFERENCE = frozenset({"checkout.session", "payment_intent", "charge"})


def hear(delivery: Delivery, account: Account) -> Heard | None:
    """Raises NotSetUp, Forged, Unreadable; None for what is not about a payment in this account's mode."""
    _verify(delivery, secrets_of(account.credentials))
    try:
        event = json.loads(delivery.body)
        kind = event["type"]
        if not kind.startswith(ABOUT_PAYMENTS):
            return None
        if event["livemode"] is not (account.mode == "live"):
            return None
        return _heard(event["id"], kind, event["data"]["object"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unreadable("not one of Stripe's events") from None


def secrets_of(credentials: Mapping[str, str]) -> list[str]:
    """Every active webhook secret: they stand in one text, separated by commas or spaces."""
    return credentials.get("webhook_secret", "").replace(",", " ").split()


def _heard(name: str, kind: str, about: Mapping[str, Any]) -> Heard | None:
    what = about["object"]
    reference = reference_of(about) if what in WITH_OUR_REFERENCE else None
    payment_id = about["id"] if what == "payment_intent" else about.get("payment_intent")
    if not isinstance(name, str) or not isinstance(payment_id, str | None):
        raise TypeError("ids are text")
    if reference is None and payment_id is None:
        return None
    return Heard(name, kind, reference, payment_id)


def _verify(delivery: Delivery, secrets: list[str]) -> None:
    """`t=…,v1=…[,v1=…]`: the hex HMAC-SHA256 of `{t}.{raw body}`, keyed with the whole text of a secret, `whsec_` too.

    While a secret is rolled, Stripe signs with both, and any `v1` may match. `v0` is never looked at.
    """
    if not secrets:
        raise NotSetUp("no webhook secret")
    parts = [part.strip().partition("=") for part in delivery.headers.get("stripe-signature", "").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value.encode() for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not TIMESTAMP.fullmatch(times[0]) or not signatures:
        raise Forged("no signature")
    signed = f"{times[0]}.".encode() + delivery.body
    expected = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode() for secret in secrets]
    matches = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in signatures]
    if not any(matches):
        raise Forged("another signature")
    if abs(clock.now().timestamp() - int(times[0])) > TOLERANCE:
        raise Forged("signed at another time")
