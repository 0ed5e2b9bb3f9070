"""create_app: the only place that knows every controller, sweep and job handler."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import httpx
from litestar import Litestar, Request, Response, get
from litestar.config.compression import CompressionConfig
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import CacheControlHeader, State
from litestar.di import Provide
from litestar.enums import MediaType
from litestar.params import FromPath
from litestar.response import File
from litestar.static_files import create_static_files_router

from app.background import Background
from app.checkout import alert_mails, mails
from app.checkout.controllers import CheckoutController
from app.checkout.order_controllers import OrderController, ResultController
from app.database import DB, make_engine
from app.errors import HANDLERS, find_look
from app.incoming import IncomingRequest, refuse_nul
from app.jobs import worker
from app.messages import delivering
from app.metrics import Metrics
from app.owners import resetting
from app.owners.admission import provide_member, provide_owner
from app.owners.compare_controllers import CompareController
from app.owners.desk_controllers import DeskController
from app.owners.export_controllers import ExportController
from app.owners.forgetting import forget_old
from app.owners.inbox_controllers import InboxController
from app.owners.login_controllers import AccountController, LoginController, LogoutController
from app.owners.members_controllers import MembersController
from app.owners.needs_controllers import NeedsController
from app.owners.order_controllers import DeskOrderController, OrderListController
from app.owners.passwords import Passwords
from app.owners.payment_controllers import PaymentsController
from app.owners.product_controllers import ProductsController
from app.owners.refund_controllers import RefundController
from app.owners.reset_controllers import ResetController
from app.owners.sales_controllers import SalesController
from app.owners.settings_controllers import SettingsController
from app.pages import HTMX, HTMX_URL, STATIC, csrf_cookie_name
from app.payments import closing, comparing, inbox, refunding
from app.payments.accounts import Gateways, check_keys
from app.payments.controllers import ReturnController, WebhookController
from app.payments.expiring import expire_due
from app.payments.noticing import notice_poison, notice_stuck, notice_waiting
from app.payments.reconciling import reconcile_due
from app.sealing import Ring
from app.settings import Settings
from app.shops.controllers import ShopController
from app.shops.tables import Shop
from app.shops.tenancy import NotFound, find_shop

# Work that was begun for a shopper is waited for this long when the process stops.
DRAIN = 20.0

PLAIN = "exclude_from_compression"

# Seconds: what no shopper waits for.
SWEEPS_REST = {"deliver": 60.0, "compare": 600.0, "stuck": 60.0, "waiting": 60.0, "poison": 60.0, "forget": 86_400.0}
# Jobs that may take minutes: they are done beside the others.
SLOW = frozenset({"compare"})

A_DAY = CacheControlHeader(public=True, max_age=86_400)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """The environment's settings, with its keys looked at by the PGs that they belong to. Raises BadSetting."""
    settings = Settings.from_environ(environ)
    check_keys(settings)
    return settings


