"""The commands behind `./sellog`. Exit codes: 0 done, 1 could not, 2 not understood."""

import argparse
import asyncio
import json
import os
import re
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

import asyncpg

from app.database import DB, make_engine
from app.engine import Engine
from app.settings import BadSetting, Settings

if TYPE_CHECKING:
    from app.shops.tables import Shop

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
NOT_CURRENT = "The database's tables are not up to date: run `./sellog migrate` first."


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["test"]:
        # Everything after the word is pytest's.
        from app.suite import run_tests

        return run_tests(list(arguments[1:]))
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    from app.checking.reporting import NoLedger
    from app.demo import NoFolder
    from app.migrating import MigrationFailed
    from app.serving import PortTaken

    try:
        return command(options)
    except (BadSetting, PortTaken, NoFolder, NoLedger, CannotStart, MigrationFailed) as error:
        print(error, file=sys.stderr)
        return 1
    except BadUsage as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


class CannotStart(Exception):
    """Something outside is not as it must be; the message says what to do."""


class BadUsage(Exception):
    """An argument that makes no sense, as only the database can tell."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./sellog", description="A light, open checkout for small shops.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="two sample shops and a payment gateway to try them with, on this machine")
    demo.add_argument("--data", type=Path, default=ROOT / "data", metavar="DIR", help="folder for everything it keeps")
    demo.add_argument("--port", type=int, default=8000, help="port of the shops (default: %(default)s)")
    demo.add_argument("--sandbox-port", type=int, default=8001, help="port of the sandbox (default: %(default)s)")
    demo.add_argument("--reset", action="store_true", help="forget what the folder holds and begin anew")
    demo.add_argument("--empty", action="store_true", help="a new folder begins without any orders")
    demo.set_defaults(command=_demo)

    serve = commands.add_parser("serve", help="the shop, with the settings of the environment")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8000, help="(default: %(default)s)")
    serve.add_argument("--workers", type=_positive, default=1, help="number of processes (default: %(default)s)")
    serve.set_defaults(command=_serve)

    worker = commands.add_parser("worker", help="the work behind the pages alone; `serve` does it as well")
    worker.set_defaults(command=_worker)

    migrate = commands.add_parser("migrate", help="bring the database's tables and the environment's keys up to date")
    migrate.add_argument("--sample", action="store_true", help="add the two sample shops as well")
    migrate.set_defaults(command=_migrate)

    check = commands.add_parser("check", help="whether everything in the database is as it must be; 1 if it is not")
    check.add_argument("--ledger", type=_address, metavar="URL", help="compare with the ledger of the sandbox there")
    check.set_defaults(command=_check)

    shop = commands.add_parser("shop", help="create a shop").add_subparsers(required=True, metavar="COMMAND")
    create = shop.add_parser("create", help="a new shop, without goods")
    create.add_argument("domain", metavar="DOMAIN", help="its name in the URL")
    create.add_argument("--name", required=True, help="its name for people")
    create.set_defaults(command=_create_shop)

    owner = commands.add_parser("owner", help="who runs a shop").add_subparsers(required=True, metavar="COMMAND")
    add = owner.add_parser("add", help="gives somebody a role at a shop; prints a link to set their password")
    add.add_argument("email", metavar="EMAIL")
    add.add_argument("--shop", required=True, metavar="DOMAIN")
    add.add_argument("--role", choices=("owner", "staff", "viewer"), default="owner", help="(default: %(default)s)")
    add.set_defaults(command=_add_owner)

    compare = commands.add_parser(
        "compare", help="a day of each gateway's own list against our payments; 1 if they differ"
    )
    compare.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="in the shop's time zone (default: yesterday)")
    compare.add_argument("--shop", metavar="DOMAIN", help="this shop's accounts alone (default: every shop's)")
    compare.set_defaults(command=_compare)

    doctor = commands.add_parser(
        "doctor", help="how the shops' contracts with their gateways are; 1 if anything is bad"
    )
    doctor.add_argument("--shop", metavar="DOMAIN", help="this shop alone (default: every shop)")
    doctor.set_defaults(command=_doctor)

    simulate = commands.add_parser("simulate", help="shops, shoppers and faults in a simulated world, by their seeds")
    simulate.add_argument("--seeds", type=_seeds, default=range(1, 101), metavar="A..B", help="(default: 1..100)")
    simulate.add_argument("--processes", type=_positive, default=os.cpu_count() or 1, help="(default: %(default)s)")
    simulate.add_argument("--story", action="store_true", help="tell every seed's story, not only of those that break")
    simulate.set_defaults(command=_simulate)

    commands.add_parser("test", help="the whole test suite; what follows is handed to pytest")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


def _address(text: str) -> str:
    if not re.match(r"https?://[^/?#\s]", text):
        raise argparse.ArgumentTypeError("must be an address such as http://localhost:8001")
    return text


def _day(text: str) -> date:
    try:
        if re.fullmatch(r"20\d\d-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError("must be a day such as 2026-11-21")


def _seeds(text: str) -> range:
    """`7`, or from the first to the last of `1..500`."""
    first, dots, last = text.partition("..")
    last = last if dots else first
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError("must be a whole number, or two like 1..500")
    return range(int(first), int(last) + 1)


def _demo(options: argparse.Namespace) -> int:
    from app.demo import run_demo

    return run_demo(options.data, options.port, options.sandbox_port, options.reset, options.empty, dict(os.environ))


def _serve(options: argparse.Namespace) -> int:
    from app.serving import serve

    return serve(_settings_of_current_database(), options.host, options.port, options.workers)


def _worker(options: argparse.Namespace) -> int:
    from app.serving import work

    return work(_settings_of_current_database())


def _settings_of_current_database() -> Settings:
    """The environment's settings, once the database they name is known to be up to date."""
    from app.main import read_settings
    from app.migrating import is_current

    settings = read_settings(os.environ)
    if not asyncio.run(_on_database(settings, lambda engine: is_current())):
        raise CannotStart(NOT_CURRENT)
    return settings


