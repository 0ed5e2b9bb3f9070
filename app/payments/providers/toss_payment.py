"""Toss's Payment object in our words. Source: Toss's core API reference, "Payment 객체"."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from app import clock
from app.money import Money
from app.payments.provider import (
    Account,
    Deposit,
    Garbled,
    Outcome,
    OutcomeStatus,
    RefundSeen,
    Transaction,
    Unreachable,
)
from app.payments.providers.toss_errors import SESSION_OVER

STATUSES = {
    "READY": OutcomeStatus.OPEN,
    "IN_PROGRESS": OutcomeStatus.AUTHORIZED,
    "WAITING_FOR_DEPOSIT": OutcomeStatus.AWAITING_DEPOSIT,
    "DONE": OutcomeStatus.PAID,
    "PARTIAL_CANCELED": OutcomeStatus.PAID,
    "CANCELED": OutcomeStatus.PAID,
    "ABORTED": OutcomeStatus.FAILED,
    "EXPIRED": OutcomeStatus.EXPIRED,
}

# How long after a virtual account's time.
AFTER_DUE = timedelta(days=4)

# Toss takes no money, or no more money, for a payment in one of these.
CLOSED = frozenset({OutcomeStatus.PAID, OutcomeStatus.FAILED, OutcomeStatus.EXPIRED, OutcomeStatus.CANCELLED})

KST = timezone(timedelta(hours=9))
DEPOSIT = "가상계좌"

# What only our references look like.
TAG = re.compile(r"[0-9A-Z]{26}")

BANKS = {
    "39": "경남은행",
    "34": "광주은행",
    "12": "단위농협",
    "32": "부산은행",
    "45": "새마을금고",
    "64": "산림조합",
    "88": "신한은행",
    "48": "신협",
    "27": "씨티은행",
    "20": "우리은행",
    "71": "우체국예금",
    "50": "저축은행중앙회",
    "37": "전북은행",
    "35": "제주은행",
    "90": "카카오뱅크",
    "89": "케이뱅크",
    "92": "토스뱅크",
    "81": "하나은행",
    "03": "IBK기업은행",
    "06": "KB국민은행",
    "31": "iM뱅크",
    "02": "KDB산업은행",
    "11": "NH농협은행",
    "23": "SC제일은행",
    "07": "Sh수협은행",
}
"""Toss's two-digit bank codes, as its reference lists them."""

REFUNDS: dict[str, Literal["pending", "succeeded", "failed"]] = {
    "PENDING": "pending",
    # Which of several it was Toss does not say: none of them counts as done.
    "PARTIAL_FAILED": "pending",
    "FAILED": "failed",
}


