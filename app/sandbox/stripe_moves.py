"""Stripe's server API: PaymentIntents and Refunds, where a shop's server moves money."""

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.sandbox import stripe_requests as requests
from app.sandbox.stripe_calls import StripeReads, changing, named
from app.sandbox.stripe_cases import Case
from app.sandbox.stripe_desk import Asked
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_form import updated
from app.sandbox.stripe_parts import Stripe
from app.sandbox.stripe_store import Document
from app.sandbox.stripe_window import origin


class StripeIntentsApi(StripeReads):
    path = "/stripe/v1/payment_intents"
    kind = "payment_intent"

    @post("/", status_code=200)
    async def create(self, request: Request, stripe: NamedDependency[Stripe]) -> Response:
        return await stripe.desk.move(
            request,
            "begin",
            lambda _: requests.INTENT,
            named,
            lambda asked: stripe.payments.create(asked.account, asked.fields, origin(request)),
        )

    @post("/{object_id:str}", status_code=200)
    async def update(self, request: Request, stripe: NamedDependency[Stripe], object_id: FromPath[str]) -> Response:
        return await stripe.desk.move(
            request,
            "begin",
            lambda _: requests.INTENT_UPDATE,
            lambda _: stripe.reference(object_id),
            changing(
                stripe,
                "payment_intent",
                object_id,
                lambda case, asked: stripe.payments.update(case, asked.fields),
            ),
        )

    @post("/{object_id:str}/confirm", status_code=200)
    async def confirm(self, request: Request, stripe: NamedDependency[Stripe], object_id: FromPath[str]) -> Response:
        return await stripe.desk.move(
            request,
            "confirm",
            lambda _: requests.CONFIRM,
            lambda _: stripe.reference(object_id),
            changing(
                stripe,
                "payment_intent",
                object_id,
                lambda case, asked: stripe.payments.confirm(_free(case), asked.fields, asked.refuse_with),
            ),
        )

    @post("/{object_id:str}/capture", status_code=200)
    async def capture(self, request: Request, stripe: NamedDependency[Stripe], object_id: FromPath[str]) -> Response:
        def capture(case: Case, asked: Asked) -> Document:
            if asked.refuse_with:
                raise StripeError(asked.refuse_with)
            return stripe.captures.capture(case, asked.fields)

        return await stripe.desk.move(
            request,
            "confirm",
            lambda _: requests.CAPTURED,
            lambda _: stripe.reference(object_id),
            changing(stripe, "payment_intent", object_id, capture),
        )

    @post("/{object_id:str}/cancel", status_code=200)
    async def cancel(self, request: Request, stripe: NamedDependency[Stripe], object_id: FromPath[str]) -> Response:
        return await stripe.desk.move(
            request,
            "close",
            lambda _: requests.CANCEL,
            lambda _: stripe.reference(object_id),
            changing(
                stripe,
                "payment_intent",
                object_id,
                lambda case, asked: stripe.captures.cancel(_free(case), asked.fields.get("cancellation_reason")),
            ),
        )


class StripeRefundsApi(StripeReads):
    path = "/stripe/v1/refunds"
    kind = "refund"

    @post("/", status_code=200)
    async def create(self, request: Request, stripe: NamedDependency[Stripe]) -> Response:
        def create(asked: Asked) -> Document:
            with stripe.cases.keeping(stripe.refunds.case_of(asked.account, asked.fields)) as case:
                return stripe.refunds.create(case, asked.fields)

        return await stripe.desk.move(
            request,
            "cancel",
            lambda _: requests.REFUND,
            lambda fields: stripe.reference(fields.get("payment_intent", fields.get("charge"))),
            create,
        )

    @post("/{object_id:str}", status_code=200)
    async def update(self, request: Request, stripe: NamedDependency[Stripe], object_id: FromPath[str]) -> Response:
        def update(case: Case, asked: Asked) -> Document:
            refund = case.documents[object_id]
            refund["metadata"] = updated(refund["metadata"], asked.fields.get("metadata"))
            return refund

        return await stripe.desk.move(
            request,
            "cancel",
            lambda _: requests.OF_REFUND,
            lambda _: stripe.reference(object_id),
            changing(stripe, "refund", object_id, update),
        )

    @post("/{object_id:str}/cancel", status_code=200)
    async def cancel(self, request: Request, stripe: NamedDependency[Stripe], object_id: FromPath[str]) -> Response:
        return await stripe.desk.move(
            request,
            "cancel",
            lambda _: requests.CANCEL_REFUND,
            lambda _: stripe.reference(object_id),
            changing(
                stripe, "refund", object_id, lambda case, _: stripe.refunds.cancel(case, case.documents[object_id])
            ),
        )


def _free(case: Case) -> Case:
    """[U] While a Session is open, its PaymentIntent belongs to the hosted page."""
    if case.session and case.session["status"] == "open":
        message = "This PaymentIntent belongs to an open Checkout Session: expire the Session instead."
        raise StripeError("payment_intent_unexpected_state", message, payment_intent=case.intent)
    return case
