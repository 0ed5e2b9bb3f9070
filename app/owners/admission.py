"""Who may come in: `guards=[needs(Role.STAFF)]` on a route says it, and `member` tells the handler who came.

A route below `/{domain}/owner` without one has no `member`, and a test finds it.
"""

from dataclasses import dataclass

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Guard

from app.owners.cookies import read_cookie
from app.owners.logins import find_owner_of_login
from app.owners.roles import Role
from app.owners.tables import Owner
from app.owners.team import role_of
from app.shops.tables import Shop
from app.shops.tenancy import NotFound, find_shop


class NotSignedIn(Exception):
    """Nobody is signed in in this browser."""


class RoleTooSmall(Exception):
    """A member of the shop, whose role does not cover this."""


@dataclass(frozen=True, slots=True)
class Member:
    """Who is at the desk of which shop."""

    shop: Shop
    owner: Owner
    role: Role


def needs(role: Role) -> Guard:
    """The guard of a route for members with this role or a greater one.

    Raises NotSignedIn, NotFound (to others than the shop's members it has no desk), RoleTooSmall.
    """

    async def admit_member(connection: ASGIConnection, handler: BaseRouteHandler) -> None:
        owner = await _signed_in(connection)
        shop = await find_shop(connection.path_params["domain"])
        found = await role_of(owner, shop)
        if found is None:
            raise NotFound
        if not found.covers(role):
            raise RoleTooSmall
        connection.scope["state"]["member"] = Member(shop, owner, found)

    return admit_member


async def needs_login(connection: ASGIConnection, handler: BaseRouteHandler) -> None:
    """The guard of a route for whoever is signed in. Raises NotSignedIn."""
    connection.scope["state"]["owner"] = await _signed_in(connection)


async def provide_member(request: Request) -> Member:
    return request.scope["state"]["member"]


async def provide_owner(request: Request) -> Owner:
    return request.scope["state"]["owner"]


async def _signed_in(connection: ASGIConnection) -> Owner:
    owner = await find_owner_of_login(read_cookie(connection, "login"))
    if owner is None:
        raise NotSignedIn
    return owner
