"""How Toss writes moments: Korean time, with its offset or without."""

import re
from datetime import datetime, timedelta, timezone

KST = timezone(timedelta(hours=9))
LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def stamp(moment: datetime) -> str:
    """With the offset, in whole seconds."""
    return moment.astimezone(KST).isoformat(timespec="seconds")


def local(moment: datetime) -> str:
    """Without the offset, in whole seconds."""
    return moment.astimezone(KST).strftime("%Y-%m-%dT%H:%M:%S")


def read_local(text: object) -> datetime | None:
    """The aware moment of a text without an offset; None if it is not in this form."""
    if not (isinstance(text, str) and LOCAL.fullmatch(text)):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=KST)
    except ValueError:
        return None
