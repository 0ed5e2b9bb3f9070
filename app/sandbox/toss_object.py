"""Toss's Payment object, version 2022-11-16, as its server API answers it."""

from typing import Any

from app.sandbox.book import Payment
from app.sandbox.toss_payments import CAPTURED, stamp, tax_free_balance
from app.sandbox.toss_request import METHODS, WALLETS


def payment_object(payment: Payment, origin: str) -> dict[str, Any]:
    """The whole object. `origin` is the sandbox's own, for the links to the receipt and the window."""
    facts = payment.facts
    is_captured = payment.status in CAPTURED
    balance = payment.balance if is_captured else payment.amount
    # A cancel that names no tax-free part may leave less than that part.
    tax_free = min(tax_free_balance(payment), balance)
    vat = _eleventh(balance - tax_free)
    receipt = {"url": f"{origin}/receipts/toss/{payment.pg_id}"} if is_captured else None
    return {
        "mId": payment.merchant,
        "version": "2022-11-16",
        "lastTransactionKey": facts.get("transaction_key"),
        "paymentKey": payment.pg_id,
        "orderId": payment.reference,
        "orderName": facts["order_name"],
        "currency": payment.currency,
        # [U] Before the buyer has chosen, there is no method.
        "method": None if payment.status == "READY" else METHODS[facts["way"]],
        "type": "NORMAL",
        "status": payment.status,
        "totalAmount": payment.amount,
        "balanceAmount": balance,
        "suppliedAmount": balance - tax_free - vat,
        "vat": vat,
        "taxFreeAmount": tax_free,
        "taxExemptionAmount": 0,
        "requestedAt": stamp(payment.opened_at),
        "approvedAt": facts.get("approved_at"),
        "useEscrow": False,
        "cultureExpense": False,
        "isPartialCancelable": True,
        "country": "KR",
        "card": _card(payment) if is_captured else None,
        "virtualAccount": None,
        "transfer": None,
        "mobilePhone": None,
        "giftCertificate": None,
        "easyPay": _easy_pay(payment) if is_captured else None,
        "cashReceipt": None,
        "cashReceipts": None,
        "discount": None,
        "cancels": facts["cancels"] or None,
        "failure": facts["failure"],
        "metadata": facts["metadata"],
        "secret": facts.get("secret"),
        "receipt": receipt,
        "checkout": {"url": f"{origin}/window/toss/{payment.pg_id}"},
    }


def _card(payment: Payment) -> dict[str, Any] | None:
    """The card that paid: none when the wallet paid from its own balance, as this sandbox's 토스페이 does."""
    if payment.facts["way"] == "TOSSPAY":
        return None
    return {
        "issuerCode": "71",
        "acquirerCode": "71",
        "number": "53275010****321*",
        "installmentPlanMonths": 0,
        "isInterestFree": False,
        "interestPayer": None,
        "approveNo": payment.facts["approve_no"],
        "useCardPoint": False,
        "cardType": "신용",
        "ownerType": "개인",
        "acquireStatus": "READY",
        "amount": payment.amount,
    }


def _easy_pay(payment: Payment) -> dict[str, Any] | None:
    way = payment.facts["way"]
    if way not in WALLETS:
        return None
    # When a card inside the wallet pays, the wallet's own amount is 0.
    from_balance = payment.amount if _card(payment) is None else 0
    return {"provider": WALLETS[way], "amount": from_balance, "discountAmount": 0}


def _eleventh(taxed: int) -> int:
    """VAT inside a gross amount, rounded to the won."""
    return (2 * taxed + 11) // 22
