"""Stripe's API versions: which are played, and what an older one calls differently."""

import copy
import re

from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_store import Document

VERSION = re.compile(r"\d{4}-\d\d-\d\d(\.[a-z]+)?")
# From here on a PaymentIntent has no list of charges, and a Session none before the buyer confirms.
OLDEST = "2022-11-15"
# [U] The day in 2026 on which the user interfaces of Checkout got their present names.
RENAMED = "2026-01-01"
OLD_UI_MODES = {"hosted_page": "hosted", "embedded_page": "embedded", "elements": "custom"}


def read_version(asked: str | None, default: str) -> str:
    """The version that answers a request; `default` is that of the account."""
    if asked is None:
        return default
    if not VERSION.fullmatch(asked) or asked < OLDEST:
        raise StripeError("invalid_request", f"Invalid Stripe API version: {asked}. The sandbox plays {OLDEST} and on.")
    return asked


def ui_modes(version: str) -> tuple[str, ...]:
    """The words for `ui_mode`, the hosted page first."""
    return ("hosted_page", "embedded_page", "elements", "form") if version >= RENAMED else (*OLD_UI_MODES.values(),)


def render(document: Document, version: str) -> Document:
    """A copy of the object, in the words of this version."""
    shown = copy.deepcopy(document)
    if shown["object"] == "checkout.session" and version < RENAMED:
        shown["ui_mode"] = OLD_UI_MODES[shown["ui_mode"]]
    return shown
