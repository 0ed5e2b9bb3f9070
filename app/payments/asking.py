"""Asking: the owner's refunds. What may still go back is counted under the order's lock, so that no won goes twice."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import StrEnum
from uuid import UUID

from app import clock
from app.database import write_transaction
from app.jobs.queue import enqueue
from app.language import N_
from app.orders.tables import Order, OrderItem
from app.payments.alerts import close_alert
from app.payments.booking import has_succeeded_before
from app.payments.events import record
from app.payments.following import lock_order
from app.payments.states import AlertKind, Cause, RefundKind, RefundStatus
from app.payments.tables import Payment, PaymentEvent, Refund

# Asked for, and not yet in what the PG says went back.
WAITING = frozenset({RefundStatus.REQUESTED, RefundStatus.NEEDS_ACCOUNT})
# In what the PG says went back; of a pending one only some PGs say so.
UNDER_WAY = frozenset({RefundStatus.PENDING, RefundStatus.SUCCEEDED})
LONGEST_REASON = 120
# In the event of a row: the failed one that it stands for.
INSTEAD_OF = "instead_of"

# What the caller writes of a refund, in the transaction that asks for it.
Also = Callable[[Refund], Awaitable[None]]


class Why(StrEnum):
    """Why a refund is not asked for."""

    NOT_PAID = "not_paid"
    TOO_LITTLE = "too_little"
    TOO_MUCH = "too_much"
    TOO_MANY_PIECES = "too_many_pieces"
    NO_REASON = "no_reason"
    NOT_FAILED = "not_failed"
    ASKED_AGAIN = "asked_again"
    NOTHING_LEFT = "nothing_left"


SENTENCES = {
    Why.NOT_PAID: N_("결제된 주문이 아니라 돌려드릴 돈이 없습니다."),
    Why.TOO_LITTLE: N_("돌려드릴 금액을 1원 이상으로 적어 주세요."),
    Why.TOO_MUCH: N_("남은 금액보다 많이 돌려드릴 수는 없습니다."),
    Why.TOO_MANY_PIECES: N_("주문한 수량보다 많이 다시 내놓을 수는 없습니다."),
    Why.NO_REASON: N_("환불하는 까닭을 적어 주세요."),
    Why.NOT_FAILED: N_("실패한 환불이 아니라 다시 할 수 없습니다."),
    Why.ASKED_AGAIN: N_("이미 다시 요청한 환불입니다."),
    Why.NOTHING_LEFT: N_("이 결제에는 돌려드릴 돈이 남아 있지 않습니다."),
}


class NotRefundable(Exception):
    """Nothing was written. `why` is the reason, `sentence` says it to people."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why
        self.sentence = SENTENCES[why]


class BalanceChanged(Exception):
    """What may still go back is not what the owner saw: it is `balance` now. Nothing was written."""

    def __init__(self, balance: int) -> None:
        super().__init__(balance)
        self.balance = balance


def balance_of(payment: Payment, refunds: Iterable[Refund]) -> int:
    """What of a payment may still be asked back, beside all of its `refunds`; in minor units.

    A pending refund stands in the sums of one PG and not of another: it counts once, whichever it is.
    """
    amounts = [(refund.status, refund.amount) for refund in refunds]
    gone = max(payment.refunded_amount, sum(amount for status, amount in amounts if status in UNDER_WAY))
    waiting = sum(amount for status, amount in amounts if status in WAITING)
    return max(payment.captured_amount - gone - waiting, 0)


async def refundable_of(order: Order) -> int:
    """What an owner may ask back of an order now: the `seen_balance` of the next `ask_refund`."""
    payment = await _paying(order)
    return balance_of(payment, await _refunds_of(payment)) if payment else 0


