"""PortOne's Payment object in our words. Source: PortOne's V2 API reference, `Payment` and its parts."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from app import clock
from app.money import Money
from app.payments.provider import (
    Account,
    Deposit,
    DisputeSeen,
    Garbled,
    Outcome,
    OutcomeStatus,
    RefundSeen,
    Transaction,
    Unreachable,
)
from app.payments.providers.portone_names import BANKS, name_method

STATUSES = {
    "READY": OutcomeStatus.OPEN,
    "PAY_PENDING": OutcomeStatus.PROCESSING,
    "VIRTUAL_ACCOUNT_ISSUED": OutcomeStatus.AWAITING_DEPOSIT,
    "PAID": OutcomeStatus.PAID,
    "PARTIAL_CANCELLED": OutcomeStatus.PAID,
    "CANCELLED": OutcomeStatus.PAID,
    "FAILED": OutcomeStatus.FAILED,
}
LIVE = {"LIVE": True, "TEST": False}
REFUNDS: dict[str, Literal["pending", "succeeded", "failed"]] = {
    "REQUESTED": "pending",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
}

# Under one paymentId PortOne takes money once. After FAILED another attempt may still succeed.
CLOSED = frozenset({OutcomeStatus.PAID, OutcomeStatus.CANCELLED})

# How long a virtual account that we ask for waits.
DEPOSIT_TIME = timedelta(hours=72)

# What only our references look like.
TAG = re.compile(r"[A-Z0-9]{26}")

# Our words for what comes without a code.
FAILED_WITHOUT_CODE = "FAILED"
WINDOW_OVER = "WINDOW_OVER"


def read_payment(payment: Mapping[str, Any], account: Account) -> Outcome:
    """Raises Garbled for an answer that cannot be read: a missing field or an unknown status is no answer.

    Unknown fields are ignored, as PortOne asks.
    """
    try:
        status = STATUSES[payment["status"]]
        total = Money(payment["amount"]["total"], payment["currency"])
        if status is OutcomeStatus.PAID and not _is_captured(payment):
            status = OutcomeStatus.CANCELLED
        deposit = _deposit(payment) if _has_account(payment, status) else None
        if deposit and (status is OutcomeStatus.FAILED or clock.now() > deposit.due_at):
            # [U] What PortOne calls it after its time: the status may be left as it is, or be FAILED.
            status = OutcomeStatus.EXPIRED
        captured = total.amount if status is OutcomeStatus.PAID else 0
        return Outcome(
            status=status,
            reference=payment["id"],
            merchant=payment["storeId"],
            live=_is_live(payment, status, account),
            amount=total.amount,
            currency=total.currency,
            captured=captured,
            refunded=_refunded(payment, total) if captured else 0,
            pg_payment_id=payment["transactionId"],
            method=name_method(payment.get("method") or {}),
            paid_at=_moment(payment["paidAt"]) if captured and payment.get("paidAt") else None,
            receipt_url=_receipt(payment),
            failure=_failure(payment, status),
            closed=status in CLOSED,
            deposit=deposit,
            refunds=_refunds(payment) if captured else (),
            disputes=_disputes(payment, total.amount),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Garbled(f"an answer that we cannot read: {type(error).__name__}") from None


def read_transactions(payment: Mapping[str, Any], account: Account) -> list[Transaction]:
    """What a payment in PortOne's list tells of money in the account's mode: a store's list holds both modes.

    Raises Unreachable.
    """
    try:
        if not _is_captured(payment) or LIVE[payment["channel"]["type"]] != (account.mode == "live"):
            return []
        reference = payment["id"] if TAG.fullmatch(payment["id"]) else None
        name, currency = payment["transactionId"], payment["currency"]
        captured_at = _moment(payment.get("paidAt") or payment["requestedAt"])
        total = _whole(payment["amount"]["total"])
        moves = [Transaction("captured", reference, name, name, total, currency, captured_at)]
        for cancellation in payment.get("cancellations") or ():
            if cancellation["status"] == "SUCCEEDED":
                at = _moment(cancellation.get("cancelledAt") or cancellation["requestedAt"])
                amount = _whole(cancellation["totalAmount"])
                moves.append(Transaction("refunded", reference, name, cancellation["id"], amount, currency, at))
        return moves
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreachable(f"a payment that we cannot read: {type(error).__name__}") from None


def _is_captured(payment: Mapping[str, Any]) -> bool:
    """[U] A virtual account that was closed unpaid may end as CANCELLED too; only of those may `paidAt` be absent."""
    if payment["status"] != "CANCELLED":
        return payment["status"] in ("PAID", "PARTIAL_CANCELLED")
    is_deposit = (payment.get("method") or {}).get("type") == "PaymentMethodVirtualAccount"
    return bool(payment.get("paidAt")) or (payment["amount"]["cancelled"] > 0 and not is_deposit)


def _is_live(payment: Mapping[str, Any], status: OutcomeStatus, account: Account) -> bool:
    """Before money moves the channel may not be chosen yet; then nothing contradicts the account."""
    if payment.get("channel") is None and status in (OutcomeStatus.OPEN, OutcomeStatus.FAILED):
        return account.mode == "live"
    return LIVE[payment["channel"]["type"]]


def _refunded(payment: Mapping[str, Any], total: Money) -> int:
    """CANCELLED says that all of it went back, whatever part of the total was a discount."""
    if payment["status"] == "CANCELLED":
        return total.amount
    return _whole(payment["amount"]["cancelled"])


def _has_account(payment: Mapping[str, Any], status: OutcomeStatus) -> bool:
    """Whether a virtual account was issued and no deposit came."""
    method = payment.get("method") or {}
    was_issued = method.get("type") == "PaymentMethodVirtualAccount" and bool(method.get("accountNumber"))
    return status is OutcomeStatus.AWAITING_DEPOSIT or (status is OutcomeStatus.FAILED and was_issued)


def _deposit(payment: Mapping[str, Any]) -> Deposit:
    """All but the number may be absent; then it waits as long as we asked for."""
    account = payment["method"]
    bank = account.get("bank") or ""
    due = account.get("expiredAt")
    return Deposit(
        bank=BANKS.get(bank, bank),
        number=account["accountNumber"],
        holder=(account.get("remitteeName") or "")[:100],
        due_at=_moment(due) if due else _moment(payment["requestedAt"]) + DEPOSIT_TIME,
    )


def _refunds(payment: Mapping[str, Any]) -> tuple[RefundSeen, ...]:
    """Our reference ends the reason."""
    seen = []
    for cancellation in payment.get("cancellations") or ():
        last_word = cancellation["reason"].rsplit(" ", 1)[-1]
        seen.append(
            RefundSeen(
                pg_refund_id=cancellation["id"],
                reference=last_word if TAG.fullmatch(last_word) else None,
                amount=_whole(cancellation["totalAmount"]),
                status=REFUNDS[cancellation["status"]],
            )
        )
    return tuple(seen)


def _disputes(payment: Mapping[str, Any], total: int) -> tuple[DisputeSeen, ...]:
    """PortOne tells neither the amount nor a due date: it is about the whole payment. Its id is the PG's, or absent."""
    return tuple(
        DisputeSeen(
            pg_dispute_id=dispute.get("pgDisputeId") or f"{payment['id']}:{dispute['createdAt']}",
            status=dispute["status"],
            is_open=dispute["status"] != "RESOLVED",
            amount=total,
            reason=dispute["reason"][:80],
        )
        for dispute in payment.get("disputes") or ()
    )


def _failure(payment: Mapping[str, Any], status: OutcomeStatus) -> str | None:
    if status is OutcomeStatus.EXPIRED:
        return WINDOW_OVER
    if status is OutcomeStatus.FAILED:
        return str(payment["failure"].get("pgCode") or FAILED_WITHOUT_CODE)[:80]
    return None


def _receipt(payment: Mapping[str, Any]) -> str | None:
    """Never worth losing the answer over: one that is too long for our row is left out."""
    url = payment.get("receiptUrl")
    return url if url and len(url) <= 500 else None


def _whole(amount: object) -> int:
    if type(amount) is not int:
        raise TypeError("not a whole amount")
    return amount


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its offset")
    return moment.astimezone(UTC)
