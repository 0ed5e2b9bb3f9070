"""`./sellog demo`: two sample shops and a PG to pay at, on this machine alone."""

import asyncio
import base64
import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from app import clock
from app.database import DB, make_engine
from app.edge import Edge, configure_logging
from app.main import create_app
from app.migrating import migrate
from app.payments.accounts import adopt, adopt_environment
from app.payments.tables import ProviderAccount
from app.sample import add_sample_shops
from app.sandbox.main import create_sandbox
from app.sealing import Ring
from app.serving import PortTaken, listen, run_servers
from app.settings import Settings
from app.shops.tables import Product, Shop

HOST = "127.0.0.1"
# The same machine under a name that a browser takes for another site, as a PG is in life.
SANDBOX_HOST = "localhost"

# The PG's minutes between two tries of a webhook are seconds here.
WEBHOOK_TIME_SCALE = 1 / 60

FILES = ("shop.sqlite", "shop.sqlite-wal", "shop.sqlite-shm", "sandbox.sqlite", "demo.json", "demo.log", "demo.key")


class NoFolder(Exception):
    """The data folder cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Demo:
    folder: Path
    port: int
    sandbox_port: int

    @property
    def sandbox_url(self) -> str:
        return f"http://{SANDBOX_HOST}:{self.sandbox_port}"

    def webhook_url(self, account: ProviderAccount) -> str:
        return f"http://{HOST}:{self.port}/webhooks/{account.provider}/{account.id}"


def run_demo(folder: Path, port: int, sandbox_port: int, reset: bool, environ: dict[str, str]) -> int:
    """Runs until Ctrl-C; returns the exit code. Raises NoFolder, PortTaken, BadSetting."""
    if port == sandbox_port != 0:
        raise PortTaken("The shops and the sandbox need a port each: choose another one for one of them.")
    lock = _prepare(folder, reset)
    shop_listener = listen(HOST, port)
    sandbox_listeners = [listen(HOST, sandbox_port)]
    demo = Demo(folder, shop_listener.getsockname()[1], sandbox_listeners[0].getsockname()[1])
    # Without IPv6, browsers take the other address of the name.
    with suppress(PortTaken):
        sandbox_listeners.append(listen("::1", demo.sandbox_port))
    settings = _settings(demo, environ)
    with (folder / "demo.log").open("a", encoding="utf-8") as log_file:
        configure_logging(log_file)
        accounts = asyncio.run(_fill(settings, demo))
        sandbox = create_sandbox(
            accounts=accounts, book=folder / "sandbox.sqlite", webhook_time_scale=WEBHOOK_TIME_SCALE
        )

        async def ready() -> None:
            structlog.get_logger("demo").info("ready", port=demo.port, sandbox_port=demo.sandbox_port)
            print(f"Shops    http://{HOST}:{demo.port}/haru  http://{HOST}:{demo.port}/namu")
            print(f"Sandbox  {demo.sandbox_url}  (plays the payment gateway; no real money moves)")
            print(f"Data     {folder}  (demo.json for tools, demo.log for what happens)")
            print(f"Sellog is ready at http://{HOST}:{demo.port}/haru", flush=True)

        servers = [(Edge(create_app(settings)), [shop_listener]), (sandbox, sandbox_listeners)]
        with lock:
            return 0 if asyncio.run(run_servers(servers, ready)) else 1


def _prepare(folder: Path, reset: bool) -> IO[str]:
    """Makes the folder ours: while the file that this returns is open, no other demo can have it. Raises NoFolder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "demo.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if reset:
            for name in FILES:
                (folder / name).unlink(missing_ok=True)
        (folder / "demo.log").touch()
    except BlockingIOError:
        raise NoFolder(f"Another demo is running on {folder}: stop it, or choose another folder with --data.") from None
    except OSError as error:
        why = error.strerror
        raise NoFolder(f"{folder} cannot be written to ({why}): choose another folder with --data.") from None
    return lock


