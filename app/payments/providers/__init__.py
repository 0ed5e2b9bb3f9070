"""The PGs that Sellog speaks, by the name that stands in our rows."""

from app.payments.provider import Provider
from app.payments.providers.toss import Toss

PROVIDERS: dict[str, type[Provider]] = {"toss": Toss}
