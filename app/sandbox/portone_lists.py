"""PortOne's two lists of payments: by page, with filters, and by cursor, for a daily compare."""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from app.sandbox.book import Payment
from app.sandbox.portone_book import PROVIDER
from app.sandbox.portone_errors import PortOneError
from app.sandbox.portone_payments import PortOnePayments
from app.sandbox.portone_time import read_stamp

DEFAULT_RANGE = timedelta(days=90)
DEFAULT_SIZE, MOST_BY_CURSOR, MOST_BY_PAGE = 10, 1000, 60000
# The filter has a word of its own for one status.
STATUSES = {
    **{word: word for word in ("READY", "VIRTUAL_ACCOUNT_ISSUED", "PAID", "FAILED", "PARTIAL_CANCELLED", "CANCELLED")},
    "PENDING": "PAY_PENDING",
}
MOMENTS: dict[str, Callable[[Payment], datetime]] = {
    "CREATED_AT": lambda payment: payment.opened_at,
    "REQUESTED_AT": lambda payment: payment.opened_at,
    "STATUS_CHANGED_AT": lambda payment: payment.moved_at,
}
TEXTS: dict[str, Callable[[Payment], str]] = {
    "PAYMENT_ID": lambda payment: payment.reference,
    "TX_ID": lambda payment: payment.pg_id,
    "PG_TX_ID": lambda payment: payment.facts.get("pg_tx_id", ""),
    "ORDER_NAME": lambda payment: payment.facts["order_name"],
    "CUSTOMER_NAME": lambda payment: payment.facts["customer"].get("name", ""),
    "CUSTOMER_EMAIL": lambda payment: payment.facts["customer"].get("email", ""),
}


