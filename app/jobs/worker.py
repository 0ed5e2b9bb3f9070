"""The worker loop: job rows, then the sweeps. Any number of processes may run it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from datetime import timedelta

import structlog

from app.failures import describe
from app.jobs import queue
from app.jobs.tables import Job

log = structlog.get_logger("worker")

# A handler does the work of one kind of job from its payload; it is safe to repeat.
Handler = Callable[[Mapping[str, str]], Awaitable[None]]
# A sweep looks for rows whose time has come.
Sweep = Callable[[], Awaitable[None]]


class NotYet(Exception):
    """The work cannot be done now, through no fault of its own: it is tried again for as long as it takes, after `wait`
    where that is known, else later each time."""

    def __init__(self, reason: str, wait: timedelta | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


async def work_once(handlers: Mapping[str, Handler], sweeps: Mapping[str, Sweep], slow: Collection[str] = ()) -> None:
    """Every job that is due but those of a `slow` kind, then every sweep. No failure of one reaches the next."""
    while job := await queue.claim(but=slow):
        await _do(job, handlers)
    for name, sweep in sweeps.items():
        try:
            await sweep()
        except Exception as error:
            log.error("sweep_failed", sweep=name, error=describe(error))


async def _do(job: Job, handlers: Mapping[str, Handler]) -> None:
    try:
        await handlers[job.kind](job.payload_values)
    except NotYet as reason:
        log.warning("job_postponed", kind=job.kind, tries=job.tries, reason=str(reason))
        await queue.postpone(job, str(reason), gives_up=False, wait=reason.wait)
    except Exception as error:
        log.error("job_failed", kind=job.kind, tries=job.tries, error=describe(error))
        await queue.postpone(job, describe(error))
    else:
        await queue.finish(job)


async def run(
    handlers: Mapping[str, Handler],
    sweeps: Mapping[str, Sweep],
    every: Mapping[str, float] | None = None,
    pause: float = 2.0,
    wake: asyncio.Event | None = None,
    slow: Collection[str] = (),
) -> None:
    """Until cancelled, every `pause` seconds, and at once when `wake` is set. Sweeps named in `every` rest that many
    seconds in between. Jobs of a `slow` kind are done beside it, one at a time: they keep nothing else waiting.

    It outlives every exception: a database that is away for a while ends no worker.
    """
    wake, time, rested = wake or asyncio.Event(), asyncio.get_running_loop().time, dict.fromkeys(every or (), 0.0)
    beside: asyncio.Task[None] | None = None
    try:
        while True:
            wake.clear()
            due = {name: sweep for name, sweep in sweeps.items() if rested.get(name, 0.0) <= time()}
            rested |= {name: time() + rest for name, rest in (every or {}).items() if name in due}
            if slow and (beside is None or beside.done()):
                beside = asyncio.create_task(_work_slowly(handlers, slow))
            try:
                await work_once(handlers, due, slow)
            except Exception as error:
                log.error("round_failed", error=describe(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await wake.wait()
    finally:
        if beside is not None:
            beside.cancel()
            await asyncio.wait([beside])


async def _work_slowly(handlers: Mapping[str, Handler], slow: Collection[str]) -> None:
    """Every job of a slow kind that is due."""
    try:
        while job := await queue.claim(only=slow):
            await _do(job, handlers)
    except Exception as error:
        log.error("round_failed", error=describe(error))
