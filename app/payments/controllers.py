"""The PG's return: a shopper's browser, which is believed nothing."""

from urllib.parse import urlencode

from litestar import Controller, HttpMethod, Request, Response, route
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from app.background import Background
from app.orders.tables import Order
from app.payments.accounts import Gateways
from app.payments.concluding import Refusal, conclude_return
from app.payments.provider import Notice
from app.payments.states import PaymentStatus
from app.payments.tables import Payment
from app.shops.tables import Shop
from app.shops.tenancy import NotFound

# How long a shopper looks at an empty page; the PG may take a minute, and the work goes on.
PATIENCE = 8.0

PAGES = {PaymentStatus.FAILED: "fail", PaymentStatus.EXPIRED: "fail", PaymentStatus.CANCELLED: "cancel"}


class ReturnController(Controller):
    """Open to every origin and method that a PG may come back with, so it needs neither cookie nor CSRF token: the
    payment is known by the unguessable token in its URL."""

    path = "/{domain:str}/checkout/callback"
    opt = {"exclude_from_csrf": True}  # noqa: RUF012

    @route("/", http_method=[HttpMethod.GET, HttpMethod.POST], status_code=303, name="callback")
    async def come_back(
        self,
        request: Request,
        shop: NamedDependency[Shop],
        gateways: NamedDependency[Gateways],
        background: NamedDependency[Background],
        payment: FromQuery[str] = "",
    ) -> Response:
        found = await Payment.objects(Payment.order).where(Payment.token == payment).first()
        if found is None or found.order.shop != shop.id:
            request.app.state.metrics.unknown_returns.inc()
            raise NotFound
        order, found.order = found.order, found.order.id
        notice = Notice(await _fields(request))
        refusal = await background.within(PATIENCE, conclude_return(gateways, found, notice))
        return Redirect(await _where(request, shop, order.id, found.id, refusal), status_code=303)


async def _fields(request: Request) -> dict[str, str]:
    """What the PG appended, from the query or a posted form; of a field that comes twice the first counts."""
    fields = {name: request.query_params.getall(name)[0] for name in request.query_params if name != "payment"}
    if request.method == HttpMethod.POST:
        fields |= {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    return {name[:40]: value[:400].replace("\0", "") for name, value in list(fields.items())[:20]}


async def _where(request: Request, shop: Shop, order_id: object, payment_id: object, refusal: Refusal | None) -> str:
    """The page that is true now, whatever the browser came back with."""
    payments = {payment.id: payment for payment in await Payment.objects().where(Payment.order == order_id)}
    # Read after its payments: one that another tab settles in between is seen here as undecided or as paid.
    order = await Order.objects().get(Order.id == order_id)
    undecided = any(payment.status == PaymentStatus.CONFIRMING for payment in payments.values())
    query = {"order": order.token}
    if order.paid_by is not None or undecided:
        name = "success"
    elif refusal is not None:
        name, query["why"] = "fail", refusal.value
    elif (status := payments[payment_id].status) in PAGES:
        name = PAGES[status]
    else:
        return request.app.route_reverse("order", domain=shop.domain, token=order.token)
    return f"{request.app.route_reverse(name, domain=shop.domain)}?{urlencode(query)}"
