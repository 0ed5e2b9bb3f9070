"""Shoppers: they click twice, go back, open two tabs, change the PG, close the browser, pay late."""

import asyncio
import json
import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from app.simulation.browser import FORM, Browser, Lost, Page
from app.simulation.cast import ORIGIN
from app.simulation.wire import Answer, ask

if TYPE_CHECKING:
    from app.simulation.stage import Stage

HANDOFF = re.compile(r'<script type="application/json" id="handoff">(.*?)</script>', re.DOTALL)
WINDOW = re.compile(r'action="(/window/[^"]+)"')
LIST = re.compile(r'<select id="\w+" name="(decline_code|approval|refund)">(.*?)</select>', re.DOTALL)
PAYABLE = ("pending", "failed", "cancelled", "expired")


@dataclass(frozen=True, slots=True)
class Manner:
    """What a shopper does at each turn, as shares from 0 to 1."""

    double_click: float = 0.15
    back_button: float = 0.1
    second_tab: float = 0.12
    # At the PG's window: the rest approves and comes back.
    decline: float = 0.12
    leave: float = 0.08
    close: float = 0.12
    walk_away: float = 0.06
    late: float = 0.08
    reload: float = 0.15
    # Who was refused or left goes back to the same pay page, and approves.
    regret: float = 0.1
    # Who waits for a deposit pays another way after all.
    change_way: float = 0.15
    # Takes something else at the window than what stands there first: how the bank answers, why it refuses.
    other_choice: float = 0.3
    tries: int = 3
    # Of those who were given a virtual account.
    transfer: float = 0.75
    way: str = ""


CALM = Manner(*[0.0] * 12, tries=1, transfer=1.0)
"""Buys and pays, and does nothing else."""


@dataclass(frozen=True, slots=True)
class Window:
    """A PG's window, before a button is pressed."""

    path: str
    text: str

    @property
    def choices(self) -> dict[str, list[str]]:
        """What may be chosen there: the way, how the bank answers, how refunds go, why it refuses."""
        ways = {"way": re.findall(r'name="way" value="([^"]+)"', self.text)}
        lists = {name: re.findall(r'<option value="([^"]+)"', options) for name, options in LIST.findall(self.text)}
        return {name: values for name, values in (ways | lists).items() if values}


