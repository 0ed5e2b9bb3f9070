"""The checkout form: from raw text to what is wanted, or to every field's message at once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from email_validator import EmailNotValidError, validate_email

from app import clock
from app.language import Translator
from app.orders.totals import limit_of, totals_of
from app.payments.accounts import Offer
from app.shops.tables import Product

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_QUANTITY = re.compile(r"[0-9]{1,12}")


def is_token(text: str) -> bool:
    """Whether this can be the token of a form of ours."""
    return _TOKEN.fullmatch(text) is not None


@dataclass(slots=True)
class CheckoutForm:
    """Raw values as the shopper typed them, and `errors` by field name, in the page's language."""

    product: str = ""
    quantity: str = "1"
    email: str = ""
    pay: str = ""
    checkout_token: str = field(default_factory=clock.new_token)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def fresh(cls, product: str, quantity: str, checkout_token: str) -> "CheckoutForm":
        """A form not sent yet; with the token of an order that it is to replace, if there is one."""
        token = checkout_token if is_token(checkout_token) else clock.new_token()
        return cls(product=product, quantity=quantity.strip()[:12], checkout_token=token)

    @classmethod
    def of(cls, raw: Mapping[str, object]) -> "CheckoutForm":
        """What was sent; anything that is no text (a file) counts as empty."""
        names = ("product", "quantity", "email", "pay", "checkout_token")
        values = {name: raw.get(name) for name in names}
        return cls(**{name: value.strip()[:320] if isinstance(value, str) else "" for name, value in values.items()})

    def check(self, product: Product, offers: Sequence[Offer], _: Translator) -> tuple[int, Offer | None]:
        """The quantity and the way to pay; they mean nothing where `errors` got what is wrong with them."""
        quantity = self._check_quantity(product, _)
        self._check_email(_)
        offer = self._check_pay(product, quantity, offers, _)
        if not is_token(self.checkout_token):
            self.checkout_token = clock.new_token()
            self.errors["form"] = _("주문서가 오래되었습니다. 내용을 확인하고 다시 눌러 주세요.")
        return quantity, offer

    def wants_more_than(self, stock: int) -> bool:
        return _QUANTITY.fullmatch(self.quantity) is not None and int(self.quantity) > stock

    def refuse_quantity(self, product: Product, _: Translator) -> None:
        """Somebody else was faster: `product` has the stock that is left."""
        self._check_quantity(product, _)
        self.errors.setdefault("quantity", _("그사이 다른 분이 먼저 사셨어요. 수량을 확인하고 다시 눌러 주세요."))

    def _check_quantity(self, product: Product, _: Translator) -> int:
        try:
            return parse_quantity(self.quantity, product, _)
        except ValueError as error:
            self.errors["quantity"] = str(error)
            return 1

    def _check_email(self, _: Translator) -> None:
        if not self.email:
            self.errors["email"] = _("이메일을 적어 주세요. 예: minji.kim@example.com")
            return
        try:
            self.email = validate_email(self.email, check_deliverability=False, test_environment=True).normalized
        except EmailNotValidError:
            if self.email.endswith("@"):
                self.errors["email"] = _("@ 뒤의 주소가 빠졌어요. 예: minji.kim@example.com")
            else:
                self.errors["email"] = _("이메일 주소를 다시 확인해 주세요. 예: minji.kim@example.com")

    def _check_pay(self, product: Product, quantity: int, offers: Sequence[Offer], _: Translator) -> Offer | None:
        offer = next((offer for offer in offers if offer.value == self.pay), None)
        if offer is None:
            self.errors["pay"] = _("결제 방법을 하나 골라 주세요.")
        elif "quantity" not in self.errors and not offer.takes(totals_of(product, quantity).total):
            self.errors["pay"] = _("이 금액은 이 방법으로 결제할 수 없습니다.")
        return offer


def parse_quantity(text: str, product: Product, _: Translator) -> int:
    """A whole number from 1 to what one order can have. Raises ValueError with a sentence for the shopper."""
    if not text:
        raise ValueError(_("몇 개를 살지 적어 주세요."))
    if not _QUANTITY.fullmatch(text):
        raise ValueError(_("수량은 1 이상의 정수로 적어 주세요."))
    quantity = int(text)
    if quantity < 1:
        raise ValueError(_("1개부터 살 수 있어요."))
    most = limit_of(product)
    if most < 1:
        raise ValueError(_("지금은 품절이라 살 수 없어요."))
    if quantity > most:
        raise ValueError(_("지금은 %(most)s개까지 살 수 있어요. %(most)s개 이하로 줄여 주세요.", most=f"{most:,}"))
    return quantity
