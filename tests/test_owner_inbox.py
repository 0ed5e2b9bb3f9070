"""The inbox at the desk: what the PGs have told, found by what became of it, and asked about once more."""

import json
import re
from uuid import UUID

import pytest

from app import clock
from app.checking import check_database
from app.jobs.tables import Job
from app.owners.paging import SIZE
from app.owners.roles import Role
from app.owners.tables import AuditEntry
from app.payments import inbox
from app.payments.states import PaymentStatus
from app.payments.tables import InboxEvent
from tests.desk import Desks, Person
from tests.shopping import Market, Shopper
from tests.test_webhooks import post, told

PAGE = "/haru/owner/inbox"


async def add(market: Market, count: int = 1, **values: object) -> list[InboxEvent]:
    """Events with their jobs, one second apart; newest first."""
    events = []
    for number in range(count):
        market.time.go_on(seconds=1)
        given = {"kind": f"KIND{number:03}", "reference": "", "pg_payment_id": "pg-1", "body": "sealed", **values}
        account = given.pop("account", market.accounts[0].id)
        event = InboxEvent(
            account=account, delivery_key=f"{account}:{clock.new_id()}", received_at=clock.now(), **given
        )
        await InboxEvent.insert(event)
        done_at = clock.now() if event.handled_at else None
        payload = json.dumps({"event": str(event.id)})
        key = f"inbox:{event.id}"
        job = Job(kind="inbox", payload=payload, dedupe_key=key, run_at=clock.now(), done_at=done_at)
        await Job.insert(job)
        events.append(event)
    return events[::-1]


async def read(event: InboxEvent) -> InboxEvent:
    return await InboxEvent.objects().get(InboxEvent.id == event.id)


def kinds(text: str) -> list[str]:
    return re.findall(r">(KIND\d+)<", text)


async def test_events_are_listed_newest_first_page_by_page(market: Market, boss: Person) -> None:
    await add(market, SIZE + 5)
    first = await boss.http.get(PAGE)
    assert kinds(first.text) == [f"KIND{number:03}" for number in range(SIZE + 4, 4, -1)]
    older = re.search(r'rel="next" href="([^"]+)"', first.text)[1]
    second = await boss.http.get(PAGE + older)
    assert kinds(second.text) == [f"KIND{number:03}" for number in range(4, -1, -1)]


async def test_a_filter_stays_from_page_to_page(market: Market, boss: Person) -> None:
    await add(market, SIZE + 1, handled_at=market.time())
    await add(market, 3, kind="OPEN")
    first = await boss.http.get(f"{PAGE}?status=handled&since=2026-11-22")
    assert len(kinds(first.text)) == SIZE
    older = re.search(r'rel="next" href="([^"]+)"', first.text)[1].replace("&amp;", "&")
    assert older.startswith("?status=handled&since=2026-11-22&before=")
    assert kinds((await boss.http.get(PAGE + older)).text) == ["KIND000"]


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("", {"A", "B", "C", "D"}),
        ("waiting", {"A"}),
        ("handled", {"B", "C", "D"}),
        ("error", {"C"}),
        ("verified", {"A", "D"}),
        ("unverified", {"B", "C"}),
        ("nonsense", {"A", "B", "C", "D"}),
    ],
)
async def test_events_are_found_by_what_became_of_them(
    market: Market, boss: Person, status: str, found: set[str]
) -> None:
    now = market.time()
    await add(market, kind="KIND-A", is_verified=True)
    await add(market, kind="KIND-B", handled_at=now)
    await add(market, kind="KIND-C", handled_at=now, error=inbox.ORPHAN)
    await add(market, kind="KIND-D", handled_at=now, is_verified=True)
    page = await boss.http.get(f"{PAGE}?status={status}")
    assert set(re.findall(r">KIND-(\w)<", page.text)) == found


async def test_events_are_found_by_the_shops_days(market: Market, boss: Person) -> None:
    """14:00 in Seoul is where the tests begin."""
    await add(market, kind="KIND001")
    market.time.go_on(hours=10)
    await add(market, kind="KIND002")
    for query, found in (
        ("since=2026-11-23", ["KIND002"]),
        ("until=2026-11-22", ["KIND001"]),
        ("since=2026-11-22&until=2026-11-23", ["KIND002", "KIND001"]),
        ("since=2026-11-24", []),
    ):
        assert kinds((await boss.http.get(f"{PAGE}?{query}")).text) == found


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "20261122", "0001-01-01", "9999-12-31"])
async def test_a_day_that_is_none_is_told(market: Market, boss: Person, day: str) -> None:
    await add(market)
    for answer in (
        await boss.http.get(f"{PAGE}?since={day}"),
        await boss.http.get(f"{PAGE}?until={day}"),
        await boss.post(f"{PAGE}/replay", since=day),
    ):
        assert answer.status_code == 422
        assert "날짜를 확인해 주세요" in answer.text
    assert await AuditEntry.count() == 0


