"""Stripe's Refunds: made, under way, arrived, come back, and cancelled."""

from collections.abc import Mapping
from typing import Any

from app.sandbox.stripe_account import Account
from app.sandbox.stripe_cards import BY_NUMBER, WITHOUT_REFUND_RAILS
from app.sandbox.stripe_cases import Case, StripeCases
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_objects import new_movement, new_refund, seconds
from app.sandbox.stripe_store import Document
from app.sandbox.world import World

# [U] How long the refund of a test card is under way.
TAKES = 60 * 60
UNDER_WAY = ("pending", "requires_action")


class StripeRefunds:
    """Money given back, in parts or whole."""

    def __init__(self, cases: StripeCases, world: World) -> None:
        self.cases, self.world = cases, world

    def case_of(self, account: Account, asked: Mapping[str, Any]) -> Case:
        """The payment that the request names by its PaymentIntent or Charge."""
        names = [name for name in ("payment_intent", "charge") if name in asked]
        if not names:
            message = "One of the following params should be provided for this request: payment_intent or charge."
            raise StripeError("parameter_missing", message, "payment_intent")
        cases = []
        for name in names:
            found = self.cases.store.find(name, account.merchant, asked[name])
            if found is None:
                raise StripeError("resource_missing", f"No such {name}: '{asked[name]}'", name)
            cases.append(self.cases.of_object(found["id"]))
        first, *rest = [case for case in cases if case]
        if any(case.payment.pg_id != first.payment.pg_id for case in rest):
            raise StripeError("invalid_request", "The charge does not belong to the payment_intent.", "charge")
        return first

    def create(self, case: Case, asked: Mapping[str, Any]) -> Document:
        """Give back `amount`, or the rest."""
        charge = case.charge
        if charge is None or not charge["captured"] or asked.get("charge", charge["id"]) != charge["id"]:
            raise StripeError("invalid_request", "There is no successful and captured charge to refund.")
        if case.dispute and case.dispute["status"] != "won":
            raise StripeError("charge_disputed", charge=charge["id"])
        rest = charge["amount_captured"] - charge["amount_refunded"]
        if not rest:
            raise StripeError("charge_already_refunded", f"Charge {charge['id']} has already been refunded.")
        amount = asked.get("amount", rest)
        if amount > rest:
            message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({rest})"
            raise StripeError("invalid_request", message, "amount")
        refund = new_refund(self.world, charge, amount, asked)
        self._start(case, refund, asked)
        # Only now: what a refusal leaves behind is kept.
        case.add(refund)
        self._count(case, charge)
        case.tell("refund.created", refund)
        case.tell("charge.refunded", charge)
        return refund

    def complete(self, case: Case, refund: Document) -> None:
        """The money is with the buyer."""
        before, refund["status"] = refund["status"], "succeeded"
        self._drop_reason(refund)
        self._move(case, refund)
        self._tell(case, refund, before)

    def fail(self, case: Case, refund: Document) -> None:
        """The money comes back to the merchant, also after the refund has succeeded."""
        before, refund["status"] = refund["status"], "failed"
        refund["failure_reason"] = "lost_or_stolen_card"
        self._drop_reason(refund)
        if refund["balance_transaction"]:
            movement = case.add(new_movement(self.world, "refund_failure", refund["amount"], 0, refund))
            refund["failure_balance_transaction"] = movement["id"]
        self._uncount(case)
        case.tell("refund.failed", refund)
        self._tell(case, refund, before)

    def cancel(self, case: Case, refund: Document) -> Document:
        """Only one that still waits for the buyer's account."""
        if refund["status"] != "requires_action":
            message = f"This refund has a status of {refund['status']} and cannot be canceled."
            raise StripeError("invalid_request", message)
        refund["status"] = "canceled"
        refund.pop("next_action")
        self._uncount(case)
        self._tell(case, refund, "requires_action")
        return refund

    def _start(self, case: Case, refund: Document, asked: Mapping[str, Any]) -> None:
        facts = case.payment.facts
        if facts["way"] in WITHOUT_REFUND_RAILS:
            email = asked.get("instructions_email")
            if not email:
                message = "A refund of this payment method needs an instructions_email."
                raise StripeError("parameter_missing", message, "instructions_email")
            expires_at = seconds(self.world) + 30 * 24 * 60 * 60
            details = {"email_sent": {"email_sent_at": seconds(self.world), "email_sent_to": email}}
            refund["status"] = "requires_action"
            refund["next_action"] = {
                "type": "display_details",
                "display_details": {**details, "expires_at": expires_at},
            }
        elif facts["way"] == "card" and BY_NUMBER[facts["number"]].refunds != "succeeded":
            refund |= {"status": "pending", "pending_reason": "processing"}
            facts.setdefault("refunds_due", {})[refund["id"]] = seconds(self.world) + TAKES
        else:
            self._move(case, refund)

    def grow_older(self, case: Case, now: int) -> None:
        """Bring what is under way to its end, if it is time."""
        for refund_id, due in case.payment.facts.get("refunds_due", {}).items():
            refund = case.documents[refund_id]
            if refund["status"] != "pending" or now < due:
                continue
            arrives = BY_NUMBER[case.payment.facts["number"]].refunds == "succeeds"
            (self.complete if arrives else self.fail)(case, refund)

    def _move(self, case: Case, refund: Document) -> None:
        movement = case.add(new_movement(self.world, "refund", -refund["amount"], 0, refund))
        refund["balance_transaction"] = movement["id"]

    def _count(self, case: Case, charge: Document) -> None:
        charge["amount_refunded"] = case.refunded
        charge["refunded"] = case.refunded == charge["amount_captured"]

    def _uncount(self, case: Case) -> None:
        charge = case.charge
        assert charge is not None
        self._count(case, charge)

    def _drop_reason(self, refund: Document) -> None:
        refund.pop("pending_reason", None)
        refund.pop("next_action", None)

    def _tell(self, case: Case, refund: Document, before: str) -> None:
        """Two events tell of the same change."""
        for kind in ("refund.updated", "charge.refund.updated"):
            case.tell(kind, refund, {"status": before})


def refund_under_way(case: Case) -> Document | None:
    """The oldest."""
    return next((each for each in case.of("refund") if each["status"] in UNDER_WAY), None)


def refund_that_may_fail(case: Case) -> Document | None:
    """One under way, or else the newest that has succeeded."""
    arrived = [each for each in case.of("refund") if each["status"] == "succeeded"]
    return refund_under_way(case) or next(reversed(arrived), None)
