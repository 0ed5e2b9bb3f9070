"""The commands behind `./sellog`. Exit codes: 0 done, 1 could not, 2 not understood."""

import argparse
import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import asyncpg

from app.database import DB, make_engine
from app.engine import Engine
from app.settings import BadSetting, Settings

T = TypeVar("T")

ROOT = Path(__file__).parent.parent


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["test"]:
        # Everything after the word is pytest's.
        from app.suite import run_tests

        return run_tests(list(arguments[1:]))
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    from app.demo import NoFolder
    from app.migrating import MigrationFailed
    from app.serving import PortTaken

    try:
        return command(options)
    except (BadSetting, PortTaken, NoFolder, CannotStart, MigrationFailed) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


class CannotStart(Exception):
    """Something outside is not as it must be; the message says what to do."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./sellog", description="A light, open checkout for small shops.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="two sample shops and a payment gateway to try them with, on this machine")
    demo.add_argument("--data", type=Path, default=ROOT / "data", metavar="DIR", help="folder for everything it keeps")
    demo.add_argument("--port", type=int, default=8000, help="port of the shops (default: %(default)s)")
    demo.add_argument("--sandbox-port", type=int, default=8001, help="port of the sandbox (default: %(default)s)")
    demo.add_argument("--reset", action="store_true", help="forget what the folder holds and begin anew")
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

    commands.add_parser("test", help="the whole test suite; what follows is handed to pytest")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


def _demo(options: argparse.Namespace) -> int:
    from app.demo import run_demo

    return run_demo(options.data, options.port, options.sandbox_port, options.reset, dict(os.environ))


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
        raise CannotStart("The database's tables are not up to date: run `./sellog migrate` first.")
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
