"""What Stripe's errors mean for us, as data. Branch on the HTTP status and the code, never on the message.

Source: Stripe's API reference, "Errors", and its pages of error codes and decline codes. New codes come without
notice: `decision` says what one means that stands nowhere here.
"""

from collections.abc import Mapping
from typing import Any

from app.payments.provider import Misconfigured, Unreachable
from app.payments.providers.decisions import Decision

# What the HTTP status alone tells; codes are missing here as often as not. Every 5xx may have been done: LOOK_UP.
STATUSES = {
    401: Decision.MISCONFIGURED,
    403: Decision.MISCONFIGURED,
    409: Decision.RETRY,
    # An external dependency failed: Stripe asks for the same request again. [U] whether it is stored under the key.
    424: Decision.RETRY,
    429: Decision.RETRY,
}

_CODES = {
    Decision.RETRY: "idempotency_key_in_use rate_limit lock_timeout",
    # Every id that we send came from this very account, so that one it does not know is another account's or mode's.
    Decision.MISCONFIGURED: "resource_missing",
    # Also a key that was used with other parameters: what it has made is looked up, and the next request is another.
    Decision.LOOK_UP: "payment_intent_unexpected_state charge_already_refunded idempotency_error api_error",
    Decision.FINAL: """
        invalid_request_error parameter_missing parameter_unknown parameter_invalid_empty parameter_invalid_integer
        parameter_invalid_string_blank parameter_invalid_string_empty amount_too_small amount_too_large charge_disputed
        card_error card_declined expired_card incorrect_cvc incorrect_number processing_error authentication_required
        try_again_later issuer_not_available
    """,
}
DECISIONS = {code: decision for decision, codes in _CODES.items() for code in codes.split()}

# Decline codes that say no more than `card_declined`, or that Stripe forbids to tell a shopper.
UNTOLD = frozenset({"generic_decline", "do_not_honor", "fraudulent", "lost_card", "pickup_card", "stolen_card"})


class StripeError(Exception):
    """An error that Stripe answered. `code` is its code, or its type where it has none."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code

    @property
    def decision(self) -> Decision:
        """Of the codes that we do not know, 5xx may have been done, other 4xx have not."""
        if self.status >= 500:
            return Decision.LOOK_UP
        return STATUSES.get(self.status) or DECISIONS.get(self.code, Decision.FINAL)

    def as_no_answer(self) -> Unreachable | Misconfigured:
        """The error where nothing but its answer was wanted."""
        return (Misconfigured if self.decision is Decision.MISCONFIGURED else Unreachable)(self.code)


def code_of(error: object) -> str | None:
    """The code of an `error` object, or its type where it has none; None where it is no such object."""
    if not isinstance(error, Mapping):
        return None
    found = error.get("code") or error.get("type")
    return found[:80] if isinstance(found, str) else None


def failure_of(error: Mapping[str, Any] | None) -> str | None:
    """Why a payment was declined: the decline code where it may be told, else the code."""
    if error is None:
        return None
    decline = error.get("decline_code")
    return decline[:80] if isinstance(decline, str) and decline not in UNTOLD else code_of(error)
