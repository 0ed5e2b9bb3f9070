"""PostgreSQL for Piccolo: a pool of asyncpg connections, made when the app opens it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from piccolo.utils.sync import run_sync

from app.engine import Engine

POOL_SIZE = 10
ACQUIRE_SECONDS = 30.0
STATEMENT_SECONDS = 60.0
CLOSE_SECONDS = 10.0


class PostgresEngine(Engine):
    """The engine for the PostgreSQL database at `url`, in libpq's form: several hosts, or a socket's folder.

    Making it connects to nothing; `open()` makes the first of at most `pool_size` connections. A pooled
    statement, COMMIT included, fails after 60 s without an answer.
    """

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE) -> None:
        super().__init__("postgres")
        self.pool_size = pool_size
        self._url = url
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        if self._pool is None:
            self._pool = await asyncpg.create_pool(
                self._url, min_size=1, max_size=self.pool_size, command_timeout=STATEMENT_SECONDS
            )

    async def aclose(self) -> None:
        if self._pool is None:
            return
        with suppress(TimeoutError):
            # Connections still in use by then are cut: the pool terminates when its close() is cancelled.
            await asyncio.wait_for(self._pool.close(), CLOSE_SECONDS)
        self._pool = None

    async def acquire(self, *, write: bool, in_pool: bool = True) -> Any:
        if self._pool is not None and in_pool:
            return await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        return await asyncpg.connect(self._url)

    async def release(self, connection: Any) -> None:
        if not isinstance(connection, PoolConnectionProxy):
            await connection.close()
        elif self._pool is not None:
            # A connection that breaks on its way back is replaced; what was done on it is done.
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._pool.release(connection)

    async def reset(self, connection: Any) -> None:
        with suppress(asyncpg.InterfaceError):
            connection.terminate()

    async def fetch(self, connection: Any, sql: str, args: Sequence[Any] = ()) -> list[asyncpg.Record]:
        return await connection.fetch(sql, *args)

    async def begin(self, connection: Any) -> None:
        await self._command(connection, "BEGIN")

    async def commit(self, connection: Any) -> None:
        # PostgreSQL answers a COMMIT after a failed statement with ROLLBACK, and calls that a success.
        if await self._command(connection, "COMMIT") != "COMMIT":
            raise asyncpg.InFailedSQLTransactionError("nothing was committed: a statement had failed")

    async def rollback(self, connection: Any) -> None:
        await self._command(connection, "ROLLBACK")

    async def _command(self, connection: Any, sql: str) -> str:
        self.note(sql)
        return await connection.execute(sql)

    def transform_response_to_dicts(self, results: list[asyncpg.Record]) -> list[dict[str, Any]]:
        return [dict(record) for record in results]

    async def get_version(self) -> float:
        connection = await self.acquire(write=False, in_pool=False)
        try:
            return float(connection.get_server_version().major)
        finally:
            await self.release(connection)

    def get_version_sync(self) -> float:
        return run_sync(self.get_version())
