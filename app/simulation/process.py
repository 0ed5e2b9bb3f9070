"""A process of the shop in the simulation: what it runs dies with it, at any step, statement, commit or call."""

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from app.background import Background
from app.simulation.loop import CURRENT, Dead

if TYPE_CHECKING:
    from app.engine import Engine
    from app.simulation.world import World


class Process:
    """One operating-system process, played. `ticks` counts the places where it could have died; at the one that
    `dies_at` names it does.
    """

    engine: "Engine"

    def __init__(self, world: "World", name: str) -> None:
        self.world, self.name = world, name
        self.dead = False
        self.ticks = 0
        self.dies_at: int | None = None
        self.tasks: dict[asyncio.Task[Any], tuple[Coroutine[Any, Any, Any], contextvars.Context]] = {}
        self.on_death: list[Callable[[], None]] = []
        # Requests from outside that wait for its answer, the first asked first: a set has its order from addresses.
        self.asked: dict[asyncio.Future[Any], None] = {}
        self.background = Background()
        self.wake = asyncio.Event()
        self._context = contextvars.copy_context()
        self._context.run(CURRENT.set, self)

    def spawn(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.world.loop.create_task(coro, context=self._context.copy())

    async def run(self, coro: Coroutine[Any, Any, Any]) -> Any:
        """Runs inside the process, for somebody outside: ConnectionResetError when it dies meanwhile."""
        if self.dead:
            coro.close()
            raise ConnectionResetError(self.name)
        answer: asyncio.Future[Any] = self.world.loop.create_future()
        self.asked[answer] = None

        async def work() -> None:
            try:
                result = await coro
            except Exception as error:
                _tell(answer, error=error)
            else:
                _tell(answer, result)

        self.spawn(work())
        try:
            return await answer
        finally:
            self.asked.pop(answer, None)
            if inspect.getcoroutinestate(coro) == inspect.CORO_CREATED:
                # The process died before it came to it.
                coro.close()

    def check(self) -> None:
        if self.dead:
            raise Dead(self.name)

    def tick(self, what: str) -> bool:
        """One more place to die; True when the process is dead."""
        self.ticks += 1
        self.world.trace(self.name, what)
        if self.ticks == self.dies_at and not self.dead:
            self.kill(what)
        return self.dead

    async def point(self, what: str) -> None:
        """Around each statement and call: the process may die here, or another one goes first."""
        self.check()
        if self.tick(what):
            await self.world.loop.create_future()
        await self.world.dawdle()
        self.check()

    def kill(self, where: str = "") -> None:
        self.world.tell(self.name, f"killed at {where[:60]}")
        self.world.count("killed")
        self.dead = True
        for close in self.on_death:
            close()
        for answer in self.asked:
            _tell(answer, error=ConnectionResetError(self.name))
        self.world.loop.bury(self)


def current_process() -> Process:
    """The one that the running code belongs to."""
    process = CURRENT.get()
    assert process is not None, "nobody but a process does this"
    return process


def _tell(answer: asyncio.Future[Any], result: Any = None, error: Exception | None = None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
