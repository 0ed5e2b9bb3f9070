"""What becomes of an order: the results of a payment, the order's own page, and paying again."""

import structlog
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from app.background import Background
from app.checkout.order_page import CONFIRMING, OrderPage
from app.checkout.receiver import ReceiverForm
from app.checkout.ways import views_of_ways
from app.database import write_transaction
from app.failures import describe
from app.language import N_, translator
from app.money import Money
from app.orders.states import OrderStatus
from app.orders.stock import SoldOut
from app.pages import language_of, page
from app.payments.accounts import Gateways, list_accounts, list_offers, offers_of
from app.payments.concluding import Refusal, look_again
from app.payments.refunding import banks_of, name_receiver
from app.payments.starting import NotPayable, pay_order, shut_others
from app.payments.states import Cause
from app.shops.tables import Shop
from app.shops.tenancy import NotFound

log = structlog.get_logger("checkout")

# How long a page waits for the PG's answer before it says "확인 중".
PATIENCE = 3.0

NOT_OURS = (
    N_("결제 정보가 주문과 달라요"),
    N_("결제사에서 돌아온 정보가 이 주문과 맞지 않아 승인하지 않았습니다. 다시 결제해 주세요."),
)
REFUSALS = {
    Refusal.UNREADABLE: (
        N_("결제 결과를 읽지 못했어요"),
        N_("결제사에서 돌아온 주소가 온전하지 않습니다. 결제창에서 돌아오셨다면 다시 결제해 주세요."),
    ),
    Refusal.OTHER_ORDER: NOT_OURS,
    Refusal.OTHER_AMOUNT: NOT_OURS,
    Refusal.OTHER_PAYMENT: NOT_OURS,
    Refusal.CLOSED: (
        N_("예전에 연 결제창이에요"),
        N_("이 결제창의 결제는 이미 그만두셨거나 새 결제로 바뀌어 승인하지 않았습니다. 아래 버튼으로 결제해 주세요."),
    ),
    Refusal.NOT_PAYABLE: (
        N_("지금은 결제할 수 없는 주문이에요"),
        N_("주문이 그사이 바뀌어 승인하지 않았습니다. 주문 화면에서 지금 상태를 확인해 주세요."),
    ),
    Refusal.SOLD_OUT: (
        N_("그사이 품절되었어요"),
        N_("맡아 두는 시간이 지나 물건이 다른 분께 팔렸습니다. 그래서 승인하지 않았습니다."),
    ),
    Refusal.TOO_LATE: (
        N_("결제할 수 있는 시간이 지났습니다"),
        N_("다시 결제하시면 새로 시작합니다."),
    ),
    Refusal.MISCONFIGURED: (
        N_("가게의 결제 설정에 문제가 있어요"),
        N_("결제사가 이 가게의 요청을 받지 않아 승인하지 못했습니다. 가게에 알려 주시고 잠시 뒤에 다시 결제해 주세요."),
    ),
}


class ResultController(Controller):
    """Where the callback sends the shopper. A page that is not true of the order gives way to the order's own."""

    path = "/{domain:str}/checkout"

    @get("/success", name="success")
    async def success(
        self,
        request: Request,
        shop: NamedDependency[Shop],
        gateways: NamedDependency[Gateways],
        background: NamedDependency[Background],
        order: FromQuery[str] = "",
    ) -> Response:
        found = await _load_fresh(shop, order, gateways, background)
        if found.key not in (OrderStatus.PAID, CONFIRMING):
            return _to_order(request, shop, found)
        return page(request, "success.html", shop, **await _context(request, shop, found))

    @get("/fail", name="fail")
    async def fail(
        self,
        request: Request,
        shop: NamedDependency[Shop],
        order: FromQuery[str] = "",
        why: FromQuery[str] = "",
    ) -> Response:
        """Why nothing was charged: the PG refused, or (with `why`) we did not believe a return."""
        found = await OrderPage.load(shop, order)
        if why in REFUSALS and found.can_be_paid:
            return await _refused(request, shop, found, Refusal(why), 400)
        if found.key != OrderStatus.FAILED and not found.came_too_late:
            return _to_order(request, shop, found)
        return page(request, "fail.html", shop, **await _context(request, shop, found))

    @get("/cancel", name="cancel")
    async def cancel(self, request: Request, shop: NamedDependency[Shop], order: FromQuery[str] = "") -> Response:
        found = await OrderPage.load(shop, order)
        if found.key != OrderStatus.CANCELLED:
            return _to_order(request, shop, found)
        return page(request, "cancel.html", shop, **await _context(request, shop, found))


