"""A test finds nothing of the one before, although both use the same app and the same sandbox."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.piccolo_app import TABLES
from tests import sandbox_wire, stock
from tests.databases import Databases
from tests.mall import CONTRACTS, Customer, hear_all
from tests.sandbox_wire import Practice, practice
from tests.shopping import Clock, Market, open_market


@pytest.fixture
def next_url(engine_name: str, databases: Databases, migrate: Callable, tmp_path: Path) -> Callable:
    """The database of the next test."""
    return lambda: databases.migrated(engine_name, migrate, tmp_path)


async def rows() -> dict[str, list[dict[str, Any]]]:
    return {table._meta.tablename: await table.select().order_by(table.id) for table in TABLES}


def remembered(sandbox: Practice) -> dict[str, int]:
    """How many rows the sandbox has of each kind."""
    database = sandbox.app.state.book.database
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def parts(*apps: Any) -> list[Any]:
    return [part for app in apps for part in app.state.values()]


def counted(market: Market) -> list[str]:
    lines = market.app.state.metrics.text().decode().splitlines()
    return [line for line in lines if not line.startswith("#") and "_created" not in line and not line.endswith(" 0.0")]


async def use(market: Market) -> None:
    customer = Customer(market)
    await customer.pay(market.mug, "toss")
    await customer.pay(market.mug, "stripe")
    await hear_all(market)
    await market.fault("webhook_dropped", percent=100)
    market.mug.name, market.haru.name, market.accounts[0].merchant = "old", "old", "old"


async def test_a_market_knows_nothing_of_the_one_before(next_url: Callable, time: Clock) -> None:
    contracts = list(CONTRACTS.values())
    async with open_market(await next_url(), time, contracts) as before:
        opened = await rows()
        await use(before)
        assert counted(before)
        assert remembered(before.pg)["answers"] > 0
        old = parts(before.app, before.pg.app)
    async with open_market(await next_url(), time, contracts) as market:
        assert (market.app, market.pg.app) == (before.app, before.pg.app)
        assert await rows() == opened
        assert (counted(market), market.pg.transport.calls) == ([], [])
        assert set(remembered(market.pg).values()) <= {0}
        assert [part for part in parts(market.app, market.pg.app) if any(part is each for each in old)] == []
        assert (market.mug.name, market.haru.name, market.accounts[0].merchant) == (
            "백자 유약 머그",
            "하루상점",
            "haru01",
        )


async def test_two_sandboxes_at_once_are_two_apps() -> None:
    async with practice() as one, practice() as other:
        assert one.app is not other.app


async def test_shops_that_are_copied_are_as_the_verbs_write_them(
    next_url: Callable, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "_kept", {})
    async with open_market(await next_url(), time) as written:
        first = await rows()
    async with open_market(await next_url(), time) as copied:
        assert await rows() == first
        assert {name for name, found in first.items() if found} == {"shops", "provider_accounts", "products"}
        for name in ("haru", "namu", "mug", "last", "spoon"):
            assert getattr(copied, name).to_dict() == getattr(written, name).to_dict()
            assert getattr(copied, name)._exists_in_db
        assert [each.to_dict() for each in copied.accounts] == [each.to_dict() for each in written.accounts]


async def test_a_sandbox_knows_nothing_of_the_one_before() -> None:
    async with practice() as before:
        await sandbox_wire.confirm(before.wire, await sandbox_wire.authenticated(before.wire), "a-key")
        await sandbox_wire.arm(before.wire, "slow")
        assert sum(remembered(before).values()) > 1
        old = parts(before.app)
    async with practice() as sandbox:
        assert sandbox.app is before.app
        assert set(remembered(sandbox).values()) == {0}
        assert [part for part in parts(sandbox.app) if any(part is each for each in old)] == []
