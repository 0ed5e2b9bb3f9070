"""The PGs' side of a world: the sandbox with its ledger, outages, and the bank's and the console's own doings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from litestar.exceptions import NotFoundException

from app.sandbox.book import Payment
from app.sandbox.gateway import ConsoleRefused
from app.simulation.process import Process
from app.simulation.world import World

if TYPE_CHECKING:
    from app.simulation.stage import Stage

PATHS = {"portone": "/portone", "stripe": "/stripe"}


@dataclass(frozen=True, slots=True)
class Moved:
    """Money that moved at a PG."""

    at: float
    pg_id: str
    reference: str
    captured: int
    refunded: int


class Pgs:
    """All PGs, which never die."""

    def __init__(self, world: World, stage: "Stage") -> None:
        self.world = world
        self.process = Process(world, "pg")
        self.moves: list[Moved] = []
        # Told of money that has just been taken, by its reference.
        self.on_capture: Callable[[str], None] = lambda reference: None
        self._away: set[str] = set()
        self._sums: dict[str, tuple[int, int]] = {}
        self._book, self._console = stage.book, stage.console

    def is_away(self, path: str) -> bool:
        """Whether the PG that serves this path answers nobody."""
        return next((name for name, start in PATHS.items() if path.startswith(start)), "toss") in self._away

    def go_away(self, provider: str) -> None:
        self.world.tell(provider, "answers nobody")
        self._away.add(provider)

    def come_back(self, provider: str) -> None:
        if provider in self._away:
            self.world.tell(provider, "is back")
            self._away.discard(provider)

    def note(self, payment: Payment) -> None:
        """The sandbox has written a payment."""
        sums = payment.captured, payment.refunded
        before = self._sums.get(payment.pg_id, (0, 0))
        if before == sums:
            return
        self._sums[payment.pg_id] = sums
        self.moves.append(Moved(self.world.loop.now, payment.pg_id, payment.reference, *sums))
        self.world.tell(payment.provider, f"{payment.reference[-4:]} captured {sums[0]}, refunded {sums[1]}")
        if sums[0] > before[0]:
            self.on_capture(payment.reference)

    def captured_at(self, reference: str) -> float | None:
        """When money was first taken under this reference."""
        return next((move.at for move in self.moves if move.reference == reference and move.captured), None)

    def kept_at(self, reference: str, at: float) -> int:
        """What had been taken under this reference by then, and had not gone back."""
        latest = {move.pg_id: move for move in self.moves if move.reference == reference and move.at <= at}
        return sum(move.captured - move.refunded for move in latest.values())

    def had_gone_back(self, reference: str, at: float) -> bool:
        """Whether all that was taken under this reference had gone back once by then, also if the bank returned it."""
        moves = (move for move in self.moves if move.reference == reference and move.at <= at)
        return any(0 < move.captured <= move.refunded for move in moves)

    def payments(self) -> list[Payment]:
        """All, newest first, each as it is now."""
        return self._console.payments()

    def verbs(self, payment: Payment) -> list[str]:
        """What the bank or the console can do to it now."""
        return list(self._console.verbs(payment))

    def act(self, verb: str, reference: str) -> bool:
        """Whether it was done."""
        return self._try(verb, lambda: self._console.act(verb, reference), reference)

    def refund(self, reference: str, amount: int) -> bool:
        """At the PG's console, by the owner's hand."""
        return self._try(f"console refund {amount}", lambda: self._console.refund(reference, amount), reference)

    def next_webhook_at(self) -> float | None:
        """When the next webhook is due."""
        next_at = self._book.next_webhook_at()
        return next_at.timestamp() if next_at else None

    def _try(self, what: str, do: Callable[[], object], reference: str) -> bool:
        try:
            do()
        except (ConsoleRefused, NotFoundException):
            return False
        self.world.tell("console", f"{what} {reference[-4:]}")
        self.world.count(f"console: {what.split()[0]}")
        return True