def _migrate(options: argparse.Namespace) -> int:
    from app.main import read_settings
    from app.migrating import migrate
    from app.payments.accounts import adopt_environment
    from app.sample import add_sample_shops
    from app.sealing import Ring
    from app.shops.tables import Shop

    settings = read_settings(os.environ)

    async def bring_up_to_date(engine: Engine) -> None:
        await migrate(engine)
        if options.sample:
            await add_sample_shops()
        await adopt_environment(settings, Ring(settings.secret_keys), await Shop.objects())

    asyncio.run(_on_database(settings, bring_up_to_date))
    print("The database is up to date.")
    return 0


def _create_shop(options: argparse.Namespace) -> int:
    from app.registering import Refused, create_shop

    settings = _settings_of_current_database()
    try:
        asyncio.run(_on_database(settings, lambda engine: create_shop(settings, options.domain, options.name)))
    except Refused as error:
        raise BadUsage(str(error)) from None
    print(f"The shop is at {settings.base_url}/{options.domain}")
    print(f"Add its owner: ./sellog owner add EMAIL --shop {options.domain}")
    return 0


def _add_owner(options: argparse.Namespace) -> int:
    from app.owners.roles import Role
    from app.registering import Refused, add_member

    settings, role = _settings_of_current_database(), Role(options.role)
    try:
        work = partial(add_member, settings, options.email, options.shop, role)
        link = asyncio.run(_on_database(settings, lambda engine: work()))
    except Refused as error:
        raise BadUsage(str(error)) from None
    print(f"{options.email} is {role} of {options.shop}.")
    if link is None:
        print(f"They sign in at {settings.base_url}/login with the password that they have.")
    else:
        print(f"Their password is set once, within a day, at {link}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from app.checking import Breach
    from app.checking.reporting import check_books, lines_of, summary
    from app.migrating import is_current

    # Whoever may read the database may check it: no keys are needed.
    database_url = os.environ.get("SELLOG_DATABASE_URL", "sqlite:///sellog.sqlite")
    settings = Settings("development", base_url="", database_url=database_url, secret_keys=())

    async def check(engine: Engine) -> tuple[int, list[Breach]]:
        if not await is_current():
            raise CannotStart(NOT_CURRENT)
        return await check_books(options.ledger)

    checkouts, breaches = asyncio.run(_on_database(settings, check))
    for line in lines_of(breaches):
        print(line)
    print(summary(checkouts, len(breaches)))
    return 1 if breaches else 0


def _simulate(options: argparse.Namespace) -> int:
    from app.simulation.simulate import simulate

    return simulate(options.seeds, options.processes, options.story)


def _compare(options: argparse.Namespace) -> int:
    from app.edge import configure_logging

    settings = _settings_of_current_database()
    configure_logging(sys.stderr)
    return asyncio.run(_compare_accounts(settings, options.day, options.shop))


async def _compare_accounts(settings: Settings, day: date | None, domain: str | None) -> int:
    """Every account in turn; one that cannot be asked keeps no other waiting. Raises BadUsage."""
    from app.main import gateways_of
    from app.payments.comparing import compare_day, find_day, list_compared, moved_payments
    from app.payments.provider import Misconfigured, Unreachable
    from app.sealing import Unsealable

    compared = payments = differences = unasked = 0
    async with gateways_of(settings) as gateways:
        for shop, chosen in await _shops_and_days(day, domain):
            for account in await list_compared(shop):
                name = f"{shop.domain} {account.account_key.partition(':')[2]} {chosen}"
                try:
                    found = await compare_day(gateways, account, chosen)
                except (Unreachable, Misconfigured, Unsealable) as error:
                    print(f"{name}: COULD NOT BE ASKED, nothing is known of it: {type(error).__name__}: {error}")
                    unasked += 1
                    continue
                for each in found:
                    sums = f"ours {each.ours}, the gateway's {each.theirs} {each.currency}"
                    print(f"{name}: {each.kind} {each.reference} ({each.pg_payment_id}): {sums}")
                compared, differences = compared + 1, differences + len(found)
                payments += len(await moved_payments(account, await find_day(account, chosen)))
    print(f"Accounts compared: {compared}, not to be asked: {unasked}, differences: {differences}")
    print(json.dumps({"accounts": compared, "payments": payments, "differences": differences}))
    return 1 if differences or unasked else 0


def _doctor(options: argparse.Namespace) -> int:
    from app.edge import configure_logging

    settings = _settings_of_current_database()
    configure_logging(sys.stderr)
    return asyncio.run(_examine_shops(settings, options.shop))


async def _examine_shops(settings: Settings, domain: str | None) -> int:
    """A line for each finding. Raises BadUsage."""
    from app.language import translator
    from app.main import gateways_of
    from app.payments.doctor import examine_shop, is_bad

    say, bad = translator("en"), False
    async with gateways_of(settings) as gateways:
        for shop in await _chosen_shops(domain):
            checkups = await examine_shop(gateways, shop)
            bad = bad or is_bad(checkups)
            for checkup in checkups:
                key = f" {checkup.account.account_key.partition(':')[2]}" if checkup.account else ""
                for found in checkup.findings:
                    check, said, step = (say(text, **found.values) for text in (found.check, found.said, found.step))
                    print(f"{shop.domain}{key}: {found.tone.upper()}: {check}: {said.rstrip('.')}. {step}".rstrip())
    return 1 if bad else 0


async def _chosen_shops(domain: str | None) -> "list[Shop]":
    """The one of this name, else all. Raises BadUsage."""
    from app.shops.tables import Shop
    from app.shops.tenancy import NotFound, find_shop

    try:
        return [await find_shop(domain)] if domain is not None else await Shop.objects().order_by(Shop.domain)
    except NotFound:
        raise BadUsage(f"--shop: there is no shop {domain!r}.") from None


async def _shops_and_days(day: date | None, domain: str | None) -> "list[tuple[Shop, date]]":
    """The shops to compare, each with the day. Raises BadUsage."""
    from app import clock

    chosen = []
    for shop in await _chosen_shops(domain):
        today = clock.now().astimezone(ZoneInfo(shop.time_zone)).date()
        if day and day > today:
            raise BadUsage(f"--day: {day} has not begun for {shop.domain}: in {shop.time_zone} it is {today}.")
        chosen.append((shop, day or today - timedelta(days=1)))
    return chosen


async def _on_database(settings: Settings, work: Callable[[Engine], Awaitable[T]]) -> T:
    """Runs `work` on the settings' database. Raises CannotStart when it cannot be opened."""
    try:
        engine = make_engine(settings.database_url)
        DB.use(engine)
        await engine.open()
    except (ValueError, OSError, sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotStart(f"SELLOG_DATABASE_URL: the database cannot be opened: {error}") from None
    try:
        return await work(engine)
    finally:
        await engine.aclose()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
