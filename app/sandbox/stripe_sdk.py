"""Stripe.js as the sandbox plays it: the script, the card form in its frame, and what the form sends."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from litestar import Controller, Request, Response, post, route
from litestar.di import NamedDependency
from litestar.response import Template
from litestar.types import ExceptionHandlersMap

from app.sandbox.stripe_captures import unexpected
from app.sandbox.stripe_cards import CARDS
from app.sandbox.stripe_counter import FAULTS, arm, case_of_secret, means_of, pay, way_back, ways_of
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_parts import Stripe
from app.sandbox.stripe_window import READ, origin

TEMPLATES = Path(__file__).parents[2] / "templates" / "sandbox"


def refusal(_: Request, error: StripeError) -> Response:
    return Response(error.body, status_code=error.status)


class StripeSdk(Controller):
    path = "/sdk/stripe"
    exception_handlers: ClassVar[ExceptionHandlersMap] = {StripeError: refusal}

    @route("/v3", http_method=READ)
    async def script(self) -> Response:
        return _script("stripe_sdk.js")

    @route("/element", http_method=READ)
    async def element(self, request: Request, stripe: NamedDependency[Stripe]) -> Template:
        """The card form for a PaymentIntent, to be put into a frame of the shop's page."""
        query = request.query_params
        try:
            case = case_of_secret(stripe, query.get("key"), query.get("client_secret"))
        except StripeError as error:
            return Template("sandbox/stripe_element.html", context={"error": error}, status_code=error.status)
        context = {"error": None, "ways": ways_of(case), "cards": CARDS, "faults": FAULTS}
        return Template("sandbox/stripe_element.html", context=context)

    @route("/element.js", http_method=READ)
    async def element_script(self) -> Response:
        return _script("stripe_element.js")

    @post("/confirm", status_code=200)
    async def confirm(self, request: Request, stripe: NamedDependency[Stripe]) -> Response:
        """The buyer pays in the frame: where the browser must go, or Stripe's error."""
        raw = await _json(request)
        case = case_of_secret(stripe, raw.get("key"), raw.get("clientSecret"))
        if not case.is_open and case.intent:
            raise unexpected(case.intent, "confirm")
        means = means_of(case, raw.get("way"), raw.get("number"))
        faults = raw.get("faults", [])
        arm(stripe, case, faults if isinstance(faults, list) else [faults])
        return_url = raw.get("returnUrl")
        if return_url is not None and not isinstance(return_url, str):
            raise StripeError("invalid_request", "return_url must be a URL.", "return_url")
        case.payment.facts |= {"return_url": return_url, "origin": origin(request)}
        pay(stripe, case, means)
        intent = case.intent
        assert intent is not None
        action = intent["next_action"]
        place = action["redirect_to_url"]["url"] if action else None
        return Response({"paymentIntent": intent, "authenticate": place, "return": way_back(case)})


def _script(name: str) -> Response:
    return Response((TEMPLATES / name).read_text("utf-8"), media_type="text/javascript")


async def _json(request: Request) -> Mapping[str, Any]:
    try:
        raw = json.loads(await request.body())
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        raise StripeError("invalid_request", "The body must be a JSON object.")
    return raw
