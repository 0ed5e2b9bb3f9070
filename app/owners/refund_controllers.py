"""Refunds at the desk: asked for, asked for again, and where a deposit's goes."""

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.checkout.receiver import ReceiverForm
from app.language import Translator, translator
from app.money import Money
from app.owners import audit
from app.owners.admission import Member, needs
from app.owners.audit import Action
from app.owners.order_controllers import order_page, to_order
from app.owners.order_desk import OrderDesk
from app.owners.refund_form import FIELDS, RefundForm
from app.owners.roles import Role
from app.pages import language_of
from app.payments.accounts import Gateways
from app.payments.asking import SENTENCES, Also, BalanceChanged, NotRefundable, Why, ask_refund, retry_refund
from app.payments.refunding import banks_of, name_receiver, seal_receiver
from app.payments.states import Cause, RefundStatus
from app.payments.tables import Refund


class RefundController(Controller):
    path = "/{domain:str}/owner/orders/{number:str}/refunds"

    @post("/", name="owner_refund", guards=[needs(Role.STAFF)])
    async def ask(
        self,
        request: Request,
        member: NamedDependency[Member],
        gateways: NamedDependency[Gateways],
        number: FromPath[str],
    ) -> Response:
        """A refund of what the page showed: where the balance is another one meanwhile, nothing is asked for."""
        desk, _ = await OrderDesk.load(member.shop, number), translator(language_of(request, member.shop))
        form, refundable = RefundForm.of(await request.form()), await desk.refundable()
        wanted = form.check(desk.order.currency, refundable.banks if refundable else None, _)
        if wanted is None:
            return await order_page(request, member, desk, 422, form)
        receiver = seal_receiver(gateways, wanted.receiver) if wanted.receiver else None
        try:
            await ask_refund(
                desk.order.id,
                wanted.amount,
                wanted.reason,
                seen_balance=wanted.seen_balance,
                requested_by=member.owner.email,
                restock=wanted.restock,
                sealed_receiver=receiver,
                also=noting(member, Action.REFUND_ASKED, number),
            )
        except NotRefundable as refusal:
            return await _refused(request, member, desk, form, refusal, _)
        except BalanceChanged as changed:
            return await _changed(request, member, number, form, changed, _)
        request.app.state.wake.set()
        return to_order(request, member, number, "refund")

    @post("/{refund:str}/retry", name="owner_refund_retry", guards=[needs(Role.STAFF)])
    async def retry(
        self, request: Request, member: NamedDependency[Member], number: FromPath[str], refund: FromPath[str]
    ) -> Response:
        desk = await OrderDesk.load(member.shop, number)
        return await retry_and_show(request, member, desk, refund)

    @post("/{refund:str}/account", name="owner_refund_account", guards=[needs(Role.STAFF)])
    async def name_account(
        self,
        request: Request,
        member: NamedDependency[Member],
        gateways: NamedDependency[Gateways],
        number: FromPath[str],
        refund: FromPath[str],
    ) -> Response:
        """The owner says where a deposit goes back to, as the shopper told them."""
        desk, _ = await OrderDesk.load(member.shop, number), translator(language_of(request, member.shop))
        payment, wanted = desk.find_refund(refund)
        form = ReceiverForm.of(await request.form())
        if wanted.status != RefundStatus.NEEDS_ACCOUNT:
            return to_order(request, member, number, "over")
        receiver = form.check_account(banks_of(payment), _)
        if receiver is None:
            return await order_page(request, member, desk, 422, receiver=(str(wanted.id), form))
        noted = noting(member, Action.REFUND_ACCOUNT_NAMED, number)
        is_named = await name_receiver(gateways, payment, wanted, receiver, Cause.OWNER, lambda: noted(wanted))
        request.app.state.wake.set()
        return to_order(request, member, number, "account" if is_named else "over")


async def retry_and_show(request: Request, member: Member, desk: OrderDesk, refund_id: str) -> Response:
    """Asks once more for a refund of this order that failed. Raises NotFound."""
    _ = translator(language_of(request, member.shop))
    _payment, failed = desk.find_refund(refund_id)
    number = desk.order.number
    try:
        await retry_refund(failed.id, member.owner.email, also=noting(member, Action.REFUND_RETRIED, number))
    except NotRefundable as refusal:
        return await order_page(request, member, desk, 409, problem=_(refusal.sentence))
    request.app.state.wake.set()
    return to_order(request, member, number, "refund")


def noting(member: Member, action: Action, number: str) -> Also:
    """The audit log's row of a refund, for the transaction that writes the refund."""

    async def note(refund: Refund) -> None:
        about = {"amount": refund.amount, "reason": refund.reason, "restock": refund.restock}
        await audit.record(member.shop, member.owner.email, action, number, about)

    return note


async def _refused(
    request: Request, member: Member, desk: OrderDesk, form: RefundForm, refusal: NotRefundable, _: Translator
) -> Response:
    if field := FIELDS.get(refusal.why):
        form.errors[field] = _(SENTENCES[refusal.why])
        return await order_page(request, member, desk, 422, form)
    return await order_page(request, member, desk, 409, form, problem=_(refusal.sentence))


async def _changed(
    request: Request, member: Member, number: str, form: RefundForm, changed: BalanceChanged, _: Translator
) -> Response:
    """The page as it stands now, with what was typed: the next press of the button is about the new balance."""
    desk = await OrderDesk.load(member.shop, number)
    if not changed.balance:
        return await order_page(request, member, desk, 409, form, problem=_(SENTENCES[Why.NOTHING_LEFT]))
    left = Money(changed.balance, desk.order.currency).text(language_of(request, member.shop))
    problem = _("그사이 남은 금액이 %(left)s이 되어 이번 요청은 하지 않았습니다. 확인하고 다시 눌러 주세요.", left=left)
    return await order_page(request, member, desk, 409, form, problem=problem)
