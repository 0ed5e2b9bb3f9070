"""The sales page: who sees it, which days it shows, what it says of bad input, and its charts."""

import re
from datetime import UTC, datetime

import httpx
import pytest

from app.owners.roles import Role
from app.owners.sales_period import MOST
from app.payments.tables import Payment
from app.shops.tables import Shop
from tests.desk import Desks, Person
from tests.mall import Customer
from tests.shopping import Market
from tests.test_desk_orders import place
from tests.test_sales import NOON, give_back, sell

PAGE = "/haru/owner/sales"


async def see(person: Person, query: str = "") -> str:
    page = await person.http.get(f"{PAGE}?{query}")
    assert page.status_code == 200, page.text
    return page.text


def rows_of(page: str) -> list[str]:
    """The first days of the rows of the first table of sums."""
    table = page[page.index("<table") : page.index("</table>")]
    return re.findall(r'<time datetime="([^"]+)"', table)


def text_of(page: httpx.Response | str) -> str:
    html = page if isinstance(page, str) else page.text
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html[html.index("<main") : html.index("</main>")]))


@pytest.mark.parametrize("role", Role)
async def test_every_member_sees_the_sales(mall: Market, customer: Customer, role: Role) -> None:
    person = await Desks(mall).member(mall.haru, role)
    await customer.pay(mall.mug, "toss")
    said = text_of(await see(person))
    for told in ("매출", "26,000원", "결제된 주문 1", "토스페이먼츠", "카드·간편결제", "100%", "들어온 주문"):
        assert told in said, told


async def test_a_way_to_pay_that_is_not_offered_any_more_keeps_its_name(mall: Market, customer: Customer) -> None:
    boss = await Desks(mall).member(mall.haru)
    await customer.pay(mall.mug, "toss")
    await Payment.update({Payment.way: "payco"}, force=True)
    assert "payco" in text_of(await see(boss))


async def test_a_shop_without_orders_is_told_so(market: Market, boss: Person) -> None:
    for by in ("day", "week", "month"):
        page = await see(boss, f"by={by}")
        assert "이 기간에는 주문도 매출도 없어요." in page
        assert "<svg" not in page
        assert "<table" not in page


async def test_the_page_shows_thirty_days_twelve_weeks_or_twelve_months(market: Market, boss: Person) -> None:
    await sell(market, NOON)
    days = rows_of(await see(boss))
    assert (len(days), days[0], days[-1]) == (30, "2026-11-22", "2026-10-24")
    assert days == rows_of(await see(boss, "by=day"))
    weeks = rows_of(await see(boss, "by=week"))
    assert (len(weeks), weeks[0], weeks[1], weeks[-1]) == (12, "2026-11-16", "2026-11-09", "2026-08-31")
    months = rows_of(await see(boss, "by=month"))
    assert (len(months), months[0], months[-1]) == (12, "2026-11-01", "2025-12-01")


async def test_today_is_the_shops(market: Market, boss: Person) -> None:
    await sell(market, datetime(2026, 11, 22, 10, tzinfo=UTC))
    market.time.moment = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
    assert rows_of(await see(boss))[0] == "2026-11-23"
    await Shop.update({Shop.time_zone: "America/New_York"}).where(Shop.id == market.haru.id)
    assert rows_of(await see(boss))[0] == "2026-11-22"


