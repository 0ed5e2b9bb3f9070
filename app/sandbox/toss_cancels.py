"""Toss's cancel: money given back, in parts or whole, or a virtual account that is no longer waited for."""

from collections.abc import Mapping
from typing import Any

from app.sandbox.book import Payment
from app.sandbox.toss_errors import TossError
from app.sandbox.toss_object import balance_of, tax_free_balance
from app.sandbox.toss_payments import Account, TossPayments, is_number
from app.sandbox.toss_time import stamp
from app.sandbox.toss_virtual_account import check_receiver

CONSOLE_REASON = "상점 관리자 화면에서 취소"
CONSOLE_RECEIVER = {"bank": "20", "accountNumber": "1002123456789", "holderName": "상점 관리자"}


class TossCancels:
    """What a merchant's server or console asks to be given back."""

    def __init__(self, toss: TossPayments) -> None:
        self.toss = toss

    def cancel(self, account: Account, key: str, body: Mapping[str, Any], error: str | None = None) -> Payment:
        """Give back `cancelAmount`, or the whole balance. `error` makes it fail with that code."""
        reason = body.get("cancelReason")
        if not (isinstance(reason, str) and 0 < len(reason) <= 200):
            raise TossError("INVALID_REQUEST", "cancelReason은 필수이며 200자 이하여야 합니다.")
        payment = self.toss.of_key(account, key)
        if error:
            raise TossError(error)
        if payment.status == "CANCELED":
            raise TossError("ALREADY_CANCELED_PAYMENT")
        if not payment.captured and payment.status != "WAITING_FOR_DEPOSIT":
            raise TossError("NOT_CANCELABLE_PAYMENT")
        if body.get("currency", payment.currency) != payment.currency:
            raise TossError("INVALID_REQUEST", "currency가 승인된 통화와 다릅니다.")
        balance = balance_of(payment)
        if body.get("refundableAmount", balance) != balance:
            raise TossError("NOT_MATCHES_REFUNDABLE_AMOUNT")
        amount, tax_free = _amounts(payment, body)
        if not payment.captured and amount != balance:
            raise TossError("NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT")
        if payment.captured:
            self._give_back(payment, amount, body.get("refundReceiveAccount"))
        self._note(payment, amount, tax_free, reason)
        return payment

    def refund_at_console(self, payment: Payment, amount: int | None) -> None:
        """A refund by the merchant's own hand; `amount` in won, None for the whole balance."""
        body = {"cancelReason": CONSOLE_REASON, "refundReceiveAccount": CONSOLE_RECEIVER}
        asked = body if amount is None else {**body, "cancelAmount": amount}
        self.cancel(self.toss.account(payment), payment.pg_id, asked)

    def _give_back(self, payment: Payment, amount: int, receiver: Any) -> None:
        if "virtual_account" in payment.facts:
            check_receiver(receiver)
            payment.facts["virtual_account"]["refundStatus"] = "PENDING"
        payment.refunded += amount

    def _note(self, payment: Payment, amount: int, tax_free: int, reason: str) -> None:
        cancel = {
            "cancelAmount": amount,
            "cancelReason": reason,
            "taxFreeAmount": tax_free,
            "taxExemptionAmount": 0,
            "refundableAmount": payment.balance,
            "cardDiscountAmount": 0,
            "transferDiscountAmount": 0,
            "easyPayDiscountAmount": 0,
            "canceledAt": stamp(self.toss.world.now()),
            "transactionKey": self.toss.begin_transaction(payment),
            "receiptKey": None,
            "cancelStatus": "DONE",
            "cancelRequestId": None,
        }
        payment.facts["cancels"].append(cancel)
        # [U] A cancel is listed with a positive amount, and also when no money had come.
        self.toss.transact(payment, "PARTIAL_CANCELED" if payment.balance else "CANCELED", amount)


def _amounts(payment: Payment, body: Mapping[str, Any]) -> tuple[int, int]:
    """What to cancel in won, and what of that is free of VAT."""
    balance = balance_of(payment)
    amount, tax_free = body.get("cancelAmount", balance), body.get("taxFreeAmount", 0)
    if not (is_number(amount) and amount > 0 and (isinstance(amount, int) or amount.is_integer())):
        raise TossError("INVALID_REQUEST", "cancelAmount는 원 단위의 양의 정수여야 합니다.")
    if amount > balance:
        raise TossError("NOT_CANCELABLE_AMOUNT")
    if not (type(tax_free) is int and 0 <= tax_free <= min(amount, tax_free_balance(payment))):
        raise TossError("INVALID_REQUEST", "taxFreeAmount가 취소 금액 또는 남은 면세 금액을 넘습니다.")
    return int(amount), tax_free
