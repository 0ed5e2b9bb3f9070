"""Money: an integer of minor units with its currency. The only type that amounts travel in."""

from dataclasses import dataclass
from functools import total_ordering

from babel.numbers import format_currency, get_currency_precision

CURRENCIES = ("KRW", "USD", "EUR", "JPY")


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """`amount` is in minor units: won for KRW, cents for USD. Different currencies never add up or compare."""

    amount: int
    currency: str = "KRW"

    def __post_init__(self) -> None:
        if type(self.amount) is not int:
            raise TypeError(f"an amount is an integer of minor units, not {self.amount!r}")
        if self.currency not in CURRENCIES:
            raise ValueError(f"unknown currency {self.currency!r}")

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other), self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __mul__(self, quantity: int) -> "Money":
        return Money(self.amount * quantity, self.currency)

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")
        return other.amount

    @staticmethod
    def units(currency: str) -> int:
        """How many minor units make one major unit: 1 for KRW and JPY, 100 for USD."""
        return 10 ** get_currency_precision(currency)

    def text(self, lang: str = "ko") -> str:
        """For people: `52,000원` in Korean, `₩52,000` in English; a minus is U+2212."""
        sign = "−" if self.amount < 0 else ""
        if self.currency == "KRW" and lang == "ko":
            # As Babel would, which takes its time: there are hundreds on a page.
            return f"{sign}{abs(self.amount):,}원"
        major = abs(self.amount) / self.units(self.currency)
        return sign + format_currency(major, self.currency, locale=lang)
