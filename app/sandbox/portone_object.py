"""PortOne's Payment and what hangs on it, as its server API answers them (OpenAPI 1.16.0). What is not there is
left out, never null.
"""

import json
from collections.abc import Mapping
from typing import Any

from app.sandbox.book import Payment, Webhook
from app.sandbox.portone_payments import PortOneAccount
from app.sandbox.portone_time import stamp

MOST_DELIVERIES = 6
CARD = {
    "publisher": "KOOKMIN_CARD",
    "issuer": "KOOKMIN_CARD",
    "brand": "LOCAL",
    "type": "CREDIT",
    "ownerType": "PERSONAL",
    "bin": "53275010",
    "name": "KB국민카드",
    "number": "53275010****321*",
}
# A wallet pays from its own balance, or passes on the buyer's card or bank account.
IN_WALLET = {
    "KAKAOPAY": {"type": "PaymentMethodEasyPayMethodCharge"},
    "NAVERPAY": {"type": "PaymentMethodCard", "card": CARD},
    "TOSSPAY": {"type": "PaymentMethodTransfer", "bank": "TOSS"},
}
WITH_METHOD = ("PAY_PENDING", "VIRTUAL_ACCOUNT_ISSUED", "PAID", "PARTIAL_CANCELLED", "CANCELLED")


def payment_object(
    payment: Payment, account: PortOneAccount, webhooks: Mapping[str, Webhook], origin: str
) -> dict[str, Any]:
    """The whole object. `webhooks` are those of the paymentId by their id; `origin` is the sandbox's own."""
    facts = payment.facts
    return {
        "status": payment.status,
        "id": payment.reference,
        "transactionId": payment.pg_id,
        "merchantId": f"merchant-{payment.merchant.removeprefix('store-')}",
        "storeId": payment.merchant,
        **_method(payment),
        "channel": {
            "type": account.channel_type,
            "id": f"channel-id-{account.channel_key.removeprefix('channel-key-')}",
            "key": account.channel_key,
            "name": account.shop_name,
            "pgProvider": "TOSSPAYMENTS",
            "pgMerchantId": "sandbox",
        },
        "version": "V2",
        "webhooks": [_logged(each, webhooks[each["id"]]) for each in facts["webhooks"] if each["id"] in webhooks],
        "requestedAt": stamp(payment.opened_at),
        "updatedAt": facts["updated_at"],
        "statusChangedAt": stamp(payment.moved_at),
        "orderName": facts["order_name"],
        "amount": _amount(payment),
        "currency": payment.currency,
        "customer": facts["customer"],
        "origin": facts["browser"],
        **({"customData": facts["custom_data"]} if facts["custom_data"] else {}),
        **_of_status(payment, origin),
    }


def transaction_object(payment: dict[str, Any]) -> dict[str, Any]:
    """The same as one attempt to pay: `id` is the attempt's then."""
    rest = {name: value for name, value in payment.items() if name not in ("transactionId", "disputes", "origin")}
    if payment["status"] == "PAID":
        rest.pop("cancellations")
    return rest | {"id": payment["transactionId"], "paymentId": payment["id"]}


def cancellation_object(cancellation: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in cancellation.items() if name != "is_silent"}


def webhook_object(payment: Payment, webhook: Webhook) -> dict[str, Any]:
    """One webhook of this payment."""
    number = webhook.headers["webhook-id"]
    return _logged(next(each for each in payment.facts["webhooks"] if each["id"] == number), webhook)


def receipt_url(payment: Payment, origin: str) -> str:
    return f"{origin}/receipts/portone/{payment.pg_id}"


def eleventh(taxed: int) -> int:
    """VAT inside a gross amount, rounded."""
    return (2 * taxed + 11) // 22


def _amount(payment: Payment) -> dict[str, int]:
    tax_free = payment.facts["tax_free"]
    vat = eleventh(payment.amount - tax_free)
    done = [each for each in payment.facts["cancellations"] if each["status"] == "SUCCEEDED"]
    return {
        "total": payment.amount,
        "taxFree": tax_free,
        "vat": vat,
        "supply": payment.amount - tax_free - vat,
        "discount": 0,
        # [U] That it stays when money goes back.
        "paid": payment.captured,
        "cancelled": payment.refunded,
        "cancelledTaxFree": sum(each["taxFreeAmount"] for each in done),
    }


def _method(payment: Payment) -> dict[str, Any]:
    facts, way = payment.facts, payment.facts["way"]
    if facts["virtual_account"]:
        return {"method": facts["virtual_account"]}
    # [U] An attempt that is open or has failed knows of no method.
    if payment.status not in WITH_METHOD:
        return {}
    if way == "CARD":
        approved = {"approvalNumber": facts["approval_no"]} if payment.captured else {}
        paid_at_once = {"month": 0, "isInterestFree": False}
        card = {"type": "PaymentMethodCard", "card": CARD, **approved, "installment": paid_at_once, "pointUsed": False}
        return {"method": card}
    if way == "TRANSFER":
        return {"method": {"type": "PaymentMethodTransfer", "bank": facts["bank"]}}
    return {"method": {"type": "PaymentMethodEasyPay", "provider": way, "easyPayMethod": IN_WALLET[way]}}


def _of_status(payment: Payment, origin: str) -> dict[str, Any]:
    """What only payments of this status tell."""
    facts, told = payment.facts, {}
    if payment.status == "FAILED":
        return {"failedAt": facts["failed_at"], "failure": facts["failure"]}
    if "pg_tx_id" in facts:
        told["pgTxId"] = facts["pg_tx_id"]
    if payment.captured:
        told |= {"paidAt": facts["paid_at"], "receiptUrl": receipt_url(payment, origin)}
    if payment.status == "PAID":
        at_pg = {"paymentKey": facts["pg_tx_id"], "status": "DONE", "totalAmount": payment.amount}
        told |= {"pgResponse": json.dumps(at_pg), "disputes": facts["disputes"]}
    cancellations = [cancellation_object(each) for each in facts["cancellations"]]
    if payment.captured or payment.status == "CANCELLED":
        told["cancellations"] = cancellations
    if payment.status in ("PARTIAL_CANCELLED", "CANCELLED"):
        done = [each["cancelledAt"] for each in cancellations if each["status"] == "SUCCEEDED"]
        told["cancelledAt"] = max(done, default=facts.get("closed_at"))
    return told


def _logged(noted: dict[str, Any], webhook: Webhook) -> dict[str, Any]:
    """A webhook in the payment's log. What the shop answered, beyond the status, nobody here keeps."""
    told = {
        "paymentStatus": noted["paymentStatus"],
        "id": noted["id"],
        "url": webhook.url,
        "isAsync": True,
        "currentExecutionCount": webhook.attempts,
        "maxExecutionCount": MOST_DELIVERIES,
        "request": {"body": webhook.body},
        "triggeredAt": noted["triggeredAt"],
    }
    if noted["trigger"]:
        told["trigger"] = noted["trigger"]
    if webhook.attempts and webhook.answer is not None:
        told["status"] = _outcome(webhook.answer)
    return told


def _outcome(answer: int | str) -> str:
    if isinstance(answer, str):
        return "FAILED_UNEXPECTED_ERROR"
    return "SUCCEEDED" if 200 <= answer < 300 else "FAILED_NOT_OK_RESPONSE"
