"""Mails to shoppers about their orders: what happened, in the shop's language and time zone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from piccolo.columns.combination import WhereRaw

from app import clock
from app.checkout.order_page import OrderPage
from app.database import write_transaction
from app.jobs.tables import Job
from app.jobs.worker import NotYet
from app.language import LANGUAGES, N_, Translator, translator
from app.messages.posting import post
from app.money import CURRENCIES, Money
from app.orders.tables import Order, OrderItem
from app.payments.providers import PROVIDERS
from app.payments.states import PaymentStatus, RefundStatus
from app.payments.tables import Payment, Refund
from app.payments.watching import LOOKS_WHILE_OPEN
from app.settings import Settings
from app.shops.tables import Shop

PAID = "paid"
DEPOSIT_ACCOUNT = "deposit_account"
DEPOSIT_REVERSED = "deposit_reversed"
DEPOSIT_EXPIRED = "deposit_expired"
REFUNDED = "refunded"
REFUND_ACCOUNT_WANTED = "refund_account_wanted"
DEPOSIT_RECEIVED = "deposit_received"
SURPLUS_REFUNDED = "surplus_refunded"
UNUSED_REFUNDED = "unused_refunded"
LATE_ACCOUNT_WANTED = "late_account_wanted"
LATE_REFUNDED = "late_refunded"
MISMATCH_REFUNDED = "mismatch_refunded"
PAY_AGAIN = "pay_again"

REFUNDS = frozenset({REFUNDED, SURPLUS_REFUNDED, UNUSED_REFUNDED, LATE_REFUNDED, MISMATCH_REFUNDED})

# Title (the subject as well) and the paragraph below it.
WORDS = {
    PAID: (
        N_("결제가 끝났어요"),
        N_("주문해 주셔서 고맙습니다. 결제가 끝나 주문을 가게에 전했습니다."),
    ),
    DEPOSIT_ACCOUNT: (
        N_("입금을 기다리고 있어요"),
        N_("주문해 주셔서 고맙습니다. 기한까지 아래 계좌로 금액을 그대로 보내 주시면 결제가 끝납니다."),
    ),
    DEPOSIT_REVERSED: (
        N_("입금이 취소되었어요"),
        N_("은행에서 입금을 취소해 이 주문은 아직 결제되지 않았습니다. 지금 상태는 주문 화면에서 보실 수 있어요."),
    ),
    DEPOSIT_EXPIRED: (
        N_("입금 기한이 지났어요"),
        N_(
            "기한까지 입금이 확인되지 않아 물건을 다시 내놓았습니다. 안내해 드린 계좌로는 입금하지 말아 주세요. "
            "물건이 남아 있으면 주문 화면에서 다시 결제하실 수 있어요."
        ),
    ),
    REFUNDED: (
        N_("돈을 돌려드렸어요"),
        N_("아래 금액을 돌려드렸습니다. 카드나 계좌에는 며칠 뒤에 나타날 수 있어요."),
    ),
    REFUND_ACCOUNT_WANTED: (
        N_("돌려받으실 계좌를 알려 주세요"),
        N_(
            "돌려드릴 돈이 있습니다. 계좌로 보내 주신 돈이라 돌려받으실 계좌가 필요해요. "
            "주문 화면에서 은행과 계좌번호를 적어 주세요."
        ),
    ),
    DEPOSIT_RECEIVED: (
        N_("입금을 확인했어요"),
        N_("보내 주신 돈이 들어왔습니다. 결제가 끝나 주문을 가게에 전했습니다."),
    ),
    SURPLUS_REFUNDED: (
        N_("두 번 결제된 금액을 돌려드렸어요"),
        N_("이 주문에 한 번 더 결제된 금액을 돌려드렸습니다. 카드나 계좌에는 며칠 뒤에 나타날 수 있어요."),
    ),
    UNUSED_REFUNDED: (
        N_("결제하신 금액을 돌려드렸어요"),
        N_("결제하신 돈을 이 주문에 쓸 수 없어 돌려드렸습니다. 카드나 계좌에는 며칠 뒤에 나타날 수 있어요."),
    ),
    LATE_ACCOUNT_WANTED: (
        N_("기한이 지나 들어온 입금을 돌려드릴게요"),
        N_(
            "보내 주신 돈이 입금 기한이 지난 뒤에 들어와 주문에 쓰지 못하고 돌려드립니다. "
            "주문 화면에서 돌려받으실 은행과 계좌번호를 적어 주세요."
        ),
    ),
    LATE_REFUNDED: (
        N_("기한이 지나 들어온 입금을 돌려드렸어요"),
        N_("입금 기한이 지난 뒤에 들어온 돈이라 주문에 쓰지 않고 돌려드렸습니다. 계좌에는 며칠 뒤에 나타날 수 있어요."),
    ),
    MISMATCH_REFUNDED: (
        N_("주문과 맞지 않는 결제를 돌려드렸어요"),
        N_("금액이나 통화가 주문과 달라 받은 돈을 돌려드렸습니다. 카드나 계좌에는 며칠 뒤에 나타날 수 있어요."),
    ),
    PAY_AGAIN: (
        N_("아직 결제되지 않았어요"),
        N_("결제를 마치지 못했습니다. 물건이 남아 있는 동안 주문 화면에서 다시 결제하실 수 있어요."),
    ),
}


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail about an order, as the rows stood when they were read. `refund` is what went back this time, `so_far` with
    what went back before.
    """

    kind: str
    shop: Shop
    order: Order
    items: list[OrderItem]
    payment: Payment | None
    refund: Money | None
    so_far: Money
    # Whether what it tells of, or asks for, is still so.
    is_true: bool
    # The order's page.
    link: str

    @classmethod
    async def load(cls, settings: Settings, payload: Mapping[str, str]) -> "Mail":
        order = await Order.objects().get(Order.id == UUID(payload["order"]))
        shop = await Shop.objects().get(Shop.id == order.shop)
        kind, payment, so_far, is_true = payload["mail"], None, order.refunded, True
        if "payment" in payload:
            payment = await Payment.objects().get(Payment.id == UUID(payload["payment"]))
            kind = DEPOSIT_RECEIVED if kind == PAID and payment.deposit_due_at else kind
        if "refund" in payload:
            refunds = await Refund.objects().where(Refund.payment == payment.id)
            done = {refund.id: refund.amount for refund in refunds if refund.status == RefundStatus.SUCCEEDED}
            so_far, is_true = Money(sum(done.values()), order.currency), UUID(payload["refund"]) in done
        if kind == PAY_AGAIN:
            is_true = await _can_be_paid(shop, order)
        return cls(
            kind=kind,
            shop=shop,
            order=order,
            items=await OrderItem.objects().where(OrderItem.order == order.id).order_by(OrderItem.id),
            payment=payment,
            refund=_money(payload, order),
            so_far=so_far,
            is_true=is_true,
            link=f"{settings.base_url}/{shop.domain}/orders/{order.token}",
        )

    @property
    def lang(self) -> str:
        return self.shop.locale if self.shop.locale in LANGUAGES else "ko"

    @property
    def awaits_deposit(self) -> bool:
        if self.payment is None or self.payment.status != PaymentStatus.AWAITING_DEPOSIT:
            return False
        return self.payment.deposit_due_at is None or clock.now() < self.payment.deposit_due_at

    @property
    def is_outdated(self) -> bool:
        """Whether it would ask for a transfer that was made meanwhile or comes too late, or say what is so no more."""
        return (self.kind == DEPOSIT_ACCOUNT and not self.awaits_deposit) or not self.is_true

    @property
    def subject(self) -> str:
        _ = translator(self.lang)
        title = _(WORDS[self.kind][0])
        return _("[%(shop)s] %(title)s (주문 %(number)s)", shop=self.shop.name, title=title, number=self.order.number)

    @property
    def body(self) -> str:
        _ = translator(self.lang)
        title, lead = WORDS[self.kind]
        parts = [
            [_(title)],
            [_(lead)],
            [f"{label}: {value}" for label, value in self._facts(_) if value],
            [_("주문번호: %(number)s", number=self.order.number), *self._items(), self._total(_)],
            [_("주문 화면: %(link)s", link=self.link)],
            self.shop.legal_lines or [self.shop.name],
        ]
        return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"

    def _facts(self, _: Translator) -> list[tuple[str, str | None]]:
        """What this mail is about, in figures."""
        if self.kind in REFUNDS and self.refund:
            is_only = self.kind != REFUNDED or self.so_far == self.refund
            return [
                (_("이번에 돌려드린 금액"), self.refund.text(self.lang)),
                (_("지금까지 돌려드린 금액"), None if is_only else self.so_far.text(self.lang)),
            ]
        if self.payment is None or not self.awaits_deposit:
            return []
        due_at = self.payment.deposit_due_at
        return [
            (_("은행"), self.payment.deposit_bank),
            (_("계좌번호"), self.payment.deposit_number),
            (_("예금주"), self.payment.deposit_holder),
            (_("입금할 금액"), self.payment.money.text(self.lang)),
            (_("입금 기한"), self._moment(due_at) if due_at else None),
        ]

    def _items(self) -> list[str]:
        return [
            f"{item.product_name} × {item.quantity}: "
            f"{(Money(item.unit_price, self.order.currency) * item.quantity).text(self.lang)}"
            for item in self.items
        ]

    def _total(self, _: Translator) -> str:
        return _("주문 금액: %(total)s", total=self.order.total.text(self.lang))

    def _moment(self, at: datetime) -> str:
        return moment_text(at, self.shop, self.lang)


