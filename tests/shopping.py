"""Fixtures for tests that shop: the app, the sandbox behind it, and shoppers with cookies and a browser's manners."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import httpx
import pytest
from litestar import Litestar

from app import clock
from app.edge import Edge
from app.jobs import worker
from app.jobs.tables import Job
from app.main import create_app, furnish, handlers_of, sweeps_of
from app.orders.tables import Order
from app.payments.accounts import Gateways
from app.payments.provider import Outcome, OutcomeStatus
from app.payments.settling import settle
from app.payments.states import Cause
from app.payments.tables import Payment, PaymentEvent, ProviderAccount
from app.settings import GatewaySettings, PasswordCost, Settings
from app.shops.tables import Product, Shop
from tests.sandbox_wire import LISTENING, NAMU, ORIGIN, Practice, practice
from tests.shelf import Shelf
from tests.stock import Contract, stock_up

BASE = "http://shop.test"
KEYS = (bytes(range(32)),)
EMAIL = "minji.kim@example.com"
_shelf = Shelf()


class Clock:
    """The app's time and the PG's: it stands still until a test moves it."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def go_on(self, **by: float) -> None:
        self.moment += timedelta(**by)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moment = Clock()
    monkeypatch.setattr(clock, "now", moment)
    return moment


def make_settings(database_url: str, **changes: Any) -> Settings:
    return Settings(
        **{
            "env": "development",
            "base_url": BASE,
            "database_url": database_url,
            "secret_keys": KEYS,
            "password_cost": PasswordCost(rounds=1, kibibytes=64, lanes=1),
            "gateways": {
                "toss": GatewaySettings(ORIGIN, f"{ORIGIN}/sdk/toss/v2/standard"),
                "portone": GatewaySettings(f"{ORIGIN}/portone", f"{ORIGIN}/sdk/portone/v2/browser-sdk.js"),
                "stripe": GatewaySettings(f"{ORIGIN}/stripe", f"{ORIGIN}/sdk/stripe/v3/"),
            },
            **changes,
        }
    )


TOSS_ALONE = (Contract("haru", LISTENING), Contract("namu", NAMU))


class Shopper:
    """A browser without JavaScript, with cookies of its own."""

    def __init__(self, market: "Market") -> None:
        self.market = market
        transport = httpx.ASGITransport(Edge(market.app), raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url=BASE)

    async def form(self, product: Product, **query: object) -> dict[str, str]:
        """The checkout form's fields as the page brings them, with an e-mail address filled in."""
        shop = self.market.domain_of(product)
        page = await self.http.get(f"/{shop}/checkout", params={"product": str(product.id), **query})
        assert page.status_code == 200, page.text
        return {**fields_of(page.text), "email": EMAIL}

    async def submit(self, product: Product, **changes: object) -> httpx.Response:
        """Opens the form, fills it in and sends it."""
        form = {**await self.form(product), **{name: str(value) for name, value in changes.items()}}
        return await self.send(product, form)

    async def send(self, product: Product, form: dict[str, str]) -> httpx.Response:
        return await self.http.post(f"/{self.market.domain_of(product)}/checkout", data=form)

    async def order(self, product: Product, **changes: object) -> str:
        """Places an order; the URL of its pay page."""
        answer = await self.submit(product, **changes)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def handoff(self, pay_url: str) -> dict[str, Any]:
        """What the pay page gives to the PG's SDK."""
        page = await self.http.get(pay_url)
        assert page.status_code == 200, page.text
        return handoff_of(page.text)

    async def open_window(self, pay_url: str) -> str:
        """Opens the PG's window; the PG's key of the payment."""
        return await self.market.pg.buyer.open(await self.handoff(pay_url))

    async def approve(self, product: Product, **changes: object) -> str:
        """Orders and approves at the PG; the URL that leads back to the shop."""
        await self.open_window(await self.order(product, **changes))
        return await self.market.pg.buyer.approve()

    async def come_back(self, return_url: str) -> httpx.Response:
        """Follows the PG's redirect to the callback, and the callback's to its page."""
        return await self.http.get(return_url, follow_redirects=True)

    async def buy(self, product: Product, **changes: object) -> httpx.Response:
        return await self.come_back(await self.approve(product, **changes))

    async def press(self, page: httpx.Response) -> httpx.Response:
        """Sends the one POST form of a page: 다시 결제하기."""
        action = re.search(r'<form method="post" action="([^"]+)"', page.text)
        assert action, page.text
        return await self.http.post(unescape(action[1]), data=fields_of(page.text))


