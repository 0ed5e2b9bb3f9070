"""From the checkout form to the PG's door."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from urllib.parse import urlencode

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from app.checkout.form import CheckoutForm, is_token, parse_quantity
from app.checkout.order_page import OrderPage, OrderView
from app.checkout.ways import WayView, views_of_ways
from app.database import write_transaction
from app.language import N_, translator
from app.money import Money
from app.orders.placing import Wanted, form_token, held_by_form, place_order
from app.orders.states import OrderStatus
from app.orders.stock import SoldOut
from app.orders.tables import Order
from app.orders.totals import limit_of, totals_of
from app.pages import language_of, page
from app.payments.accounts import Gateways, Offer, list_offers, note_health
from app.payments.closing import close_order, give_up
from app.payments.concluding import look_again
from app.payments.following import offer_again
from app.payments.handoff import hand_over
from app.payments.provider import Misconfigured, Over, Unreachable
from app.payments.starting import NotPayable, begin_payment
from app.payments.states import Cause, PaymentStatus
from app.payments.tables import Payment
from app.payments.tenancy import find_payment
from app.shops.tables import Product, Shop
from app.shops.tenancy import find_product
from app.shops.views import view_of

# How long a shopper to whom a PG did not open may still be trying.
TRYING_AGAIN = timedelta(minutes=10)

UNBEGUN = (
    N_("결제사에 연결하지 못했어요"),
    N_("결제사가 지금 답하지 않습니다. 잠시 뒤에 다시 열거나, 주문 화면에서 다른 방법으로 결제해 주세요."),
)
UNBEGUN_BY_KEYS = (
    N_("가게의 결제 설정에 문제가 있어요"),
    N_("결제사가 이 가게의 요청을 받지 않습니다. 주문 화면에서 다른 방법으로 결제하거나 가게에 알려 주세요."),
)


@dataclass(frozen=True, slots=True)
class TotalsView:
    product_name: str
    price: Money
    quantity_text: str
    total: Money | None
    message: str | None
    pay_label: str


class CheckoutController(Controller):
    path = "/{domain:str}/checkout"

    @get("/", name="checkout")
    async def form(
        self,
        request: Request,
        shop: NamedDependency[Shop],
        product: FromQuery[str] = "",
        quantity: FromQuery[str] = "1",
        checkout_token: FromQuery[str] = "",
    ) -> Response:
        found = await find_product(shop, product)
        form = CheckoutForm.fresh(product, quantity, checkout_token)
        await _count_own_hold(shop, found, form)
        return _form_page(request, shop, found, await list_offers(shop), form)

    @get("/totals", name="totals")
    async def totals(
        self,
        request: Request,
        shop: NamedDependency[Shop],
        product: FromQuery[str] = "",
        quantity: FromQuery[str] = "",
        pay: FromQuery[str] = "",
        checkout_token: FromQuery[str] = "",
    ) -> Response:
        found = await find_product(shop, product)
        await _count_own_hold(shop, found, CheckoutForm(quantity=quantity, checkout_token=checkout_token))
        offers = await list_offers(shop)
        lang = language_of(request, shop)
        view, ways = _totals(found, quantity.strip(), offers, lang)
        # A price under a PG's least amount lets the ways come and go with the quantity.
        changed = len(ways) != len(offers) or not all(offer.takes(found.unit_price) for offer in offers)
        return page(
            request,
            "_totals.html",
            shop,
            totals=view,
            oob=True,
            ways_changed=changed,
            ways=ways,
            chosen=pay,
            no_ways_sentence=_no_ways(offers, found, lang),
        )

    @post("/", name="submit_checkout")
    async def submit(
        self, request: Request, shop: NamedDependency[Shop], gateways: NamedDependency[Gateways]
    ) -> Response:
        form = CheckoutForm.of(await request.form())
        product = await find_product(shop, form.product)
        await _count_own_hold(shop, product, form)
        offers = await list_offers(shop)
        quantity, offer = form.check(product, offers, translator(language_of(request, shop)))
        if form.errors or offer is None:
            return _form_page(request, shop, product, offers, form)
        wanted = Wanted(product, quantity, form.email, form.checkout_token)
        try:
            payment = await place_order(shop, wanted, close_order, partial(begin_payment, offer=offer))
        except SoldOut as error:
            product.stock = error.left
            form.refuse_quantity(product, translator(language_of(request, shop)))
            return _form_page(request, shop, product, offers, form)
        except NotPayable as error:
            return _to_order(request, shop, error.order)
        return Redirect(_url(request, "pay", shop) + f"?payment={payment.token}", status_code=303)

    @get("/pay", name="pay")
    async def pay(
        self,
        request: Request,
        shop: NamedDependency[Shop],
        gateways: NamedDependency[Gateways],
        payment: FromQuery[str] = "",
    ) -> Response:
        found, order = await find_payment(shop, payment)
        if found.status != PaymentStatus.CREATED or order.status != OrderStatus.PENDING:
            return _to_order(request, shop, order)
        view = await OrderPage(order, [found]).view()
        return_url = gateways.settings.base_url + _url(request, "callback", shop) + f"?payment={found.token}"
        lang = language_of(request, shop)
        _ = translator(lang)
        try:
            handover = await hand_over(gateways, found, order, view.name, return_url, lang)
        except Over:
            if await look_again(gateways, found, Cause.SHOPPER):
                await give_up(found, PaymentStatus.EXPIRED, "WINDOW_OVER", Cause.SHOPPER)
            return _to_order(request, shop, order)
        except (Unreachable, Misconfigured) as error:
            await note_health(found.account, error)
            if isinstance(error, Unreachable):
                async with write_transaction():
                    await offer_again(order, TRYING_AGAIN)
            return self._unbegun(request, shop, found, order, view, isinstance(error, Misconfigured))
        return page(
            request,
            handover.template,
            shop,
            # A PG may open its window as a popup, which reports to this page.
            headers={"Cross-Origin-Opener-Policy": "same-origin-allow-popups"},
            csp=handover.csp,
            order=view,
            provider_label=_(handover.label),
            way_label=_(handover.way_label),
            handoff_json=handover.handoff_json,
            handoff_url=handover.url,
            pay_label=_("%(amount)s 결제하기", amount=view.total.text(lang)),
            sdk_url=handover.sdk_url,
            is_test=handover.is_test,
            payment_token=found.token,
            edit_url=_edit_url(request, shop, order, view),
            order_url=_url(request, "order", shop, token=order.token),
        )

    def _unbegun(
        self, request: Request, shop: Shop, payment: Payment, order: Order, view: OrderView, is_refused: bool
    ) -> Response:
        """The PG could not be asked to begin: nothing was charged, and the shopper tries again or pays another way."""
        _ = translator(language_of(request, shop))
        title, sentence = UNBEGUN_BY_KEYS if is_refused else UNBEGUN
        return page(
            request,
            "unbegun.html",
            shop,
            503,
            title=_(title),
            sentence=_(sentence),
            order=view,
            retry_url=_url(request, "pay", shop) + f"?payment={payment.token}",
            order_url=_url(request, "order", shop, token=order.token),
        )


async def _count_own_hold(shop: Shop, product: Product, form: CheckoutForm) -> None:
    """Where the stock alone does not suffice, what the form's own order holds counts as well."""
    if product.is_limited_by_stock and form.wants_more_than(product.stock) and is_token(form.checkout_token):
        product.stock += await held_by_form(shop, product, form.checkout_token)


