"""The state machines, along any path; and refunds' arithmetic, for any two sums."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.orders import states as orders
from app.orders.states import OrderStatus
from app.payments import states as payments
from app.payments.states import PaymentStatus, RefundStatus, by_amounts
from tests.properties import repeatable


@dataclass(frozen=True)
class Machine:
    status: type[StrEnum]
    next: Mapping[StrEnum, frozenset[StrEnum]]
    sources_of: Callable[[StrEnum], Sequence[StrEnum]]

    def walk(self, start: StrEnum, targets: Sequence[StrEnum]) -> list[StrEnum]:
        """Where a row gets to whose every update is made only from the sources of its target."""
        path = [start]
        for target in targets:
            if path[-1] in self.sources_of(target):
                path.append(target)
        return path


ORDERS = Machine(OrderStatus, orders.NEXT, orders.sources_of)
PAYMENTS = Machine(PaymentStatus, payments.NEXT, payments.sources_of)
REFUNDS = Machine(RefundStatus, payments.REFUND_NEXT, payments.refund_sources_of)
every = pytest.mark.parametrize("machine", [ORDERS, PAYMENTS, REFUNDS], ids=["order", "payment", "refund"])
# Those that hold money, and where it may be taken back by the bank.
with_money = pytest.mark.parametrize(
    ("machine", "captured", "reversed_to"),
    [
        (ORDERS, orders.CAPTURED, OrderStatus.AWAITING_DEPOSIT),
        (PAYMENTS, payments.CAPTURED, PaymentStatus.AWAITING_DEPOSIT),
    ],
    ids=["order", "payment"],
)


@every
@repeatable
@given(data=st.data())
def test_every_path_follows_the_table(machine: Machine, data: st.DataObject) -> None:
    states = st.sampled_from(list(machine.status))
    path = machine.walk(data.draw(states), data.draw(st.lists(states, max_size=12)))
    for before, after in pairwise(path):
        assert after in machine.next[before]


@every
@repeatable
@given(data=st.data())
def test_the_sources_are_the_table_read_backwards(machine: Machine, data: st.DataObject) -> None:
    before, after = (data.draw(st.sampled_from(list(machine.status))) for _ in range(2))
    assert (before in machine.sources_of(after)) is (after in machine.next[before])
    assert len(set(machine.sources_of(after))) == len(machine.sources_of(after))


@with_money
@repeatable
@given(data=st.data())
def test_money_is_left_on_no_path_but_by_a_refund_or_a_reversal(
    machine: Machine, captured: frozenset[StrEnum], reversed_to: StrEnum, data: st.DataObject
) -> None:
    states = st.sampled_from(list(machine.status))
    path = machine.walk(data.draw(states), data.draw(st.lists(states, min_size=6, max_size=12)))
    for before, after in pairwise(path):
        if before in captured:
            assert after in captured | {reversed_to}
        if before in captured and after is reversed_to:
            # Nothing may have gone back before.
            assert before == "paid"


@repeatable
@given(data=st.data())
def test_nothing_follows_a_failed_refund_or_a_mismatch(data: st.DataObject) -> None:
    for machine, end in ((REFUNDS, RefundStatus.FAILED), (PAYMENTS, PaymentStatus.MISMATCH)):
        path = machine.walk(end, data.draw(st.lists(st.sampled_from(list(machine.status)), max_size=12)))
        assert set(path) == {end}


sums = st.integers(1, 10**12).flatmap(lambda captured: st.tuples(st.just(captured), st.integers(0, captured)))


@repeatable
@given(sums)
def test_the_state_of_captured_money_says_how_much_of_it_is_left(both: tuple[int, int]) -> None:
    captured, refunded = both
    status = by_amounts(captured, refunded)
    assert (status is PaymentStatus.PAID) is (refunded == 0)
    assert (status is PaymentStatus.REFUNDED) is (refunded == captured)
    assert status in payments.CAPTURED
    assert OrderStatus(status) in orders.CAPTURED


@repeatable
@given(sums, st.data())
def test_any_change_of_the_refunded_sum_is_a_step_that_both_tables_allow(
    both: tuple[int, int], data: st.DataObject
) -> None:
    captured, before = both
    after = data.draw(st.integers(0, captured).filter(lambda other: other != before))
    source, target = by_amounts(captured, before), by_amounts(captured, after)
    assert target in payments.NEXT[source]
    assert OrderStatus(target) in orders.NEXT[OrderStatus(source)]
