"""The verdict over a world that has come to rest: its books, the PGs' ledger, and what people were told meanwhile."""

import sqlite3
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from app import clock
from app.checking import check_database, check_ledger
from app.payments.comparing import compare_day
from app.payments.providers import PROVIDERS
from app.payments.tables import Alert, Difference, ProviderAccount
from app.sandbox.control import entry_of

if TYPE_CHECKING:
    from app.simulation.stage import Stage

# A last look may be answered as late as this before the order ends.
LOOKING = 300.0


async def judge(stage: "Stage", database: sqlite3.Connection, delays: list[float]) -> None:
    """Adds a breach for each invariant that does not hold; `delays` grows by the seconds from each capture until its
    order was paid.
    """
    clerk = await stage.start_process("clerk")
    breaches = [
        *await clerk.run(check_database(clock.now(), settled=True)),
        *await clerk.run(check_ledger([entry_of(payment) for payment in stage.pgs.payments()])),
    ]
    for breach in breaches:
        stage.world.breach(f"{breach.invariant}: {breach.row} {breach.detail}")
    _judge_pages(stage, database)
    _judge_ends(stage, database)
    _judge_gate(stage, database)
    _judge_mails(stage, database)
    delays += _delays(stage, database)
    for row in database.execute(
        "SELECT DISTINCT subject, coalesce(from_status, ''), coalesce(to_status, '') FROM payment_events"
    ):
        stage.world.reached.add(row)


async def compare(stage: "Stage") -> None:
    """What the daily compare does: of webhooks that never came about closed payments, it alone hears."""
    clerk = await stage.start_process("clerk")
    zone = ZoneInfo("Asia/Seoul")
    days = sorted({datetime.fromtimestamp(move.at, zone).date() for move in stage.pgs.moves})
    for account in await clerk.run(_accounts()):
        for day in days:
            for difference in await clerk.run(_still_unknown(stage, account, day)):
                stage.world.breach(f"the lists differ: {difference.kind} {difference.reference}")


async def _still_unknown(stage: "Stage", account: ProviderAccount, day: date) -> list[Difference]:
    """Money that pays no order and cannot go back is on both lists; the owner has been told of it."""
    found = await compare_day(stage.gateways, account, day)
    told = await Alert.select(Alert.payment).where(Alert.closed_at.is_null())
    return [difference for difference in found if difference.payment not in {row["payment"] for row in told}]


async def _accounts() -> list[ProviderAccount]:
    return await ProviderAccount.objects().order_by(ProviderAccount.id)


def _judge_pages(stage: "Stage", database: sqlite3.Connection) -> None:
    """Nobody is told that nothing was taken while a PG holds their money."""
    for token, asked_at, said in stage.witness.denials:
        for reference in _references(database, "orders.token = ?", token):
            if stage.pgs.kept_at(reference, asked_at):
                stage.world.breach(f"a page said {said} of {token} while {reference} was captured")


def _judge_ends(stage: "Stage", database: sqlite3.Connection) -> None:
    """No order ends before the PGs were asked."""
    for order, at in _events(database, "order", "expired"):
        for reference in _references(database, "payments.status <> 'mismatch' AND payments.\"order\" = ?", order):
            if stage.pgs.kept_at(reference, at - LOOKING) and not stage.pgs.had_gone_back(reference, at):
                stage.world.breach(f"{order} expired although {reference} had been captured")


def _judge_gate(stage: "Stage", database: sqlite3.Connection) -> None:
    """Where our call takes the money, none is made for an order that is paid already."""
    paid: dict[str, float] = {}
    for order, at in _events(database, "order", "paid"):
        paid.setdefault(order, at)
    for payment, order, provider, at in database.execute(
        'SELECT payments.reference, payment_events."order", payments.provider, payment_events.at FROM payment_events'
        " JOIN payments ON payments.id = payment_events.payment JOIN refunds ON refunds.payment = payments.id"
        " WHERE subject = 'payment' AND to_status = 'confirming' AND refunds.kind = 'surplus'"
    ):
        if PROVIDERS[provider].traits.confirm_moves_money and paid.get(order, _seconds(at)) < _seconds(at):
            stage.world.breach(f"{payment} was confirmed although its order was paid")


def _judge_mails(stage: "Stage", database: sqlite3.Connection) -> None:
    # What was settled before its mail went out is not told any more.
    wanted = "SELECT message_id, status FROM messages WHERE coalesce(error, '') <> 'settled'"
    for message_id, status in database.execute(wanted):
        if status != "sent" or not stage.post_office.taken[message_id]:
            stage.world.breach(f"the mail {message_id} is {status}")


def _delays(stage: "Stage", database: sqlite3.Connection) -> list[float]:
    found = []
    for order, at in _events(database, "order", "paid"):
        for (reference,) in database.execute(
            "SELECT reference FROM payments JOIN orders ON orders.paid_by = payments.id WHERE orders.id = ?", (order,)
        ):
            captured_at = stage.pgs.captured_at(reference)
            if captured_at is not None:
                found.append(at - captured_at)
    return found


def _events(database: sqlite3.Connection, subject: str, to_status: str) -> list[tuple[str, float]]:
    rows = database.execute(
        'SELECT "order", at FROM payment_events WHERE subject = ? AND to_status = ? ORDER BY at', (subject, to_status)
    )
    return [(order, _seconds(at)) for order, at in rows.fetchall()]


def _references(database: sqlite3.Connection, where: str, value: str) -> list[str]:
    rows = database.execute(
        f'SELECT payments.reference FROM payments JOIN orders ON orders.id = payments."order" WHERE {where}', (value,)
    )
    return [reference for (reference,) in rows.fetchall()]


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
