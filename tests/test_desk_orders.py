"""The desk's list of orders: what stands there, how it is filtered and paged, and the file of it."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from itertools import product as pairs

import pytest

from app.database import DB, recorded_statements
from app.orders.tables import Order, OrderItem
from app.owners import order_search
from app.owners.audit import Action
from app.owners.export import AT_ONCE, plain
from app.owners.order_search import FEW, MOST_FOUND
from app.owners.paging import SIZE
from app.owners.roles import Role
from app.owners.tables import AuditEntry
from app.payments.tables import Payment, ProviderAccount
from app.shops.tables import Product, Shop
from tests.desk import Desks, Person
from tests.mall import Customer
from tests.shopping import Market, Shopper

LIST = "/haru/owner/orders"


async def place(market: Market, count: int, product: Product | None = None, **changes: object) -> list[Order]:
    """Orders a minute apart, the oldest first, without payments."""
    product = product or market.mug
    orders = []
    for _ in range(count):
        market.time.go_on(minutes=1)
        ordinal = f"{await Order.count() + 1:04}"
        values = {
            "shop": product.shop,
            "number": f"1122-{ordinal}",
            "token": f"token-{ordinal}",
            "customer_email": f"shopper{ordinal}@example.com",
            "currency": "KRW",
            "total_amount": product.price,
            "checkout_token": f"checkout-{ordinal}",
            "expires_at": market.time() + timedelta(hours=1),
            "created_at": market.time(),
            "updated_at": market.time(),
            **changes,
        }
        order = Order(**values)
        await Order.insert(order)
        item = {"product": product.id, "product_name": product.name, "unit_price": product.price, "quantity": 1}
        await OrderItem.insert(OrderItem(order=order.id, **item))
        orders.append(order)
    return orders


async def numbers(person: Person, query: str = "") -> list[str]:
    """Those that the list shows."""
    page = await person.http.get(f"{LIST}?{query}")
    assert page.status_code == 200, page.text
    return re.findall(r'<th scope="row"><a class="number"[^>]*>([^<]+)<', page.text)


async def test_the_list_tells_of_each_order_what_it_is(mall: Market, customer: Customer) -> None:
    boss = await Desks(mall).member(mall.haru)
    await customer.pay(mall.mug, "stripe")
    order = await mall.only_order()
    page = await boss.http.get(LIST)
    assert [order.number] == await numbers(boss)
    for told in ("백자 유약 머그", "26,000", "Stripe", "결제 완료", "11월 22일 14:00", f"{LIST}/{order.number}"):
        assert told in page.text, told


async def test_an_order_that_is_being_confirmed_is_called_so(market: Market, shopper: Shopper, boss: Person) -> None:
    await market.fault("answer_lost_before", call="confirm", percent=100)
    await shopper.buy(market.mug)
    await place(market, 1)
    assert "확인 중" in (await boss.http.get(LIST)).text
    assert await numbers(boss, "state=confirming") == [(await Order.objects().get(Order.paid_by.is_null())).number]


async def test_the_list_goes_page_by_page(market: Market, boss: Person) -> None:
    orders = await place(market, SIZE + 2)
    newest_first = [order.number for order in reversed(orders)]
    first = await boss.http.get(f"{LIST}?state=pending")
    assert await numbers(boss, "state=pending") == newest_first[:SIZE]
    [older] = re.findall(r'rel="next" href="\?([^"]+)"', first.text)
    older = older.replace("&amp;", "&")
    assert "state=pending" in older
    assert await numbers(boss, older) == newest_first[SIZE:]
    page = await boss.http.get(f"{LIST}?{older}")
    [newer] = re.findall(r'rel="prev" href="\?([^"]+)"', page.text)
    assert await numbers(boss, newer.replace("&amp;", "&")) == newest_first[:SIZE]


async def attempt(account: ProviderAccount, order: Order) -> None:
    given = {"account": account.id, "provider": account.provider, "way": "card", "currency": "KRW"}
    await Payment.insert(Payment(order=order.id, amount=order.total_amount, **given))


@pytest.mark.parametrize("few", [0, FEW])
async def test_the_list_is_filtered_by_state_and_by_every_pg_that_was_tried(
    mall: Market, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(order_search, "FEW", few)
    boss, accounts = await Desks(mall).member(mall.haru), {each.provider: each for each in mall.accounts[:-1]}
    [paid] = await place(mall, 1, status="paid", pg_provider="toss")
    [other] = await place(mall, 1, status="paid", pg_provider="stripe")
    [failed] = await place(mall, 1, status="failed")
    [theirs] = await place(mall, 1, mall.spoon, status="paid")
    for order, provider in ((paid, "stripe"), (paid, "toss"), (other, "stripe"), (failed, "toss"), (failed, "toss")):
        await attempt(accounts[provider], order)
    await attempt(mall.accounts[-1], theirs)
    assert await numbers(boss, "state=paid") == [other.number, paid.number]
    assert await numbers(boss, "pg=toss") == [failed.number, paid.number]
    assert await numbers(boss, "pg=stripe") == [other.number, paid.number]
    assert await numbers(boss, "pg=portone") == []
    assert await numbers(boss, "state=failed&pg=toss") == [failed.number]
    assert await numbers(boss, "state=failed&pg=stripe") == []
    assert await numbers(boss) == [failed.number, other.number, paid.number]


async def test_a_pg_without_a_contract_was_never_tried(market: Market, boss: Person) -> None:
    await place(market, 1)
    assert await numbers(boss, "pg=stripe") == []


async def test_an_order_that_is_being_confirmed_is_in_no_other_state(
    market: Market, shopper: Shopper, boss: Person
) -> None:
    await market.fault("answer_lost_before", call="confirm", percent=100)
    await shopper.buy(market.mug)
    undecided = await market.only_order()
    [pending] = await place(market, 1)
    [paid] = await place(market, 1, status="paid")
    await attempt(market.accounts[0], paid)
    await Payment.update({Payment.status: "confirming"}).where(Payment.order == paid.id)
    assert await numbers(boss, "state=confirming") == [undecided.number]
    assert await numbers(boss, "state=pending") == [pending.number]
    assert await numbers(boss, "state=paid") == [paid.number]
    page = (await boss.http.get(LIST)).text
    for pill in ('state=confirming">확인 중 1<', 'state=pending">결제 전 1<', 'state=paid">결제 완료 1<'):
        assert pill in page, pill
    await Order.update({Order.status: "failed"}).where(Order.id == undecided.id)
    assert await numbers(boss, "state=failed") == []
    assert "state=failed" not in (await boss.http.get(LIST)).text


async def test_a_state_with_orders_has_a_pill_with_their_number(market: Market, boss: Person) -> None:
    await place(market, 2, status="paid")
    await place(market, 1, market.spoon, status="failed")
    page = await boss.http.get(LIST)
    assert re.search(r'<a href="\?state=paid">결제 완료 2</a>', page.text)
    assert "state=failed" not in page.text


@pytest.mark.parametrize("query", ["state=nothing", "pg=nothing", "before=nothing", "q=%00"])
async def test_what_is_no_filter_leads_nowhere(market: Market, boss: Person, query: str) -> None:
    assert (await boss.http.get(f"{LIST}?{query}")).status_code == 404


async def test_days_are_the_shops_own(market: Market, boss: Person) -> None:
    """In Seoul a day begins at 15:00 UTC of the day before."""
    found = {}
    for name, moment in (
        ("21st", datetime(2026, 11, 21, 14, 59, 59, tzinfo=UTC)),
        ("22nd", datetime(2026, 11, 21, 15, 0, tzinfo=UTC)),
        ("late", datetime(2026, 11, 22, 14, 59, 59, 999_000, tzinfo=UTC)),
        ("23rd", datetime(2026, 11, 22, 15, 0, tzinfo=UTC)),
    ):
        market.time.moment = moment - timedelta(minutes=1)
        [order] = await place(market, 1)
        found[name] = order.number
    market.time.moment = datetime(2026, 11, 23, tzinfo=UTC)
    assert await numbers(boss, "since=2026-11-22&until=2026-11-22") == [found["late"], found["22nd"]]
    assert await numbers(boss, "until=2026-11-21") == [found["21st"]]
    assert await numbers(boss, "since=2026-11-23") == [found["23rd"]]


async def test_a_day_that_is_longer_is_whole(market: Market, boss: Person) -> None:
    """In New York the first of November 2026 has 25 hours."""
    await Shop.update({Shop.time_zone: "America/New_York"}).where(Shop.id == market.haru.id)
    found = []
    for moment in (datetime(2026, 11, 1, 4, 0, tzinfo=UTC), datetime(2026, 11, 2, 4, 59, tzinfo=UTC)):
        market.time.moment = moment - timedelta(minutes=1)
        found += [order.number for order in await place(market, 1)]
    market.time.go_on(minutes=1)
    await place(market, 1)
    assert await numbers(boss, "since=2026-11-01&until=2026-11-01") == found[::-1]


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "until=2026-13-01",
        "since=0001-01-01",
        "until=9999-12-31",
        "since=2026-11-02&until=2026-11-01",
    ],
)
async def test_a_date_that_is_none_is_told(market: Market, boss: Person, query: str) -> None:
    answer = await boss.http.get(f"{LIST}?{query}")
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert (await boss.http.get(f"{LIST}.csv?{query}")).status_code == 303


async def test_a_text_finds_what_is_called_so(mall: Market, customer: Customer) -> None:
    boss = await Desks(mall).member(mall.haru)
    await customer.pay(mall.mug, "toss")
    order, payment = await mall.only_order(), await mall.only_payment()
    await place(mall, 1, number="9999-0001", customer_email="Other@example.com")
    for text in (
        order.number,
        payment.reference,
        payment.reference.lower(),
        payment.pg_payment_id,
        "MINJI",
        "minji.kim@example.com",
    ):
        assert await numbers(boss, f"q={text}") == [order.number], text
    assert await numbers(boss, "q=other@") == ["9999-0001"]
    for text in ("kim", "%25", "1122", "' OR 1=1", "가나다"):
        assert await numbers(boss, f"q={text}") == [], text


async def test_a_text_finds_nothing_of_another_shop(mall: Market, customer: Customer) -> None:
    stranger = await Desks(mall).member(mall.namu)
    await customer.pay(mall.mug, "toss")
    order, payment = await mall.only_order(), await mall.only_payment()
    for text in (order.number, payment.reference, payment.pg_payment_id, order.customer_email):
        page = await stranger.http.get("/namu/owner/orders", params={"q": text})
        assert (page.status_code, "찾으시는 주문이 없어요" in page.text) == (200, True)
    assert (await stranger.http.get(f"/namu/owner/orders/{order.number}")).status_code == 404


async def test_a_text_that_finds_too_much_is_told(
    market: Market, boss: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.owners.order_search.MOST_FOUND", 3)
    await place(market, 4)
    answer = await boss.http.get(f"{LIST}?q=shopper")
    assert (answer.status_code, "3건이 넘게 찾았습니다" in answer.text) == (422, True)
    assert MOST_FOUND == 500


async def test_the_list_speaks_english(market: Market, boss: Person) -> None:
    await place(market, 1, status="refunded")
    await boss.http.get("/haru/language/en")
    page = await boss.http.get(LIST)
    main = page.text[page.text.index("<main") : page.text.index("</main>")].replace("백자 유약 머그", "")
    assert 'lang="en"' in page.text
    assert re.findall("[가-힣]+", main) == ["토스페이먼츠"] or re.findall("[가-힣]+", main) == []


# The file


async def file_of(person: Person, query: str = "") -> tuple[bytes, list[list[str]]]:
    answer = await person.http.get(f"{LIST}.csv?{query}")
    assert answer.status_code == 200, answer.text
    return answer.content, list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def test_the_file_holds_the_filtered_list(mall: Market, customer: Customer) -> None:
    clerk = await Desks(mall).member(mall.haru, Role.STAFF)
    await customer.pay(mall.mug, "stripe")
    await place(mall, 1, status="failed")
    order, payment = await Order.objects().get(Order.status == "paid"), await Payment.objects().first()
    content, rows = await file_of(clerk, "state=paid")
    assert content.startswith(b"\xef\xbb\xbf")
    local = "2026-11-22 14:00:00"
    expected = [order.number, local, "결제 완료", "백자 유약 머그", "1", "0", "26000", "KRW", "0", "Stripe"]
    assert len(rows) == 2
    assert rows[1] == [*expected, payment.pg_payment_id, local, order.customer_email]
    assert len((await file_of(clerk))[1]) == 3


async def test_the_file_is_named_after_shop_and_day_and_is_on_record(market: Market, boss: Person) -> None:
    market.time.moment = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
    answer = await boss.http.get(f"{LIST}.csv?state=paid")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="haru-orders-2026-11-23.csv"'
    [entry] = await AuditEntry.objects().where(AuditEntry.action == Action.ORDERS_EXPORTED)
    assert (entry.who, entry.subject) == (boss.email, "state=paid")


async def test_the_file_is_not_for_viewers(market: Market, desks: Desks) -> None:
    viewer = await desks.member(market.haru, Role.VIEWER)
    assert (await viewer.http.get(f"{LIST}.csv")).status_code == 403
    assert "orders.csv" not in (await viewer.http.get(LIST)).text


async def test_a_long_file_is_read_in_pieces(market: Market, boss: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.owners.export.AT_ONCE", 2)
    for count in (4, 1):
        await place(market, count)
        rows = (await file_of(boss))[1]
        orders = await Order.objects().order_by(Order.id, ascending=False)
        assert [row[0] for row in rows[1:]] == [order.number for order in orders]
    assert AT_ONCE == 500


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
async def test_no_cell_is_a_formula(market: Market, boss: Person, start: str) -> None:
    text = f'{start}HYPERLINK("x")'
    assert plain(text) == f"'{text}"
    await Product.update({Product.name: text}).where(Product.id == market.mug.id)
    await place(market, 1, await Product.objects().get(Product.id == market.mug.id), customer_email="+1@example.com")
    [_, row] = (await file_of(boss))[1]
    assert row[3] == f"'{text}"
    assert row[-1] == "'+1@example.com"


@pytest.mark.parametrize("text", ["", "a=1", "2026-11-22", "'=1"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert plain(text) == text


async def test_the_list_reads_no_table_from_end_to_end(
    market: Market, boss: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    if DB.engine_type != "sqlite":
        return
    await place(market, 2)
    await attempt(market.accounts[0], (await place(market, 1))[0])
    queries = ("", "state=paid", "state=confirming", "pg=toss", "state=paid&pg=toss", "until=2026-11-21", "q=shopper")
    for query, few in pairs((*queries, "state=pending&pg=toss"), (0, FEW)):
        monkeypatch.setattr(order_search, "FEW", few)
        with recorded_statements() as statements:
            await boss.http.get(f"{LIST}?{query}")
        for statement in statements:
            if "orders" in statement or "payments" in statement:
                plan = await DB.run_ddl("EXPLAIN QUERY PLAN " + re.sub(r"\?\d*", "''", statement))
                steps = [row["detail"] for row in plan]
                scans = [step for step in steps if re.match(r"SCAN (orders|payments|[po])\b", step)]
                assert all("payments_confirming" in scan for scan in scans), (query, steps)
