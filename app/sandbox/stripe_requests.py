"""What each of Stripe's calls takes: the parameters played here, and those that are known and have no effect."""

from app.sandbox.stripe_cards import WAYS
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_expand import expands
from app.sandbox.stripe_form import (
    Reader,
    address,
    anything,
    choice,
    flag,
    group,
    many,
    metadata,
    new_metadata,
    text,
    whole,
)
from app.sandbox.stripe_money import CURRENCIES
from app.sandbox.stripe_versions import ui_modes

CAPTURE = choice("automatic", "automatic_async", "manual")
METHODS = many(choice(*WAYS), len(WAYS))
CANCELLATIONS = choice("duplicate", "fraudulent", "requested_by_customer", "abandoned")
RANGE = group({name: whole() for name in ("gt", "gte", "lt", "lte")})


def currency(raw: object, name: str) -> str:
    """[U] Upper case is refused: the documents know only lower case."""
    if not isinstance(raw, str) or raw not in CURRENCIES:
        message = f"Invalid currency: {raw}. The sandbox takes {', '.join(CURRENCIES)}."
        raise StripeError("invalid_request", message, name)
    return raw


def created(raw: object, name: str) -> dict[str, int]:
    """One moment, or a range of them, in Unix seconds."""
    if isinstance(raw, dict):
        given: dict[str, int] = RANGE(raw, name)
        return given
    moment = whole()(raw, name)
    return {"gte": moment, "lte": moment}


def absent(kind: str) -> Reader:
    """The id of an object of which the sandbox has none."""

    def read(raw: object, name: str) -> None:
        raise StripeError("resource_missing", f"No such {kind}: '{raw}'", name)

    return read


def ignored(*names: str) -> dict[str, Reader]:
    return dict.fromkeys(names, anything)


PRODUCT = group({"name": text(250), **ignored("description", "images", "metadata", "tax_code")}, ["name"])
PRICE = group(
    {
        "currency": currency,
        "unit_amount": whole(0),
        "product_data": group(
            {"name": text(250), **ignored("description", "images", "metadata", "tax_code")}, ["name"]
        ),
        **ignored("tax_behavior"),
    },
    ["currency", "unit_amount", "product_data"],
)
LINE_ITEM = group(
    {"price_data": PRICE, "quantity": whole(1), **ignored("adjustable_quantity", "dynamic_tax_rates", "tax_rates")},
    ["price_data"],
)
OF_INTENT = group(
    {
        "metadata": new_metadata,
        "capture_method": CAPTURE,
        "description": text(1000),
        "receipt_email": text(),
        **ignored(
            "setup_future_usage",
            "shipping",
            "statement_descriptor",
            "statement_descriptor_suffix",
            "transfer_group",
        ),
    }
)


def session(version: str) -> Reader:
    """Of the hosted page in the mode `payment`: the sandbox has no other page and no other mode."""
    hosted = ui_modes(version)[0]
    return group(
        {
            "mode": choice("payment"),
            "ui_mode": choice(hosted),
            "success_url": address,
            "cancel_url": address,
            "client_reference_id": text(200),
            "customer": absent("customer"),
            "customer_email": text(800),
            "line_items": _line_items,
            "metadata": new_metadata,
            "payment_intent_data": OF_INTENT,
            "payment_method_types": METHODS,
            "expires_at": whole(),
            "locale": text(),
            "submit_type": choice("auto", "pay", "book", "donate"),
            **expands("checkout.session"),
            **ignored(
                "adaptive_pricing",
                "after_expiration",
                "allow_promotion_codes",
                "automatic_tax",
                "billing_address_collection",
                "consent_collection",
                "currency",
                "custom_fields",
                "custom_text",
                "customer_creation",
                "excluded_payment_method_types",
                "invoice_creation",
                "origin_context",
                "payment_method_collection",
                "payment_method_options",
                "phone_number_collection",
                "shipping_address_collection",
                "wallet_options",
            ),
        },
        ["mode", "success_url", "line_items"],
    )


