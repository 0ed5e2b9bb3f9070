"""The way of an order's money, row by row: when, by which door, what the PG said, what was compared and decided."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.checkout.order_page import WORDS
from app.language import Translator
from app.money import CURRENCIES, Money
from app.orders.tables import Order
from app.owners.timeline_words import (
    AMOUNTS,
    BAD,
    CAME_BACK,
    DISPUTED,
    DOORS,
    FACTS,
    GONE_BACK,
    NO,
    ORDER_CAME,
    ORDER_MOVED,
    PAYMENT_BEGAN,
    PAYMENT_MOVED,
    PAYMENT_WORDS,
    REFUND_MOVED,
    REFUND_WORDS,
    REFUSED,
    WHY,
    YES,
)
from app.payments.asking import INSTEAD_OF
from app.payments.providers import PROVIDERS
from app.payments.states import Cause, PaymentStatus
from app.payments.tables import Payment, PaymentEvent, Refund


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that stands in the evidence; `ours` is what it was compared with, where it was."""

    label: str
    said: str | Money
    ours: str | Money = ""
    agrees: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One row, in the page's language."""

    at: datetime
    title: str
    door: str
    # From which state to which.
    before: str = ""
    after: str = ""
    money: Money | None = None
    note: str = ""
    facts: tuple[Fact, ...] = ()
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Trail:
    """What the steps of an order are told from."""

    order: Order
    payments: Sequence[Payment]
    refunds: Sequence[Refund]
    events: Sequence[PaymentEvent]

    @property
    def asked_again(self) -> set[str]:
        """The failed refunds that another one stands for."""
        asked = (json.loads(event.evidence) for event in self.events if event.cause == Cause.OWNER)
        return {evidence[INSTEAD_OF] for evidence in asked if INSTEAD_OF in evidence}

    def steps(self, _: Translator) -> list[Step]:
        """Oldest first."""
        begun = [
            Step(
                payment.created_at,
                _(PAYMENT_BEGAN),
                _(DOORS[Cause.SHOPPER]),
                money=payment.money,
                note=f"{_(PROVIDERS[payment.provider].traits.label)} · {_way(payment, _)}",
            )
            for payment in self.payments
        ]
        came = Step(self.order.created_at, _(ORDER_CAME), _(DOORS[Cause.SHOPPER]), money=self.order.total)
        told = [self._step(event, _) for event in self.events]
        return sorted([came, *begun, *told], key=lambda step: step.at)

    def _step(self, event: PaymentEvent, _: Translator) -> Step:
        evidence = json.loads(event.evidence)
        payment = next((payment for payment in self.payments if payment.id == event.payment), None)
        refund = self._refund(evidence)
        before = self._sums_before(event)
        title, states = _title(event, evidence, before)
        return Step(
            at=event.at,
            title=_(title),
            door=_door(event, refund, _),
            before=_(states.get(event.from_status, event.from_status)) if event.from_status else "",
            after=_(states.get(event.to_status, event.to_status)) if event.to_status and event.from_status else "",
            money=_money(evidence, payment, event, before),
            note=refund.reason if refund and event.from_status is None else "",
            facts=tuple(_facts(evidence, payment, _)),
            tone="bad" if event.subject in ("refused", "dispute") or event.to_status in BAD else "",
        )

    def _sums_before(self, event: PaymentEvent) -> Mapping[str, object]:
        """What the PG had said of the same payment when the event came."""
        told: Mapping[str, object] = {}
        for earlier in self.events:
            if earlier.id == event.id:
                break
            if (earlier.subject, earlier.payment) == ("payment", event.payment):
                told = json.loads(earlier.evidence)
        return told

    def _refund(self, evidence: Mapping[str, object]) -> Refund | None:
        return next((refund for refund in self.refunds if str(refund.id) == evidence.get("refund")), None)


async def load_trail(order: Order, payments: Sequence[Payment], refunds: Sequence[Refund]) -> Trail:
    events = await PaymentEvent.objects().where(PaymentEvent.order == order.id).order_by(PaymentEvent.id)
    return Trail(order, payments, refunds, events)


