"""Stripe's pages for the buyer: Checkout, the form for a PaymentIntent, 3D Secure, the receipt."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from litestar import Controller, HttpMethod, Request, post, route
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import FromPath
from litestar.response import Redirect, Template
from litestar.types import ExceptionHandlersMap

from app.sandbox.stripe_cards import CARDS, WAYS
from app.sandbox.stripe_cases import Case
from app.sandbox.stripe_console import act, possible
from app.sandbox.stripe_counter import (
    FAULTS,
    WEBHOOK_FAULTS,
    arm,
    authenticate,
    case_of_secret,
    means_of,
    pay,
    way_back,
    way_out,
    ways_of,
)
from app.sandbox.stripe_errors import DECLINES, StripeError
from app.sandbox.stripe_parts import Stripe
from app.sandbox.stripe_reasons import REASONS

READ = [HttpMethod.GET, HttpMethod.HEAD]
PAGE, AUTHENTICATE = "/window/stripe/{pg_id:str}", "/window/stripe/{pg_id:str}/authenticate"


def refused_page(_: Request, error: StripeError) -> Template:
    """A page that Stripe would not show, said in a sentence."""
    return Template("sandbox/refused.html", context={"error": error}, status_code=error.status)


def origin(request: Request) -> str:
    """The sandbox's own address, as this caller wrote it."""
    return str(request.base_url).rstrip("/")


class StripeWindow(Controller):
    exception_handlers: ClassVar[ExceptionHandlersMap] = {StripeError: refused_page}

    @post("/window/stripe", status_code=200)
    async def open(self, request: Request, stripe: NamedDependency[Stripe]) -> Template:
        """The door for a buyer without JavaScript: what the pay page hands to the SDK, posted."""
        raw = await _posted(request)
        case = case_of_secret(stripe, raw.get("publishableKey"), raw.get("clientSecret"))
        if not isinstance(raw.get("returnUrl"), str):
            raise StripeError("parameter_missing", "returnUrl이 필요합니다.", "returnUrl")
        with stripe.cases.keeping(case):
            case.payment.facts |= {"return_url": raw["returnUrl"], "origin": origin(request)}
        return _page(case)

    @route(PAGE, http_method=READ)
    async def show(self, stripe: NamedDependency[Stripe], pg_id: FromPath[str]) -> Template:
        return _page(_known(stripe, pg_id))

    @post(PAGE)
    async def press(
        self, request: Request, stripe: NamedDependency[Stripe], pg_id: FromPath[str]
    ) -> Redirect | Template:
        case, form = _known(stripe, pg_id), await request.form()
        action, decline = form.get("action"), form.get("decline_code", "generic_decline")
        if action not in ("approve", "decline", "cancel") or decline not in DECLINES:
            raise StripeError("invalid_request", "버튼 또는 거절의 까닭이 올바르지 않습니다.")
        means = means_of(case, form.get("way"), form.get("number"))
        if not case.is_open:
            # A button pressed twice leads to the same place.
            place = way_back(case) if action == "approve" and _is_through(case) else None
            return Redirect(place, status_code=303) if place else _page(case, status_code=409)
        if action == "cancel":
            place = way_out(case)
            return Redirect(place, status_code=303) if place else _page(case, status_code=409)
        arm(stripe, case, form.getall("fault", []))
        try:
            pay(stripe, case, means, decline if action == "decline" else None)
        except StripeError as error:
            return _refused(case, error)
        return _onwards(case)

    @route(AUTHENTICATE, http_method=READ)
    async def ask(self, stripe: NamedDependency[Stripe], pg_id: FromPath[str]) -> Template:
        case = _known(stripe, pg_id)
        return _authentication(case) if _is_asked(case) else _page(case)

    @post(AUTHENTICATE)
    async def answer(
        self, request: Request, stripe: NamedDependency[Stripe], pg_id: FromPath[str]
    ) -> Redirect | Template:
        """3D Secure: the buyer is who they say, or is not, or closes the page, which is the same."""
        case, form = _known(stripe, pg_id), await request.form()
        if form.get("action") not in ("approve", "decline", "cancel"):
            raise StripeError("invalid_request", "action은 approve, decline, cancel 가운데 하나여야 합니다.")
        if not _is_asked(case):
            place = way_back(case) if _is_through(case) else None
            return Redirect(place, status_code=303) if place else _page(case, status_code=409)
        try:
            authenticate(stripe, case, form["action"] == "approve")
        except StripeError as error:
            return _refused(case, error)
        return _onwards(case)

    @post("/window/stripe/{pg_id:str}/account")
    async def move_money(self, request: Request, stripe: NamedDependency[Stripe], pg_id: FromPath[str]) -> Redirect:
        """A button of the bank or of the console. One that is out of date does nothing."""
        case, form = _known(stripe, pg_id), await request.form()
        action, chosen = form.get("action"), form.getall("fault", [])
        if not set(chosen) <= set(WEBHOOK_FAULTS):
            raise StripeError("invalid_request", "고장의 이름이 올바르지 않습니다.")
        if action in possible(case):
            arm(stripe, case, chosen)
            act(stripe, action, case)
        return Redirect(f"/window/stripe/{case.payment.pg_id}", status_code=303)

    @route("/receipts/stripe/{charge_id:str}", http_method=READ)
    async def receipt(self, stripe: NamedDependency[Stripe], charge_id: FromPath[str]) -> Template:
        case = stripe.cases.of_object(charge_id)
        charge = case.documents.get(charge_id) if case else None
        if case is None or charge is None or charge["object"] != "charge" or not charge["captured"]:
            raise StripeError("resource_missing", f"No such charge: '{charge_id}'")
        context = {
            "payment": case.payment,
            "account": case.account,
            "charge": charge,
            "method": WAYS[charge["payment_method_details"]["type"]],
            "refunds": [each for each in case.of("refund") if each["status"] not in ("failed", "canceled")],
        }
        return Template("sandbox/stripe_receipt.html", context=context)


