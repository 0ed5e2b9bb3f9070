"""One seed's world: its time, its chance, what happened in it and what was found wrong."""

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from app.simulation.loop import START, SimulatedLoop


@dataclass(frozen=True, slots=True)
class Rates:
    """How rough a world is: drawn anew for each seed, so that each has weather of its own. Shares are from 0 to 1."""

    # Of all statements and calls after which somebody else goes first.
    yields: float = 0.0
    # Seconds between two looks of a worker.
    pace: float = 2.0
    # Of all moments with something to do, at which all workers wake at once.
    races: float = 0.0
    # Of all calls to a PG: that take long to arrive there, and whose connection is refused.
    slow_calls: float = 0.0
    refused_calls: float = 0.0
    # Those that arrive there when their caller has given up, and has perhaps asked again.
    late_calls: float = 0.0
    # Of all requests to the shop, and of its workers' rounds, in which the process is killed.
    kills: float = 0.0
    # In percent of the PG's calls, by kind of fault.
    faults: dict[str, float] = field(default_factory=dict)
    # How many times a PG is away altogether.
    outages: int = 0
    # Of all mails that the mail server does not take at once.
    lost_mails: float = 0.0


class World:
    """`story` tells what happened, for people; `trace` takes every step into one hash, for twins."""

    def __init__(self, seed: int, rates: Rates, start: float = START) -> None:
        self.seed, self.rates = seed, rates
        self.loop = SimulatedLoop(Random(f"{seed} order"), start)
        # What people do, and what the network does: of their own, so that one more step leaves the others as they are.
        self.chance = Random(f"{seed} people")
        self.noise = Random(f"{seed} network")
        self.story: list[str] = []
        self.counts: Counter[str] = Counter()
        self.breaches: list[str] = []
        # What was in which state when what happened: machine, state, event.
        self.reached: set[tuple[str, str, str]] = set()
        # Set by every commit: there may be new work.
        self.stirred = asyncio.Event()
        self._trace = hashlib.sha256()

    def trace(self, *what: str) -> None:
        self._trace.update(f"{self.loop.now}|{'|'.join(what)}\n".encode())

    @property
    def digest(self) -> str:
        return self._trace.hexdigest()

    def tell(self, who: str, what: str) -> None:
        passed = self.loop.now - self.loop.start
        days, hours, minutes = int(passed // 86_400), int(passed // 3600 % 24), int(passed // 60 % 60)
        self.story.append(f"{days}d {hours:02}:{minutes:02}:{passed % 60:06.3f}  {who:<12} {what}")

    def breach(self, what: str) -> None:
        """Something that must never be."""
        self.breaches.append(what)
        self.tell("BREACH", what)

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def happens(self, share: float) -> bool:
        return self.chance.random() < share

    async def wait(self, least: float, most: float) -> None:
        """A person takes their time."""
        await asyncio.sleep(self.chance.uniform(least, most))

    async def dawdle(self) -> None:
        drawn, yields = self.noise.random(), self.rates.yields
        if drawn < yields:
            await asyncio.sleep(0)
        elif drawn < yields * 1.3:
            await asyncio.sleep(self.noise.random() * 0.05)
