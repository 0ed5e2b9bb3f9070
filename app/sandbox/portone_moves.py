"""How a payment at PortOne changes its status, whoever makes it: buyer, shop, bank, console or time."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from app.sandbox.book import Book, Payment
from app.sandbox.portone_errors import PG_CODES
from app.sandbox.portone_time import KST, read_stamp, stamp
from app.sandbox.world import World

TYPES = {
    "READY": "Transaction.Ready",
    "PAY_PENDING": "Transaction.PayPending",
    "VIRTUAL_ACCOUNT_ISSUED": "Transaction.VirtualAccountIssued",
    "PAID": "Transaction.Paid",
    "FAILED": "Transaction.Failed",
    "PARTIAL_CANCELLED": "Transaction.PartialCancelled",
    "CANCELLED": "Transaction.Cancelled",
}
# [U] How long a bank takes for a refund; a requested one arrives then by itself.
REFUND_TAKES = timedelta(days=2)


class Tell(Protocol):
    def __call__(
        self, payment: Payment, *kinds: str, cancellation_id: str | None = None, trigger: str | None = None
    ) -> None:
        """Let the shop hear of these types of webhook."""


@dataclass(frozen=True)
class PortOneMoves:
    """Every change is kept in the book and told."""

    book: Book
    world: World
    tell: Tell

    def keep(self, payment: Payment) -> None:
        payment.facts["updated_at"] = stamp(self.world.now())
        self.book.save(payment)

    def move(self, payment: Payment, status: str, trigger: str | None = None, is_silent: bool = False) -> None:
        payment.status, payment.moved_at = status, self.world.now()
        if not is_silent:
            self.tell(payment, TYPES[status], trigger=trigger)
        self.keep(payment)

    def pay(self, payment: Payment, trigger: str | None = None, is_silent: bool = False) -> None:
        """The money has come."""
        payment.captured = payment.amount
        payment.facts.update(paid_at=stamp(self.world.now()), approval_no=f"{self.world.chance.randrange(10**8):08}")
        self.book_at_pg(payment)
        self.move(payment, "PAID", trigger, is_silent)

    def book_at_pg(self, payment: Payment) -> None:
        """The PG gives the attempt an id of its own, once."""
        local = self.world.now().astimezone(KST)
        payment.facts.setdefault("pg_tx_id", f"tport{local:%Y%m%d%H%M%S}{self.world.text(5)}")

    def fail(self, payment: Payment, failure: dict[str, str], trigger: str | None = None) -> None:
        payment.facts.update(failure=failure, failed_at=stamp(self.world.now()), token=None)
        self.move(payment, "FAILED", trigger)

    def request_cancellation(self, payment: Payment, cancellation: dict[str, Any]) -> None:
        """The refund is on its way: nothing has gone back yet."""
        payment.facts["cancellations"].append(cancellation)
        if payment.facts["virtual_account"]:
            payment.facts["virtual_account"]["refundStatus"] = "PENDING"
        if not cancellation["is_silent"]:
            self.tell(payment, "Transaction.CancelPending", cancellation_id=cancellation["id"])
        self.keep(payment)

    def complete_cancellation(self, payment: Payment, cancellation: dict[str, Any], *more: str) -> None:
        """The money is back with the buyer. `more` are types of webhook that this change brings before its own."""
        was_requested = cancellation["status"] == "REQUESTED"
        payment.refunded += cancellation["totalAmount"]
        payment.status = "PARTIAL_CANCELLED" if payment.balance else "CANCELLED"
        payment.moved_at = self.world.now()
        cancellation.update(
            status="SUCCEEDED",
            pgCancellationId=f"txrd_a01{self.world.text(12).lower()}",
            cancelledAt=stamp(self.world.now()),
        )
        if not was_requested:
            payment.facts["cancellations"].append(cancellation)
        if payment.facts["virtual_account"]:
            payment.facts["virtual_account"]["refundStatus"] = "COMPLETED"
        kinds = more if cancellation["is_silent"] else (*more, TYPES[payment.status])
        if kinds:
            trigger = "ASYNC_CANCEL_APPROVED" if was_requested else None
            self.tell(payment, *kinds, cancellation_id=cancellation["id"], trigger=trigger)
        self.keep(payment)

    def fail_cancellation(self, payment: Payment, cancellation: dict[str, Any]) -> None:
        """The money stays here, or comes back."""
        was_requested = cancellation["status"] == "REQUESTED"
        cancellation["status"] = "FAILED"
        if not was_requested:
            payment.facts["cancellations"].append(cancellation)
        if payment.facts["virtual_account"]:
            is_first = not payment.refunded
            payment.facts["virtual_account"]["refundStatus"] = "FAILED" if is_first else "PARTIAL_REFUND_FAILED"
        # [U] Which type tells it, if the answer to the request did not: the status that the payment still has.
        if was_requested and not cancellation["is_silent"]:
            of_partial = cancellation["id"] if payment.refunded else None
            kind = TYPES[payment.status]
            self.tell(payment, kind, cancellation_id=of_partial, trigger="ASYNC_CANCEL_FAILED")
        self.keep(payment)

    def refresh(self, payment: Payment) -> Payment:
        """The payment after what time does to it: here it happens on each access."""
        now, account = self.world.now(), payment.facts["virtual_account"]
        if payment.status == "VIRTUAL_ACCOUNT_ISSUED" and now >= _moment(account["expiredAt"]):
            # [U] That an account whose term is over is a failed payment, and that it is told.
            self.fail(payment, {"reason": "입금 기한이 지났습니다."})
        for cancellation in requested(payment):
            if now - _moment(cancellation["requestedAt"]) >= REFUND_TAKES:
                self.complete_cancellation(payment, cancellation)
        return payment


def requested(payment: Payment) -> list[dict[str, Any]]:
    """The refunds on their way, oldest first."""
    return [each for each in payment.facts["cancellations"] if each["status"] == "REQUESTED"]


def refusal_of_pg(code: str) -> dict[str, str]:
    """The failure of an attempt that the PG refused with this code."""
    return {"reason": PG_CODES[code], "pgCode": code, "pgMessage": PG_CODES[code]}


def _moment(text: str) -> Any:
    moment = read_stamp(text)
    assert moment is not None
    return moment
