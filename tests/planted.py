"""Bugs that other shops have had, planted into ours: whether the simulation can see them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from piccolo.columns.combination import And

from app import clock
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments import concluding, expiring, following, inbox, settling
from app.payments.accounts import Gateways
from app.payments.events import record
from app.payments.provider import Outcome, OutcomeStatus
from app.payments.states import Cause, PaymentStatus
from app.payments.tables import InboxEvent, Payment
from app.simulation.play import Plan, plan_of
from app.simulation.shopper import CALM
from app.simulation.wire import ToThePgs
from app.simulation.world import Rates


def drop_the_order_row_guard(patch: pytest.MonkeyPatch) -> None:
    """Whatever is captured pays the order, whatever the order's state."""

    async def can_take(order: Order) -> bool:
        return True

    async def move_order(
        order: Order, target: OrderStatus, cause: Cause, payment: Payment | None = None, changes: dict | None = None
    ) -> object:
        await Order.update({Order.status: target, **(changes or {})}).where(Order.id == order.id)
        return await record(cause, "order", order, payment, order.status, target)

    patch.setattr(following, "_can_take", can_take)
    patch.setattr(following, "move_order", move_order)


def settle_twice(patch: pytest.MonkeyPatch) -> None:
    """The conditional update without its conditions: whoever comes second wins as well."""

    def may_move(payment: Payment, target: PaymentStatus) -> And:
        return (Payment.id == payment.id) & (Payment.reference == payment.reference)

    patch.setattr(settling, "_may_move", may_move)


def stop_on_surplus(patch: pytest.MonkeyPatch) -> None:
    async def send_back(*_: Any) -> None:
        """Nobody asks for the money of the second payment."""

    patch.setattr(following, "send_back", send_back)


def skip_the_idempotency_key(patch: pytest.MonkeyPatch) -> None:
    carry = ToThePgs.handle_async_request

    async def without_key(self: ToThePgs, request: httpx.Request) -> httpx.Response:
        request.headers.pop("idempotency-key", None)
        return await carry(self, request)

    patch.setattr(ToThePgs, "handle_async_request", without_key)


def confirm_without_the_gate(patch: pytest.MonkeyPatch) -> None:
    async def may_be_charged(order: Order, payment: Payment) -> bool:
        return True

    patch.setattr(concluding, "_may_be_charged", may_be_charged)


def believe_the_webhooks_body(patch: pytest.MonkeyPatch) -> None:
    """A webhook that says "done" is as good as money."""
    ask = inbox.look_again

    async def believe(gateways: Gateways, payment: Payment, cause: Cause) -> bool:
        told = [
            gateways.ring.open(event.body, inbox.BODY)
            for event in await InboxEvent.objects().where(InboxEvent.reference == payment.reference)
        ]
        if not any('"DONE"' in body for body in told):
            return await ask(gateways, payment, cause)
        account = await gateways.account_of(payment)
        outcome = Outcome(
            status=OutcomeStatus.PAID,
            reference=payment.reference,
            merchant=account.merchant,
            live=False,
            amount=payment.amount,
            currency=payment.currency,
            captured=payment.amount,
            closed=True,
        )
        await settling.settle(payment, replace(outcome, paid_at=clock.now()), account, cause)
        return True

    patch.setattr(inbox, "look_again", believe)


def expire_without_a_look(patch: pytest.MonkeyPatch) -> None:
    async def look_last(gateways: Gateways, order_id: object) -> bool:
        return True

    patch.setattr(expiring, "_look_last", look_last)


def weather_of(bug: str, seed: int) -> Plan:
    """The seed's own; where a bug does harm in rare moments only, those are made frequent."""
    plan = plan_of(seed)
    if bug == skip_the_idempotency_key.__name__:
        # At Stripe alone, where a refund does not say which balance it believes in, and only when a request arrives
        # after its caller has asked again.
        return replace(
            plan,
            rates=Rates(late_calls=0.25),
            owner=0.6,
            whole_refunds=0.0,
            manner=replace(plan.manner, way=":stripe"),
        )
    if bug == confirm_without_the_gate.__name__:
        # Two windows of one order, both at PGs that take money at our word.
        return replace(plan, manner=replace(CALM, second_tab=0.9))
    if bug == expire_without_a_look.__name__:
        # Money taken late, while the PG can hardly be asked and tells nothing.
        rates = replace(plan.rates, refused_calls=0.8, faults={"webhook_dropped": 90})
        return replace(plan, rates=rates, manner=replace(plan.manner, late=0.3, close=0.4))
    return plan


BUGS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    bug.__name__: bug
    for bug in (
        drop_the_order_row_guard,
        settle_twice,
        stop_on_surplus,
        skip_the_idempotency_key,
        confirm_without_the_gate,
        believe_the_webhooks_body,
        expire_without_a_look,
    )
}
