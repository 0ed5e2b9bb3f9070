"""Stripe's PaymentIntents: created, changed, confirmed, authenticated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.sandbox.stripe_account import Account
from app.sandbox.stripe_captures import CONFIRMABLE, decline, intent_of, take, unexpected
from app.sandbox.stripe_cards import BY_NUMBER, BY_TOKEN, CARDS, DELAYED, Card, offers
from app.sandbox.stripe_cases import Case, StripeCases
from app.sandbox.stripe_disputes import open_dispute
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_form import updated
from app.sandbox.stripe_intent_object import new_charge, new_intent, new_method, outcome
from app.sandbox.stripe_money import check_amount
from app.sandbox.stripe_store import Document
from app.sandbox.world import World

AUTOMATIC = {"allow_redirects": "always", "enabled": True}
# [U] What Stripe says of an authentication that failed.
NOT_AUTHENTICATED = "payment_intent_authentication_failure"


@dataclass(frozen=True)
class Means:
    """What the buyer pays with: a way, and the test card of the way `card`."""

    way: str = "card"
    card: Card = CARDS[0]


class StripePayments:
    """What happens to a PaymentIntent, whoever makes it happen."""

    def __init__(self, cases: StripeCases, world: World) -> None:
        self.cases, self.world = cases, world

    def create(self, account: Account, asked: Mapping[str, Any], origin: str) -> Document:
        """A new PaymentIntent, confirmed at once if that is asked for."""
        check_amount(asked["amount"], asked["currency"], "amount")
        means = self.means(asked["payment_method"]) if "payment_method" in asked else None
        by_choice = {"payment_method_types": list(offers(asked["currency"])), "automatic_payment_methods": AUTOMATIC}
        ways = {} if "payment_method_types" in asked else {**by_choice, **asked}
        intent = new_intent(self.world, asked["amount"], asked["currency"], {**asked, **ways})
        case = self.cases.new(
            account,
            intent,
            asked.get("metadata", {}).get("reference"),
            asked["amount"],
            asked["currency"],
            order_name=asked.get("description") or "",
            origin=origin,
        )
        with self.cases.keeping(case):
            case.tell("payment_intent.created", intent)
            if means:
                self._attach(case, means)
            if asked.get("confirm"):
                self.confirm(case, asked)
        return intent

    def update(self, case: Case, asked: Mapping[str, Any]) -> Document:
        """Change what may be changed until the money has come. The ledger keeps the first reference."""
        intent = intent_of(case)
        is_fixed = case.session is not None or intent["status"] not in CONFIRMABLE
        if set(asked) & {"amount", "currency", "payment_method"} and is_fixed:
            raise unexpected(intent, "update")
        amount, currency = asked.get("amount", intent["amount"]), asked.get("currency", intent["currency"])
        if {"amount", "currency"} & set(asked):
            check_amount(amount, currency, "amount")
        intent |= {name: asked[name] for name in ("description", "receipt_email") if name in asked}
        intent |= {
            "amount": amount,
            "currency": currency,
            "metadata": updated(intent["metadata"], asked.get("metadata")),
        }
        case.payment.amount, case.payment.currency = amount, currency.upper()
        if "payment_method" in asked:
            self._attach(case, self.means(asked["payment_method"]))
        return intent

    def confirm(self, case: Case, asked: Mapping[str, Any], refuse_with: str | None = None) -> Document:
        """Take the money with the payment method given now or before. Raises a decline as StripeError."""
        intent = intent_of(case)
        if intent["status"] not in CONFIRMABLE:
            raise unexpected(intent, "confirm")
        if "payment_method" in asked:
            means = self.means(asked["payment_method"])
        elif intent["payment_method"]:
            means = Means(**_attached(case))
        else:
            message = "You cannot confirm this PaymentIntent because it's missing a payment method."
            raise StripeError("payment_intent_unexpected_state", message, payment_intent=intent)
        if "return_url" in asked:
            case.payment.facts["return_url"] = asked["return_url"]
        self.attempt(case, means, refuse_with)
        return intent

    def attempt(self, case: Case, means: Means, refuse_with: str | None = None) -> None:
        """The buyer pays with this. 3D Secure comes first where the card asks for it."""
        intent = intent_of(case)
        if intent["status"] not in CONFIRMABLE:
            raise unexpected(intent, "confirm")
        self._attach(case, means)
        case.payment.facts["refuse_with"] = refuse_with
        if means.way == "card" and means.card.asks_the_buyer:
            intent["status"], intent["next_action"] = "requires_action", _redirect(case)
            case.tell("payment_intent.requires_action", intent)
        else:
            self._charge(case, means)

    def ask_for_more(self, case: Case, more: int) -> None:
        """The page takes `more` than the shop asked for."""
        intent_of(case)["amount"] += more
        if case.session:
            case.session["amount_total"] += more
            case.session["amount_subtotal"] += more

    def authenticate(self, case: Case, is_buyer: bool) -> None:
        """What 3D Secure found out: it is the buyer, or it is not. Raises a decline as StripeError."""
        intent = intent_of(case)
        if intent["status"] != "requires_action":
            raise unexpected(intent, "authenticate")
        intent["next_action"] = None
        if is_buyer:
            self._charge(case, Means(**_attached(case)))
        else:
            raise decline(case, StripeError(NOT_AUTHENTICATED), None)

    def means(self, token: str) -> Means:
        if token not in BY_TOKEN:
            raise StripeError("resource_missing", f"No such PaymentMethod: '{token}'", "payment_method")
        return Means("card", BY_TOKEN[token])

    def _attach(self, case: Case, means: Means) -> None:
        intent = intent_of(case)
        method = case.add(new_method(self.world, means.way, means.card))
        intent["payment_method"] = method["id"]
        if intent["status"] == "requires_payment_method":
            intent["status"] = "requires_confirmation"
        case.payment.facts |= {"way": means.way, "number": means.card.number}

    def _charge(self, case: Case, means: Means) -> None:
        intent, facts = intent_of(case), case.payment.facts
        email = (case.session or {}).get("customer_email") or intent["receipt_email"]
        method = case.documents[intent["payment_method"]]
        charge = case.add(new_charge(self.world, intent, method, email, facts["origin"]))
        intent |= {"latest_charge": charge["id"], "last_payment_error": None}
        refusal = facts.pop("refuse_with", None) or (means.card.decline if means.way == "card" else None)
        if refusal:
            raise decline(case, StripeError(refusal, charge=charge["id"]), charge)
        elif means.way in DELAYED:
            intent["status"] = "processing"
            case.tell("charge.pending", charge)
            case.tell("payment_intent.processing", intent)
        elif intent["capture_method"] == "manual":
            charge |= {"status": "succeeded", "paid": True, "outcome": outcome()}
            intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
            case.tell("charge.succeeded", charge)
            case.tell("payment_intent.amount_capturable_updated", intent)
        else:
            charge["outcome"] = outcome()
            take(case, self.world, charge, intent["amount"])
            case.tell("charge.succeeded", charge)
            case.tell("payment_intent.succeeded", intent)
            if means.card.is_disputed:
                open_dispute(case, self.world)


def _attached(case: Case) -> dict[str, Any]:
    facts = case.payment.facts
    return {"way": facts["way"], "card": BY_NUMBER[facts["number"]]}


def _redirect(case: Case) -> dict[str, Any]:
    """Where the buyer is asked, and where that leads back to."""
    facts = case.payment.facts
    page = f"{facts['origin']}/window/stripe/{case.payment.pg_id}/authenticate"
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {"url": page, "return_url": facts.get("return_url")},
    }
