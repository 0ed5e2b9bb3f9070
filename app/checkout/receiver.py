"""The form that asks where a deposit goes back to.

Whoever has the address of an order's page may see it. Where money goes is for the shopper alone to say, who knows the
e-mail address of the order.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.language import Translator
from app.payments.provider import BankAccount

# Toss takes 20 digits and 60 characters; no Korean bank has longer ones.
_NUMBER = re.compile(r"[0-9]{6,20}")
_HOLDER = 60


@dataclass(slots=True)
class ReceiverForm:
    """Raw values as the shopper typed them, and `errors` by field name, in the page's language."""

    bank: str = ""
    number: str = ""
    holder: str = ""
    email: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Mapping[str, object]) -> "ReceiverForm":
        values = {name: raw.get(name) for name in ("bank", "number", "holder", "email")}
        return cls(**{name: value.strip()[:320] if isinstance(value, str) else "" for name, value in values.items()})

    @property
    def is_empty(self) -> bool:
        return not (self.bank or self.number or self.holder)

    def check(self, banks: Mapping[str, str], customer_email: str, _: Translator) -> BankAccount | None:
        """None where `errors` got what is wrong."""
        receiver = self.check_account(banks, _)
        if self.email.casefold() != customer_email.casefold():
            self.errors["email"] = _("주문하실 때 적으신 이메일과 다릅니다.")
        return None if self.errors else receiver

    def check_account(self, banks: Mapping[str, str], _: Translator) -> BankAccount | None:
        """The same of the account alone. Hyphens and spaces in the number mean nothing."""
        number = re.sub(r"[\s-]", "", self.number)
        if self.bank not in banks:
            self.errors["bank"] = _("은행을 골라 주세요.")
        if not _NUMBER.fullmatch(number):
            self.errors["number"] = _("계좌번호를 숫자로 적어 주세요.")
        if not 0 < len(self.holder) <= _HOLDER:
            self.errors["holder"] = _("예금주 이름을 적어 주세요.")
        return None if self.errors else BankAccount(self.bank, number, self.holder)
