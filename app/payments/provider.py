"""The contract between Sellog and a payment gateway: a small Protocol and the frozen values that cross it.

A provider speaks httpx and returns values. It knows no table, no template and no web framework.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Literal, Protocol

import httpx

from app.money import Money


@dataclass(frozen=True, slots=True)
class Way:
    """A way to pay, as the checkout offers it."""

    label: str
    icon: Literal["card", "wallet", "bank", "globe"]
    # The least total, in minor units by currency, that the PG takes this way. A currency not named is not taken.
    minimum: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Traits:
    """What is always true of a PG: data that the pages, the CSP header and the reconciler read."""

    label: str
    ways: Mapping[str, Way]
    # From the opening of its window until it can no longer take money for it.
    window: timedelta
    # Whether money moves only by our confirm, so that a payment never confirmed can be closed by us alone.
    confirm_moves_money: bool
    # How long the PG remembers an idempotency key.
    key_window: timedelta
    script_hosts: tuple[str, ...]
    connect_hosts: tuple[str, ...]
    frame_hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A shop's contract with a PG, opened: `credentials` are in the clear, so it is never logged or stored."""

    provider: str
    mode: Literal["test", "live"]
    # Empty where the PG's name for the merchant is not known.
    merchant: str
    credentials: Mapping[str, str] = field(repr=False)
    api_base: str = ""
    sdk_url: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a provider needs to know of one of our payments."""

    reference: str
    money: Money
    way: str
    order_name: str
    customer_email: str = field(repr=False)
    pg_payment_id: str | None = None
    # The ordinal of the idempotency key that a confirm uses.
    confirm_try: int = 1


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the PG sends the shopper back; absolute."""

    success: str
    failure: str


@dataclass(frozen=True, slots=True)
class Widget:
    """Method B: a browser SDK opens the PG's window. `params` is what the page's script gets, as JSON."""

    template: str
    sdk_url: str
    params: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Notice:
    """What came back with the shopper's browser, free of any framework. Nothing in it is believed."""

    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as it came. Header names are in lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """What a webhook is about. It never says that money moved: it is a reason to ask.

    `delivery` is the PG's name for this webhook, the same when it is sent again.
    """

    delivery: str
    reference: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a return says: which payment it means. It never says that money moved.

    `key` is the PG's name for the payment; `failure` the PG's code where the shopper came back without paying, and
    `left` whether they closed the window themselves.
    """

    reference: str | None
    key: str | None = None
    amount: int | None = None
    failure: str | None = None
    left: bool = False


class OutcomeStatus(StrEnum):
    """The PG's word for a payment, in ours."""

    OPEN = "open"
    AUTHORIZED = "authorized"
    PROCESSING = "processing"
    AWAITING_DEPOSIT = "awaiting_deposit"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The PG's truth about one payment, in our words. Amounts are in minor units of `currency`.

    `closed` says that the PG can no longer take money for it. `retry_key` says that the PG stored an error under the
    last key while the payment can still be confirmed: the next confirm needs a new one.
    """

    status: OutcomeStatus
    reference: str
    merchant: str
    live: bool
    amount: int
    currency: str
    captured: int = 0
    refunded: int = 0
    pg_payment_id: str | None = None
    method: str | None = None
    paid_at: datetime | None = None
    receipt_url: str | None = None
    failure: str | None = None
    closed: bool = False
    retry_key: bool = False
    # Our references of the refunds that the PG has done, found at the end of their reasons.
    refunds: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """A refund as we want it: `balance` is what we believe to be left before it; the PG refuses if it is not."""

    reference: str
    money: Money
    reason: str
    balance: int
    attempt: int


class Unreadable(Exception):
    """A return or a webhook that cannot be understood: not a failure of the payment."""


class Unreachable(Exception):
    """No answer, or an answer that says nothing about the payment. It may or may not have happened: ask again."""


class Misconfigured(Exception):
    """The PG refuses our keys: nothing happened, nor will until the owner mends them. `str()` is the PG's code."""


class Refused(Exception):
    """The PG refuses a refund for good. `str()` is the PG's code."""


class Provider(Protocol):
    """One PG. Built for each use: `Provider(account, http)`."""

    traits: ClassVar[Traits]

    def __init__(self, account: Account, http: httpx.AsyncClient) -> None: ...

    async def begin(self, attempt: Attempt, urls: Urls) -> Widget:
        """How the shopper is handed over. Safe to repeat."""
        ...

    def read(self, notice: Notice) -> Claim:
        """What a return claims. Raises Unreadable."""
        ...

    def hear(self, delivery: Delivery) -> Heard | None:
        """What a webhook is about; None: authentic, but nothing for us. Raises Unreadable."""
        ...

    async def examine(self, attempt: Attempt, claim: Claim) -> Outcome:
        """What the PG says of the very payment that the claim names, before anything is confirmed.

        Raises Unreadable where the PG knows no such payment, Unreachable, Misconfigured.
        """
        ...

    async def conclude(self, attempt: Attempt, claim: Claim | None) -> Outcome:
        """With a claim: confirm, where that moves the money; without: look up.

        Raises Unreachable where this call may have moved money, Misconfigured where it has not.
        """
        ...

    async def close(self, attempt: Attempt) -> Outcome:
        """Make it unpayable where the PG can, and say how it stands then. Raises Unreachable, Misconfigured."""
        ...

    async def refund(self, request: RefundRequest, attempt: Attempt) -> Outcome:
        """Send money back. Raises Refused, Unreachable, Misconfigured."""
        ...
