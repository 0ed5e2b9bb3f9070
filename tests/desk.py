"""The people of two shops at their desks, each with a browser of their own."""

import httpx
import pytest

from app.database import write_transaction
from app.edge import Edge
from app.owners.roles import Role
from app.owners.tables import Owner
from app.owners.team import add_owner, give_role
from app.shops.tables import Shop
from tests.shopping import BASE, Market, fields_of

PASSWORD = "a long enough password"


class Person:
    """A browser without JavaScript, with cookies, and at an address of its own."""

    def __init__(self, market: Market, email: str, address: str = "203.0.113.1", base: str = BASE) -> None:
        self.market, self.email = market, email
        transport = httpx.ASGITransport(Edge(market.app), raise_app_exceptions=False, client=(address, 1234))
        self.http = httpx.AsyncClient(transport=transport, base_url=base)

    async def sign_in(self, password: str = PASSWORD, email: str = "", **more: str) -> httpx.Response:
        page = await self.http.get("/login/reset")
        form = {**fields_of(page.text), "email": email or self.email, "password": password, **more}
        return await self.http.post("/login", data=form)

    async def post(self, path: str, **fields: str) -> httpx.Response:
        """With the CSRF token that every page brings."""
        token = fields_of((await self.http.get("/login/reset")).text)["_csrf_token"]
        return await self.http.post(path, data={"_csrf_token": token, **fields})

    async def is_signed_in(self) -> bool:
        return (await self.http.get("/login/account")).status_code == 200


class Desks:
    """Takes people on. Their password is `PASSWORD`."""

    def __init__(self, market: Market) -> None:
        self.market = market

    async def hire(self, email: str, shop: Shop | None = None, role: Role = Role.OWNER) -> Owner:
        password_hash = await self.market.app.state.passwords.hash(PASSWORD)
        async with write_transaction():
            owner = await add_owner(email)
            await Owner.update({Owner.password_hash: password_hash}).where(Owner.id == owner.id)
            if shop:
                await give_role(owner, shop, role)
        return await Owner.objects().get(Owner.id == owner.id)

    def browser(self, email: str, address: str = "203.0.113.1") -> Person:
        return Person(self.market, email, address)

    async def member(self, shop: Shop, role: Role = Role.OWNER) -> Person:
        """Somebody new with this role, signed in."""
        person = self.browser(f"{role}@{shop.domain}.example")
        await self.hire(person.email, shop, role)
        assert (await person.sign_in()).status_code == 303
        return person


@pytest.fixture
def desks(market: Market) -> Desks:
    return Desks(market)


@pytest.fixture
async def boss(market: Market, desks: Desks) -> Person:
    """The owner of haru, signed in."""
    return await desks.member(market.haru)
