"""Who may come in at the desk: added by mail, given another role, and removed; one owner always stays."""

import asyncio
import json
import re
from dataclasses import replace

import pytest

from app.database import write_transaction
from app.messages.tables import Message
from app.owners.roles import Role
from app.owners.tables import AuditEntry, Membership, Owner, PasswordReset
from app.owners.team import LastOwner, add_owner, change_role, dismiss, find_owner, give_role, role_of
from tests.desk import PASSWORD, Desks, Person
from tests.shopping import BASE, Market

PAGE = "/haru/owner/members"
NEW = "new@haru.example"


@pytest.fixture
def posted(market: Market) -> None:
    """An installation whose mails go out."""
    state = market.app.state
    state.settings = replace(state.settings, smtp_url="smtp://mail.test", mail_from="desk@mail.test")


async def hire(desks: Desks, role: Role) -> Person:
    """Somebody with this role, besides the owner who is signed in."""
    person = desks.browser(f"another-{role}@haru.example")
    await desks.hire(person.email, desks.market.haru, role)
    assert (await person.sign_in()).status_code == 303
    return person


async def path_of(person: Person | str) -> str:
    owner = await find_owner(person if isinstance(person, str) else person.email)
    return f"{PAGE}/{owner.id}"


async def roles(market: Market) -> dict[str, str]:
    rows = await Membership.objects(Membership.owner).where(Membership.shop == market.haru.id)
    return {row.owner.email: row.role for row in rows}


async def log() -> list[tuple[str, str, dict]]:
    entries = await AuditEntry.objects().order_by(AuditEntry.id)
    return [(entry.action, entry.subject, json.loads(entry.details)) for entry in entries]


async def test_somebody_new_comes_in_by_the_link_in_their_mail(
    market: Market, desks: Desks, boss: Person, posted: None
) -> None:
    answer = await boss.post(PAGE, email=" New@HARU.example ", role="staff")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?said=added")
    page = (await boss.http.get(answer.headers["location"])).text
    assert "메일로 알려 드렸어요" in page
    assert "아직 비밀번호를 정하지 않았어요" in page
    assert await log() == [("member_added", NEW, {"role": "staff"})]
    [message] = await Message.objects()
    assert (message.recipient, message.subject) == (NEW, "[하루상점] 함께 일하게 되었어요")
    assert message.is_secret
    assert "역할: 직원" in message.body
    link = re.search(rf"{BASE}(/login/reset/\S+)", message.body)[1]
    assert link not in page
    person = desks.browser(NEW)
    assert (await person.post(link, password=PASSWORD, again=PASSWORD)).status_code == 303
    assert (await person.http.get("/haru/owner/orders")).status_code == 200
    assert (await person.http.get(PAGE)).status_code == 403


async def test_who_has_a_password_is_told_to_use_it(market: Market, desks: Desks, boss: Person, posted: None) -> None:
    await desks.hire(NEW, market.namu)
    await boss.post(PAGE, email=NEW, role="viewer")
    [message] = await Message.objects()
    assert f"{BASE}/login?next=/haru/owner" in message.body
    assert await PasswordReset.count() == 0
    person = desks.browser(NEW)
    answer = await person.sign_in(next="/haru/owner")
    assert answer.headers["location"] == "/haru/owner"
    assert (await person.http.get("/haru/owner/orders")).status_code == 200


async def test_without_a_mail_server_the_owner_is_told_and_no_link_is_made(market: Market, boss: Person) -> None:
    """A link opens every shop that they work for: this shop's owner is never shown it."""
    answer = await boss.post(PAGE, email=NEW, role="owner")
    assert "./sellog owner add" in (await boss.http.get(answer.headers["location"])).text
    assert (await roles(market))[NEW] == "owner"
    assert (await Message.count(), await PasswordReset.count()) == (0, 0)


async def test_a_member_is_not_added_again(market: Market, desks: Desks, boss: Person, posted: None) -> None:
    staff = await hire(desks, Role.STAFF)
    answer = await boss.post(PAGE, email=staff.email.upper(), role="owner")
    assert answer.status_code == 409
    assert "이미 함께 일하는 분이에요" in answer.text
    assert (await roles(market))[staff.email] == "staff"
    assert await Message.count() == 0


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"email": "nobody", "role": "staff"}, "이메일 주소를 다시"),
        ({"email": "", "role": "staff"}, "이메일 주소를 다시"),
        ({"email": NEW, "role": "boss"}, "하나 골라"),
        ({"email": NEW}, "하나 골라"),
        ({}, "하나 골라"),
    ],
)
async def test_a_bad_form_adds_nobody(market: Market, boss: Person, fields: dict[str, str], sentence: str) -> None:
    answer = await boss.post(PAGE, **fields)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert list(await roles(market)) == [boss.email]
    assert await find_owner(NEW) is None


async def test_a_role_is_another_from_the_next_request_on(market: Market, desks: Desks, boss: Person) -> None:
    staff = await hire(desks, Role.STAFF)
    inbox = "/haru/owner/inbox"
    assert (await staff.http.get(inbox)).status_code == 200
    answer = await boss.post(f"{await path_of(staff)}/role", role="viewer")
    assert answer.headers["location"] == f"{PAGE}?said=changed"
    assert (await staff.http.get(inbox)).status_code == 403
    assert await log() == [("member_changed", staff.email, {"role": "staff → viewer"})]
    await boss.post(f"{await path_of(staff)}/role", role="viewer")
    assert len(await log()) == 1
    assert (await boss.post(f"{await path_of(staff)}/role", role="boss")).status_code == 422


