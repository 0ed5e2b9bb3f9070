"""Shoppers of a run of crashes: coroutines that buy over real HTTP, and reload whatever does not answer."""

import asyncio
import re
import time
from dataclasses import dataclass
from html import unescape
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.crashing_processes import House
from tests.shopping import EMAIL, fields_of, handoff_of

# How each checkout goes, in turn. Of all but the last exactly one payment is made.
STORIES = (
    "toss",
    "portone",
    "stripe",
    "toss in two tabs",
    "portone and away",
    "stripe and away",
    "toss",
    "portone, then stripe, both paid",
)
# Seconds that a shopper reloads a page before the shop counts as gone.
PATIENCE = 240
PAUSE = 0.1


class Gone(Exception):
    """The shop did not answer for as long as a shopper has patience, or answered what it never should."""


def answers_of(story: str) -> int:
    """How many answers a shopper surely gets from "pay" on."""
    return 1 if "away" in story else 3


class Crowd:
    """Shoppers who press "pay" at the same moment, and one more who watches what they are answered from then on."""

    def __init__(self, size: int) -> None:
        self.answers = 0
        self._grew = asyncio.Event()
        self._door = asyncio.Barrier(size + 1)

    async def meet(self) -> None:
        """Waits for all the others."""
        await self._door.wait()

    def heard(self) -> None:
        """One of them has got an answer."""
        self.answers += 1
        self._grew.set()

    async def hear(self, more: int) -> None:
        """Waits for so many more answers."""
        enough = self.answers + more
        while self.answers < enough:
            self._grew.clear()
            await self._grew.wait()


@dataclass
class Visitor:
    """One shopper with a browser of their own, who goes to whichever shop process answers."""

    house: House
    chance: Random
    story: str
    crowd: Crowd
    http: httpx.AsyncClient

    async def shop(self) -> None:
        """The whole story. Raises Gone."""
        pay_url = await self.order(self.story.split()[0].strip(","))
        windows = [await self.open_window(pay_url)]
        if "both" in self.story:
            windows.append(await self.open_window(await self.pay_again(pay_url, "stripe")))
        await self.crowd.meet()
        returns = [await self.approve(window) for window in windows]
        if "away" in self.story:
            return
        tabs = 2 if "tabs" in self.story else 1
        await asyncio.gather(*(self.come_back(url) for url in returns for _ in range(tabs)))

    async def order(self, provider: str) -> str:
        """Fills in the form and sends it; the URL of the pay page."""
        form = await self.ask("GET", f"/haru/checkout?product={self.house.product}")
        quantity = str(self.chance.randint(1, 3))
        fields = fields_of(form.text) | {"email": EMAIL, "quantity": quantity, "pay": self.house.ways[provider]}
        return self.sent_on(await self.ask("POST", "/haru/checkout", data=fields))

    async def pay_again(self, pay_url: str, provider: str) -> str:
        """Goes from the pay page to the order's, and chooses another way there; the URL of the other pay page."""
        page = await self.ask("GET", pay_url)
        order_url = re.search(r"/haru/orders/[\w-]+", page.text)
        assert order_url, page.text
        order = await self.ask("GET", order_url[0])
        fields = {"pay": self.house.ways[provider], "_csrf_token": fields_of(order.text)["_csrf_token"]}
        return self.sent_on(await self.ask("POST", f"{order_url[0]}/payments", data=fields))

    async def open_window(self, pay_url: str) -> str:
        """Goes from the pay page to the PG's page; the URL of its buttons."""
        handoff = handoff_of((await self.ask("GET", pay_url)).text)
        if "redirectUrl" in handoff:
            page = await self.http.get(handoff["redirectUrl"])
        else:
            page = await self.http.post(f"{self.house.sandbox_url}/window/{handoff['provider']}", json=handoff)
        action = re.search(r'action="(/window/[^"]+)"', page.text)
        assert action, page.text
        return self.house.sandbox_url + unescape(action[1])

    async def approve(self, window: str) -> str:
        """Pays; the URL that leads back to the shop."""
        answer = await self.http.post(window, data={"action": "approve"})
        self.crowd.heard()
        return self.sent_on(answer)

    async def come_back(self, return_url: str) -> None:
        """Follows the PG's redirect to whatever page the shop shows in the end."""
        answer = await self.ask("GET", return_url)
        while answer.has_redirect_location:
            answer = await self.ask("GET", answer.headers["location"])

    async def ask(self, method: str, url: str, **content: Any) -> httpx.Response:
        """The shop's answer; while there is none, or only an apology, the same is sent again. Raises Gone."""
        parts, deadline = urlsplit(url), time.monotonic() + PATIENCE
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        why = ""
        while time.monotonic() < deadline:
            try:
                answer = await self.http.request(method, self.chance.choice(self.house.shops) + path, **content)
            except httpx.TransportError as error:
                why = repr(error)
            else:
                self.crowd.heard()
                if answer.status_code < 400:
                    return answer
                why = f"{answer.status_code} {answer.text[:2000]}"
                if answer.status_code < 500:
                    break
            await asyncio.sleep(PAUSE)
        raise Gone(f"{self.story}: {method} {path}: {why}")

    @staticmethod
    def sent_on(answer: httpx.Response) -> str:
        """Where a POST led to."""
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]


async def visit(house: House, chance: Random, story: str, crowd: Crowd) -> None:
    """A shopper comes, buys and goes. Raises Gone."""
    async with httpx.AsyncClient(trust_env=False, timeout=90) as http:
        await Visitor(house, chance, story, crowd, http).shop()
