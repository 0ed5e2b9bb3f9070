"""The frame around every page of a shop's desk: where one can go from there."""

from collections.abc import Iterator
from dataclasses import dataclass

from litestar import Request, Response

from app.language import N_
from app.owners.admission import Member
from app.owners.roles import Role
from app.pages import page


@dataclass(frozen=True, slots=True)
class Place:
    """A page that the navigation leads to, by its route's name; `role` as its route needs it."""

    route: str
    label: str
    role: Role


PLACES = (
    Place("owner_orders", N_("주문"), Role.VIEWER),
    Place("owner_sales", N_("매출"), Role.VIEWER),
    Place("owner_products", N_("상품"), Role.VIEWER),
    Place("owner_payments", N_("결제 설정"), Role.OWNER),
    Place("owner_inbox", N_("받은 알림"), Role.STAFF),
    Place("owner_compare", N_("대조"), Role.STAFF),
    Place("owner_members", N_("함께 일하는 사람"), Role.OWNER),
    Place("owner_settings", N_("가게 설정"), Role.OWNER),
    Place("owner_audit", N_("작업 기록"), Role.OWNER),
)
"""In the order of the navigation. A place whose route is not there is left out."""


@dataclass(frozen=True, slots=True)
class Link:
    url: str
    label: str
    is_here: bool


def links_of(request: Request, member: Member) -> Iterator[Link]:
    """The places that this member may go to."""
    for place in PLACES:
        if member.role.covers(place.role) and request.app.get_handler_index_by_name(place.route):
            url = request.app.route_reverse(place.route, domain=member.shop.domain)
            here = request.scope["path"].rstrip("/")
            yield Link(url, place.label, here == url or here.startswith(f"{url}/"))


def desk_page(request: Request, member: Member, name: str, code: int = 200, **context: object) -> Response[str]:
    """`pages.page` in the frame: a template that extends `owner/base.html`."""
    return page(request, name, member.shop, code, member=member, links=list(links_of(request, member)), **context)


def order_url(request: Request, member: Member, number: str) -> str | None:
    """Where the desk shows this order, if it does."""
    if request.app.get_handler_index_by_name("owner_order") is None:
        return None
    return request.app.route_reverse("owner_order", domain=member.shop.domain, number=number)
