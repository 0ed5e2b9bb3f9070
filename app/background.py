"""Work that goes on after the shopper's page was answered."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from app.failures import describe

log = structlog.get_logger("background")

T = TypeVar("T")


class Background:
    """Holds the tasks of one app, so that none is lost before it ends."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def within(self, seconds: float, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of `work`, or None when it takes longer; it then goes on.

        Its exceptions are raised, or logged once nobody waits any more.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if done:
            return task.result()
        task.add_done_callback(_log_failure)
        return None

    async def drain(self, seconds: float) -> None:
        """Waits for what still runs; what is not done by then is cancelled, and left to the reconciler."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("background_failed", error=describe(task.exception()))
