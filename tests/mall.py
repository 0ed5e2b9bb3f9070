"""A shop with every PG and every way to pay, and what a shopper without JavaScript does at any PG's window."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx
import pytest

from app.payments.tables import Payment
from app.shops.tables import Product
from tests import portone_wire, sandbox_wire, stripe_wire
from tests.shopping import BASE, EMAIL, Clock, Contract, Market, Shopper, fields_of, open_market

EVERYTHING = ("card", "kakaopay", "transfer", "virtual_account")
# A second channel of the same store, which waits for our confirm.
MANUAL = portone_wire.MANUAL | {
    "channel_key": "channel-key-33333333-eeee-4eee-8eee-333333333333",
    "webhook_url": f"{BASE}/webhooks/portone/haru-manual",
    "webhook_secret": portone_wire.SECRET,
}
ELEMENTS = stripe_wire.HARU | {
    "publishable_key": "pk_test_haruelements",
    "secret_key": "sk_test_haruelements",
    "merchant": "acct_haruelements",
    "webhook_url": f"{BASE}/webhooks/stripe/haru-elements",
    "webhook_secret": "whsec_haru_elements",
}
CONTRACTS = {
    "toss": Contract("haru", sandbox_wire.LISTENING, EVERYTHING),
    "portone": Contract("haru", portone_wire.LISTENING, EVERYTHING),
    "portone manual": Contract("haru", MANUAL),
    "stripe": Contract("haru", stripe_wire.LISTENING, ("stripe",), "redirect"),
    "stripe elements": Contract("haru", ELEMENTS, ("stripe",)),
    "namu": Contract("namu", sandbox_wire.NAMU),
}
# The way that each contract's card is paid by.
CARDS = {name: contract.ways[0] for name, contract in CONTRACTS.items() if name != "namu"}


@dataclass(frozen=True)
class Window:
    """A PG's page, opened from the shop's pay page."""

    market: Market
    path: str

    async def press(self, action: str, **fields: Any) -> str:
        """Press a button: `approve`, `decline` or `cancel`; the URL that leads back to the shop."""
        answer = await self.market.pg.wire.post(self.path, data={"action": action, **fields})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def decline(self) -> str | None:
        """The card is refused; the URL that leads back to the shop, or None where the PG asks for another card."""
        answer = await self.market.pg.wire.post(self.path, data={"action": "decline"})
        assert answer.status_code in (303, 402), answer.text
        return answer.headers.get("location")

    async def at_the_bank(self, action: str) -> None:
        """A button of the page that shows what became of it, such as `deposit` or `settle_pending`."""
        answer = await self.market.pg.wire.post(f"{self.path}/account", data={"action": action})
        assert answer.status_code == 303, answer.text


class Customer(Shopper):
    """A shopper who chooses how to pay."""

    async def choose(self, product: Product, contract: str, way: str = "", **changes: object) -> str:
        """Places an order to be paid so; the URL of its pay page."""
        return await self.order(product, pay=pay_value(self.market, contract, way), **changes)

    async def open(self, pay_url: str) -> Window:
        """Goes from the pay page to the PG's page, by method A or B."""
        return await self.open_with(await self.handoff(pay_url))

    async def open_with(self, handoff: dict[str, Any]) -> Window:
        """The same from a pay page that the browser has kept: "back" asks no server."""
        wire = self.market.pg.wire
        if "redirectUrl" in handoff:
            path = httpx.URL(handoff["redirectUrl"]).path
            page = await wire.get(path)
        else:
            path = f"/window/{handoff['provider']}"
            page = await wire.post(path, json=handoff)
        assert page.status_code == 200, page.text
        action = re.search(r'action="(/window/[^"]+)"', page.text)
        assert action, page.text
        return Window(self.market, unescape(action[1]))

    async def go(self, product: Product, contract: str, way: str = "", **changes: object) -> Window:
        """From the product to the PG's page."""
        return await self.open(await self.choose(product, contract, way, **changes))

    async def pay(self, product: Product, contract: str, way: str = "", **fields: Any) -> httpx.Response:
        """The whole purchase; the page that it ends on. `fields` are those of the PG's page."""
        window = await self.go(product, contract, way)
        return await self.come_back(await window.press("approve", **fields))

    def pay_again_form(self, page: httpx.Response, contract: str, way: str = "") -> tuple[str, dict[str, str]]:
        """Where the order's page sends another choice of the way to pay, and what."""
        action = re.search(r'<form[^>]* method="post" action="([^"]+/payments)"', page.text)
        assert action, page.text
        token = fields_of(page.text)["_csrf_token"]
        return unescape(action[1]), {"pay": pay_value(self.market, contract, way), "_csrf_token": token}

    async def pay_again(self, page: httpx.Response, contract: str, way: str = "") -> Window:
        """From the order's page to a PG's page, chosen anew."""
        action, form = self.pay_again_form(page, contract, way)
        answer = await self.http.post(action, data=form)
        assert answer.status_code == 303, answer.text
        return await self.open(answer.headers["location"])

    async def name_receiver(self, page: httpx.Response, **fields: str) -> httpx.Response:
        """Fills in the form that asks where a deposit goes back to; `fields` go instead of a good account."""
        action = re.search(r'<form[^>]* method="post" action="([^"]+/receiver)"', page.text)
        assert action, page.text
        token = fields_of(page.text)["_csrf_token"]
        [bank] = re.findall(r'<option value="([^"]+)"[^>]*>우리은행<', page.text)
        good = {"bank": bank, "number": "1002-123-456789", "holder": "김민지", "email": EMAIL}
        form = {**good, "_csrf_token": token, **fields}
        return await self.http.post(unescape(action[1]), data=form)

    async def order_page(self) -> httpx.Response:
        """The page of the one order."""
        return await self.http.get(f"/haru/orders/{(await self.market.only_order()).token}")


def pay_value(market: Market, contract: str, way: str = "") -> str:
    """What the form sends for this way to pay."""
    account = market.accounts[list(CONTRACTS).index(contract)]
    return f"{account.id}:{way or CONTRACTS[contract].ways[0]}"


async def hear_all(market: Market) -> None:
    """The PG sends every webhook that is due, and the shop's worker acts on them."""
    while await market.pg.send_due():
        await market.work()
    await market.work()


async def move(market: Market, path: str, **body: Any) -> None:
    """Moves the PG's side by its control API, such as `deposits/{reference}`."""
    answer = await market.pg.wire.post(f"/control/{path}", json=body)
    assert answer.status_code == 201, answer.text


async def mails(market: Market) -> list[str]:
    """Which mails to shoppers were asked for, oldest first."""
    return [job.payload_values["mail"] for job in await market.jobs("mail")]


async def at_the_pg(market: Market, payment: Payment) -> dict[str, Any]:
    """The entry of the PG's ledger that got furthest."""
    entries = [entry for entry in await market.ledger() if entry["reference"] == payment.reference]
    return max(entries, key=lambda entry: (entry["captured"], entry["status"]))


@pytest.fixture
async def mall(database_url: str, time: Clock) -> AsyncIterator[Market]:
    async with open_market(database_url, time, list(CONTRACTS.values())) as market:
        yield market


@pytest.fixture
def customer(mall: Market) -> Customer:
    return Customer(mall)
