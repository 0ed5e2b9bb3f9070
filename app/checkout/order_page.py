"""What shoppers see of an order: its rows, read once, as the values that the pages show."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from app import clock
from app.language import N_, Translator
from app.money import Money
from app.orders.states import PAYABLE, OrderStatus
from app.orders.tables import Order, OrderItem
from app.payments.providers import PROVIDERS
from app.payments.reasons import reason_of
from app.payments.states import PaymentStatus, RefundStatus
from app.payments.tables import Payment, PaymentEvent, Refund
from app.shops.tables import Shop
from app.shops.tenancy import NotFound

CONFIRMING = "confirming"
RETURNING = "returning"
STUCK = "stuck"
REPLACED = "replaced"

# Status word, title and lead by what the shopper is shown.
WORDS = {
    "pending": (
        N_("결제 전"),
        N_("아직 결제되지 않았어요"),
        N_("결제창에서 결제를 마치면 이 화면이 저절로 바뀝니다."),
    ),
    "confirming": (
        N_("확인 중"),
        N_("결제를 확인하고 있어요"),
        N_("결제사의 답이 조금 늦어지고 있습니다. 답이 오면 이 화면이 저절로 바뀝니다."),
    ),
    "awaiting_deposit": (
        N_("입금 대기"),
        N_("아래 계좌로 입금해 주세요"),
        N_("입금이 확인되면 이 화면이 바뀌고 메일을 보내 드립니다."),
    ),
    "paid": (N_("결제 완료"), N_("결제가 끝났어요"), N_("주문이 가게에 전해졌습니다.")),
    "partially_refunded": (N_("부분 환불"), N_("일부를 돌려드렸어요"), N_("카드에는 2~3일 뒤에 나타납니다.")),
    "refunded": (N_("환불 완료"), N_("모두 돌려드렸어요"), N_("카드에는 2~3일 뒤에 나타납니다.")),
    "failed": (
        N_("결제 실패"),
        N_("결제되지 않았어요"),
        N_("돈은 빠져나가지 않았습니다. 다시 결제하실 수 있어요."),
    ),
    "cancelled": (
        N_("결제 취소"),
        N_("결제를 그만두셨어요"),
        N_("돈은 빠져나가지 않았습니다. 다시 결제하실 수 있어요."),
    ),
    RETURNING: (
        N_("돌려드리는 중"),
        N_("받은 돈을 돌려드리고 있어요"),
        N_("받은 돈이 이 주문과 맞지 않아 전부 돌려드립니다. 끝나면 이 화면이 바뀝니다."),
    ),
    STUCK: (
        N_("환불 확인 중"),
        N_("환불이 아직 끝나지 않았어요"),
        N_("결제사가 환불을 받아들이지 않아 가게가 확인해야 합니다. 가게에 문의해 주세요."),
    ),
    REPLACED: (
        N_("새 주문으로 바뀜"),
        N_("내용을 고쳐 새로 주문하셨어요"),
        N_("새 주문의 화면에서 결제해 주세요. 이 주문으로 들어온 돈은 돌려드립니다."),
    ),
    "expired": (
        N_("기한 지남"),
        N_("결제 기한이 지났어요"),
        N_("결제되지 않아 물건을 다시 내놓았습니다. 남아 있으면 다시 결제하실 수 있어요."),
    ),
}
# Between the end of an account's time and the end of its order.
NO_ACCOUNT = (
    N_("입금 기한이 지났어요"),
    N_("이 계좌로는 이제 입금할 수 없습니다. 다른 방법으로 결제하실 수 있어요."),
)
NOTHING_TAKEN = N_("돈은 빠져나가지 않았습니다.")
# An older attempt may have been paid at a PG that has not told us yet.
UNSURE = N_("이번 결제로는 돈이 빠져나가지 않았습니다. 앞서 여신 결제창의 결제는 아직 확인하고 있어요.")
# Seconds between two looks of the page: a transfer takes its time.
PAUSE, DEPOSIT_PAUSE = 2, 5

# The PG's words for how it was paid.
METHODS = {
    N_("카드"),
    N_("간편결제"),
    N_("계좌이체"),
    N_("가상계좌"),
    N_("토스페이"),
    N_("카카오페이"),
    N_("네이버페이"),
}
SEALS = {"paid": N_("영수"), "confirming": N_("확인"), "awaiting_deposit": N_("입금")}
WATCHED = frozenset({"pending", CONFIRMING, RETURNING, "awaiting_deposit"})


@dataclass(frozen=True, slots=True)
class ItemView:
    product_id: UUID
    name: str
    quantity: int
    unit_price: Money
    line_total: Money
    image_url: str


@dataclass(frozen=True, slots=True)
class OrderView:
    number: str
    total: Money
    items: list[ItemView]

    @property
    def name(self) -> str:
        """The order in a few words, for the PG's window: "백자 유약 머그 외 2건"."""
        rest = len(self.items) - 1
        return f"{self.items[0].name} 외 {rest}건" if rest else self.items[0].name


