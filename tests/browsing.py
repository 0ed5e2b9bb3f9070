"""A demo that runs as a process of its own, and a real browser to look at it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parent.parent

# Two browsers, two demos and a busy machine.
expect.set_options(timeout=15_000)

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}

TOSS = "카드·간편결제 토스페이먼츠"


@dataclass(frozen=True)
class Demo:
    """A demo that runs as a process of its own."""

    shop_url: str
    sandbox_url: str
    products: list[dict]
    owner: dict[str, str]

    def product(self, name: str) -> dict:
        return next(product for product in self.products if product["name"] == name)

    def fault(self, **fault: object) -> None:
        answer = httpx.post(f"{self.sandbox_url}/control/faults", json={"provider": "toss", **fault})
        assert answer.status_code == 201, answer.text

    def mend(self) -> None:
        assert httpx.delete(f"{self.sandbox_url}/control/faults").status_code == 204

    def ledger(self) -> dict[str, dict]:
        """The PG's own entry for each reference; of several attempts the one that took most."""
        payments = httpx.get(f"{self.sandbox_url}/control/ledger").json()["payments"]
        return {payment["reference"]: payment for payment in sorted(payments, key=lambda each: each["captured"])}

    def captured(self) -> int:
        return sum(payment["captured"] for payment in self.ledger().values())

    def deposit(self, reference: str) -> None:
        answer = httpx.post(f"{self.sandbox_url}/control/deposits/{reference}")
        assert answer.status_code == 201, answer.text


@contextmanager
def running_demo(folder: Path, *options: str) -> Iterator[Demo]:
    """Starts one on free ports, and ends it as Ctrl-C does."""
    ports = ("--port", "0", "--sandbox-port", "0")
    command = [sys.executable, "-m", "app.cli", "demo", "--data", str(folder), *ports, *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Sellog is ready at"):
                break
        assert process.poll() is None, lines
        facts = json.loads((folder / "demo.json").read_text())
        assert lines[-1].split()[-1] == facts["shop_url"]
        yield Demo(facts["shop_url"], facts["sandbox_url"], facts["products"], facts["owner"])
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("SELLOG_CHROMIUM") or None,
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One without orders."""
    with running_demo(tmp_path_factory.mktemp("demo"), "--empty") as demo:
        yield demo


@pytest.fixture(scope="module")
def busy_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One with weeks of orders."""
    with running_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page in a fresh profile. Whatever the browser complains of fails the test."""
    context = browser.new_context(viewport=request.param, reduced_motion="reduce")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    # An answer of 422 is part of the form's way, and 402 is Stripe's for a refused card; Chromium calls them errors.
    expected = ("status of 422", "status of 402")
    assert [complaint for complaint in complaints if not any(each in complaint for each in expected)] == []


def fits(page: Page) -> bool:
    """Nothing makes the page scroll sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def go_to_window(page: Page, demo: Demo, name: str = "오침 제본 공책", way: str = TOSS) -> str:
    """From the shop's page to the PG's window, which opens by itself; the payment's reference."""
    order(page, demo.shop_url, name, way)
    return wait_for_window(page, demo)


def order(page: Page, shop_url: str, name: str, way: str) -> None:
    page.goto(shop_url)
    page.get_by_role("link", name=name).click()
    page.get_by_role("link", name="구매하기").click()
    page.wait_for_url("**/checkout?**")
    page.get_by_label("이메일").fill("minji.kim@example.com")
    page.get_by_role("radio", name=way, exact=True).check()
    page.get_by_role("button", name=re.compile("결제하기")).click()


def wait_for_window(page: Page, demo: Demo) -> str:
    page.wait_for_url(f"{demo.sandbox_url}/window/**")
    reference = page.locator("dt", has_text="참조").locator("xpath=following-sibling::dd[1]").inner_text().strip()
    assert re.fullmatch("[0-9A-Z]{26}", reference)
    return reference


def sign_in(page: Page, demo: Demo) -> None:
    """The demo's owner, from the desk's own address."""
    page.goto(f"{demo.shop_url}/owner")
    page.get_by_label("이메일").fill(demo.owner["email"])
    page.get_by_label("비밀번호", exact=True).fill(demo.owner["password"])
    page.get_by_role("button", name="들어가기", exact=True).click()
    page.wait_for_url(f"{demo.shop_url}/owner/orders")


def tour(page: Page, start: str) -> dict[str, str]:
    """One address of every kind of page below `start`, found as a person finds them: by the links on the pages.

    Pages are of one kind if they differ in a row's identifier, a number or a query alone.
    """
    found = {kind_of(start, start): start}
    left = [start]
    while left:
        page.goto(left.pop(0))
        for link in page.locator("a[href]:not([download])").all():
            url = str(link.evaluate("node => node.href")).partition("#")[0]
            if url.startswith(f"{start}/") and (kind := kind_of(url, start)) not in found:
                found[kind] = url
                left.append(url)
    return found


def kind_of(url: str, start: str) -> str:
    path = url.partition("?")[0].removeprefix(start).strip("/")
    return re.sub(r"/[^/]*\d[^/]*", "/one", path).replace("/", "-") or "desk"
