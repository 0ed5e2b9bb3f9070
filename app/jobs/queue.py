"""Job rows: written inside the transaction of the change that wants them, claimed with a lease, done at least once."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from app import clock
from app.database import require_transaction
from app.jobs.tables import Job

LEASE = timedelta(minutes=5)
# With the waits below, about a week.
MOST_TRIES = 40


async def enqueue(kind: str, payload: Mapping[str, str], dedupe_key: str, wait: timedelta = timedelta(0)) -> None:
    """Adds a job to be done after `wait`; nothing when one with this key was ever added."""
    require_transaction()
    job = Job(kind=kind, payload=json.dumps(dict(payload)), dedupe_key=dedupe_key, run_at=clock.now() + wait)
    await Job.insert(job).on_conflict(target=Job.dedupe_key, action="DO NOTHING")


async def hasten(dedupe_key: str) -> None:
    """Makes an unfinished job due now, also one that was set aside: there is new reason to try it."""
    require_transaction()
    waiting = (Job.dedupe_key == dedupe_key) & Job.done_at.is_null()
    await Job.update({Job.run_at: clock.now(), Job.tries: 0}).where(waiting)


async def repeat(dedupe_keys: Sequence[str]) -> set[str]:
    """Makes jobs due now, also those that are done; which of them were."""
    require_transaction()
    meant = Job.dedupe_key.is_in(list(dedupe_keys))
    now = {Job.run_at: clock.now(), Job.tries: 0}
    await Job.update(now).where(meant, Job.done_at.is_null())
    again = Job.update({**now, Job.done_at: None}).where(meant, Job.done_at.is_not_null())
    return {row["dedupe_key"] for row in await again.returning(Job.dedupe_key)}


async def claim(only: Collection[str] = (), but: Collection[str] = ()) -> Job | None:
    """The job that has waited longest, leased to the caller: no other worker gets it before the lease ends.

    Of the kinds in `only`, where there are any, and of none of those in `but`.
    """
    now = clock.now()
    waiting = "done_at IS NULL AND run_at <= {} AND (lease_until IS NULL OR lease_until < {}) AND tries < {}"
    for kinds, word in ((only, "IN"), (but, "NOT IN")):
        if kinds:
            waiting += f" AND kind {word} ({', '.join(['{}'] * len(kinds))})"
    values = [now, now, MOST_TRIES, *sorted(only), *sorted(but)]
    # Most looks find nothing, and a look must not cost SQLite's one writer its turn.
    if not await Job.raw(f"SELECT 1 FROM jobs WHERE {waiting} LIMIT 1", *values):
        return None
    skip = " FOR UPDATE SKIP LOCKED" if Job._meta.db.engine_type == "postgres" else ""
    rows = await Job.raw(
        "UPDATE jobs SET lease_until = {}, tries = tries + 1 WHERE id IN ("
        f"SELECT id FROM jobs WHERE {waiting} ORDER BY run_at LIMIT 1{skip}) RETURNING *",
        now + LEASE,
        *values,
    )
    return Job(**rows[0], _exists_in_db=True) if rows else None


async def finish(job: Job) -> None:
    await Job.update({Job.done_at: clock.now(), Job.lease_until: None, Job.error: None}).where(Job.id == job.id)


async def postpone(job: Job, error: str, gives_up: bool = True, wait: timedelta | None = None) -> None:
    """Once more, later each time. After MOST_TRIES the job is set aside with its error, unless it never gives up.

    A try that is to be repeated after a `wait` of its own does not count.
    """
    later = timedelta(seconds=min(5 * 2**job.tries, 6 * 3600))
    changes = {Job.run_at: clock.now() + (later if wait is None else wait), Job.lease_until: None}
    changes[Job.error] = error[:500]
    if wait is not None:
        changes[Job.tries] = job.tries - 1
    elif not gives_up:
        changes[Job.tries] = min(job.tries, MOST_TRIES - 1)
    await Job.update(changes).where(Job.id == job.id)
