"""What SQLite alone needs: one writer among tasks and processes, and threads that cannot be interrupted."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.database import DB, in_transaction, write_transaction
from app.sqlite_engine import Connection, SQLiteEngine
from tests.databases import Databases
from tests.library import Author, add_author, authors, create_library


@pytest.fixture(params=["threaded", "inline"])
async def engine(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> AsyncIterator[SQLiteEngine]:
    """An open engine of each variant, with a short patience."""
    url = await databases.migrated("sqlite", create_library, tmp_path)
    engine = SQLiteEngine(url.removeprefix("sqlite:///"), inline=request.param == "inline", busy_seconds=0.05)
    DB.use(engine)
    await engine.open()
    yield engine
    DB.use(None)
    await engine.aclose()


@contextmanager
def writing_elsewhere(engine: SQLiteEngine) -> Iterator[sqlite3.Connection]:
    """A writer that does not belong to the engine, as in another process, inside a transaction."""
    with closing(sqlite3.connect(engine.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def pragma(connection: Connection, name: str) -> object:
    (row,) = await connection.fetch(f"PRAGMA {name}")
    return next(iter(row.values()))


async def test_it_writes_ahead_syncs_fully_and_checks_foreign_keys(engine: SQLiteEngine) -> None:
    for connection in engine._connections:
        assert await pragma(connection, "journal_mode") == "wal"
        assert await pragma(connection, "synchronous") == 2
        assert await pragma(connection, "foreign_keys") == 1
        assert await pragma(connection, "busy_timeout") == 0
        assert await pragma(connection, "query_only") == (connection is not engine._writer)


async def test_closing_it_leaves_one_file_and_no_threads(engine: SQLiteEngine) -> None:
    await add_author("Han")
    assert await authors() == ["Han"]
    await engine.aclose()
    assert [file.name for file in Path(engine.path).parent.glob("*.sqlite*")] == [Path(engine.path).name]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sqlite")]


async def test_the_inline_variant_starts_no_thread(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a thread")

    url = await databases.migrated("sqlite", create_library, tmp_path)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    engine = SQLiteEngine(url.removeprefix("sqlite:///"), inline=True)
    DB.use(engine)
    await engine.open()
    async with write_transaction():
        await add_author("Han")
    assert await authors() == ["Han"]
    await engine.aclose()
    DB.use(None)


async def test_fifty_writers_take_turns(engine: SQLiteEngine) -> None:
    await add_author("Han")

    async def sell() -> None:
        async with write_transaction():
            (sold,) = await Author.select(Author.books_sold).output(as_list=True)
            await Author.update({Author.books_sold: sold + 1}, force=True)

    async def sell_in_one_statement() -> None:
        await Author.update({Author.books_sold: Author.books_sold + 1}, force=True)

    engine.busy_seconds = 30
    await asyncio.gather(*(sell() for _ in range(50)), *(sell_in_one_statement() for _ in range(50)))
    assert await Author.select(Author.books_sold).output(as_list=True) == [100]


async def test_readers_do_not_wait_for_a_writer(engine: SQLiteEngine) -> None:
    async with write_transaction():
        await add_author("Han")
        assert await asyncio.create_task(read_alone()) == []
    assert await authors() == ["Han"]


async def read_alone() -> list[str]:
    """The authors, read outside the transaction of the task that started this one."""
    DB.current_transaction.set(None)
    return await authors()


async def begin_and_add() -> None:
    async with write_transaction():
        await add_author("Han")


async def add_alone() -> None:
    await add_author("Han")


@pytest.mark.parametrize("write", [begin_and_add, add_alone])
async def test_a_writer_elsewhere_is_waited_for(
    engine: SQLiteEngine, monkeypatch: pytest.MonkeyPatch, write: Callable
) -> None:
    engine.busy_seconds = 30
    refused = asyncio.Event()
    fetch = Connection.fetch

    async def watched(connection: Connection, sql: str, args: tuple = ()) -> list:
        try:
            return await fetch(connection, sql, args)
        except sqlite3.OperationalError:
            refused.set()
            raise

    monkeypatch.setattr(Connection, "fetch", watched)
    with writing_elsewhere(engine) as other:
        task = asyncio.create_task(write())
        await refused.wait()
        assert not task.done()
        other.execute("COMMIT")
        await task
    assert await authors() == ["Han"]


@pytest.mark.parametrize("write", [begin_and_add, add_alone])
async def test_a_writer_elsewhere_that_does_not_end_is_an_error_and_blocks_nothing_after_it(
    engine: SQLiteEngine, write: Callable
) -> None:
    with writing_elsewhere(engine):
        results = await asyncio.gather(*(write() for _ in range(5)), return_exceptions=True)
        assert [str(result) for result in results] == ["database is locked"] * 5
        assert not in_transaction()
    await write()
    assert await authors() == ["Han"]


async def test_a_writer_of_our_own_that_does_not_end_is_an_error_too(engine: SQLiteEngine) -> None:
    begun, done = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with write_transaction():
            begun.set()
            await done.wait()

    holder = asyncio.create_task(hold())
    await begun.wait()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await asyncio.wait_for(begin_and_add(), 10)
    done.set()
    await holder
    await begin_and_add()


async def test_it_works_before_it_is_opened_while_somebody_else_writes(engine: SQLiteEngine) -> None:
    await engine.aclose()
    with writing_elsewhere(engine), pytest.raises(sqlite3.OperationalError, match="locked"):
        await begin_and_add()
    await begin_and_add()
    assert await authors() == ["Han"]


@pytest.mark.parametrize("engine", ["threaded"], indirect=True)
@pytest.mark.parametrize("command", ["BEGIN IMMEDIATE", "INSERT", "COMMIT"])
async def test_a_handler_cancelled_during_a_statement_gives_the_writer_back_at_rest(
    engine: SQLiteEngine, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    loop = asyncio.get_running_loop()
    running, go = asyncio.Event(), threading.Event()
    fetch = Connection._fetch

    def slow(connection: Connection, sql: str, args: tuple) -> list:
        if sql.startswith(command):
            loop.call_soon_threadsafe(running.set)
            go.wait(10)
        return fetch(connection, sql, args)

    with monkeypatch.context() as slowed:
        slowed.setattr(Connection, "_fetch", slow)
        task = asyncio.create_task(begin_and_add())
        await running.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.wait([task], timeout=0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not in_transaction()
    assert await authors() == (["Han"] if command == "COMMIT" else [])
    async with asyncio.timeout(10), write_transaction():
        await add_author("Kim")
    assert "Kim" in await authors()


@pytest.mark.parametrize("engine", ["threaded"], indirect=True)
async def test_a_reader_that_is_still_at_work_for_a_cancelled_handler_is_given_to_nobody(
    engine: SQLiteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    running, go = asyncio.Event(), threading.Event()
    fetch = Connection._fetch

    def slow(connection: Connection, sql: str, args: tuple) -> list:
        if not running.is_set():
            loop.call_soon_threadsafe(running.set)
            go.wait(30)
        return fetch(connection, sql, args)

    monkeypatch.setattr(Connection, "_fetch", slow)
    report = asyncio.create_task(authors())
    await running.wait()
    report.cancel()
    await asyncio.wait([report], timeout=0)
    try:
        async with asyncio.timeout(5):
            assert await authors() == []
    finally:
        go.set()
    with pytest.raises(asyncio.CancelledError):
        await report


async def test_a_reader_that_fails_is_given_back(engine: SQLiteEngine) -> None:
    for _ in range(10):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await DB.run_ddl("SELECT * FROM missing")
    async with asyncio.timeout(10):
        assert await authors() == []


async def test_a_folder_that_does_not_exist_is_an_error_and_can_be_tried_again(tmp_path: Path) -> None:
    engine = SQLiteEngine(str(tmp_path / "shops" / "shop.sqlite"))
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        await engine.open()
    (tmp_path / "shops").mkdir()
    await engine.open()
    assert await pragma(engine._writer, "journal_mode") == "wal"
    await engine.aclose()
