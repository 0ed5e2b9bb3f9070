"""The owner's desk in a real browser: every page for eyes, ears and keyboards, on phones and desktops."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browsing import TOSS, Demo, fits, go_to_window, sign_in, tour

pytestmark = pytest.mark.browser

# Of the kinds of page that the desk leads to; a page that nothing leads to any more is missing here.
KINDS = {
    "orders",
    "orders-one",
    "sales",
    "members",
    "products",
    "products-new",
    "products-one",
    "payments",
    "payments-new-toss",
    "payments-new-portone",
    "payments-new-stripe",
    "inbox",
    "inbox-one",
    "compare",
    "settings",
    "audit",
}


def complaints_of(page: Page) -> str:
    """What axe finds wrong with the page as it stands."""
    results = Axe().run(page)
    return results.generate_report() if results.violations_count else ""


def buy(page: Page, demo: Demo) -> str:
    """The number of an order that was paid by card."""
    go_to_window(page, demo)
    page.get_by_role("button", name="승인하기").click()
    expect(page.get_by_role("heading", name="결제가 끝났어요")).to_be_visible()
    return page.locator(".number").first.inner_text()


def tab_to(page: Page, goal: Locator) -> None:
    """Presses Tab until the goal has the focus; wherever it stands on the way, one can see it."""
    expect(goal).to_be_visible()
    for _ in range(150):
        page.keyboard.press("Tab")
        # Inside a date the browser itself shows which of its parts has the focus.
        assert page.evaluate(
            "() => { const here = document.activeElement, style = getComputedStyle(here);"
            " return here.type === 'date' || style.outlineStyle !== 'none' || style.boxShadow !== 'none' }"
        ), page.evaluate("document.activeElement.outerHTML")
        if goal.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError("the focus never came there")


def test_every_page_of_the_desk_fits_and_axe_finds_nothing_wrong(page: Page, busy_demo: Demo) -> None:
    sign_in(page, busy_demo)
    pages = tour(page, f"{busy_demo.shop_url}/owner")
    assert set(pages) >= KINDS
    for kind, url in pages.items():
        page.goto(url)
        assert fits(page), kind
        assert complaints_of(page) == "", kind


def test_every_page_of_a_purchase_passes_axe(page: Page, demo: Demo) -> None:
    def look() -> None:
        assert complaints_of(page) == "", page.url

    page.goto(demo.shop_url)
    look()
    page.get_by_role("link", name="오침 제본 공책").click()
    page.wait_for_url("**/products/**")
    look()
    page.get_by_role("link", name="구매하기").click()
    page.wait_for_url("**/checkout?**")
    look()
    page.get_by_label("이메일").fill("minji.kim@")
    page.get_by_role("radio", name=TOSS, exact=True).check()
    page.get_by_role("button", name=re.compile("결제하기")).click()
    expect(page.get_by_role("alert").first).to_contain_text("이메일")
    look()
    page.get_by_label("이메일").fill("minji.kim@example.com")
    page.get_by_role("button", name=re.compile("결제하기")).click()
    page.get_by_role("button", name="거절하기").click()
    expect(page.get_by_role("heading", name="결제되지 않았어요")).to_be_visible()
    look()
    page.get_by_role("button", name="다시 결제하기").click()
    page.get_by_role("button", name="승인하기").click()
    expect(page.get_by_role("heading", name="결제가 끝났어요")).to_be_visible()
    look()
    page.get_by_role("link", name="주문 보기").click()
    page.wait_for_url("**/orders/**")
    look()


def test_an_owner_refunds_an_order_by_keyboard_alone(page: Page, demo: Demo) -> None:
    number = buy(page, demo)
    page.goto(f"{demo.shop_url}/owner")
    tab_to(page, page.get_by_label("이메일"))
    page.keyboard.type(demo.owner["email"])
    tab_to(page, page.get_by_label("비밀번호", exact=True))
    page.keyboard.type(demo.owner["password"])
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name=number))
    page.keyboard.press("Enter")
    tab_to(page, page.locator("#refund > summary"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("환불할 금액"))
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("4000")
    tab_to(page, page.get_by_label("까닭"))
    page.keyboard.type("모서리가 찢어짐")
    tab_to(page, page.locator("#refund").get_by_role("button", name="환불하기"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("4,000원").first).to_be_visible()
    expect(page.locator(".status[data-status=partially_refunded]").first).to_be_visible(timeout=20_000)


def test_a_file_of_orders_comes_and_the_page_tells_how_far_it_is(page: Page, demo: Demo) -> None:
    number = buy(page, demo)
    sign_in(page, demo)
    for _ in range(2):
        with page.expect_download() as download:
            page.get_by_role("link", name="이 목록 내려받기 (CSV)").click()
        assert number in download.value.path().read_text(encoding="utf-8")
        expect(page.locator("#export")).to_contain_text("건을 모두 내려보냈습니다.")
        expect(page.locator("#export")).to_have_attribute("hx-trigger", "export-begins from:body")


def test_an_order_that_is_being_decided_turns_on_the_owners_page_by_itself(page: Page, demo: Demo) -> None:
    reference = go_to_window(page, demo)
    demo.fault(kind="answer_lost_after", reference=reference)
    demo.fault(kind="server_error", percent=100, call="lookup")
    page.get_by_role("button", name="승인하기").click()
    expect(page.get_by_role("heading", name="결제를 확인하고 있어요")).to_be_visible()
    number = page.locator(".number").first.inner_text()
    sign_in(page, demo)
    page.get_by_role("link", name=number).click()
    expect(page.locator("#order-head .status")).to_have_attribute("data-status", "confirming")
    demo.mend()
    expect(page.locator("#order-head .status")).to_have_attribute("data-status", "paid")
    expect(page.locator("#refund")).to_be_visible()
