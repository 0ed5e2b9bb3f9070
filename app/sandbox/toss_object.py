"""Toss's Payment and Transaction objects, version 2022-11-16, as its server API answers them."""

from datetime import datetime
from typing import Any

from app.sandbox.book import Payment
from app.sandbox.toss_request import METHODS, WALLETS
from app.sandbox.toss_time import stamp


def payment_object(payment: Payment, origin: str) -> dict[str, Any]:
    """The whole object. `origin` is the sandbox's own, for the links to the receipt and the window."""
    facts = payment.facts
    is_captured, balance = payment.captured > 0, balance_of(payment)
    # A cancel that names no tax-free part may leave less than that part.
    tax_free = min(tax_free_balance(payment), balance)
    vat = _eleventh(balance - tax_free)
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
        "virtualAccount": facts.get("virtual_account"),
        "transfer": _transfer(payment) if is_captured else None,
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
        "receipt": {"url": receipt_url(payment, origin)} if is_captured else None,
        "checkout": {"url": f"{origin}/window/toss/{payment.pg_id}"},
    }


def looked_up(payment: Payment, origin: str) -> dict[str, Any]:
    """The object as a look-up answers it: the secret of a virtual account is told once, when it is issued."""
    hidden = {"secret": None} if "virtual_account" in payment.facts else {}
    return payment_object(payment, origin) | hidden


def transaction_object(payment: Payment, status: str, amount: int, now: datetime) -> dict[str, Any]:
    """The movement of `amount` won that has just brought the payment to `status`."""
    return {
        "mId": payment.merchant,
        "transactionKey": payment.facts["transaction_key"],
        "paymentKey": payment.pg_id,
        "orderId": payment.reference,
        "method": METHODS[payment.facts["way"]],
        "customerKey": payment.facts.get("customer_key"),
        "useEscrow": False,
        "receiptUrl": receipt_url(payment, origin_of(payment)),
        "status": status,
        "transactionAt": stamp(now),
        "currency": payment.currency,
        "amount": amount,
    }


def origin_of(payment: Payment) -> str:
    """The sandbox's origin, as the buyer saw it. A payment from before webhooks were played does not know it."""
    return str(payment.facts.get("origin", ""))


def receipt_url(payment: Payment, origin: str) -> str:
    return f"{origin}/receipts/toss/{payment.pg_id}"


def balance_of(payment: Payment) -> int:
    """What can still be cancelled, in won: before the money has come, the whole amount."""
    is_settled = payment.captured > 0 or payment.status == "CANCELED"
    return payment.balance if is_settled else payment.amount


def tax_free_balance(payment: Payment) -> int:
    """What of the balance is free of VAT, in won."""
    given_back: int = sum(cancel["taxFreeAmount"] for cancel in payment.facts["cancels"])
    return int(payment.facts["tax_free"]) - given_back


def _card(payment: Payment) -> dict[str, Any] | None:
    """The card that paid: none when the wallet paid from its own balance, as this sandbox's 토스페이 does."""
    if payment.facts["way"] in ("TOSSPAY", "TRANSFER", "VIRTUAL_ACCOUNT"):
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


def _transfer(payment: Payment) -> dict[str, Any] | None:
    if payment.facts["way"] != "TRANSFER":
        return None
    return {"bankCode": payment.facts["bank"], "settlementStatus": "INCOMPLETED"}


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
