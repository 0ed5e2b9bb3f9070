"""The order's states, and which may follow which, as data."""

from enum import StrEnum


class OrderStatus(StrEnum):
    PENDING = "pending"
    AWAITING_DEPOSIT = "awaiting_deposit"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


S = OrderStatus

CAPTURED = frozenset({S.PAID, S.PARTIALLY_REFUNDED, S.REFUNDED})

# A late success is believed after any end, so every state without money may still become paid. Money leaves only by
# refund, by a refund that fails afterwards (back again), or by a deposit that the bank takes back.
NEXT: dict[OrderStatus, frozenset[OrderStatus]] = {
    S.PENDING: CAPTURED | {S.AWAITING_DEPOSIT, S.FAILED, S.CANCELLED, S.EXPIRED},
    S.AWAITING_DEPOSIT: CAPTURED | {S.PENDING, S.FAILED, S.CANCELLED, S.EXPIRED},
    S.PAID: frozenset({S.PARTIALLY_REFUNDED, S.REFUNDED, S.AWAITING_DEPOSIT}),
    S.PARTIALLY_REFUNDED: frozenset({S.PAID, S.PARTIALLY_REFUNDED, S.REFUNDED}),
    S.REFUNDED: frozenset({S.PAID, S.PARTIALLY_REFUNDED}),
    S.FAILED: CAPTURED | {S.PENDING, S.AWAITING_DEPOSIT, S.EXPIRED},
    S.CANCELLED: CAPTURED | {S.PENDING, S.AWAITING_DEPOSIT, S.EXPIRED},
    S.EXPIRED: CAPTURED | {S.PENDING, S.AWAITING_DEPOSIT},
}

PAYABLE = frozenset({S.PENDING, S.FAILED, S.CANCELLED, S.EXPIRED})
"""What a shopper may pay, or pay again (재결제)."""


def sources_of(target: OrderStatus) -> list[OrderStatus]:
    """The states from which an order may become `target`: for the WHERE of a conditional update."""
    return [status for status, following in NEXT.items() if target in following]
