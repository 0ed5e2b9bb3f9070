"""Settling, whatever the PG says in whatever order: the state is a function of the sums, and money never unhappens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.jobs.tables import Job
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.provider import OutcomeStatus
from app.payments.states import CAPTURED, ENDED_UNPAID, PaymentStatus, RefundKind, by_amounts
from app.payments.tables import Payment, PaymentEvent, Refund
from tests.properties import on_a_database
from tests.shopping import Market, Shopper

PRICE = 26_000


@dataclass(frozen=True)
class Answer:
    """What the PG says; `is_late` where it was asked before the last answer was settled."""

    said: dict[str, Any]
    is_late: bool


refunded = st.sampled_from([0, 0, 1, 6_000, 25_999, PRICE]) | st.integers(0, PRICE)
paid = refunded.map(lambda back: {"captured": PRICE, "refunded": back})
OTHERS = (1, PRICE - 1, PRICE + 1)
other_amount = st.sampled_from(OTHERS).map(lambda amount: {"amount": amount, "captured": amount})
other_capture = st.sampled_from(OTHERS).map(lambda captured: {"captured": captured})
WITHOUT_MONEY = [status for status in OutcomeStatus if status not in ("paid", "awaiting_deposit")]
unpaid = st.sampled_from(WITHOUT_MONEY).map(lambda status: {"status": status, "closed": False})
said_of_it = paid | paid | unpaid | other_amount | other_capture
answers = st.lists(st.builds(Answer, said_of_it, st.booleans()), min_size=1, max_size=7)


async def begin_anew(market: Market, shopper: Shopper) -> Payment:
    """An order with a payment that nothing was heard of, in a shop without any other."""
    for table in (Refund, PaymentEvent, Job):
        await table.delete(force=True)
    if not await Payment.exists():
        await shopper.order(market.mug)
    unheard = {
        Payment.status: PaymentStatus.CREATED,
        Payment.captured_amount: 0,
        Payment.refunded_amount: 0,
        Payment.closed_at: None,
    }
    await Payment.update(unheard, force=True)
    unpaid_order = {Order.status: OrderStatus.PENDING, Order.paid_by: None, Order.refunded_amount: 0}
    await Order.update(unpaid_order, force=True)
    return await market.only_payment()


async def settle_all(market: Market, first: Payment, said: Sequence[Answer]) -> list[Payment]:
    """The payment after each answer."""
    asked, path = first, [first]
    for answer in said:
        if not answer.is_late:
            asked = path[-1]
        await market.hear(asked, **answer.said)
        path.append(await market.only_payment())
    return path


def sums_of(payment: Payment) -> tuple[str, int, int]:
    return payment.status, payment.captured_amount, payment.refunded_amount


@on_a_database
@given(said=answers)
async def test_the_state_is_a_function_of_the_sums_and_money_never_unhappens(
    market: Market, shopper: Shopper, said: list[Answer]
) -> None:
    path = await settle_all(market, await begin_anew(market, shopper), said)
    for before, after, answer in zip(path, path[1:], said, strict=False):
        captured, back = after.captured_amount, after.refunded_amount
        assert 0 <= back <= captured
        if after.status == PaymentStatus.MISMATCH:
            assert captured not in (0, PRICE)
        elif captured:
            assert (captured, after.status) == (PRICE, by_amounts(captured, back))
        else:
            assert after.status not in CAPTURED
        if before.captured_amount:
            assert captured
            assert (after.status == PaymentStatus.MISMATCH) is (before.status == PaymentStatus.MISMATCH)
        if before.captured_amount and "captured" not in answer.said:
            assert sums_of(after) == sums_of(before)


@on_a_database
@given(said=answers)
async def test_an_answer_older_than_the_rows_sums_moves_nothing(
    market: Market, shopper: Shopper, said: list[Answer]
) -> None:
    first = await begin_anew(market, shopper)
    *_, last = await settle_all(market, first, said)
    if last.captured_amount:
        for answer in said:
            assert not await market.hear(first, **answer.said)
        assert sums_of(await market.only_payment()) == sums_of(last)


@on_a_database
@given(said=answers)
async def test_money_pays_the_order_or_is_sent_back_once(market: Market, shopper: Shopper, said: list[Answer]) -> None:
    path = await settle_all(market, await begin_anew(market, shopper), said)
    order, payment, refunds = await market.only_order(), path[-1], await Refund.objects()
    assert len(await market.jobs()) == len(refunds)
    heard = [after.status for after in path if after.captured_amount]
    if heard == [] or heard[0] == PaymentStatus.REFUNDED:
        # It never came, or had gone back before anybody looked.
        assert (order.paid_by, refunds) == (None, [])
    elif heard[0] == PaymentStatus.MISMATCH:
        assert order.paid_by is None
        assert [(refund.kind, refund.amount in OTHERS) for refund in refunds] == [(RefundKind.MISMATCH, True)]
    else:
        assert (order.paid_by, refunds) == (payment.id, [])
        assert (order.status, order.refunded_amount) == (payment.status, payment.refunded_amount)
    if order.paid_by is None:
        assert order.status in (OrderStatus.PENDING, *map(OrderStatus, ENDED_UNPAID))
