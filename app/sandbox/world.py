"""What the sandbox takes from outside: time, waiting and chance. Whoever builds one may own them."""

import string
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

ALPHABET = string.ascii_letters + string.digits


def real_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class World:
    """`now` answers an aware UTC datetime, `sleep` waits for seconds, `chance` makes ids and percentages."""

    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    chance: Random

    def text(self, length: int) -> str:
        """`length` letters and digits."""
        return "".join(self.chance.choices(ALPHABET, k=length))

    def hits(self, percent: float) -> bool:
        """True in `percent` of 100 calls."""
        return self.chance.random() * 100 < percent
