"""The list of orders as a file, and how far it has come."""

from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Stream

from app import clock
from app.database import write_transaction
from app.language import translator
from app.orders.tables import Order
from app.owners import audit
from app.owners.admission import Member, needs
from app.owners.audit import Action
from app.owners.export import csv_of, file_name
from app.owners.export_progress import Progress, follow, progress_of
from app.owners.order_search import OrderSearch
from app.owners.roles import Role
from app.pages import language_of, page
from app.shops.tenancy import read_id


class ExportController(Controller):
    path = "/{domain:str}/owner"

    @get("/orders.csv", name="owner_orders_csv", guards=[needs(Role.STAFF)])
    async def export(
        self, request: Request, member: NamedDependency[Member], export: FromQuery[str] = ""
    ) -> Response | Stream:
        """The filtered list as a file. `export` is what the page calls it that shows its progress."""
        search, _ = OrderSearch.of(request.query_params), translator(language_of(request, member.shop))
        export_id = read_id(export) if export else clock.new_id()
        wanted = await search.condition_of(member.shop, _)
        if wanted is None:
            orders = request.app.route_reverse("owner_orders", domain=member.shop.domain)
            return Redirect(f"{orders}?{search.query()}", status_code=303)
        async with write_transaction():
            await audit.record(member.shop, member.owner.email, Action.ORDERS_EXPORTED, search.query())
        total = await Order.count().where(wanted)
        headers = {
            "Content-Disposition": f'attachment; filename="{file_name(member.shop, clock.now())}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        pieces = follow(member.shop, export_id, total, csv_of(member.shop, wanted, _))
        return Stream(pieces, media_type="text/csv", headers=headers)

    @get("/exports/{export:str}", name="owner_export", guards=[needs(Role.STAFF)])
    async def progress(
        self, request: Request, member: NamedDependency[Member], export: FromPath[str], asked: FromQuery[int] = 0
    ) -> Response:
        """The link with its progress alone, which asks again while there is more to come."""
        search, export_id = OrderSearch.of(request.query_params), read_id(export)
        progress = await progress_of(member.shop, export_id, asked)
        return page(
            request,
            "owner/_export.html",
            member.shop,
            export=export_context(request, member, search, progress, export_id, asked + 1),
        )


def export_context(
    request: Request,
    member: Member,
    search: OrderSearch,
    progress: Progress | None = None,
    export_id: UUID | None = None,
    asked: int = 0,
) -> dict[str, object]:
    """What `owner/_export.html` shows. Without an `export_id`, and when one is over, the next file has a new name."""
    progress = progress or Progress("new")
    if export_id is None or not progress.is_moving:
        export_id, asked = clock.new_id(), 0
    query, domain = search.query(), member.shop.domain
    file = request.app.route_reverse("owner_orders_csv", domain=domain)
    ask = request.app.route_reverse("owner_export", domain=domain, export=str(export_id))
    return {
        "progress": progress,
        "file_url": f"{file}?{query}{'&' if query else ''}export={export_id}",
        "progress_url": f"{ask}?{query}{'&' if query else ''}asked={asked}",
    }
