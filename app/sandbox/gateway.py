"""What the sandbox's own parts (console, ledger, faults, webhooks) know of a gateway: the seam between the dialects."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from litestar.types import ControllerRouterHandler

from app.sandbox.book import Book, Payment
from app.sandbox.faults import Faults
from app.sandbox.webhooks import Manner, Webhooks
from app.sandbox.world import World


class GatewayError(Exception):
    """What a gateway answers to a call that it refuses: an answer like any other, not a failure of the sandbox."""


class ConsoleRefused(Exception):
    """The gateway's console will not do it to this payment now; the message says why, `status` is what HTTP answers."""

    def __init__(self, message: str, status: int = 409) -> None:
        super().__init__(message)
        self.status = status


class Gateway(Protocol):
    """One PG played here.

    It serves `GET /window/{provider}/{pg_id}`, what the buyer sees of a payment, and `POST
    /window/{provider}/{pg_id}/account` with the form field `action`: one of `verbs`, done at once, then back there.
    """

    provider: ClassVar[str]
    # The error codes that a fault of the kind "error" may ask for.
    codes: ClassVar[Collection[str]]
    handlers: ClassVar[Sequence[ControllerRouterHandler]]

    @staticmethod
    def read_account(raw: Mapping[str, Any]) -> Any:
        """An account as `create_sandbox` is given it; ValueError for a live key."""
        ...

    @staticmethod
    def manner(accounts: Sequence[Any]) -> Manner:
        """How it sends webhooks to these accounts."""
        ...

    def __init__(
        self, accounts: Sequence[Any], book: Book, faults: Faults, webhooks: Webhooks, world: World
    ) -> None: ...

    @property
    def parts(self) -> Mapping[str, Any]:
        """What its handlers get injected, by names that no other gateway uses."""
        ...

    def refresh(self, payment: Payment) -> Payment:
        """The payment as it is now, expired first where its time is over."""
        ...

    def how_far(self, payment: Payment) -> int:
        """A rank: of several payments with one reference, the console means the one that got furthest."""
        ...

    def refund(self, payment: Payment, amount: int | None) -> None:
        """A refund by the merchant's own hand; None for the whole balance. Raises ConsoleRefused."""
        ...

    def verbs(self, payment: Payment) -> Mapping[str, str]:
        """What the bank or the console can do to it now, with the words on the buttons."""
        ...

    def act(self, verb: str, payment: Payment) -> None:
        """Do it. Raises ConsoleRefused, also for a verb that this gateway does not know."""
        ...
