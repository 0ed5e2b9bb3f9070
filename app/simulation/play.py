"""One seed, from the opening of the shop until nothing is left to happen, and what was wrong with it."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from app.sandbox.faults import KINDS
from app.simulation.life import CALM_PACE, Life
from app.simulation.shopper import Manner, Shopper
from app.simulation.stage import Stage
from app.simulation.verdict import compare, judge
from app.simulation.world import Rates, World

A_DAY = 86_400.0
# By then every PG has said its last word about everything.
LONGEST = 25 * A_DAY
SPREAD = 2 * 3600.0
# What ends a state at a PG that would otherwise stay for ever: one of each.
LAST_WORDS = (("complete",), ("settle_pending", "fail_pending"), ("win_dispute",))
# The other kinds are chosen by the shopper, or need the PG's own codes.
ARMED = tuple(kind for kind in KINDS if kind not in ("error", "amount_changed"))
PROVIDERS = ("toss", "portone", "stripe")
# These strike any call.
SPREADING = ("answer_lost_before", "answer_lost_after", "slow", "server_error", "server_error_after")


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is in the world, and how rough it is."""

    rates: Rates
    shoppers: int = 5
    processes: int = 2
    manner: Manner = field(default_factory=Manner)
    # Shares: how often the bank, the owner and a shopper who is asked for a bank account do something.
    bank: float = 0.3
    owner: float = 0.15
    # Of all that is taken: what goes back at once, before the shop may have heard of it.
    haste: float = 0.0
    # Of the owner's refunds: those of all that is left.
    whole_refunds: float = 0.5
    # Whether the PGs' lists are read in the end, as they are each day.
    compares: bool = True
    # Where a process dies: its name and the number of its tick.
    dies: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one seed; `story` is worth reading when there are breaches."""

    seed: int
    breaches: list[str]
    story: list[str]
    counts: Mapping[str, int]
    digest: str
    # Machine, state, event.
    reached: set[tuple[str, str, str]]
    # How many ticks each process had made when the shoppers were done.
    ticks: Mapping[str, int]
    # Seconds from the money's being taken at the PG to the order's being paid here.
    delays: list[float]


def plan_of(seed: int) -> Plan:
    """The weather of a seed: some are calm, some are wild, and each in another way."""
    chance = Random(f"{seed} weather")

    def share(most: float) -> float:
        return most * chance.random() ** 2 if chance.random() < 0.7 else 0.0

    rates = Rates(
        yields=share(0.6),
        pace=chance.choice((2.0, 15.0, 60.0, 60.0)),
        races=share(1.0),
        slow_calls=share(0.4),
        refused_calls=share(0.1),
        kills=share(0.5),
        faults={kind: share(30) for kind in ARMED} | {"amount_changed": share(8)},
        outages=chance.choice((0, 0, 0, 1, 3)),
        lost_mails=share(0.5),
    )
    return Plan(rates, processes=chance.choice((1, 2, 2, 3)), bank=share(0.6), owner=share(0.5), haste=share(0.5))


def play(stage: Stage, seed: int, plan: Plan | None = None) -> Report:
    """Plays one seed; the same seed and plan are the same world, step by step."""
    plan = plan or plan_of(seed)
    with stage.play(seed, plan.rates) as world:
        database = sqlite3.connect(stage.settings.database_url.removeprefix("sqlite:///"), isolation_level=None)
        delays: list[float] = []
        ticks: dict[str, int] = {}
        try:
            world.loop.run_until_complete(_live(stage, plan, database, delays, ticks))
        except Exception as error:
            world.breach(f"the world ended: {type(error).__name__}: {error}")
        finally:
            database.close()
        for problem in world.loop.errors:
            world.breach(f"{problem.get('message')}: {problem.get('exception')!r}")
        return Report(
            seed=seed,
            breaches=world.breaches,
            story=world.story,
            counts=Counter(world.counts),
            digest=world.digest,
            reached=world.reached,
            ticks=ticks,
            delays=delays,
        )


async def _live(
    stage: Stage, plan: Plan, database: sqlite3.Connection, delays: list[float], ticks: dict[str, int]
) -> None:
    world, life = stage.world, Life(stage, database, plan.dies, plan.whole_refunds)
    webhooks = stage.pgs.process.spawn(stage.sandbox.state.webhooks.run())
    always = [_task(world, life.run_process(f"web-{number}")) for number in range(plan.processes)]
    always.append(_task(world, life.keep_time()))
    rough = [
        _task(world, doing)
        for doing in (
            life.kill(),
            life.trouble_pgs(),
            life.be_bank(plan.bank),
            life.be_hasty(plan.haste),
            life.be_owner(plan.owner),
        )
    ]
    _arm(stage, plan)
    await asyncio.gather(*[_arrive(stage, plan, goods, number) for number, goods in _wishes(stage, plan, database)])
    ticks |= {process.name: process.ticks for process in stage.processes}
    await world.wait(0, 8 * 3600 if plan.rates != Rates() else 60)
    life.calm_down()
    await _end(rough)
    for _ in range(2):
        _say_last_words(stage)
        await _settle_down(stage, life)
    for shop, token, email in database.execute(
        "SELECT DISTINCT shops.domain, orders.token, orders.customer_email"
        " FROM refunds JOIN payments ON payments.id = refunds.payment"
        ' JOIN orders ON orders.id = payments."order" JOIN shops ON shops.id = orders.shop'
        " WHERE refunds.status = 'needs_account' ORDER BY orders.number"
    ).fetchall():
        await Shopper(stage, "visitor", plan.manner, email).visit(shop, token)
    await _settle_down(stage, life)
    if plan.compares:
        await compare(stage)
        await _settle_down(stage, life)
    await judge(stage, database, delays)
    webhooks.cancel()
    await _end(always)


def _task(world: World, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return world.loop.create_task(doing)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels them; what one of them has failed with is raised."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


def _wishes(stage: Stage, plan: Plan, database: sqlite3.Connection) -> list[tuple[int, tuple[str, str]]]:
    """What each shopper wants: a shop and a product."""
    goods = database.execute(
        "SELECT shops.domain, products.id FROM products JOIN shops ON shops.id = products.shop ORDER BY products.name"
    ).fetchall()
    return [(number, stage.world.chance.choice(goods)) for number in range(plan.shoppers)]


async def _arrive(stage: Stage, plan: Plan, goods: tuple[str, str], number: int) -> None:
    await stage.world.wait(0, SPREAD if plan.shoppers > 1 else 1)
    await Shopper(stage, f"shopper-{number}", plan.manner).live(*goods)


def _say_last_words(stage: Stage) -> None:
    for payment in stage.pgs.payments():
        for verbs in LAST_WORDS:
            if possible := [verb for verb in verbs if verb in stage.pgs.verbs(payment)]:
                stage.pgs.act(stage.world.chance.choice(possible), payment.reference)


def _arm(stage: Stage, plan: Plan) -> None:
    for kind, percent in plan.rates.faults.items():
        if percent:
            for provider in PROVIDERS:
                calls = ("begin", "money", "lookup") if kind in SPREADING else (None,)
                for call in calls:
                    fault = {"provider": provider, "kind": kind, "percent": percent}
                    stage.sandbox.state.faults.arm(fault | ({"call": call} if call else {}))


async def _settle_down(stage: Stage, life: Life) -> None:
    """Time goes on until nothing is due any more; what PGs leave open meanwhile they end the next day."""
    world = stage.world
    limit, tomorrow = world.loop.now + LONGEST, world.loop.now + A_DAY
    quiet = 0
    while quiet < 2:
        due = [at for at in (life.next_due(), stage.pgs.next_webhook_at()) if at is not None]
        if not due:
            quiet += 1
            await asyncio.sleep(CALM_PACE)
            continue
        quiet = 0
        if world.loop.now > limit:
            world.breach("it never comes to an end")
            return
        if world.loop.now > tomorrow:
            tomorrow = world.loop.now + A_DAY
            _say_last_words(stage)
        await asyncio.sleep(max(min(due) - world.loop.now, 0) + 2 * CALM_PACE)
