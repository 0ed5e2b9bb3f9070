"""What people type into the desk's forms: numbers, prices, texts, and the addresses of pictures."""

import re
from urllib.parse import urlsplit

from app.money import Money

_GROUPED = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,12})"
_WHOLE = re.compile(_GROUPED)
_PRICE = re.compile(rf"({_GROUPED})(?:\.([0-9]{{1,2}}))?")
_SIGNS = "₩￦$€¥원 "


def read_whole(text: str) -> int | None:
    """A number such as 1200 or 1,200; None for anything else."""
    return int(text.replace(",", "")) if _WHOLE.fullmatch(text) else None


def read_price(text: str, currency: str) -> int | None:
    """Minor units of what was typed, such as `26,000원` or `$19.90`; None for anything that is no such sum."""
    found = _PRICE.fullmatch(text.strip(_SIGNS).removesuffix(currency).removeprefix(currency).strip())
    if found is None:
        return None
    units = Money.units(currency)
    whole, part = found.groups()
    if part and units == 1:
        return None
    return int(whole.replace(",", "")) * units + int((part or "0").ljust(len(str(units)) - 1, "0"))


def write_price(amount: int, currency: str) -> str:
    """As a form shows it: `26,000`, `19.90`. `read_price` understands it."""
    units = Money.units(currency)
    whole, part = divmod(amount, units)
    return f"{whole:,}" if units == 1 else f"{whole:,}.{part:02}"


def one_line(text: str) -> str:
    return " ".join(text.replace("\0", "").split())


def lines(text: str) -> str:
    """With one kind of line end, and none around it."""
    return "\n".join(line.rstrip() for line in text.replace("\0", "").splitlines()).strip()


def is_https(text: str) -> bool:
    """Whether a browser can fetch it safely from elsewhere."""
    if not text.isprintable() or re.search(r"[\s\"'<>\\]", text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False
