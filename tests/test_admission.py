"""What a route says that it needs, tried at one of each kind."""

from collections.abc import AsyncIterator

import pytest
from litestar import Controller, get, post
from litestar.di import NamedDependency

from app.owners.admission import Member, needs
from app.owners.roles import RANK, Role
from app.owners.tables import Membership
from tests.desk import Desks, Person
from tests.shopping import Market, open_market


class Probe(Controller):
    path = "/{domain:str}/owner/probe"

    @get("/", guards=[needs(Role.STAFF)])
    async def read(self, member: NamedDependency[Member]) -> str:
        return f"{member.owner.email} is {member.role} of {member.shop.domain}"

    @post("/", guards=[needs(Role.STAFF)])
    async def write(self, member: NamedDependency[Member]) -> str:
        return member.shop.domain

    @get("/open")
    async def forgotten(self, member: NamedDependency[Member]) -> str:
        return "never"


@pytest.fixture
async def probed(database_url: str, time) -> AsyncIterator[Market]:
    async with open_market(database_url, time, metrics_token="probed") as market:
        market.app.register(Probe)
        yield market


async def test_a_handler_is_told_who_came(probed: Market) -> None:
    staff = await Desks(probed).member(probed.haru, Role.STAFF)
    assert (await staff.http.get("/haru/owner/probe")).text == "staff@haru.example is staff of haru"
    assert (await staff.post("/haru/owner/probe")).text == "haru"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("needed", Role)
def test_a_role_covers_itself_and_the_smaller_ones(role: Role, needed: Role) -> None:
    assert list(RANK) == [Role.VIEWER, Role.STAFF, Role.OWNER]
    assert role.covers(needed) == (list(RANK).index(role) >= list(RANK).index(needed))


async def test_a_smaller_role_is_told_that_it_may_not(probed: Market) -> None:
    viewer = await Desks(probed).member(probed.haru, Role.VIEWER)
    for answer in (await viewer.http.get("/haru/owner/probe"), await viewer.post("/haru/owner/probe")):
        assert answer.status_code == 403
        assert "이 계정으로는 할 수 없는 일이에요" in answer.text


async def test_who_is_no_member_finds_what_a_shop_without_that_page_shows(probed: Market) -> None:
    foreign = await Desks(probed).member(probed.namu)
    for path in ("/haru/owner/probe", "/nothing-here/owner/probe"):
        for answer in (await foreign.http.get(path), await foreign.post(path)):
            assert answer.status_code == 404
    nothing, closed = await foreign.http.get("/haru/nothing"), await foreign.http.get("/haru/owner/probe")
    assert [page.text.partition("<main")[2].partition("</main>")[0] for page in (closed, nothing)] == [
        nothing.text.partition("<main")[2].partition("</main>")[0]
    ] * 2


async def test_a_write_of_who_is_not_signed_in_is_not_done(probed: Market) -> None:
    stranger = Desks(probed).browser("nobody@example.com")
    answer = await stranger.post("/haru/owner/probe")
    assert answer.status_code == 401
    assert 'href="/login"' in answer.text


async def test_a_part_of_a_page_asks_for_the_whole_page_again(probed: Market) -> None:
    stranger = Desks(probed).browser("nobody@example.com")
    answer = await stranger.http.get("/haru/owner/probe", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-refresh"], answer.text) == (401, "true", "")


async def test_a_form_without_its_token_is_refused(probed: Market) -> None:
    staff = await Desks(probed).member(probed.haru, Role.STAFF)
    assert (await staff.http.post("/haru/owner/probe")).status_code == 403


async def test_who_is_dismissed_is_out_at_once(probed: Market) -> None:
    staff = await Desks(probed).member(probed.haru, Role.STAFF)
    await Membership.delete().where(Membership.shop == probed.haru.id)
    assert (await staff.http.get("/haru/owner/probe")).status_code == 404


async def test_a_route_that_says_nothing_shows_nothing(probed: Market) -> None:
    owner: Person = await Desks(probed).member(probed.haru)
    assert (await owner.http.get("/haru/owner/probe/open")).status_code == 500


async def test_a_shop_that_is_hardly_a_name_is_not_found(probed: Market) -> None:
    owner = await Desks(probed).member(probed.haru)
    for domain in ("x", "login", "%00", "%ff", "a" * 300):
        assert (await owner.http.get(f"/{domain}/owner/probe")).status_code == 404
