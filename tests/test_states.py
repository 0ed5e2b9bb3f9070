"""The state machines: the tables against matrices written down by hand, and against the rows themselves."""

from enum import StrEnum
from itertools import product

import pytest

from app.database import write_transaction
from app.orders import states as orders
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments import states as payments
from app.payments.following import move_order
from app.payments.provider import OutcomeStatus
from app.payments.states import Cause, PaymentStatus, RefundStatus
from app.payments.tables import Payment
from tests.shopping import Market, Shopper

# A row's state may become a column's where an x stands.
ORDER = """
                    pending awaiting_deposit paid partially_refunded refunded failed cancelled expired
pending                .          x           x           x             x       x        x        x
awaiting_deposit       x          .           x           x             x       x        x        x
paid                   .          x           .           x             x       .        .        .
partially_refunded     .          .           x           x             x       .        .        .
refunded               .          .           x           x             .       .        .        .
failed                 x          x           x           x             x       .        .        x
cancelled              x          x           x           x             x       .        .        x
expired                x          x           x           x             x       .        .        .
"""
PAYMENT = """
                created confirming awaiting_deposit paid partially_refunded refunded failed cancelled expired mismatch
created            .        x             x           x          x             x       x       x        x        x
confirming         .        .             x           x          x             x       x       x        x        x
awaiting_deposit   .        .             .           x          x             x       x       x        x        x
paid               .        .             x           .          x             x       .       .        .        .
partially_refunded .        .             .           x          x             x       .       .        .        .
refunded           .        .             .           x          x             .       .       .        .        .
failed             .        x             x           x          x             x       .       .        .        x
cancelled          .        x             x           x          x             x       .       .        .        x
expired            .        x             x           x          x             x       .       .        .        x
mismatch           .        .             .           .          .             .       .       .        .        x
"""
REFUND = """
               requested needs_account pending succeeded failed
requested          .           x          x        x        x
needs_account      x           .          .        x        x
pending            .           x          .        x        x
succeeded          .           x          .        .        x
failed             .           .          .        .        .
"""


def matrix(text: str) -> dict[tuple[str, str], bool]:
    """(from, to) -> allowed."""
    head, *rows = text.strip().splitlines()
    columns = head.split()
    cells = {}
    for row in rows:
        name, *marks = row.split()
        assert len(marks) == len(columns)
        cells |= {(name, column): mark == "x" for column, mark in zip(columns, marks, strict=True)}
    return cells


MACHINES = [
    (OrderStatus, ORDER, orders.NEXT, orders.sources_of),
    (PaymentStatus, PAYMENT, payments.NEXT, payments.sources_of),
    (RefundStatus, REFUND, payments.REFUND_NEXT, payments.refund_sources_of),
]


@pytest.mark.parametrize(("status", "text", "table", "sources_of"), MACHINES, ids=["order", "payment", "refund"])
def test_the_table_is_the_matrix(status: type[StrEnum], text: str, table: dict, sources_of) -> None:
    cells = matrix(text)
    assert set(cells) == set(product(status, status))
    for (before, after), allowed in cells.items():
        assert (after in table[before]) is allowed, (before, after)
        assert (before in sources_of(after)) is allowed, (before, after)


def test_money_leaves_an_order_or_a_payment_only_as_a_refund_or_a_reversed_deposit() -> None:
    for status in orders.CAPTURED:
        assert orders.NEXT[status] <= orders.CAPTURED | {OrderStatus.AWAITING_DEPOSIT}
    for status in payments.CAPTURED:
        assert payments.NEXT[status] <= payments.CAPTURED | {PaymentStatus.AWAITING_DEPOSIT}


def test_every_state_without_money_may_still_become_paid() -> None:
    for status in set(OrderStatus) - orders.CAPTURED:
        assert OrderStatus.PAID in orders.NEXT[status]
    for status in set(PaymentStatus) - payments.CAPTURED - {PaymentStatus.MISMATCH}:
        assert PaymentStatus.PAID in payments.NEXT[status]


@pytest.mark.parametrize(
    ("captured", "refunded", "status"),
    [
        (26_000, 0, PaymentStatus.PAID),
        (26_000, 1, PaymentStatus.PARTIALLY_REFUNDED),
        (26_000, 25_999, PaymentStatus.PARTIALLY_REFUNDED),
        (26_000, 26_000, PaymentStatus.REFUNDED),
    ],
)
def test_the_state_of_captured_money_is_arithmetic(captured: int, refunded: int, status: PaymentStatus) -> None:
    assert payments.by_amounts(captured, refunded) is status


async def test_an_orders_row_moves_by_the_matrix_and_no_other_way(market: Market, shopper: Shopper) -> None:
    await shopper.order(market.mug)
    order = await market.only_order()
    for (before, after), allowed in matrix(ORDER).items():
        await Order.update({Order.status: before}).where(Order.id == order.id)
        order.status = before
        async with write_transaction():
            moved = await move_order(order, OrderStatus(after), Cause.TIMER)
            assert (moved is not None) is allowed, (before, after)
        assert (await market.only_order()).status == (after if allowed else before)


# What the PG would have to say so that settling aims at a state; the others are reached by our own hand.
ANSWERS = {
    PaymentStatus.CONFIRMING: {"status": OutcomeStatus.PROCESSING},
    PaymentStatus.AWAITING_DEPOSIT: {"status": OutcomeStatus.AWAITING_DEPOSIT},
    PaymentStatus.PAID: {},
    PaymentStatus.PARTIALLY_REFUNDED: {"refunded": 9_000},
    PaymentStatus.REFUNDED: {"refunded": 26_000},
    PaymentStatus.FAILED: {"status": OutcomeStatus.FAILED},
    PaymentStatus.CANCELLED: {"status": OutcomeStatus.CANCELLED},
    PaymentStatus.EXPIRED: {"status": OutcomeStatus.EXPIRED},
    PaymentStatus.MISMATCH: {"amount": 9, "captured": 9},
}
SUMS = {
    PaymentStatus.PAID: (26_000, 0),
    PaymentStatus.PARTIALLY_REFUNDED: (26_000, 8_000),
    PaymentStatus.REFUNDED: (26_000, 26_000),
    PaymentStatus.MISMATCH: (8, 0),
}


@pytest.mark.parametrize("after", ANSWERS)
async def test_a_payments_row_moves_by_the_matrix_and_no_other_way(
    market: Market, shopper: Shopper, after: PaymentStatus
) -> None:
    await shopper.order(market.mug)
    [payment] = await Payment.objects()
    for before in PaymentStatus:
        captured, refunded = SUMS.get(before, (0, 0))
        changes = {
            Payment.status: before,
            Payment.captured_amount: captured,
            Payment.refunded_amount: refunded,
            Payment.closed_at: None,
        }
        await Payment.update(changes).where(Payment.id == payment.id)
        allowed = matrix(PAYMENT)[before, after]
        assert await market.hear(await market.only_payment(), **ANSWERS[after]) is allowed, before
        assert (await market.only_payment()).status == (after if allowed else before)
