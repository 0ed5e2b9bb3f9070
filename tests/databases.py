"""A pytest plugin: fixtures that give each test a migrated database, on SQLite and on PostgreSQL in turn.

The conftest says how a database is migrated, by a fixture `migrate` that returns a coroutine function of the
engine. Every run prints how many tests ran on each engine; the whole suite fails if an engine saw none.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from app.database import DB, make_engine
from app.engine import Engine
from tests.postgres import postgres_url, stop_postgres

ENGINES = ("sqlite", "postgres")

Migrate = Callable[[Engine], Awaitable[None]]

# The other sessions are what an earlier test forgot to close; they would hold locks. As a replica, PostgreSQL
# runs neither foreign keys nor triggers, so the order of the tables does not matter.
FORGOTTEN = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
EMPTYING = """
    SELECT 'SET session_replication_role = replica; '
        || coalesce(string_agg(format('DELETE FROM %I.%I', schemaname, tablename), '; '), '')
    FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migration'
"""


class Databases:
    """The databases of one test process: for each `migrate` a SQLite file to copy and a PostgreSQL database.

    Emptying PostgreSQL's tables takes 2 ms where a new database takes 25 ms or more. Only rows are taken
    back: a test that changes the schema asks for an empty database.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Migrate, Path] = {}
        self._urls: dict[Migrate, str] = {}
        self._made: list[str] = []

    async def empty(self, engine_name: str, folder: Path) -> str:
        """The URL of a database without tables."""
        if engine_name == "sqlite":
            return f"sqlite:///{folder}/{uuid4().hex}.sqlite"
        name = f"sellog_{uuid4().hex}"
        await _execute(postgres_url(), f"CREATE DATABASE {name}")
        self._made.append(name)
        return urlunsplit(urlsplit(postgres_url())._replace(path=f"/{name}"))

    async def migrated(self, engine_name: str, migrate: Migrate, folder: Path) -> str:
        """The URL of a database with all its tables and no rows (in `migration` alone there are some)."""
        if engine_name == "sqlite":
            return await self._copy(migrate, folder)
        if migrate not in self._urls:
            url = await self.empty(engine_name, folder)
            await _run(migrate, url)
            self._urls[migrate] = url
        await _empty_tables(self._urls[migrate])
        return self._urls[migrate]

    async def drop(self) -> None:
        """Remove what was made on the PostgreSQL server."""
        for name in self._made:
            await _execute(postgres_url(), f"DROP DATABASE {name} WITH (FORCE)")

    async def _copy(self, migrate: Migrate, folder: Path) -> str:
        if migrate not in self._files:
            url = await self.empty("sqlite", self._folder)
            await _run(migrate, url)
            self._files[migrate] = Path(url.removeprefix("sqlite:///"))
        url = await self.empty("sqlite", folder)
        shutil.copyfile(self._files[migrate], url.removeprefix("sqlite:///"))
        return url


async def _run(migrate: Migrate, url: str) -> None:
    async with _in_use(url) as engine:
        await migrate(engine)


@asynccontextmanager
async def _in_use(url: str) -> AsyncIterator[Engine]:
    engine = make_engine(url)
    DB.use(engine)
    await engine.open()
    try:
        yield engine
    finally:
        DB.use(None)
        await engine.aclose()


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _empty_tables(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(FORGOTTEN)
        await connection.execute(await connection.fetchval(EMPTYING))
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """What makes the databases below, once per test process."""
    databases = Databases(tmp_path_factory.mktemp("databases"))
    yield databases
    asyncio.run(databases.drop())


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    """`sqlite`, then `postgres`: a test that uses this runs once on each."""
    request.node.user_properties.append(("engine", request.param))
    return request.param


@pytest.fixture
async def empty_database_url(engine_name: str, databases: Databases, tmp_path: Path) -> str:
    """The URL of a new database without tables, for tests of migrations."""
    return await databases.empty(engine_name, tmp_path)


@pytest.fixture
async def database_url(engine_name: str, databases: Databases, migrate: Migrate, tmp_path: Path) -> str:
    """The URL of a migrated database, for tests that open it themselves or in other processes."""
    return await databases.migrated(engine_name, migrate, tmp_path)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Engine]:
    """A migrated database, open, and the one that every table lives in during the test."""
    async with _in_use(database_url) as engine:
        yield engine


class RanOn:
    """Counts the tests that ran on each engine; under xdist this is done in the controller alone."""

    def __init__(self, config: pytest.Config) -> None:
        narrowing = ("keyword", "markexpr", "deselect", "lf", "collectonly")
        narrowed = any(config.getoption(name, None) for name in narrowing)
        self._whole_suite = list(config.args) == config.getini("testpaths") and not narrowed
        self._counts = dict.fromkeys(ENGINES, 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and not report.skipped:
            for name, value in report.user_properties:
                if name == "engine":
                    self._counts[str(value)] += 1

    def _one_is_missing(self) -> bool:
        return self._whole_suite and not all(self._counts.values())

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._one_is_missing() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        counts = ", ".join(f"{name}: {count}" for name, count in self._counts.items())
        terminalreporter.write_line(f"ran on {counts}")
        if self._one_is_missing():
            terminalreporter.write_line("FAILED: the whole suite must run on both engines", red=True)


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(RanOn(config))
    if getattr(config.option, "dist", "no") != "no":
        # One server for all workers: they inherit the variable that names it.
        postgres_url()


def pytest_unconfigure() -> None:
    stop_postgres()
