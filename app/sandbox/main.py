"""create_sandbox(): the simulator of the payment gateways as one ASGI app. Bind it to loopback only."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Litestar, route
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig
from litestar.types import Scope

from app.sandbox.book import Book
from app.sandbox.control import Control
from app.sandbox.dropping import keep_the_log_quiet
from app.sandbox.faults import Faults
from app.sandbox.toss import TossApi
from app.sandbox.toss_desk import TossDesk, trace
from app.sandbox.toss_errors import ERRORS, TossError
from app.sandbox.toss_payments import KST, PROVIDER, Account, TossPayments
from app.sandbox.toss_window import READ, TossSdk, TossWindow
from app.sandbox.world import World, real_now

ROOT = Path(__file__).parents[2]
SHOWN = 200


@route("/", http_method=READ)
async def index(book: NamedDependency[Book], toss: NamedDependency[TossPayments]) -> Template:
    payments = [toss.refresh(payment) for payment in book.payments(limit=SHOWN)]
    return Template("sandbox/index.html", context={"payments": payments, "shown": SHOWN})


@route("/healthz", http_method=READ)
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


def create_sandbox(
    *,
    accounts: Sequence[Mapping[str, str]],
    book: Path | None = None,
    now: Callable[[], datetime] = real_now,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    assets: Path = ROOT / "static",
    chance: Random | None = None,
) -> Litestar:
    """The sandbox for `accounts`, each `{"provider", "client_key", "secret_key", "merchant", "shop_name"}`.

    What it knows is kept in the file `book`, or in memory; a seeded `chance` makes ids and percentages
    repeatable. `app.state.book` is open until the app's shutdown. A live key raises ValueError.
    """
    known = read_accounts(accounts)
    world = World(now, sleep, chance or Random())
    pages = Book(book)
    toss = TossPayments(known, pages, world)
    faults = Faults(pages, world, {PROVIDER: ERRORS})
    desk = TossDesk(toss, faults, pages, world)
    parts = {"book": pages, "toss": toss, "faults": faults, "desk": desk}
    keep_the_log_quiet()
    return Litestar(
        route_handlers=[
            index,
            healthz,
            TossApi,
            TossSdk,
            TossWindow,
            Control,
            create_static_files_router("/static", [assets]),
        ],
        dependencies={name: _given(part) for name, part in parts.items()},
        before_send=[trace(world)],
        state=State({"book": pages}),
        on_shutdown=[pages.close],
        template_config=TemplateConfig(instance=_templates()),
        openapi_config=None,
        logging_config=None,
        after_exception=[report],
    )


def read_accounts(raw: Sequence[Mapping[str, str]]) -> list[Account]:
    """The accounts of every gateway played here; ValueError for a live key or an unknown gateway."""
    accounts = []
    for each in raw:
        if each["provider"] != PROVIDER:
            raise ValueError(f"the sandbox does not play {each['provider']!r}")
        for name in ("client_key", "secret_key"):
            if each[name].startswith("live_"):
                raise ValueError(f"the sandbox takes no live keys: {name} of {each['merchant']} starts with live_")
        accounts.append(Account(each["client_key"], each["secret_key"], each["merchant"], each["shop_name"]))
    return accounts


async def report(error: Exception, scope: Scope) -> None:
    """A refusal is an answer; any other exception is a fault of the sandbox and must be seen."""
    if not isinstance(error, HTTPException | TossError):
        logging.getLogger(__name__).error("%s %s failed", scope["method"], scope["path"], exc_info=error)


def _given(part: Any) -> Provide:
    return Provide(lambda: part, sync_to_thread=False)


def _templates() -> JinjaTemplateEngine:
    loader = FileSystemLoader(ROOT / "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters["won"] = lambda amount: f"{amount:,}원"
    environment.filters["kst"] = lambda moment: moment.astimezone(KST).strftime("%Y-%m-%d %H:%M:%S")
    return JinjaTemplateEngine.from_environment(environment)
