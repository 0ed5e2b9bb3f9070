"""Toss as the sandbox's console sees it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from app.sandbox.book import Book, Payment
from app.sandbox.faults import Faults
from app.sandbox.gateway import ConsoleRefused
from app.sandbox.toss import TossApi
from app.sandbox.toss_cancels import TossCancels
from app.sandbox.toss_deposits import TossDeposits, possible
from app.sandbox.toss_desk import TossDesk
from app.sandbox.toss_errors import ERRORS, TossError
from app.sandbox.toss_payments import PROVIDER, Account, TossPayments, how_far
from app.sandbox.toss_webhooks import TOSS_MANNER, TossWebhooks
from app.sandbox.toss_window import TossSdk, TossWindow
from app.sandbox.webhooks import Manner, Webhooks
from app.sandbox.world import World

# What is taken too much when the fault `amount_changed` strikes, in won.
EXTRA = 1000


class TossGateway:
    provider = PROVIDER
    codes = ERRORS
    handlers: ClassVar = [TossApi, TossSdk, TossWindow]

    @staticmethod
    def read_account(raw: Mapping[str, Any]) -> Account:
        for name in ("client_key", "secret_key"):
            if raw[name].startswith("live_"):
                raise ValueError(f"the sandbox takes no live keys: {name} of {raw['merchant']} starts with live_")
        names = ("client_key", "secret_key", "merchant", "shop_name")
        return Account(*(raw[name] for name in names), webhook_url=raw.get("webhook_url"))

    @staticmethod
    def manner(accounts: Sequence[Account]) -> Manner:
        return TOSS_MANNER

    def __init__(
        self, accounts: Sequence[Account], book: Book, faults: Faults, webhooks: Webhooks, world: World
    ) -> None:
        def extra(reference: str) -> int:
            return EXTRA if faults.strike(PROVIDER, "begin", reference, ("amount_changed",)) else 0

        self.toss = TossPayments(accounts, book, world, TossWebhooks(accounts, webhooks, faults, world).tell, extra)
        self.cancels, self.deposits = TossCancels(self.toss), TossDeposits(self.toss)
        self.desk = TossDesk(self.toss, faults, book, world)

    @property
    def parts(self) -> Mapping[str, Any]:
        return {"toss": self.toss, "cancels": self.cancels, "deposits": self.deposits, "desk": self.desk}

    def refresh(self, payment: Payment) -> Payment:
        return self.toss.refresh(payment)

    def how_far(self, payment: Payment) -> int:
        return how_far(payment)

    def refund(self, payment: Payment, amount: int | None) -> None:
        try:
            self.cancels.refund_at_console(payment, amount)
        except TossError as error:
            raise ConsoleRefused(f"{error.code}: {error.message}", error.status) from None

    def verbs(self, payment: Payment) -> Mapping[str, str]:
        return possible(payment)

    def act(self, verb: str, payment: Payment) -> None:
        moves = {
            "deposit": self.deposits.deposit,
            "reverse": self.deposits.reverse,
            "complete": self.deposits.complete_refund,
        }
        if verb not in moves:
            raise ConsoleRefused(f"Toss knows no {verb!r}")
        moves[verb](payment)
