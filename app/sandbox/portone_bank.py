"""What happens to PortOne's payments at banks and card companies: deposits, late approvals, refunds, disputes."""

from collections.abc import Callable
from typing import Any

from app.sandbox.book import Payment
from app.sandbox.gateway import ConsoleRefused
from app.sandbox.portone_cancels import PortOneCancels, cancellable
from app.sandbox.portone_errors import PortOneError
from app.sandbox.portone_moves import PortOneMoves, refusal_of_pg, requested
from app.sandbox.portone_time import stamp

REASON = "카드 소지자의 이의 제기"
WORDS = {
    "deposit": "입금하기",
    "settle_pending": "승인 마치기",
    "fail_pending": "승인 실패하기",
    "complete": "환불금 보내기",
    "fail_refund": "환불 실패하기",
    "dispute": "이의 제기하기",
    "win_dispute": "분쟁에서 이기기",
    "lose_dispute": "분쟁에서 지기",
}


class PortOneBank:
    """Their side, moved by hand."""

    def __init__(self, moves: PortOneMoves, cancels: PortOneCancels) -> None:
        self.moves, self.cancels = moves, cancels
        self.verbs: dict[str, Callable[[Payment], None]] = {
            "deposit": lambda payment: moves.pay(payment, "VIRTUAL_ACCOUNT_DEPOSIT"),
            "settle_pending": lambda payment: moves.pay(payment, "ASYNC_PAY_APPROVED"),
            "fail_pending": self._fail_pending,
            "complete": lambda payment: moves.complete_cancellation(payment, requested(payment)[0]),
            "fail_refund": lambda payment: moves.fail_cancellation(payment, requested(payment)[0]),
            "dispute": self._dispute,
            "win_dispute": self._win_dispute,
            "lose_dispute": self._lose_dispute,
        }

    def act(self, verb: str, payment: Payment) -> None:
        """Raises ConsoleRefused."""
        if verb not in self.verbs:
            raise ConsoleRefused(f"PortOne knows no {verb!r}")
        if verb not in possible(payment):
            raise ConsoleRefused(f"{verb!r} makes no sense for this {payment.status} payment")
        self.verbs[verb](payment)

    def refund(self, payment: Payment, amount: int | None) -> None:
        """Raises ConsoleRefused."""
        try:
            self.cancels.refund_at_console(payment, amount)
        except PortOneError as error:
            raise ConsoleRefused(f"{error.type}: {error.message}", error.status) from None

    def _fail_pending(self, payment: Payment) -> None:
        self.moves.fail(payment, refusal_of_pg("REJECT_CARD_PAYMENT"), "ASYNC_PAY_FAILED")

    def _dispute(self, payment: Payment) -> None:
        dispute = {
            "status": "UNRESOLVED",
            "pgDisputeId": f"dp_{self.moves.world.text(16)}",
            "reason": REASON,
            "createdAt": stamp(self.moves.world.now()),
        }
        payment.facts["disputes"].append(dispute)
        self.moves.tell(payment, "Transaction.DisputeCreated", trigger="DISPUTE_CREATED")
        self.moves.keep(payment)

    def _win_dispute(self, payment: Payment) -> None:
        self._resolve(payment)
        self.moves.tell(payment, "Transaction.DisputeResolved", trigger="DISPUTE_RESOLVED")
        self.moves.keep(payment)

    def _lose_dispute(self, payment: Payment) -> None:
        """[U] That a lost dispute is told as resolved and then as cancelled."""
        self._resolve(payment)
        self.cancels.charge_back(payment, REASON, "Transaction.DisputeResolved")

    def _resolve(self, payment: Payment) -> None:
        (dispute,) = _open_disputes(payment)
        dispute.update(status="RESOLVED", resolvedAt=stamp(self.moves.world.now()))


def possible(payment: Payment) -> dict[str, str]:
    """The verbs that make sense now, with the words on their buttons."""
    is_disputed = bool(_open_disputes(payment))
    makes_sense = {
        "deposit": payment.status == "VIRTUAL_ACCOUNT_ISSUED",
        "settle_pending": payment.status == "PAY_PENDING",
        "fail_pending": payment.status == "PAY_PENDING",
        "complete": bool(requested(payment)),
        "fail_refund": bool(requested(payment)),
        # Only a payment in this status shows its disputes.
        "dispute": payment.status == "PAID" and not payment.facts["virtual_account"] and not is_disputed,
        "win_dispute": is_disputed,
        "lose_dispute": is_disputed and cancellable(payment) > 0,
    }
    return {verb: words for verb, words in WORDS.items() if makes_sense[verb]}


def _open_disputes(payment: Payment) -> list[dict[str, Any]]:
    return [dispute for dispute in payment.facts["disputes"] if dispute["status"] == "UNRESOLVED"]
