"""Stripe's lists, and what `expand` puts into an answer."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from app.sandbox.book import Book
from app.sandbox.stripe_account import PROVIDER, Account
from app.sandbox.stripe_cases import StripeCases
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_expand import LISTS
from app.sandbox.stripe_store import Document, Page, StripeStore

URLS = {
    "checkout.session": "/v1/checkout/sessions",
    "payment_intent": "/v1/payment_intents",
    "charge": "/v1/charges",
    "refund": "/v1/refunds",
    "dispute": "/v1/disputes",
    "event": "/v1/events",
    "balance_transaction": "/v1/balance_transactions",
}
EVENTS_LAST = timedelta(days=30)


class StripeLists:
    """What one account may look at."""

    def __init__(self, cases: StripeCases, store: StripeStore, book: Book) -> None:
        self.cases, self.store, self.book = cases, store, book

    def find(self, account: Account, kind: str, object_id: str, now: datetime) -> Document:
        found = self.store.find(kind, account.merchant, object_id)
        if found is None or (kind == "event" and found["created"] < _oldest(now)):
            raise StripeError("resource_missing", f"No such {kind}: '{object_id}'", "id")
        return found

    def page(self, account: Account, kind: str, asked: Mapping[str, Any], now: datetime) -> Document:
        """The page of all objects of this kind that the request asks for, newest first."""
        if "type" in asked and "types" in asked:
            raise StripeError("invalid_request", "You may give type or types, not both.", "types")
        bounds, oldest = asked.get("created", {}), _oldest(now) if kind == "event" else 0
        part = Page(
            asked.get("limit", 10),
            asked.get("starting_after"),
            asked.get("ending_before"),
            max(bounds.get("gte", 0), bounds.get("gt", -1) + 1, oldest),
            min(bounds.get("lte", 2**62), bounds.get("lt", 2**62) - 1),
        )
        if part.after and part.before:
            raise StripeError("invalid_request", "You may give starting_after or ending_before, not both.")
        found, has_more = self.store.page(kind, account.merchant, part, self._wanted(asked))
        return {"object": "list", "data": found, "has_more": has_more, "url": URLS[kind]}

    def line_items(self, account: Account, session_id: str, asked: Mapping[str, Any]) -> Document:
        session = self.store.find("checkout.session", account.merchant, session_id)
        if session is None:
            raise StripeError("resource_missing", f"No such checkout.session: '{session_id}'", "session")
        items = self.cases.load(session_id).payment.facts["line_items"]
        ids = [item["id"] for item in items]
        if "starting_after" in asked and asked["starting_after"] in ids:
            items = items[ids.index(asked["starting_after"]) + 1 :]
        limit = asked.get("limit", 10)
        url = f"{URLS['checkout.session']}/{session_id}/line_items"
        return {"object": "list", "data": items[:limit], "has_more": len(items) > limit, "url": url}

    def expand(self, account: Account, document: Document, paths: Sequence[Sequence[str]]) -> Document:
        """A copy with the objects at these places in it."""
        shown = copy.deepcopy(document)
        for steps in paths:
            self._expand(account, shown, steps)
        return shown

    def _expand(self, account: Account, document: Document, steps: Sequence[str]) -> None:
        if not steps:
            return
        step, *rest = steps
        if document["object"] == "list" and step == "data":
            for each in document["data"]:
                self._expand(account, each, rest)
            return
        if (document["object"], step) in LISTS and step not in document:
            document[step] = self._included(account, document)
        if isinstance(document.get(step), str):
            document[step] = self.store.with_id(account.merchant, document[step])
        if isinstance(document.get(step), dict):
            self._expand(account, document[step], rest)

    def _included(self, account: Account, document: Document) -> Document:
        """The line items of a Session, or the refunds of a Charge."""
        if document["object"] == "checkout.session":
            return self.line_items(account, document["id"], {})
        refunds, has_more = self.store.page(
            "refund", account.merchant, Page(), lambda each: bool(each["charge"] == document["id"])
        )
        url = f"{URLS['charge']}/{document['id']}/refunds"
        return {"object": "list", "data": refunds, "has_more": has_more, "url": url}

    def _wanted(self, asked: Mapping[str, Any]) -> Callable[[Document], bool]:
        names = ("payment_intent", "charge", "status", "type", "source", "currency")
        same = {name: asked[name] for name in names if name in asked}
        types, delivered = asked.get("types"), asked.get("delivery_success")
        received = self._received() if delivered is not None else {}

        def wanted(document: Document) -> bool:
            if any(not _is_or_matches(document.get(name), value) for name, value in same.items()):
                return False
            if types and not any(_is_or_matches(document["type"], each) for each in types):
                return False
            return delivered is None or received.get(document["id"], True) == delivered

        return wanted

    def _received(self) -> dict[str, bool]:
        """Of each event that is sent to a shop, whether the shop has answered 2xx."""
        received: dict[str, bool] = {}
        for webhook in self.book.webhooks():
            if webhook.provider == PROVIDER:
                is_received = isinstance(webhook.answer, int) and 200 <= webhook.answer < 300
                event_id = json.loads(webhook.body)["id"]
                received[event_id] = is_received or received.get(event_id, False)
        return received


def _is_or_matches(value: Any, wanted: str) -> bool:
    """A filter of event types may end with a star."""
    is_open_ended = wanted.endswith("*") and isinstance(value, str)
    return bool(value.startswith(wanted[:-1]) if is_open_ended else value == wanted)


def _oldest(now: datetime) -> int:
    """Events are shown for 30 days."""
    return int((now - EVENTS_LAST).timestamp())
