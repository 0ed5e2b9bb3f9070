"""How PortOne writes moments, and the ids that begin with one."""

import re
from datetime import UTC, datetime, timedelta, timezone

from app.sandbox.world import World

KST = timezone(timedelta(hours=9))
DUE_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, in milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_stamp(text: object) -> datetime | None:
    """The moment of an RFC 3339 text; None if it is none, or has no offset."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def read_due_date(text: object) -> datetime | None:
    """The moment of the SDK's "YYYY-MM-DD HH:mm:ss". [U] That it is Korean time."""
    if not (isinstance(text, str) and DUE_DATE.fullmatch(text)):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=KST)
    except ValueError:
        return None


def new_id(world: World) -> str:
    """A UUID of version 7, as PortOne's own ids are: the millisecond, then chance."""
    millisecond = int(world.now().timestamp() * 1000) & (1 << 48) - 1
    chance = world.chance.getrandbits(74)
    number = millisecond << 80 | 7 << 76 | (chance >> 62) << 64 | 2 << 62 | chance & (1 << 62) - 1
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
