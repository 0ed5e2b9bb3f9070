"""The database that this process works on: which one it is, and transactions on it."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from piccolo.engine.base import Engine as PiccoloEngine

from app.engine import Engine
from app.postgres_engine import PostgresEngine
from app.sqlite_engine import SQLiteEngine


# Piccolo checks that what tables and piccolo_conf.py name as their database is an engine.
@PiccoloEngine.register
class CurrentDatabase:
    """Stands for the engine that the process uses, so that tables can be declared before it is known."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def use(self, engine: Engine | None) -> None:
        """From now on every table lives there. None: nowhere."""
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """The engine in use; RuntimeError when there is none yet."""
        if self._engine is None:
            raise RuntimeError("no database yet: call DB.use(make_engine(url)) first")
        return self._engine

    @property
    def engine_type(self) -> str:
        return self.engine.engine_type

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.engine, name)


Q = TypeVar("Q", bound=Any)

DB = CurrentDatabase()

_HOST = r"(?:\[[^\]/@]+\]|[^\[\]/?#@:,]*)(?::\d+)?"
_POSTGRES_URL = re.compile(rf"postgres(?:ql)?://(?:[^/?#@]*@)?{_HOST}(?:,{_HOST})*/[^/?#]+(?:\?[^#]*)?")


def make_engine(url: str, *, inline: bool = False) -> Engine:
    """The engine for a database URL; nothing is connected yet.

    `sqlite:///file` is relative to the working directory, `sqlite:////file` absolute; `inline` (SQLite only)
    works without threads. PostgreSQL URLs are libpq's. ValueError for any other, without repeating it.
    """
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        if not path or path.endswith("/") or path == ":memory:":
            raise ValueError("a SQLite URL names a file: sqlite:///shop.sqlite or sqlite:////srv/shop.sqlite")
        return SQLiteEngine(path, inline=inline)
    if _POSTGRES_URL.fullmatch(url):
        return PostgresEngine(url)
    raise ValueError(
        "a database URL is sqlite:///file or postgresql://user:password@host:port/name"
        " (in user and password, write / ? # @ : as %2F %3F %23 %40 %3A)"
    )


def in_transaction() -> bool:
    """Whether the running task is inside a transaction."""
    return DB.transaction_exists()


def require_transaction() -> None:
    """RuntimeError unless the running task is inside a transaction."""
    if not in_transaction():
        raise RuntimeError("this must be called inside write_transaction()")


@asynccontextmanager
async def write_transaction() -> AsyncIterator[None]:
    """One short write transaction, without network calls inside. RuntimeError if one is open already."""
    if in_transaction():
        raise RuntimeError("a verb inside a verb: this task has a transaction open already")
    async with DB.transaction():
        yield


@contextmanager
def recorded_statements() -> Iterator[list[str]]:
    """A list that grows by each SQL statement that any task runs on the current engine in this block."""
    statements: list[str] = []
    listeners = DB.listeners
    listeners.append(statements.append)
    try:
        yield statements
    finally:
        listeners.remove(statements.append)


def for_update(query: Q) -> Q:
    """The query, locking the rows it reads until the transaction ends. SQLite has one writer and needs no more."""
    return query.lock_rows("UPDATE") if DB.engine_type == "postgres" else query
