"""The inbox at the desk: what the PGs have told, whether it was acted on, and having the PG asked once more."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from app.database import write_transaction
from app.jobs.tables import Job
from app.language import N_, translator
from app.owners import audit
from app.owners.admission import Member, needs
from app.owners.audit import Action
from app.owners.frame import desk_page, order_url
from app.owners.inbox_filter import FIELDS, STATUSES, BadDay, InboxFilter
from app.owners.login_controllers import fields_of
from app.owners.paging import PageOf, page_of
from app.owners.roles import Role
from app.pages import language_of
from app.payments.inbox import EVENTS_AT_ONCE, NOT_OURS, ORPHAN, UNASKED, replay
from app.payments.providers import PROVIDERS
from app.payments.tables import InboxEvent, Payment, ProviderAccount
from app.payments.tenancy import find_event, list_accounts, list_orders_of

ERRORS = {
    ORPHAN: N_("알림이 말하는 결제가 이 가게에 없어요."),
    NOT_OURS: N_("이 가게에서 시작한 결제가 아니에요."),
    UNASKED: N_("확인되지 않은 알림이 한꺼번에 많이 와서 결제사에 묻지 않았어요. 매일 하는 대조에서 확인합니다."),
}


class InboxController(Controller):
    path = "/{domain:str}/owner/inbox"

    @get("/", name="owner_inbox", guards=[needs(Role.STAFF)])
    async def show(
        self,
        request: Request,
        member: NamedDependency[Member],
        status: FromQuery[str] = "",
        since: FromQuery[str] = "",
        until: FromQuery[str] = "",
        before: FromQuery[str] = "",
        after: FromQuery[str] = "",
    ) -> Response:
        wanted = InboxFilter.of({"status": status, "since": since, "until": until})
        return await _list_page(request, member, wanted, before=before, after=after)

    @post("/replay", name="owner_inbox_replay_all", guards=[needs(Role.STAFF)])
    async def replay_all(self, request: Request, member: NamedDependency[Member]) -> Response:
        """Of all that the filter finds; refused as a whole where that is more than can be asked at once."""
        wanted = InboxFilter.of(await fields_of(request, *FIELDS))
        _ = translator(language_of(request, member.shop))
        accounts = await list_accounts(member.shop)
        try:
            events = await wanted.apply(accounts, member.shop.time_zone).limit(EVENTS_AT_ONCE + 1) if accounts else []
        except BadDay:
            return await _list_page(request, member, wanted)
        if len(events) > EVENTS_AT_ONCE:
            most = f"{EVENTS_AT_ONCE:,}"
            problem = _("한 번에 %(most)s개까지 다시 처리할 수 있어요. 날짜를 좁혀 주세요.", most=most)
            return await _list_page(request, member, wanted, 422, problem)
        if events:
            await _replay(request, member, {event.id: event.reference for event in events}, wanted)
        url = request.app.route_reverse("owner_inbox", domain=member.shop.domain)
        query = urlencode({"replayed": len(events)})
        return Redirect(f"{url}?{wanted.query}&{query}" if wanted.query else f"{url}?{query}", status_code=303)

    @get("/{event_id:str}", name="owner_inbox_event", guards=[needs(Role.STAFF)])
    async def open(self, request: Request, member: NamedDependency[Member], event_id: FromPath[str]) -> Response:
        event = await find_event(member.shop, event_id)
        account = (await list_accounts(member.shop))[event.account]
        meant = (
            Payment.reference == event.reference if event.reference else Payment.pg_payment_id == event.pg_payment_id
        )
        payments = [row["id"] for row in await Payment.select(Payment.id).where(meant)]
        numbers = sorted(set((await list_orders_of(member.shop, payments)).values()))
        context = {
            "event": event,
            "account": _label(account),
            "error": _error(event),
            "orders": [(number, order_url(request, member, number)) for number in numbers],
            "job": await Job.objects().where(Job.dedupe_key == f"inbox:{event.id}").first(),
            "is_replayed": request.query_params.get("replayed") == "1",
        }
        return desk_page(request, member, "owner/inbox_event.html", **context)

    @post("/{event_id:str}/replay", name="owner_inbox_replay", guards=[needs(Role.STAFF)])
    async def replay(self, request: Request, member: NamedDependency[Member], event_id: FromPath[str]) -> Response:
        event = await find_event(member.shop, event_id)
        await _replay(request, member, {event.id: event.reference}, None)
        url = request.app.route_reverse("owner_inbox_event", domain=member.shop.domain, event_id=str(event.id))
        return Redirect(f"{url}?replayed=1", status_code=303)


async def _replay(request: Request, member: Member, events: Mapping[UUID, str], wanted: InboxFilter | None) -> None:
    """With one row in the audit log; the worker is told at once."""
    [first, *others] = events
    subject = events[first] or str(first) if not others else ""
    details = {"events": len(events), **({name: getattr(wanted, name) for name in FIELDS} if wanted else {})}
    async with write_transaction():
        await replay(list(events))
        await audit.record(member.shop, member.owner.email, Action.WEBHOOKS_REPLAYED, subject, details)
    request.app.state.wake.set()


async def _list_page(
    request: Request,
    member: Member,
    wanted: InboxFilter,
    code: int = 200,
    problem: str = "",
    before: str = "",
    after: str = "",
) -> Response:
    """The events that are wanted; all of the status, with a sentence and 422, where a day is none."""
    _ = translator(language_of(request, member.shop))
    accounts = await list_accounts(member.shop)
    found: PageOf[InboxEvent] = PageOf([], None, None)
    try:
        if accounts:
            query = wanted.apply(accounts, member.shop.time_zone)
            found = await page_of(query, InboxEvent, before, after)
    except BadDay:
        code, problem = 422, _("날짜를 확인해 주세요. 예: 2026-11-22")
    found = replace(found, older=_beside(wanted, found.older), newer=_beside(wanted, found.newer))
    context = {
        "found": found,
        "rows": [(event, _label(accounts[event.account]), _error(event)) for event in found.rows],
        "wanted": wanted,
        "statuses": [(status, wanted.but(status), words) for status, words in STATUSES.items()],
        "problem": problem,
        "replayed": request.query_params.get("replayed", "") if code == 200 else "",
    }
    return desk_page(request, member, "owner/inbox.html", code, **context)


def _beside(wanted: InboxFilter, place: str | None) -> str | None:
    """The page beside this one, of what is wanted."""
    return f"{wanted.query}&{place}" if place and wanted.query else place


def _label(account: ProviderAccount) -> str:
    return PROVIDERS[account.provider].traits.label


def _error(event: InboxEvent) -> str | None:
    return ERRORS.get(event.error, event.error) if event.error else None
