"""What the sandbox remembers: payments, transactions, answers to idempotency keys, armed faults, webhooks, mails.

One SQLite file, or memory. Every call is a short synchronous statement, so that nothing else runs in between.
"""

import json
import sqlite3
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TABLES = """
CREATE TABLE IF NOT EXISTS payments (
    provider TEXT, pg_id TEXT, reference TEXT, body TEXT, PRIMARY KEY (provider, pg_id));
CREATE INDEX IF NOT EXISTS payments_by_reference ON payments (reference);
CREATE TABLE IF NOT EXISTS answers (scope TEXT PRIMARY KEY, at TEXT, status INTEGER, body TEXT);
CREATE TABLE IF NOT EXISTS faults (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT);
CREATE TABLE IF NOT EXISTS transactions (
    id INTEGER PRIMARY KEY, provider TEXT, merchant TEXT, key TEXT UNIQUE, at INTEGER, body TEXT);
CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY, provider TEXT, type TEXT, reference TEXT, url TEXT, headers TEXT, body TEXT,
    is_held INTEGER, attempts INTEGER, next_at REAL, answer);
CREATE INDEX IF NOT EXISTS webhooks_by_time ON webhooks (next_at) WHERE next_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS mails (
    id INTEGER PRIMARY KEY, at TEXT, message_id TEXT, sender TEXT, recipient TEXT, subject TEXT, body TEXT);
"""


@dataclass
class Payment:
    """One payment at one gateway. Amounts are minor units; `status` is the gateway's own word, taken at
    `moved_at`; `reference` is the merchant's id, `pg_id` the gateway's; `facts` hold what only
    this gateway knows.
    """

    provider: str
    merchant: str
    reference: str
    pg_id: str
    status: str
    currency: str
    amount: int
    opened_at: datetime
    moved_at: datetime
    captured: int = 0
    refunded: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def balance(self) -> int:
        """What was captured and is not refunded."""
        return self.captured - self.refunded


@dataclass(frozen=True)
class Answer:
    """The first answer to an idempotency key: given `at`, HTTP `status`, JSON `body`."""

    at: datetime
    status: int
    body: dict[str, Any]


@dataclass
class Webhook:
    """One message to a shop. `attempts` were made, the next is due at `next_at` (None: never again), `answer`
    is the last HTTP status or a word for why there was none. One that `is_held` lets others go first.
    """

    provider: str
    type: str
    reference: str
    url: str
    headers: dict[str, str]
    body: str
    is_held: bool = False
    attempts: int = 0
    next_at: datetime | None = None
    answer: int | str | None = None
    id: int | None = None


@dataclass(frozen=True)
class Mail:
    """A mail that the shop handed in, for one recipient; `body` is its plain text."""

    at: datetime
    message_id: str
    sender: str
    recipient: str
    subject: str
    body: str
    id: int | None = None


