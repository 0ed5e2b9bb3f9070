"""Toss's Payment object in our words. Source: Toss's core API reference, "Payment 객체"."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from app.money import Money
from app.payments.provider import Account, Outcome, OutcomeStatus, Unreachable
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

# Toss takes no money, or no more money, for a payment in one of these.
CLOSED = frozenset({OutcomeStatus.PAID, OutcomeStatus.FAILED, OutcomeStatus.EXPIRED, OutcomeStatus.CANCELLED})

KST = timezone(timedelta(hours=9))
DEPOSIT = "가상계좌"


def read_payment(payment: Mapping[str, Any], account: Account) -> Outcome:
    """Raises Unreachable for an answer that cannot be read: a missing field or an unknown status is no answer.

    Unknown fields are ignored, as Toss asks. Whether it is live money Toss does not say: the key decides.
    """
    try:
        status = STATUSES[payment["status"]]
        total = _minor(payment["totalAmount"], payment)
        balance = _minor(payment["balanceAmount"], payment)
        approved = payment.get("approvedAt")
        if payment["status"] == "CANCELED" and not approved:
            status = OutcomeStatus.CANCELLED
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
            closed=status in CLOSED,
            refunds=tuple(
                (cancel["cancelReason"].rsplit(" ", 1)[-1], cancel["transactionKey"])
                for cancel in payment.get("cancels") or ()
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Unreachable(f"an answer that we cannot read: {type(error).__name__}") from None


def to_major(money: Money) -> int | float:
    """Toss wants whole won and yen, but dollars with cents as decimals."""
    units = Money.units(money.currency)
    return money.amount if units == 1 else money.amount / units


def _minor(amount: float, payment: Mapping[str, Any]) -> int:
    """The way back of `to_major`."""
    return round(amount * Money.units(payment["currency"]))


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
