"""create_sandbox(): the simulator of the payment gateways as one ASGI app. Bind it to loopback only."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
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
from app.sandbox.control import Console, Control
from app.sandbox.dropping import keep_the_log_quiet
from app.sandbox.faults import Faults
from app.sandbox.gateway import Gateway, GatewayError
from app.sandbox.mailbox import HANDLERS as MAILS
from app.sandbox.mailbox import Mailbox, receiving
from app.sandbox.portone_gateway import PortOneGateway
from app.sandbox.stripe_gateway import StripeGateway
from app.sandbox.toss_desk import trace
from app.sandbox.toss_gateway import TossGateway
from app.sandbox.toss_time import KST
from app.sandbox.toss_window import READ
from app.sandbox.webhooks import Post, Webhooks, post_over_http
from app.sandbox.world import World, real_now

ROOT = Path(__file__).parents[2]
SHOWN = 200
GATEWAYS: Mapping[str, type[Gateway]] = {"toss": TossGateway, "portone": PortOneGateway, "stripe": StripeGateway}


@route("/", http_method=READ)
async def index(console: NamedDependency[Console]) -> Template:
    context = {"payments": console.payments(SHOWN), "shown": SHOWN, "possible": console.verbs}
    return Template("sandbox/index.html", context=context)


@route("/healthz", http_method=READ)
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


def create_sandbox(
    *,
    accounts: Sequence[Mapping[str, Any]],
    book: Path | None = None,
    now: Callable[[], datetime] = real_now,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    assets: Path = ROOT / "static",
    chance: Random | None = None,
    webhook_post: Post | None = None,
    webhook_time_scale: float = 1.0,
    mail_listener: socket.socket | None = None,
    reuse: Litestar | None = None,
) -> Litestar:
    """The sandbox for `accounts`, each `{"provider", ...}` with what that gateway's `read_account` reads, and, if the
    shop wants webhooks, `"webhook_url"`.

    What it knows is kept in the file `book`, or in memory; a seeded `chance` makes ids and percentages
    repeatable. A live key raises ValueError. `app.state.book` is open until the app's shutdown.

    Webhooks are sent between startup and shutdown, or by `await app.state.webhooks.send_due()`. `webhook_post` takes
    URL, headers and body, and answers the HTTP status (default: HTTP); `webhook_time_scale` stretches
    the pauses between attempts, so that 1/60 makes a second of a minute.

    Mail handed in by SMTP on `mail_listener` is kept and shown; ValueError unless that is a loopback socket.

    `reuse`, a sandbox that is over, becomes this one and keeps its routes alone: it must have been made for the same
    gateways, `assets` and no listener. To build the routes takes longer than most tests.
    """
    known = read_accounts(accounts)
    world = World(now, sleep, chance or Random())
    pages = Book(book)
    faults = Faults(pages, world, {name: GATEWAYS[name].codes for name in known})
    manners = {name: GATEWAYS[name].manner(signed) for name, signed in known.items()}
    webhooks = Webhooks(pages, faults, world, webhook_post or post_over_http, manners, webhook_time_scale)
    played = {name: GATEWAYS[name](signed, pages, faults, webhooks, world) for name, signed in known.items()}
    state = reuse.state if reuse else State()
    state.update(world=world, book=pages, faults=faults, webhooks=webhooks, console=Console(pages, played))
    for gateway in played.values():
        state.update(gateway.parts)
    keep_the_log_quiet()
    return reuse or Litestar(
        route_handlers=[
            index,
            healthz,
            *(handler for gateway in played.values() for handler in gateway.handlers),
            Control,
            *MAILS,
            create_static_files_router("/static", [assets]),
        ],
        dependencies={name: _given(state, name) for name in state},
        before_send=[trace],
        state=state,
        lifespan=[_sending, *([receiving(Mailbox(pages, world), mail_listener)] if mail_listener else [])],
        on_shutdown=[_close_book],
        template_config=TemplateConfig(instance=_templates()),
        openapi_config=None,
        logging_config=None,
        after_exception=[report],
    )


def read_accounts(raw: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The accounts of each gateway that has any: these are played. ValueError for a live key or an unknown gateway."""
    accounts: dict[str, list[Any]] = {}
    for each in raw:
        if each["provider"] not in GATEWAYS:
            raise ValueError(f"the sandbox does not play {each['provider']!r}")
        accounts.setdefault(each["provider"], []).append(GATEWAYS[each["provider"]].read_account(each))
    return accounts


async def report(error: Exception, scope: Scope) -> None:
    """A refusal is an answer; any other exception is a fault of the sandbox and must be seen."""
    if not isinstance(error, HTTPException | GatewayError):
        logging.getLogger(__name__).error("%s %s failed", scope["method"], scope["path"], exc_info=error)


@asynccontextmanager
async def _sending(app: Litestar) -> AsyncIterator[None]:
    running = asyncio.create_task(app.state.webhooks.run())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def _close_book(app: Litestar) -> None:
    app.state.book.close()


def _given(state: State, name: str) -> Provide:
    return Provide(lambda: state[name], sync_to_thread=False)


def _templates() -> JinjaTemplateEngine:
    loader = FileSystemLoader(ROOT / "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters["price"] = _price
    environment.filters["kst"] = lambda moment: moment.astimezone(KST).strftime("%Y-%m-%d %H:%M:%S")
    return JinjaTemplateEngine.from_environment(environment)


def _price(amount: int, currency: str) -> str:
    """Minor units for people: won and yen have none smaller, of the others there are a hundred to one."""
    if currency.upper() == "KRW":
        return f"{amount:,}원"
    if currency.upper() == "JPY":
        return f"¥{amount:,}"
    return f"{amount / 100:,.2f} {currency.upper()}"
