"""Writing a demo's history: weeks of orders, played by the shop's own code at the sandbox. No row is made up."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from structlog.typing import EventDict

from app.database import DB, write_transaction
from app.history.cases import plan_haru, plan_namu
from app.history.desk import Desk
from app.history.past import SELDOM, Past
from app.history.trade import Trade
from app.messages import delivering
from app.migrating import migrate
from app.owners.admission import Member
from app.owners.roles import Role
from app.owners.team import add_owner, give_role
from app.payments.accounts import list_offers
from app.settings import Settings
from app.shops.tables import Product, Shop
from app.simulation.seal import sealed_off
from app.simulation.world import Rates, World
from app.sqlite_engine import SQLiteEngine

DAYS = 35
SEED = 1
# Each shop's plan, and how many come on an ordinary day.
PLANS = {"haru": (plan_haru, 2.7), "namu": (plan_namu, 0.7)}
# The nights whose lists are compared, in days before now: those after something was wrong, and the last ones.
COMPARED = (8, 7, 2, 1, 0)
# Days at whose end something may have come to a stop.
NOTICED = 9

# Opens the shops in the empty database that is in use; their accounts, as the sandbox is told them.
OpenShops = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]


def write_history(
    settings: Settings, database: Path, book: Path, open_shops: OpenShops, owner: str, until: datetime
) -> None:
    """Makes both files, the shops' and the sandbox's, with everything that happened until then.

    `settings` are the shops' own, but for the database; `owner` is the address of whoever is at their desks.
    """
    engine = SQLiteEngine(str(database), inline=True, synchronous="OFF")
    DB.use(engine)
    try:
        asyncio.run(_migrated(engine))
        world = World(SEED, Rates(), (until - timedelta(days=DAYS + 1)).timestamp())
        with _quiet(), sealed_off(str(SEED), world.loop):
            world.loop.run_until_complete(_live(world, engine, settings, book, open_shops, owner, until))
    finally:
        DB.use(None)


async def _migrated(engine: SQLiteEngine) -> None:
    await engine.open()
    await migrate(engine)
    await engine.aclose()


async def _live(
    world: World,
    engine: SQLiteEngine,
    settings: Settings,
    book: Path,
    open_shops: OpenShops,
    owner: str,
    until: datetime,
) -> None:
    await engine.open()
    accounts = await open_shops()
    past = Past(world, settings, accounts, Path(engine.path))
    send, delivering.send = delivering.send, past.take_mail
    try:
        for domain, (plan, visits) in PLANS.items():
            trade = await _trade(past, await Shop.objects().get(Shop.domain == domain), owner, until)
            trade.open_days(DAYS, visits)
            plan(trade)
        _plan_nights(past, until)
        await past.live(until)
    finally:
        delivering.send = send
        past.close(book)
        await engine.aclose()


async def _trade(past: Past, shop: Shop, owner: str, until: datetime) -> Trade:
    products = await Product.objects().where(Product.shop == shop.id).order_by(Product.position)
    offers = {f"{offer.account.provider}:{offer.name}": offer for offer in await list_offers(shop)}
    async with write_transaction():
        member = await add_owner(owner)
        await give_role(member, shop, Role.OWNER)
    desk = Desk(past, Member(shop, member, Role.OWNER))
    return Trade(past, shop, {product.name: product for product in products}, offers, desk, until)


def _plan_nights(past: Past, until: datetime) -> None:
    """What the worker does by the clock; of the compares only the last ones, because they take their time."""
    midnight = until.astimezone(ZoneInfo("Asia/Seoul")).replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(NOTICED):
        for hour in (1, 7, 13, 19):
            past.at(midnight - timedelta(days=number) + timedelta(hours=hour), past.look_after)
    after_three = midnight + timedelta(hours=3, minutes=10)
    for number in COMPARED:
        past.at(after_three - timedelta(days=number), lambda: past.sweep("compare"))
    past.at(until - timedelta(seconds=60), lambda: past.sweep("reconcile", "expire", *SELDOM))


@contextmanager
def _quiet() -> Iterator[None]:
    """The log tells what happens from now on; of the past only what should not have happened."""
    known = structlog.get_config()
    structlog.configure(processors=[_errors_alone, *known["processors"]], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**known)


def _errors_alone(logger: object, level: str, event: EventDict) -> EventDict:
    if level != "error":
        raise structlog.DropEvent
    return event
