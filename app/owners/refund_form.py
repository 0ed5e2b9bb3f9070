"""The refund form of the desk: what was typed, and what it means."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.checkout.receiver import ReceiverForm
from app.language import Translator
from app.money import Money
from app.payments.asking import LONGEST_REASON, Why
from app.payments.provider import BankAccount

# More digits than any shop's money has, and no more than the database takes; commas only between thousands.
_AMOUNT = re.compile(r"(?P<whole>[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.(?P<part>[0-9]{1,2}))?")
_UNITS = re.compile(r"원|krw|usd|eur|jpy|₩|\$|€|¥")
_COUNT = re.compile(r"[0-9]{1,6}")

# Which field a refusal is about; the others are told above the form.
FIELDS = {
    Why.TOO_LITTLE: "amount",
    Why.TOO_MUCH: "amount",
    Why.TOO_MANY_PIECES: "restock",
    Why.NO_REASON: "reason",
}


@dataclass(frozen=True, slots=True)
class WantedRefund:
    amount: int
    reason: str
    restock: int
    seen_balance: int
    receiver: BankAccount | None


@dataclass(slots=True)
class RefundForm:
    """Raw values as they were typed, and `errors` by field name, in the page's language."""

    amount: str = ""
    reason: str = ""
    restock: str = "0"
    seen_balance: str = ""
    receiver: ReceiverForm = field(default_factory=ReceiverForm)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Mapping[str, object]) -> "RefundForm":
        values = {name: raw.get(name) for name in ("amount", "reason", "restock", "seen_balance")}
        texts = {name: value.strip()[:320] if isinstance(value, str) else "" for name, value in values.items()}
        return cls(**texts, receiver=ReceiverForm.of(raw))

    def check(self, currency: str, banks: Mapping[str, str] | None, _: Translator) -> WantedRefund | None:
        """None where `errors` got what is wrong. `banks` are given for a deposit alone; without an account typed in,
        the shopper is asked for one.
        """
        amount = read_amount(self.amount, currency)
        if amount is None:
            self.errors["amount"] = _("환불할 금액을 10,000처럼 적어 주세요.")
        if not self.reason or "\0" in self.reason:
            self.errors["reason"] = _("환불하는 까닭을 적어 주세요.")
        if len(self.reason) > LONGEST_REASON:
            self.errors["reason"] = _("까닭은 %(most)s자까지 적을 수 있습니다.", most=LONGEST_REASON)
        if not _COUNT.fullmatch(self.restock):
            self.errors["restock"] = _("다시 내놓을 수량을 0이나 그보다 큰 수로 적어 주세요.")
        receiver = None
        if banks and not self.receiver.is_empty:
            receiver = self.receiver.check_account(banks, _)
            self.errors |= self.receiver.errors
        if self.errors:
            return None
        seen = int(self.seen_balance) if re.fullmatch("[0-9]{1,18}", self.seen_balance) else -1
        return WantedRefund(amount, self.reason, int(self.restock), seen, receiver)


def read_amount(text: str, currency: str) -> int | None:
    """Minor units, of an amount however people write it: "10,000", "10000원", "₩ 10000", "12.5"; None for no amount."""
    plain = _UNITS.sub("", unicodedata.normalize("NFKC", text).lower()).strip()
    found = _AMOUNT.fullmatch(plain)
    if found is None:
        return None
    units, whole, part = Money.units(currency), int(found["whole"].replace(",", "")), found["part"] or ""
    if units == 1:
        return None if part else whole
    return whole * units + int(part.ljust(2, "0"))
