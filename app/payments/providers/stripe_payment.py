"""Stripe's objects in our words: Checkout Sessions, PaymentIntents, refunds, disputes, and the rows of its lists.

Source: Stripe's API reference, version 2026-10-28.endive. Unknown fields are ignored; a missing one or an unknown
status is no answer (Garbled). Stripe names no merchant in them: the keys decide.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from app.payments.provider import (
    Account,
    DisputeSeen,
    Garbled,
    Outcome,
    OutcomeStatus,
    RefundSeen,
    Transaction,
)
from app.payments.providers.stripe_errors import failure_of

# Our names for payments and refunds.
REFERENCE = re.compile(r"[A-Z0-9]{26}")
# Why a payment expired: our word, because Stripe has none.
WINDOW_OVER = "WINDOW_OVER"

INTENT_STATUSES = {
    # At the start, and again after a decline.
    "requires_payment_method": OutcomeStatus.OPEN,
    "requires_confirmation": OutcomeStatus.OPEN,
    "requires_action": OutcomeStatus.OPEN,
    "processing": OutcomeStatus.PROCESSING,
    "requires_capture": OutcomeStatus.AUTHORIZED,
    "succeeded": OutcomeStatus.PAID,
    "canceled": OutcomeStatus.CANCELLED,
}
# What a PaymentIntent has come to holds whatever its Session says.
DECIDED = frozenset({OutcomeStatus.PAID, OutcomeStatus.PROCESSING, OutcomeStatus.AUTHORIZED})
SESSION_STATUSES = {
    "open": OutcomeStatus.OPEN,
    "expired": OutcomeStatus.EXPIRED,
    # The shopper is done, and the money of a delayed method is still to come.
    "complete": OutcomeStatus.PROCESSING,
}
# Nobody can pay by a complete Session any more, so that one of these is its end.
COMPLETE_ENDS = {"requires_payment_method": OutcomeStatus.FAILED, "canceled": OutcomeStatus.CANCELLED}
# Stripe takes no money, or no more money, for a payment in one of these.
CLOSED = frozenset({OutcomeStatus.PAID, OutcomeStatus.FAILED, OutcomeStatus.CANCELLED, OutcomeStatus.EXPIRED})
# `no_payment_required` is missing: our totals are never zero.
PAYMENT_STATUSES = frozenset({"paid", "unpaid"})

REFUND_STATUSES: Mapping[str, Literal["pending", "succeeded", "failed"]] = {
    "pending": "pending",
    "requires_action": "pending",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "failed",
}
# New ones come (`appeal_…`): whatever is not known to be the end is taken for open.
DISPUTE_ENDS = frozenset({"won", "lost", "warning_closed", "prevented"})


def read_payment(found: Mapping[str, Any], account: Account) -> Outcome:
    """A Checkout Session with `payment_intent.latest_charge` expanded, or a PaymentIntent with `latest_charge`; without
    refunds and disputes. `amount` is the PaymentIntent's where there is one: that is what moves money."""
    with _reading():
        is_session = found["object"] == "checkout.session"
        intent = found["payment_intent"] if is_session else found
        if intent and intent["object"] != "payment_intent":
            raise ValueError(intent["object"])
        own = INTENT_STATUSES[intent["status"]] if intent else None
        status = _session_status(found, intent, own) if is_session else own
        unpaid = Outcome(
            status=status,
            reference=reference_of(found) or "",
            merchant=account.merchant,
            live=_flag(found["livemode"]),
            amount=_whole(intent["amount"] if intent else found["amount_total"]),
            currency=(intent or found)["currency"].upper(),
            pg_payment_id=_name(intent["id"]) if intent else None,
            failure=_failure(status, intent),
            closed=status in CLOSED,
        )
        if status is not OutcomeStatus.PAID:
            return unpaid
        charge = intent["latest_charge"]
        return replace(
            unpaid,
            captured=_whole(intent["amount_received"]),
            refunded=_whole(charge["amount_refunded"]),
            method=_method(charge),
            paid_at=_moment(charge["created"]),
            receipt_url=_receipt(charge),
        )


def is_disputed(found: Mapping[str, Any]) -> bool:
    """Whether the charge of a paid Session or PaymentIntent, as `read_payment` takes it, was ever disputed."""
    intent = found if found["object"] == "payment_intent" else found["payment_intent"]
    return bool(intent["latest_charge"].get("disputed"))


