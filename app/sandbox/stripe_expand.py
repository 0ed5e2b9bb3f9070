"""What `expand` may ask for in each of Stripe's objects."""

from typing import Any

from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_form import Reader, many, text

DEEPEST = 4
# Fields that hold an id, with the kind of object that it is of; `None` for what the sandbox never has.
IDS: dict[str, dict[str, str | None]] = {
    "checkout.session": {"payment_intent": "payment_intent", "customer": None, "setup_intent": None, "invoice": None},
    "payment_intent": {"latest_charge": "charge", "payment_method": "payment_method", "customer": None},
    "charge": {"payment_intent": "payment_intent", "balance_transaction": "balance_transaction", "customer": None},
    "refund": {
        "payment_intent": "payment_intent",
        "charge": "charge",
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
    },
    "dispute": {"payment_intent": "payment_intent", "charge": "charge"},
    "balance_transaction": {"source": None},
}
# Lists that an object has only when they are asked for.
LISTS = {("checkout.session", "line_items"): "item", ("charge", "refunds"): "refund"}


def expands(kind: str, is_list: bool = False) -> dict[str, Reader]:
    """The parameter `expand` of a call that answers this kind of object, or a list of such."""

    def path(raw: Any, name: str) -> list[str]:
        steps = str(text()(raw, name)).split(".")
        if len(steps) > DEEPEST:
            raise StripeError("invalid_request", f"You cannot expand more than {DEEPEST} levels of a property.", name)
        _check(kind, is_list, steps, name)
        return steps

    return {"expand": many(path, 20)}


def _check(kind: str | None, is_list: bool, steps: list[str], name: str) -> None:
    if not steps or kind is None:
        return
    step, *rest = steps
    if is_list and step == "data":
        _check(kind, False, rest, name)
    elif not is_list and (kind, step) in LISTS:
        _check(LISTS[kind, step], True, rest, name)
    elif not is_list and step in IDS.get(kind, {}):
        _check(IDS[kind][step], False, rest, name)
    else:
        raise StripeError("invalid_request", f"This property cannot be expanded ({step}).", name)