def _line_items(raw: object, name: str) -> list[dict[str, object]]:
    items: list[dict[str, object]] = many(_line_item, 100)(raw, name)
    if not items:
        raise StripeError("parameter_invalid_empty", f"You passed an empty array for '{name}'.", name)
    return items


INTENT_EXPANDS = expands("payment_intent")


def _line_item(raw: object, name: str) -> object:
    if isinstance(raw, dict) and "price" in raw:
        absent("price")(raw["price"], f"{name}[price]")
    return LINE_ITEM(raw, name)


CONFIRM_ONLY = {
    "payment_method": text(),
    "return_url": address,
    **ignored("error_on_requires_action", "mandate_data", "off_session", "setup_future_usage", "use_stripe_sdk"),
}
INTENT_OPTIONS = ignored(
    "confirmation_method", "payment_method_options", "shipping", "statement_descriptor", "statement_descriptor_suffix"
)
AUTOMATIC = group({"enabled": flag, "allow_redirects": choice("always", "never")}, ["enabled"])
INTENT = group(
    {
        "amount": whole(1),
        "currency": currency,
        "automatic_payment_methods": AUTOMATIC,
        "payment_method_types": METHODS,
        "customer": absent("customer"),
        "metadata": new_metadata,
        "description": text(1000, clearable=True),
        "receipt_email": text(clearable=True),
        "capture_method": CAPTURE,
        "confirm": flag,
        **CONFIRM_ONLY,
        **INTENT_OPTIONS,
        **INTENT_EXPANDS,
    },
    ["amount", "currency"],
)
INTENT_UPDATE = group(
    {
        "amount": whole(1),
        "currency": currency,
        "metadata": metadata,
        "description": text(1000, clearable=True),
        "receipt_email": text(clearable=True),
        "payment_method": text(),
        **ignored("setup_future_usage"),
        **INTENT_OPTIONS,
        **INTENT_EXPANDS,
    }
)
CONFIRM = group({**CONFIRM_ONLY, **INTENT_OPTIONS, **ignored("capture_method", "receipt_email"), **INTENT_EXPANDS})
CAPTURED = group({"amount_to_capture": whole(1), "metadata": metadata, **ignored("final_capture"), **INTENT_EXPANDS})
CANCEL = group({"cancellation_reason": CANCELLATIONS, **INTENT_EXPANDS})
REFUND = group(
    {
        "payment_intent": text(),
        "charge": text(),
        "amount": whole(1),
        "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
        "metadata": new_metadata,
        "instructions_email": text(),
        **ignored("currency", "refund_application_fee", "reverse_transfer"),
        **expands("refund"),
    }
)
EXPIRE = group(expands("checkout.session"))
OF_REFUND = group({"metadata": metadata, **expands("refund")})
CANCEL_REFUND = group(expands("refund"))
NOTHING = group({})

PAGE = {"limit": whole(1, 100), "starting_after": text(), "ending_before": text()}
LINE_ITEMS = group({**PAGE, **expands("item", is_list=True)})
# What each list may be narrowed by, beside the page and the time.
FILTERS: dict[str, dict[str, Reader]] = {
    "checkout.session": {"payment_intent": text(), "status": choice("open", "complete", "expired")},
    "payment_intent": {},
    "charge": {"payment_intent": text()},
    "refund": {"payment_intent": text(), "charge": text()},
    "dispute": {"payment_intent": text(), "charge": text()},
    "event": {"type": text(), "types": many(text(), 20), "delivery_success": flag},
    "balance_transaction": {"type": text(), "source": text(), "currency": currency},
}


def listing(kind: str) -> Reader:
    return group({**PAGE, "created": created, **FILTERS[kind], **expands(kind, is_list=True)})


def single(kind: str) -> Reader:
    return group(expands(kind))
