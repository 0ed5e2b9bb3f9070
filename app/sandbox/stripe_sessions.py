"""Stripe's Checkout Sessions: opened, paid at the hosted page, expired."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.sandbox.stripe_account import Account
from app.sandbox.stripe_captures import StripeCaptures
from app.sandbox.stripe_cards import offers
from app.sandbox.stripe_cases import Case, StripeCases
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_intent_object import new_intent
from app.sandbox.stripe_money import check_amount
from app.sandbox.stripe_objects import seconds
from app.sandbox.stripe_payments import Means, StripePayments
from app.sandbox.stripe_session_object import line_items, new_session
from app.sandbox.stripe_store import Document
from app.sandbox.world import World

SHORTEST, LONGEST = timedelta(minutes=30), timedelta(hours=24)
# When the buyer has done all that there is to do.
DONE = ("succeeded", "processing", "requires_capture")
BUYER = "buyer@example.com"


class StripeSessions:
    """What happens to a Session; its PaymentIntent is made when the buyer first tries to pay."""

    def __init__(self, cases: StripeCases, payments: StripePayments, captures: StripeCaptures, world: World) -> None:
        self.cases, self.payments, self.captures, self.world = cases, payments, captures, world

    def create(self, account: Account, asked: Mapping[str, Any], origin: str) -> Document:
        items = line_items(self.world, asked["line_items"])
        currency, total = items[0]["currency"], sum(item["amount_total"] for item in items)
        if any(item["currency"] != currency for item in items):
            raise StripeError("invalid_request", "All line items must have the same currency.", "line_items")
        check_amount(total, currency, "line_items")
        self._check_term(asked.get("expires_at"))
        of_intent = asked.get("payment_intent_data", {})
        ways = asked.get("payment_method_types") or list(offers(currency))
        wanted = {**asked, "payment_method_types": ways}
        session = new_session(self.world, total, currency, f"{origin}/window/stripe", wanted)
        named = (session["metadata"], of_intent.get("metadata", {}))
        reference = session["client_reference_id"] or next(
            (pairs["reference"] for pairs in named if "reference" in pairs), None
        )
        more = f" 외 {len(items) - 1}건" if len(items) > 1 else ""
        case = self.cases.new(
            account,
            session,
            reference,
            total,
            currency,
            order_name=items[0]["description"] + more,
            origin=origin,
            line_items=items,
            of_intent={**of_intent, "payment_method_types": ways},
        )
        with self.cases.keeping(case):
            return session

    def expire(self, case: Case) -> Document:
        """Let nobody pay it any more."""
        session, intent = _session(case), case.intent
        if session["status"] != "open":
            message = f"Only open Checkout Sessions can be expired. This one has a status of {session['status']}."
            raise StripeError("invalid_request", message, "session")
        session |= {"status": "expired", "url": None}
        # [U] The reason that the PaymentIntent of an expired Session gives.
        if intent:
            self.captures.cancel(case, "automatic")
        case.tell("checkout.session.expired", session)
        return session

    def pay(self, case: Case, means: Means, refuse_with: str | None = None, more: int = 0) -> None:
        """The buyer pays on the hosted page, `more` than was asked for. Raises a decline as StripeError."""
        session = _session(case)
        if case.intent is None:
            asked = case.payment.facts["of_intent"]
            intent = case.add(new_intent(self.world, session["amount_total"], session["currency"], asked))
            session["payment_intent"] = intent["id"]
            case.tell("payment_intent.created", intent)
        self.payments.ask_for_more(case, more)
        self.payments.attempt(case, means, refuse_with)
        self.complete(case)

    def complete(self, case: Case) -> None:
        """Close the Session if the buyer has done everything."""
        session, intent = case.session, case.intent
        if session is None or intent is None or intent["status"] not in DONE:
            return
        email = session["customer_email"] or BUYER
        session |= {
            "status": "complete",
            "payment_status": "paid" if intent["status"] == "succeeded" else "unpaid",
            "url": None,
            "customer_details": {
                "address": None,
                "email": email,
                "name": None,
                "phone": None,
                "tax_exempt": "none",
                "tax_ids": [],
            },
        }
        case.tell("checkout.session.completed", session)

    def _check_term(self, expires_at: int | None) -> None:
        now = seconds(self.world)
        if expires_at is None or SHORTEST.total_seconds() <= expires_at - now <= LONGEST.total_seconds():
            return
        message = "The `expires_at` timestamp must be from 30 minutes to 24 hours after Checkout Session creation."
        raise StripeError("invalid_request", message, "expires_at")


def _session(case: Case) -> Document:
    if case.session is None:
        raise StripeError("resource_missing", "This payment has no Checkout Session.")
    return case.session
