"""What we ask Stripe to make for a payment, and what can be done with it.

Source: Stripe's API reference: Checkout Sessions and PaymentIntents.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.payments.provider import Attempt, Urls

# How long a Session may be paid. A PaymentIntent has no end of its own.
WINDOW = timedelta(minutes=60)


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two things that a shopper can pay by: where it is, what an answer must hold, how it is ended."""

    path: str
    expand: list[str]
    end: str


SESSION = Kind("/v1/checkout/sessions", ["payment_intent.latest_charge"], "expire")
INTENT = Kind("/v1/payment_intents", ["latest_charge"], "cancel")


def kind_of(made: str) -> Kind:
    """By the beginning of its id."""
    return SESSION if made.startswith("cs_") else INTENT


def session_of(attempt: Attempt, urls: Urls) -> dict[str, Any]:
    """One line with the whole total. Without `payment_method_types`: the account's settings say what is offered."""
    mark = {"reference": attempt.reference}
    price = {
        "currency": attempt.money.currency.lower(),
        "unit_amount": attempt.money.amount,
        # [U] Stripe's limit for a name; 250 is ours.
        "product_data": {"name": attempt.order_name[:250]},
    }
    return {
        "mode": "payment",
        # Stripe puts the Session's id in place of the braces, and adds nothing by itself; nor to `cancel_url`.
        "success_url": f"{urls.success}&session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{urls.failure}&left=1",
        "client_reference_id": attempt.reference,
        "customer_email": attempt.customer_email or None,
        "locale": attempt.locale,
        "expires_at": int((attempt.created_at + WINDOW).timestamp()),
        "line_items": [{"quantity": 1, "price_data": price}],
        "metadata": mark,
        "payment_intent_data": {"metadata": mark},
    }


def intent_of(attempt: Attempt) -> dict[str, Any]:
    """Without `receipt_email`: the mail is ours to send."""
    return {
        "amount": attempt.money.amount,
        "currency": attempt.money.currency.lower(),
        "automatic_payment_methods": {"enabled": True},
        "metadata": {"reference": attempt.reference},
    }
