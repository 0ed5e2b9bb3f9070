"""The amounts that Stripe takes, in minor units of currencies in lower case."""

from app.sandbox.stripe_errors import StripeError

# Won and yen are whole numbers, dollars and euros have cents. [U] The least amount in won.
LEAST = {"krw": 500, "jpy": 50, "usd": 50, "eur": 50}
MOST = 99_999_999
CURRENCIES = tuple(LEAST)


def check_amount(amount: int, currency: str, param: str) -> None:
    """Raises StripeError for what cannot be charged."""
    if amount < LEAST[currency]:
        message = f"The amount must be at least {LEAST[currency]} in the minor unit of {currency}."
        raise StripeError("amount_too_small", message, param)
    if amount > MOST:
        raise StripeError("amount_too_large", f"The amount must be no more than {MOST}.", param)


def fee_of(amount: int) -> int:
    """[U] What Stripe keeps of a charge."""
    return amount * 36 // 1000
