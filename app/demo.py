"""`./sellog demo`: two sample shops and a PG to pay at, on this machine alone."""

import asyncio
import base64
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import structlog

from app import clock
from app.database import DB, make_engine, write_transaction
from app.demo_contracts import Contract, contracts_of
from app.edge import Edge, configure_logging
from app.history.writing import write_history
from app.main import create_app, read_settings
from app.migrating import migrate
from app.owners.passwords import Passwords
from app.owners.roles import Role
from app.owners.tables import Owner
from app.owners.team import add_owner, give_role
from app.payments.accounts import adopt
from app.payments.tables import ProviderAccount
from app.sample import add_sample_shops
from app.sandbox.main import create_sandbox
from app.sealing import Ring
from app.serving import PortTaken, listen, run_servers
from app.settings import GATEWAYS, Settings
from app.shops.tables import Product, Shop

HOST = "127.0.0.1"
# The same machine under a name that a browser takes for another site, as a PG is in life.
SANDBOX_HOST = "localhost"

# Where the sandbox plays each PG's API, and where its SDK is.
SANDBOX_PATHS = {
    "toss": ("", "/sdk/toss/v2/standard"),
    "portone": ("/portone", "/sdk/portone/v2/browser-sdk.js"),
    "stripe": ("/stripe", "/sdk/stripe/v3/"),
}

OWNER = "owner@sellog.example"

# The PG's minutes between two tries of a webhook are seconds here.
WEBHOOK_TIME_SCALE = 1 / 60

# Where a history is written before it is whole.
UNFINISHED = ".sellog-unfinished"

SHOP_FILE, BOOK_FILE = "shop.sqlite", "sandbox.sqlite"
FILES = (SHOP_FILE, f"{SHOP_FILE}-wal", f"{SHOP_FILE}-shm", BOOK_FILE, "demo.json", "demo.log", "demo.key")


class NoFolder(Exception):
    """The data folder cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Demo:
    folder: Path
    port: int
    sandbox_port: int
    mail_port: int

    @property
    def sandbox_url(self) -> str:
        return f"http://{SANDBOX_HOST}:{self.sandbox_port}"

    @property
    def smtp_url(self) -> str:
        return f"smtp://{HOST}:{self.mail_port}"

    def webhook_url(self, account: ProviderAccount) -> str:
        return f"http://{HOST}:{self.port}/webhooks/{account.provider}/{account.id}"


def run_demo(folder: Path, port: int, sandbox_port: int, reset: bool, empty: bool, environ: dict[str, str]) -> int:
    """Runs until Ctrl-C; returns the exit code. A new folder gets weeks of orders, unless it is to be `empty`.

    Raises NoFolder, PortTaken, BadSetting.
    """
    if port == sandbox_port != 0:
        raise PortTaken("The shops and the sandbox need a port each: choose another one for one of them.")
    lock = _prepare(folder, reset)
    shop_listener = listen(HOST, port)
    sandbox_listeners = [listen(HOST, sandbox_port)]
    mail_listener = listen(HOST, 0)
    demo = Demo(
        folder,
        shop_listener.getsockname()[1],
        sandbox_listeners[0].getsockname()[1],
        mail_listener.getsockname()[1],
    )
    # Without IPv6, browsers take the other address of the name.
    with suppress(PortTaken):
        sandbox_listeners.append(listen("::1", demo.sandbox_port))
    settings = settings_of(demo, environ)
    with (folder / "demo.log").open("a", encoding="utf-8") as log_file:
        configure_logging(log_file)
        if not empty and not (folder / SHOP_FILE).exists():
            add_history(settings, demo, clock.now())
        accounts = asyncio.run(_fill(settings, demo))
        sandbox = create_sandbox(
            accounts=accounts,
            book=folder / BOOK_FILE,
            webhook_time_scale=WEBHOOK_TIME_SCALE,
            mail_listener=mail_listener,
        )

        async def ready() -> None:
            structlog.get_logger("demo").info("ready", port=demo.port, sandbox_port=demo.sandbox_port)
            print(f"Owner    http://{HOST}:{demo.port}/login  {OWNER}  {owner_password(settings)}")
            print(f"Shops    http://{HOST}:{demo.port}/haru  http://{HOST}:{demo.port}/namu")
            print(f"Sandbox  {demo.sandbox_url}  (plays the payment gateway; no real money moves)")
            if settings.smtp_url == demo.smtp_url:
                print(f"Mail     {demo.sandbox_url}/mails  (what the shops send; it goes to nobody)")
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
        if (folder / UNFINISHED).exists():
            shutil.rmtree(folder / UNFINISHED)
            if not (folder / SHOP_FILE).exists():
                (folder / BOOK_FILE).unlink(missing_ok=True)
        (folder / "demo.log").touch()
    except BlockingIOError:
        raise NoFolder(f"Another demo is running on {folder}: stop it, or choose another folder with --data.") from None
    except OSError as error:
        why = error.strerror
        raise NoFolder(f"{folder} cannot be written to ({why}): choose another folder with --data.") from None
    return lock


def settings_of(demo: Demo, environ: dict[str, str]) -> Settings:
    """The demo's own; test keys of a PG in the environment lead to the real one instead of the sandbox."""
    values = {
        "SELLOG_ENV": "demo",
        "SELLOG_BASE_URL": f"http://{HOST}:{demo.port}",
        "SELLOG_DATABASE_URL": f"sqlite:///{demo.folder.absolute() / SHOP_FILE}",
        "SELLOG_SECRET_KEYS": _secret_key(demo.folder),
        "SELLOG_SMTP_URL": environ.get("SELLOG_SMTP_URL") or demo.smtp_url,
        "SELLOG_MAIL_FROM": environ.get("SELLOG_MAIL_FROM") or "orders@sellog.example",
    }
    for provider, names in GATEWAYS.items():
        keys = [name for each in (*names.required.values(), *names.optional.values()) for name in each]
        own = {
            name: environ[name] for name in (*keys, *names.merchant, names.ways, names.handoff[0]) if environ.get(name)
        }
        if own:
            values |= own
        else:
            values[names.api_base[0]], values[names.sdk_url[0]] = sandbox_addresses(demo, provider)
    return read_settings(values)


