"""Apps that tests use one after the other: to build one takes longer than most tests."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from litestar import Litestar


class Shelf:
    """The idle apps of a test process, by what their routes were made for."""

    def __init__(self) -> None:
        self._idle: dict[Hashable, list[Litestar]] = {}

    @contextmanager
    def lend(self, kind: Hashable, make: Callable[[Litestar | None], Litestar]) -> Iterator[Litestar]:
        """An app that nobody else has now: `make` is given an idle one of this kind to make it of, or None.

        It comes back afterwards, unless an exception says that it may not be whole.
        """
        idle = self._idle.setdefault(kind, [])
        app = make(idle.pop() if idle else None)
        yield app
        idle.append(app)
