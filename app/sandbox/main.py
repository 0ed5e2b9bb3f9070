"""create_sandbox(): the simulator of the payment gateways as one ASGI app. Bind it to loopback only."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
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
from app.sandbox.toss_cancels import TossCancels
from app.sandbox.toss_deposits import TossDeposits, possible
from app.sandbox.toss_desk import TossDesk, trace
from app.sandbox.toss_errors import ERRORS, TossError
from app.sandbox.toss_payments import PROVIDER, Account, TossPayments
from app.sandbox.toss_time import KST
from app.sandbox.toss_webhooks import TOSS_MANNER, TossWebhooks
from app.sandbox.toss_window import READ, TossSdk, TossWindow
from app.sandbox.webhooks import Post, Webhooks, post_over_http
from app.sandbox.world import World, real_now

ROOT = Path(__file__).parents[2]
SHOWN = 200


@route("/", http_method=READ)
async def index(book: NamedDependency[Book], toss: NamedDependency[TossPayments]) -> Template:
    payments = [toss.refresh(payment) for payment in book.payments(limit=SHOWN)]
    return Template("sandbox/index.html", context={"payments": payments, "shown": SHOWN, "possible": possible})


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
) -> Litestar:
    """The sandbox for `accounts`, each `{"provider", "client_key", "secret_key", "merchant", "shop_name"}` and, if
    the shop wants webhooks, `"webhook_url"`.

    What it knows is kept in the file `book`, or in memory; a seeded `chance` makes ids and percentages
    repeatable. A live key raises ValueError. `app.state.book` is open until the app's shutdown.

    Webhooks are sent between startup and shutdown, or by `await app.state.webhooks.send_due()`. `webhook_post` takes
    URL, headers and body, and answers the HTTP status (default: HTTP); `webhook_time_scale` stretches
    the pauses between attempts, so that 1/60 makes a second of a minute.
    """
    known = read_accounts(accounts)
    world = World(now, sleep, chance or Random())
    pages = Book(book)
    faults = Faults(pages, world, {PROVIDER: ERRORS})
    manners = {PROVIDER: TOSS_MANNER}
    webhooks = Webhooks(pages, faults, world, webhook_post or post_over_http, manners, webhook_time_scale)
    toss = TossPayments(known, pages, world, TossWebhooks(known, webhooks, faults, world).tell)
    parts = {
        "book": pages,
        "faults": faults,
        "webhooks": webhooks,
        "toss": toss,
        "cancels": TossCancels(toss),
        "deposits": TossDeposits(toss),
        "desk": TossDesk(toss, faults, pages, world),
    }
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
        state=State({"book": pages, "webhooks": webhooks}),
        lifespan=[_sending(webhooks)],
        on_shutdown=[pages.close],
        template_config=TemplateConfig(instance=_templates()),
        openapi_config=None,
        logging_config=None,
        after_exception=[report],
    )


def read_accounts(raw: Sequence[Mapping[str, Any]]) -> list[Account]:
    """The accounts of every gateway played here; ValueError for a live key or an unknown gateway."""
    accounts = []
    for each in raw:
        if each["provider"] != PROVIDER:
            raise ValueError(f"the sandbox does not play {each['provider']!r}")
        for name in ("client_key", "secret_key"):
            if each[name].startswith("live_"):
                raise ValueError(f"the sandbox takes no live keys: {name} of {each['merchant']} starts with live_")
        names = ("client_key", "secret_key", "merchant", "shop_name")
        accounts.append(Account(*(each[name] for name in names), webhook_url=each.get("webhook_url")))
    return accounts


async def report(error: Exception, scope: Scope) -> None:
    """A refusal is an answer; any other exception is a fault of the sandbox and must be seen."""
    if not isinstance(error, HTTPException | TossError):
        logging.getLogger(__name__).error("%s %s failed", scope["method"], scope["path"], exc_info=error)


def _sending(webhooks: Webhooks) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def sending(_: Litestar) -> AsyncIterator[None]:
        running = asyncio.create_task(webhooks.run())
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    return sending


def _given(part: Any) -> Provide:
    return Provide(lambda: part, sync_to_thread=False)


def _templates() -> JinjaTemplateEngine:
    loader = FileSystemLoader(ROOT / "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters["won"] = lambda amount: f"{amount:,}원"
    environment.filters["kst"] = lambda moment: moment.astimezone(KST).strftime("%Y-%m-%d %H:%M:%S")
    return JinjaTemplateEngine.from_environment(environment)
