"""What an app may rely on when a transaction goes wrong, on both engines."""

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
from piccolo.engine.exceptions import TransactionError

from app.database import DB, in_transaction, make_engine, require_transaction, write_transaction
from app.engine import Engine
from app.postgres_engine import PostgresEngine
from tests.library import Author, add_author, authors, create_library


@pytest.fixture(scope="session")
def migrate() -> Callable:
    return create_library


@pytest.fixture
async def narrow(database_url: str) -> AsyncIterator[Engine]:
    """An engine that has no connection to lose: one writer on SQLite, two connections on PostgreSQL."""
    engine = make_engine(database_url)
    if isinstance(engine, PostgresEngine):
        engine.pool_size = 2
    DB.use(engine)
    await engine.open()
    yield engine
    DB.use(None)
    await engine.aclose()


async def add() -> None:
    async with write_transaction():
        await add_author("Han")


async def add_and_fail() -> None:
    async with write_transaction():
        await add_author("Han")
        raise LookupError


async def still_works() -> None:
    """A connection to write on can be had, and nothing is open on it."""
    assert DB.current_transaction.get() is None
    async with asyncio.timeout(10), write_transaction():
        await add_author("the next one")
    assert "the next one" in await authors()
    await Author.delete().where(Author.name == "the next one")


async def test_it_commits_what_was_written(database: Engine) -> None:
    async with write_transaction():
        await add_author("Han")
        await add_author("Kim")
    assert await authors() == ["Han", "Kim"]


async def test_it_rolls_back_when_the_block_raises(database: Engine) -> None:
    with pytest.raises(LookupError):
        await add_and_fail()
    assert await authors() == []


async def test_a_verb_inside_a_verb_is_refused_and_undoes_the_outer_one(database: Engine) -> None:
    async def outer_verb() -> None:
        async with write_transaction():
            await add_author("Han")
            await add_and_fail()

    with pytest.raises(RuntimeError, match="a verb inside a verb"):
        await outer_verb()
    assert await authors() == []


async def test_piccolos_own_transaction_joins_the_open_one_unless_told_not_to(database: Engine) -> None:
    async def outer_verb() -> None:
        async with write_transaction():
            async with DB.transaction():
                await add_author("Han")
            with pytest.raises(TransactionError):
                DB.transaction(allow_nested=False)
            raise LookupError

    with pytest.raises(LookupError):
        await outer_verb()
    assert await authors() == []


async def test_it_knows_whether_a_transaction_is_open(database: Engine) -> None:
    assert not in_transaction()
    with pytest.raises(RuntimeError, match="write_transaction"):
        require_transaction()
    async with write_transaction():
        assert in_transaction()
        require_transaction()
    assert not in_transaction()


async def test_a_task_that_outlives_the_transaction_it_was_started_in_writes_on_its_own(
    database: Engine,
) -> None:
    go = asyncio.Event()

    async def mail() -> None:
        await go.wait()
        assert not in_transaction()
        await add_author("Kim")

    async with write_transaction():
        task = asyncio.create_task(mail())
        await add_author("Han")
    go.set()
    await task
    assert await authors() == ["Han", "Kim"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("command", ["begin", "commit", "rollback"])
async def test_a_failing_command_loses_no_connection(
    narrow: Engine, monkeypatch: pytest.MonkeyPatch, command: str, moment: str
) -> None:
    original = getattr(narrow, command)

    async def fail(connection: object) -> None:
        if moment == "after":
            await original(connection)
        raise OSError("the line is dead")

    for _ in range(5):
        with monkeypatch.context() as broken:
            broken.setattr(narrow, command, fail)
            with pytest.raises(LookupError if command == "rollback" else OSError):
                await (add_and_fail() if command == "rollback" else add())
        assert not in_transaction()
        await still_works()
        answer_lost = command == "commit" and moment == "after"
        assert await authors() == (["Han"] if answer_lost else [])
        await Author.delete(force=True)


async def test_a_commit_that_the_database_refuses_leaves_nothing_behind(narrow: Engine) -> None:
    await DB.run_ddl(
        "CREATE TABLE chapter (id INTEGER PRIMARY KEY,"
        " after INTEGER REFERENCES chapter (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    for _ in range(5):
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            async with write_transaction():
                await DB.run_ddl("INSERT INTO chapter VALUES (1, 99)")
        await still_works()
        assert len(await DB.run_ddl("SELECT * FROM chapter")) == 0
    await DB.run_ddl("DROP TABLE chapter")


async def test_a_caught_database_error_never_turns_into_a_silent_rollback(database: Engine) -> None:
    await add_author("Han")
    committed = False
    try:
        async with write_transaction():
            await add_author("Kim")
            with pytest.raises(Exception, match=r"(?i)unique"):
                await add_author("Han")
        committed = True
    except asyncpg.InFailedSQLTransactionError:
        assert database.engine_type == "postgres"
    assert ("Kim" in await authors()) == committed


async def test_a_handler_that_is_cancelled_rolls_back_and_loses_no_connection(narrow: Engine) -> None:
    for _ in range(5):
        written = asyncio.Event()

        async def handle(written: asyncio.Event = written) -> None:
            async with write_transaction():
                await add_author("Han")
                written.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(handle())
        await written.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await still_works()
        assert await authors() == []


@pytest.mark.parametrize("command", ["begin", "commit", "rollback"])
async def test_a_handler_cancelled_while_the_database_is_silent_loses_no_connection(
    narrow: Engine, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for _ in range(5):
        asked = asyncio.Event()

        async def never(connection: object, asked: asyncio.Event = asked) -> None:
            asked.set()
            await asyncio.Event().wait()

        with monkeypatch.context() as broken:
            broken.setattr(narrow, command, never)
            task = asyncio.create_task(add_and_fail() if command == "rollback" else add())
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await still_works()
        assert await authors() == []


async def test_a_server_that_drops_our_connection_is_survived(narrow: Engine) -> None:
    if narrow.engine_type == "sqlite":
        drop = narrow._writer.reset
    else:

        async def drop() -> None:
            await DB.run_ddl("SELECT pg_terminate_backend(pg_backend_pid())")

    async def handle() -> None:
        async with write_transaction():
            await add_author("Han")
            await drop()

    for _ in range(5):
        with pytest.raises(Exception, match=r"(?i)connection|no transaction"):
            await handle()
        await still_works()
        assert await authors() == []