def sandbox_addresses(demo: Demo, provider: str) -> tuple[str, str]:
    """The sandbox's API and its SDK, both under the name that browsers know it by: the API tells addresses of pages."""
    api, sdk = SANDBOX_PATHS[provider]
    return f"{demo.sandbox_url}{api}", f"{demo.sandbox_url}{sdk}"


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


def add_history(settings: Settings, demo: Demo, until: datetime) -> None:
    """Weeks of orders until then, in the folder once they are whole. Where a PG is a real one there are none: it would
    know of no payment of them.
    """
    if any(gateway.credentials for gateway in settings.gateways.values()):
        return
    print("Playing five weeks of orders, so that each page has something to show. This takes a moment.", flush=True)

    async def open_shops() -> list[dict[str, Any]]:
        return _at_sandbox(demo, await _open_shops(settings))

    unfinished = demo.folder / UNFINISHED
    unfinished.mkdir()
    write_history(settings, unfinished / SHOP_FILE, unfinished / BOOK_FILE, open_shops, OWNER, until)
    # The shops' file comes last: while it is not there, the folder is a new one.
    for name in (BOOK_FILE, SHOP_FILE):
        (unfinished / name).replace(demo.folder / name)
    unfinished.rmdir()


async def _fill(settings: Settings, demo: Demo) -> list[dict[str, Any]]:
    """Tables, sample shops and their contracts with the sandbox; returns these as the sandbox wants them."""
    engine = make_engine(settings.database_url)
    DB.use(engine)
    await engine.open()
    try:
        await migrate(engine)
        contracts = await _open_shops(settings)
        shops = list({shop.id: shop for shop, _, _ in contracts}.values())
        await _seat_owner(settings, shops)
        await _tell_tools(demo, settings, shops, contracts)
    finally:
        await engine.aclose()
        DB.use(None)
    return _at_sandbox(demo, contracts)


async def _open_shops(settings: Settings) -> list[tuple[Shop, ProviderAccount, Contract]]:
    """The sample shops with their contracts; what is there already is left as it is."""
    shops, ring = await add_sample_shops(), Ring(settings.secret_keys)
    contracts = []
    for shop in shops:
        for contract in contracts_of(shop.domain, has_all=shop is shops[0]):
            known = settings.gateways[contract.provider]
            gateway = known if known.credentials else replace(known, **contract.gateway)
            adopted = await adopt(ring, shop, contract.provider, [gateway])
            contracts.append((shop, adopted[0] if adopted else await _account_before(shop, contract), contract))
    return contracts


async def _account_before(shop: Shop, contract: Contract) -> ProviderAccount:
    """Where the owner has added an account of their own since: what was paid by this one stays with it."""
    ours = (ProviderAccount.shop == shop.id) & (ProviderAccount.provider == contract.provider)
    account = await ProviderAccount.objects().where(ours, ProviderAccount.from_environment.eq(True)).first()
    assert account is not None
    return account


def _at_sandbox(demo: Demo, contracts: Sequence[tuple[Shop, ProviderAccount, Contract]]) -> list[dict[str, Any]]:
    """The contracts as the sandbox is told them."""
    return [
        contract.at_sandbox | {"shop_name": shop.name, "webhook_url": demo.webhook_url(account)}
        for shop, account, contract in contracts
    ]


def owner_password(settings: Settings) -> str:
    """The demo owner's: another one in each data folder, and the same at each start."""
    return hashlib.sha256(b"owner" + settings.secret_keys[0]).hexdigest()[:16]


async def _seat_owner(settings: Settings, shops: Sequence[Shop]) -> None:
    """One owner for all the shops, with the password that is printed, whatever it was changed to."""
    password_hash = await Passwords(settings.password_cost).hash(owner_password(settings))
    async with write_transaction():
        owner = await add_owner(OWNER)
        await Owner.update({Owner.password_hash: password_hash}).where(Owner.id == owner.id)
        for shop in shops:
            await give_role(owner, shop, Role.OWNER)


async def _tell_tools(
    demo: Demo,
    settings: Settings,
    shops: Sequence[Shop],
    contracts: Sequence[tuple[Shop, ProviderAccount, Contract]],
) -> None:
    """demo.json: everything in it is worth nothing outside the sandbox."""
    domains = {shop.id: shop.domain for shop in shops}
    base = f"http://{HOST}:{demo.port}"
    products = await Product.objects().order_by(Product.position)
    facts = {
        "shop_url": f"{base}/haru",
        "sandbox_url": demo.sandbox_url,
        "owner": {"email": OWNER, "password": owner_password(settings)},
        "shops": [
            {"id": str(shop.id), "domain": shop.domain, "name": shop.name, "url": f"{base}/{shop.domain}"}
            for shop in shops
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
                "credentials": contract.credentials,
                "webhook_url": demo.webhook_url(account),
                "webhook_secret": contract.credentials.get("webhook_secret"),
            }
            for shop, account, contract in contracts
        ],
    }
    _write_private(demo.folder / "demo.json", json.dumps(facts, ensure_ascii=False, indent=2))