async def test_other_days_can_be_chosen(market: Market, boss: Person) -> None:
    await sell(market, datetime(2026, 11, 4, 3, tzinfo=UTC))
    market.time.moment = NOON
    assert rows_of(await see(boss, "since=2026-11-03&until=2026-11-05")) == ["2026-11-05", "2026-11-04", "2026-11-03"]
    assert len(rows_of(await see(boss, "since=2026-11-03"))) == 20
    assert len(rows_of(await see(boss, "until=2026-11-05"))) == 30
    # Whole weeks and months, of which the chosen days are the ends.
    assert rows_of(await see(boss, "by=week&since=2026-10-30&until=2026-11-04")) == ["2026-11-02", "2026-10-26"]
    assert rows_of(await see(boss, "by=month&since=2026-10-30&until=2026-11-04")) == ["2026-11-01", "2026-10-01"]
    page = await see(boss, "by=week&since=2026-10-30&until=2026-11-04")
    assert 'value="2026-10-30"' in page
    assert "?by=month&amp;since=2026-10-30&amp;until=2026-11-04" in page
    assert "10월 26일 – 11월 8일" in page


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("by=hour", "날, 주, 달 가운데 하나로 묶을 수 있어요."),
        ("by=%3Cscript%3E", "날, 주, 달 가운데 하나로 묶을 수 있어요."),
        ("since=yesterday", "날짜를 2026-11-22처럼 적어 주세요."),
        ("until=2026-13-01", "날짜를 2026-11-22처럼 적어 주세요."),
        ("since=0001-01-01", "날짜를 2026-11-22처럼 적어 주세요."),
        ("until=9999-12-31", "날짜를 2026-11-22처럼 적어 주세요."),
        ("until=20261122", "날짜를 2026-11-22처럼 적어 주세요."),
        ("since=2026-11-02&until=2026-11-01", "마지막 날이 첫날보다 빠릅니다."),
        ("since=2000-01-01", f"한 번에 {MOST}줄까지 볼 수 있어요."),
        ("by=month&since=2000-01-01&until=2999-12-31", f"한 번에 {MOST}줄까지 볼 수 있어요."),
    ],
)
async def test_what_cannot_be_shown_is_told(market: Market, boss: Person, query: str, told: str) -> None:
    await sell(market, NOON)
    page = await boss.http.get(f"{PAGE}?{query}")
    assert page.status_code == 422
    assert told in page.text
    assert "<table" not in page.text
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    "query", ["since=2000-01-01&until=2000-12-31", "by=month&since=2000-01-01", "until=2999-12-31"]
)
async def test_as_much_as_can_be_shown_is(market: Market, boss: Person, query: str) -> None:
    await place(market, 1)
    assert await see(boss, query)


async def test_the_chart_says_in_words_what_it_shows_and_has_its_table(market: Market, boss: Person) -> None:
    order = await sell(market, datetime(2026, 11, 20, 3, tzinfo=UTC), 300_000)
    await sell(market, NOON)
    await give_back(order, 30_000, NOON)
    page = await see(boss, "since=2026-11-18&until=2026-11-22")
    charts = re.findall(r'<svg class="(\w+)"[^>]* role="img" aria-labelledby="(\S+) (\S+)"', page)
    assert [name for name, _, _ in charts] == ["bars", "steps"]
    for _, title, described in charts:
        assert f'<title id="{title}">' in page
        assert f'<desc id="{described}">' in page
    assert "가장 많이 받은 때는 11월 20일, 300,000원입니다." in page
    assert "style=" not in page
    bars = page[page.index('class="bars"') : page.index("</svg>")]
    found = re.findall(r'<rect x="([^"]+)" y="([^"]+)" width="0.7" height="([^"]+)"', bars)
    assert [[float(part) for part in bar] for bar in found] == [
        pytest.approx([2.15, 0, 136.36], abs=0.01),
        pytest.approx([4.15, 124.55, 11.82], abs=0.01),
    ]
    [back] = re.findall(r'<rect class="back" x="4.15" y="([^"]+)" width="0.7" height="([^"]+)"', bars)
    assert [float(part) for part in back] == pytest.approx([136.36, 13.64], abs=0.01)
    said = text_of(page)
    assert "11월 22일 26,000원 −30,000원 −4,000원 1 26,000원" in said
    assert "11월 21일 0원 0원 0원 0 –" in said


async def test_each_currency_has_a_chart_and_a_table_of_its_own(market: Market, boss: Person) -> None:
    await sell(market, NOON)
    await sell(market, NOON, 1_250, currency="EUR")
    page = await see(boss)
    assert [name for name in ("sales-KRW", "sales-EUR", "sales-USD") if f'id="{name}"' in page] == [
        "sales-KRW",
        "sales-EUR",
    ]
    assert "€12.50" in page


async def test_the_page_speaks_english(market: Market, boss: Person) -> None:
    order = await sell(market, NOON)
    await give_back(order, 1_000, NOON)
    await boss.http.get("/haru/language/en")
    for query in ("", "by=week", "by=month"):
        page = await see(boss, query)
        assert re.findall("[가-힣]+", text_of(page)) == [], query
    assert "Nov 2026" in page
    for told in ("Received ₩26,000", "Refunded −₩1,000", "Paid orders 1", "Orders placed 1 100%", "Card or easy pay"):
        assert told in text_of(page), told
