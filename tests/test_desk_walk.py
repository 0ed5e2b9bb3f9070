"""Every route of the desk, found by itself: who may not come in does not, at any of them, also at those to come."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from litestar import Litestar

from app.clock import new_id
from app.main import create_app
from app.owners.frame import PLACES
from app.owners.roles import Role
from tests.desk import Desks, Person
from tests.shopping import Market, make_settings

DESK = "/{domain:str}/owner"
SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Door:
    """One method of one path."""

    method: str
    path: str

    def at(self, domain: str) -> str:
        """An address with something plausible in each place of the path."""
        parts = self.path.replace("{domain:str}", domain).split("/")
        return "/".join(str(new_id()) if part.startswith("{") else part for part in parts)


def doors_of(app: Litestar) -> Iterator[Door]:
    for route in app.routes:
        if route.path == DESK or route.path.startswith(f"{DESK}/"):
            yield from (Door(method, route.path) for method in sorted(route.methods - {"OPTIONS"}))


DOORS = list(doors_of(create_app(make_settings("sqlite:////nowhere.sqlite"), work=False)))
READS = [door for door in DOORS if door.method in SAFE]
WRITES = [door for door in DOORS if door.method not in SAFE]


def test_the_walk_finds_the_desk() -> None:
    assert {Door("GET", DESK), Door("GET", f"{DESK}/audit")} <= set(DOORS)


def test_nothing_of_the_desk_is_excused_from_csrf() -> None:
    app = create_app(make_settings("sqlite:////nowhere.sqlite"), work=False)
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            if route.path.startswith(DESK):
                assert not handler.opt.get("exclude_from_csrf"), route.path


async def test_who_is_not_signed_in_is_led_to_the_form_and_back(market: Market, desks: Desks) -> None:
    stranger = desks.browser("nobody@example.com")
    for door in READS:
        path = door.at("haru")
        answer = await stranger.http.get(f"{path}?q=a%26b")
        assert answer.status_code == 303, door
        where = answer.headers["location"]
        assert where.startswith("/login?next=%2Fharu%2Fowner"), door
        assert where.endswith("%3Fq%3Da%2526b"), door
    for door in WRITES:
        answer = await stranger.post(door.at("haru"))
        assert answer.status_code == 401, door


async def test_another_shops_owner_finds_nothing(market: Market, desks: Desks, boss: Person) -> None:
    """Not by any address, not with the things of either shop, and no word of what is there."""
    for door in DOORS:
        for domain in ("namu", "nothing-here"):
            path = door.at(domain)
            answer = await (boss.http.get(path) if door.method in SAFE else send(boss, door, path))
            assert answer.status_code == 404, (door, domain)
            assert "여기에는 아무것도 없어요" in answer.text, door


async def test_a_form_without_its_token_is_refused(market: Market, desks: Desks, boss: Person) -> None:
    for door in WRITES:
        answer = await boss.http.request(door.method, door.at("haru"), data={"a": "b"})
        assert answer.status_code == 403, door


async def test_a_viewer_changes_nothing(market: Market, desks: Desks) -> None:
    viewer = await desks.member(market.haru, Role.VIEWER)
    for door in WRITES:
        answer = await send(viewer, door, door.at("haru"))
        assert answer.status_code == 403, door
        assert "이 계정으로는 할 수 없는 일이에요" in answer.text, door


@pytest.mark.parametrize("role", Role)
async def test_the_navigation_leads_where_the_role_may_go(market: Market, desks: Desks, role: Role) -> None:
    person = await desks.member(market.haru, role)
    page = await person.http.get("/haru/owner", follow_redirects=True)
    assert page.status_code == 200
    for place in PLACES:
        if not market.app.get_handler_index_by_name(place.route):
            continue
        url = market.app.route_reverse(place.route, domain="haru")
        is_linked = f'<a href="{url}"' in page.text
        assert is_linked == role.covers(place.role), place
        assert (await person.http.get(url)).status_code == (200 if is_linked else 403), place


async def send(person: Person, door: Door, path: str):
    page = await person.http.get("/login/reset")
    token = page.text.split('name="_csrf_token" value="')[1].split('"')[0]
    return await person.http.request(door.method, path, headers={"x-csrftoken": token}, data={"a": "b"})
