"""Forgetting: the sweep that clears away what signing in has left behind."""

from datetime import timedelta

from piccolo.columns.combination import And, Where

from app import clock
from app.owners import throttling
from app.owners.tables import Export, Login, PasswordReset
from app.rows import Row

# So long after their time somebody may still ask what they were.
KEPT = timedelta(days=7)
# At a time, so that nobody waits for the database's writer.
AT_ONCE = 100


async def forget_old() -> None:
    """Logins, links and exports whose time is long over, however they ended, and the counts of browsers and networks
    that have tried nothing for a day.
    """
    now = clock.now()
    await _forget(Login, Login.expires_at < now - KEPT)
    await _forget(PasswordReset, PasswordReset.expires_at < now - KEPT)
    await _forget(Export, Export.seen_at < now - KEPT)
    while await throttling.clear_forgotten(now):
        pass


async def _forget(table: type[Row], is_old: And | Where) -> None:
    while rows := await table.select(table.id).where(is_old).order_by(table.id).limit(AT_ONCE):
        await table.delete().where(table.id.is_in([row["id"] for row in rows]), is_old)