class PortOneLists:
    """Both show a paymentId once, as a look-up would find it."""

    def __init__(self, portone: PortOnePayments) -> None:
        self.portone = portone

    def by_cursor(self, store_id: str, body: Mapping[str, Any]) -> list[tuple[Payment, str]]:
        """Payments with their cursors, in the order in which they were created. [U] Both ends of the time belong."""
        since, until = self._range(body)
        size = _number(body, "size", DEFAULT_SIZE)
        if not 1 <= size <= MOST_BY_CURSOR:
            raise PortOneError("INVALID_REQUEST", f"size는 1 이상 {MOST_BY_CURSOR} 이하의 정수여야 합니다.")
        payments = self._payments(store_id)
        start = 0
        if body.get("cursor") is not None:
            after = _payment_id(body["cursor"])
            places = [place for place, payment in enumerate(payments) if payment.reference == after]
            if not places:
                raise PortOneError("INVALID_REQUEST", "cursor가 올바르지 않습니다.")
            start = places[0] + 1
        found = [payment for payment in payments[start:] if since <= payment.opened_at <= until]
        return [(payment, _cursor(payment)) for payment in found[:size]]

    def by_page(self, store_id: str, body: Mapping[str, Any]) -> tuple[list[Payment], dict[str, int]]:
        """One page of payments, and what it is a page of. [U] Newest first where nothing else is asked for."""
        page, wanted = _object(body, "page"), _object(body, "filter")
        number, size = _number(page, "number", 0), _number(page, "size", DEFAULT_SIZE)
        if number < 0 or size < 1 or (number + 1) * size > MOST_BY_PAGE:
            raise PortOneError("INVALID_REQUEST", f"(number + 1) * size는 {MOST_BY_PAGE} 이하여야 합니다.")
        since, until = self._range(wanted)
        moment = MOMENTS[_one_of(wanted, "timestampType", ("CREATED_AT", "STATUS_CHANGED_AT"), "CREATED_AT")]
        order = MOMENTS[_one_of(wanted, "sortBy", ("REQUESTED_AT", "STATUS_CHANGED_AT"), "REQUESTED_AT")]
        is_newest_first = _one_of(wanted, "sortOrder", ("DESC", "ASC"), "DESC") == "DESC"
        fits = self._filter(wanted)
        found = [each for each in self._payments(store_id) if since <= moment(each) <= until and fits(each)]
        found.sort(key=order)
        if is_newest_first:
            found.reverse()
        shown = found[number * size : (number + 1) * size]
        return shown, {"number": number, "size": size, "totalCount": len(found)}

    def _payments(self, store_id: str) -> list[Payment]:
        owner = (PROVIDER, store_id)
        mine = [each for each in self.portone.book.payments() if (each.provider, each.merchant) == owner]
        names = dict.fromkeys(payment.reference for payment in reversed(mine))
        return [self.portone.current(store_id, name) for name in names]

    def _range(self, body: Mapping[str, Any]) -> tuple[datetime, datetime]:
        given = {name: read_stamp(body[name]) for name in ("from", "until") if body.get(name) is not None}
        if None in given.values():
            raise PortOneError("INVALID_REQUEST", "from과 until은 RFC 3339 시각이어야 합니다.")
        until = given.get("until") or self.portone.world.now()
        return given.get("from") or until - DEFAULT_RANGE, until

    def _filter(self, wanted: Mapping[str, Any]) -> Callable[[Payment], bool]:
        """A filter that this sandbox does not know would change nothing in silence: it is refused."""
        known = {"storeId", "timestampType", "from", "until", "sortBy", "sortOrder", "version"}
        known |= {"status", "isTest", "methods", "currency", "textSearch"}
        if unknown := sorted(set(wanted) - known):
            raise PortOneError("INVALID_REQUEST", f"연습용 서버에는 {', '.join(unknown)} 필터가 없습니다.")
        statuses, methods, texts = _list(wanted, "status"), _list(wanted, "methods"), _list(wanted, "textSearch")
        if not set(statuses) <= set(STATUSES):
            raise PortOneError("INVALID_REQUEST", f"status는 {', '.join(STATUSES)} 가운데에서 골라야 합니다.")
        if not all(isinstance(text, dict) and text.get("field") in (*TEXTS, "ALL") for text in texts):
            raise PortOneError("INVALID_REQUEST", f"field는 ALL, {', '.join(TEXTS)} 가운데 하나여야 합니다.")
        in_statuses = {STATUSES[word] for word in statuses}

        def fits(payment: Payment) -> bool:
            is_test = self.portone.account_of(payment).channel_type == "TEST"
            return (
                (not statuses or payment.status in in_statuses)
                and (not methods or payment.facts["pay_method"] in methods)
                and wanted.get("currency", payment.currency) == payment.currency
                and wanted.get("isTest", is_test) == is_test
                and wanted.get("version", "V2") == "V2"
                and all(_has(payment, text["field"], str(text.get("value", ""))) for text in texts)
            )

        return fits


def _has(payment: Payment, field: str, value: str) -> bool:
    fields = TEXTS.values() if field == "ALL" else [TEXTS[field]]
    return any(value in read(payment) for read in fields)


def _cursor(payment: Payment) -> str:
    return base64.urlsafe_b64encode(payment.reference.encode()).decode()


def _payment_id(cursor: Any) -> str | None:
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (TypeError, ValueError, binascii.Error):
        return None


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise PortOneError("INVALID_REQUEST", f"{name}은 객체여야 합니다.")
    return value


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name, [])
    if not isinstance(value, list):
        raise PortOneError("INVALID_REQUEST", f"{name}는 목록이어야 합니다.")
    return value


def _number(body: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = body.get(name, otherwise)
    if type(value) is not int:
        raise PortOneError("INVALID_REQUEST", f"{name}는 정수여야 합니다.")
    return value


def _one_of(body: Mapping[str, Any], name: str, allowed: tuple[str, ...], otherwise: str) -> str:
    value = body.get(name, otherwise)
    if value not in allowed:
        raise PortOneError("INVALID_REQUEST", f"{name}는 {', '.join(allowed)} 가운데 하나여야 합니다.")
    return str(value)
