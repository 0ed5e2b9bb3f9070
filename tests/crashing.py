"""Real crashes: processes killed under load, again and again, and the books looked at afterwards.

    python -m tests.crashing --checkouts 500 --database sqlite:////tmp/crashes.sqlite
    python -m tests.crashing --checkouts 500 --database own-postgres --victim database

A run ends with one line of JSON. Its exit code is 0 where nothing was lost and nothing came twice, else 1.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from tests.crashing_books import Verdict, judge, money_on_its_way, work_to_do
from tests.crashing_postgres import Server, own_server
from tests.crashing_processes import STOCK, House, database_of, ledger_of, open_house
from tests.crashing_shoppers import STORIES, Crowd, answers_of, visit

CHECKOUTS = 48
CHECKOUTS_PER_CRASH = 6
# The tests' clocks: twelve seconds of the shop's in each second, so that a lease of five minutes takes 25 seconds.
PACE = 12.0
# Seconds from an answer to the crash, at most; and between two looks at the books.
LONGEST_AIM = 0.3
LOOK = 0.5

# It returns the moment at which what had crashed was started again.
Crash = Callable[[House, Random], Awaitable[float]]


@dataclass
class Report:
    """What a run did and found.

    From the last restart it took `seconds_to_money` until every payment was decided and every captured won at its
    place, and `seconds_to_order` until no work was left either. None: the deadline came first, and `wrong` says why.
    """

    checkouts: int
    seed: int
    pace: float
    crashes: int = 0
    seconds_to_money: float | None = None
    seconds_to_order: float | None = None
    verdict: Verdict = field(default_factory=Verdict)

    def line(self) -> str:
        figures = asdict(self)
        figures |= figures.pop("verdict")
        sentences = {name: figures.pop(name) for name in ("lost", "double", "wrong")}
        counts = {name: len(each) for name, each in sentences.items()}
        return json.dumps(figures | counts | {"broken": [each for some in sentences.values() for each in some]})


async def crash_a_process(house: House, chance: Random) -> float:
    """SIGKILL for one of the shops or the worker, and its start."""
    return await chance.choice(house.victims).crash()


def crash_of(server: Server) -> Crash:
    """PostgreSQL stops without a word, and starts."""

    async def crash(house: House, chance: Random) -> float:
        return await server.crash()

    return crash


async def run(
    database_url: str,
    folder: Path,
    crash: Crash = crash_a_process,
    *,
    checkouts: int = CHECKOUTS,
    seed: int = 1,
    pace: float = PACE,
) -> Report:
    """Shoppers come in groups; while one is paying, something crashes. Then the books are waited for, and judged.

    Raises Fallen for a process that did not come back, and a group of Gone for shoppers whom the shop left waiting.
    The same seed buys the same and kills the same, at about the same moments.
    """
    report = Report(checkouts, seed, pace)
    async with open_house(database_url, folder, pace) as house:
        restarted = await _shop(house, crash, report)
        async with database_of(house):
            await _close_books(house, report, restarted)
        house.check()
    return report


async def _shop(house: House, crash: Crash, report: Report) -> float:
    """All checkouts and all crashes; the moment of the last restart."""
    chance, restarted = Random(report.seed), time.monotonic()
    stories = [STORIES[number % len(STORIES)] for number in range(report.checkouts)]
    chance.shuffle(stories)
    async with asyncio.TaskGroup() as shoppers:
        for first in range(0, report.checkouts, CHECKOUTS_PER_CRASH):
            group = stories[first : first + CHECKOUTS_PER_CRASH]
            crowd = Crowd(len(group))
            for story in group:
                shoppers.create_task(visit(house, Random(chance.random()), story, crowd))
            # Between "pay" and "paid": the first answers are the PGs', then the shop's to who comes back.
            await crowd.meet()
            await crowd.hear(chance.randint(1, sum(answers_of(story) for story in group)))
            await asyncio.sleep(chance.uniform(0, LONGEST_AIM))
            restarted = await crash(house, chance)
            report.crashes += 1
    return restarted


async def _close_books(house: House, report: Report, restarted: float) -> None:
    """Waits until the books are in order, or until they should have been; and judges them."""

    async def money() -> str:
        return await money_on_its_way(await ledger_of(house))

    async def work() -> str:
        return await work_to_do(house.now())

    deadline = time.monotonic() + 180 + 900 / report.pace
    missing = await _wait_for(money, deadline)
    if not missing:
        report.seconds_to_money = round(time.monotonic() - restarted, 1)
        missing = await _wait_for(work, deadline)
    if not missing:
        report.seconds_to_order = round(time.monotonic() - restarted, 1)
    report.verdict = await judge(await ledger_of(house), STOCK)
    report.verdict.wrong += [f"never in order: {missing}"] if missing else []


async def _wait_for(rest: Callable[[], Awaitable[str]], deadline: float) -> str:
    """What is still missing at the deadline; empty as soon as nothing is."""
    while missing := await rest():
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(LOOK)
    return missing


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sellog-crashes-")))
        folder.mkdir(parents=True, exist_ok=True)
        url, crash = options.database or f"sqlite:///{folder.absolute()}/shop.sqlite", crash_a_process
        if url == "own-postgres":
            server = stack.enter_context(own_server())
            url = server.url
            if options.victim == "database":
                crash = crash_of(server)
        report = asyncio.run(run(url, folder, crash, checkouts=options.checkouts, seed=options.seed, pace=options.pace))
    print(report.line())
    return 0 if report.verdict.is_clean else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crashing", description=__doc__)
    parser.add_argument("--checkouts", type=int, default=CHECKOUTS, help="(default: %(default)s)")
    parser.add_argument("--database", help="URL of an empty database, or own-postgres; without one, a SQLite file")
    parser.add_argument("--victim", choices=["processes", "database"], default="processes", help="what is crashed")
    parser.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--pace", type=float, default=1.0, help="how fast all the clocks go (default: real time)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder for database and logs, which stays")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
