"""What a shop asks the payment window for: Toss's `requestPayment`, however it came here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.sandbox.toss_errors import TossError
from app.sandbox.toss_time import read_local

ORDER_ID = re.compile(r"[A-Za-z0-9_-]{6,64}")
# Korean is Toss's own wire value. A wallet either pays from its own balance, or passes the buyer's card on.
WALLETS = {"TOSSPAY": "토스페이", "KAKAOPAY": "카카오페이", "NAVERPAY": "네이버페이"}
METHODS = {
    "CARD": "카드",
    **dict.fromkeys(WALLETS, "간편결제"),
    "TRANSFER": "계좌이체",
    "VIRTUAL_ACCOUNT": "가상계좌",
}
# What the window of each `method` offers, and from which amount on.
OFFERS = {
    "CARD": ("CARD", *WALLETS),
    "TRANSFER": ("TRANSFER",),
    "VIRTUAL_ACCOUNT": ("VIRTUAL_ACCOUNT",),
}
MINIMUMS = {"CARD": 100, "TRANSFER": 200, "VIRTUAL_ACCOUNT": 200}
CASH_RECEIPTS = ("소득공제", "지출증빙", "미발행")
DEFAULT_HOURS, MOST_HOURS = 168, 2160
ANONYMOUS = "@@ANONYMOUS"


@dataclass(frozen=True)
class PaymentRequest:
    """A request that Toss would open a window for: KRW, in won. `offers` are keys of METHODS, the first of
    them is the one proposed; `term` is how long a virtual account waits: `valid_hours`, or `due_date`.
    """

    client_key: str
    customer_key: str | None
    customer_name: str
    order_id: str
    order_name: str
    amount: int
    tax_free: int
    success_url: str
    fail_url: str
    offers: tuple[str, ...]
    term: dict[str, Any]
    metadata: dict[str, str] | None


def read_request(raw: Any) -> PaymentRequest:
    """Read `{"clientKey", "request": {...}}`, or the same all on one level. TossError says what is wrong."""
    if not isinstance(raw, dict):
        raise _wrong("결제 요청은 JSON 객체여야 합니다.")
    asked = raw.get("request", raw)
    if not isinstance(asked, dict):
        raise _wrong("request는 JSON 객체여야 합니다.")
    method = asked.get("method")
    if not (isinstance(method, str) and method in OFFERS):
        raise _wrong("method는 CARD(카드·간편결제), TRANSFER, VIRTUAL_ACCOUNT 가운데 하나여야 합니다.")
    order_id = asked.get("orderId")
    if not (isinstance(order_id, str) and ORDER_ID.fullmatch(order_id)):
        raise _wrong("orderId는 영문, 숫자, -, _로 이루어진 6~64자의 문자열이어야 합니다.")
    amount = _amount(asked.get("amount"), MINIMUMS[method])
    tax_free = asked.get("taxFreeAmount", 0)
    if not (type(tax_free) is int and 0 <= tax_free <= amount):
        raise _wrong("taxFreeAmount는 0 이상, 결제 금액 이하의 정수여야 합니다.")
    if not _fits(asked.get("customerEmail", ""), 0, 100) or not _fits(asked.get("customerName", ""), 0, 100):
        raise _wrong("customerEmail과 customerName은 100자 이하여야 합니다.")
    return PaymentRequest(
        client_key=_text(raw.get("clientKey"), "clientKey", 100),
        customer_key=_customer_key(raw.get("customerKey")),
        customer_name=asked.get("customerName", ""),
        order_id=order_id,
        order_name=_text(asked.get("orderName"), "orderName", 100),
        amount=amount,
        tax_free=tax_free,
        success_url=_absolute(asked.get("successUrl"), "successUrl"),
        fail_url=_absolute(asked.get("failUrl"), "failUrl"),
        offers=_offers(method, asked.get("card")),
        term=_term(asked.get("virtualAccount")),
        metadata=_metadata(asked.get("metadata")),
    )


def from_form(form: Mapping[str, Any]) -> dict[str, Any]:
    """The same from flat form fields, the amount as `amount`, `amount[value]` or `amount.value`."""
    raw: dict[str, Any] = {name: value for name, value in form.items() if not name.startswith("amount")}
    value = form.get("amount[value]", form.get("amount.value", form.get("amount", "")))
    currency = form.get("amount[currency]", form.get("amount.currency", form.get("currency", "KRW")))
    digits = isinstance(value, str) and value.isascii() and value.isdigit()
    return {**raw, "amount": {"currency": currency, "value": int(value) if digits else value}}


def _amount(raw: Any, minimum: int) -> int:
    if not isinstance(raw, dict):
        raise _wrong("amount는 { currency, value } 객체여야 합니다.")
    if raw.get("currency") != "KRW":
        raise _wrong("currency는 KRW여야 합니다.")
    value = raw.get("value")
    if not (type(value) is int and value > 0):
        raise _wrong("amount.value는 원 단위의 양의 정수여야 합니다.")
    if value < minimum:
        raise TossError("BELOW_MINIMUM_AMOUNT", f"결제금액이 {minimum}원 이상부터 결제가 가능합니다.")
    return value


def _offers(method: str, card: Any) -> tuple[str, ...]:
    """A direct request for a wallet opens that wallet alone."""
    is_direct = method == "CARD" and isinstance(card, dict) and card.get("flowMode") == "DIRECT"
    wallet = card.get("easyPay") if is_direct else None
    if wallet is None:
        return OFFERS[method]
    if wallet not in tuple(WALLETS):
        raise _wrong(f"easyPay는 {', '.join(WALLETS)} 가운데 하나여야 합니다.")
    return (wallet,)


def _term(raw: Any) -> dict[str, Any]:
    asked = {} if raw is None else raw
    if not isinstance(asked, dict):
        raise _wrong("virtualAccount는 객체여야 합니다.")
    receipt = asked.get("cashReceipt", {"type": "미발행"})
    if not (isinstance(receipt, dict) and receipt.get("type") in CASH_RECEIPTS):
        raise _wrong(f"cashReceipt.type은 {', '.join(CASH_RECEIPTS)} 가운데 하나여야 합니다.")
    hours, due_date = asked.get("validHours"), asked.get("dueDate")
    if hours is not None and due_date is not None:
        raise _wrong("validHours와 dueDate는 함께 쓸 수 없습니다.")
    if due_date is None:
        hours = DEFAULT_HOURS if hours is None else hours
        if not (type(hours) is int and 0 < hours <= MOST_HOURS):
            raise _wrong(f"validHours는 1 이상 {MOST_HOURS} 이하의 정수여야 합니다.")
        return {"valid_hours": hours}
    if read_local(due_date) is None:
        raise _wrong("dueDate는 yyyy-MM-ddTHH:mm:ss 형식이어야 합니다.")
    return {"due_date": due_date}


def _customer_key(raw: Any) -> str | None:
    """[U] A guest has none in what Toss answers."""
    return raw if isinstance(raw, str) and raw != ANONYMOUS else None


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
