"""Stripe as the sandbox's console sees it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from app.sandbox import stripe_account, stripe_console, stripe_events
from app.sandbox.book import Book, Payment
from app.sandbox.faults import Faults
from app.sandbox.gateway import ConsoleRefused
from app.sandbox.stripe import (
    StripeChargesApi,
    StripeDisputesApi,
    StripeEventsApi,
    StripeMovementsApi,
    StripeRestApi,
    StripeSessionsApi,
)
from app.sandbox.stripe_account import PROVIDER, Account
from app.sandbox.stripe_cases import Case
from app.sandbox.stripe_errors import CODES, StripeError
from app.sandbox.stripe_moves import StripeIntentsApi, StripeRefundsApi
from app.sandbox.stripe_parts import Stripe
from app.sandbox.stripe_sdk import StripeSdk
from app.sandbox.stripe_window import StripeWindow
from app.sandbox.webhooks import Manner, Webhooks
from app.sandbox.world import World

RANKS = {"open": 1, "requires_action": 2, "requires_capture": 3, "processing": 3}


class StripeGateway:
    provider = PROVIDER
    codes = CODES
    handlers: ClassVar = [
        StripeSessionsApi,
        StripeIntentsApi,
        StripeRefundsApi,
        StripeChargesApi,
        StripeDisputesApi,
        StripeEventsApi,
        StripeMovementsApi,
        StripeRestApi,
        StripeSdk,
        StripeWindow,
    ]

    @staticmethod
    def read_account(raw: Mapping[str, Any]) -> Account:
        return stripe_account.read_account(raw)

    @staticmethod
    def manner(accounts: Sequence[Account]) -> Manner:
        return stripe_events.manner(accounts)

    def __init__(
        self, accounts: Sequence[Account], book: Book, faults: Faults, webhooks: Webhooks, world: World
    ) -> None:
        self.book = book
        self.stripe = Stripe(accounts, book, faults, webhooks, world)

    @property
    def parts(self) -> Mapping[str, Any]:
        return {"stripe": self.stripe}

    def refresh(self, payment: Payment) -> Payment:
        self.stripe.clock.tick()
        return self.book.find(PROVIDER, payment.pg_id) or payment

    def how_far(self, payment: Payment) -> int:
        """Over without money, open, asked for 3D Secure, authorised or on its way, captured."""
        if payment.captured:
            return 4
        return RANKS.get(payment.status, 1 if payment.status.startswith("requires_") else 0)

    def refund(self, payment: Payment, amount: int | None) -> None:
        stripe_console.refund(self.stripe, self._case(payment), amount)

    def verbs(self, payment: Payment) -> Mapping[str, str]:
        # A payment of an account that this sandbox was started without can only be looked at.
        is_known = self.stripe.cases.is_known(payment.pg_id)
        return stripe_console.possible(self._case(payment)) if is_known else {}

    def act(self, verb: str, payment: Payment) -> None:
        stripe_console.act(self.stripe, verb, self._case(payment))

    def _case(self, payment: Payment) -> Case:
        try:
            return self.stripe.cases.load(payment.pg_id)
        except StripeError as error:
            raise ConsoleRefused(error.message, error.status) from None