@dataclass
class Market:
    """Two shops, what they sell, and the PG."""

    app: Litestar
    pg: Practice
    time: Clock
    # Where the PG's webhooks for each address registered there go.
    hooks: dict[str, str]
    # In the order of the contracts.
    accounts: list[ProviderAccount]
    haru: Shop
    namu: Shop
    mug: Product
    last: Product
    spoon: Product

    def shopper(self) -> Shopper:
        return Shopper(self)

    def domain_of(self, product: Product) -> str:
        return self.namu.domain if product.shop == self.namu.id else self.haru.domain

    @property
    def gateways(self) -> Gateways:
        return self.app.state.gateways

    @property
    def confirms(self) -> list[int | str]:
        """What the PG answered to each confirm."""
        return [answer for _, path, answer in self.pg.transport.calls if path.endswith("/confirm")]

    async def work(self) -> None:
        """One round of the worker."""
        await worker.work_once(handlers_of(self.gateways), sweeps_of(self.gateways))

    async def fault(self, kind: str, **more: object) -> None:
        answer = await self.pg.wire.post("/control/faults", json={"provider": "toss", "kind": kind, **more})
        assert answer.status_code == 201, answer.text

    async def ledger(self) -> list[dict[str, Any]]:
        return (await self.pg.wire.get("/control/ledger")).json()["payments"]

    async def only_order(self) -> Order:
        orders = await Order.objects()
        assert len(orders) == 1
        return orders[0]

    async def only_payment(self) -> Payment:
        payments = await Payment.objects()
        assert len(payments) == 1
        return payments[0]

    async def jobs(self, kind: str = "refund") -> list[Job]:
        """The jobs of one kind, oldest first."""
        return await Job.objects().where(Job.kind == kind).order_by(Job.id)

    async def stock_of(self, product: Product) -> int | None:
        row = await Product.select(Product.stock).where(Product.id == product.id).first()
        return row["stock"]

    async def moves(self, subject: str) -> list[tuple[str | None, str]]:
        """What an order or a payment went through, oldest first."""
        events = await PaymentEvent.objects().where(PaymentEvent.subject == subject).order_by(PaymentEvent.id)
        return [(event.from_status, event.to_status) for event in events]

    async def hear(self, payment: Payment, **said: Any) -> bool:
        """Settles an answer that the PG might give: the whole amount captured, unless `said` says otherwise."""
        account = await ProviderAccount.objects().get(ProviderAccount.id == payment.account)
        answer = {
            "status": OutcomeStatus.PAID,
            "reference": payment.reference,
            "merchant": account.merchant,
            "live": False,
            "amount": payment.amount,
            "currency": payment.currency,
            "captured": payment.amount if said.get("status", OutcomeStatus.PAID) is OutcomeStatus.PAID else 0,
            "pg_payment_id": "key-at-the-pg",
            "closed": True,
            **said,
        }
        return await settle(payment, Outcome(**answer), self.gateways.open(account), Cause.RECONCILE)

    async def refusals(self) -> list[str]:
        events = await PaymentEvent.objects().where(PaymentEvent.subject == "refused").order_by(PaymentEvent.id)
        return [json.loads(event.evidence)["why"] for event in events]


@asynccontextmanager
async def running(app: Litestar) -> AsyncIterator[None]:
    """Between the app's start and its end. Both happen in one task, as they do under a server."""
    ready, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            ready.set()
            await over.wait()

    life = asyncio.create_task(live())
    await asyncio.wait({life, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        over.set()
        await life


@asynccontextmanager
async def open_market(
    database_url: str, time: Clock, contracts: Sequence[Contract] = TOSS_ALONE, **changes: Any
) -> AsyncIterator[Market]:
    """The market on a migrated database; `changes` go to the settings."""
    async with AsyncExitStack() as stack:
        hooks: dict[str, str] = {}

        async def post(url: str, headers: dict[str, str], body: bytes) -> int:
            return (await shop_wire.post(hooks[url], headers=headers, content=body)).status_code

        pg = await stack.enter_async_context(
            practice(now=time, accounts=[each.raw for each in contracts], webhook_post=post)
        )
        settings = make_settings(database_url, **changes)
        app = stack.enter_context(_shop(settings, httpx.AsyncClient(transport=pg.transport), bool(changes)))
        shop_wire = httpx.AsyncClient(transport=httpx.ASGITransport(Edge(app)), base_url=BASE)
        await stack.enter_async_context(running(app))
        stock = await stock_up(contracts, settings)
        for contract, account in zip(contracts, stock.accounts, strict=True):
            address = contract.raw.get("webhook_url", f"{BASE}/webhooks/{account.provider}/{contract.shop}")
            hooks[address] = f"/webhooks/{account.provider}/{account.id}"
        haru, namu = stock.shops
        mug, last, spoon = stock.products
        yield Market(app, pg, time, hooks, stock.accounts, haru, namu, mug, last, spoon)


def _shop(settings: Settings, http: httpx.AsyncClient, is_special: bool) -> AbstractContextManager[Litestar]:
    """The app. One with settings of its own is built for it; the others differ in nothing but the database."""

    def make(idle: Litestar | None) -> Litestar:
        if idle is None:
            return create_app(settings, http, work=False)
        furnish(idle, settings, http)
        return idle

    return nullcontext(make(None)) if is_special else _shelf.lend("shop", make)


@pytest.fixture
async def market(database_url: str, time: Clock) -> AsyncIterator[Market]:
    async with open_market(database_url, time) as market:
        yield market


@pytest.fixture
def shopper(market: Market) -> Shopper:
    return market.shopper()


def fields_of(html: str) -> dict[str, str]:
    """The names and values of a page's inputs; of radio buttons the checked one."""
    fields = {}
    for tag in re.findall(r"<input [^>]+>", html):
        attributes = {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        if attributes.get("type") != "radio" or " checked" in tag:
            fields[attributes["name"]] = attributes.get("value", "")
    return fields


def handoff_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="handoff">(.*?)</script>', html, re.DOTALL)
    assert found, html
    return json.loads(found[1])
