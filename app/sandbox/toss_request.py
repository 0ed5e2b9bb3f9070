"""What a shop asks the payment window for: Toss's `requestPayment`, however it came here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.sandbox.toss_errors import TossError

ORDER_ID = re.compile(r"[A-Za-z0-9_-]{6,64}")
MINIMUM = 100

# Korean is Toss's own wire value. A wallet either pays from its own balance, or passes the buyer's card on.
METHODS = {"CARD": "카드", "TOSSPAY": "간편결제", "KAKAOPAY": "간편결제"}
WALLETS = {"TOSSPAY": "토스페이", "KAKAOPAY": "카카오페이"}


@dataclass(frozen=True)
class PaymentRequest:
    """A request that Toss would open a window for: KRW, in won. `way` is a key of METHODS."""

    client_key: str
    order_id: str
    order_name: str
    amount: int
    tax_free: int
    success_url: str
    fail_url: str
    way: str
    metadata: dict[str, str] | None


def read_request(raw: Any) -> PaymentRequest:
    """Read `{"clientKey", "request": {...}}`, or the same all on one level. TossError says what is wrong."""
    if not isinstance(raw, dict):
        raise _wrong("결제 요청은 JSON 객체여야 합니다.")
    asked = raw.get("request", raw)
    if not isinstance(asked, dict):
        raise _wrong("request는 JSON 객체여야 합니다.")
    if asked.get("method") != "CARD":
        raise _wrong("method는 CARD(카드·간편결제)여야 합니다.")
    order_id = asked.get("orderId")
    if not (isinstance(order_id, str) and ORDER_ID.fullmatch(order_id)):
        raise _wrong("orderId는 영문, 숫자, -, _로 이루어진 6~64자의 문자열이어야 합니다.")
    amount = _amount(asked.get("amount"))
    tax_free = asked.get("taxFreeAmount", 0)
    if not (type(tax_free) is int and 0 <= tax_free <= amount):
        raise _wrong("taxFreeAmount는 0 이상, 결제 금액 이하의 정수여야 합니다.")
    if not _fits(asked.get("customerEmail", ""), 0, 100) or not _fits(asked.get("customerName", ""), 0, 100):
        raise _wrong("customerEmail과 customerName은 100자 이하여야 합니다.")
    return PaymentRequest(
        client_key=_text(raw.get("clientKey"), "clientKey", 100),
        order_id=order_id,
        order_name=_text(asked.get("orderName"), "orderName", 100),
        amount=amount,
        tax_free=tax_free,
        success_url=_absolute(asked.get("successUrl"), "successUrl"),
        fail_url=_absolute(asked.get("failUrl"), "failUrl"),
        way=_way(asked.get("card")),
        metadata=_metadata(asked.get("metadata")),
    )


def from_form(form: Mapping[str, Any]) -> dict[str, Any]:
    """The same from flat form fields, the amount as `amount`, `amount[value]` or `amount.value`."""
    raw: dict[str, Any] = {name: value for name, value in form.items() if not name.startswith("amount")}
    value = form.get("amount[value]", form.get("amount.value", form.get("amount", "")))
    currency = form.get("amount[currency]", form.get("amount.currency", form.get("currency", "KRW")))
    digits = isinstance(value, str) and value.isascii() and value.isdigit()
    return {**raw, "amount": {"currency": currency, "value": int(value) if digits else value}}


def _amount(raw: Any) -> int:
    if not isinstance(raw, dict):
        raise _wrong("amount는 { currency, value } 객체여야 합니다.")
    if raw.get("currency") != "KRW":
        raise _wrong("카드·간편결제의 currency는 KRW여야 합니다.")
    value = raw.get("value")
    if not (type(value) is int and value > 0):
        raise _wrong("amount.value는 원 단위의 양의 정수여야 합니다.")
    if value < MINIMUM:
        raise TossError("BELOW_MINIMUM_AMOUNT")
    return value


def _way(card: Any) -> str:
    """A direct request for a wallet opens that wallet; everything else opens the choice, at the card."""
    wallet = card.get("easyPay") if isinstance(card, dict) and card.get("flowMode") == "DIRECT" else None
    if wallet is not None and wallet not in WALLETS:
        raise _wrong(f"easyPay는 {', '.join(WALLETS)} 가운데 하나여야 합니다.")
    return wallet or "CARD"


def _metadata(raw: Any) -> dict[str, str] | None:
    if raw is None:
        return None
    pairs = list(raw.items()) if isinstance(raw, dict) else []
    names_fit = all(_fits(name, 1, 40) and not set(name) & set("[]") for name, _ in pairs)
    if not (0 < len(pairs) <= 5 and names_fit and all(_fits(value, 0, 2000) for _, value in pairs)):
        raise _wrong("metadata는 5쌍 이하이며, 이름은 40자, 값은 2000자 이하의 문자열이어야 합니다.")
    return raw


def _absolute(raw: Any, name: str) -> str:
    try:
        parts = urlsplit(raw if isinstance(raw, str) else "")
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise _wrong(f"{name}은 오리진을 포함한 절대 주소여야 합니다.")
    return str(raw)


def _text(raw: Any, name: str, longest: int) -> str:
    if not _fits(raw, 1, longest):
        raise _wrong(f"{name}은 필수이며 1자 이상 {longest}자 이하의 문자열이어야 합니다.")
    return str(raw)


def _fits(raw: Any, shortest: int, longest: int) -> bool:
    return isinstance(raw, str) and shortest <= len(raw) <= longest


def _wrong(message: str) -> TossError:
    return TossError("INVALID_REQUEST", message)
