"""A person's way through the demo: real servers, a real browser, JavaScript on (and once off)."""

import re

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import PHONE, TOSS, Demo, fits, go_to_window, order, wait_for_window

pytestmark = pytest.mark.browser

PORTONE = "카드 포트원"
STRIPE = "카드 Stripe"
# To each PG, by its script and by its own page; its form in ours has a test of its own.
HAND_OFFS = {
    "toss wallet": "카카오페이 토스페이먼츠",
    "portone": PORTONE,
    "stripe's page": STRIPE,
}


def test_a_shopper_buys_two_with_the_total_following_the_quantity(page: Page, demo: Demo) -> None:
    page.goto(demo.shop_url)
    assert fits(page)
    page.get_by_role("link", name="백자 유약 머그").click()
    page.wait_for_url("**/products/**")
    assert fits(page)
    page.get_by_role("link", name="구매하기").click()
    # Its scripts have run when the page is loaded; without them the buttons beside the quantity do nothing.
    page.wait_for_url("**/checkout?**")
    page.get_by_role("button", name="하나 늘리기").click()
    expect(page.locator("#totals .total")).to_contain_text("52,000원")
    expect(page.get_by_role("button", name="52,000원 결제하기")).to_be_visible()
    page.get_by_label("이메일").fill("minji.kim@")
    page.get_by_role("radio", name=TOSS).check()
    page.get_by_role("button", name="52,000원 결제하기").click()
    expect(page.get_by_role("alert").first).to_contain_text("이메일")
    expect(page.get_by_label("수량", exact=True)).to_have_value("2")
    assert fits(page)
    page.get_by_label("이메일").fill("minji.kim@example.com")
    page.get_by_role("button", name="52,000원 결제하기").click()

    reference = wait_for_window(page, demo)
    assert fits(page)
    page.get_by_role("button", name="승인하기").click()

    expect(page.get_by_role("heading", name="결제가 끝났어요")).to_be_visible()
    assert page.url.startswith(f"{demo.shop_url}/checkout/success?order=")
    expect(page.locator(".total")).to_contain_text("52,000원")
    assert demo.ledger()[reference]["captured"] == 52_000
    assert fits(page)
    page.get_by_role("link", name="주문 보기").click()
    expect(page.locator("#status")).to_have_attribute("data-status", "paid")
    assert "hx-get" not in page.locator("#status").evaluate("node => node.outerHTML")
    assert fits(page)
    receipt = page.get_by_role("link", name="영수증 보기").get_attribute("href")
    assert httpx.get(receipt).status_code == 200


def test_after_a_refusal_and_a_closed_window_the_same_order_is_paid(page: Page, demo: Demo) -> None:
    first = go_to_window(page, demo)
    page.get_by_role("button", name="거절하기").click()
    expect(page.get_by_role("heading", name="결제되지 않았어요")).to_be_visible()
    expect(page.locator(".notice")).to_contain_text("카드사에서 결제를 승인하지 않았습니다")
    number = page.locator(".number").inner_text()
    assert fits(page)

    page.get_by_role("button", name="다시 결제하기").click()
    second = wait_for_window(page, demo)
    page.get_by_role("button", name="결제하지 않고 닫기").click()
    expect(page.get_by_role("heading", name="결제를 그만두셨어요")).to_be_visible()
    assert page.locator(".number").inner_text() == number

    page.get_by_role("button", name="다시 결제하기").click()
    third = wait_for_window(page, demo)
    page.get_by_role("button", name="승인하기").click()
    expect(page.get_by_role("heading", name="결제가 끝났어요")).to_be_visible()
    assert page.locator(".number").first.inner_text() == number
    captured = {reference: demo.ledger()[reference]["captured"] for reference in (first, second, third)}
    assert captured == {first: 0, second: 0, third: 14_000}