class Book:
    """Everything in one place; `path` None keeps it in memory."""

    def __init__(self, path: Path | None) -> None:
        # The app may be built in one thread and run in another; it never uses two at once.
        self.database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        # A killed process loses nothing this way; only a power cut would, and that is no loss here.
        self.database.execute("PRAGMA synchronous = OFF")
        self.database.executescript(TABLES)
        self._faults: list[tuple[int, dict[str, Any]]] | None = None

    def close(self) -> None:
        self.database.close()

    def save(self, payment: Payment) -> None:
        """Write a new payment, or write over the old state of a known one."""
        body = asdict(payment)
        for name in ("opened_at", "moved_at"):
            body[name] = body[name].isoformat()
        self.database.execute(
            "INSERT INTO payments VALUES (?, ?, ?, ?) ON CONFLICT (provider, pg_id) DO UPDATE SET body = excluded.body",
            (payment.provider, payment.pg_id, payment.reference, json.dumps(body)),
        )

    def find(self, provider: str, pg_id: str) -> Payment | None:
        found = self._payments("WHERE provider = ? AND pg_id = ?", provider, pg_id)
        return found[0] if found else None

    def with_reference(self, reference: str) -> list[Payment]:
        """Every payment that bears the merchant's id, newest first."""
        return self._payments("WHERE reference = ?", reference)

    def payments(self, limit: int = -1) -> list[Payment]:
        """All payments, or the last `limit`, newest first."""
        return self._payments("", limit=limit)

    def _payments(self, where: str, *values: str, limit: int = -1) -> list[Payment]:
        rows = self.database.execute(f"SELECT body FROM payments {where} ORDER BY rowid DESC LIMIT ?", (*values, limit))
        return [_payment(json.loads(body)) for (body,) in rows.fetchall()]

    def answer(self, scope: str) -> Answer | None:
        rows = self.database.execute("SELECT at, status, body FROM answers WHERE scope = ?", (scope,))
        row = rows.fetchone()
        return Answer(datetime.fromisoformat(row[0]), row[1], json.loads(row[2])) if row else None

    def keep_answer(self, scope: str, answer: Answer) -> None:
        self.database.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)",
            (scope, answer.at.isoformat(), answer.status, json.dumps(answer.body)),
        )

    def faults(self) -> list[tuple[int, dict[str, Any]]]:
        """Every armed fault with its id, oldest first."""
        if self._faults is None:
            rows = self.database.execute("SELECT id, body FROM faults ORDER BY id")
            self._faults = [(number, json.loads(body)) for number, body in rows.fetchall()]
        return self._faults

    def add_fault(self, body: dict[str, Any]) -> int:
        self._faults = None
        done = self.database.execute("INSERT INTO faults (body) VALUES (?)", (json.dumps(body),))
        return int(done.lastrowid or 0)

    def change_fault(self, number: int, body: dict[str, Any]) -> None:
        self._faults = None
        self.database.execute("UPDATE faults SET body = ? WHERE id = ?", (json.dumps(body), number))

    def drop_fault(self, number: int) -> None:
        self._faults = None
        self.database.execute("DELETE FROM faults WHERE id = ?", (number,))

    def drop_faults(self) -> None:
        self._faults = None
        self.database.execute("DELETE FROM faults")

    def add_transaction(self, provider: str, merchant: str, key: str, at: datetime, body: dict[str, Any]) -> None:
        """Money that moved. Gateways list it by whole seconds."""
        values = (provider, merchant, key, int(at.timestamp()), json.dumps(body))
        self.database.execute("INSERT INTO transactions VALUES (NULL, ?, ?, ?, ?, ?)", values)

    def transactions(
        self, provider: str, merchant: str, since: datetime, until: datetime, after: int, limit: int
    ) -> list[dict[str, Any]]:
        """The merchant's, from `since` to `until` (both included), those behind the place `after`, oldest first."""
        rows = self.database.execute(
            "SELECT body FROM transactions WHERE provider = ? AND merchant = ? AND at BETWEEN ? AND ? AND id > ?"
            " ORDER BY id LIMIT ?",
            (provider, merchant, int(since.timestamp()), int(until.timestamp()), after, limit),
        )
        return [json.loads(body) for (body,) in rows.fetchall()]

    def place_of_transaction(self, provider: str, merchant: str, key: str) -> int | None:
        rows = self.database.execute(
            "SELECT id FROM transactions WHERE provider = ? AND merchant = ? AND key = ?", (provider, merchant, key)
        )
        row = rows.fetchone()
        return row[0] if row else None

    def save_webhook(self, webhook: Webhook) -> None:
        """Write a new webhook, or what has become of a known one."""
        values = asdict(webhook) | {
            "headers": json.dumps(webhook.headers),
            "next_at": webhook.next_at.timestamp() if webhook.next_at else None,
        }
        self.database.execute(
            "INSERT INTO webhooks VALUES (:id, :provider, :type, :reference, :url, :headers, :body,"
            " :is_held, :attempts, :next_at, :answer) ON CONFLICT (id) DO UPDATE SET"
            " attempts = excluded.attempts, next_at = excluded.next_at, answer = excluded.answer",
            values,
        )

    def webhook(self, number: int) -> Webhook | None:
        found = self._webhooks("WHERE id = ?", number)
        return found[0] if found else None

    def webhooks(self) -> list[Webhook]:
        """All, oldest first."""
        return self._webhooks("ORDER BY id")

    def webhooks_due(self, now: datetime) -> list[Webhook]:
        """Those whose time has come, in the order in which they are to be sent."""
        return self._webhooks("WHERE next_at <= ? ORDER BY is_held, next_at, id", now.timestamp())

    def next_webhook_at(self) -> datetime | None:
        ((next_at,),) = self.database.execute("SELECT min(next_at) FROM webhooks WHERE next_at IS NOT NULL").fetchall()
        return None if next_at is None else datetime.fromtimestamp(next_at, UTC)

    def release_webhooks(self, provider: str, reference: str, now: datetime) -> None:
        """What was held back for this payment waits no longer."""
        self.database.execute(
            "UPDATE webhooks SET next_at = min(next_at, ?)"
            " WHERE provider = ? AND reference = ? AND is_held AND attempts = 0 AND next_at IS NOT NULL",
            (now.timestamp(), provider, reference),
        )

    def add_mail(self, mail: Mail) -> None:
        values = (mail.at.isoformat(), mail.message_id, mail.sender, mail.recipient, mail.subject, mail.body)
        self.database.execute("INSERT INTO mails VALUES (NULL, ?, ?, ?, ?, ?, ?)", values)

    def mail(self, number: int) -> Mail | None:
        found = self._mails("WHERE id = ?", number)
        return found[0] if found else None

    def mails(self, limit: int = -1) -> list[Mail]:
        """All mails, or the last `limit`, newest first."""
        return self._mails("", limit=limit)

    def _mails(self, where: str, *values: int, limit: int = -1) -> list[Mail]:
        rows = self.database.execute(f"SELECT * FROM mails {where} ORDER BY id DESC LIMIT ?", (*values, limit))
        return [Mail(datetime.fromisoformat(at), *texts, id=number) for number, at, *texts in rows.fetchall()]

    def _webhooks(self, where: str, *values: float) -> list[Webhook]:
        rows = self.database.execute(f"SELECT * FROM webhooks {where}", values)
        return [_webhook(row) for row in rows.fetchall()]


def _payment(body: dict[str, Any]) -> Payment:
    for name in ("opened_at", "moved_at"):
        body[name] = datetime.fromisoformat(body[name])
    return Payment(**body)


def _webhook(row: tuple[Any, ...]) -> Webhook:
    number, provider, kind, reference, url, headers, body, is_held, attempts, next_at, answer = row
    return Webhook(
        provider=provider,
        type=kind,
        reference=reference,
        url=url,
        headers=json.loads(headers),
        body=body,
        is_held=bool(is_held),
        attempts=attempts,
        next_at=None if next_at is None else datetime.fromtimestamp(next_at, UTC),
        answer=answer,
        id=number,
    )
