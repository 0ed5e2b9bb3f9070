"""The one seam for time and entropy: tests and the simulation replace what stands here, and nothing else.

Callers write `clock.now()`, never `from app.clock import now`, so that a replacement reaches all of them.
"""

import base64
import os
import time
from datetime import UTC, datetime
from uuid import UUID


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.fromtimestamp(time.time(), UTC)


def ticks() -> float:
    """Seconds from an unknown beginning, for measuring how long something took."""
    return time.perf_counter()


def entropy(size: int) -> bytes:
    """`size` unguessable bytes."""
    return os.urandom(size)


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562 §5.7): its first 48 bits are the time, so that keys grow as rows are added."""
    milliseconds = int(now().timestamp() * 1000)
    number = (milliseconds << 80) | int.from_bytes(entropy(10), "big")
    number = (number & ~(0xF << 76)) | (0x7 << 76)
    number = (number & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=number)


def first_id(moment: datetime) -> UUID:
    """No id that `new_id` makes at `moment` or later is smaller, and every earlier one is."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (0x7 << 76) | (0x2 << 62))


def new_token() -> str:
    """128 unguessable bits for a link, as 22 characters that need no escaping in a URL."""
    return base64.urlsafe_b64encode(entropy(16)).rstrip(b"=").decode()


_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_reference() -> str:
    """Our name for a payment at every PG: 26 characters `[0-9A-Z]`, the only form that all of them take."""
    number = new_id().int
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
