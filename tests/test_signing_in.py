"""Signing in and out: a new login each time, the same answer to every wrong one, and an end that is one everywhere."""

import asyncio
import re
import threading

import pytest
from argon2 import PasswordHasher

from app.owners.passwords import Passwords
from app.owners.tables import AuditEntry, Login, Owner
from app.settings import PasswordCost, Settings
from tests.desk import PASSWORD, Desks, Person
from tests.shopping import Market, fields_of, open_market

WRONG = "이메일이나 비밀번호가 맞지 않아요."


async def test_an_owner_signs_in_and_comes_to_the_shop(market: Market, desks: Desks) -> None:
    await desks.hire("owner@haru.example", market.haru)
    person = desks.browser("owner@haru.example")
    answer = await person.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    page = await person.http.get("/login", follow_redirects=True)
    assert page.status_code == 200
    assert str(page.url).endswith("/haru/owner/orders")


async def test_who_works_for_several_shops_chooses_one(market: Market, desks: Desks, boss: Person) -> None:
    await desks.hire(boss.email, market.namu)
    page = await boss.http.get("/login")
    assert [url for url in ("/haru/owner", "/namu/owner") if f'href="{url}"' in page.text] == [
        "/haru/owner",
        "/namu/owner",
    ]


async def test_who_works_for_no_shop_is_told_so(market: Market, desks: Desks) -> None:
    await desks.hire("nobody@haru.example")
    person = desks.browser("nobody@haru.example")
    await person.sign_in()
    assert "아직 맡으신 가게가 없어요" in (await person.http.get("/login")).text


async def test_an_address_is_the_same_however_it_is_written(market: Market, desks: Desks) -> None:
    await desks.hire("Owner@Haru.example", market.haru)
    assert (await desks.hire("owner@haru.EXAMPLE")).id == (await Owner.objects().first()).id
    assert (await desks.browser(" OWNER@haru.example").sign_in()).status_code == 303
    assert await Owner.count() == 1


@pytest.mark.parametrize("email", ["owner@haru.example", "nobody@haru.example", "\0", "", "x" * 5000])
async def test_a_wrong_password_and_an_unknown_address_get_one_answer(market: Market, desks: Desks, email: str) -> None:
    await desks.hire("owner@haru.example", market.haru)
    person = desks.browser("owner@haru.example")
    form = fields_of((await person.http.get("/login")).text)
    page = await person.http.post("/login", data={**form, "email": email, "password": "not the password"})
    assert page.status_code == 422
    assert WRONG in page.text
    assert "not the password" not in page.text
    assert "set-cookie" not in page.headers
    assert await Login.count() == 0


async def test_an_unknown_address_costs_the_same_work(market: Market, desks: Desks, monkeypatch) -> None:
    await desks.hire("owner@haru.example", market.haru)
    await desks.hire("new@haru.example", market.haru)
    await Owner.update({Owner.password_hash: None}).where(Owner.email == "new@haru.example")
    done: list[str] = []
    for name in ("hash", "verify"):
        real = getattr(PasswordHasher, name)

        def counted(*args, real=real, **kwargs):
            done.append("argon2")
            return real(*args, **kwargs)

        monkeypatch.setattr(PasswordHasher, name, counted)
    for email in ("owner@haru.example", "nobody@haru.example", "new@haru.example"):
        done.clear()
        await desks.browser(email).sign_in("not the password")
        assert done == ["argon2"], email


async def test_passwords_are_kept_as_argon2id_and_never_stop_the_loop(market: Market, desks: Desks) -> None:
    owner = await desks.hire("owner@haru.example")
    assert owner.password_hash.startswith("$argon2id$")
    cost = Settings("development", "", "", ()).password_cost
    assert (cost.rounds, cost.kibibytes, cost.lanes) >= (3, 65_536, 1)
    seen: list[str] = []
    passwords = Passwords(PasswordCost(1, 64, 1))
    real = passwords._argon2

    class Watched:
        def hash(self, *args, **kwargs):
            seen.append(threading.current_thread().name)
            return real.hash(*args, **kwargs)

    passwords._argon2 = Watched()
    await asyncio.gather(*(passwords.hash("a password") for _ in range(5)))
    assert len(seen) == 5
    assert threading.main_thread().name not in seen


