"""The worker loop: job rows, then the sweeps. Any number of processes may run it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from app.jobs import queue
from app.jobs.tables import Job

log = structlog.get_logger("worker")

# A handler does the work of one kind of job from its payload; it is safe to repeat.
Handler = Callable[[Mapping[str, str]], Awaitable[None]]
# A sweep looks for rows whose time has come.
Sweep = Callable[[], Awaitable[object]]


async def work_once(handlers: Mapping[str, Handler], sweeps: Sequence[Sweep]) -> None:
    """Every job that is due, then every sweep. No failure of one reaches the next."""
    while jobs := await queue.claim(limit=10):
        for job in jobs:
            await _do(job, handlers)
    for sweep in sweeps:
        try:
            await sweep()
        except Exception as error:
            log.error("sweep_failed", sweep=getattr(sweep, "__name__", "sweep"), error=type(error).__name__)


async def _do(job: Job, handlers: Mapping[str, Handler]) -> None:
    try:
        await handlers[job.kind](job.payload_values)
    except Exception as error:
        log.error("job_failed", kind=job.kind, tries=job.tries, error=type(error).__name__)
        await queue.postpone(job, f"{type(error).__name__}: {error}")
    else:
        await queue.finish(job)


async def run(handlers: Mapping[str, Handler], sweeps: Sequence[Sweep], pause: float = 2.0) -> None:
    """Until cancelled. It outlives every exception: a database that is away for a while ends no worker."""
    while True:
        try:
            await work_once(handlers, sweeps)
        except Exception as error:
            log.error("round_failed", error=type(error).__name__)
        await asyncio.sleep(pause)
