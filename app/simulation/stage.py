"""The stage on which worlds are played one after the other: what is dear to make and the same for every seed."""

import asyncio
import logging
import shutil
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import httpx
import structlog
from litestar import Litestar

from app import clock
from app.background import Background
from app.database import DB
from app.edge import Edge
from app.main import create_app
from app.messages import delivering
from app.migrating import migrate
from app.payments import settling
from app.payments.accounts import Gateways
from app.payments.provider import Account, Outcome
from app.payments.tables import Payment, ProviderAccount
from app.sandbox.book import Book
from app.sandbox.control import Console
from app.sandbox.faults import Fault, Faults
from app.sandbox.main import create_sandbox
from app.sealing import Ring
from app.settings import Settings
from app.simulation.cast import BASE, GATEWAYS, at_the_sandbox, open_shops
from app.simulation.coverage import ASKED, word_of
from app.simulation.engine import EngineOfProcess, SimulatedEngine
from app.simulation.loop import CURRENT
from app.simulation.mail import PostOffice
from app.simulation.pgs import Pgs
from app.simulation.process import Process, current_process
from app.simulation.seal import sealed_off
from app.simulation.wire import ToThePgs, ask
from app.simulation.witness import Witness
from app.simulation.world import Rates, World
from app.sqlite_engine import SQLiteEngine

T = TypeVar("T")

# Said in the log when something went wrong that the app's own code should have expected.
ALARMS = {"background_failed", "job_failed", "look_failed", "reconciling_failed", "expiring_failed", "last_look_failed"}
ALARMS |= {"sweep_failed", "round_failed", "request_failed"}