def create_app(settings: Settings, http: httpx.AsyncClient | None = None, work: bool = True) -> Litestar:
    """The shop. `http` stands for the way to the PGs (tests give their own); `work` runs the worker loop inside."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        background = Background()
        async with gateways_of(app.state.settings, app.state.http) as gateways:
            # Whoever has left a job that should be done at once sets it.
            wake = asyncio.Event()
            app.state.update(gateways=gateways, background=background, wake=wake)
            working = asyncio.create_task(run_worker(gateways, wake)) if work else None
            try:
                yield
            finally:
                if working:
                    working.cancel()
                    await asyncio.gather(working, return_exceptions=True)
                await background.drain(DRAIN)

    app = Litestar(
        route_handlers=[
            ShopController,
            CheckoutController,
            ResultController,
            ReturnController,
            WebhookController,
            OrderController,
            LoginController,
            LogoutController,
            AccountController,
            ResetController,
            DeskController,
            OrderListController,
            ExportController,
            DeskOrderController,
            RefundController,
            NeedsController,
            ProductsController,
            SettingsController,
            MembersController,
            InboxController,
            CompareController,
            SalesController,
            PaymentsController,
            healthz,
            readyz,
            metrics,
            robots,
            favicon,
            htmx,
            create_static_files_router("/static", [STATIC], cache_control=A_DAY, opt={PLAIN: False}),
        ],
        dependencies={
            "shop": Provide(provide_shop),
            "gateways": Provide(provide_gateways),
            "background": Provide(provide_background),
            "owner": Provide(provide_owner),
            "member": Provide(provide_member),
        },
        exception_handlers=HANDLERS,
        after_exception=[find_look],
        request_class=IncomingRequest,
        before_request=refuse_nul,
        csrf_config=CSRFConfig(
            secret=hashlib.sha256(b"csrf" + settings.secret_keys[0]).hexdigest(),
            cookie_name=csrf_cookie_name(settings.is_secure),
            cookie_secure=settings.is_secure,
            cookie_httponly=True,
        ),
        lifespan=[lifespan],
        compression_config=CompressionConfig(backend="gzip", exclude_opt_key=PLAIN),
        # Compressed beside what a shopper typed, a page's CSRF token could be guessed from the length.
        opt={PLAIN: True},
        openapi_config=None,
        request_max_body_size=64 * 1024,
        logging_config=None,
    )
    furnish(app, settings, http)
    return app


def furnish(app: Litestar, settings: Settings, http: httpx.AsyncClient | None = None) -> None:
    """What the app lives on from its next start: tests furnish one anew, because to build its routes takes longer."""
    passwords = Passwords(settings.password_cost)
    app.state = State(
        {"settings": settings, "http": http, "metrics": Metrics(), "passwords": passwords}, deep_copy=False
    )


@asynccontextmanager
async def gateways_of(settings: Settings, http: httpx.AsyncClient | None = None) -> AsyncIterator[Gateways]:
    """The open database of this process, and the way to the PGs."""
    engine = make_engine(settings.database_url)
    await engine.open()
    DB.use(engine)
    client = http or httpx.AsyncClient(trust_env=False)
    try:
        yield Gateways(client, Ring(settings.secret_keys), settings)
    finally:
        if http is None:
            await client.aclose()
        await engine.aclose()
        DB.use(None)


async def run_worker(gateways: Gateways, wake: asyncio.Event | None = None) -> None:
    """The worker loop of this process, until cancelled."""
    await worker.run(handlers_of(gateways), sweeps_of(gateways), SWEEPS_REST, wake=wake, slow=SLOW)


def handlers_of(gateways: Gateways) -> dict[str, worker.Handler]:
    return {
        "refund": partial(refunding.carry_out, gateways),
        "close": partial(closing.carry_out, gateways),
        "inbox": partial(inbox.handle, gateways),
        "compare": partial(comparing.carry_out, gateways),
        "mail": partial(mails.write, gateways.settings),
        "alert": partial(alert_mails.write, gateways.settings),
        "password_reset": partial(resetting.write, gateways.settings),
        "deliver": partial(alert_mails.deliver, delivering.Courier(gateways.settings)),
    }


def sweeps_of(gateways: Gateways) -> dict[str, worker.Sweep]:
    return {
        "reconcile": partial(reconcile_due, gateways),
        "expire": partial(expire_due, gateways),
        "compare": comparing.compare_yesterday,
        "stuck": notice_stuck,
        "waiting": notice_waiting,
        "poison": notice_poison,
        "deliver": partial(delivering.resume, gateways.settings),
        "forget": forget_old,
    }


async def provide_shop(domain: FromPath[str]) -> Shop:
    return await find_shop(domain)


async def provide_gateways(request: Request) -> Gateways:
    return request.app.state.gateways


async def provide_background(request: Request) -> Background:
    return request.app.state.background


@get("/healthz", media_type=MediaType.TEXT)
async def healthz() -> str:
    """The process answers."""
    return "ok"


@get("/readyz", media_type=MediaType.TEXT)
async def readyz() -> Response[str]:
    """The database answers."""
    try:
        await Shop.count()
    except Exception:
        return Response("database unavailable", media_type=MediaType.TEXT, status_code=503)
    return Response("ok", media_type=MediaType.TEXT)


@get("/metrics", media_type=MediaType.TEXT)
async def metrics(request: Request) -> Response[bytes]:
    """Counts, for who bears the token; in the demo for everybody."""
    settings: Settings = request.app.state.settings
    allowed = f"Bearer {settings.metrics_token}" if settings.metrics_token else None
    given = request.headers.get("authorization", "")
    if settings.env != "demo" and (allowed is None or not hmac.compare_digest(given.encode(), allowed.encode())):
        raise NotFound
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4")


@get("/robots.txt", media_type=MediaType.TEXT)
async def robots() -> str:
    return "User-agent: *\nDisallow: /*/checkout\nDisallow: /*/orders\nDisallow: /*/owner\nDisallow: /login\n"


@get("/favicon.ico", cache_control=A_DAY)
async def favicon() -> File:
    return File(STATIC / "favicon.svg", media_type="image/svg+xml", content_disposition_type="inline")


@get(HTMX_URL, cache_control=A_DAY, opt={PLAIN: False})
async def htmx() -> File:
    return File(HTMX, media_type="text/javascript", content_disposition_type="inline")
