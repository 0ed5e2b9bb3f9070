"""The contract between Sellog and a payment gateway: a small Protocol and the frozen values that cross it.

A provider speaks httpx and returns values. It knows no table, no template and no web framework.
"""

from collections.abc import AsyncIterator, Mapping
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
    # Whether `close` makes every unpaid attempt unpayable; else its window closes by the PG's own clock alone.
    can_close: bool
    # How long the PG remembers an idempotency key.
    key_window: timedelta
    # Names in `Account.credentials`: the one that may be public and tells one contract from another, then the others.
    public_key: str
    secrets: tuple[str, ...]
    script_hosts: tuple[str, ...]
    connect_hosts: tuple[str, ...]
    frame_hosts: tuple[str, ...]
    # The banks that a deposit can be sent back to: the PG's codes, with names for people.
    banks: Mapping[str, str] = field(default_factory=dict)


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
    # How the shopper is handed over, where the PG knows both: A, a page of the PG's; B, its script in ours.
    handoff: Literal["redirect", "widget"] = "widget"
    # What the PG refused last time; None while it answers.
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a provider needs to know of one of our payments."""

    reference: str
    money: Money
    way: str
    order_name: str
    customer_email: str = field(repr=False)
    created_at: datetime
    # What `begin` got from the PG, and what the PG calls the payment.
    pg_session_id: str | None = None
    pg_payment_id: str | None = None
    # The ordinals of the idempotency keys that a beginning and a confirm use.
    begin_try: int = 1
    confirm_try: int = 1
    locale: Literal["ko", "en"] = "ko"


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the PG sends the shopper back; absolute."""

    success: str
    failure: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """Method A: the PG has made the payment, and the browser goes to its page."""

    url: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Widget:
    """Method B: a browser SDK opens the PG's window. `params` is what the page's script gets, as JSON.

    `session_id` is the PG's name for what it has made for us, where it has made something.
    """

    template: str
    sdk_url: str
    params: Mapping[str, object]
    session_id: str | None = None


Handoff = Redirect | Widget


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

    `delivery` is the PG's name for this webhook, the same when it is sent again. `reference` is ours, where it is
    told, else `pg_payment_id` says which payment is meant. `proof` is a secret that only the PG and our row know.
    """

    delivery: str
    kind: str
    reference: str | None
    pg_payment_id: str | None = None
    proof: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a return says: which payment it means. It never says that money moved.

    `reference` and `amount` are None where the PG's return does not tell them. `key` is what a confirm needs; without
    one there is nothing to confirm, only to look up. `failure` is the PG's code where the shopper came back without
    paying, and `left` whether they closed the window themselves.
    """

    reference: str | None
    key: str | None = field(default=None, repr=False)
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
class Deposit:
    """A virtual account that waits for the shopper's transfer. `bank` is a name for people."""

    bank: str
    number: str
    holder: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class BankAccount:
    """Where a deposit is sent back to; `bank` is one of the codes in `Traits.banks`."""

    bank: str
    number: str = field(repr=False)
    holder: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """A refund as the PG tells it. `reference` is ours; None for one that was made at the PG by hand."""

    pg_refund_id: str
    reference: str | None
    amount: int
    status: Literal["pending", "succeeded", "failed"]
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """A dispute as the PG tells it; `status` in the PG's word, `is_open` whether it is still to be decided."""

    pg_dispute_id: str
    status: str
    is_open: bool
    amount: int
    reason: str | None = None
    due_at: datetime | None = None


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
    deposit: Deposit | None = None
    # What a later webhook proves itself with; the PG may tell it only once.
    secret: str | None = field(default=None, repr=False)
    refunds: tuple[RefundSeen, ...] = ()
    disputes: tuple[DisputeSeen, ...] = ()


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """A refund as we want it: `balance` is what we believe to be left before it; the PG refuses if it is not.

    `attempt` is the ordinal of the idempotency key; `receiver` is wanted where a deposit goes back.
    """

    reference: str
    money: Money
    reason: str
    balance: int
    attempt: int
    receiver: BankAccount | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """A row of the PG's own list: money that came (`captured`) or went back (`refunded`), in minor units."""

    kind: Literal["captured", "refunded"]
    reference: str | None
    pg_payment_id: str
    pg_id: str
    amount: int
    currency: str
    at: datetime


class Unreadable(Exception):
    """A return or a webhook that cannot be understood: not a failure of the payment."""


class Unreachable(Exception):
    """No answer, or an answer that says nothing about the payment. It may or may not have happened: ask again."""


class Garbled(Unreachable):
    """An answer that we cannot read: no JSON, a missing field, an unknown status. `str()` holds nothing of it."""


class StoredError(Unreachable):
    """The PG has stored an error under the key and would only repeat it: the next try needs a new one."""


class Misconfigured(Exception):
    """The PG refuses our keys: nothing happened, nor will until the owner mends them. `str()` is the PG's code."""


class Refused(Exception):
    """The PG refuses a refund for good. `str()` is the PG's code."""


class NeedsReceiver(Exception):
    """A deposit goes back to a bank account, and none was given, or the PG does not take the one given."""


class Forged(Exception):
    """A webhook that does not prove that it comes from the PG: unsigned, wrongly signed, or too old."""


class NotSetUp(Exception):
    """The account has no secret to verify webhooks with: nothing is ever taken for authentic."""


class Over(Exception):
    """Nothing can be begun any more for this payment: it has ended at the PG, or its time has passed."""


class Provider(Protocol):
    """One PG. Built for each use: `Provider(account, http)`. Every call that asks the PG may raise Unreachable and
    Misconfigured.
    """

    traits: ClassVar[Traits]

    def __init__(self, account: Account, http: httpx.AsyncClient) -> None: ...

    @staticmethod
    def mode_of(credentials: Mapping[str, str]) -> Literal["test", "live"]:
        """Which money the keys move. ValueError says in a sentence what is wrong with them."""
        ...

    async def begin(self, attempt: Attempt, urls: Urls) -> Handoff:
        """How the shopper is handed over. Safe to repeat, with the same key. Raises Over, StoredError."""
        ...

    def read(self, notice: Notice) -> Claim:
        """What a return claims. Raises Unreadable."""
        ...

    def hear(self, delivery: Delivery) -> Heard | None:
        """What an authentic webhook is about; None: nothing for us. Raises NotSetUp, Forged, Unreadable."""
        ...

    async def examine(self, attempt: Attempt, claim: Claim) -> Outcome:
        """What the PG says of the very payment that a claim with a key names, before anything is confirmed.

        Raises Unreadable where the PG knows no such payment.
        """
        ...

    async def conclude(self, attempt: Attempt, claim: Claim | None) -> Outcome:
        """With a claim: confirm, which moves the money; without: look up.

        Raises Unreachable where this call may have moved money, Misconfigured where it has not.
        """
        ...

    async def close(self, attempt: Attempt) -> Outcome:
        """Make it unpayable where the PG can, and say how it stands then."""
        ...

    async def refund(self, request: RefundRequest, attempt: Attempt) -> Outcome:
        """Send money back, and say how the payment stands then. Raises Refused, NeedsReceiver."""
        ...

    def transactions(self, since: datetime, until: datetime) -> AsyncIterator[Transaction]:
        """The PG's own list of what moved money from `since` until before `until`, in no promised order."""
        ...
