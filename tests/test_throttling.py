"""Guessing: it soon takes long, and never keeps the owner out."""

import asyncio

import pytest

from app.owners.devices import known_device, new_device
from app.owners.tables import Guess
from app.owners.throttling import network_of
from tests.desk import Desks, Person
from tests.shopping import Market

OWNER = "owner@haru.example"
THIEF = "198.51.100.7"


@pytest.fixture
async def owner(market: Market, desks: Desks) -> Person:
    await desks.hire(OWNER, market.haru)
    return desks.browser(OWNER)


async def guess(person: Person, times: int) -> list[int]:
    return [(await person.sign_in("a wrong password")).status_code for _ in range(times)]


async def test_after_some_guesses_one_has_to_wait_and_longer_each_time(
    market: Market, desks: Desks, owner: Person
) -> None:
    thief = desks.browser(OWNER, THIEF)
    assert await guess(thief, 6) == [422] * 5 + [429]
    waits = []
    for _ in range(8):
        refused = await thief.sign_in("a wrong password")
        assert refused.status_code == 429
        assert "잠시 쉬어 갑니다" in refused.text
        waits.append(int(refused.headers["retry-after"]))
        market.time.go_on(seconds=waits[-1])
        assert (await thief.sign_in("a wrong password")).status_code == 422
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


async def test_the_right_password_is_not_looked_at_while_one_has_to_wait(
    market: Market, desks: Desks, owner: Person
) -> None:
    thief = desks.browser(OWNER, THIEF)
    await guess(thief, 5)
    assert (await thief.sign_in()).status_code == 429


async def test_many_guesses_at_once_are_many(market: Market, desks: Desks, owner: Person) -> None:
    thief = desks.browser(OWNER, THIEF)
    await thief.http.get("/login")
    answers = await asyncio.gather(*(thief.sign_in("a wrong password") for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [422] * 5 + [429] * 7


async def test_an_owner_elsewhere_is_not_kept_out(market: Market, desks: Desks, owner: Person) -> None:
    assert 429 in await guess(desks.browser(OWNER, THIEF), 8)
    assert (await owner.sign_in()).status_code == 303


async def test_an_owner_is_not_kept_out_of_a_known_browser_by_a_neighbour(
    market: Market, desks: Desks, owner: Person
) -> None:
    await owner.sign_in()
    await owner.post("/logout")
    assert 429 in await guess(desks.browser(OWNER), 8)
    assert (await owner.sign_in()).status_code == 303


async def test_a_known_browser_has_its_own_count(market: Market, owner: Person) -> None:
    await owner.sign_in()
    assert await guess(owner, 6) == [422] * 5 + [429]


async def test_a_known_browser_of_somebody_else_is_as_unknown_as_any(
    market: Market, desks: Desks, owner: Person
) -> None:
    await desks.hire("clerk@haru.example", market.haru)
    clerk = desks.browser("clerk@haru.example", THIEF)
    await clerk.sign_in()
    await guess(desks.browser(OWNER, THIEF), 5)
    assert (await clerk.sign_in("a wrong password", email=OWNER)).status_code == 429


async def test_many_accounts_from_one_place_are_not_tried(market: Market, desks: Desks, owner: Person) -> None:
    thief = desks.browser(OWNER, THIEF)
    codes = [(await thief.sign_in("a wrong password", email=f"a{n}@haru.example")).status_code for n in range(31)]
    assert codes == [422] * 30 + [429]
    assert (await owner.sign_in()).status_code == 303


async def test_signing_in_oneself_does_not_clear_the_guesses_at_others(
    market: Market, desks: Desks, owner: Person
) -> None:
    await desks.hire("thief@namu.example", market.namu)
    codes = []
    for n in range(20):
        thief = desks.browser("thief@namu.example", THIEF)
        codes.append((await thief.sign_in("a wrong password", email=f"a{n}@haru.example")).status_code)
        codes.append((await thief.sign_in("a wrong password", email=f"b{n}@haru.example")).status_code)
        codes.append((await thief.sign_in()).status_code)
    assert codes.count(422) <= 31
    assert codes[-3:] == [429, 429, 429]


async def test_a_success_is_no_guess(market: Market, desks: Desks, owner: Person) -> None:
    for _ in range(3):
        fresh = desks.browser(OWNER)
        assert await guess(fresh, 4) == [422] * 4
        assert (await fresh.sign_in()).status_code == 303


async def test_the_next_day_is_a_new_beginning(market: Market, desks: Desks, owner: Person) -> None:
    thief = desks.browser(OWNER, THIEF)
    await guess(thief, 6)
    market.time.go_on(days=1, minutes=1)
    assert await guess(thief, 5) == [422] * 5
    market.time.go_on(days=1, minutes=1)
    await owner.sign_in()
    assert await Guess.count() == 2


async def test_the_counts_name_nobody(market: Market, desks: Desks, owner: Person) -> None:
    await guess(desks.browser(OWNER, THIEF), 1)
    rows = str([row.to_dict() for row in await Guess.objects()])
    assert OWNER not in rows
    assert THIEF not in rows


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_one_customer_is_one_network(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize("value", ["", ".", "a", "a.b", "키.가", "a." + "0" * 64])
def test_a_made_up_device_is_not_known(value: str) -> None:
    assert known_device((b"k" * 32,), OWNER, value) is None


def test_a_device_is_known_after_the_keys_have_turned() -> None:
    old, new = b"o" * 32, b"n" * 32
    value = new_device((old,), OWNER)
    assert known_device((new, old), OWNER, value) == value.partition(".")[0]
    assert known_device((new,), OWNER, value) is None
    assert known_device((old,), "other@haru.example", value) is None


async def test_the_address_that_the_request_names_itself_counts_for_nothing(
    market: Market, desks: Desks, owner: Person
) -> None:
    thief = desks.browser(OWNER, THIEF)
    codes = []
    for n in range(7):
        thief.http.headers["x-forwarded-for"] = f"192.0.2.{n}"
        codes.append((await thief.sign_in("a wrong password")).status_code)
    assert codes == [422] * 5 + [429] * 2
