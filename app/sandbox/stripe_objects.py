"""Stripe's objects as they are when they are new, in the shape of 2026: ids, refunds, disputes, movements, events."""

from collections.abc import Mapping
from typing import Any

from app.sandbox.stripe_store import Document
from app.sandbox.world import World


def new_id(world: World, prefix: str) -> str:
    """An id of this kind; those of Sessions are much longer."""
    return f"{prefix}{world.text(56)}" if prefix.startswith("cs_") else f"{prefix}_3{world.text(23)}"


def seconds(world: World) -> int:
    """Now, as Stripe writes moments: whole Unix seconds."""
    return int(world.now().timestamp())


def new_refund(world: World, charge: Document, amount: int, asked: Mapping[str, Any]) -> Document:
    kind = charge["payment_method_details"]["type"]
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    return {
        "id": new_id(world, "re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": seconds(world),
        "currency": charge["currency"],
        "destination_details": {kind: card if kind == "card" else {}, "type": kind},
        "metadata": asked.get("metadata", {}),
        "payment_intent": charge["payment_intent"],
        "reason": asked.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def new_dispute(world: World, charge: Document, due_by: int) -> Document:
    kind = charge["payment_method_details"]["type"]
    brand = charge["payment_method_details"][kind].get("brand")
    card = {"brand": brand, "case_type": "chargeback", "network_reason_code": "10.4"}
    return {
        "id": new_id(world, "dp"),
        "object": "dispute",
        "amount": charge["amount_captured"] - charge["amount_refunded"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": seconds(world),
        "currency": charge["currency"],
        "evidence": {},
        "evidence_details": {"due_by": due_by, "has_evidence": False, "past_due": False, "submission_count": 0},
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {kind: card if kind == "card" else {}, "type": kind},
        "reason": "fraudulent",
        "status": "needs_response",
    }


def new_movement(world: World, kind: str, amount: int, fee: int, source: Document) -> Document:
    """A balance transaction: `amount` is negative where money leaves the merchant."""
    now = seconds(world)
    return {
        "id": new_id(world, "txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": now + 2 * 24 * 60 * 60,
        "balance_type": "payments",
        "created": now,
        "currency": source["currency"],
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [],
        "net": amount - fee,
        "reporting_category": {"adjustment": "dispute"}.get(kind, kind),
        "source": source["id"],
        "status": "pending",
        "type": kind,
    }


def new_event(world: World, kind: str, document: Document, version: str, cause: Mapping[str, Any]) -> Document:
    """What is told about `document`; `cause` is the request that made it happen."""
    return {
        "id": new_id(world, "evt"),
        "object": "event",
        "api_version": version,
        "created": seconds(world),
        "data": {"object": document},
        "livemode": False,
        "pending_webhooks": 0,
        "request": dict(cause),
        "type": kind,
    }
