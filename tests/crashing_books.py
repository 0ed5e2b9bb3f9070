"""The verdict over a run of crashes: what the shop's database says, held against what the PGs say."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.jobs.tables import Job
from app.orders.tables import Order, OrderItem
from app.payments.states import PaymentStatus, RefundStatus
from app.payments.tables import InboxEvent, Payment, PaymentEvent, Refund
from app.shops.tables import Product

# Work that books cannot be called in order without.
MUST_BE_DONE = ["refund", "close", "mail"]


@dataclass
class Verdict:
    """Sentences about what is wrong: money that was taken for nothing, money or consequences that came twice, and
    anything else that does not agree."""

    orders: int = 0
    paid: int = 0
    surplus: int = 0
    webhooks: int = 0
    webhooks_waiting: int = 0
    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.double or self.wrong)


@dataclass(frozen=True)
class AtThePG:
    """What was captured and sent back under one reference, all attempts together."""

    captured: int = 0
    refunded: int = 0

    @property
    def kept(self) -> int:
        return self.captured - self.refunded


def by_reference(ledger: Sequence[dict[str, Any]]) -> dict[str, AtThePG]:
    sums: dict[str, AtThePG] = {}
    for entry in ledger:
        before = sums.get(entry["reference"], AtThePG())
        sums[entry["reference"]] = AtThePG(before.captured + entry["captured"], before.refunded + entry["refunded"])
    return sums


async def money_on_its_way(ledger: Sequence[dict[str, Any]]) -> str:
    """What is not decided: payments, and money that the PGs keep for no order; empty when there is none."""
    confirming = await Payment.count().where(Payment.status == PaymentStatus.CONFIRMING)
    payers = {order["paid_by"] for order in await Order.select(Order.paid_by).where(Order.paid_by.is_not_null())}
    ids = {row["reference"]: row["id"] for row in await Payment.select(Payment.id, Payment.reference)}
    homeless = [name for name, sums in by_reference(ledger).items() if sums.kept and ids.get(name) not in payers]
    return f"{confirming} confirming, kept for no order: {homeless}" if confirming or homeless else ""


async def work_to_do(now: datetime) -> str:
    """The jobs that are still to be done, also by those whose lease a killed process took along; empty when all are.

    A webhook that found its payment being asked about waits for a later moment, and is not counted until then.
    """
    must_be_done = Job.kind.is_in(MUST_BE_DONE) | ((Job.kind == "inbox") & (Job.run_at <= now))
    jobs = await Job.select(Job.kind).where(must_be_done, Job.done_at.is_null())
    return ", ".join(f"{kind}: {count}" for kind, count in Counter(job["kind"] for job in jobs).items())


async def judge(ledger: Sequence[dict[str, Any]], stock: int) -> Verdict:
    """Looks at everything. `stock` is what the one product began with."""
    orders, payments = await Order.objects(), await Payment.objects()
    at_the_pg = by_reference(ledger)
    verdict = Verdict(orders=len(orders), paid=sum(order.paid_by is not None for order in orders))
    verdict.webhooks = await InboxEvent.count()
    verdict.webhooks_waiting = await InboxEvent.count().where(InboxEvent.handled_at.is_null())
    verdict.lost += [
        f"{name}: {sums.captured} captured, unknown here"
        for name, sums in at_the_pg.items()
        if sums.captured and name not in {payment.reference for payment in payments}
    ]
    for payment in payments:
        sums = at_the_pg.get(payment.reference, AtThePG())
        verdict.surplus += bool(sums.captured and not sums.kept)
        verdict.double += _taken_twice(payment, sums)
        if (payment.captured_amount, payment.refunded_amount) != (sums.captured, sums.refunded):
            ours = f"{payment.captured_amount} captured, {payment.refunded_amount} refunded"
            verdict.wrong.append(f"{payment.reference} ({payment.status}): {ours} here, {sums} at the PG")
    for order in orders:
        theirs = [payment for payment in payments if payment.order == order.id]
        _judge_order(verdict, order, theirs, at_the_pg)
    verdict.double += await _told_twice(orders)
    verdict.wrong += await _refunds_that_differ(payments, at_the_pg)
    verdict.wrong += await _stock_that_differs(orders, stock)
    return verdict


def _judge_order(verdict: Verdict, order: Order, payments: list[Payment], at_the_pg: dict[str, AtThePG]) -> None:
    kept = {payment.id: sums.kept for payment in payments if (sums := at_the_pg.get(payment.reference)) and sums.kept}
    is_paid = order.status == "paid"
    if is_paid != (order.paid_by is not None):
        verdict.wrong.append(f"order {order.number}: {order.status}, paid by {order.paid_by}")
    if is_paid and kept.get(order.paid_by) != order.total_amount:
        verdict.wrong.append(f"order {order.number}: paid, but of {order.total_amount} the PG keeps {kept}")
    if len(kept) > 1:
        verdict.double.append(f"order {order.number}: paid by {len(kept)} payments: {kept}")
    elif kept and order.paid_by not in kept:
        verdict.lost.append(f"order {order.number}: {order.status}, and the PG keeps {kept}")


def _taken_twice(payment: Payment, sums: AtThePG) -> Iterator[str]:
    if sums.captured > payment.amount:
        yield f"{payment.reference}: {sums.captured} captured for {payment.amount}"
    if sums.refunded > sums.captured:
        yield f"{payment.reference}: {sums.refunded} refunded of {sums.captured}"


async def _told_twice(orders: Sequence[Order]) -> list[str]:
    """Each paid order became paid once, and has one mail about it."""
    mails = Counter(
        job.payload_values["order"]
        for job in await Job.objects().where(Job.kind == "mail")
        if job.payload_values["mail"] == "paid"
    )
    moves = Counter(
        event["order"]
        for event in await PaymentEvent.select(PaymentEvent.order).where(
            PaymentEvent.subject == "order", PaymentEvent.to_status == "paid"
        )
    )
    return [
        f"order {order.number}: {order.status}, became paid {moves[order.id]} times, {mails[str(order.id)]} mails of it"
        for order in orders
        if (moves[order.id], mails[str(order.id)]) != ((1, 1) if order.paid_by else (0, 0))
    ]


async def _refunds_that_differ(payments: Sequence[Payment], at_the_pg: dict[str, AtThePG]) -> list[str]:
    refunds = await Refund.objects()
    booked: Counter[object] = Counter()
    for refund in refunds:
        booked[refund.payment] += refund.amount
    unfinished = [
        f"refund {refund.reference}: {refund.status}" for refund in refunds if refund.status != RefundStatus.SUCCEEDED
    ]
    return unfinished + [
        f"{payment.reference}: {booked[payment.id]} booked as sent back, {at_the_pg[payment.reference]} at the PG"
        for payment in payments
        if booked[payment.id] != at_the_pg.get(payment.reference, AtThePG()).refunded
    ]


async def _stock_that_differs(orders: Sequence[Order], stock: int) -> list[str]:
    holders = {order.id for order in orders if order.holds_stock}
    items = await OrderItem.select(OrderItem.order, OrderItem.quantity)
    held = sum(item["quantity"] for item in items if item["order"] in holders)
    [product] = await Product.select(Product.stock)
    unheld = [
        f"order {order.number}: paid, and holds no stock" for order in orders if order.paid_by and not order.holds_stock
    ]
    if product["stock"] + held != stock:
        unheld.append(f"of {stock} pieces {product['stock']} are left, {held} sold or held")
    return unheld