@dataclass(frozen=True, slots=True)
class StatusView:
    key: str
    word: str
    seal: str | None
    title: str
    lead: str
    final: bool
    poll_url: str
    # Seconds between two looks.
    pause: int


@dataclass(frozen=True, slots=True)
class DepositView:
    bank: str
    number: str
    holder: str
    money: Money
    due_at: datetime

    @classmethod
    def of(cls, payment: Payment) -> "DepositView":
        return cls(
            payment.deposit_bank, payment.deposit_number, payment.deposit_holder, payment.money, payment.deposit_due_at
        )


@dataclass(frozen=True, slots=True)
class AmountsView:
    paid: Money | None
    refunded: Money | None
    final: Money


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    label: str
    at: datetime
    money: Money | None = None
    note: str | None = None
    tone: str | None = None


@dataclass(frozen=True, slots=True)
class ReasonView:
    title: str
    advice: str


@dataclass(frozen=True, slots=True)
class OrderPage:
    """An order with its payments, newest last, and the moments at which money of it went back: in two statements, for a
    refunded order in three."""

    order: Order
    payments: list[Payment]
    refunds: list[tuple[datetime, Money]] = field(default_factory=list)
    # A deposit that should go back, and waits for the shopper to say where to.
    receiver_wanted: tuple[Payment, Refund] | None = None
    # Whether the PG has refused to send money back that pays nothing.
    is_stuck: bool = False

    @classmethod
    async def load(cls, shop: Shop, token: str) -> "OrderPage":
        """Raises NotFound: an order of another shop does not exist here."""
        order = await Order.objects().where(Order.token == token, Order.shop == shop.id).first()
        if order is None:
            raise NotFound
        payments = await Payment.objects().where(Payment.order == order.id).order_by(Payment.created_at)
        refunds = await _refunds_of(order) if order.refunded_amount else []
        page = cls(order, payments, refunds, await _receiver_wanted(payments))
        return replace(page, is_stuck=await _has_failed_refund(page.returning)) if page.returning else page

    @property
    def undecided(self) -> Payment | None:
        """The payment whose money may be on its way."""
        return next((p for p in self.payments if p.status == PaymentStatus.CONFIRMING), None)

    @property
    def worth_asking(self) -> Payment | None:
        """The payment that the PG knows more about than we may."""
        overdue = (p for p in self.payments if p.status == PaymentStatus.AWAITING_DEPOSIT and is_overdue(p))
        return self.undecided or next(overdue, None)

    @property
    def may_be_paid_unseen(self) -> Payment | None:
        """A payment begun at a PG that takes money without us: the shopper may have paid and not come back."""
        begun = (p for p in self.payments if p.status == PaymentStatus.CREATED)
        return next((p for p in begun if not PROVIDERS[p.provider].traits.confirm_moves_money), None)

    @property
    def is_unsure(self) -> bool:
        """Whether an older attempt may have been paid: its PG needs no word of ours, and has not closed it."""
        older = (p for p in self.payments if p is not self.paying and p.closed_at is None)
        return any(not PROVIDERS[p.provider].traits.confirm_moves_money for p in older)

    def assurance(self, _: Translator) -> str:
        """What a page about a payment that came to nothing may say of the shopper's money."""
        return _(UNSURE if self.is_unsure else NOTHING_TAKEN)

    @property
    def awaits_deposit(self) -> bool:
        return self.order.status == OrderStatus.AWAITING_DEPOSIT and self.undecided is None

    @property
    def deposit(self) -> DepositView | None:
        """The account to pay into, while a transfer is waited for."""
        if not self.awaits_deposit:
            return None
        waiting = [p for p in self.payments if p.status == PaymentStatus.AWAITING_DEPOSIT and p.deposit_due_at]
        return DepositView.of(waiting[-1]) if waiting else None

    @property
    def key(self) -> str:
        """The state as the shopper is told it: an order that is being confirmed is never called unpaid."""
        # Between the due date and its end, an order may be left with nothing but a deposit that came too late.
        is_left = self.awaits_deposit and self.deposit is None and self.returning
        if self.order.status not in PAYABLE and not is_left:
            return self.order.status
        if self.undecided:
            return CONFIRMING
        if self.returning:
            return STUCK if self.is_stuck else RETURNING
        return REPLACED if self.order.is_replaced else self.order.status

    @property
    def returning(self) -> list[Payment]:
        """Payments whose money pays nothing, and is on its way back to the shopper."""
        return [p for p in self.payments if p.captured_amount > p.refunded_amount and p.id != self.order.paid_by]

    @property
    def is_paid(self) -> bool:
        return self.order.paid_by is not None

    @property
    def paying(self) -> Payment | None:
        """The payment that pays it, else the latest attempt."""
        paid = next((p for p in self.payments if p.id == self.order.paid_by), None)
        return paid or (self.payments[-1] if self.payments else None)

    @property
    def can_be_paid(self) -> bool:
        order = self.order
        return order.status in PAYABLE and not (order.is_replaced or self.undecided or self.is_paid)

    @property
    def came_too_late(self) -> bool:
        """Whether the latest attempt ended by the PG's time limit, and the order waits for another."""
        return self.can_be_paid and self.paying is not None and self.paying.status == PaymentStatus.EXPIRED

    @property
    def hold_until(self) -> datetime | None:
        return self.order.expires_at if self.order.holds_stock and not self.is_paid else None

    def status(self, _: Translator, poll_url: str) -> StatusView:
        word, title, lead = WORDS[self.key]
        if self.key == OrderStatus.AWAITING_DEPOSIT and self.deposit is None:
            title, lead = NO_ACCOUNT
        if self.key in (OrderStatus.FAILED, OrderStatus.CANCELLED) and self.is_unsure:
            lead = UNSURE
        seal = SEALS.get(self.key)
        return StatusView(
            key=self.key,
            word=_(word),
            seal=_(seal) if seal else None,
            title=_(title),
            lead=_(lead),
            final=self.key not in WATCHED,
            poll_url=poll_url,
            pause=DEPOSIT_PAUSE if self.awaits_deposit else PAUSE,
        )

    def method_label(self, _: Translator) -> str | None:
        """How it was paid: in the page's language where the PG's word is known, else as the PG says it."""
        method = self.paying.method if self.paying else None
        return _(method) if method in METHODS else method

    def reason(self, _: Translator) -> ReasonView:
        title, advice = reason_of(self.paying.failure_code if self.paying else None)
        return ReasonView(_(title), _(advice))

    def amounts(self) -> AmountsView:
        order = self.order
        return AmountsView(
            paid=order.total if self.is_paid else None,
            refunded=order.refunded if order.refunded_amount else None,
            final=order.total - order.refunded,
        )

    def timeline(self, _: Translator) -> list[TimelineEntry]:
        """What happened, oldest first, as far as the shopper needs it."""
        entries = [TimelineEntry(_("주문 접수"), self.order.created_at)]
        for payment in self.payments:
            if payment.status in (PaymentStatus.FAILED, PaymentStatus.CANCELLED) and payment.failure_code != "REPLACED":
                cancelled = payment.status == PaymentStatus.CANCELLED
                entries.append(
                    TimelineEntry(
                        _("결제를 그만둠") if cancelled else _("결제되지 않음"),
                        payment.closed_at or payment.created_at,
                        note=None if cancelled else _(reason_of(payment.failure_code)[0]),
                        tone=None if cancelled else "bad",
                    )
                )
        if self.order.paid_at:
            entries.append(TimelineEntry(_("결제"), self.order.paid_at, money=self.order.total))
        entries.extend(TimelineEntry(_("환불"), at, money=money) for at, money in self.refunds)
        if self.order.status == OrderStatus.EXPIRED:
            entries.append(TimelineEntry(_("기한 지남"), self.order.expires_at))
        # The PG's times have no fractions of a second.
        return sorted(entries, key=lambda entry: entry.at.replace(microsecond=0))

    async def view(self) -> OrderView:
        """One statement more: the items with their pictures."""
        rows = await OrderItem.select(
            OrderItem.product,
            OrderItem.product_name,
            OrderItem.quantity,
            OrderItem.unit_price,
            OrderItem.product.image_url,
        ).where(OrderItem.order == self.order.id)
        items = [
            ItemView(
                product_id=row["product"],
                name=row["product_name"],
                quantity=row["quantity"],
                unit_price=(unit := Money(row["unit_price"], self.order.currency)),
                line_total=unit * row["quantity"],
                image_url=row["product.image_url"],
            )
            for row in rows
        ]
        return OrderView(self.order.number, self.order.total, items)


