"""The PGs that Sellog speaks, by the name that stands in our rows."""

from app.payments.provider import Provider
from app.payments.providers.portone import PortOne
from app.payments.providers.stripe import Stripe
from app.payments.providers.toss import Toss

PROVIDERS: dict[str, type[Provider]] = {"toss": Toss, "portone": PortOne, "stripe": Stripe}
