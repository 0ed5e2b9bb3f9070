"""The processes of a run of crashes: two shops and a worker on one database, and the sandbox."""

import asyncio
import base64
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from app.database import DB, make_engine
from app.demo import HOST, SANDBOX_PATHS
from app.demo_contracts import contracts_of
from app.engine import Engine
from app.main import read_settings
from app.migrating import migrate
from app.payments.accounts import adopt
from app.sealing import Ring
from app.settings import GATEWAYS, Settings
from app.shops.catalogue import add_product, add_shop
from tests import crashing_child

ROOT = Path(__file__).parent.parent
# Seconds that a process may take until it is ready: the machine may be busy with other things.
PATIENCE = 180
LOOK = 0.05
STOCK = 1_000_000
# A PG's minutes between two tries of a webhook.
WEBHOOK_TIME_SCALE = 1 / 600
OTHERS = ("SELLOG_", "TOSS_", "PORTONE_", "STRIPE_", "NEXT_PUBLIC_")


class Fallen(Exception):
    """A process ended that nobody had killed, or did not come up; with the end of its log."""


@dataclass
class Process:
    """A process that can be killed and started again; `mark` is what it says once it is ready."""

    name: str
    arguments: list[str]
    environ: dict[str, str]
    folder: Path
    mark: str
    starts: int = 0
    popen: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.{self.starts}.log"

    def start(self) -> None:
        self.starts += 1
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, *self.arguments], cwd=ROOT, env=self.environ, stdout=log, stderr=log
            )

    async def ready(self) -> None:
        """Raises Fallen."""
        deadline = time.monotonic() + PATIENCE
        while self.mark not in self.log.read_text(errors="replace"):
            self.check()
            if time.monotonic() > deadline:
                raise Fallen(f"{self.name} is not ready after {PATIENCE} s: {self._last_words()}")
            await asyncio.sleep(LOOK)

    def check(self) -> None:
        """Raises Fallen."""
        code = self.popen.poll() if self.popen else None
        if code is not None:
            raise Fallen(f"{self.name} ended by itself with {code}: {self._last_words()}")

    def kill(self) -> None:
        """SIGKILL: it does nothing more, not even to its database."""
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()

    async def crash(self) -> float:
        """Killed and started; ready again when this returns the moment of the start. Raises Fallen."""
        self.check()
        self.kill()
        started = time.monotonic()
        self.start()
        await self.ready()
        return started

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


@dataclass
class House:
    """Everything that runs. `shops` are the addresses of one shop, as behind a balancer."""

    settings: Settings
    shops: list[str]
    sandbox_url: str
    sandbox: Process
    # What is killed.
    victims: list[Process]
    now: Callable[[], datetime]
    product: str = ""
    # What the checkout form sends for each PG.
    ways: dict[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raises Fallen where a process has ended by itself."""
        for process in (self.sandbox, *self.victims):
            process.check()


@asynccontextmanager
async def open_house(database_url: str, folder: Path, pace: float = 1) -> AsyncIterator[House]:
    """A shop on an empty database, ready to be bought from. With a `pace` other than 1 all its clocks go that fast."""
    house = await _furnish(database_url, folder, pace)
    processes = [house.sandbox, *house.victims]
    try:
        for process in processes:
            process.start()
        for process in processes:
            await process.ready()
        yield house
    finally:
        for process in processes:
            process.kill()


async def _furnish(database_url: str, folder: Path, pace: float) -> House:
    ports = _free_ports(3)
    shops = [f"http://{HOST}:{port}" for port in ports[:2]]
    sandbox_url = f"http://{HOST}:{ports[2]}"
    values = {
        "SELLOG_ENV": "development",
        "SELLOG_BASE_URL": shops[0],
        "SELLOG_DATABASE_URL": database_url,
        "SELLOG_SECRET_KEYS": base64.b64encode(bytes(range(32))).decode(),
    }
    for provider, names in GATEWAYS.items():
        for name, path in zip((names.api_base[0], names.sdk_url[0]), SANDBOX_PATHS[provider], strict=True):
            values[name] = sandbox_url + path
    settings = read_settings(values)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)} | values
    beginning = time.time()
    command = ["-m", "tests.crashing_child", str(pace), str(beginning)]
    app = ["-m", "app.cli"] if pace == 1 else command

    def process(name: str, mark: str, *arguments: str) -> Process:
        return Process(name, list(arguments), environ, folder, mark)

    config = folder / "sandbox.json"
    victims = [
        process("shop 1", "Sellog serves", *app, "serve", "--workers", "1", "--port", str(ports[0])),
        process("shop 2", "Sellog serves", *app, "serve", "--workers", "1", "--port", str(ports[1])),
        process("worker", "Sellog's worker is at work", *app, "worker"),
    ]
    sandbox = process("sandbox", crashing_child.READY, *command, "sandbox", str(config))
    now = crashing_child.quick_clock(pace, beginning)
    house = House(settings, shops, sandbox_url, sandbox, victims, now)
    accounts = await _fill(house)
    told = {"accounts": accounts, "port": ports[2], "webhook_time_scale": WEBHOOK_TIME_SCALE}
    config.write_text(json.dumps(told))
    return house


async def _fill(house: House) -> list[dict[str, str]]:
    """Tables, a shop, its one product and its contracts; returns these as the sandbox wants them."""
    accounts = []
    async with database_of(house) as engine:
        await migrate(engine)
        shop = await add_shop("haru", "하루상점")
        product = await add_product(shop, "백자 유약 머그", 26_000, stock=STOCK, max_per_order=10)
        house.product = str(product.id)
        for contract in contracts_of("haru", has_all=True):
            where = replace(house.settings.gateways[contract.provider], **contract.gateway)
            [account] = await adopt(Ring(house.settings.secret_keys), shop, contract.provider, [where])
            way = account.ways.split(",")[0]
            house.ways[contract.provider] = f"{account.id}:{way}"
            hook = f"{house.shops[0]}/webhooks/{contract.provider}/{account.id}"
            accounts.append({**contract.at_sandbox, "shop_name": shop.name, "webhook_url": hook})
    return accounts


@asynccontextmanager
async def database_of(house: House) -> AsyncIterator[Engine]:
    """The house's database, open in this process."""
    engine = make_engine(house.settings.database_url)
    DB.use(engine)
    await engine.open()
    try:
        yield engine
    finally:
        DB.use(None)
        await engine.aclose()


async def ledger_of(house: House) -> list[dict[str, Any]]:
    """What the PGs say of every payment."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        return (await http.get(f"{house.sandbox_url}/control/ledger")).json()["payments"]


def _free_ports(count: int) -> list[int]:
    """Below those that outgoing connections take by themselves: a port stays free while its process is down."""
    taken: list[socket.socket] = []
    while len(taken) < count:
        listener = socket.socket()
        try:
            listener.bind((HOST, random.SystemRandom().randint(15_000, 32_000)))
            taken.append(listener)
        except OSError:
            listener.close()
    ports = [listener.getsockname()[1] for listener in taken]
    for listener in taken:
        listener.close()
    return ports
