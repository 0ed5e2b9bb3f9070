"""SQLite for Piccolo: persistent connections, one writer and several readers, in WAL mode."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Importing Piccolo's engine registers its adapters and converters (UUID, Timestamptz, ...) with sqlite3.
import piccolo.engine.sqlite  # noqa: F401

from app.engine import Engine

BUSY_SECONDS = 30.0
READERS = 4


class Connection:
    """One sqlite3 connection, made at its first statement, and (unless `inline`) the one thread that uses it.

    A statement in a thread cannot be taken back. So a cancelled caller waits until it has ended, and nobody
    is ever given a connection that is still at work for somebody else.
    """

    def __init__(self, path: str, *, synchronous: str, query_only: bool, inline: bool) -> None:
        self.give_back: Callable[[], None] | None = None
        self._path = path
        self._pragmas = (f"synchronous={synchronous}", "foreign_keys=ON", f"query_only={query_only:d}")
        self._thread = None if inline else ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._raw: sqlite3.Connection | None = None
        self._closed = False

    async def fetch(self, sql: str, args: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run one statement to its end and return its rows. A file locked by others fails at once."""
        return await self._call(self._fetch, sql, args)

    async def reset(self) -> None:
        """Cut the connection, which rolls back what is open on it; the next statement connects again."""
        if not self._closed:
            await self._call(self._disconnect)

    async def close(self) -> None:
        """Reset, for good."""
        await self.reset()
        self._closed = True
        if self._thread is not None:
            self._thread.shutdown()

    async def _call(self, work: Callable[..., Any], *args: Any) -> Any:
        if self._closed:
            raise sqlite3.ProgrammingError("the connection is closed")
        if self._thread is None:
            return work(*args)
        ended = asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        cancelled: asyncio.CancelledError | None = None
        while not ended.done():
            try:
                await asyncio.wait([ended])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled from ended.exception()
        return ended.result()

    def _fetch(self, sql: str, args: Sequence[Any]) -> list[dict[str, Any]]:
        if self._raw is None:
            self._raw = self._connect()
        cursor = self._raw.execute(sql, args)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _connect(self) -> sqlite3.Connection:
        raw = sqlite3.connect(
            self._path,
            timeout=0,
            detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES,
            isolation_level=None,
            cached_statements=512,
        )
        try:
            for pragma in self._pragmas:
                raw.execute(f"PRAGMA {pragma}")
        except BaseException:
            raw.close()
            raise
        return raw

    def _disconnect(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()


class SQLiteEngine(Engine):
    """The engine for the SQLite file at `path`, which is made if it is not there.

    Transactions are IMMEDIATE and share one writer connection in the order in which they ask for it; single
    SELECTs outside a transaction have readers of their own. A file locked by another process is tried again
    for `busy_seconds`, then sqlite3's "database is locked" is raised. `inline` runs SQL on the event loop and
    uses no threads at all. A commit is on disk when it returns, unless `synchronous` says otherwise.
    """

    _writer: Connection
    _turn: asyncio.Lock
    _idle: asyncio.LifoQueue[Connection]

    def __init__(
        self,
        path: str,
        *,
        inline: bool = False,
        synchronous: str = "FULL",
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        super().__init__("sqlite")
        self.path = path
        self.inline = inline
        self.synchronous = synchronous
        self.busy_seconds = busy_seconds
        self._connections: list[Connection] = []

    async def open(self) -> None:
        if self._connections:
            return
        self._writer = self.connection(inline=self.inline)
        self._turn = asyncio.Lock()
        self._writer.give_back = self._turn.release
        self._idle = asyncio.LifoQueue()
        readers = [self.connection(query_only=True, inline=self.inline) for _ in range(READERS)]
        for reader in readers:
            reader.give_back = lambda reader=reader: self._idle.put_nowait(reader)
            reader.give_back()
        self._connections = [self._writer, *readers]
        try:
            rows = await self.fetch(self._writer, "PRAGMA journal_mode=WAL")
            if rows != [{"journal_mode": "wal"}]:
                raise RuntimeError(f"SQLite cannot use its write-ahead log at {self.path}")
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        connections, self._connections = self._connections, []
        for connection in connections:
            await connection.close()

    def connection(self, *, query_only: bool = False, inline: bool) -> Connection:
        """A new connection to the file, as every use of this engine gets it."""
        return Connection(self.path, synchronous=self.synchronous, query_only=query_only, inline=inline)

    async def acquire(self, *, write: bool, in_pool: bool = True) -> Connection:
        if not (self._connections and in_pool):
            return self.connection(inline=True)
        if not write:
            return await self._idle.get()
        try:
            async with asyncio.timeout(self.busy_seconds):
                await self._turn.acquire()
        except TimeoutError:
            raise sqlite3.OperationalError("database is locked") from None
        return self._writer

    async def release(self, connection: Connection) -> None:
        if connection.give_back is None:
            await connection.close()
        else:
            connection.give_back()

    async def reset(self, connection: Connection) -> None:
        await connection.reset()

    async def fetch(self, connection: Connection, sql: str, args: Sequence[Any] = ()) -> list[dict[str, Any]]:
        clock = asyncio.get_running_loop().time
        deadline, pause = clock() + self.busy_seconds, 0.001
        while True:
            try:
                return await connection.fetch(sql, args)
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or clock() + pause > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)

    async def begin(self, connection: Connection) -> None:
        await self._command(connection, "BEGIN IMMEDIATE")

    async def commit(self, connection: Connection) -> None:
        await self._command(connection, "COMMIT")

    async def rollback(self, connection: Connection) -> None:
        await self._command(connection, "ROLLBACK")

    async def _command(self, connection: Connection, sql: str) -> None:
        self.note(sql)
        await self.fetch(connection, sql)

    async def get_version(self) -> float:
        return self.get_version_sync()

    def get_version_sync(self) -> float:
        major, minor, _ = sqlite3.sqlite_version_info
        return float(f"{major}.{minor}")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    # The low byte is the primary code; what stands above it says why (SQLITE_BUSY_RECOVERY, …_SNAPSHOT).
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
