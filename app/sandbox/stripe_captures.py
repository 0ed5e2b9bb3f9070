"""The money of Stripe's PaymentIntents: captured, settled late, let go, or not come."""

from collections.abc import Mapping
from typing import Any

from app.sandbox.stripe_cases import Case
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_intent_object import outcome
from app.sandbox.stripe_money import fee_of
from app.sandbox.stripe_objects import new_movement, seconds
from app.sandbox.stripe_store import Document
from app.sandbox.world import World

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = (*CONFIRMABLE, "requires_capture")
# [U] Why a delayed payment did not come.
NOT_PAID = "generic_decline"


class StripeCaptures:
    """What happens to a PaymentIntent after the buyer has agreed."""

    def __init__(self, world: World) -> None:
        self.world = world

    def capture(self, case: Case, asked: Mapping[str, Any]) -> Document:
        """Take what was authorised, or `amount_to_capture` of it; the rest is let go."""
        intent, charge = intent_of(case), case.charge
        if intent["status"] != "requires_capture" or charge is None:
            raise unexpected(intent, "capture")
        amount = asked.get("amount_to_capture", intent["amount_capturable"])
        if amount > intent["amount_capturable"]:
            raise StripeError("amount_too_large", param="amount_to_capture")
        take(case, self.world, charge, amount)
        # [U] What of an authorisation is not captured shows nowhere as a refund.
        case.tell("charge.captured", charge)
        case.tell("payment_intent.succeeded", intent)
        if case.session:
            case.session["payment_status"] = "paid"
        return intent

    def cancel(self, case: Case, reason: str | None) -> Document:
        """Let nothing more come of it; an authorisation is given back."""
        intent, charge = intent_of(case), case.charge
        if intent["status"] not in CANCELABLE:
            raise unexpected(intent, "cancel")
        if case.is_authorized and charge:
            # [U] The uncaptured charge shows as refunded.
            charge |= {"amount_refunded": charge["amount"], "refunded": True}
            case.tell("charge.expired" if reason == "automatic" else "charge.refunded", charge)
        intent |= {
            "status": "canceled",
            "canceled_at": seconds(self.world),
            "cancellation_reason": reason,
            "amount_capturable": 0,
            "next_action": None,
        }
        case.tell("payment_intent.canceled", intent)
        return intent

    def settle(self, case: Case) -> None:
        """The money of a delayed payment has come."""
        intent, charge = intent_of(case), case.charge
        assert charge is not None
        charge["outcome"] = outcome()
        take(case, self.world, charge, charge["amount"])
        case.tell("charge.succeeded", charge)
        case.tell("payment_intent.succeeded", intent)
        if case.session:
            case.session["payment_status"] = "paid"
            case.tell("checkout.session.async_payment_succeeded", case.session)

    def fail(self, case: Case) -> None:
        """The money of a delayed payment will not come."""
        decline(case, StripeError(NOT_PAID), case.charge)
        if case.session:
            case.tell("checkout.session.async_payment_failed", case.session)


def take(case: Case, world: World, charge: Document, amount: int) -> None:
    """The money moves."""
    movement = case.add(new_movement(world, "charge", amount, fee_of(amount), charge))
    charge |= {
        "status": "succeeded",
        "paid": True,
        "captured": True,
        "amount_captured": amount,
        "balance_transaction": movement["id"],
    }
    intent_of(case).update(status="succeeded", amount_received=amount, amount_capturable=0, next_action=None)


def decline(case: Case, error: StripeError, charge: Document | None) -> StripeError:
    """The attempt is over, and another may follow; `error` again, with what it has led to."""
    intent = intent_of(case)
    if charge:
        charge |= {"status": "failed", "failure_code": error.code, "failure_message": error.message}
        charge["outcome"] = outcome(error.decline_code)
        case.tell("charge.failed", charge)
    method = case.documents.get(intent["payment_method"])
    problem = {**error.body["error"], "payment_method": method}
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_payment_error": problem,
    }
    case.tell("payment_intent.payment_failed", intent)
    error.details |= {"payment_intent": dict(intent), "payment_method": method}
    return error


def unexpected(intent: Document, verb: str) -> StripeError:
    message = f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}."
    return StripeError("payment_intent_unexpected_state", message, payment_intent=dict(intent))


def intent_of(case: Case) -> Document:
    """Raises resource_missing while a Session has none."""
    if case.intent is None:
        raise StripeError("resource_missing", "This payment has no PaymentIntent yet.")
    return case.intent