def is_overdue(payment: Payment) -> bool:
    return payment.deposit_due_at is not None and payment.deposit_due_at < clock.now()


async def _receiver_wanted(payments: list[Payment]) -> tuple[Payment, Refund] | None:
    """Only a virtual account asks for it."""
    deposits = {p.id: p for p in payments if p.deposit_due_at and p.captured_amount > p.refunded_amount}
    if not deposits:
        return None
    refund = (
        await Refund.objects()
        .where(Refund.payment.is_in(list(deposits)), Refund.status == RefundStatus.NEEDS_ACCOUNT)
        .order_by(Refund.created_at)
        .first()
    )
    return (deposits[refund.payment], refund) if refund else None


async def _has_failed_refund(payments: list[Payment]) -> bool:
    ids = [payment.id for payment in payments]
    return await Refund.exists().where(Refund.payment.is_in(ids), Refund.status == RefundStatus.FAILED)


async def _refunds_of(order: Order) -> list[tuple[datetime, Money]]:
    """When and how much, from the PG's sums at each change; a refund that failed afterwards counts against itself."""
    events = (
        await PaymentEvent.select(PaymentEvent.at, PaymentEvent.evidence)
        .where(PaymentEvent.payment == order.paid_by, PaymentEvent.subject == "payment")
        .order_by(PaymentEvent.at)
    )
    refunds, before = [], 0
    for event in events:
        refunded = json.loads(event["evidence"]).get("refunded", 0)
        if refunded != before:
            refunds.append((event["at"], Money(refunded - before, order.currency)))
            before = refunded
    return refunds
