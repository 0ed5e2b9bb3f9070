"""Logins: which browsers are signed in. A browser holds an opaque token that we made; we hold its hash."""

import hashlib
from datetime import timedelta
from uuid import UUID

from app import clock
from app.database import require_transaction
from app.owners.tables import Login, Owner

# A browser that was not seen for so long is signed out.
IDLE = timedelta(days=30)
NOTED_EVERY = timedelta(hours=1)


async def open_login(owner_id: UUID) -> str:
    """A new token for a browser, in the caller's transaction."""
    require_transaction()
    token, now = clock.new_token(), clock.now()
    login = Login(owner=owner_id, token_hash=hash_of(token), created_at=now, seen_at=now, expires_at=now + IDLE)
    await Login.insert(login)
    return token


async def find_owner_of_login(token: str) -> Owner | None:
    """Who is signed in with this token. To be seen keeps a login alive; that is written once an hour."""
    if not token:
        return None
    now = clock.now()
    is_open = (Login.token_hash == hash_of(token)) & Login.ended_at.is_null() & (Login.expires_at > now)
    login = await Login.objects(Login.owner).where(is_open).first()
    if login is None:
        return None
    if now - login.seen_at >= NOTED_EVERY:
        await Login.update({Login.seen_at: now, Login.expires_at: now + IDLE}).where(is_open)
    return login.owner


async def end_login(token: str) -> None:
    """Signs this browser out. Nothing when it was."""
    ended = {Login.ended_at: clock.now()}
    await Login.update(ended).where(Login.token_hash == hash_of(token), Login.ended_at.is_null())


async def end_logins_of(owner_id: UUID) -> None:
    """Signs every browser of this owner out, in the caller's transaction."""
    require_transaction()
    await Login.update({Login.ended_at: clock.now()}).where(Login.owner == owner_id, Login.ended_at.is_null())


def hash_of(token: str) -> str:
    """What we keep of a token: who reads the database cannot use it."""
    return hashlib.sha256(token.encode()).hexdigest()