def moment_text(at: datetime, shop: Shop, lang: str) -> str:
    """`2026년 11월 25일 (수) 23:59` in the shop's zone; in English the zone is named."""
    pattern = "yyyy년 M월 d일 (E) HH:mm" if lang == "ko" else "EEE d MMM yyyy, HH:mm (zzzz)"
    return format_datetime(at, pattern, tzinfo=ZoneInfo(shop.time_zone), locale=lang)


async def write(settings: Settings, payload: Mapping[str, str]) -> None:
    """The job "mail": one message for each change that asks for one, however often the job runs.

    The payload names the `mail`, the `order`, what moved it (`payment`) where a mail tells of that, and for a refund
    its row, its `amount` in minor units and its `currency`. A mail that is not true any more is left out. Raises NotYet
    while it is being decided whether it is.
    """
    keys = await _keys_of(payload)
    mail = await Mail.load(settings, payload)
    if mail.is_outdated:
        return
    async with write_transaction():
        for key in keys:
            await post(settings, key, mail.shop.name, mail.order.customer_email, mail.subject, mail.body)


async def _can_be_paid(shop: Shop, order: Order) -> bool:
    """Whether the shopper can pay it now: its payments allow it, and its goods are there. Raises NotYet, also while the
    shopper may be paying.
    """
    found = await OrderPage.load(shop, order.token)
    if found.undecided and not found.is_paid:
        raise NotYet("a payment of it is being decided")
    items = await OrderItem.select(
        OrderItem.quantity, OrderItem.product.stock.as_alias("stock"), OrderItem.product.is_active.as_alias("is_sold")
    ).where(OrderItem.order == order.id)
    is_there = order.holds_stock or all(item["stock"] is None or item["stock"] >= item["quantity"] for item in items)
    if not (found.can_be_paid and is_there and all(item["is_sold"] for item in items)):
        return False
    if any(_may_be_at_the_pg(payment) for payment in found.payments):
        raise NotYet("the shopper may be at the PG's window")
    return True


