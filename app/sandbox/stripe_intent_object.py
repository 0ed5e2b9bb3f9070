"""Stripe's PaymentIntent, PaymentMethod and Charge as they are when they are new, in the shape of 2026."""

from collections.abc import Mapping
from typing import Any

from app.sandbox.stripe_cards import Card
from app.sandbox.stripe_objects import new_id, seconds
from app.sandbox.stripe_store import Document
from app.sandbox.world import World


def new_intent(world: World, amount: int, currency: str, asked: Mapping[str, Any]) -> Document:
    """A PaymentIntent that waits for a way to pay."""
    intent_id = new_id(world, "pi")
    automatic = asked.get("automatic_payment_methods")
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": asked.get("capture_method", "automatic_async"),
        "client_secret": f"{intent_id}_secret_{world.text(25)}",
        "confirmation_method": "automatic",
        "created": seconds(world),
        "currency": currency,
        "customer": None,
        "description": asked.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": asked.get("metadata", {}),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": asked["payment_method_types"],
        "processing": None,
        "receipt_email": asked.get("receipt_email"),
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def new_method(world: World, way: str, card: Card) -> Document:
    """What the buyer pays with."""
    document = {
        "id": new_id(world, "pm"),
        "object": "payment_method",
        "billing_details": _billing(None),
        "created": seconds(world),
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": way,
        way: {},
    }
    if way == "card":
        document["card"] = {**_card(card), "checks": {"cvc_check": "pass"}, "display_brand": card.brand}
    return document


def new_charge(world: World, intent: Document, method: Document, email: str | None, origin: str) -> Document:
    """An attempt to take the intent's whole amount, not yet decided."""
    charge_id = new_id(world, "ch")
    return {
        "id": charge_id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": _billing(email),
        "calculated_statement_descriptor": None,
        "captured": False,
        "created": seconds(world),
        "currency": intent["currency"],
        "customer": None,
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {method["type"]: method[method["type"]], "type": method["type"]},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"{origin}/receipts/stripe/{charge_id}",
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "pending",
        "transfer_data": None,
        "transfer_group": None,
    }


def outcome(decline_code: str | None = None) -> dict[str, Any]:
    """What the network said to a charge."""
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if decline_code else "approved_by_network",
        "reason": decline_code,
        "risk_level": "normal",
        "seller_message": "The bank declined the payment." if decline_code else "Payment complete.",
        "type": "issuer_declined" if decline_code else "authorized",
    }


def _billing(email: str | None) -> dict[str, Any]:
    parts = ("city", "country", "line1", "line2", "postal_code", "state")
    return {"address": dict.fromkeys(parts), "email": email, "name": None, "phone": None, "tax_id": None}


def _card(card: Card) -> dict[str, Any]:
    return {
        "brand": card.brand,
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": f"card{card.number[-8:]}",
        "funding": "credit",
        "last4": card.number[-4:],
        "network": card.brand,
        "three_d_secure": None,
        "wallet": None,
    }
