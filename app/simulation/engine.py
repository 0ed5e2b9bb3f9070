"""SQLite in the simulation: every process has connections of its own to one real file, and dies between statements."""

from collections.abc import Sequence
from typing import Any

from app.simulation.loop import CURRENT
from app.simulation.process import Process
from app.sqlite_engine import Connection, SQLiteEngine


class SimulatedConnection(Connection):
    """Runs SQL on the loop. Before each statement, and after each COMMIT, its process may die."""

    def __init__(self, process: Process, path: str, *, query_only: bool) -> None:
        super().__init__(path, synchronous="OFF", query_only=query_only, inline=True)
        self._pragmas += ("wal_autocheckpoint=0",)
        self._process = process
        process.on_death.append(self._disconnect)

    async def fetch(self, sql: str, args: Sequence[Any] = ()) -> list[dict[str, Any]]:
        await self._process.point(sql)
        self._process.world.trace(repr(args))
        rows = await super().fetch(sql, args)
        if not sql.startswith(("SELECT", "BEGIN")):
            self._process.world.stirred.set()
        if sql == "COMMIT":
            await self._process.point("after COMMIT")
        return rows


class SimulatedEngine(SQLiteEngine):
    """The engine of one process."""

    def __init__(self, process: Process, path: str) -> None:
        super().__init__(path, inline=True, synchronous="OFF")
        self._process = process

    def connection(self, *, query_only: bool = False, inline: bool) -> Connection:
        return SimulatedConnection(self._process, self.path, query_only=query_only)


class EngineOfProcess:
    """What `database.DB` uses in the simulation: the engine of whichever process runs."""

    def __getattr__(self, name: str) -> Any:
        process = CURRENT.get()
        if process is None:
            raise RuntimeError("only a process of the shop has a database")
        process.check()
        return getattr(process.engine, name)
