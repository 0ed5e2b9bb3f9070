"""Job rows: written with the change that wants them, done at least once, by one worker at a time."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from app.database import write_transaction
from app.jobs import queue
from app.jobs.queue import LEASE, MOST_TRIES, claim, enqueue
from app.jobs.tables import Job
from app.jobs.worker import NotYet, run, work_once
from tests.shopping import Market


async def add(*names: str, kind: str = "greet") -> None:
    """Due now, in this order: of jobs of the same moment any may be the first."""
    async with write_transaction():
        for number, name in enumerate(names):
            before = timedelta(microseconds=number - len(names))
            await enqueue(kind, {"name": name}, f"{kind}:{name}", before)


class Killed(BaseException):
    """The process dies."""


class Greeter:
    """A handler that writes down whom it greeted, and fails for some."""

    def __init__(self, *failing: str) -> None:
        self.greeted: list[str] = []
        self.failing = failing

    async def __call__(self, payload: Mapping[str, str]) -> None:
        self.greeted.append(payload["name"])
        if payload["name"] in self.failing:
            raise LookupError("nobody of that name")


async def test_a_job_needs_a_transaction(market: Market) -> None:
    with pytest.raises(RuntimeError, match="write_transaction"):
        await enqueue("greet", {}, "greet:minji")
    assert await Job.count() == 0


async def test_a_job_is_gone_when_its_change_is_rolled_back(market: Market) -> None:
    async def change_and_fail() -> None:
        async with write_transaction():
            await enqueue("greet", {"name": "minji"}, "greet:minji")
            raise LookupError

    with pytest.raises(LookupError):
        await change_and_fail()
    assert await Job.count() == 0


async def test_the_same_work_is_written_once_even_after_it_was_done(market: Market) -> None:
    greet = Greeter()
    await add("minji", "minji")
    await work_once({"greet": greet}, {})
    await add("minji")
    await work_once({"greet": greet}, {})
    assert greet.greeted == ["minji"]


async def test_eight_workers_at_once_do_each_job_once(market: Market) -> None:
    names = [f"shopper-{number}" for number in range(40)]
    await add(*names)
    greet = Greeter()
    await asyncio.gather(*(work_once({"greet": greet}, {}) for _ in range(8)))
    assert sorted(greet.greeted) == sorted(names)
    assert await Job.count().where(Job.done_at.is_null()) == 0


async def test_a_claimed_job_is_nobody_elses_until_the_lease_ends(market: Market) -> None:
    await add("minji")
    assert await claim()
    assert await claim() is None
    market.time.go_on(seconds=LEASE.total_seconds())
    assert await claim() is None
    market.time.go_on(seconds=1)
    assert (await claim()).tries == 2


async def test_a_job_is_not_done_before_its_time(market: Market) -> None:
    await add("minji")
    await Job.update({Job.run_at: market.time() + timedelta(minutes=1)}, force=True)
    assert await claim() is None
    market.time.go_on(minutes=1)
    assert await claim()


async def test_a_failing_job_keeps_no_other_waiting_and_comes_again_later(market: Market) -> None:
    greet = Greeter("nobody")
    await add("nobody", "minji")
    await work_once({"greet": greet}, {})
    assert sorted(greet.greeted) == ["minji", "nobody"]
    [failed] = await Job.objects().where(Job.done_at.is_null())
    assert failed.error.startswith("LookupError")
    assert failed.run_at == market.time() + timedelta(seconds=10)
    await work_once({"greet": greet}, {})
    assert greet.greeted.count("nobody") == 1
    market.time.go_on(seconds=10)
    await work_once({"greet": greet}, {})
    assert greet.greeted.count("nobody") == 2


async def test_a_job_that_always_fails_is_set_aside_with_its_error(market: Market) -> None:
    greet = Greeter("nobody")
    await add("nobody")
    for _ in range(MOST_TRIES + 5):
        await work_once({"greet": greet}, {})
        market.time.go_on(days=1)
    [job] = await Job.objects()
    assert len(greet.greeted) == job.tries == MOST_TRIES
    assert job.done_at is None
    assert job.error.startswith("LookupError")


async def test_a_job_that_waits_for_others_is_never_set_aside(market: Market) -> None:
    asked: list[str] = []

    async def ask(payload: Mapping[str, str]) -> None:
        asked.append(payload["name"])
        if len(asked) < MOST_TRIES + 20:
            raise NotYet("the PG is away")

    await add("minji")
    for _ in range(MOST_TRIES + 25):
        await work_once({"greet": ask}, {})
        market.time.go_on(days=1)
    assert len(asked) == MOST_TRIES + 20
    assert await Job.count().where(Job.done_at.is_null()) == 0


async def test_a_job_that_nobody_knows_is_an_error_and_not_the_end(market: Market) -> None:
    greet = Greeter()
    await add("minji", kind="unheard-of")
    await add("minji")
    await work_once({"greet": greet}, {})
    assert greet.greeted == ["minji"]
    [unknown] = await Job.objects().where(Job.kind == "unheard-of")
    assert unknown.error.startswith("KeyError")


async def test_a_worker_that_dies_leaves_its_job_to_the_next(market: Market) -> None:
    async def die(payload: Mapping[str, str]) -> None:
        raise Killed

    await add("minji")
    with pytest.raises(Killed):
        await work_once({"greet": die}, {})
    greet = Greeter()
    market.time.go_on(seconds=LEASE.total_seconds() + 1)
    await work_once({"greet": greet}, {})
    assert greet.greeted == ["minji"]


async def test_a_sweep_that_fails_does_not_stop_the_next(market: Market) -> None:
    swept: list[str] = []

    async def fail() -> None:
        raise LookupError

    async def sweep() -> None:
        swept.append("swept")

    await work_once({}, {"fail": fail, "sweep": sweep})
    assert swept == ["swept"]


async def test_a_worker_outlives_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[str] = []

    async def away(**_: object) -> None:
        rounds.append("away")
        if len(rounds) == 3:
            raise Killed
        raise OSError

    monkeypatch.setattr(queue, "claim", away)
    with pytest.raises(Killed):
        await run({}, {}, pause=0)
    assert len(rounds) == 3


async def test_a_worker_that_is_woken_works_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wake, rounds = asyncio.Event(), []

    async def nothing(**_: object) -> None:
        rounds.append("round")
        if len(rounds) == 2:
            raise Killed
        asyncio.get_running_loop().call_later(0.01, wake.set)

    monkeypatch.setattr(queue, "claim", nothing)
    with pytest.raises(Killed):
        await asyncio.wait_for(run({}, {}, pause=3600, wake=wake), 5)


async def test_a_job_done_is_done_however_it_was_before(market: Market) -> None:
    await add("minji")
    job = await claim()
    await queue.postpone(job, "no answer")
    await queue.finish(job)
    [row] = await Job.objects()
    assert (row.done_at, row.error, row.lease_until) == (market.time(), None, None)


async def test_a_job_that_knows_how_long_to_wait_is_tried_so_often_without_tiring(market: Market) -> None:
    async def ask(payload: Mapping[str, str]) -> None:
        raise NotYet("somebody else is asking", timedelta(seconds=5))

    await add("minji")
    for _ in range(20):
        await work_once({"greet": ask}, {})
        [job] = await Job.objects()
        assert (job.run_at, job.tries, job.lease_until) == (market.time() + timedelta(seconds=5), 0, None)
        market.time.go_on(seconds=5)


async def test_a_slow_job_keeps_no_other_waiting_and_ends_with_the_worker(market: Market) -> None:
    begun, done, wake = asyncio.Event(), asyncio.Event(), asyncio.Event()
    lists: list[str] = []

    async def hang(payload: Mapping[str, str]) -> None:
        lists.append(f"{payload['name']} begins")
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            lists.append(f"{payload['name']} ends")

    async def greet(payload: Mapping[str, str]) -> None:
        done.set()

    await add("first", "second", kind="list")
    working = asyncio.create_task(run({"list": hang, "greet": greet}, {}, pause=3600, wake=wake, slow={"list"}))
    await asyncio.wait_for(begun.wait(), 5)
    await add("minji")
    wake.set()
    await asyncio.wait_for(done.wait(), 5)
    assert lists == ["first begins"]
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert lists == ["first begins", "first ends"]


async def test_slow_jobs_are_done_one_after_the_other(market: Market) -> None:
    greet, done = Greeter("first"), asyncio.Event()

    async def go_through(payload: Mapping[str, str]) -> None:
        if payload["name"] == "third":
            done.set()
        await greet(payload)

    await add("first", "second", "third", kind="list")
    working = asyncio.create_task(run({"list": go_through}, {}, pause=3600, slow={"list"}))
    await asyncio.wait_for(done.wait(), 5)
    working.cancel()
    await asyncio.wait([working])
    assert greet.greeted == ["first", "second", "third"]


async def test_a_worker_that_outlived_a_slow_jobs_database_goes_on_with_it(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_well, done, wake, away = queue.claim, asyncio.Event(), asyncio.Event(), [True]

    async def claim_badly(**kinds: object) -> Job | None:
        if kinds.get("only") and away:
            away.clear()
            wake.set()
            raise OSError
        return await claim_well(**kinds)

    async def go_through(payload: Mapping[str, str]) -> None:
        done.set()

    monkeypatch.setattr(queue, "claim", claim_badly)
    await add("first", kind="list")
    working = asyncio.create_task(run({"list": go_through}, {}, pause=3600, wake=wake, slow={"list"}))
    await asyncio.wait_for(done.wait(), 5)
    working.cancel()
    await asyncio.wait([working])