def read_payment(payment: Mapping[str, Any], account: Account) -> Outcome:
    """Raises Garbled for an answer that cannot be read: a missing field or an unknown status is no answer.

    Unknown fields are ignored, as Toss asks. Whether it is live money Toss does not say: the key decides.
    """
    try:
        status = STATUSES[payment["status"]]
        total = _minor(payment["totalAmount"], payment)
        balance = _minor(payment["balanceAmount"], payment)
        approved = payment.get("approvedAt")
        if payment["status"] == "CANCELED" and not approved:
            status = OutcomeStatus.CANCELLED
        deposit = _deposit(payment) if status is OutcomeStatus.AWAITING_DEPOSIT else None
        if deposit and payment["virtualAccount"]["expired"]:
            # Toss leaves the status as it is, and sends no webhook.
            status = OutcomeStatus.EXPIRED
        captured = total if status is OutcomeStatus.PAID else 0
        return Outcome(
            status=status,
            reference=payment["orderId"],
            merchant=payment["mId"],
            live=account.mode == "live",
            amount=total,
            currency=payment["currency"],
            captured=captured,
            refunded=captured - balance if captured else 0,
            pg_payment_id=payment["paymentKey"],
            method=_method(payment),
            # Toss writes the offset; a time without one would be Korean.
            paid_at=_aware(datetime.fromisoformat(approved)) if approved else None,
            receipt_url=_receipt(payment),
            failure=_failure(payment, status),
            closed=status in CLOSED and not _may_still_change(payment),
            deposit=deposit,
            secret=payment.get("secret"),
            refunds=_refunds(payment) if captured else (),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Garbled(f"an answer that we cannot read: {type(error).__name__}") from None


def read_transaction(row: Mapping[str, Any]) -> Transaction | None:
    """None for a row that tells of no money. Raises Unreachable.

    A deposit that the bank took back stands here as WAITING_FOR_DEPOSIT.
    """
    try:
        kind = TRANSACTIONS.get(row["status"])
        if kind is None:
            return None
        return Transaction(
            kind=kind,
            reference=row["orderId"] if TAG.fullmatch(row["orderId"]) else None,
            pg_payment_id=row["paymentKey"],
            pg_id=row["transactionKey"],
            # [U] Whether a cancel is listed with a minus.
            amount=abs(_minor(row["amount"], row)),
            currency=row["currency"],
            at=_aware(datetime.fromisoformat(row["transactionAt"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable(f"a row that we cannot read: {type(error).__name__}") from None


TRANSACTIONS: dict[str, Literal["captured", "refunded"]] = {
    "DONE": "captured",
    "CANCELED": "refunded",
    "PARTIAL_CANCELED": "refunded",
    "WAITING_FOR_DEPOSIT": "refunded",
}


def local_time(moment: datetime) -> str:
    """Toss's lists take Korean time without its offset."""
    return moment.astimezone(KST).strftime("%Y-%m-%dT%H:%M:%S")


def to_major(money: Money) -> int | float:
    """Toss wants whole won and yen, but dollars with cents as decimals."""
    units = Money.units(money.currency)
    return money.amount if units == 1 else money.amount / units


def _minor(amount: float, payment: Mapping[str, Any]) -> int:
    """The way back of `to_major`."""
    return round(amount * Money.units(payment["currency"]))


def _may_still_change(payment: Mapping[str, Any]) -> bool:
    """For some days after its time a bank may still tell of a deposit, or take one back."""
    account = payment.get("virtualAccount")
    if payment["status"] not in ("WAITING_FOR_DEPOSIT", "DONE") or not account:
        return False
    return clock.now() < _aware(datetime.fromisoformat(account["dueDate"])) + AFTER_DUE


def _deposit(payment: Mapping[str, Any]) -> Deposit:
    account = payment["virtualAccount"]
    return Deposit(
        bank=BANKS.get(account["bankCode"], account["bankCode"]),
        number=account["accountNumber"],
        holder=account["customerName"] or "",
        due_at=_aware(datetime.fromisoformat(account["dueDate"])),
    )


def _refunds(payment: Mapping[str, Any]) -> tuple[RefundSeen, ...]:
    """A deposit is sent back within days; until then its refund is not done. Our reference ends the reason."""
    account = payment.get("virtualAccount") or {}
    status = REFUNDS.get(account.get("refundStatus", ""), "succeeded")
    seen = []
    for cancel in payment.get("cancels") or ():
        last_word = cancel["cancelReason"].rsplit(" ", 1)[-1]
        seen.append(
            RefundSeen(
                pg_refund_id=cancel["transactionKey"],
                reference=last_word if TAG.fullmatch(last_word) else None,
                amount=_minor(cancel["cancelAmount"], payment),
                status=status,
            )
        )
    return tuple(seen)


def _method(payment: Mapping[str, Any]) -> str | None:
    """For people: the wallet's name where there is one, else Toss's own word (카드, 계좌이체)."""
    easy_pay = payment.get("easyPay") or {}
    method = easy_pay.get("provider") or payment.get("method")
    return method and str(method)[:80]


def _failure(payment: Mapping[str, Any], status: OutcomeStatus) -> str | None:
    if status is OutcomeStatus.EXPIRED:
        return SESSION_OVER
    code = (payment.get("failure") or {}).get("code")
    return code and str(code)[:80]


def _receipt(payment: Mapping[str, Any]) -> str | None:
    """Never worth losing the answer over: one that is too long for our row is left out."""
    url = (payment.get("receipt") or {}).get("url")
    return url if url and len(url) <= 500 else None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=KST)
