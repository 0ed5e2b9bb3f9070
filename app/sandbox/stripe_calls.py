"""What the calls of Stripe's server API have in common."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.sandbox import stripe_requests as requests
from app.sandbox.stripe_cases import Case
from app.sandbox.stripe_desk import Asked
from app.sandbox.stripe_parts import Stripe
from app.sandbox.stripe_store import Document


class StripeReads(Controller):
    """A list of one kind of object, and each of them by its id."""

    kind: ClassVar[str]

    @get("/")
    async def all(self, request: Request, stripe: NamedDependency[Stripe]) -> Response:
        """A list that is narrowed to one payment counts as a question about that payment."""
        return await stripe.desk.look(
            request,
            requests.listing(self.kind),
            lambda fields: stripe.reference(fields.get("payment_intent", fields.get("charge"))),
            lambda asked: stripe.lists.page(asked.account, self.kind, asked.fields, stripe.world.now()),
        )

    @get("/{object_id:str}")
    async def one(self, request: Request, stripe: NamedDependency[Stripe], object_id: FromPath[str]) -> Response:
        return await stripe.desk.look(
            request,
            requests.single(self.kind),
            lambda _: stripe.reference(object_id),
            lambda asked: stripe.lists.find(asked.account, self.kind, object_id, stripe.world.now()),
        )


def changing(
    stripe: Stripe, kind: str, object_id: str, change: Callable[[Case, Asked], Document]
) -> Callable[[Asked], Document]:
    """Work on the payment of one object, kept afterwards."""

    def work(asked: Asked) -> Document:
        with stripe.cases.keeping(stripe.case(asked.account, kind, object_id)) as case:
            return change(case, asked)

    return work


def named(fields: Mapping[str, Any]) -> str | None:
    """The merchant's id of a payment that is about to begin."""
    of_intent = fields.get("payment_intent_data", {})
    ids = (
        fields.get("client_reference_id"),
        fields.get("metadata", {}).get("reference"),
        of_intent.get("metadata", {}).get("reference"),
    )
    return next((each for each in ids if each), None)
