"""What a shop asks the payment window for: PortOne's `requestPayment`, however it came here."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from app.sandbox.portone_errors import NotOpened
from app.sandbox.portone_time import read_due_date

# The channel's PG takes these; PortOne itself asks for none.
PAYMENT_ID = re.compile(r"[A-Za-z0-9_-]{6,64}")
CURRENCIES = ("KRW", "JPY", "USD", "EUR")
WALLETS = {"KAKAOPAY": "카카오페이", "NAVERPAY": "네이버페이", "TOSSPAY": "토스페이"}
PAY_METHODS = ("CARD", "EASY_PAY", "TRANSFER", "VIRTUAL_ACCOUNT")
CUSTOMER = {"customerId": "id", "fullName": "name", "email": "email", "phoneNumber": "phoneNumber"}
DEFAULT_HOURS, MOST_HOURS = 168, 2160
MOST_NOTICES = 3


@dataclass(frozen=True)
class PaymentRequest:
    """A request that PortOne would open a window for. Amounts are minor units; `offers` are the ways among which the
    buyer may choose; `term` is how long a virtual account waits: `hours`, or `due_date`.
    """

    store_id: str
    channel_key: str
    payment_id: str
    order_name: str
    amount: int
    tax_free: int
    currency: str
    pay_method: str
    offers: tuple[str, ...]
    term: dict[str, Any]
    customer: dict[str, str]
    custom_data: str | None
    redirect_url: str
    notice_urls: tuple[str, ...] | None


def read_request(raw: Any) -> PaymentRequest:
    """Read `{"request": {...}}`, or the request itself. NotOpened says what is wrong."""
    asked = raw.get("request", raw) if isinstance(raw, dict) else None
    if not isinstance(asked, dict):
        raise _wrong("결제 요청은 JSON 객체여야 합니다.")
    payment_id, method = asked.get("paymentId"), asked.get("payMethod")
    if not (isinstance(payment_id, str) and PAYMENT_ID.fullmatch(payment_id)):
        raise _wrong("paymentId는 영문, 숫자, -, _로 이루어진 6~64자의 문자열이어야 합니다.")
    if not (isinstance(method, str) and method in PAY_METHODS):
        raise _wrong(f"payMethod는 {', '.join(PAY_METHODS)} 가운데 하나여야 합니다.")
    if asked.get("forceRedirect") is not True:
        raise _wrong("연습용 결제창은 forceRedirect: true로만 열립니다.")
    if "confirmUrl" in asked or asked.get("isEscrow"):
        raise _wrong("연습용 결제창에는 confirmUrl과 에스크로가 없습니다.")
    if "channelGroupId" in asked:
        raise NotOpened("ChannelNotFound", "연습용 결제창에는 채널 그룹이 없습니다.", 404)
    amount, tax_free = asked.get("totalAmount"), asked.get("taxFreeAmount", 0)
    if not (type(amount) is int and amount > 0):
        raise _wrong("totalAmount는 통화의 가장 작은 단위로 쓴 양의 정수여야 합니다.")
    if not (type(tax_free) is int and 0 <= tax_free <= amount):
        raise _wrong("taxFreeAmount는 0 이상, totalAmount 이하의 정수여야 합니다.")
    return PaymentRequest(
        store_id=_text(asked.get("storeId"), "storeId"),
        channel_key=_text(asked.get("channelKey"), "channelKey"),
        payment_id=payment_id,
        order_name=_text(asked.get("orderName"), "orderName"),
        amount=amount,
        tax_free=tax_free,
        currency=_currency(asked.get("currency")),
        pay_method=method,
        offers=_offers(method, asked.get("easyPay")),
        term=_term(asked.get("virtualAccount")),
        customer=_customer(asked.get("customer")),
        custom_data=_custom_data(asked.get("customData")),
        redirect_url=_absolute(asked.get("redirectUrl"), "redirectUrl"),
        notice_urls=_notice_urls(asked.get("noticeUrls")),
    )


def with_query(url: str, answer: Mapping[str, str]) -> str:
    """The shop's URL with its own query kept and ours behind it."""
    parts = urlsplit(url)
    own = f"{parts.query}&" if parts.query else ""
    return parts._replace(query=own + urlencode(answer, quote_via=quote)).geturl()


def _currency(raw: Any) -> str:
    # Some pages of PortOne's guide still write CURRENCY_KRW.
    currency = raw.removeprefix("CURRENCY_") if isinstance(raw, str) else raw
    if currency not in CURRENCIES:
        raise _wrong(f"currency는 {', '.join(CURRENCIES)} 가운데 하나여야 합니다.")
    return str(currency)


def _offers(method: str, easy_pay: Any) -> tuple[str, ...]:
    if method != "EASY_PAY":
        return (method,)
    wallet = easy_pay.get("easyPayProvider") if isinstance(easy_pay, dict) else None
    if wallet is None:
        return tuple(WALLETS)
    if wallet not in tuple(WALLETS):
        raise _wrong(f"easyPayProvider는 {', '.join(WALLETS)} 가운데 하나여야 합니다.")
    return (wallet,)


def _term(raw: Any) -> dict[str, Any]:
    asked = {} if raw is None else raw
    expiry = asked.get("accountExpiry", {"validHours": DEFAULT_HOURS}) if isinstance(asked, dict) else None
    if not isinstance(expiry, dict) or set(expiry) not in ({"validHours"}, {"dueDate"}):
        raise _wrong("virtualAccount.accountExpiry는 { validHours } 또는 { dueDate }여야 합니다.")
    if "dueDate" in expiry:
        if read_due_date(expiry["dueDate"]) is None:
            raise _wrong("dueDate는 YYYY-MM-DD HH:mm:ss 형식이어야 합니다.")
        return {"due_date": expiry["dueDate"]}
    hours = expiry["validHours"]
    if not (type(hours) is int and 0 < hours <= MOST_HOURS):
        raise _wrong(f"validHours는 1 이상 {MOST_HOURS} 이하의 정수여야 합니다.")
    return {"hours": hours}


def _customer(raw: Any) -> dict[str, str]:
    asked = {} if raw is None else raw
    if not isinstance(asked, dict) or not all(isinstance(asked.get(name, ""), str) for name in CUSTOMER):
        raise _wrong("customer의 값은 문자열이어야 합니다.")
    return {name: asked[given] for given, name in CUSTOMER.items() if given in asked}


def _custom_data(raw: Any) -> str | None:
    """An object comes back as a JSON text."""
    if raw is not None and not isinstance(raw, dict):
        raise _wrong("customData는 객체여야 합니다.")
    return None if raw is None else json.dumps(raw, ensure_ascii=False, separators=(",", ":"))


def _notice_urls(raw: Any) -> tuple[str, ...] | None:
    if raw is None:
        return None
    if not (isinstance(raw, list) and 0 < len(raw) <= MOST_NOTICES):
        raise _wrong(f"noticeUrls는 {MOST_NOTICES}개 이하의 주소여야 합니다.")
    return tuple(_absolute(url, "noticeUrls") for url in raw)


def _absolute(raw: Any, name: str) -> str:
    try:
        parts = urlsplit(raw if isinstance(raw, str) else "")
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise _wrong(f"{name}은 오리진을 포함한 절대 주소여야 합니다.")
    return str(raw)


def _text(raw: Any, name: str) -> str:
    if not (isinstance(raw, str) and raw):
        raise _wrong(f"{name}은 필수이며 문자열이어야 합니다.")
    return raw


def _wrong(message: str) -> NotOpened:
    return NotOpened("RequestParseFailed", message)
