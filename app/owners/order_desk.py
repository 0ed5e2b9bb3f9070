"""One order as the desk shows it: its payments, the money that went back, and what may be done about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.checkout.alert_mails import WORDS_BY_REASON
from app.checkout.order_page import CONFIRMING, METHODS, WORDS, DepositView, OrderPage, OrderView
from app.checkout.receiver import ReceiverForm
from app.language import Translator
from app.money import Money
from app.orders.tables import Order, OrderItem
from app.owners.orders import find_order
from app.owners.timeline import Trail, load_trail
from app.owners.timeline_words import KINDS, PAYMENT_WORDS, REFUND_WORDS
from app.payments.asking import WAITING, balance_of
from app.payments.providers import PROVIDERS
from app.payments.reasons import reason_of
from app.payments.refunding import banks_of
from app.payments.states import ENDED_UNPAID, AlertKind, RefundStatus
from app.payments.tables import Payment, Refund
from app.shops.tables import Shop
from app.shops.tenancy import NotFound, read_id


@dataclass(frozen=True, slots=True)
class PaymentView:
    payment: Payment
    provider: str
    word: str
    # How it was or should be paid, and why it was not.
    how: str
    why: str
    captured: Money
    refunded: Money
    deposit: DepositView | None


@dataclass(frozen=True, slots=True)
class RefundView:
    refund: Refund
    word: str
    kind: str
    money: Money
    # Why it failed: in words where we have them, else the PG's code.
    failure: str
    # Whether it failed and was not asked for again, or waits for a bank account.
    can_be_retried: bool
    needs_account: bool
    banks: Mapping[str, str]
    empty_account: ReceiverForm


@dataclass(frozen=True, slots=True)
class Refundable:
    """What may still go back, and what the form needs to know of it."""

    balance: Money
    pieces: int
    banks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OrderDesk:
    page: OrderPage
    refunds: Sequence[Refund]
    trail: Trail

    @classmethod
    async def load(cls, shop: Shop, number: str) -> "OrderDesk":
        """In four statements. Raises NotFound."""
        order = await find_order(shop, number)
        payments = await Payment.objects().where(Payment.order == order.id).order_by(Payment.created_at)
        ids = [payment.id for payment in payments]
        refunds = await Refund.objects().where(Refund.payment.is_in(ids)).order_by(Refund.id) if ids else []
        page = OrderPage(order, payments)
        returning = {payment.id for payment in page.returning}
        is_stuck = any(refund.payment in returning and refund.status == RefundStatus.FAILED for refund in refunds)
        page = OrderPage(order, payments, is_stuck=is_stuck)
        return cls(page, refunds, await load_trail(order, payments, refunds))

    @property
    def order(self) -> Order:
        return self.page.order

    @property
    def word(self) -> str:
        return WORDS[self.page.key][0]

    @property
    def is_moving(self) -> bool:
        """Whether something is under way that ends within minutes: the page looks again by itself."""
        under_way = (RefundStatus.REQUESTED, RefundStatus.PENDING)
        return self.page.key == CONFIRMING or any(refund.status in under_way for refund in self.refunds)

    @property
    def shown(self) -> str:
        """A name for what the page has told: another one, and it has something new to tell."""
        return f"{self.page.key}.{self.trail.events[-1].id if self.trail.events else ''}"

    def find_refund(self, refund_id: str) -> tuple[Payment, Refund]:
        """Raises NotFound: a refund of another order is none of this one's."""
        wanted = read_id(refund_id)
        refund = next((refund for refund in self.refunds if refund.id == wanted), None)
        if refund is None:
            raise NotFound
        return next(payment for payment in self.page.payments if payment.id == refund.payment), refund

    def payments(self, _: Translator) -> list[PaymentView]:
        return [_payment_view(payment, _) for payment in self.page.payments]

    def refund_views(self, _: Translator) -> list[RefundView]:
        payments = {payment.id: payment for payment in self.page.payments}
        again = self.trail.asked_again
        return [
            RefundView(
                refund=refund,
                word=_(REFUND_WORDS[refund.status]),
                kind=_(KINDS[refund.kind]),
                money=Money(refund.amount, payments[refund.payment].currency),
                failure=_failure(refund, _),
                can_be_retried=refund.status == RefundStatus.FAILED and str(refund.id) not in again,
                needs_account=refund.status == RefundStatus.NEEDS_ACCOUNT,
                banks=banks_of(payments[refund.payment]),
                empty_account=ReceiverForm(),
            )
            for refund in self.refunds
        ]

    async def refundable(self) -> Refundable | None:
        """What of the order may still go back; None where nothing pays it, or nothing is left."""
        payment = next((payment for payment in self.page.payments if payment.id == self.order.paid_by), None)
        if payment is None:
            return None
        refunds = [refund for refund in self.refunds if refund.payment == payment.id]
        balance = balance_of(payment, refunds)
        if not balance:
            return None
        items = await OrderItem.select(OrderItem.quantity, OrderItem.restocked).where(OrderItem.order == self.order.id)
        coming = sum(refund.restock for refund in refunds if refund.status in (*WAITING, RefundStatus.PENDING))
        pieces = sum(item["quantity"] - item["restocked"] for item in items) - coming
        banks = banks_of(payment) if payment.deposit_due_at else {}
        return Refundable(Money(balance, payment.currency), max(pieces, 0), banks)

    async def view(self) -> OrderView:
        return await self.page.view()


def _failure(refund: Refund, _: Translator) -> str:
    words = WORDS_BY_REASON.get((AlertKind.REFUND_FAILED, refund.failure_code))
    return _(words[0]) if words else refund.failure_code or ""


def _payment_view(payment: Payment, _: Translator) -> PaymentView:
    traits = PROVIDERS[payment.provider].traits
    way = traits.ways.get(payment.way)
    if payment.method:
        how = _(payment.method) if payment.method in METHODS else payment.method
    else:
        how = _(way.label) if way else payment.way
    is_unpaid = payment.status in ENDED_UNPAID and payment.failure_code and payment.failure_code != "REPLACED"
    return PaymentView(
        payment=payment,
        provider=_(traits.label),
        word=_(PAYMENT_WORDS[payment.status]),
        how=how,
        why=_(reason_of(payment.failure_code)[0]) if is_unpaid else "",
        captured=Money(payment.captured_amount, payment.currency),
        refunded=Money(payment.refunded_amount, payment.currency),
        deposit=DepositView.of(payment) if payment.deposit_due_at and payment.deposit_number else None,
    )
