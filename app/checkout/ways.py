"""Ways to pay, as the checkout form and the order's page offer them."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.language import Translator
from app.money import Money
from app.payments.accounts import Offer


@dataclass(frozen=True, slots=True)
class WayView:
    value: str
    label: str
    provider_label: str
    icon: str


def views_of_ways(offers: Sequence[Offer], _: Translator, total: Money | None = None) -> list[WayView]:
    """Those that take the total, or all."""
    return [
        WayView(offer.value, _(offer.way.label), _(offer.provider_label), offer.way.icon)
        for offer in offers
        if total is None or offer.takes(total)
    ]