async def _posted(request: Request) -> Mapping[str, Any]:
    """A JSON body, a form field `handoff` that holds JSON, or flat form fields."""
    forms = (RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART)
    if request.content_type[0] in forms:
        form = await request.form()
        if "handoff" not in form:
            return form
        text = form["handoff"]
    else:
        text = await request.body()
    try:
        raw = json.loads(text)
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        raise StripeError("invalid_request", "결제 요청은 JSON 객체여야 합니다.")
    return raw


def _known(stripe: Stripe, pg_id: str) -> Case:
    """By the id of the Session or of the PaymentIntent."""
    return stripe.known(stripe.store.payment_of(pg_id) or pg_id)


def _is_through(case: Case) -> bool:
    """Whether the buyer has done everything."""
    return case.intent is not None and case.intent["status"] in ("succeeded", "processing", "requires_capture")


def _is_asked(case: Case) -> bool:
    return case.is_open and case.intent is not None and case.intent["status"] == "requires_action"


def _onwards(case: Case) -> Redirect | Template:
    """To 3D Secure, or back to the shop."""
    place = f"/window/stripe/{case.payment.pg_id}/authenticate" if _is_asked(case) else way_back(case)
    return Redirect(place, status_code=303) if place else _page(case)


def _refused(case: Case, error: StripeError) -> Redirect | Template:
    """Checkout says it on its own page, where the buyer may try again; other pages lead back to the shop."""
    place = None if case.session or not error.is_decline else way_back(case)
    is_sent_back = place is not None and error.code != "incorrect_number"
    return Redirect(place or "", status_code=303) if is_sent_back else _page(case, error, error.status)


def _page(case: Case, error: StripeError | None = None, status_code: int = 200) -> Template:
    context = {
        "payment": case.payment,
        "account": case.account,
        "is_open": case.is_open,
        "is_through": _is_through(case),
        "problem": (REASONS.get(error.decline_code or "") or error.message) if error else None,
        "ways": ways_of(case),
        "cards": CARDS,
        "declines": REASONS,
        "faults": FAULTS,
        "webhook_faults": WEBHOOK_FAULTS,
        "way_out": way_out(case),
        "refunds": case.of("refund"),
        "dispute": case.dispute,
        "verbs": possible(case),
    }
    return Template("sandbox/stripe_window.html", context=context, status_code=status_code)


def _authentication(case: Case) -> Template:
    context = {"payment": case.payment, "account": case.account}
    return Template("sandbox/stripe_authenticate.html", context=context)