class Shopper:
    """One person with one browser and one wish."""

    def __init__(self, stage: "Stage", name: str, manner: Manner, email: str = "") -> None:
        self._stage, self._world = stage, stage.world
        self.name, self._manner = name, manner
        self._browser = Browser(stage)
        self._email = email or f"{name}@example.com"

    async def live(self, shop: str, product: str) -> None:
        try:
            await self._shop(shop, product)
        except Lost as lost:
            self._tell(f"gives up: {lost} does not come")

    async def visit(self, shop: str, order: str) -> None:
        """Days later: looks at the order, and says where a deposit goes back to if the page asks."""
        try:
            page = await self._browser.get(f"/{shop}/orders/{order}")
            await self._name_receiver(page)
        except Lost:
            self._tell("does not come back")

    async def _shop(self, shop: str, product: str) -> None:
        page = await self._browser.get(f"/{shop}/checkout?product={product}")
        ways = [way for way in page.choices("pay") if way.endswith(self._manner.way)]
        if page.status != 200 or not ways:
            self._tell(f"finds nothing to buy ({page.status})")
            return
        form = {
            **page.fields,
            "email": self._email,
            "quantity": str(self._world.chance.choice((1, 1, 1, 2, 3))),
            "pay": self._world.chance.choice(ways),
        }
        self._tell(f"orders {form['quantity']} by {self._way(form['pay'])}")
        self._world.count("checkouts")
        page = await self._send(shop, form)
        for _ in range(self._manner.tries):
            page = await self._try_to_pay(shop, form, page)
            if page is None:
                break
            is_waiting = page.said == "awaiting_deposit" and self._world.happens(self._manner.change_way)
            if page.said not in PAYABLE and not is_waiting:
                break
            page = await self._pay_again(page, other=is_waiting)
            if page is None:
                break

    async def _send(self, shop: str, form: dict[str, str]) -> Page:
        """Once, or twice at the same time; the page that comes last."""
        times = 2 if self._world.happens(self._manner.double_click) else 1
        if times == 2:
            self._tell("clicks twice")
        pages = await asyncio.gather(*(self._browser.post(f"/{shop}/checkout", form) for _ in range(times)))
        return pages[-1]

    async def _try_to_pay(self, shop: str, form: dict[str, str], page: Page) -> Page | None:
        """From the pay page through the PG's window; the page of the shop that it ends on, None when nothing more
        is done.
        """
        window = await self._open(page)
        if window is None:
            return page if page.order else None
        windows = [self._pay(shop, page, window)]
        if self._world.happens(self._manner.back_button):
            changed = form | {"quantity": str(int(form["quantity"]) % 3 + 1)}
            self._tell("goes back and changes the quantity")
            paying = await self._send(shop, changed)
            again = await self._open(paying)
            windows = [*windows, self._pay(shop, paying, again)] if again else windows
        if self._world.happens(self._manner.second_tab) and page.order:
            self._tell("opens another tab")
            order = await self._browser.get(f"/{shop}/orders/{page.order}")
            paying = await self._pay_again(order, other=True)
            again = await self._open(paying) if paying else None
            windows = [*windows, self._pay(shop, paying, again)] if paying and again else windows
        ended = await asyncio.gather(*windows)
        return next((page for page in reversed(ended) if page is not None), None)

    async def _pay(self, shop: str, paying: Page, window: Window) -> Page | None:
        """What comes of a pay page and its window; some go back to it."""
        act, page = await self._at_window(shop, window)
        if act in ("decline", "cancel") and self._world.happens(self._manner.regret):
            await self._world.wait(5, self._world.chance.choice((60, 1800, 3 * 3600)))
            self._tell("goes back to the window")
            again = await self._open(paying)
            return (await self._press(shop, again, "approve") if again else None) or page
        return page

    async def _open(self, page: Page) -> Window | None:
        """The PG's window, from the pay page; None where there is none to open."""
        for _ in range(3):
            if page.status != 503:
                break
            await self._world.wait(1, 60)
            page = await self._browser.get(page.url)
        found = HANDOFF.search(page.text)
        if found is None:
            return None
        handoff = json.loads(found[1])
        if "redirectUrl" in handoff:
            answer = await self._at_pg("GET", urlsplit(handoff["redirectUrl"]).path)
        else:
            answer = await self._at_pg("POST", f"/window/{handoff['provider']}", {"handoff": json.dumps(handoff)})
        action = WINDOW.search(answer.text)
        return Window(unescape(action[1]), answer.text) if action and answer.status == 200 else None

    async def _at_window(self, shop: str, window: Window) -> tuple[str, Page | None]:
        """What the shopper does at the PG's window, and the page of the shop that they come back to."""
        await self._world.wait(1, 120)
        manner = self._manner
        acts = {
            "decline": manner.decline,
            "cancel": manner.leave,
            "close": manner.close,
            "walk away": manner.walk_away,
            "late": manner.late,
        }
        rest = 1 - sum(acts.values())
        [act] = self._world.chance.choices([*acts, "approve"], [*acts.values(), rest])
        self._world.count(f"shopper: {act}")
        if act == "walk away":
            self._tell(f"walks away from {window.path}")
            return act, None
        if act == "late":
            await self._world.wait(600, 2 * 3600)
        pressed = act if act in ("decline", "cancel") else "approve"
        page = await self._press(shop, window, pressed, comes_back=act != "close")
        return act, page

    async def _press(self, shop: str, window: Window, action: str, comes_back: bool = True) -> Page | None:
        """A button of the window, and the page of the shop that it leads to."""
        form = {"action": action, **self._choose(window)}
        self._tell(f"{action} at {window.path} " + " ".join(f"{name}={value}" for name, value in form.items()))
        way_back = (await self._at_pg("POST", window.path, form)).header(b"location")
        if action == "decline" and not way_back:
            # The window asks for another card.
            way_back = (await self._at_pg("POST", window.path, {"action": "approve"})).header(b"location")
        if not comes_back or not way_back or way_back.startswith(ORIGIN):
            return None
        await self._world.wait(0.1, 3)
        return await self._come_back(shop, way_back)

    def _choose(self, window: Window) -> dict[str, str]:
        """What is taken of the window's lists other than what stands there first."""
        return {
            name: self._world.chance.choice(values)
            for name, values in window.choices.items()
            if self._world.happens(self._manner.other_choice)
        }

    async def _come_back(self, shop: str, way_back: str) -> Page:
        times = 2 if self._world.happens(self._manner.reload) else 1
        if times == 2:
            self._tell("loads the way back twice")
        pages = await asyncio.gather(*(self._browser.get(way_back) for _ in range(times)))
        page = pages[-1]
        for _ in range(5):
            if page.said not in ("confirming", "pending") or not page.order:
                break
            await self._world.wait(2, 20)
            page = await self._browser.get(f"/{shop}/orders/{page.order}")
        return await self._name_receiver(page)

    async def _pay_again(self, page: Page, other: bool = False) -> Page | None:
        """From a page of the shop to a pay page once more; the same way, or another."""
        action, ways = page.action("/payments"), page.choices("pay")
        if action is None or not ways:
            return None
        again = page.fields.get("pay", "")
        others = [way for way in ways if way != again] or ways
        pay = again if again and not other and self._world.happens(0.5) else self._world.chance.choice(others)
        self._tell(f"pays again by {self._way(pay)}")
        return await self._browser.post(action, {"_csrf_token": page.fields["_csrf_token"], "pay": pay})

    async def _name_receiver(self, page: Page) -> Page:
        action = page.action("/receiver")
        if action is None or not self._world.happens(0.7):
            return page
        banks = re.findall(r'<option value="([^"]+)"[^>]*>우리은행<', page.text)
        form = {"bank": banks[0], "number": "1002123456789", "holder": "김민지", "email": self._email}
        self._tell("says where the deposit goes back to")
        return await self._browser.post(action, form | {"_csrf_token": page.fields["_csrf_token"]})

    async def _at_pg(self, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
        """The PG's pages come at once: its own troubles are not ours."""
        body = urlencode(form).encode() if form else b""
        return await ask(self._stage.sandbox, method, f"{ORIGIN}{path}", {"host": "sandbox.test", **FORM}, body)

    def _way(self, value: str) -> str:
        account, _, way = value.partition(":")
        return f"{account[-4:]}:{way}"

    def _tell(self, what: str) -> None:
        self._world.tell(self.name, what)
