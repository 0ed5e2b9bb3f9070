"""The desk's front door, and who did what."""

import json

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from app.owners.admission import Member, needs
from app.owners.audit import DETAILS, WORDS
from app.owners.frame import desk_page, links_of
from app.owners.paging import page_of
from app.owners.roles import Role
from app.owners.tables import AuditEntry


class DeskController(Controller):
    path = "/{domain:str}/owner"

    @get("/", name="owner", guards=[needs(Role.VIEWER)])
    async def enter(self, request: Request, member: NamedDependency[Member]) -> Response:
        """The first page that this member may see."""
        return Redirect(next(links_of(request, member)).url, status_code=303)

    @get("/audit", name="owner_audit", guards=[needs(Role.OWNER)])
    async def audit(
        self,
        request: Request,
        member: NamedDependency[Member],
        before: FromQuery[str] = "",
        after: FromQuery[str] = "",
    ) -> Response:
        entries = AuditEntry.objects().where(AuditEntry.shop == member.shop.id)
        found = await page_of(entries, AuditEntry, before, after)
        rows = [(entry, WORDS.get(entry.action, entry.action), _details(entry)) for entry in found.rows]
        return desk_page(request, member, "owner/audit.html", found=found, rows=rows)


def _details(entry: AuditEntry) -> list[tuple[str, str]]:
    """What each is, to be translated, and its value; what was left empty is left out."""
    found = json.loads(entry.details).items()
    return [(DETAILS.get(name, name), str(value)) for name, value in found if value not in ("", 0, None)]
