"""The PG's two ways back: the shopper's browser, and its webhooks. Neither is believed; both are reasons to ask."""

from urllib.parse import urlencode

import structlog
from litestar import Controller, HttpMethod, MediaType, Request, Response, post, route
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from app.background import Background
from app.incoming import IS_HEAD
from app.orders.tables import Order
from app.payments.accounts import Gateways
from app.payments.concluding import Refusal, conclude_return
from app.payments.inbox import receive
from app.payments.provider import Delivery, Forged, Notice, NotSetUp, Unreadable
from app.payments.states import PaymentStatus
from app.payments.tables import Payment
from app.payments.tenancy import find_account, find_payment
from app.shops.tables import Shop
from app.shops.tenancy import NotFound

log = structlog.get_logger("payments")

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
        try:
            found, order = await find_payment(shop, payment)
        except NotFound:
            request.app.state.metrics.unknown_returns.inc()
            raise
        if IS_HEAD in request.scope:
            # Somebody looks at the link; nobody has come back.
            return Redirect(request.app.route_reverse("order", domain=shop.domain, token=order.token), status_code=303)
        notice = Notice(await _fields(request))
        refusal = await background.within(PATIENCE, conclude_return(gateways, found, notice))
        return Redirect(await _where(request, shop, order.id, found.id, refusal), status_code=303)


class WebhookController(Controller):
    """Verify, store, commit, 200. What is forged is 401, what cannot be read 400, an account without a secret to verify
    with 404; our own failure is 500, so that the PG sends again."""

    path = "/webhooks/{provider:str}/{account:str}"
    opt = {"exclude_from_csrf": True}  # noqa: RUF012

    @post("/", status_code=200, media_type=MediaType.TEXT, name="webhook")
    async def hear(
        self, request: Request, gateways: NamedDependency[Gateways], provider: FromPath[str], account: FromPath[str]
    ) -> Response[str]:
        found = await find_account(provider, account)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            await receive(gateways, found, Delivery(headers, await request.body()))
            request.app.state.wake.set()
        except NotSetUp:
            raise NotFound from None
        except Forged as error:
            log.warning("webhook_forged", account=str(found.id), why=str(error))
            request.app.state.metrics.forged_webhooks.inc()
            return Response("not authentic", media_type=MediaType.TEXT, status_code=401)
        except Unreadable:
            request.app.state.metrics.unreadable_webhooks.inc()
            return Response("unreadable", media_type=MediaType.TEXT, status_code=400)
        return Response("ok", media_type=MediaType.TEXT)


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