async def test_who_is_removed_is_out_at_once_and_stays_signed_in_for_other_shops(
    market: Market, desks: Desks, boss: Person
) -> None:
    staff = await hire(desks, Role.STAFF)
    await desks.hire(staff.email, market.namu, Role.STAFF)
    assert (await staff.sign_in()).status_code == 303
    assert (await staff.http.get("/haru/owner/orders")).status_code == 200
    answer = await boss.post(f"{await path_of(staff)}/remove")
    assert answer.headers["location"] == f"{PAGE}?said=removed"
    assert (await staff.http.get("/haru/owner/orders")).status_code == 404
    assert (await staff.post("/haru/owner/compare/day", day="2026-11-21")).status_code == 404
    assert (await staff.http.get("/namu/owner/orders")).status_code == 200
    assert await log() == [("member_removed", staff.email, {"role": "staff"})]
    assert (await boss.post(f"{await path_of(staff)}/remove")).status_code == 404
    assert (await boss.post(f"{await path_of(staff)}/role", role="staff")).status_code == 404
    assert list(await roles(market)) == [boss.email]


@pytest.mark.parametrize("what", ["remove", "role"])
async def test_the_last_owner_stays(market: Market, desks: Desks, boss: Person, what: str) -> None:
    await hire(desks, Role.STAFF)
    await desks.member(market.namu)
    answer = await boss.post(f"{await path_of(boss)}/{what}", role="staff")
    assert answer.status_code == 409
    assert "사장님이 한 분은 남아야 해요" in answer.text
    assert (await roles(market))[boss.email] == "owner"
    assert await log() == []
    another = await hire(desks, Role.OWNER)
    answer = await boss.post(f"{await path_of(boss)}/{what}", role="staff")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert (await boss.http.get(PAGE)).status_code == (404 if what == "remove" else 403)
    assert (await roles(market))[another.email] == "owner"


async def test_an_owner_who_never_set_a_password_is_not_the_one_that_stays(
    market: Market, desks: Desks, boss: Person
) -> None:
    async with write_transaction():
        await give_role(await add_owner(NEW), market.haru, Role.OWNER)
    assert (await boss.post(f"{await path_of(boss)}/remove")).status_code == 409
    assert (await roles(market))[boss.email] == "owner"


async def test_nobodys_letter_box_is_filled_with_invitations(market: Market, boss: Person) -> None:
    for _ in range(3):
        assert (await boss.post(PAGE, email=NEW, role="viewer")).status_code == 303
        assert (await boss.post(f"{PAGE}/{(await find_owner(NEW)).id}/remove")).status_code == 303
    again = await boss.post(PAGE, email=NEW, role="viewer")
    assert again.status_code == 429
    assert int(again.headers["retry-after"]) > 0
    assert "너무 여러 번 초대했습니다" in again.text
    assert (await boss.post(PAGE, email="another@example.com", role="viewer")).status_code == 303


async def test_of_two_owners_who_remove_each_other_at_once_one_stays(market: Market, desks: Desks) -> None:
    shop, people = market.haru, [await desks.hire(f"{name}@haru.example", market.haru) for name in "ab"]

    async def leave(owner: Owner) -> bool:
        try:
            async with write_transaction():
                await (dismiss(owner, shop) if owner is people[0] else change_role(owner, shop, Role.STAFF))
                # The other one begins before this one ends.
                await asyncio.sleep(0.05)
        except LastOwner:
            return False
        return True

    assert sorted(await asyncio.gather(*map(leave, people))) == [False, True]
    assert sorted((await roles(market)).values()).count("owner") == 1


async def test_a_role_that_is_changed_while_its_bearer_is_removed_brings_nobody_back(
    market: Market, desks: Desks
) -> None:
    owner = await desks.hire(NEW, market.haru, Role.STAFF)
    async with write_transaction():
        assert await dismiss(owner, market.haru) is Role.STAFF
        assert await change_role(owner, market.haru, Role.VIEWER) is None
        assert await dismiss(owner, market.haru) is None
    assert await role_of(owner, market.haru) is None


async def test_no_command_demotes_the_last_owner_either(market: Market, desks: Desks) -> None:
    owner = await desks.hire(NEW, market.haru)
    with pytest.raises(LastOwner):
        async with write_transaction():
            await give_role(owner, market.haru, Role.VIEWER)
    assert await role_of(owner, market.haru) is Role.OWNER


async def test_a_member_of_another_shop_is_nobody_here(market: Market, desks: Desks, boss: Person) -> None:
    foreign = await desks.member(market.namu)
    for what in ("role", "remove"):
        assert (await boss.post(f"{await path_of(foreign)}/{what}", role="viewer")).status_code == 404
        assert (await boss.post(f"{PAGE}/nonsense/{what}", role="viewer")).status_code == 404
    assert foreign.email not in (await boss.http.get(PAGE)).text
    assert await role_of(await find_owner(foreign.email), market.namu) is Role.OWNER


@pytest.mark.parametrize("role", [Role.VIEWER, Role.STAFF])
async def test_members_are_the_owners(market: Market, desks: Desks, boss: Person, role: Role) -> None:
    person = await hire(desks, role)
    assert (await person.http.get(PAGE)).status_code == 403
    assert (await person.post(PAGE, email=NEW, role="owner")).status_code == 403
    assert (await person.post(f"{await path_of(person)}/role", role="owner")).status_code == 403
    assert (await roles(market))[person.email] == role
