"""Processes that are killed at any moment, and a database that is: nothing is lost, and nothing comes twice.

Real processes, real kills; `python -m tests.crashing` does the same for longer.
"""

from pathlib import Path

from tests.crashing import CHECKOUTS, CHECKOUTS_PER_CRASH, Report, crash_of, run
from tests.crashing_postgres import own_server
from tests.crashing_shoppers import STORIES

CRASHES = CHECKOUTS // CHECKOUTS_PER_CRASH


def assert_clean(report: Report) -> None:
    print(report.line())
    assert report.verdict.is_clean, report.line()
    assert (report.verdict.orders, report.verdict.paid) == (CHECKOUTS, CHECKOUTS), report.line()
    assert report.verdict.surplus == CHECKOUTS // len(STORIES), report.line()
    assert report.crashes == CRASHES


async def test_killed_shops_and_workers_lose_nothing(empty_database_url: str, tmp_path: Path) -> None:
    assert_clean(await run(empty_database_url, tmp_path))


async def test_a_crash_of_postgres_loses_nothing(tmp_path: Path) -> None:
    with own_server() as server:
        assert_clean(await run(server.url, tmp_path, crash_of(server)))
