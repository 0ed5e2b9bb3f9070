"""What only PortOne remembers: amounts registered before the window, access tokens, and whose webhooks are whose."""

import json
from datetime import datetime
from typing import Any

from app.sandbox.book import Book, Webhook

PROVIDER = "portone"
TABLES = """
CREATE TABLE IF NOT EXISTS portone_registrations (
    store TEXT, payment_id TEXT, body TEXT, PRIMARY KEY (store, payment_id));
CREATE TABLE IF NOT EXISTS portone_tokens (token TEXT PRIMARY KEY, kind TEXT, api_secret TEXT, until REAL);
CREATE INDEX IF NOT EXISTS webhooks_by_reference ON webhooks (provider, reference);
"""


class PortOneBook:
    """Tables of PortOne's own, in the same file as the rest."""

    def __init__(self, book: Book) -> None:
        self.book = book
        book.database.executescript(TABLES)

    def register(self, store: str, payment_id: str, body: dict[str, Any]) -> None:
        """[U] A second registration takes the place of the first."""
        values = (store, payment_id, json.dumps(body))
        self.book.database.execute("INSERT OR REPLACE INTO portone_registrations VALUES (?, ?, ?)", values)

    def registration(self, store: str, payment_id: str) -> dict[str, Any]:
        """What the shop's server has laid down for this payment: nothing, or some of the values of the window."""
        rows = self.book.database.execute(
            "SELECT body FROM portone_registrations WHERE store = ? AND payment_id = ?", (store, payment_id)
        )
        row = rows.fetchone()
        return json.loads(row[0]) if row else {}

    def keep_token(self, token: str, kind: str, api_secret: str, until: datetime) -> None:
        values = (token, kind, api_secret, until.timestamp())
        self.book.database.execute("INSERT INTO portone_tokens VALUES (?, ?, ?, ?)", values)

    def owner_of_token(self, token: str, kind: str, now: datetime) -> str | None:
        """The API secret that a token stands for, while it lives."""
        rows = self.book.database.execute(
            "SELECT api_secret FROM portone_tokens WHERE token = ? AND kind = ? AND until > ?",
            (token, kind, now.timestamp()),
        )
        row = rows.fetchone()
        return row[0] if row else None

    def drop_tokens(self, kind: str, api_secret: str) -> None:
        self.book.database.execute("DELETE FROM portone_tokens WHERE kind = ? AND api_secret = ?", (kind, api_secret))

    def webhooks(self, payment_id: str) -> dict[str, Webhook]:
        """Everything that was to be sent about a paymentId, by `webhook-id`."""
        rows = self.book.database.execute(
            "SELECT id FROM webhooks WHERE provider = ? AND reference = ? ORDER BY id", (PROVIDER, payment_id)
        )
        found = [self.book.webhook(number) for (number,) in rows.fetchall()]
        return {webhook.headers["webhook-id"]: webhook for webhook in found if webhook}
