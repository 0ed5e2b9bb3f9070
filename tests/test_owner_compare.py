"""The daily compare at the desk: differences in plain words, closed with a note, and a day compared when asked for."""

import json

import pytest

from app import clock
from app.owners.paging import SIZE
from app.owners.roles import Role
from app.owners.tables import AuditEntry
from app.payments.states import AlertKind, DifferenceKind
from app.payments.tables import Alert, Difference, ProviderAccount
from app.shops.tables import Shop
from tests.desk import Desks, Person
from tests.shopping import Market, Shopper

PAGE = "/haru/owner/compare"


async def add(market: Market, kind: DifferenceKind = DifferenceKind.AMOUNT, **values: object) -> Difference:
    market.time.go_on(seconds=1)
    number = clock.new_id()
    given = {"account": market.accounts[0].id, "ours": 26_000, "theirs": 20_000, "reference": "R", **values}
    day = clock.now().date().isoformat()
    row = Difference(day=day, kind=kind, difference_key=str(number), currency="KRW", found_at=clock.now(), **given)
    await Difference.insert(row)
    return row


async def read(row: Difference) -> Difference:
    return await Difference.objects().get(Difference.id == row.id)


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "sentence"),
    [
        (DifferenceKind.MISSING_HERE, 0, 26_000, "결제사에는 26,000원이 있는데 여기 기록에는 없어요"),
        (DifferenceKind.MISSING_THERE, 26_000, 0, "여기 기록에는 26,000원이 있는데 결제사에는 없어요"),
        (DifferenceKind.AMOUNT, 26_000, 20_000, "금액이 달라요: 여기 기록은 26,000원, 결제사는 20,000원입니다"),
        (DifferenceKind.STATE, 26_000, 26_000, "두 곳 모두 26,000원이지만"),
    ],
)
async def test_each_kind_has_a_plain_sentence(
    market: Market, boss: Person, kind: DifferenceKind, ours: int, theirs: int, sentence: str
) -> None:
    row = await add(market, kind, ours=ours, theirs=theirs)
    page = (await boss.http.get(PAGE)).text
    assert sentence in page
    assert row.day in page


async def test_a_difference_names_its_order(market: Market, shopper: Shopper, boss: Person) -> None:
    await shopper.buy(market.mug)
    payment, order = await market.only_payment(), await market.only_order()
    await add(market, payment=payment.id, reference=payment.reference)
    page = (await boss.http.get(PAGE)).text
    assert order.number in page
    assert payment.reference in page


async def test_open_ones_come_first_and_closed_ones_are_kept(market: Market, desks: Desks) -> None:
    staff = await desks.member(market.haru, Role.STAFF)
    row, other = await add(market, reference="FIRST"), await add(market, reference="SECOND")
    answer = await staff.post(f"{PAGE}/{row.id}/close", note="  결제사에  확인함 ")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    closed = await read(row)
    assert (closed.closed_by, closed.note, closed.closed_at) == (staff.email, "결제사에 확인함", market.time())
    assert (await read(other)).closed_at is None
    page = (await staff.http.get(PAGE)).text
    assert "SECOND" in page
    assert "FIRST" not in page
    page = (await staff.http.get(f"{PAGE}?status=closed")).text
    assert "FIRST" in page
    assert "SECOND" not in page
    assert "결제사에 확인함" in page
    [entry] = await AuditEntry.objects()
    assert (entry.action, entry.subject, entry.who) == ("difference_closed", "FIRST", staff.email)
    assert json.loads(entry.details)["note"] == "결제사에 확인함"


async def test_closed_twice_it_stays_as_it_was_closed_first(market: Market, boss: Person) -> None:
    row = await add(market)
    for note in ("먼저", "나중"):
        assert (await boss.post(f"{PAGE}/{row.id}/close", note=note)).status_code == 303
    assert (await read(row)).note == "먼저"
    assert await AuditEntry.count() == 1


async def test_the_alert_goes_with_its_difference(market: Market, boss: Person) -> None:
    row = await add(market, DifferenceKind.MISSING_HERE, reference="R", payment=None)
    key = f"{AlertKind.ORPHAN}:{row.account}:R"
    await Alert.insert(Alert(shop=market.haru.id, kind=AlertKind.ORPHAN, alert_key=key, raised_at=clock.now()))
    await boss.post(f"{PAGE}/{row.id}/close", note="돌려줌")
    assert (await Alert.objects().first()).closed_by == boss.email


