"""Takes the pictures in docs/screens again, of the demo as it starts: `.venv/bin/python -m tests.screens`."""

import os
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, FloatRect, Page

from app.suite import find_browser
from tests.browsing import DESKTOP, PHONE, ROOT, Demo, chromium, go_to_window, running_demo, sign_in, tour

FOLDER = ROOT / "docs" / "screens"
# Of a long list the beginning is enough.
TALLEST = 2400
# The newest order in each of these states has a picture of its own.
STATES = ("paid", "partially_refunded", "awaiting_deposit", "failed")


def main() -> None:
    os.environ.setdefault("SELLOG_CHROMIUM", find_browser() or "")
    for old in FOLDER.glob("*.png"):
        old.unlink()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_demo(Path(folder)) as demo, chromium() as browser:
        for viewport in (PHONE, DESKTOP):
            visit_shop(new_page(browser, viewport), demo)
            visit_desk(new_page(browser, viewport), demo)


def new_page(browser: Browser, viewport: dict[str, int]) -> Page:
    return browser.new_context(viewport=viewport, locale="ko-KR", reduced_motion="reduce").new_page()


def visit_shop(page: Page, demo: Demo) -> None:
    take(page, "shop", demo.shop_url)
    take(page, "shop-product", f"{demo.shop_url}/products/{demo.product('오침 제본 공책')['id']}")
    take(page, "shop-checkout", f"{demo.shop_url}/checkout?product={demo.product('오침 제본 공책')['id']}")
    go_to_window(page, demo)
    page.get_by_role("button", name="거절하기").click()
    page.wait_for_url("**/checkout/fail**")
    take(page, "shop-failed")
    page.get_by_role("button", name="다시 결제하기").click()
    page.get_by_role("button", name="승인하기").click()
    page.wait_for_url("**/checkout/success**")
    take(page, "shop-paid")
    page.get_by_role("link", name="주문 보기").click()
    page.wait_for_url("**/orders/**")
    take(page, "shop-order")


def visit_desk(page: Page, demo: Demo) -> None:
    desk = f"{demo.shop_url}/owner"
    page.goto(desk)
    take(page, "login")
    sign_in(page, demo)
    for kind, url in tour(page, desk).items():
        if kind not in ("desk", "orders-one"):
            take(page, f"desk-{kind}", url)
    for state in STATES:
        page.goto(f"{desk}/orders?state={state}")
        page.locator(".ledger th a").first.click()
        page.wait_for_url(f"{desk}/orders/*")
        take(page, f"desk-order-{state.replace('_', '-')}")


def take(page: Page, name: str, url: str = "") -> None:
    """A picture of the page, named with its width."""
    if url:
        page.goto(url)
    page.wait_for_load_state("networkidle")
    assert page.viewport_size is not None
    width, height = page.viewport_size["width"], page.evaluate("document.documentElement.scrollHeight")
    clip: FloatRect = {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST)}
    page.screenshot(path=FOLDER / f"{name}-{width}.png", full_page=True, clip=clip)


if __name__ == "__main__":
    main()