def _title(
    event: PaymentEvent, evidence: Mapping[str, object], before: Mapping[str, object]
) -> tuple[str, Mapping[str, str]]:
    """A sentence for the row, and the words of the states that it moved between."""
    if event.subject == "payment":
        if change := _refunded_more(event, evidence, before):
            is_all = _sum(evidence, "refunded") >= _sum(evidence, "captured")
            back = PaymentStatus.REFUNDED if is_all else PaymentStatus.PARTIALLY_REFUNDED
            return PAYMENT_MOVED[back] if change > 0 else CAME_BACK, PAYMENT_WORDS
        return PAYMENT_MOVED.get(event.to_status, ORDER_MOVED), PAYMENT_WORDS
    if event.subject == "order":
        return ORDER_MOVED, {key: words[0] for key, words in WORDS.items()}
    if event.subject == "refund":
        return REFUND_MOVED.get(event.to_status, ORDER_MOVED), REFUND_WORDS
    if event.subject == "dispute":
        return DISPUTED, {}
    return WHY.get(str(evidence.get("why")), REFUSED), {}


def _door(event: PaymentEvent, refund: Refund | None, _: Translator) -> str:
    door = _(DOORS.get(event.cause, event.cause))
    by = refund.requested_by if refund and event.cause == Cause.OWNER else None
    return f"{door} · {by}" if by else door


def _refunded_more(event: PaymentEvent, evidence: Mapping[str, object], before: Mapping[str, object]) -> int:
    """By how much the sum that has gone back grew or fell, in a row that leaves the payment's state as it was."""
    return _sum(evidence, "refunded") - _sum(before, "refunded") if event.from_status == event.to_status else 0


def _sum(evidence: Mapping[str, object], name: str) -> int:
    amount = evidence.get(name)
    return amount if type(amount) is int else 0


def _money(
    evidence: Mapping[str, object], payment: Payment | None, event: PaymentEvent, before: Mapping[str, object]
) -> Money | None:
    """What the row is about: what the PG took, what of it has gone back by then, what of that came back again, or a
    refund's sum. One in an unknown currency is left to the facts.
    """
    amount = evidence.get("amount")
    if event.subject == "payment":
        change = _refunded_more(event, evidence, before)
        has_gone = change > 0 or event.to_status in GONE_BACK
        amount = -change if change < 0 else evidence.get("refunded" if has_gone else "captured")
    currency = evidence.get("currency") or (payment.currency if payment else None)
    if type(amount) is not int or not amount or event.subject == "refused":
        return None
    return Money(amount, str(currency)) if currency in CURRENCIES else None


def _facts(evidence: Mapping[str, object], payment: Payment | None, _: Translator) -> list[Fact]:
    facts = []
    for name, label in FACTS.items():
        said = evidence.get(name)
        if said is None or said == "":
            continue
        ours = _ours(name, payment) if "pg_status" in evidence else None
        facts.append(
            Fact(
                _(label),
                _said(name, said, evidence, payment, _),
                "" if ours is None else _said(name, ours, {}, payment, _),
                ours is None or ours == said,
            )
        )
    return facts


def _ours(name: str, payment: Payment | None) -> object:
    """What our row says of the same thing."""
    return getattr(payment, name) if payment and name in ("reference", "amount", "currency") else None


def _said(
    name: str, value: object, evidence: Mapping[str, object], payment: Payment | None, _: Translator
) -> str | Money:
    if isinstance(value, bool):
        return _(YES if value else NO)
    currency = evidence.get("currency") or (payment.currency if payment else None)
    if name in AMOUNTS and type(value) is int and currency in CURRENCIES:
        return Money(value, str(currency))
    if name == "why":
        return _(WHY.get(str(value), str(value)))
    return str(value)


def _way(payment: Payment, _: Translator) -> str:
    way = PROVIDERS[payment.provider].traits.ways.get(payment.way)
    return _(way.label) if way else payment.way
