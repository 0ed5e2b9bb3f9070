"""A forgotten password: a link by mail that works once, for an hour, and says nothing to a stranger."""

import asyncio
import re

import pytest

from app.database import write_transaction
from app.jobs.tables import Job
from app.messages.tables import Message
from app.owners.resetting import VALID, new_link
from app.owners.tables import AuditEntry, PasswordReset
from app.owners.team import find_owner
from app.shops.tables import Shop
from tests.desk import Desks, Person
from tests.shopping import BASE, Market

OWNER = "owner@haru.example"
NEW = {"password": "another good password", "again": "another good password"}


@pytest.fixture
async def owner(market: Market, desks: Desks) -> Person:
    await desks.hire(OWNER, market.haru)
    return desks.browser(OWNER)


async def ask(market: Market, person: Person, email: str = OWNER) -> str:
    """Asks for a mail and has it written; what the page said."""
    page = await person.post("/login/reset", email=email)
    assert page.status_code == 200
    await market.work()
    return re.sub(r'(value|nonce)="[^"]*"', "", page.text)


async def links() -> list[str]:
    """The paths in the mails so far, oldest first."""
    messages = await Message.objects().order_by(Message.id)
    return [re.search(rf"{BASE}(/login/reset/\S+)", message.body)[1] for message in messages]


async def test_a_forgotten_password_is_set_by_mail(market: Market, owner: Person) -> None:
    await ask(market, owner, " Owner@HARU.example ")
    [message] = await Message.objects()
    assert (message.recipient, message.sender) == (OWNER, "Sellog")
    [link] = await links()
    page = await owner.http.get(link)
    assert page.status_code == 200
    assert OWNER in page.text
    answer = await owner.post(link, **NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert await owner.is_signed_in()
    assert [entry.action for entry in await AuditEntry.objects()] == ["password_set"]


async def test_the_answer_is_the_same_for_a_stranger(market: Market, desks: Desks, owner: Person) -> None:
    said = {await ask(market, owner, email) for email in (OWNER, "nobody@example.com", "no address", "a\0b", "")}
    assert len(said) == 1
    assert await Message.count() == 1


async def test_a_link_works_once(market: Market, owner: Person) -> None:
    await ask(market, owner)
    [link] = await links()
    answers = await asyncio.gather(*(owner.post(link, **NEW) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [303, 410, 410, 410]
    assert (await owner.http.get(link)).status_code == 410


async def test_a_link_works_for_an_hour(market: Market, owner: Person) -> None:
    await ask(market, owner)
    [link] = await links()
    market.time.go_on(minutes=59)
    assert (await owner.http.get(link)).status_code == 200
    market.time.go_on(minutes=1)
    assert (await owner.http.get(link)).status_code == 410
    assert (await owner.post(link, **NEW)).status_code == 410


async def test_one_link_used_makes_the_others_useless(market: Market, owner: Person) -> None:
    await ask(market, owner)
    market.time.go_on(minutes=6)
    await ask(market, owner)
    first, second = await links()
    answers = await asyncio.gather(owner.post(first, **NEW), owner.post(second, **NEW))
    assert sorted(answer.status_code for answer in answers) == [303, 410]


async def test_a_link_ends_every_login(market: Market, desks: Desks, owner: Person) -> None:
    await owner.sign_in()
    await ask(market, owner)
    other = desks.browser(OWNER)
    assert (await other.post((await links())[0], **NEW)).status_code == 303
    assert [await person.is_signed_in() for person in (owner, other)] == [False, True]
    assert (await owner.sign_in()).status_code == 422
    assert (await owner.sign_in(NEW["password"])).status_code == 303


async def test_a_bad_password_leaves_the_link_as_it_is(market: Market, owner: Person) -> None:
    await ask(market, owner)
    [link] = await links()
    page = await owner.post(link, password="short", again="short")
    assert page.status_code == 422
    assert "10자 이상" in page.text
    assert (await owner.post(link, **NEW)).status_code == 303


@pytest.mark.parametrize("token", ["x", "0" * 22, "%ff", "가", "a" * 3000])
async def test_a_link_that_is_none_says_so(market: Market, desks: Desks, owner: Person, token: str) -> None:
    page = await owner.http.get(f"/login/reset/{token}")
    assert page.status_code == 410
    assert "/login/reset" in page.text


async def test_asking_often_fills_no_letter_box(market: Market, owner: Person) -> None:
    for _ in range(5):
        await ask(market, owner)
    assert await Message.count() == 1
    codes = [(await owner.post("/login/reset", email=OWNER)).status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]


async def test_the_mail_is_written_once_however_often_the_job_runs(market: Market, owner: Person) -> None:
    await ask(market, owner)
    [job] = await market.jobs("password_reset")
    await Job.update({Job.done_at: None}).where(Job.id == job.id)
    market.time.go_on(minutes=6)
    await market.work()
    assert await Message.count() == 1


async def test_the_mail_speaks_the_shops_language(market: Market, owner: Person) -> None:
    await Shop.update({Shop.locale: "en"}).where(Shop.id == market.haru.id)
    await ask(market, owner)
    [message] = await Message.objects()
    assert message.subject == "[Sellog] Set a new password"


async def test_a_guesser_does_not_close_this_door(market: Market, desks: Desks, owner: Person) -> None:
    for _ in range(7):
        await owner.sign_in("a wrong password")
    assert (await owner.sign_in()).status_code == 429
    await ask(market, owner)
    assert (await owner.post((await links())[0], **NEW)).status_code == 303
    await owner.post("/logout")
    assert (await owner.sign_in(NEW["password"])).status_code == 303


async def test_the_table_holds_no_token(market: Market, desks: Desks, owner: Person) -> None:
    someone = await find_owner(OWNER)
    async with write_transaction():
        link = await new_link(market.gateways.settings, someone, VALID)
    assert link.rpartition("/")[2] not in str([reset.to_dict() for reset in await PasswordReset.objects()])
