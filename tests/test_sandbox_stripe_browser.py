"""Stripe.js as the sandbox plays it, in a real browser, on the page of a shop with a strict policy."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import uvicorn
from playwright.async_api import Frame, Page, async_playwright, expect

from app.sandbox.main import create_sandbox
from tests.stripe_wire import ASKS, DECLINED, HARU, Shop

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html lang="ko"><head><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="application/json" id="handoff">%s</script>
<script src="%s"></script><script src="/pay.js" defer></script></head>
<body><div id="element"></div><button>결제하기</button><p id="problem"></p><p id="done"></p></body></html>"""
SCRIPT = """
const wish = JSON.parse(document.querySelector("#handoff").textContent);
const stripe = Stripe(wish.publishableKey);
const elements = stripe.elements({clientSecret: wish.clientSecret, locale: wish.locale});
const element = elements.create("payment", {layout: "tabs"});
element.on("ready", () => document.body.dataset.ready = "yes");
element.on("loaderror", (event) => document.querySelector("#problem").textContent = event.error.message);
element.mount("#element");
document.querySelector("button").addEventListener("click", async () => {
  const {error, paymentIntent} = await stripe.confirmPayment({
    elements, confirmParams: {return_url: wish.returnUrl}, redirect: wish.redirect,
  });
  if (error) document.querySelector("#problem").textContent = error.decline_code;
  if (paymentIntent) document.querySelector("#done").textContent = paymentIntent.status;
});
"""


class PayPage:
    """A shop's server: `/pay` holds what `wish` says, `/back` is where the buyer returns to."""

    def __init__(self, sandbox_url: str) -> None:
        self.sandbox_url = sandbox_url
        self.wish: dict[str, Any] = {}

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        page = PAGE % (json.dumps(self.wish), f"{self.sandbox_url}/sdk/stripe/v3/")
        kind, body = {
            "/pay": ("text/html; charset=utf-8", page),
            "/pay.js": ("text/javascript; charset=utf-8", SCRIPT),
        }.get(scope["path"], ("text/plain", "back"))
        policy = (
            f"default-src 'self'; img-src data:; script-src 'self' {self.sandbox_url};"
            f" connect-src 'self' {self.sandbox_url}; frame-src {self.sandbox_url}"
        )
        headers = [(b"content-type", kind.encode()), (b"content-security-policy", policy.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})


@asynccontextmanager
async def served(app: Any, host: str) -> AsyncIterator[str]:
    """An app behind a real server on a free port. The socket listens first: no client comes too early."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://{host}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@dataclass(frozen=True)
class Scene:
    """A buyer's browser before a shop of one site and a sandbox of another."""

    page: Page
    shop: Shop
    pay_page: PayPage
    shop_url: str
    complaints: list[str]

    async def open(self, **more: Any) -> dict[str, Any]:
        """Show the pay page of a new PaymentIntent."""
        intent = await self.shop.open_intent()
        self.pay_page.wish = {
            "publishableKey": HARU["publishable_key"],
            "clientSecret": intent["client_secret"],
            "returnUrl": f"{self.shop_url}/back?payment=tok",
            "locale": "ko",
            **more,
        }
        await self.page.goto(f"{self.shop_url}/pay")
        return intent

    async def frame(self) -> Frame:
        await expect(self.page.locator("body")).to_have_attribute("data-ready", "yes")
        return self.page.frames[1]

    async def press(self) -> None:
        await self.page.get_by_role("button", name="결제하기").click()

    async def returned(self) -> dict[str, str]:
        await self.page.wait_for_url(f"{self.shop_url}/back?**")
        return dict(parse_qsl(urlsplit(self.page.url).query))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with served(create_sandbox(accounts=[HARU]), "localhost") as sandbox_url:
        pay_page = PayPage(sandbox_url)
        async with served(pay_page, "127.0.0.1") as shop_url, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=os.environ.get("SELLOG_CHROMIUM") or None,
                args=[
                    "--no-sandbox",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                ],
            )
            # High enough for the whole page: right after scrolling, Chromium may take a click for one into the frame.
            page = await browser.new_page(viewport={"width": 800, "height": 1200})
            complaints: list[str] = []
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            async with httpx.AsyncClient(base_url=sandbox_url) as wire:
                yield Scene(page, Shop(wire), pay_page, shop_url, complaints)
            await browser.close()


async def test_a_buyer_pays_in_the_frame_and_comes_back(scene: Scene) -> None:
    intent = await scene.open()
    frame = await scene.frame()
    assert await frame.evaluate("document.documentElement.scrollHeight <= innerHeight")
    await scene.press()

    assert await scene.returned() == {
        "payment": "tok",
        "payment_intent": intent["id"],
        "payment_intent_client_secret": intent["client_secret"],
        "redirect_status": "succeeded",
    }
    assert (await scene.shop.intent(intent["id"]))["status"] == "succeeded"
    assert scene.complaints == []


async def test_a_declined_card_stays_on_the_page_and_another_one_pays(scene: Scene) -> None:
    intent = await scene.open()
    frame = await scene.frame()
    await frame.get_by_label("결과 고르기").select_option(DECLINED)
    await scene.press()
    await expect(scene.page.locator("#problem")).to_have_text("generic_decline")
    await frame.get_by_label("시험용 카드 번호").fill("4242 4242 4242 4242")
    await scene.press()

    assert (await scene.returned())["redirect_status"] == "succeeded"
    assert (await scene.shop.intent(intent["id"]))["amount_received"] == 15000
    # Chromium calls the answer of a decline an error.
    assert [said for said in scene.complaints if "status of 402" not in said] == []


@pytest.mark.parametrize(("button", "status"), [("인증하기", "succeeded"), ("인증 실패하기", "failed")])
async def test_3d_secure_has_a_page_of_its_own(scene: Scene, button: str, status: str) -> None:
    await scene.open()
    await (await scene.frame()).get_by_label("결과 고르기").select_option(ASKS)
    await scene.press()
    await scene.page.get_by_role("button", name=button, exact=True).click()

    assert (await scene.returned())["redirect_status"] == status


async def test_a_page_that_wants_to_stay_is_told_the_end(scene: Scene) -> None:
    await scene.open(redirect="if_required")
    await scene.frame()
    await scene.press()

    await expect(scene.page.locator("#done")).to_have_text("succeeded")
    assert scene.page.url == f"{scene.shop_url}/pay"


async def test_a_payment_that_is_not_there_cannot_be_loaded(scene: Scene) -> None:
    await scene.open(clientSecret="pi_unknown_secret_guess")

    await expect(scene.page.locator("#problem")).to_have_text("No such payment_intent: 'pi_unknown'")
