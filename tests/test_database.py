import asyncio
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import asyncpg
import pytest
from piccolo.engine.base import Engine as PiccoloEngine

from app.database import DB, CurrentDatabase, make_engine, recorded_statements, write_transaction
from app.engine import Engine
from app.postgres_engine import PostgresEngine
from app.sqlite_engine import SQLiteEngine
from tests.library import Author, Book, add_author, authors, create_library


@pytest.fixture(scope="session")
def migrate() -> Callable:
    return create_library


@pytest.mark.parametrize(
    "url",
    ["sqlite:///shop.sqlite", "sqlite:////srv/shop.sqlite"],
)
def test_a_sqlite_url_names_a_relative_or_an_absolute_path(url: str) -> None:
    engine = make_engine(url)
    assert isinstance(engine, SQLiteEngine)
    assert engine.path == url.removeprefix("sqlite:///")
    assert engine.synchronous == "FULL"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kim:pw@db:5432/shop",
        "postgresql://kim@[::1]:5432/shop?sslmode=require",
        "postgresql://postgres:@/postgres?host=/run/postgresql",
        "postgresql://kim:p%2Fw@a:5432,b:5433/shop?target_session_attrs=primary",
    ],
)
def test_a_postgres_url_may_name_a_host_several_hosts_or_a_socket(url: str) -> None:
    assert isinstance(make_engine(url), PostgresEngine)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.sqlite",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///folder/",
        "mysql://kim:hunter2@db/shop",
        "postgresql://kim:hunter2@db:5432",
        "postgresql://kim:hunter2@db:5432/",
        "postgresql://kim:hunter2@db:port/shop",
        "postgresql://kim:hunter2/x@db/shop",
    ],
)
def test_a_bad_url_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as refusal:
        make_engine(url)
    assert "hunter2" not in str(refusal.value)


def test_making_an_engine_connects_to_nothing_and_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    make_engine("postgresql://nobody@127.0.0.1:1/nothing")
    make_engine("sqlite:////no/such/folder/shop.sqlite")


def test_a_database_that_was_never_chosen_says_so() -> None:
    with pytest.raises(RuntimeError, match="no database yet"):
        CurrentDatabase().run_querystring("SELECT 1")


def test_piccolo_takes_the_current_database_for_an_engine() -> None:
    assert isinstance(DB, PiccoloEngine)


async def test_it_works_before_it_is_opened_and_after_it_was_closed(database_url: str) -> None:
    engine = make_engine(database_url)
    DB.use(engine)
    await add_author("before")
    async with write_transaction():
        await add_author("before, too")
    await engine.open()
    await engine.open()
    await add_author("open")
    await engine.aclose()
    await engine.aclose()
    assert await authors() == ["before", "before, too", "open"]
    DB.use(None)


async def test_it_keeps_timestamps_as_aware_utc(database: Engine) -> None:
    in_seoul = datetime(2026, 3, 1, 9, 30, 15, 250000, tzinfo=timezone(timedelta(hours=9)))
    await Author.insert(Author(name="Han", born_at=in_seoul))
    (born_at,) = await Author.select(Author.born_at).output(as_list=True)
    assert born_at == in_seoul
    assert born_at.utcoffset() == timedelta(0)
    assert await Author.count().where(Author.born_at > datetime(2026, 3, 1, tzinfo=UTC)) == 1


async def test_it_keeps_uuids_and_big_integers_as_they_are(database: Engine) -> None:
    key = uuid4()
    await Author.insert(Author(id=key, name="Han", books_sold=2**62))
    row = await Author.select(Author.id, Author.books_sold).first()
    assert row == {"id": key, "books_sold": 2**62}
    assert isinstance(row["id"], UUID)


async def test_it_enforces_foreign_keys(database: Engine) -> None:
    with pytest.raises((sqlite3.IntegrityError, asyncpg.ForeignKeyViolationError)):
        await Book.insert(Book(author=uuid4()))


async def test_an_insert_that_may_be_ignored_returns_no_row_when_it_is(database: Engine) -> None:
    def insert() -> object:
        author = Author.insert(Author(name="Han"))
        return author.on_conflict(target=Author.name, action="DO NOTHING").returning(Author.name)

    assert await insert() == [{"name": "Han"}]
    assert await insert() == []


async def test_it_records_the_statements_of_every_task(database: Engine) -> None:
    go = asyncio.Event()

    async def request() -> None:
        await go.wait()
        await authors()

    task = asyncio.create_task(request())
    with recorded_statements() as statements:
        async with write_transaction():
            await add_author("Han")
        with pytest.raises(LookupError):
            async with write_transaction():
                raise LookupError
        go.set()
        await task
    await authors()
    begin = "BEGIN IMMEDIATE" if database.engine_type == "sqlite" else "BEGIN"
    expected = [begin, "INSERT INTO", "COMMIT", begin, "ROLLBACK", "SELECT"]
    assert len(statements) == len(expected)
    assert all(sql.startswith(start) for sql, start in zip(statements, expected, strict=True))
