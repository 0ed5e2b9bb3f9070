"""The audit log: every action leaves one row, without secrets, and the owner reads them page by page."""

import json
import re
from dataclasses import fields

import pytest

from app.database import write_transaction
from app.language import translator
from app.owners import audit
from app.owners.audit import DETAILS, WORDS, Action, redacted
from app.owners.paging import SIZE
from app.owners.roles import Role
from app.owners.settings_form import FIELDS
from app.owners.tables import AuditEntry
from app.shops.catalogue import Details
from tests.desk import Desks, Person
from tests.shopping import Market


async def fill(market: Market, count: int, **details: object) -> None:
    for number in range(1, count + 1):
        market.time.go_on(seconds=1)
        async with write_transaction():
            await audit.record(market.haru, "clerk@haru.example", Action.MEMBER_ADDED, f"number {number:03}", details)


def numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"number (\d+)", text)]


def link(text: str, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', text)
    return found[1] if found else ""


def test_every_action_has_words() -> None:
    assert set(WORDS) == set(Action)
    assert all(translator("en")(words) != words for words in WORDS.values())


def test_whatever_can_be_changed_at_the_desk_has_words() -> None:
    assert {*FIELDS, *(field.name for field in fields(Details)), "stock", "role", "place"} <= set(DETAILS)


async def test_what_was_left_empty_is_left_out(market: Market, boss: Person) -> None:
    await fill(market, 1, amount=4000, restock=0, note="", other="x")
    page = (await boss.http.get("/haru/owner/audit")).text
    assert "금액: 4000" in page
    assert "other: x" in page
    assert "수량" not in page
    assert "적어 둔 말" not in page


async def test_an_entry_is_part_of_what_it_tells_about(market: Market) -> None:
    with pytest.raises(RuntimeError, match="write_transaction"):
        await audit.record(market.haru, "clerk@haru.example", Action.MEMBER_ADDED)

    async def record_and_fail() -> None:
        async with write_transaction():
            await audit.record(market.haru, "clerk@haru.example", Action.MEMBER_ADDED)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await record_and_fail()
    assert await AuditEntry.count() == 0


async def test_a_long_subject_is_cut_to_what_fits(market: Market) -> None:
    async with write_transaction():
        await audit.record(market.haru, "clerk@haru.example", Action.MEMBER_ADDED, "x" * 500)
    assert (await AuditEntry.objects().first()).subject == "x" * 200


def test_secrets_are_not_kept() -> None:
    details = {
        "amount": 1000,
        "secret_key": "sk",
        "Password": "p",
        "credentials": {"a": "b"},
        "account": {"mode": "test", "webhook_secret": "whsec", "keys": [{"api_secret": "x"}]},
        "list": [{"token": "t", "name": "n"}],
    }
    kept = redacted(details)
    assert kept["amount"] == 1000
    assert kept["account"] == {"mode": "test", "webhook_secret": "…", "keys": "…"}
    assert kept["list"] == [{"token": "…", "name": "n"}]
    assert not {"sk", "p", "whsec", "x", "t"} & set(re.findall(r'"(\w+)"', json.dumps(kept)))


async def test_the_log_is_read_newest_first_page_by_page(market: Market, boss: Person) -> None:
    await fill(market, SIZE * 2 + 10)
    total = SIZE * 2 + 10
    first = (await boss.http.get("/haru/owner/audit")).text
    assert numbers(first) == list(range(total, total - SIZE, -1))
    assert link(first, "prev") == ""
    second = (await boss.http.get(f"/haru/owner/audit{link(first, 'next')}")).text
    assert numbers(second) == list(range(total - SIZE, total - 2 * SIZE, -1))
    last = (await boss.http.get(f"/haru/owner/audit{link(second, 'next')}")).text
    assert numbers(last) == list(range(10, 0, -1))
    assert link(last, "next") == ""
    back = (await boss.http.get(f"/haru/owner/audit{link(last, 'prev')}")).text
    assert numbers(back) == numbers(second)
    front = (await boss.http.get(f"/haru/owner/audit{link(back, 'prev')}")).text
    assert numbers(front) == numbers(first)
    assert link(front, "prev") == ""


async def test_a_log_that_fits_has_no_other_pages(market: Market, boss: Person) -> None:
    await fill(market, SIZE)
    page = (await boss.http.get("/haru/owner/audit")).text
    assert len(numbers(page)) == SIZE
    assert link(page, "next") == link(page, "prev") == ""


@pytest.mark.parametrize("query", ["before=x", "after=x", "before=%ff", "before=1&before=2"])
async def test_a_page_that_is_none_is_not_found(market: Market, boss: Person, query: str) -> None:
    assert (await boss.http.get(f"/haru/owner/audit?{query}")).status_code == 404


async def test_the_log_shows_what_was_done_and_nothing_of_another_shop(
    market: Market, desks: Desks, boss: Person
) -> None:
    await fill(market, 1, role=Role.STAFF, note="<b>&")
    page = (await boss.http.get("/haru/owner/audit")).text
    assert "함께 일할 사람을 정했습니다" in page
    assert "역할: staff" in page
    assert "적어 둔 말: &lt;b&gt;&amp;" in page
    other = await desks.member(market.namu)
    assert "number 001" not in (await other.http.get("/namu/owner/audit")).text
    assert "여기에는 기록이 없어요" in (await other.http.get("/namu/owner/audit")).text


async def test_an_action_of_another_version_is_shown_by_its_name(market: Market, boss: Person) -> None:
    await fill(market, 1)
    await AuditEntry.update({AuditEntry.action: "something_newer"}, force=True)
    assert "something_newer" in (await boss.http.get("/haru/owner/audit")).text
