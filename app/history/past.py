"""Past time, which goes by in a moment: the shop's own code, the sandbox as its PGs, and a clock that jumps.

Nothing is at once with anything else: what people do comes in the order of its time, and between two of them the worker
does what is due and the PGs send what they have to tell.
"""

import asyncio
import heapq
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from app import clock
from app.jobs.worker import work_once
from app.main import handlers_of, sweeps_of
from app.messages.tables import Message
from app.payments.accounts import Gateways
from app.payments.inbox import receive
from app.payments.provider import Delivery
from app.payments.tenancy import find_account
from app.sandbox.book import Book, Mail
from app.sandbox.control import Console
from app.sandbox.faults import Faults
from app.sandbox.main import create_sandbox
from app.sealing import Ring
from app.settings import MailServer, Settings
from app.simulation.life import DUE
from app.simulation.wire import Answer, ask
from app.simulation.world import World

FORM = {"content-type": "application/x-www-form-urlencoded"}
JOBS, *ROWS = DUE
# How soon the worker sees that it has something to do. A real one looks for payments more often, and finds no more.
PAUSE = 2.0
BETWEEN_SWEEPS = 1800.0
# What is looked for by the hour alone; the compare is called for by name.
SELDOM = ("stuck", "waiting", "poison")


class Past:
    """One shop's or several shops' time until now. `database` is the file that the open engine writes."""

    def __init__(self, world: World, settings: Settings, accounts: Sequence[Mapping[str, Any]], database: Path) -> None:
        self.world, self.chance, self.loop = world, world.chance, world.loop
        self.sandbox = create_sandbox(
            accounts=accounts,
            now=clock.now,
            sleep=asyncio.sleep,
            chance=world.noise,
            webhook_post=self._bring_webhook,
        )
        http = httpx.AsyncClient(transport=_ToTheSandbox(self), trust_env=False)
        self.gateways = Gateways(http, Ring(settings.secret_keys), settings)
        self._handlers, self._sweeps = handlers_of(self.gateways), sweeps_of(self.gateways)
        self._database = sqlite3.connect(database, isolation_level=None)
        self._agenda: list[tuple[float, int, Callable[[], Awaitable[object]]]] = []
        self._count = 0
        self._swept_at = 0.0

    @property
    def book(self) -> Book:
        return self.sandbox.state.book

    @property
    def console(self) -> Console:
        return self.sandbox.state.console

    @property
    def faults(self) -> Faults:
        return self.sandbox.state.faults

    def close(self, book: Path) -> None:
        """Leaves what the sandbox remembers in that file."""
        self._database.close()
        with closing(sqlite3.connect(book)) as file:
            self.book.database.backup(file)
        self.book.close()

    def at(self, moment: datetime, act: Callable[[], Awaitable[object]]) -> None:
        """Somebody does this then, or as soon as they come to it."""
        self._count += 1
        heapq.heappush(self._agenda, (moment.timestamp(), self._count, act))

    def later(self, act: Callable[[], Awaitable[object]], **how_much: float) -> None:
        self.at(clock.now() + timedelta(**how_much), act)

    async def live(self, until: datetime) -> None:
        """Everything that is on the agenda before that moment."""
        while self._agenda and self._agenda[0][0] < until.timestamp():
            moment, _, act = heapq.heappop(self._agenda)
            await self._work_until(moment)
            await act()
        await self._work_until(until.timestamp())

    async def wait(self, least: float, most: float) -> None:
        """A person takes so many seconds."""
        await self._work_until(self.loop.now + self.chance.uniform(least, most))

    async def sweep(self, *names: str) -> None:
        await work_once(self._handlers, {name: self._sweeps[name] for name in names})

    async def look_after(self) -> None:
        """What a worker looks for now and then."""
        await self.sweep(*SELDOM)

    async def at_pg(self, path: str, form: Mapping[str, str]) -> Answer:
        """A form of the PG's window."""
        host = urlsplit(self.gateways.settings.gateways["toss"].api_base).netloc
        return await ask(self.sandbox, "POST", f"http://{host}{path}", FORM | {"host": host}, urlencode(form).encode())

    async def take_mail(self, server: MailServer, settings: Settings, message: Message) -> None:
        """In place of `delivering.send`: straight to the sandbox's mailbox."""
        sender = f"{message.sender} <{settings.mail_from}>"
        self.book.add_mail(
            Mail(clock.now(), message.message_id, sender, message.recipient, message.subject, message.body)
        )

    async def _work_until(self, moment: float) -> None:
        """The worker does what comes due, and the PGs tell what they have to tell."""
        while True:
            jobs, rows, webhook = self._next_times()
            due = min((at for at in (jobs, rows, webhook) if at is not None), default=None)
            if due is None or due >= moment:
                break
            await self._sleep_until(due)
            if webhook == due:
                await self.sandbox.state.webhooks.send_due()
            elif rows == due:
                self._swept_at = due
                await self.sweep("reconcile", "expire")
            else:
                await work_once(self._handlers, {})
        await self._sleep_until(moment)

    def _next_times(self) -> tuple[float | None, float | None, float | None]:
        """When there is a job, a row to look after, a webhook to send."""
        jobs, rows, webhook = self._due([JOBS]), self._due(ROWS), self.book.next_webhook_at()
        return (
            None if jobs is None else max(jobs, self.loop.now + PAUSE),
            None if rows is None else max(rows, self._swept_at + BETWEEN_SWEEPS, self.loop.now),
            None if webhook is None else max(webhook.timestamp(), self.loop.now),
        )

    def _due(self, queries: Sequence[str]) -> float | None:
        found = [row[0] for sql in queries for row in self._database.execute(sql)]
        return min((datetime.fromisoformat(text).timestamp() for text in found if text), default=None)

    async def _sleep_until(self, moment: float) -> None:
        if moment > self.loop.now:
            await asyncio.sleep(moment - self.loop.now)

    async def _bring_webhook(self, url: str, headers: dict[str, str], body: bytes) -> int:
        provider, account = urlsplit(url).path.split("/")[-2:]
        delivery = Delivery({name.lower(): value for name, value in headers.items()}, body)
        await receive(self.gateways, await find_account(provider, account), delivery)
        return 200


class _ToTheSandbox(httpx.AsyncBaseTransport):
    """Carries the providers' calls to the sandbox; every one is answered."""

    def __init__(self, past: Past) -> None:
        self._past = past

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = {name.decode(): value.decode() for name, value in request.headers.raw}
        body = await request.aread()
        await asyncio.sleep(self._past.world.noise.uniform(0.05, 0.4))
        answer = await ask(self._past.sandbox, request.method, str(request.url), headers, body)
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body, request=request)