async def test_the_difference_goes_with_its_alert(market: Market, boss: Person) -> None:
    row = await add(market, DifferenceKind.MISSING_HERE, reference="R", payment=None)
    named = f"{row.account}:{DifferenceKind.MISSING_HERE}:R"
    await Difference.update({Difference.difference_key: named}).where(Difference.id == row.id)
    other = await add(market, DifferenceKind.MISSING_HERE, reference="R2", payment=None)
    key = f"{AlertKind.ORPHAN}:{row.account}:R"
    alert = Alert(shop=market.haru.id, kind=AlertKind.ORPHAN, alert_key=key, raised_at=clock.now())
    await Alert.insert(alert)
    for note in ("돌려줌", "또"):
        await boss.post(f"/haru/owner/needs/{alert.id}/close", note=note)
    row = await read(row)
    assert (row.closed_by, row.note, row.closed_at) == (boss.email, "돌려줌", market.time())
    assert (await read(other)).closed_at is None
    assert (await Alert.objects().first()).note == "돌려줌"
    assert await AuditEntry.count() == 1


@pytest.mark.parametrize("note", ["", "   ", "가" * 501])
async def test_a_difference_is_not_closed_without_a_note(market: Market, boss: Person, note: str) -> None:
    row = await add(market)
    answer = await boss.post(f"{PAGE}/{row.id}/close", note=note)
    assert answer.status_code == 422
    assert "어떻게 정리하셨는지" in answer.text
    assert (await read(row)).closed_at is None


async def test_differences_come_page_by_page_in_their_own_state(market: Market, boss: Person) -> None:
    for number in range(SIZE + 1):
        await add(market, reference=f"R{number:03}", closed_at=market.time(), note="gone")
    await add(market, reference="OPEN")
    page = (await boss.http.get(f"{PAGE}?status=closed")).text
    assert page.count('<li id="d-') == SIZE
    older = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    page = (await boss.http.get(PAGE + older)).text
    assert "R000" in page
    assert page.count('<li id="d-') == 1
    assert "저절로 맞춰짐" in page


async def test_another_shops_differences_are_none(market: Market, boss: Person) -> None:
    row = await add(market, account=market.accounts[1].id, reference="FOREIGN")
    assert "FOREIGN" not in (await boss.http.get(PAGE)).text
    for number in (row.id, clock.new_id(), "none"):
        assert (await boss.post(f"{PAGE}/{number}/close", note="x")).status_code == 404
    assert (await read(row)).closed_at is None


async def test_a_day_is_compared_now_also_when_it_was_compared_before(
    market: Market, shopper: Shopper, boss: Person
) -> None:
    await shopper.buy(market.mug)
    for _ in range(2):
        answer = await boss.post(f"{PAGE}/day", day="2026-11-22")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?asked=2026-11-22")
        assert market.app.state.wake.is_set()
        [job] = await market.jobs("compare")
        assert (job.dedupe_key, job.done_at) == (f"compare:{market.accounts[0].id}:2026-11-22", None)
        await market.work()
        [job] = await market.jobs("compare")
        assert job.done_at == market.time()
        market.time.go_on(minutes=1)
    entries = await AuditEntry.objects()
    assert [(entry.action, entry.subject) for entry in entries] == [("compare_asked", "2026-11-22")] * 2
    assert "2026-11-22의 대조를 시작했어요" in (await boss.http.get(f"{PAGE}?asked=2026-11-22")).text


@pytest.mark.parametrize(
    ("day", "sentence"),
    [
        ("", "날짜를 확인"),
        ("today", "날짜를 확인"),
        ("2026-02-30", "날짜를 확인"),
        ("2026-11-23", "아직 오지 않은"),
        ("2025-11-20", "1년이 넘은"),
    ],
)
async def test_a_day_that_cannot_be_compared_is_told(market: Market, boss: Person, day: str, sentence: str) -> None:
    answer = await boss.post(f"{PAGE}/day", day=day)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert await market.jobs("compare") == []


async def test_today_is_the_shops_own(market: Market, boss: Person) -> None:
    """At three in the afternoon in London it is the next day in Seoul."""
    market.time.go_on(hours=10, minutes=1)
    assert (await boss.post(f"{PAGE}/day", day="2026-11-23")).status_code == 303
    await Shop.update({Shop.time_zone: "Europe/London"}, force=True)
    assert (await boss.post(f"{PAGE}/day", day="2026-11-23")).status_code == 422


async def test_without_an_account_there_is_nothing_to_compare(market: Market, boss: Person) -> None:
    await ProviderAccount.update({ProviderAccount.is_enabled: False}, force=True)
    answer = await boss.post(f"{PAGE}/day", day="2026-11-22")
    assert answer.status_code == 409
    assert "대조할 결제사 계정이 없어요" in answer.text
    assert await AuditEntry.count() == 0
    await ProviderAccount.delete(force=True)
    assert (await boss.http.get(PAGE)).status_code == 200
    assert (await boss.http.get("/haru/owner/inbox")).status_code == 200


async def test_viewers_do_not_see_the_compare(market: Market, desks: Desks) -> None:
    viewer = await desks.member(market.haru, Role.VIEWER)
    assert (await viewer.http.get(PAGE)).status_code == 403
