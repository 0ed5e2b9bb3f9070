"""Which of the received webhooks somebody wants to see, as the address of a page says it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode
from uuid import UUID

from piccolo.query.methods.objects import Objects

from app.language import N_
from app.payments.statements import day_of
from app.payments.tables import InboxEvent

STATUSES = {
    "": N_("전체"),
    "waiting": N_("처리할 것"),
    "handled": N_("처리한 것"),
    "error": N_("결제와 맞지 않은 것"),
    "verified": N_("서명이 확인된 것"),
    "unverified": N_("확인되지 않은 것"),
}

CONDITIONS = {
    "waiting": InboxEvent.handled_at.is_null(),
    "handled": InboxEvent.handled_at.is_not_null(),
    "error": InboxEvent.error.is_not_null(),
    "verified": InboxEvent.is_verified.eq(True),
    "unverified": InboxEvent.is_verified.eq(False),
}

FIELDS = ("status", "since", "until")


class BadDay(ValueError):
    """What was typed is no day."""


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """A status, and the first and the last day, as they were typed; empty is any."""

    status: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, raw: Mapping[str, str]) -> "InboxFilter":
        """A status that is none counts as any."""
        status = raw["status"] if raw["status"] in CONDITIONS else ""
        return cls(status, raw["since"].strip(), raw["until"].strip())

    def but(self, status: str) -> str:
        """The query of the same days in another status."""
        return InboxFilter(status, self.since, self.until).query

    @property
    def query(self) -> str:
        return urlencode({name: value for name in FIELDS if (value := getattr(self, name))})

    def apply(self, accounts: Collection[UUID], time_zone: str) -> Objects[InboxEvent]:
        """The events of these accounts, of which there is at least one. Raises BadDay."""
        events = InboxEvent.objects().where(InboxEvent.account.is_in(list(accounts)))
        if self.status:
            events = events.where(CONDITIONS[self.status])
        if self.since:
            events = events.where(InboxEvent.received_at >= day_of(read_day(self.since), time_zone).since)
        if self.until:
            events = events.where(InboxEvent.received_at < day_of(read_day(self.until), time_zone).until)
        return events


def read_day(text: str) -> date:
    """A day such as 2026-11-22. Raises BadDay."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadDay from None
    # Near its ends the calendar has no day before or after.
    if len(text) != 10 or not 2000 <= day.year <= 2999:
        raise BadDay
    return day