def read_refund(refund: Mapping[str, Any]) -> RefundSeen:
    with _reading():
        return RefundSeen(
            pg_refund_id=_name(refund["id"]),
            reference=reference_of(refund),
            amount=_whole(refund["amount"]),
            status=REFUND_STATUSES[refund["status"]],
            failure=refund.get("failure_reason"),
        )


def read_dispute(dispute: Mapping[str, Any]) -> DisputeSeen:
    with _reading():
        due = (dispute.get("evidence_details") or {}).get("due_by")
        return DisputeSeen(
            pg_dispute_id=_name(dispute["id"]),
            status=_name(dispute["status"]),
            is_open=dispute["status"] not in DISPUTE_ENDS,
            amount=_whole(dispute["amount"]),
            reason=dispute.get("reason"),
            due_at=_moment(due) if due else None,
        )


def read_captured(charge: Mapping[str, Any]) -> Transaction | None:
    """A row of the list of charges; None for one that took nothing."""
    with _reading():
        if charge["status"] != "succeeded" or not charge["captured"]:
            return None
        return _transaction("captured", charge, reference_of(charge), charge["amount_captured"])


def read_refunded(refund: Mapping[str, Any]) -> Transaction | None:
    """A row of the list of refunds; None for one that sent nothing back. A pending one counts, as in the charge's sum.

    Its payment is known by `pg_payment_id`: the reference in its metadata is the refund's own.
    """
    with _reading():
        if REFUND_STATUSES[refund["status"]] == "failed":
            return None
        return _transaction("refunded", refund, None, refund["amount"])


def _transaction(
    kind: Literal["captured", "refunded"], row: Mapping[str, Any], reference: str | None, amount: object
) -> Transaction:
    return Transaction(
        kind=kind,
        reference=reference,
        # A charge that was made without a PaymentIntent is not ours, but is money all the same.
        pg_payment_id=row["payment_intent"] or row.get("charge") or row["id"],
        pg_id=_name(row["id"]),
        amount=_whole(amount),
        currency=row["currency"].upper(),
        at=_moment(row["created"]),
    )


def _session_status(
    session: Mapping[str, Any], intent: Mapping[str, Any] | None, own: OutcomeStatus | None
) -> OutcomeStatus:
    """The Session's status, unless its PaymentIntent, which it gets when the shopper confirms, has gone further."""
    status, paid = SESSION_STATUSES[session["status"]], session["payment_status"]
    if paid not in PAYMENT_STATUSES or (paid == "paid" and own is not OutcomeStatus.PAID):
        raise ValueError("paid without a PaymentIntent that succeeded")
    if own in DECIDED:
        return own
    if status is OutcomeStatus.PROCESSING and intent:
        return COMPLETE_ENDS.get(intent["status"], status)
    return status


def _failure(status: OutcomeStatus, intent: Mapping[str, Any] | None) -> str | None:
    if status is OutcomeStatus.EXPIRED:
        return WINDOW_OVER
    if status in DECIDED or intent is None:
        return None
    return failure_of(intent.get("last_payment_error"))


def reference_of(found: Mapping[str, Any]) -> str | None:
    """Our name in what Stripe keeps for us: a Session's own field or the metadata; None where it is not one of ours."""
    told = found.get("client_reference_id") or (found.get("metadata") or {}).get("reference")
    return told if isinstance(told, str) and REFERENCE.fullmatch(told) else None


def _method(charge: Mapping[str, Any]) -> str | None:
    """For people: `VISA 4242`, else Stripe's word for the method."""
    details = charge.get("payment_method_details") or {}
    kind = details.get("type")
    known = details.get(kind) or {}
    brand, last4 = known.get("brand"), known.get("last4")
    method = f"{brand.upper()} {last4}" if brand and last4 else kind
    return method and str(method)[:80]


def _receipt(charge: Mapping[str, Any]) -> str | None:
    """Never worth losing the answer over: one that is too long for our row is left out."""
    url = charge.get("receipt_url")
    return url if url and len(url) <= 500 else None


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError("not a whole number")
    return value


def _flag(value: object) -> bool:
    if type(value) is not bool:
        raise TypeError("not a boolean")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not an id")
    return value


def _moment(seconds: object) -> datetime:
    return datetime.fromtimestamp(_whole(seconds), UTC)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise Garbled(f"an answer that we cannot read: {type(error).__name__}") from None
