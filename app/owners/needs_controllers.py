"""The buttons of the "needs you" list, and the page of one matter that its mail leads to."""

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.background import Background
from app.language import translator
from app.orders.tables import Order
from app.owners.admission import Member, needs
from app.owners.frame import desk_page
from app.owners.login_controllers import fields_of
from app.owners.needs_you import (
    LONGEST_NOTE,
    Remedy,
    close_by_hand,
    evidence_of,
    find_alert,
    hasten_jobs,
    need_of,
    remedy_of,
)
from app.owners.order_controllers import ask_and_show, needs_context, to_orders
from app.owners.order_desk import OrderDesk
from app.owners.refund_controllers import retry_and_show
from app.owners.roles import Role
from app.pages import language_of
from app.payments.accounts import Gateways
from app.payments.tables import Alert


class NeedsController(Controller):
    path = "/{domain:str}/owner/needs/{alert:str}"

    @get("/", name="owner_need_page", guards=[needs(Role.VIEWER)])
    async def show(self, request: Request, member: NamedDependency[Member], alert: FromPath[str]) -> Response:
        found = await find_alert(member.shop, alert)
        if found.closed_at is not None:
            return to_orders(request, member, "over")
        context = needs_context(request, member)
        return desk_page(request, member, "owner/matter.html", needs=[await need_of(found)], **context)

    @post("/", name="owner_need", guards=[needs(Role.STAFF)])
    async def settle(
        self,
        request: Request,
        member: NamedDependency[Member],
        gateways: NamedDependency[Gateways],
        background: NamedDependency[Background],
        alert: FromPath[str],
    ) -> Response:
        """The one button: what it does is the alert's to say, not the form's."""
        found = await find_alert(member.shop, alert)
        remedy = remedy_of(found)
        if found.closed_at is not None:
            return to_orders(request, member, "over")
        if remedy is Remedy.HASTEN:
            await hasten_jobs(member, found)
            request.app.state.wake.set()
            return to_orders(request, member, "hastened")
        order = await Order.objects().get(Order.id == found.order) if found.order else None
        if remedy is Remedy.ASK_PG and order:
            return await ask_and_show(request, member, gateways, background, order)
        if remedy is Remedy.RETRY_REFUND and order:
            desk = await OrderDesk.load(member.shop, order.number)
            return await retry_and_show(request, member, desk, str(evidence_of(found)["refund"]))
        return await _show(request, member, found, "")

    @post("/close", name="owner_need_close", guards=[needs(Role.STAFF)])
    async def close(self, request: Request, member: NamedDependency[Member], alert: FromPath[str]) -> Response:
        """A person has settled it, and says how."""
        found = await find_alert(member.shop, alert)
        note = " ".join((await fields_of(request, "note"))["note"].replace("\0", "").split())
        if found.closed_at is not None:
            return to_orders(request, member, "over")
        if not note or len(note) > LONGEST_NOTE:
            return await _show(request, member, found, note)
        is_closed = await close_by_hand(member, found, note)
        return to_orders(request, member, "closed" if is_closed else "over")


async def _show(request: Request, member: Member, alert: Alert, note: str) -> Response:
    """One matter on a page of its own, which asks how it was settled."""
    _ = translator(language_of(request, member.shop))
    problem = _("어떻게 해결했는지 %(most)s자 안으로 적어 주세요.", most=LONGEST_NOTE)
    need = await need_of(alert)
    return desk_page(request, member, "owner/need.html", 422, need=need, note=note[:LONGEST_NOTE], problem=problem)