def test_going_back_from_the_window_does_not_send_the_shopper_away_again(page: Page, demo: Demo) -> None:
    go_to_window(page, demo)
    page.go_back()
    expect(page.get_by_text("결제창을 한 번 열었던 주문입니다")).to_be_visible()
    page.get_by_role("button", name="결제창 열기").click()
    wait_for_window(page, demo)
    page.get_by_role("button", name="승인하기").click()
    expect(page.get_by_role("heading", name="결제가 끝났어요")).to_be_visible()


def test_back_to_the_form_and_another_quantity_replaces_the_order(page: Page, demo: Demo) -> None:
    first = go_to_window(page, demo, "쌀겨 비누 두 개 묶음")
    page.go_back()
    expect(page.get_by_role("button", name="결제창 열기")).to_be_visible()
    number = page.locator(".number").inner_text()
    page.go_back()
    expect(page.get_by_label("이메일")).to_have_value("minji.kim@example.com")
    page.get_by_role("button", name="하나 늘리기").click()
    expect(page.get_by_role("button", name="18,000원 결제하기")).to_be_visible()
    page.get_by_role("button", name="18,000원 결제하기").click()
    assert wait_for_window(page, demo) != first
    page.get_by_role("button", name="승인하기").click()
    expect(page.locator(".total")).to_contain_text("18,000원")
    assert page.locator(".number").inner_text() != number
    assert demo.ledger()[first]["captured"] == 0


def test_editing_from_the_pay_page_replaces_the_order(page: Page, demo: Demo) -> None:
    reference = go_to_window(page, demo, "쌀겨 비누 두 개 묶음")
    page.go_back()
    page.get_by_role("link", name="주문 내용 고치기").click()
    page.wait_for_url("**/checkout?**")
    page.get_by_role("button", name="하나 늘리기").click()
    expect(page.get_by_role("button", name="18,000원 결제하기")).to_be_visible()
    page.get_by_label("이메일").fill("minji.kim@example.com")
    page.get_by_role("radio", name=TOSS).check()
    page.get_by_role("button", name="18,000원 결제하기").click()
    assert wait_for_window(page, demo) != reference
    page.get_by_role("button", name="승인하기").click()
    expect(page.locator(".total")).to_contain_text("18,000원")


def test_an_answer_that_is_lost_for_a_while_shows_that_we_are_asking(page: Page, demo: Demo) -> None:
    reference = go_to_window(page, demo)
    demo.fault(kind="answer_lost_after", reference=reference)
    demo.fault(kind="server_error", percent=100, call="lookup")
    page.get_by_role("button", name="승인하기").click()
    expect(page.get_by_role("heading", name="결제를 확인하고 있어요")).to_be_visible(timeout=15_000)
    assert fits(page)
    demo.mend()
    expect(page.get_by_role("heading", name="결제가 끝났어요")).to_be_visible(timeout=15_000)
    assert demo.ledger()[reference]["captured"] == 14_000


