"""A browser without JavaScript: cookies, forms, a person who loads a page again when it does not come."""

import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from app.simulation.cast import BASE
from app.simulation.wire import Dropped, ask

if TYPE_CHECKING:
    from app.simulation.stage import Stage

FORM = {"content-type": "application/x-www-form-urlencoded"}
STATUS = re.compile(r'<section [^>]*data-status="(\w+)"')
ORDER = re.compile(r"(?:/orders/|order=)([\w-]{22})")
TRIES = 12


class Lost(Exception):
    """The page does not come, however often it is asked for."""


@dataclass(frozen=True, slots=True)
class Page:
    """`url` is where the browser ended; `asked_at` when it asked for that page."""

    url: str
    status: int
    text: str
    asked_at: float

    @property
    def fields(self) -> dict[str, str]:
        """The names and values of its inputs; of radio buttons the checked one."""
        fields = {}
        for tag in re.findall(r"<input [^>]+>", self.text):
            known = {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
            if known.get("type") != "radio" or " checked" in tag:
                fields[known.get("name", "")] = known.get("value", "")
        return fields

    def choices(self, name: str) -> list[str]:
        """The values of the inputs of this name."""
        return [unescape(value) for value in re.findall(rf'<input [^>]*name="{name}" [^>]*value="([^"]+)"', self.text)]

    def action(self, end: str) -> str | None:
        """Where the form goes whose address ends so."""
        found = re.search(rf'action="([^"]*{end}[^"]*)"', self.text)
        return unescape(found[1]) if found else None

    @property
    def said(self) -> str:
        """The state that it shows."""
        found = STATUS.search(self.text)
        return found[1] if found else ""

    @property
    def order(self) -> str:
        """The token of the order that it is about."""
        found = ORDER.search(self.url) or ORDER.search(self.text)
        return found[1] if found else ""


class Browser:
    """One shopper's; what it shows is told to the stage's `witness`."""

    def __init__(self, stage: "Stage") -> None:
        self._stage = stage
        self._cookies: dict[str, str] = {}

    async def get(self, url: str) -> Page:
        """Follows redirects, and asks again for what does not come. Raises Lost."""
        return await self._follow("GET", url, None)

    async def post(self, url: str, form: dict[str, str]) -> Page:
        """Sends a form, and again when nobody answers: browsers ask, and people say yes. Raises Lost."""
        return await self._follow("POST", url, form)

    async def _follow(self, method: str, url: str, form: dict[str, str] | None) -> Page:
        for _ in range(5):
            page, location = await self._ask(method, url, form)
            if location is None:
                self._stage.witness.see(page)
                return page
            method, url, form = "GET", location, None
        raise Lost(url)

    async def _ask(self, method: str, url: str, form: dict[str, str] | None) -> tuple[Page, str | None]:
        world = self._stage.world
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"host": "shop.test", **({"cookie": cookies} if cookies else {}), **(FORM if form else {})}
        body = urlencode(form).encode() if form else b""
        for _ in range(TRIES):
            process = self._stage.any_process()
            asked_at = world.loop.now
            try:
                if process is None:
                    raise ConnectionRefusedError
                answer = await process.run(ask(self._stage.app, method, url, headers, body))
            except (ConnectionError, Dropped):
                world.count("request lost")
                await world.wait(0.5, 20)
                continue
            for name, value in answer.headers:
                if name.lower() == b"set-cookie":
                    cookie, _, given = value.decode().partition(";")[0].partition("=")
                    self._cookies[cookie] = given
            location = answer.header(b"location") if answer.status in (302, 303) else None
            return Page(url, answer.status, answer.text, asked_at), location
        raise Lost(url)


def path_of(url: str) -> str:
    """A URL of the shop without its host."""
    parts = urlsplit(url.removeprefix(BASE))
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
