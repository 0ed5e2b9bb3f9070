"""Stripe's server API: Sessions, and everything that can only be looked at."""

from litestar import Controller, HttpMethod, Request, Response, get, post, route
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.sandbox import stripe_requests as requests
from app.sandbox.stripe_calls import StripeReads, changing, named
from app.sandbox.stripe_desk import Asked
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_form import anything
from app.sandbox.stripe_parts import Stripe
from app.sandbox.stripe_store import Document
from app.sandbox.stripe_window import origin


class StripeSessionsApi(StripeReads):
    path = "/stripe/v1/checkout/sessions"
    kind = "checkout.session"

    @post("/", status_code=200)
    async def create(self, request: Request, stripe: NamedDependency[Stripe]) -> Response:
        return await stripe.desk.move(
            request,
            "begin",
            requests.session,
            named,
            lambda asked: stripe.sessions.create(asked.account, asked.fields, origin(request)),
        )

    @post("/{object_id:str}/expire", status_code=200)
    async def expire(self, request: Request, stripe: NamedDependency[Stripe], object_id: FromPath[str]) -> Response:
        return await stripe.desk.move(
            request,
            "close",
            lambda _: requests.EXPIRE,
            lambda _: stripe.reference(object_id),
            changing(stripe, "checkout.session", object_id, lambda case, _: stripe.sessions.expire(case)),
        )

    @get("/{object_id:str}/line_items")
    async def items(self, request: Request, stripe: NamedDependency[Stripe], object_id: FromPath[str]) -> Response:
        return await stripe.desk.look(
            request,
            requests.LINE_ITEMS,
            lambda _: stripe.reference(object_id),
            lambda asked: stripe.lists.line_items(asked.account, object_id, asked.fields),
        )


class StripeChargesApi(StripeReads):
    path = "/stripe/v1/charges"
    kind = "charge"


class StripeDisputesApi(StripeReads):
    path = "/stripe/v1/disputes"
    kind = "dispute"


class StripeEventsApi(StripeReads):
    path = "/stripe/v1/events"
    kind = "event"


class StripeMovementsApi(StripeReads):
    path = "/stripe/v1/balance_transactions"
    kind = "balance_transaction"


class StripeRestApi(Controller):
    path = "/stripe/v1"

    @get("/account")
    async def account(self, request: Request, stripe: NamedDependency[Stripe]) -> Response:
        return await stripe.desk.look(request, requests.NOTHING, lambda _: None, _account)

    @route("/{rest:path}", http_method=[HttpMethod.GET, HttpMethod.POST, HttpMethod.DELETE], status_code=200)
    async def unknown(self, request: Request, stripe: NamedDependency[Stripe]) -> Response:
        def refuse(_: Asked) -> Document:
            message = f"Unrecognized request URL ({request.method}: {request.url.path.removeprefix('/stripe')})."
            raise StripeError("resource_missing", message)

        return await stripe.desk.look(request, anything, lambda _: None, refuse)


def _account(asked: Asked) -> Document:
    account = asked.account
    return {
        "id": account.merchant,
        "object": "account",
        "business_profile": {"name": account.shop_name},
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "payouts_enabled": True,
        "type": "standard",
    }
