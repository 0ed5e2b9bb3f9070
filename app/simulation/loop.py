"""An event loop with a clock of its own: it never waits, and one seed decides everything that may happen in any order.

Nothing here reads the real time, starts a thread or opens a socket. When nothing is left to do now, the clock jumps to
the next timer. Written on `asyncio.AbstractEventLoop`, so that Tasks, Futures, Events, Locks and `asyncio.timeout` are
the real ones.
"""

import asyncio
import contextvars
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.simulation.process import Process

CURRENT: ContextVar["Process | None"] = ContextVar("simulated process", default=None)
"""The process that the running code belongs to; None outside of all: shoppers, owners, banks."""

START = 1_800_000_000.0


class Dead(BaseException):
    """What everything that a killed process still tries raises."""


class Deadlock(Exception):
    """Nothing is ready and no timer is set: what is awaited never comes."""


class SimulatedLoop(asyncio.AbstractEventLoop):
    """`errors` lists what asyncio would have logged: each is a fault of the code that ran."""

    def __init__(self, chance: Random, start: float = START) -> None:
        self.chance = chance
        self.start = self.now = start
        self.errors: list[dict[str, Any]] = []
        self._ready: dict[Process | None, deque[events.Handle]] = {}
        self._timers: list[tuple[float, int, events.TimerHandle, Process | None]] = []
        self._count = 0
        self._graves: list[Process] = []

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def get_task_factory(self) -> None:
        return None

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def run_in_executor(self, executor: object, func: Callable[..., object], *args: object) -> asyncio.Future[Any]:
        self.errors.append({"message": "a thread was asked for", "func": func})
        raise RuntimeError("no threads in the simulation")

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        context, process = _place_of(options.pop("context", None))
        if process is not None and process.dead:
            coro.close()
            raise Dead(process.name)
        task = asyncio.Task(coro, loop=self, context=context, **options)
        if process is not None:
            # The collector must never be what ends a task: its `finally` would run in whoever runs then.
            process.tasks[task] = coro, context
            task.add_done_callback(lambda ended: process.tasks.pop(ended, None), context=context)
        return task

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> events.Handle:
        context, process = _place_of(context)
        return self._put(events.Handle(callback, args, self, context), process)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> events.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> events.TimerHandle:
        context, process = _place_of(context)
        handle = events.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle, process))
        return handle

    def _timer_handle_cancelled(self, handle: events.TimerHandle) -> None:
        """A cancelled timer stays in the heap and does nothing."""

    def run_until_complete(self, future: Coroutine[Any, Any, Any]) -> Any:
        events._set_running_loop(self)
        try:
            task = self.create_task(future)
            while not task.done():
                self._step()
            return task.result()
        finally:
            events._set_running_loop(None)

    def drop(self) -> None:
        """Ends whatever is left, without running any more of it."""
        self._ready.clear()
        self._timers.clear()

    def bury(self, process: "Process") -> None:
        """Drops what a killed process was about, once the step that killed it has ended."""
        self._graves.append(process)

    def _put(self, handle: events.Handle, process: "Process | None") -> events.Handle:
        if handle._cancelled or (process is not None and process.dead):
            handle.cancel()
        else:
            self._ready.setdefault(process, deque()).append(handle)
        return handle

    def _step(self) -> None:
        if not self._ready:
            self._jump()
            return
        # Any process may be next; inside one of them the order is asyncio's own.
        waiting = list(self._ready)
        process = waiting[int(self.chance.random() * len(waiting))]
        queue = self._ready[process]
        handle = queue.popleft()
        if not queue:
            del self._ready[process]
        if not handle._cancelled and not (process is not None and process.tick("step")):
            handle._run()
        while self._graves:
            self._end(self._graves.pop())

    def _jump(self) -> None:
        if not self._timers:
            raise Deadlock
        self.now = max(self.now, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self.now:
            _, _, handle, process = heapq.heappop(self._timers)
            self._put(handle, process)

    def _end(self, process: "Process") -> None:
        self._ready.pop(process, None)
        for task, (coro, context) in list(process.tasks.items()):
            task._log_destroy_pending = False
            try:
                # Its `finally` blocks run as the dead process, and reach nothing.
                context.run(coro.close)
            except BaseException:
                continue
        process.tasks.clear()


def _place_of(context: Context | None) -> tuple[Context, "Process | None"]:
    # An empty Context is false.
    context = contextvars.copy_context() if context is None else context
    return context, context.get(CURRENT)