def test_without_javascript_the_form_leads_to_the_pay_page(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    page.goto(f"{demo.shop_url}/checkout?product={demo.product('하동 첫물 녹차 60g')['id']}")
    page.get_by_label("수량", exact=True).fill("3")
    page.get_by_label("이메일").fill("minji.kim@example.com")
    page.get_by_role("radio", name=TOSS).check()
    page.get_by_role("button", name=re.compile("결제하기")).click()
    expect(page.locator(".total")).to_contain_text("54,000원")
    expect(page.get_by_role("button", name="결제창 열기")).to_be_hidden()
    assert "자바스크립트를 켜 주세요" in page.content()
    context.close()


@pytest.mark.parametrize("hand_off", HAND_OFFS)
def test_every_pg_sells(page: Page, demo: Demo, hand_off: str) -> None:
    reference = go_to_window(page, demo, way=HAND_OFFS[hand_off])
    assert fits(page)
    page.get_by_role("button", name="승인하기").click()
    expect(page.get_by_role("heading", name="결제가 끝났어요")).to_be_visible()
    assert demo.ledger()[reference]["captured"] == 14_000


def test_a_card_form_in_our_page_takes_another_card_after_a_refusal(page: Page, demo: Demo) -> None:
    before = demo.captured()
    order(page, demo.shop_url.replace("haru", "namu"), "벚나무 숟가락", STRIPE)
    # By keyboard: right after the page has scrolled, a click may still land in the frame of another site.
    pay = page.get_by_role("button", name="16,000원 결제하기")
    card = page.frame_locator("#payment-form iframe")
    card.get_by_label("시험용 카드 번호").fill("4000000000000002")
    expect(pay).to_be_enabled()
    pay.press("Enter")
    expect(page.locator('[data-when="declined"]')).to_be_visible()
    assert fits(page)
    card.get_by_label("시험용 카드 번호").fill("4242424242424242")
    pay.press("Enter")
    expect(page.get_by_role("heading", name="결제가 끝났어요")).to_be_visible()
    assert demo.captured() - before == 16_000


@pytest.mark.parametrize("way", [PORTONE, STRIPE])
def test_leaving_the_pgs_page_and_paying_with_another_pg(page: Page, demo: Demo, way: str) -> None:
    first = go_to_window(page, demo, way=way)
    page.get_by_role("button", name="결제하지 않고 닫기").click()
    expect(page.get_by_text("돈은 빠져나가지 않았습니다").first).to_be_visible()
    assert fits(page)
    page.get_by_text("다른 방법으로 결제하기").click()
    page.get_by_role("radio", name=TOSS, exact=True).check()
    page.get_by_role("button", name="이 방법으로 결제하기").click()
    second = wait_for_window(page, demo)
    page.get_by_role("button", name="승인하기").click()
    expect(page.get_by_role("heading", name="결제가 끝났어요")).to_be_visible()
    assert {reference: demo.ledger()[reference]["captured"] for reference in (first, second)} == {
        first: 0,
        second: 14_000,
    }


def test_a_refusal_at_portone_says_why(page: Page, demo: Demo) -> None:
    go_to_window(page, demo, way=PORTONE)
    page.get_by_role("button", name="거절하기").click()
    expect(page.get_by_role("heading", name="결제되지 않았어요")).to_be_visible()
    expect(page.locator(".notice")).to_contain_text("카드")
    assert fits(page)


@pytest.mark.parametrize("provider", ["토스페이먼츠", "포트원"])
def test_a_virtual_account_waits_and_the_page_turns_when_the_money_comes(page: Page, demo: Demo, provider: str) -> None:
    reference = go_to_window(page, demo, way=f"가상계좌 {provider}")
    page.get_by_role("button", name="승인하기").click()
    expect(page.get_by_role("heading", name="아래 계좌로 입금해 주세요")).to_be_visible()
    expect(page.locator("#account")).not_to_be_empty()
    expect(page.locator("dl", has_text="입금할 금액").first).to_contain_text("14,000원")
    assert fits(page)
    demo.deposit(reference)
    expect(page.get_by_role("heading", name="결제가 끝났어요")).to_be_visible(timeout=20_000)
    assert demo.ledger()[reference]["captured"] == 14_000


def test_an_owner_signs_in_by_keyboard_and_goes_around_the_desk(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.shop_url}/owner/audit")
    expect(page.get_by_role("heading", name="가게 관리")).to_be_visible()
    assert fits(page)
    page.get_by_label("이메일").focus()
    page.keyboard.type(demo.owner["email"])
    page.keyboard.press("Tab")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("비밀번호가 맞지 않아요")
    page.get_by_label("비밀번호", exact=True).focus()
    page.keyboard.type(demo.owner["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="작업 기록")).to_be_visible()
    expect(page.get_by_role("navigation", name="가게 관리").locator("[aria-current=page]")).to_have_text("작업 기록")
    assert fits(page)
    page.get_by_role("link", name=demo.owner["email"]).click()
    expect(page.get_by_role("heading", name="내 계정")).to_be_visible()
    assert fits(page)
    page.get_by_role("button", name="나가기", exact=True).click()
    page.wait_for_url("**/login")
    page.goto(f"{demo.shop_url}/owner")
    page.wait_for_url("**/login?next=*")