async def test_each_sign_in_is_a_new_login_with_a_token_of_ours(market: Market, desks: Desks) -> None:
    await desks.hire("owner@haru.example", market.haru)
    person = desks.browser("owner@haru.example")
    person.http.cookies.set("login", "chosen-by-somebody-else", domain="shop.test")
    await person.sign_in()
    first = await Login.objects().first()
    token = next(cookie.value for cookie in person.http.cookies.jar if cookie.name == "login")
    assert token != "chosen-by-somebody-else"
    assert first.token_hash not in ("", token)
    await person.sign_in()
    logins = await Login.objects().order_by(Login.created_at)
    assert len({login.token_hash for login in logins}) == 2
    assert sorted(login.ended_at is None for login in logins) == [False, True]
    stolen = desks.browser("owner@haru.example")
    stolen.http.cookies.set("login", token)
    assert not await stolen.is_signed_in()


async def test_the_tables_hold_no_token(market: Market, boss: Person) -> None:
    token = next(cookie.value for cookie in boss.http.cookies.jar if cookie.name == "login")
    assert len(token) >= 22
    assert token not in str([login.to_dict() for login in await Login.objects()])


async def test_the_cookies_are_out_of_reach(database_url: str, time) -> None:
    async with open_market(database_url, time, base_url="https://shop.test") as market:
        await Desks(market).hire("owner@haru.example", market.haru)
        person = Person(market, "owner@haru.example", base="https://shop.test")
        cookies = (await person.sign_in()).headers.get_list("set-cookie")
        assert await person.is_signed_in()
    assert {cookie.split("=")[0] for cookie in cookies} == {"__Host-login", "__Host-device"}
    for cookie in cookies:
        assert {"HttpOnly", "SameSite=lax", "Path=/", "Secure"} <= set(cookie.split("; ")), cookie
        assert "Domain" not in cookie


async def test_a_login_lives_while_it_is_used_and_no_longer(market: Market, boss: Person) -> None:
    for _ in range(3):
        market.time.go_on(days=29)
        assert await boss.is_signed_in()
    market.time.go_on(days=30, seconds=1)
    assert not await boss.is_signed_in()


async def test_to_be_seen_is_written_once_an_hour(market: Market, boss: Person) -> None:
    begun = market.time()

    async def seen() -> object:
        return (await Login.objects().first()).seen_at

    market.time.go_on(minutes=59)
    await boss.is_signed_in()
    assert await seen() == begun
    market.time.go_on(minutes=1)
    await boss.is_signed_in()
    assert await seen() == market.time()


async def test_signing_out_ends_this_browser_alone(market: Market, desks: Desks, boss: Person) -> None:
    other = desks.browser(boss.email)
    await other.sign_in()
    kept = dict(boss.http.cookies)
    answer = await boss.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert not await boss.is_signed_in()
    boss.http.cookies.set("login", kept["login"])
    assert not await boss.is_signed_in()
    assert await other.is_signed_in()


async def test_signing_out_everywhere_ends_all_and_is_told(market: Market, desks: Desks, boss: Person) -> None:
    other, stranger = desks.browser(boss.email), await desks.member(market.namu)
    await other.sign_in()
    assert (await boss.post("/logout/everywhere")).status_code == 303
    assert [await person.is_signed_in() for person in (boss, other, stranger)] == [False, False, True]
    [entry] = await AuditEntry.objects()
    assert (entry.shop, entry.who, entry.action) == (market.haru.id, boss.email, "signed_out_everywhere")


