"""Stripe as one piece: everything that its pages and its server API work with."""

from collections.abc import Sequence

from app.sandbox.book import Book
from app.sandbox.faults import Faults
from app.sandbox.stripe_account import Account
from app.sandbox.stripe_captures import StripeCaptures
from app.sandbox.stripe_cases import Case, StripeCases
from app.sandbox.stripe_clock import StripeClock
from app.sandbox.stripe_desk import StripeDesk
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_events import StripeEvents
from app.sandbox.stripe_lists import StripeLists
from app.sandbox.stripe_payments import StripePayments
from app.sandbox.stripe_refunds import StripeRefunds
from app.sandbox.stripe_sessions import StripeSessions
from app.sandbox.stripe_store import StripeStore
from app.sandbox.webhooks import Webhooks
from app.sandbox.world import World


class Stripe:
    def __init__(
        self, accounts: Sequence[Account], book: Book, faults: Faults, webhooks: Webhooks, world: World
    ) -> None:
        self.book, self.faults, self.world = book, faults, world
        self.store = StripeStore(book)
        events = StripeEvents(self.store, webhooks, faults, world)
        self.cases = StripeCases(accounts, book, self.store, events, world)
        self.payments = StripePayments(self.cases, world)
        self.captures = StripeCaptures(world)
        self.sessions = StripeSessions(self.cases, self.payments, self.captures, world)
        self.refunds = StripeRefunds(self.cases, world)
        self.clock = StripeClock(self.cases, self.sessions, self.captures, self.refunds, world)
        self.lists = StripeLists(self.cases, self.store, book)
        self.desk = StripeDesk(self.cases, self.lists, self.clock, events, faults, book, world)

    def case(self, account: Account, kind: str, object_id: str) -> Case:
        """The payment of this merchant that the object belongs to. Raises resource_missing."""
        found = self.store.find(kind, account.merchant, object_id) and self.cases.of_object(object_id)
        if not found:
            raise StripeError("resource_missing", f"No such {kind}: '{object_id}'", kind.rpartition(".")[2])
        return found

    def known(self, pg_id: str) -> Case:
        """A payment of any merchant as it is now, by its id in the ledger. Raises resource_missing."""
        self.clock.tick()
        return self.cases.load(pg_id)

    def reference(self, object_id: str | None) -> str | None:
        """The merchant's own id of the payment that the object belongs to."""
        case = self.cases.of_object(object_id) if object_id else None
        return case.payment.reference if case else None
