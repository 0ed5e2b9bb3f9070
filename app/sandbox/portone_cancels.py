"""PortOne's cancel: money given back, in parts or whole, at once or when the bank has done it."""

from collections.abc import Mapping
from typing import Any

from app.sandbox.book import Payment
from app.sandbox.portone_errors import PortOneError
from app.sandbox.portone_moves import PortOneMoves, requested
from app.sandbox.portone_object import cancellation_object, eleventh
from app.sandbox.portone_payments import PortOnePayments
from app.sandbox.portone_time import new_id, stamp
from app.sandbox.portone_virtual_account import check_receiver

CONSOLE = {
    "reason": "관리자 콘솔에서 취소",
    "refundAccount": {"bank": "WOORI", "number": "1002123456789", "holderName": "상점 관리자"},
}
ONE_OF = {
    "requester": ("CUSTOMER", "ADMIN"),
    "promotionDiscountRetainOption": ("RETAIN", "RELEASE"),
    "skipWebhook": (True, False),
}


class PortOneCancels:
    """What a merchant's server or console asks to be given back."""

    def __init__(self, portone: PortOnePayments, moves: PortOneMoves) -> None:
        self.portone, self.moves = portone, moves

    def cancel(
        self, store_id: str, payment_id: str, body: Mapping[str, Any], error: str | None = None
    ) -> dict[str, Any]:
        """Give back `amount`, or all that is left; the answer says what has become of it. `error` makes it fail with
        that code. [U] The order of the checks.
        """
        reason = body.get("reason")
        if not (isinstance(reason, str) and reason):
            raise PortOneError("INVALID_REQUEST", "reason은 필수입니다.")
        if wrong := [name for name, known in ONE_OF.items() if body.get(name) not in (None, *known)]:
            raise PortOneError("INVALID_REQUEST", f"{', '.join(wrong)}의 값이 올바르지 않습니다.")
        payment = self.portone.current(store_id, payment_id)
        if error:
            raise PortOneError(error)
        cancellation = self.begin(payment, body, "API")
        return {"cancellation": cancellation_object(cancellation)}

    def refund_at_console(self, payment: Payment, amount: int | None) -> None:
        """A refund by the merchant's own hand, in minor units; None for all that is left. Raises PortOneError."""
        self.begin(payment, CONSOLE if amount is None else {**CONSOLE, "amount": amount}, "CONSOLE")

    def begin(self, payment: Payment, body: Mapping[str, Any], trigger: str) -> dict[str, Any]:
        """Cancel, as this payment's buyer chose that it should go."""
        cancellation = self._checked(payment, body, trigger)
        # What was chosen to fail fails once.
        manner = payment.facts["refund"]
        if manner == "failed":
            payment.facts["refund"] = "now"
            self.moves.fail_cancellation(payment, cancellation)
        elif manner == "later" or payment.facts["virtual_account"]:
            cancellation["status"] = "REQUESTED"
            self.moves.request_cancellation(payment, cancellation)
        else:
            self.moves.complete_cancellation(payment, cancellation)
        return cancellation

    def charge_back(self, payment: Payment, reason: str, *more: str) -> None:
        """The card company takes everything back. `more` are types of webhook that come before that of the cancel."""
        cancellation = self._checked(payment, {"reason": reason}, "CHARGEBACK")
        self.moves.complete_cancellation(payment, cancellation, *more)

    def stop(self, store_id: str, payment_id: str, cancellation_id: str, error: str | None = None) -> dict[str, Any]:
        """Call a requested refund off. [U] It is a failed one then."""
        payment = self.portone.current(store_id, payment_id)
        if error:
            raise PortOneError(error)
        found = [each for each in payment.facts["cancellations"] if each["id"] == cancellation_id]
        if not found:
            raise PortOneError("PAYMENT_CANCELLATION_NOT_FOUND")
        if found[0]["status"] != "REQUESTED":
            raise PortOneError("PAYMENT_CANCELLATION_NOT_PENDING")
        self.moves.fail_cancellation(payment, found[0])
        return {"stoppedAt": stamp(self.moves.world.now())}

    def _checked(self, payment: Payment, body: Mapping[str, Any], trigger: str) -> dict[str, Any]:
        if payment.status == "CANCELLED":
            raise PortOneError("PAYMENT_ALREADY_CANCELLED")
        if not payment.captured:
            raise PortOneError("PAYMENT_NOT_PAID")
        amount, tax_free, vat = _amounts(payment, body)
        if trigger != "CHARGEBACK" and payment.facts["virtual_account"]:
            check_receiver(body.get("refundAccount"))
        return {
            "status": "NEW",
            "id": new_id(self.moves.world),
            "totalAmount": amount,
            "taxFreeAmount": tax_free,
            "vatAmount": vat,
            "reason": body["reason"],
            "requestedAt": stamp(self.moves.world.now()),
            "trigger": trigger,
            "is_silent": body.get("skipWebhook") is True,
        }


def cancellable(payment: Payment) -> int:
    """What is neither refunded nor on its way back. [U] That a requested refund counts."""
    return payment.balance - sum(each["totalAmount"] for each in requested(payment))


def _amounts(payment: Payment, body: Mapping[str, Any]) -> tuple[int, int, int]:
    """What to cancel in minor units, and what of that is free of VAT, and VAT."""
    for name in ("amount", "taxFreeAmount", "vatAmount", "currentCancellableAmount"):
        value = body.get(name)
        if value is not None and not (type(value) is int and value >= 0):
            raise PortOneError("INVALID_REQUEST", f"{name}는 0 이상의 정수여야 합니다.")
    balance = cancellable(payment)
    amount, believed = body.get("amount"), body.get("currentCancellableAmount")
    if believed is not None and believed != balance:
        raise PortOneError("CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN")
    amount = balance if amount is None else amount
    if amount > balance or not balance:
        raise PortOneError("CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT")
    if not amount:
        raise PortOneError("INVALID_REQUEST", "amount는 0보다 커야 합니다.")
    gone = [each for each in payment.facts["cancellations"] if each["status"] != "FAILED"]
    tax_free_left = payment.facts["tax_free"] - sum(each["taxFreeAmount"] for each in gone)
    vat_left = eleventh(payment.captured - payment.facts["tax_free"]) - sum(each["vatAmount"] for each in gone)
    tax_free, vat = body.get("taxFreeAmount"), body.get("vatAmount")
    if amount == balance:
        tax_free = tax_free_left if tax_free is None else tax_free
        vat = vat_left if vat is None else vat
    tax_free = 0 if tax_free is None else tax_free
    if tax_free > tax_free_left:
        raise PortOneError("CANCEL_TAX_FREE_AMOUNT_EXCEEDS_CANCELLABLE_TAX_FREE_AMOUNT")
    vat = min(eleventh(max(amount - tax_free, 0)), vat_left) if vat is None else vat
    if vat > vat_left:
        raise PortOneError("CANCEL_TAX_AMOUNT_EXCEEDS_CANCELLABLE_TAX_AMOUNT")
    if tax_free + vat > amount:
        raise PortOneError("SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT")
    return amount, tax_free, vat
