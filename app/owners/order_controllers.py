"""The desk's orders: the list, its file, and one order's page."""

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from app.background import Background
from app.checkout.order_page import WORDS
from app.checkout.receiver import ReceiverForm
from app.database import write_transaction
from app.language import N_, Translator, translator
from app.orders.tables import Order
from app.owners import audit
from app.owners.admission import Member, needs
from app.owners.asking_pg import ask_about
from app.owners.audit import Action
from app.owners.export_controllers import export_context
from app.owners.frame import desk_page
from app.owners.needs_you import Remedy, count_needs, list_needs, needs_of_order
from app.owners.order_desk import OrderDesk
from app.owners.order_search import MOST_COUNTED, STATES, OrderSearch, count_states
from app.owners.orders import find_order, lines_of
from app.owners.paging import PageOf, page_of
from app.owners.refund_form import RefundForm
from app.owners.roles import Role
from app.pages import language_of, page
from app.payments.accounts import Gateways
from app.payments.providers import PROVIDERS

# What was just done, as the page that a form leads to says it: tone and sentence.
SAID = {
    "asked": ("good", N_("결제사에 다시 확인했습니다. 아래가 지금 상태입니다.")),
    "silent": ("wait", N_("결제사가 아직 답하지 않았습니다. 계속 확인하고 있으니 잠시 뒤에 다시 봐 주세요.")),
    "refund": ("good", N_("환불을 요청했습니다. 결제사가 답하면 아래에 나타납니다.")),
    "account": ("good", N_("계좌를 적었습니다. 이 계좌로 환불을 다시 요청합니다.")),
    "hastened": ("good", N_("바로 다시 시도합니다. 끝나면 목록에서 저절로 사라집니다.")),
    "closed": ("good", N_("해결한 일로 적어 두었습니다.")),
    "over": ("wait", N_("그사이 끝난 일입니다.")),
}


class OrderListController(Controller):
    path = "/{domain:str}/owner"

    @get("/orders", name="owner_orders", guards=[needs(Role.VIEWER)])
    async def show(
        self,
        request: Request,
        member: NamedDependency[Member],
        before: FromQuery[str] = "",
        after: FromQuery[str] = "",
    ) -> Response:
        """What waits for a person comes first; it is left out where somebody looks for something else."""
        search, _ = OrderSearch.of(request.query_params), _translator(request, member)
        wanted = await search.condition_of(member.shop, _)
        found: PageOf[Order] = PageOf([], None, None)
        if wanted is not None:
            found = await page_of(Order.objects().where(wanted), Order, before, after)
        is_first = not (before or after or search.is_narrowed or search.state)
        return desk_page(
            request,
            member,
            "owner/orders.html",
            422 if search.errors else 200,
            search=search,
            found=found,
            lines=await lines_of(found.rows),
            pills=_pills(search, await count_states(member.shop)),
            providers={name: provider.traits.label for name, provider in PROVIDERS.items()},
            needs=await list_needs(member.shop) if is_first else [],
            needs_count=await count_needs(member.shop) if is_first else 0,
            export=export_context(request, member, search),
            **needs_context(request, member),
        )


class DeskOrderController(Controller):
    path = "/{domain:str}/owner/orders/{number:str}"

    @get("/", name="owner_order", guards=[needs(Role.VIEWER)])
    async def show(self, request: Request, member: NamedDependency[Member], number: FromPath[str]) -> Response:
        return await order_page(request, member, await OrderDesk.load(member.shop, number))

    @get("/status", name="owner_order_status", guards=[needs(Role.VIEWER)])
    async def status(
        self,
        request: Request,
        member: NamedDependency[Member],
        number: FromPath[str],
        shown: FromQuery[str] = "",
    ) -> Response:
        """The head alone; where there is more to tell than what was `shown`, the whole page is asked to come again."""
        desk = await OrderDesk.load(member.shop, number)
        headers = {"HX-Refresh": "true"} if shown and shown != desk.shown else None
        poll_url = _poll_url(request, member, desk)
        return page(request, "owner/_order_head.html", member.shop, headers=headers, desk=desk, poll_url=poll_url)

    @post("/ask", name="owner_order_ask", guards=[needs(Role.STAFF)])
    async def ask(
        self,
        request: Request,
        member: NamedDependency[Member],
        gateways: NamedDependency[Gateways],
        background: NamedDependency[Background],
        number: FromPath[str],
    ) -> Response:
        """다시 확인: the PG is asked now, whatever the order's state."""
        order = await find_order(member.shop, number)
        return await ask_and_show(request, member, gateways, background, order)


