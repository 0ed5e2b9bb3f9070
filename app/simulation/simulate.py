"""`./sellog simulate`: many seeds on every processor, what went wrong in them, and what they reached."""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from app.checking.reporting import summary
from app.simulation.coverage import Reached, coverage
from app.simulation.play import Report, play
from app.simulation.stage import Stage

# Memory, where the machine has it as a folder.
MEMORY = Path("/dev/shm")
STORIES = 5
# Seeds that one stage is set up for.
MOST_AT_ONCE = 50


@dataclass
class Total:
    """What became of many seeds."""

    seeds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    reached: Reached = field(default_factory=set)
    delays: list[float] = field(default_factory=list)
    broken: list[Report] = field(default_factory=list)

    def add(self, report: Report) -> None:
        self.seeds += 1
        self.counts.update(report.counts)
        self.reached |= report.reached
        self.delays += report.delays
        if report.breaches:
            self.broken.append(report)

    @property
    def faults(self) -> int:
        """Everything that was made to go wrong."""
        wrong = ("fault: ", "killed", "call refused", "call slow", "outage", "mail lost", "request lost")
        return sum(count for what, count in self.counts.items() if what.startswith(wrong))


@contextmanager
def open_stage() -> Iterator[Stage]:
    """A stage with a folder of its own, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="sellog-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        yield Stage(folder)
    finally:
        shutil.rmtree(folder)


def simulate(seeds: range, processes: int, tell_all: bool = False) -> int:
    """Plays the seeds and prints what they came to; 1 when one of them is broken, else 0.

    The stories of the first broken seeds are printed, and with `tell_all` every seed's.
    """
    total = Total()
    size = min(MOST_AT_ONCE, -(-len(seeds) // processes))
    chunks = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    with get_context("spawn").Pool(min(processes, len(chunks))) as pool:
        for reports in pool.imap(_play_chunk, chunks):
            for report in reports:
                total.add(report)
                if tell_all or (report.breaches and len(total.broken) <= STORIES):
                    print(f"seed {report.seed}", *report.story, sep="\n  ", flush=True)
            if sys.stderr.isatty():
                print(f"\r{total.seeds} of {len(seeds)} seeds", end="", file=sys.stderr, flush=True)
    for line in _lines(total):
        print(line)
    print(summary(total.counts["checkouts"], len(total.broken), total.faults))
    return 1 if total.broken else 0


def _play_chunk(seeds: range) -> list[Report]:
    with open_stage() as stage:
        return [play(stage, seed) for seed in seeds]


def _lines(total: Total) -> Iterator[str]:
    yield f"{total.seeds} seeds"
    for what, count in sorted(total.counts.items()):
        yield f"  {count:>9,}  {what}"
    if total.delays:
        ordered = sorted(total.delays)
        p95 = ordered[min(len(ordered) * 95 // 100, len(ordered) - 1)]
        yield f"from the money's being taken to the order's being paid: p95 {p95:.0f} s, longest {ordered[-1]:.0f} s"
    for machine, (found, missing) in coverage(total.reached).items():
        told = f"; not reached: {', '.join(missing)}" if missing else ""
        yield f"{machine}: {found} of {found + len(missing)} reached{told}"
    for report in total.broken:
        yield f"BROKEN seed {report.seed}: {report.breaches[0]}"