async def ask_refund(
    order_id: UUID,
    amount: int,
    reason: str,
    *,
    seen_balance: int,
    requested_by: str,
    restock: int = 0,
    sealed_receiver: str | None = None,
    also: Also | None = None,
) -> Refund:
    """Asks for a part or all of what paid the order: the row, its event and its job, in one transaction.

    `seen_balance` is what the owner was shown; of two equal requests at once the second finds another balance.
    `restock` pieces go back on sale when the money has gone. `sealed_receiver` is where a deposit goes back to, if the
    owner knows (`refunding.seal_receiver`); else the shopper is asked. `also` is awaited in the same transaction.
    Raises NotRefundable, BalanceChanged.
    """
    reason = _line(reason)
    if not reason:
        raise NotRefundable(Why.NO_REASON)
    if amount < 1:
        raise NotRefundable(Why.TOO_LITTLE)
    async with write_transaction():
        order = await lock_order(order_id)
        payment = await _paying(order)
        if payment is None:
            raise NotRefundable(Why.NOT_PAID)
        refunds = await _refunds_of(payment)
        balance = balance_of(payment, refunds)
        if seen_balance != balance:
            raise BalanceChanged(balance)
        if amount > balance:
            raise NotRefundable(Why.TOO_MUCH)
        if not 0 <= restock <= await _pieces_left(order, refunds):
            raise NotRefundable(Why.TOO_MANY_PIECES)
        refund = Refund(
            payment=payment.id,
            kind=RefundKind.ASKED,
            amount=amount,
            reason=reason,
            restock=restock,
            requested_by=requested_by,
            receiver=sealed_receiver if payment.deposit_due_at else None,
            created_at=clock.now(),
        )
        await _insert(order, payment, refund)
        if also:
            await also(refund)
        return refund


async def retry_refund(
    refund_id: UUID, requested_by: str, sealed_receiver: str | None = None, also: Also | None = None
) -> Refund:
    """Asks once more for a refund that failed, or for what of it may still go back: a new row beside the failed one,
    whose alert is closed. Also for what the PG took beside another payment, or in a wrong amount. Once for each row.

    `also` is awaited in the same transaction. Raises NotRefundable.
    """
    about = await Refund.select(Refund.payment, Refund.payment.order).where(Refund.id == refund_id).first()
    if about is None:
        raise NotRefundable(Why.NOT_FAILED)
    async with write_transaction():
        order = await lock_order(about["payment.order"])
        payment = await Payment.objects().get(Payment.id == about["payment"])
        refunds = await _refunds_of(payment)
        failed = next(refund for refund in refunds if refund.id == refund_id)
        if failed.status != RefundStatus.FAILED:
            raise NotRefundable(Why.NOT_FAILED)
        if await _is_asked_again(failed):
            raise NotRefundable(Why.ASKED_AGAIN)
        amount = min(failed.amount, balance_of(payment, refunds))
        if amount < 1:
            raise NotRefundable(Why.NOTHING_LEFT)
        # One that had reached the shopper before it failed has put its pieces on sale already.
        restock = 0 if await has_succeeded_before(failed) else min(failed.restock, await _pieces_left(order, refunds))
        refund = Refund(
            payment=payment.id,
            kind=RefundKind.ASKED if failed.kind == RefundKind.OUTSIDE else failed.kind,
            amount=amount,
            reason=failed.reason,
            restock=restock,
            requested_by=requested_by,
            receiver=sealed_receiver if payment.deposit_due_at else None,
            created_at=clock.now(),
        )
        await _insert(order, payment, refund, {INSTEAD_OF: str(failed.id)})
        await close_alert(AlertKind.REFUND_FAILED, str(failed.id), "다시 요청함", requested_by)
        if also:
            await also(refund)
        return refund


async def _is_asked_again(failed: Refund) -> bool:
    asked = PaymentEvent.select(PaymentEvent.evidence).where(
        PaymentEvent.payment == failed.payment, PaymentEvent.subject == "refund", PaymentEvent.cause == Cause.OWNER
    )
    return any(json.loads(event["evidence"]).get(INSTEAD_OF) == str(failed.id) for event in await asked)


async def _paying(order: Order) -> Payment | None:
    """The payment that pays it."""
    return await Payment.objects().get(Payment.id == order.paid_by) if order.paid_by else None


async def _refunds_of(payment: Payment) -> list[Refund]:
    return await Refund.objects().where(Refund.payment == payment.id)


async def _pieces_left(order: Order, refunds: Iterable[Refund]) -> int:
    """How many pieces no refund has put on sale again, nor will."""
    items = await OrderItem.select(OrderItem.quantity, OrderItem.restocked).where(OrderItem.order == order.id)
    coming = sum(refund.restock for refund in refunds if refund.status in (*WAITING, RefundStatus.PENDING))
    return max(sum(item["quantity"] - item["restocked"] for item in items) - coming, 0)


async def _insert(order: Order, payment: Payment, refund: Refund, more: Mapping[str, str] | None = None) -> None:
    await Refund.insert(refund)
    asked = {"refund": str(refund.id), "kind": refund.kind, "amount": refund.amount, "restock": refund.restock}
    await record(Cause.OWNER, "refund", order, payment, None, refund.status, {**asked, **(more or {})})
    await enqueue("refund", {"refund": str(refund.id)}, f"refund:{refund.id}")


def _line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_REASON]
