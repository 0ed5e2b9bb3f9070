"""Guessing takes time: whoever has tried too often waits, each time longer.

Tries are counted for one account from one network, and for one network over all accounts. A browser in which the
account's owner has signed in before has a count of its own instead: nobody who guesses elsewhere, or next to it, keeps
the owner out.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from app import clock
from app.database import require_transaction, write_transaction
from app.owners.tables import Guess

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
# A count that nobody added to for so long begins anew.
FORGOTTEN = timedelta(days=1)
# Forgotten counts that are cleared away at a time.
CLEARED = 100


class TooManyTries(Exception):
    """`wait` says how long nothing will be looked at."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__()
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Bucket:
    """Whom tries are counted for, and how many cost nothing."""

    name: str
    free: int
    # Whether one success shows that the tries before it were honest.
    is_cleared_by_success: bool = True

    @property
    def key(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    def wait_after(self, tries: int) -> timedelta:
        over = tries - self.free
        return timedelta(0) if over < 0 else min(FIRST_WAIT * 2 ** min(over, 10), LONGEST_WAIT)


def buckets_for_signing_in(email: str, address: str, device: str | None) -> list[Bucket]:
    """`device` is what a known browser of this very owner is called."""
    if device is not None:
        return [Bucket(f"device {device}", 5)]
    network = network_of(address)
    return [Bucket(f"account {network} {email}", 5), Bucket(f"network {network}", 30, is_cleared_by_success=False)]


def buckets_for_asking(address: str) -> list[Bucket]:
    """For asking for a mail."""
    return [Bucket(f"asking {network_of(address)}", 10)]


def buckets_for_changing(owner_id: UUID) -> list[Bucket]:
    """For the current password of who is signed in."""
    return [Bucket(f"changing {owner_id}", 5)]


def buckets_for_inviting(shop_id: UUID, email: str) -> list[Bucket]:
    """For making somebody a member, who gets a mail each time."""
    return [Bucket(f"invited {shop_id} {email}", 3), Bucket(f"inviting {shop_id}", 30)]


def network_of(address: str) -> str:
    """An IPv4 address itself; of IPv6 the /64, all of which one customer has."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(ip.ipv4_mapped or ip_network((ip, 64), strict=False))


async def admit(buckets: Sequence[Bucket]) -> None:
    """Counts a try before it is made, so that many at once are many. Raises TooManyTries, and then counts nothing."""
    now = clock.now()
    async with write_transaction():
        for bucket in sorted(buckets, key=lambda bucket: bucket.key):
            await _count(bucket, now)


async def forgive(buckets: Sequence[Bucket]) -> None:
    """The try was right: it does not count, in the caller's transaction."""
    require_transaction()
    now = clock.now()
    for bucket in sorted(buckets, key=lambda bucket: bucket.key):
        left = 0 if bucket.is_cleared_by_success else Guess.tries - 1
        counted = (Guess.bucket == bucket.key) & (Guess.tries > 0)
        await Guess.update({Guess.tries: left, Guess.free_at: now}).where(counted)
    await clear_forgotten(now)


async def _count(bucket: Bucket, now: datetime) -> None:
    rows = await Guess.raw(
        "INSERT INTO guesses (id, bucket, tries, tried_at, free_at) VALUES ({}, {}, 1, {}, {}) "
        "ON CONFLICT (bucket) DO UPDATE SET tried_at = EXCLUDED.tried_at, "
        "tries = CASE WHEN guesses.tried_at < {} THEN 1 ELSE guesses.tries + 1 END "
        "WHERE guesses.free_at <= EXCLUDED.tried_at RETURNING tries",
        clock.new_id(),
        bucket.key,
        now,
        now,
        now - FORGOTTEN,
    )
    if not rows:
        blocked = await Guess.objects().get(Guess.bucket == bucket.key)
        raise TooManyTries(blocked.free_at - now)
    if wait := bucket.wait_after(rows[0]["tries"]):
        await Guess.update({Guess.free_at: now + wait}).where(Guess.bucket == bucket.key)


async def clear_forgotten(now: datetime) -> int:
    """Some of what is forgotten, and how much it was; what another transaction counts on just now is left."""
    skip = " FOR UPDATE SKIP LOCKED" if Guess._meta.db.engine_type == "postgres" else ""
    cleared = await Guess.raw(
        "DELETE FROM guesses WHERE id IN "
        f"(SELECT id FROM guesses WHERE tried_at < {{}} LIMIT {CLEARED}{skip}) RETURNING id",
        now - FORGOTTEN,
    )
    return len(cleared)