async def ask_and_show(
    request: Request, member: Member, gateways: Gateways, background: Background, order: Order
) -> Redirect:
    async with write_transaction():
        await audit.record(member.shop, member.owner.email, Action.ORDER_ASKED, order.number)
    answered = await ask_about(gateways, background, order.id)
    return to_order(request, member, order.number, "asked" if answered else "silent")


async def order_page(
    request: Request,
    member: Member,
    desk: OrderDesk,
    code: int = 200,
    form: RefundForm | None = None,
    receiver: tuple[str, ReceiverForm] | None = None,
    problem: str = "",
) -> Response:
    """The page; `form` is a refund's with its errors, `receiver` one of a bank account for a refund, by its id."""
    _ = _translator(request, member)
    refundable = await desk.refundable()
    if form is None and refundable:
        amount = refundable.balance
        form = RefundForm(amount=f"{amount.amount / amount.units(amount.currency):,.{_places(amount.currency)}f}")
    return desk_page(
        request,
        member,
        "owner/order.html",
        code,
        desk=desk,
        order=desk.order,
        view=await desk.view(),
        poll_url=_poll_url(request, member, desk),
        payments=desk.payments(_),
        refunds=desk.refund_views(_),
        steps=desk.trail.steps(_),
        refundable=refundable,
        form=form,
        receiver=receiver,
        problem=problem,
        needs=await needs_of_order(member.shop, desk.order),
        **needs_context(request, member),
    )


def to_order(request: Request, member: Member, number: str, said: str) -> Redirect:
    url = request.app.route_reverse("owner_order", domain=member.shop.domain, number=number)
    return Redirect(f"{url}?said={said}", status_code=303)


def to_orders(request: Request, member: Member, said: str) -> Redirect:
    return Redirect(f"{_orders_url(request, member)}?said={said}", status_code=303)


def needs_context(request: Request, member: Member) -> dict[str, object]:
    """What the list of matters takes to be shown."""
    compare = "owner_compare" if request.app.get_handler_index_by_name("owner_compare") else None
    return {
        "may_act": member.role.covers(Role.STAFF),
        "said": SAID.get(request.query_params.get("said", "")),
        "Remedy": Remedy,
        "compare_route": compare if member.role.covers(Role.OWNER) else None,
    }


def _pills(search: OrderSearch, counts: dict[str, int]) -> list[tuple[str, str, str, bool]]:
    """Query, word, number, and whether it is chosen: of each state that there is an order in."""
    pills = [(search.query(state=""), N_("모두"), "", not search.state)]
    for state in STATES:
        if counts.get(state) or state == search.state:
            count = counts.get(state, 0)
            number = f"{MOST_COUNTED - 1}+" if count >= MOST_COUNTED else str(count)
            pills.append((search.query(state=state), WORDS[state][0], number, state == search.state))
    return pills


def _places(currency: str) -> int:
    return 0 if currency in ("KRW", "JPY") else 2


def _poll_url(request: Request, member: Member, desk: OrderDesk) -> str:
    path = request.app.route_reverse("owner_order_status", domain=member.shop.domain, number=desk.order.number)
    return f"{path}?shown={desk.shown}"


def _orders_url(request: Request, member: Member) -> str:
    return request.app.route_reverse("owner_orders", domain=member.shop.domain)


def _translator(request: Request, member: Member) -> Translator:
    return translator(language_of(request, member.shop))