class OrderController(Controller):
    path = "/{domain:str}/orders/{token:str}"

    @get("/", name="order")
    async def show(
        self,
        request: Request,
        shop: NamedDependency[Shop],
        gateways: NamedDependency[Gateways],
        background: NamedDependency[Background],
        token: FromPath[str],
    ) -> Response:
        found = await _load_fresh(shop, token, gateways, background, is_opened=True)
        return page(request, "order.html", shop, **await _context(request, shop, found))

    @get("/status", name="order_status")
    async def status(
        self,
        request: Request,
        shop: NamedDependency[Shop],
        gateways: NamedDependency[Gateways],
        background: NamedDependency[Background],
        token: FromPath[str],
        shown: FromQuery[str] = "",
    ) -> Response:
        """The headline alone; where the state is no longer the one `shown`, the whole page is asked to come again."""
        found = await _load_fresh(shop, token, gateways, background)
        status = found.status(translator(language_of(request, shop)), _poll_url(request, shop, found))
        headers = {"HX-Refresh": "true"} if shown and shown != found.key else None
        return page(request, "_status.html", shop, headers=headers, status=status)

    @post("/payments", name="pay_again")
    async def pay_again(
        self,
        request: Request,
        shop: NamedDependency[Shop],
        gateways: NamedDependency[Gateways],
        background: NamedDependency[Background],
        token: FromPath[str],
    ) -> Response:
        """The other attempts are made unpayable first, a virtual account too: then one order is not paid twice."""
        found = await OrderPage.load(shop, token)
        chosen = (await request.form()).get("pay")
        offers = [offer for offer in await list_offers(shop) if offer.takes(found.order.total)]
        offer = next((offer for offer in offers if offer.value == chosen), offers[0] if offers else None)
        if offer is None or not (found.can_be_paid or found.awaits_deposit):
            return _to_order(request, shop, found)
        await background.within(PATIENCE, shut_others(gateways, found.order, offer))
        try:
            async with write_transaction():
                payment = await pay_order(found.order.id, offer)
        except NotPayable:
            return _to_order(request, shop, found)
        except SoldOut:
            return await _refused(request, shop, found, Refusal.SOLD_OUT, 409)
        return Redirect(
            request.app.route_reverse("pay", domain=shop.domain) + f"?payment={payment.token}",
            status_code=303,
        )

    @post("/receiver", name="refund_receiver")
    async def receiver(
        self, request: Request, shop: NamedDependency[Shop], gateways: NamedDependency[Gateways], token: FromPath[str]
    ) -> Response:
        """The shopper says which bank account a deposit goes back to."""
        found = await OrderPage.load(shop, token)
        wanted = found.receiver_wanted
        if wanted is None:
            return _to_order(request, shop, found)
        payment, refund = wanted
        form = ReceiverForm.of(await request.form())
        _ = translator(language_of(request, shop))
        receiver = form.check(banks_of(payment), found.order.customer_email, _)
        if receiver is None:
            context = await _context(request, shop, found, receiver=form)
            return page(request, "order.html", shop, 422, **context)
        await name_receiver(gateways, payment, refund, receiver)
        return _to_order(request, shop, found)


async def _load_fresh(
    shop: Shop, token: str, gateways: Gateways, background: Background, is_opened: bool = False
) -> OrderPage:
    """The order as it stands, after asking the PG about a payment whose money may be on its way. Raises NotFound.

    A page that a person opens asks more than one that looks again by itself.
    """
    if not token:
        raise NotFound
    found = await OrderPage.load(shop, token)
    payment = found.worth_asking or (found.may_be_paid_unseen if is_opened else None)
    if payment is None:
        return found
    try:
        await background.within(PATIENCE, look_again(gateways, payment, Cause.SHOPPER))
    except Exception as error:
        # What is known is shown all the same, and the worker goes on asking.
        log.error("look_failed", payment=str(payment.id), error=describe(error))
    return await OrderPage.load(shop, token)


async def _refused(request: Request, shop: Shop, found: OrderPage, why: Refusal, status_code: int) -> Response:
    _ = translator(language_of(request, shop))
    title, sentence = REFUSALS[why]
    context = await _context(request, shop, found)
    if why is Refusal.SOLD_OUT:
        context["pay_again"] = None
    return page(request, "refused.html", shop, status_code, title=_(title), sentence=_(sentence), **context)


async def _context(
    request: Request, shop: Shop, found: OrderPage, receiver: ReceiverForm | None = None
) -> dict[str, object]:
    """What the result pages and the order page say of an order; `receiver` is a form to be shown with its errors."""
    _ = translator(language_of(request, shop))
    url = request.app.route_reverse
    paying = found.paying
    accounts = await list_accounts(shop)
    again = None
    if found.can_be_paid or found.awaits_deposit:
        offers = [offer for offer in offers_of(accounts) if offer.takes(found.order.total)]
        used = f"{paying.account}:{paying.way}" if paying else ""
        again = {
            "action": url("pay_again", domain=shop.domain, token=found.order.token),
            # A virtual account that waits needs no second one; a way that is not offered any more is not offered again.
            "pay": used if found.can_be_paid and used in {offer.value for offer in offers} else "",
            "label": _("결제하기") if found.order.status == OrderStatus.PENDING else _("다시 결제하기"),
            "others": [way for way in views_of_ways(offers, _) if way.value != used],
        }
    return {
        "order": await found.view(),
        "status": found.status(_, _poll_url(request, shop, found)),
        "assurance": found.assurance(_),
        "reason": found.reason(_),
        "amounts": found.amounts(),
        "timeline": found.timeline(_),
        "method_label": found.method_label(_),
        "paid_at": found.order.paid_at,
        "receipt_url": paying.receipt_url if paying and found.is_paid else None,
        "hold_until": found.hold_until,
        "pay_again": again,
        "deposit": found.deposit,
        "receiver": _receiver_view(request, shop, found, receiver),
        "is_test": any(paying and account.id == paying.account and account.mode == "test" for account in accounts),
        "order_url": url("order", domain=shop.domain, token=found.order.token),
    }


def _receiver_view(request: Request, shop: Shop, found: OrderPage, form: ReceiverForm | None) -> object:
    if found.receiver_wanted is None:
        return None
    payment, refund = found.receiver_wanted
    return {
        "action": request.app.route_reverse("refund_receiver", domain=shop.domain, token=found.order.token),
        "banks": banks_of(payment),
        "amount": Money(refund.amount, payment.currency),
        "was_refused": refund.failure_code is not None,
        "form": form or ReceiverForm(),
    }


def _poll_url(request: Request, shop: Shop, found: OrderPage) -> str:
    path = request.app.route_reverse("order_status", domain=shop.domain, token=found.order.token)
    return f"{path}?shown={found.key}"


def _to_order(request: Request, shop: Shop, found: OrderPage) -> Redirect:
    return Redirect(request.app.route_reverse("order", domain=shop.domain, token=found.order.token), status_code=303)
