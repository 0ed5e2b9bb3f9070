"""One payment with all of Stripe's objects that belong to it: loaded, changed and kept together."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from app.sandbox.book import Book, Payment
from app.sandbox.stripe_account import PROVIDER, Account
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_events import StripeEvents
from app.sandbox.stripe_store import Document, StripeStore
from app.sandbox.world import World

AUTHORIZATION_LASTS = 7 * 24 * 60 * 60
GIVES_NOTHING_BACK = ("failed", "canceled")


@dataclass
class Case:
    """A Session and its PaymentIntent are one payment. `told` are the events of this change."""

    account: Account
    payment: Payment
    documents: dict[str, Document] = field(default_factory=dict)
    told: list[tuple[str, Document, Document | None]] = field(default_factory=list)

    def of(self, kind: str) -> list[Document]:
        return [document for document in self.documents.values() if document["object"] == kind]

    def add(self, document: Document) -> Document:
        self.documents[document["id"]] = document
        return document

    def tell(self, kind: str, document: Document, previous: Document | None = None) -> None:
        """An event about the object as it is now."""
        self.told.append((kind, copy.deepcopy(document), previous))

    @property
    def session(self) -> Document | None:
        return next(iter(self.of("checkout.session")), None)

    @property
    def intent(self) -> Document | None:
        return next(iter(self.of("payment_intent")), None)

    @property
    def charge(self) -> Document | None:
        """The latest attempt."""
        return next(reversed(self.of("charge")), None)

    @property
    def dispute(self) -> Document | None:
        return next(iter(self.of("dispute")), None)

    @property
    def is_open(self) -> bool:
        """Whether the buyer can pay it now."""
        if self.session:
            return bool(self.session["status"] == "open")
        return self.intent is not None and self.intent["status"].startswith("requires_") and not self.is_authorized

    @property
    def is_authorized(self) -> bool:
        return self.intent is not None and self.intent["status"] == "requires_capture"

    @property
    def refunded(self) -> int:
        """What goes back or has gone back to the buyer, in minor units."""
        return sum(each["amount"] for each in self.of("refund") if each["status"] not in GIVES_NOTHING_BACK)


class StripeCases:
    """All payments at Stripe. One that is handed out is as old as it should be only after `StripeClock.tick`."""

    def __init__(
        self, accounts: Sequence[Account], book: Book, store: StripeStore, events: StripeEvents, world: World
    ) -> None:
        self.accounts, self.book, self.store, self.events, self.world = accounts, book, store, events, world

    def new(
        self, account: Account, main: Document, reference: str | None, amount: int, currency: str, **facts: Any
    ) -> Case:
        """The payment that `main` (a Session, or a PaymentIntent without one) begins; not yet kept."""
        now = self.world.now()
        payment = Payment(
            provider=PROVIDER,
            merchant=account.merchant,
            reference=reference or main["id"],
            pg_id=main["id"],
            status=main["status"],
            currency=currency.upper(),
            amount=amount,
            opened_at=now,
            moved_at=now,
            facts=facts,
        )
        case = Case(account, payment)
        case.add(main)
        return case

    def load(self, pg_id: str) -> Case:
        """`pg_id` is the payment's id in the ledger."""
        payment = self.book.find(PROVIDER, pg_id)
        account = self._account(payment)
        if payment is None or account is None:
            raise StripeError("resource_missing", f"No such payment: '{pg_id}'")
        return Case(account, payment, {each["id"]: each for each in self.store.of_payment(pg_id)})

    def is_known(self, pg_id: str) -> bool:
        """Whether this sandbox was started with the account of the payment."""
        return self._account(self.book.find(PROVIDER, pg_id)) is not None

    def _account(self, payment: Payment | None) -> Account | None:
        return next((each for each in self.accounts if payment and each.merchant == payment.merchant), None)

    def of_object(self, object_id: str) -> Case | None:
        """The payment that an object of any kind and any merchant belongs to."""
        pg_id = self.store.payment_of(object_id)
        return self.load(pg_id) if pg_id else None

    @contextmanager
    def keeping(self, case: Case) -> Iterator[Case]:
        """Keep what becomes of it, also when it ends in a refusal."""
        try:
            yield case
        except StripeError:
            self._keep(case)
            raise
        self._keep(case)

    def _keep(self, case: Case) -> None:
        payment, intent = case.payment, case.intent
        status = _status(case)
        if status != payment.status:
            payment.status, payment.moved_at = status, self.world.now()
        payment.captured, payment.refunded = intent["amount_received"] if intent else 0, case.refunded
        self.book.save(payment)
        for document in case.documents.values():
            self.store.save(document, payment.merchant, payment.pg_id)
        self.store.set_timer(payment.pg_id, min(deadlines(case), default=None))
        self.events.tell(case.account, payment, case.told)
        case.told = []


def deadlines(case: Case) -> list[int]:
    """When time will change something in this payment, in Unix seconds."""
    moments = []
    if case.session and case.session["status"] == "open":
        moments.append(case.session["expires_at"])
    if case.is_authorized and case.charge:
        moments.append(case.charge["created"] + AUTHORIZATION_LASTS)
    timed: dict[str, int] = case.payment.facts.get("refunds_due", {})
    moments += [due for refund_id, due in timed.items() if case.documents[refund_id]["status"] == "pending"]
    return moments


def _status(case: Case) -> str:
    """The Session's until it is complete, then the PaymentIntent's."""
    session, intent = case.session, case.intent
    if session and (session["status"] != "complete" or intent is None):
        return str(session["status"])
    assert intent is not None
    return str(intent["status"])
