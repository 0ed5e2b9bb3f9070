"""Stripe's objects, kept as the API shows them, in the sandbox's own book."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.sandbox.book import Book
from app.sandbox.stripe_errors import StripeError

Document = dict[str, Any]
TABLES = """
CREATE TABLE IF NOT EXISTS stripe_objects (
    place INTEGER PRIMARY KEY, id TEXT UNIQUE, kind TEXT, merchant TEXT, pg_id TEXT, created INTEGER, body TEXT);
CREATE INDEX IF NOT EXISTS stripe_objects_by_payment ON stripe_objects (pg_id);
CREATE INDEX IF NOT EXISTS stripe_objects_by_kind ON stripe_objects (merchant, kind, place);
CREATE TABLE IF NOT EXISTS stripe_timers (pg_id TEXT PRIMARY KEY, due_at INTEGER);
CREATE INDEX IF NOT EXISTS stripe_timers_by_time ON stripe_timers (due_at);
"""


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for, newest first. `since` and `until` are Unix seconds, both included."""

    limit: int = 10
    after: str | None = None
    before: str | None = None
    since: int = 0
    until: int = 2**62


class StripeStore:
    """Everything that has an id. `pg_id` is the payment, by its id in the ledger, that an object belongs to."""

    def __init__(self, book: Book) -> None:
        self.database = book.database
        self.database.executescript(TABLES)

    def save(self, document: Document, merchant: str, pg_id: str) -> None:
        """Write a new object, or write over a known one."""
        self.database.execute(
            "INSERT INTO stripe_objects VALUES (NULL, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (document["id"], document["object"], merchant, pg_id, document["created"], json.dumps(document)),
        )

    def find(self, kind: str, merchant: str, object_id: str) -> Document | None:
        rows = self.database.execute(
            "SELECT body FROM stripe_objects WHERE id = ? AND kind = ? AND merchant = ?", (object_id, kind, merchant)
        )
        row = rows.fetchone()
        return json.loads(row[0]) if row else None

    def with_id(self, merchant: str, object_id: str) -> Document | None:
        """The merchant's object of any kind."""
        rows = self.database.execute(
            "SELECT body FROM stripe_objects WHERE id = ? AND merchant = ?", (object_id, merchant)
        )
        row = rows.fetchone()
        return json.loads(row[0]) if row else None

    def payment_of(self, object_id: str) -> str | None:
        """The id of the payment, in the ledger, that this object belongs to."""
        row = self.database.execute("SELECT pg_id FROM stripe_objects WHERE id = ?", (object_id,)).fetchone()
        return row[0] if row else None

    def of_payment(self, pg_id: str) -> list[Document]:
        """Its objects, oldest first, without events."""
        rows = self.database.execute(
            "SELECT body FROM stripe_objects WHERE pg_id = ? AND kind != 'event' ORDER BY place", (pg_id,)
        )
        return [json.loads(body) for (body,) in rows.fetchall()]

    def page(
        self, kind: str, merchant: str, page: Page, wanted: Callable[[Document], bool]
    ) -> tuple[list[Document], bool]:
        """The objects of one page, newest first, and whether there are more behind it."""
        rows = self._rows(kind, merchant, page)
        found: list[Document] = []
        for document in rows:
            if wanted(document):
                found.append(document)
            if len(found) > page.limit:
                break
        shown = found[: page.limit]
        return (shown[::-1] if page.before else shown), len(found) > page.limit

    def _rows(self, kind: str, merchant: str, page: Page) -> Iterator[Document]:
        border, order, place = "", "DESC", 0
        if page.after:
            border, place = "AND place < ?", self._place(kind, merchant, page.after, "starting_after")
        elif page.before:
            border, order = "AND place > ?", "ASC"
            place = self._place(kind, merchant, page.before, "ending_before")
        rows = self.database.execute(
            "SELECT body FROM stripe_objects WHERE merchant = ? AND kind = ? AND created BETWEEN ? AND ?"
            f" {border} ORDER BY place {order}",
            (merchant, kind, page.since, page.until, *([place] if border else [])),
        )
        return (json.loads(body) for (body,) in rows)

    def _place(self, kind: str, merchant: str, object_id: str, param: str) -> int:
        row = self.database.execute(
            "SELECT place FROM stripe_objects WHERE id = ? AND kind = ? AND merchant = ?", (object_id, kind, merchant)
        ).fetchone()
        if row is None:
            raise StripeError("resource_missing", f"No such {kind}: '{object_id}'", param)
        return int(row[0])

    def set_timer(self, pg_id: str, due_at: int | None) -> None:
        """The payment has to be looked at by then; None for never."""
        if due_at is None:
            self.database.execute("DELETE FROM stripe_timers WHERE pg_id = ?", (pg_id,))
        else:
            self.database.execute("INSERT OR REPLACE INTO stripe_timers VALUES (?, ?)", (pg_id, due_at))

    def due(self, now: datetime) -> list[str]:
        """The payments whose time has come, the longest due first."""
        rows = self.database.execute(
            "SELECT pg_id FROM stripe_timers WHERE due_at <= ? ORDER BY due_at", (int(now.timestamp()),)
        )
        return [pg_id for (pg_id,) in rows.fetchall()]