async def test_an_event_shows_what_became_of_it_and_not_its_body(
    market: Market, shopper: Shopper, boss: Person
) -> None:
    await shopper.buy(market.mug)
    payment, order = await market.only_payment(), await market.only_order()
    await post(market, told(payment.reference, customerName="김민지"))
    event = await InboxEvent.objects().order_by(InboxEvent.received_at, ascending=False).first()
    page = await boss.http.get(f"{PAGE}/{event.id}")
    assert [
        text for text in (event.kind, payment.reference, order.number, "기다리는 중") if text not in page.text
    ] == []
    assert "확인되지 않음" in page.text
    assert "김민지" not in page.text
    assert event.body[:20] not in page.text
    await InboxEvent.update({InboxEvent.error: inbox.ORPHAN, InboxEvent.handled_at: market.time()}, force=True)
    assert "알림이 말하는 결제가 이 가게에 없어요" in (await boss.http.get(f"{PAGE}/{event.id}")).text


async def test_a_handled_event_is_asked_about_again_and_not_believed(
    market: Market, shopper: Shopper, boss: Person
) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    payment = await market.only_payment()
    await post(market, told(payment.reference))
    await market.work()
    [event] = await InboxEvent.objects()
    assert event.handled_at is not None
    market.time.go_on(minutes=2)
    asked = len(market.pg.transport.calls)
    answer = await boss.post(f"{PAGE}/{event.id}/replay")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}/{event.id}?replayed=1")
    assert (await read(event)).handled_at is None
    assert market.app.state.wake.is_set()
    assert await check_database(market.time()) == []
    await market.work()
    assert (await read(event)).handled_at == market.time()
    assert len(market.pg.transport.calls) > asked
    assert (await market.only_payment()).status == PaymentStatus.CREATED
    assert len(await market.jobs("inbox")) == 1
    [entry] = await AuditEntry.objects()
    assert (entry.action, entry.subject) == ("webhooks_replayed", payment.reference)


async def test_a_job_that_was_set_aside_is_tried_again(market: Market, boss: Person) -> None:
    [event] = await add(market)
    await Job.update({Job.tries: 40, Job.error: "NotYet", Job.run_at: market.time()}, force=True)
    market.time.go_on(hours=1)
    await boss.post(f"{PAGE}/{event.id}/replay")
    [job] = await market.jobs("inbox")
    assert (job.tries, job.run_at, job.done_at) == (0, market.time(), None)


async def test_an_event_that_is_being_handled_is_left_to_whoever_does_it(market: Market, boss: Person) -> None:
    """Its job is not done yet: to open it again would leave it open for ever."""
    [event] = await add(market)
    handled_at = market.time()
    await InboxEvent.update({InboxEvent.handled_at: handled_at}, force=True)
    await boss.post(f"{PAGE}/{event.id}/replay")
    assert (await read(event)).handled_at == handled_at


async def test_a_filtered_range_is_replayed_and_nothing_else(market: Market, desks: Desks) -> None:
    staff = await desks.member(market.haru, Role.STAFF)
    orphans = await add(market, 3, handled_at=market.time(), error=inbox.ORPHAN)
    [other] = await add(market, handled_at=market.time())
    [foreign] = await add(market, handled_at=market.time(), error=inbox.ORPHAN, account=market.accounts[1].id)
    answer = await staff.post(f"{PAGE}/replay", status="error", since="2026-11-22")
    assert answer.headers["location"] == f"{PAGE}?status=error&since=2026-11-22&replayed=3"
    assert [(await read(event)).handled_at for event in orphans] == [None] * 3
    assert (await read(other)).handled_at is not None
    assert (await read(foreign)).handled_at is not None
    [entry] = await AuditEntry.objects()
    details = {"events": 3, "status": "error", "since": "2026-11-22", "until": ""}
    assert json.loads(entry.details) == details
    assert "3개를 다시 처리합니다" in (await staff.http.get(f"{PAGE}?replayed=3")).text


async def test_nothing_to_replay_is_no_failure(market: Market, boss: Person) -> None:
    assert (await boss.post(f"{PAGE}/replay")).status_code == 303
    assert await AuditEntry.count() == 0


async def test_more_than_can_be_asked_at_once_is_refused_whole(
    market: Market, boss: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.owners.inbox_controllers.EVENTS_AT_ONCE", 2)
    events = await add(market, 3, handled_at=market.time())
    answer = await boss.post(f"{PAGE}/replay", status="handled")
    assert answer.status_code == 422
    assert "한 번에 2개까지" in answer.text
    assert None not in [(await read(event)).handled_at for event in events]


async def test_another_shops_events_are_none(market: Market, boss: Person) -> None:
    [event] = await add(market, account=market.accounts[1].id)
    assert kinds((await boss.http.get(PAGE)).text) == []
    for number in (event.id, UUID(int=0), "none"):
        assert (await boss.http.get(f"{PAGE}/{number}")).status_code == 404
        assert (await boss.post(f"{PAGE}/{number}/replay")).status_code == 404


async def test_viewers_do_not_see_the_inbox(market: Market, desks: Desks) -> None:
    viewer = await desks.member(market.haru, Role.VIEWER)
    assert (await viewer.http.get(PAGE)).status_code == 403