def _may_be_at_the_pg(payment: Payment) -> bool:
    """Whether the PG's window may be open, or money taken there that no look has found yet."""
    if payment.status != PaymentStatus.CREATED:
        return False
    traits = PROVIDERS[payment.provider].traits
    over = payment.created_at + traits.window
    if traits.confirm_moves_money:
        return clock.now() < over
    # Handing over makes the looks at such a PG frequent, for as long as its window is open and a little longer.
    is_handed_over = payment.checks > 0 or payment.next_check_at != over
    return is_handed_over and payment.checks < LOOKS_WHILE_OPEN


def _money(payload: Mapping[str, str], order: Order) -> Money | None:
    """What went back: of a wrong payment in the currency that was paid. One that we cannot write is left out."""
    currency = payload.get("currency", order.currency)
    return Money(int(payload["amount"]), currency) if "amount" in payload and currency in CURRENCIES else None


async def _keys_of(payload: Mapping[str, str]) -> list[str]:
    """The keys of the unfinished jobs with this payload. Two refunds of one amount are two of them, and two mails."""
    same_payload = WhereRaw("CAST(payload AS TEXT) = {}", json.dumps(dict(payload)))
    rows = await Job.select(Job.dedupe_key).where(Job.kind == "mail", Job.done_at.is_null(), same_payload)
    return [row["dedupe_key"] for row in rows]