def _url(request: Request, name: str, shop: Shop, **params: str) -> str:
    return request.app.route_reverse(name, domain=shop.domain, **params)


def _edit_url(request: Request, shop: Shop, order: Order, view: OrderView) -> str:
    """Back to the form that made the order: sent again with other content, it replaces the order."""
    item = view.items[0]
    query = {"product": item.product_id, "quantity": item.quantity, "checkout_token": form_token(order)}
    return f"{_url(request, 'checkout', shop)}?{urlencode(query)}"


def _to_order(request: Request, shop: Shop, order: Order) -> Redirect:
    return Redirect(_url(request, "order", shop, token=order.token), status_code=303)


def _form_page(request: Request, shop: Shop, product: Product, offers: list[Offer], form: CheckoutForm) -> Response:
    lang = language_of(request, shop)
    totals, ways = _totals(product, form.quantity, offers, lang)
    return page(
        request,
        "checkout.html",
        shop,
        422 if form.errors else 200,
        # Back from the PG's window shows this very form, whose token lets a changed one replace its order.
        headers=None if form.errors else {"Cache-Control": "private, no-cache"},
        product=view_of(product, request.app.route_reverse, shop.domain),
        form=form,
        quantity_max=limit_of(product) if product.most is not None else None,
        sold_out=product.is_sold_out,
        totals=totals,
        ways=ways,
        no_ways_sentence=_no_ways(offers, product, lang),
        is_test=any(offer.is_test for offer in offers),
    )


def _totals(product: Product, text: str, offers: list[Offer], lang: str) -> tuple[TotalsView, list[WayView]]:
    """The slip for a quantity as it was typed, and the ways that take its total."""
    _ = translator(lang)
    try:
        quantity = parse_quantity(text, product, _)
    except ValueError as error:
        view = TotalsView(product.name, product.unit_price, "–", None, str(error), _("결제하기"))
        return view, views_of_ways(offers, _)
    total = totals_of(product, quantity).total
    ways = views_of_ways(offers, _, total)
    view = TotalsView(
        product_name=product.name,
        price=product.unit_price,
        quantity_text=_("%(count)s개", count=f"{quantity:,}"),
        total=total,
        message=None,
        pay_label=_("%(amount)s 결제하기", amount=total.text(lang)),
    )
    return view, ways


def _no_ways(offers: list[Offer], product: Product, lang: str) -> str:
    """Why no way to pay is offered."""
    _ = translator(lang)
    least = [offer.way.minimum[product.currency] for offer in offers if product.currency in offer.way.minimum]
    if not least:
        return _("이 가게는 아직 결제를 받지 않습니다.")
    minimum = Money(min(least), product.currency)
    return _("%(amount)s부터 결제할 수 있습니다. 수량을 늘려 주세요.", amount=minimum.text(lang))
