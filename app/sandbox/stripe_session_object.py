"""Stripe's Session and its line items as they are when they are new, in the shape of 2026."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.sandbox.stripe_objects import new_id, seconds
from app.sandbox.stripe_store import Document
from app.sandbox.world import World


def new_session(world: World, total: int, currency: str, url: str, asked: Mapping[str, Any]) -> Document:
    """An open Session of the mode `payment`; `url` is where its page is, without the id."""
    session_id, now = new_id(world, "cs_test_a1"), seconds(world)
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": asked.get("cancel_url"),
        "client_reference_id": asked.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": now,
        "currency": currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(
            ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance"), None
        ),
        "customer": None,
        "customer_account": None,
        "customer_creation": "if_required",
        "customer_details": None,
        "customer_email": asked.get("customer_email"),
        "discounts": [],
        "expires_at": asked.get("expires_at", now + 24 * 60 * 60),
        "integration_identifier": None,
        "invoice": None,
        "invoice_creation": {"enabled": False},
        "livemode": False,
        "locale": asked.get("locale"),
        "managed_payments": None,
        "metadata": asked.get("metadata", {}),
        "mode": "payment",
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": asked["payment_method_types"],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": asked.get("submit_type"),
        "subscription": None,
        "success_url": asked["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{url}/{session_id}",
        "wallet_options": None,
    }


def line_items(world: World, items: Sequence[Mapping[str, Any]]) -> list[Document]:
    """What a Session sells: each item with its `price_data` and `quantity`."""
    return [_line_item(world, item["price_data"], item.get("quantity", 1)) for item in items]


def _line_item(world: World, price: Mapping[str, Any], quantity: int) -> Document:
    unit, total = price["unit_amount"], price["unit_amount"] * quantity
    return {
        "id": new_id(world, "li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": price["product_data"]["name"],
        "price": {
            "id": new_id(world, "price"),
            "object": "price",
            "active": False,
            "billing_scheme": "per_unit",
            "created": seconds(world),
            "currency": price["currency"],
            "livemode": False,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": new_id(world, "prod"),
            "recurring": None,
            "tax_behavior": "unspecified",
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "one_time",
            "unit_amount": unit,
            "unit_amount_decimal": str(unit),
        },
        "quantity": quantity,
    }