def _settings(demo: Demo, environ: dict[str, str]) -> Settings:
    """The demo's own; Toss's test keys in the environment lead to the real Toss instead of the sandbox."""
    values = {
        "SELLOG_ENV": "demo",
        "SELLOG_BASE_URL": f"http://{HOST}:{demo.port}",
        "SELLOG_DATABASE_URL": f"sqlite:///{demo.folder.absolute() / 'shop.sqlite'}",
        "SELLOG_SECRET_KEYS": _secret_key(demo.folder),
    }
    names = ("TOSS_CLIENT_KEY", "TOSS_SECRET_KEY", "TOSS_MERCHANT_ID", "TOSS_API_BASE", "TOSS_SDK_URL")
    given = {name: environ[name] for name in names if environ.get(name)}
    if "TOSS_CLIENT_KEY" not in given:
        # The shop's server has no use for a second site, and an address needs no look-up.
        given["TOSS_API_BASE"] = f"http://{HOST}:{demo.sandbox_port}"
        given["TOSS_SDK_URL"] = f"{demo.sandbox_url}/sdk/toss/v2/standard"
    return Settings.from_environ(values | given)


def _secret_key(folder: Path) -> str:
    """Made once, so that what was sealed can be opened after a restart."""
    path = folder / "demo.key"
    if not path.exists():
        _write_private(path, base64.b64encode(clock.entropy(32)).decode())
    return path.read_text()


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


async def _fill(settings: Settings, demo: Demo) -> list[dict[str, str]]:
    """Tables, sample shops and their contracts with the sandbox; returns these as the sandbox wants them."""
    engine = make_engine(settings.database_url)
    DB.use(engine)
    await engine.open()
    try:
        await migrate(engine)
        shops = await add_sample_shops()
        ring = Ring(settings.secret_keys)
        contracts = []
        for shop in shops:
            keys = {"client_key": f"test_ck_{shop.domain}_demo", "secret_key": f"test_sk_{shop.domain}_demo"}
            account = await adopt(ring, shop, "toss", keys, f"{shop.domain}demo")
            contracts.append((shop, account, keys))
        await adopt_environment(settings, ring, shops)
        await _tell_tools(demo, contracts)
    finally:
        await engine.aclose()
        DB.use(None)
    return [
        {
            "provider": "toss",
            "merchant": account.merchant,
            "shop_name": shop.name,
            "webhook_url": demo.webhook_url(account),
            **keys,
        }
        for shop, account, keys in contracts
    ]


async def _tell_tools(demo: Demo, contracts: list[tuple[Shop, ProviderAccount, dict[str, str]]]) -> None:
    """demo.json: everything in it is worth nothing outside the sandbox."""
    domains = {shop.id: shop.domain for shop, _, _ in contracts}
    base = f"http://{HOST}:{demo.port}"
    products = await Product.objects().order_by(Product.position)
    facts = {
        "shop_url": f"{base}/haru",
        "sandbox_url": demo.sandbox_url,
        "owner": None,
        "shops": [
            {"id": str(shop.id), "domain": shop.domain, "name": shop.name, "url": f"{base}/{shop.domain}"}
            for shop, _, _ in contracts
        ],
        "products": [
            {
                "id": str(product.id),
                "shop": domains[product.shop],
                "name": product.name,
                "price": product.price,
                "stock": product.stock,
                "is_active": product.is_active,
            }
            for product in products
        ],
        "accounts": [
            {
                "id": str(account.id),
                "shop": shop.domain,
                "provider": account.provider,
                "mode": account.mode,
                "credentials": keys,
                "webhook_url": demo.webhook_url(account),
                "webhook_secret": None,
            }
            for shop, account, keys in contracts
        ],
    }
    _write_private(demo.folder / "demo.json", json.dumps(facts, ensure_ascii=False, indent=2))
