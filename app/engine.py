"""What the two database engines share: statements, transactions, and connections that always come back.

Piccolo builds the SQL. These classes stand where its own engines would, because those open a connection and a
thread for each SQLite statement, and lose a pooled PostgreSQL connection when a COMMIT fails.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from piccolo.engine.base import BaseTransaction
from piccolo.engine.base import Engine as PiccoloEngine
from piccolo.engine.exceptions import TransactionError
from piccolo.engine.postgres import Atomic
from piccolo.querystring import QueryString


class Transaction(BaseTransaction):
    """One transaction on one connection: `async with engine.transaction():`.

    However BEGIN, COMMIT or ROLLBACK end, also in an error or a cancellation, the connection is given back,
    no transaction stays open on it, and the task is outside a transaction again. A COMMIT that raises may
    have lost only its answer. A nested transaction joins the outer one.
    """

    def __init__(self, engine: "Engine", allow_nested: bool = True) -> None:
        self.engine = engine
        self.ended = False
        self.connection: Any = None
        self._token: Token[Transaction | None] | None = None
        self._outer = engine.open_transaction()
        if self._outer is not None and not allow_nested:
            raise TransactionError("a transaction is open already")

    async def __aenter__(self) -> "Transaction":
        if self._outer is not None:
            return self._outer
        self.connection = await self.engine.acquire(write=True)
        try:
            await self.engine.begin(self.connection)
        except BaseException:
            await self.engine.discard(self.connection)
            raise
        self._token = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._outer is not None:
            return False
        try:
            await self._end(error)
        except BaseException:
            await self.engine.discard(self.connection)
            raise
        else:
            await self.engine.release(self.connection)
        finally:
            self.ended = True
            self.engine.current_transaction.reset(self._token)
        return False

    async def _end(self, error: BaseException | None) -> None:
        if error is None:
            await self.engine.commit(self.connection)
            return
        try:
            await self.engine.rollback(self.connection)
        except Exception as failure:
            # Closing the connection rolls back as well; the caller is told what went wrong first.
            error.add_note(f"ROLLBACK failed too: {failure!r}")
            await self.engine.reset(self.connection)


class Engine(PiccoloEngine[Transaction]):
    """A Piccolo engine that the app opens and closes; before `open()` each use has a connection of its own.

    `listeners` are called with each SQL statement just before it runs, BEGIN, COMMIT and ROLLBACK included.
    """

    def __init__(self, engine_type: str) -> None:
        # Piccolo's constructor is left out on purpose: to ask the server for its version it connects and runs
        # event loops of its own, in threads when one is running already.
        self.engine_type = engine_type
        self.current_transaction = ContextVar("current_transaction", default=None)
        self.listeners: list[Callable[[str], None]] = []

    @abstractmethod
    async def open(self) -> None:
        """Connect. Opening an open engine does nothing."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close every connection; a transaction still open is rolled back. Closing twice does nothing."""

    @abstractmethod
    async def acquire(self, *, write: bool, in_pool: bool = True) -> Any:
        """A connection that is nobody else's until it is released or discarded."""

    @abstractmethod
    async def release(self, connection: Any) -> None:
        """Give back a connection on which no transaction is open."""

    @abstractmethod
    async def reset(self, connection: Any) -> None:
        """Cut the connection to the database, which rolls back whatever is open on it. Never fails."""

    @abstractmethod
    async def fetch(self, connection: Any, sql: str, args: Sequence[Any]) -> list[Any]:
        """Run one statement and return its rows."""

    @abstractmethod
    async def begin(self, connection: Any) -> None: ...

    @abstractmethod
    async def commit(self, connection: Any) -> None: ...

    @abstractmethod
    async def rollback(self, connection: Any) -> None: ...

    async def discard(self, connection: Any) -> None:
        """Give back a connection in an unknown state: it is cut, and a new one takes its place."""
        try:
            await self.reset(connection)
        finally:
            await self.release(connection)

    def open_transaction(self) -> Transaction | None:
        """The transaction of the running task, if any."""
        # A task inherits its starter's context, and may outlive the transaction in which it was started.
        transaction = self.current_transaction.get()
        return None if transaction is None or transaction.ended else transaction

    def transaction_exists(self) -> bool:
        return self.open_transaction() is not None

    def transaction(self, allow_nested: bool = True) -> Transaction:
        return Transaction(self, allow_nested)

    def atomic(self) -> Atomic:
        return Atomic(self)

    def note(self, sql: str) -> None:
        for listener in self.listeners:
            listener(sql)

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> list[Any]:
        sql, args = querystring.compile_string(engine_type=self.engine_type)
        return await self._run(sql, args, in_pool)

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> list[Any]:
        return await self._run(ddl, (), in_pool)

    async def _run(self, sql: str, args: Sequence[Any], in_pool: bool) -> list[Any]:
        self.note(sql)
        transaction = self.open_transaction()
        if transaction is not None:
            return await self.fetch(transaction.connection, sql, args)
        connection = await self.acquire(write=sql.lstrip()[:6].upper() != "SELECT", in_pool=in_pool)
        try:
            return await self.fetch(connection, sql, args)
        finally:
            await self.release(connection)

    async def prep_database(self) -> None:
        """Nothing: no extensions are needed."""

    async def batch(self, query: Any, batch_size: int = 100, node: str | None = None) -> Any:
        # Piccolo's batches hold a connection outside the pool and swallow exceptions raised in their block.
        raise NotImplementedError("read large tables page by page, with where() and limit()")