class Stage:
    """Made once in a process of the machine, in `folder`; one world at a time is played on it."""

    world: World
    pgs: Pgs

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.sqlite"
        self._file = folder / "shop.sqlite"
        self._count = 0
        self.settings = Settings(
            env="development",
            base_url=BASE,
            database_url=f"sqlite:///{self._file}",
            secret_keys=(bytes(range(32)),),
            gateways=GATEWAYS,
            smtp_url="smtp://mail.test",
            mail_from="shop@mail.test",
        )
        self.http = httpx.AsyncClient(transport=ToThePgs(self), trust_env=False)
        self.gateways = Gateways(self.http, Ring(self.settings.secret_keys), self.settings)
        self._app = create_app(self.settings, http=self.http, work=False)
        self._app.state.update(gateways=self.gateways, background=BackgroundOfProcess(), wake=WakeOfProcess())
        _resolve_in_order(self._app)
        self.app = Edge(self._app)
        self.accounts = self._fill()
        self.sandbox = self._make_sandbox(0)
        _resolve_in_order(self.sandbox)

    @property
    def book(self) -> Book:
        return self.sandbox.state.book

    @property
    def console(self) -> Console:
        return self.sandbox.state.console

    @contextmanager
    def play(self, seed: int, rates: Rates) -> Iterator[World]:
        """A fresh world: an open shop without orders, PGs without payments, and nobody in it yet."""
        world = self.world = World(seed, rates)
        shutil.copyfile(self._template, self._file)
        self.book.close()
        self._make_sandbox(seed, reuse=self.sandbox)
        self._count_faults(self.sandbox.state.faults)
        self.pgs = Pgs(world, self)
        self.post_office = PostOffice(world)
        self.processes: list[Process] = []
        self.witness = Witness(self)
        # Without it, the last connection to close would take the write-ahead log into the file.
        keeper = sqlite3.connect(self._file)
        with sealed_off(str(seed), world.loop), self._in_place_of_reality():
            try:
                yield world
            finally:
                world.loop.drop()
                keeper.close()
                for path in self._file.parent.glob(f"{self._file.name}*"):
                    path.unlink()

    async def start_process(self, name: str, dies_at: int | None = None) -> Process:
        """One with a database of its own to speak to. ConnectionResetError when it dies meanwhile."""
        process = Process(self.world, name)
        process.engine, process.dies_at = SimulatedEngine(process, str(self._file)), dies_at
        await process.run(process.engine.open())
        return process

    @contextmanager
    def _in_place_of_reality(self) -> Iterator[None]:
        known, send = structlog.get_config(), delivering.send
        structlog.configure(processors=[self._hear], cache_logger_on_first_use=False)
        delivering.send = self.post_office.take
        complaints = _Complaints(self.world)
        logging.getLogger("app.sandbox").addHandler(complaints)
        save = self.book.save
        self.book.save = lambda payment: (save(payment), self.pgs.note(payment))[0]
        is_no_news = settling._is_no_news
        settling._is_no_news = self._note_answer(is_no_news)
        DB.use(EngineOfProcess())
        try:
            yield
        finally:
            DB.use(None)
            settling._is_no_news = is_no_news
            self.book.save = save
            logging.getLogger("app.sandbox").removeHandler(complaints)
            delivering.send = send
            structlog.configure(**known)

    def _note_answer(self, is_no_news: Callable[[Payment, Outcome, Account], bool]) -> Callable[..., bool]:
        """Every state in which a payment was found, with what the PG said then."""

        def noted(payment: Payment, outcome: Outcome, account: Account) -> bool:
            self.world.reached.add((ASKED, str(payment.status), word_of(outcome)))
            return is_no_news(payment, outcome, account)

        return noted

    def _hear(self, logger: object, level: str, event: dict[str, Any]) -> Mapping[str, Any]:
        """The shop's log becomes a part of the story."""
        process = CURRENT.get()
        name = event.pop("event", "")
        if name not in ("request", "pg_call"):
            said = " ".join(f"{key}={value}" for key, value in event.items() if key != "trace")
            self.world.tell(process.name if process else "-", f"{level}: {name} {said}")
        if name in ALARMS and "OperationalError" not in str(event.get("error")):
            self.world.breach(f"{name}: {event.get('error')}")
        raise structlog.DropEvent

    def _fill(self) -> dict[str, ProviderAccount]:
        """The file that every world begins with; its identifiers are the same on every machine."""
        self._template.unlink(missing_ok=True)
        engine = SQLiteEngine(str(self._template), inline=True, synchronous="OFF")
        DB.use(engine)
        try:
            asyncio.run(_migrated(engine))
            world = World(0, Rates())
            with sealed_off("template", world.loop):
                accounts = world.loop.run_until_complete(self._open_shops(engine))
        finally:
            DB.use(None)
        sqlite3.connect(self._template).execute("PRAGMA journal_mode=DELETE").connection.close()
        return accounts

    async def _open_shops(self, engine: SQLiteEngine) -> dict[str, ProviderAccount]:
        await engine.open()
        accounts = await open_shops(self.settings)
        await engine.aclose()
        return accounts

    def _make_sandbox(self, seed: int, reuse: Litestar | None = None) -> Litestar:
        return create_sandbox(
            accounts=[at_the_sandbox(name, account.id) for name, account in self.accounts.items()],
            now=clock.now,
            sleep=asyncio.sleep,
            chance=Random(f"{seed} pg"),
            webhook_post=self._bring_webhook,
            reuse=reuse,
        )

    def _count_faults(self, faults: Faults) -> None:
        strike = faults.strike

        def counted(*call: Any) -> Fault | None:
            fault = strike(*call)
            if fault is not None:
                self.world.count(f"fault: {fault.kind}")
            return fault

        faults.strike = counted

    async def _bring_webhook(self, url: str, headers: dict[str, str], body: bytes) -> int:
        process = self.any_process()
        if process is None:
            raise ConnectionRefusedError
        answer = await process.run(ask(self.app, "POST", url, headers, body))
        if answer.status >= 500:
            self.world.breach(f"a webhook was answered {answer.status}")
        return answer.status

    def any_process(self) -> Process | None:
        """Whichever of the living answers requests now."""
        alive = [process for process in self.processes if not process.dead]
        return self.world.noise.choice(alive) if alive else None


class BackgroundOfProcess(Background):
    """What was begun for a shopper dies with the process in which it was begun."""

    async def within(self, seconds: float, work: Coroutine[Any, Any, T]) -> T | None:
        return await current_process().background.within(seconds, work)


class WakeOfProcess:
    """Wakes the worker of the process that runs."""

    def set(self) -> None:
        current_process().wake.set()


class _Complaints(logging.Handler):
    """What the sandbox could not do is a fault of the sandbox."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        self._world.breach(f"the sandbox failed: {record.getMessage()} {record.exc_info and record.exc_info[1]!r}")


def _resolve_in_order(app: Litestar) -> None:
    """Litestar keeps what a handler depends on in sets, and resolves them in their order: another one in each process
    of the machine.
    """
    for route in app.routes:
        for _, model in getattr(route, "route_handler_map", {}).values():
            batches = model.dependency_batches
            model.dependency_batches = [{each} for batch in batches for each in sorted(batch, key=lambda one: one.key)]


async def _migrated(engine: SQLiteEngine) -> None:
    await engine.open()
    await migrate(engine)
    await engine.aclose()
