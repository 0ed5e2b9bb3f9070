"""The daily compare at the desk: where the PG's list of a day and ours disagree, until a person has closed it."""

from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from app import clock
from app.database import write_transaction
from app.language import N_, Translator, translator
from app.money import Money
from app.owners import audit
from app.owners.admission import Member, needs
from app.owners.audit import Action
from app.owners.frame import desk_page, order_url
from app.owners.inbox_filter import BadDay, read_day
from app.owners.login_controllers import fields_of
from app.owners.paging import PageOf, page_of
from app.owners.roles import Role
from app.owners.typed import one_line
from app.pages import language_of
from app.payments.comparing import compare_again, latest_day
from app.payments.differences import close_difference
from app.payments.providers import PROVIDERS
from app.payments.states import DifferenceKind
from app.payments.tables import Difference
from app.payments.tenancy import find_difference, list_accounts, list_orders_of

SENTENCES = {
    DifferenceKind.MISSING_HERE: N_("결제사에는 %(theirs)s이 있는데 여기 기록에는 없어요."),
    DifferenceKind.MISSING_THERE: N_("여기 기록에는 %(ours)s이 있는데 결제사에는 없어요."),
    DifferenceKind.AMOUNT: N_("금액이 달라요: 여기 기록은 %(ours)s, 결제사는 %(theirs)s입니다."),
    DifferenceKind.STATE: N_(
        "두 곳 모두 %(theirs)s이지만, 여기서는 그 돈이 주문을 치르지 못했거나 환불이 달리 적혀 있어요."
    ),
}

# Older than that, no PG's list is asked for.
OLDEST = timedelta(days=366)


class CompareController(Controller):
    path = "/{domain:str}/owner/compare"

    @get("/", name="owner_compare", guards=[needs(Role.STAFF)])
    async def show(
        self,
        request: Request,
        member: NamedDependency[Member],
        status: FromQuery[str] = "",
        before: FromQuery[str] = "",
        after: FromQuery[str] = "",
    ) -> Response:
        return await _page(request, member, is_closed=status == "closed", before=before, after=after)

    @post("/day", name="owner_compare_day", guards=[needs(Role.STAFF)])
    async def compare_day(self, request: Request, member: NamedDependency[Member]) -> Response:
        """Leaves the day to the worker, which is told at once."""
        typed = (await fields_of(request, "day"))["day"].strip()
        _ = translator(language_of(request, member.shop))
        try:
            day = _check_day(typed, member, _)
        except ValueError as error:
            return await _page(request, member, 422, day=typed, problem=str(error))
        async with write_transaction():
            accounts = await compare_again(member.shop, day)
            if accounts:
                await audit.record(member.shop, member.owner.email, Action.COMPARE_ASKED, day.isoformat())
        if not accounts:
            problem = _("대조할 결제사 계정이 없어요. 결제 설정에서 먼저 켜 주세요.")
            return await _page(request, member, 409, day=typed, problem=problem)
        request.app.state.wake.set()
        return _back(request, member, f"?asked={day}")

    @post("/{difference_id:str}/close", name="owner_compare_close", guards=[needs(Role.STAFF)])
    async def close(self, request: Request, member: NamedDependency[Member], difference_id: FromPath[str]) -> Response:
        """With a note; closed already, it stays as it was closed."""
        difference = await find_difference(member.shop, difference_id)
        note = one_line((await fields_of(request, "note"))["note"])
        _ = translator(language_of(request, member.shop))
        longest = Difference.note.length
        if not 0 < len(note) <= longest:
            problem = _("어떻게 정리하셨는지 %(count)s자 안으로 적어 주세요.", count=longest)
            return await _page(request, member, 422, problem=problem, wrong=str(difference.id), note=note)
        async with write_transaction():
            if await close_difference(difference.id, member.owner.email, note):
                said = {"day": difference.day, "kind": difference.kind, "note": note}
                subject = difference.reference or difference.pg_payment_id or ""
                await audit.record(member.shop, member.owner.email, Action.DIFFERENCE_CLOSED, subject, said)
        return _back(request, member)


def _check_day(typed: str, member: Member, _: Translator) -> date:
    """Raises ValueError with a sentence for the member."""
    try:
        day = read_day(typed)
    except BadDay:
        raise ValueError(_("날짜를 확인해 주세요. 예: 2026-11-22")) from None
    today = clock.now().astimezone(ZoneInfo(member.shop.time_zone)).date()
    if day > today:
        raise ValueError(_("아직 오지 않은 날이에요."))
    if day < today - OLDEST:
        raise ValueError(_("1년이 넘은 날은 대조할 수 없어요."))
    return day


def _back(request: Request, member: Member, query: str = "") -> Response:
    url = request.app.route_reverse("owner_compare", domain=member.shop.domain)
    return Redirect(url + query, status_code=303)


async def _page(
    request: Request,
    member: Member,
    code: int = 200,
    is_closed: bool = False,
    before: str = "",
    after: str = "",
    **context: str,
) -> Response:
    """`problem` is a sentence, `wrong` the difference that it is about, `note` and `day` what was typed."""
    accounts = await list_accounts(member.shop)
    found: PageOf[Difference] = PageOf([], None, None)
    if accounts:
        is_wanted = Difference.closed_at.is_not_null() if is_closed else Difference.closed_at.is_null()
        query = Difference.objects().where(Difference.account.is_in(list(accounts)), is_wanted)
        found = await page_of(query, Difference, before, after)
    numbers = await list_orders_of(member.shop, {each.payment for each in found.rows if each.payment})
    lang = language_of(request, member.shop)
    latest = latest_day(member.shop.time_zone, clock.now()).isoformat()
    given = {"problem": "", "wrong": "", "note": "", "day": latest, **context}
    rows = []
    for each in found.rows:
        number = numbers.get(each.payment)
        label = PROVIDERS[accounts[each.account].provider].traits.label
        order = (number, order_url(request, member, number)) if number else None
        rows.append((each, label, sentence_of(each, lang), order))
    asked = request.query_params.get("asked", "") if code == 200 else ""
    if is_closed:
        older, newer = (place and f"status=closed&{place}" for place in (found.older, found.newer))
        found = replace(found, older=older, newer=newer)
    page = {"found": found, "rows": rows, "is_closed": is_closed, "asked": asked, **given}
    return desk_page(request, member, "owner/compare.html", code, **page)


def sentence_of(difference: Difference, lang: str) -> str:
    """What differs, in plain words."""
    sums = {name: Money(getattr(difference, name) or 0, difference.currency).text(lang) for name in ("ours", "theirs")}
    return translator(lang)(SENTENCES[DifferenceKind(difference.kind)], **sums)