async def test_a_changed_password_ends_every_other_login(market: Market, desks: Desks, boss: Person) -> None:
    other = desks.browser(boss.email)
    await other.sign_in()
    answer = await boss.post(
        "/login/account", current=PASSWORD, password="another good password", again="another good password"
    )
    assert answer.status_code == 303
    assert "비밀번호를 바꿨습니다" in (await boss.http.get(answer.headers["location"])).text
    assert not await other.is_signed_in()
    assert (await other.sign_in()).status_code == 422
    assert (await other.sign_in("another good password")).status_code == 303
    assert [entry.action for entry in await AuditEntry.objects()] == ["password_changed"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"current": "not this one"}, "지금 비밀번호가 맞지 않아요"),
        ({"password": "short one", "again": "short one"}, "10자 이상"),
        ({"password": "x" * 201, "again": "x" * 201}, "200자 안으로"),
        ({"again": "something else"}, "서로 달라요"),
        ({"password": "Owner@haru.example", "again": "Owner@haru.example"}, "이메일 주소는 비밀번호로"),
    ],
)
async def test_a_password_that_is_none_is_not_set(market: Market, boss: Person, fields: dict, said: str) -> None:
    good = {"current": PASSWORD, "password": "another good password", "again": "another good password"}
    page = await boss.post("/login/account", **{**good, **fields})
    assert page.status_code == 422
    assert said in page.text
    assert 'aria-invalid="true"' in page.text
    await boss.post("/logout")
    assert (await boss.sign_in()).status_code == 303


async def test_the_current_password_is_not_guessed_at_an_open_browser(market: Market, boss: Person) -> None:
    fields = {"current": "guess", "password": "another good password", "again": "another good password"}
    codes = [(await boss.post("/login/account", **fields)).status_code for _ in range(6)]
    assert codes == [422] * 5 + [429]


async def test_a_login_that_was_begun_with_the_old_password_does_not_outlive_it(
    market: Market, desks: Desks, boss: Person, monkeypatch
) -> None:
    late = desks.browser(boss.email)
    verify = Passwords.verify

    async def verify_late(self: Passwords, password_hash: str | None, password: str) -> bool:
        is_right = await verify(self, password_hash, password)
        monkeypatch.undo()
        new = "another good password"
        assert (await boss.post("/login/account", current=PASSWORD, password=new, again=new)).status_code == 303
        return is_right

    monkeypatch.setattr(Passwords, "verify", verify_late)
    assert (await late.sign_in()).status_code == 422
    assert not await late.is_signed_in()


@pytest.mark.parametrize("where", ["/haru/owner/audit", "/haru/owner/orders?q=1&before=2"])
async def test_signing_in_leads_back_to_the_page_that_was_asked_for(market: Market, desks: Desks, where: str) -> None:
    await desks.hire("owner@haru.example", market.haru)
    person = desks.browser("owner@haru.example")
    page = await person.http.get("/login", params={"next": where})
    form = {**fields_of(page.text), "email": person.email, "password": PASSWORD}
    assert form["next"] == where
    assert (await person.http.post("/login", data=form)).headers["location"] == where


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.test/",
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "javascript:alert(1)",
        "evil",
        "/a\nb",
        "/\t/x",
    ],
)
async def test_signing_in_leads_to_no_other_site(market: Market, desks: Desks, where: str) -> None:
    await desks.hire("owner@haru.example", market.haru)
    person = desks.browser("owner@haru.example")
    page = await person.http.get("/login", params={"next": where})
    assert re.search(r'name="next" value=""', page.text)
    assert (await person.sign_in(next=where)).headers["location"] == "/login"


async def test_a_form_from_elsewhere_signs_nobody_in(market: Market, desks: Desks) -> None:
    await desks.hire("owner@haru.example", market.haru)
    person = desks.browser("owner@haru.example")
    answer = await person.http.post("/login", data={"email": person.email, "password": PASSWORD})
    assert answer.status_code == 403
    assert await Login.count() == 0
