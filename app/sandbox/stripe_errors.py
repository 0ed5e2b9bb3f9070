"""Stripe's errors as data: HTTP status, type and message of each code."""

from typing import Any

from app.sandbox.gateway import GatewayError

INVALID, CARD, API = "invalid_request_error", "card_error", "api_error"
ERRORS: dict[str, tuple[int, str, str]] = {
    "invalid_request": (400, INVALID, "This request is not valid."),
    "parameter_missing": (400, INVALID, "Missing required param."),
    "parameter_unknown": (400, INVALID, "Received unknown parameter."),
    "parameter_invalid_empty": (400, INVALID, "This parameter cannot be empty."),
    "parameter_invalid_integer": (400, INVALID, "Invalid integer."),
    "amount_too_small": (400, INVALID, "The amount is below the minimum charge of this currency."),
    "amount_too_large": (400, INVALID, "The amount is above what can be charged."),
    "payment_intent_unexpected_state": (400, INVALID, "This PaymentIntent's status does not allow it."),
    "charge_already_refunded": (400, INVALID, "The charge has already been refunded."),
    "charge_disputed": (400, INVALID, "The charge is disputed and cannot be refunded."),
    "idempotency_error": (
        400,
        "idempotency_error",
        "Keys for idempotent requests can only be used with the same parameters they were first used with.",
    ),
    "authentication_error": (401, INVALID, "You did not provide a valid API key."),
    "permission_error": (403, INVALID, "This API key is not permitted to do this."),
    "resource_missing": (404, INVALID, "No such object."),
    # [U] The type of a conflict.
    "idempotency_key_in_use": (409, INVALID, "Another request with this idempotency key is still in progress."),
    "conflict": (409, INVALID, "The request conflicts with another one."),
    "external_dependency_failed": (424, API, "A system that this request depends on has failed."),
    "rate_limit": (429, INVALID, "Too many requests: slow down."),
    "lock_timeout": (429, INVALID, "This object is locked by another request."),
    "api_error": (500, API, "An error has occurred on the gateway's side."),
    "bad_gateway": (502, API, "An error has occurred on the gateway's side."),
    "service_unavailable": (503, API, "An error has occurred on the gateway's side."),
    "gateway_timeout": (504, API, "An error has occurred on the gateway's side."),
    "payment_intent_authentication_failure": (402, CARD, "The buyer could not be authenticated."),
}
# These have a type and no code.
WITHOUT_CODE = {
    "invalid_request",
    "idempotency_error",
    "authentication_error",
    "permission_error",
    "conflict",
    "external_dependency_failed",
    "api_error",
    "bad_gateway",
    "service_unavailable",
    "gateway_timeout",
}
# What the buyer's bank says, with Stripe's words for the buyer. All are 402.
DECLINES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "do_not_honor": "Your card was declined.",
    "try_again_later": "Your card was declined. Try again later.",
    "issuer_not_available": "Your card was declined. Try again later.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "card_velocity_exceeded": "Your card was declined for making repeated attempts too frequently.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "stolen_card": "Your card was declined.",
    "lost_card": "Your card was declined.",
    "pickup_card": "Your card was declined.",
    "fraudulent": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "incorrect_number": "Your card number is incorrect.",
    "card_not_supported": "Your card does not support this type of purchase.",
    "currency_not_supported": "Your card does not support this currency.",
    "transaction_not_allowed": "Your card does not support this type of purchase.",
}
OWN_CODE = ("processing_error", "authentication_required", "expired_card", "incorrect_cvc", "incorrect_number")
CODES = (*ERRORS, "card_declined", *DECLINES)
# The first answer to an idempotency key is kept once the work has begun. [U] Which of the errors come after that.
KEPT = {"payment_intent_unexpected_state", "charge_already_refunded", "charge_disputed"}


class StripeError(GatewayError):
    """Stripe's answer to a call that it refuses. `code` is one of CODES; `more` are further keys of the error."""

    def __init__(self, code: str, message: str | None = None, param: str | None = None, **more: Any) -> None:
        super().__init__(code)
        reason = "generic_decline" if code == "card_declined" else code
        if reason in DECLINES:
            self.status, kind, standard = 402, CARD, DECLINES[reason]
            self.code: str | None = reason if reason in OWN_CODE else "card_declined"
            self.decline_code: str | None = reason
        else:
            self.status, kind, standard = ERRORS[code]
            self.code = None if code in WITHOUT_CODE else code
            self.decline_code = None
        self.message = message or standard
        self.details: dict[str, Any] = {
            "type": kind,
            "code": self.code,
            "decline_code": self.decline_code,
            "message": self.message,
            "param": param,
            **more,
        }

    @property
    def is_decline(self) -> bool:
        return self.status == 402

    @property
    def is_kept(self) -> bool:
        """Whether an idempotency key gets this answer again."""
        return self.status in (402, 500, 502, 503, 504) or self.code in KEPT

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {name: value for name, value in self.details.items() if value is not None}}
