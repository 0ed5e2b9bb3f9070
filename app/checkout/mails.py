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
from app.database import write_transaction
from app.jobs.tables import Job
from app.language import LANGUAGES, N_, Translator, translator
from app.messages.posting import post
from app.money import Money
from app.orders.tables import Order, OrderItem
from app.payments.states import PaymentStatus
from app.payments.tables import Payment
from app.settings import Settings
from app.shops.tables import Shop

PAID = "paid"
DEPOSIT_ACCOUNT = "deposit_account"
DEPOSIT_REVERSED = "deposit_reversed"
DEPOSIT_EXPIRED = "deposit_expired"
REFUNDED = "refunded"
REFUND_ACCOUNT_WANTED = "refund_account_wanted"

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
}


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail about an order, as the rows stood when they were read. `refund` is what went back this time."""

    kind: str
    shop: Shop
    order: Order
    items: list[OrderItem]
    payment: Payment | None
    refund: Money | None
    # The order's page.
    link: str

    @classmethod
    async def load(cls, settings: Settings, payload: Mapping[str, str]) -> "Mail":
        order = await Order.objects().get(Order.id == UUID(payload["order"]))
        shop = await Shop.objects().get(Shop.id == order.shop)
        return cls(
            kind=payload["mail"],
            shop=shop,
            order=order,
            items=await OrderItem.objects().where(OrderItem.order == order.id).order_by(OrderItem.id),
            payment=await Payment.objects().get(Payment.id == UUID(payload["payment"]))
            if "payment" in payload
            else None,
            refund=Money(int(payload["amount"]), order.currency) if "amount" in payload else None,
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
        """Whether it would ask for a transfer that was made meanwhile, or that comes too late."""
        return self.kind == DEPOSIT_ACCOUNT and not self.awaits_deposit

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
        if self.kind == REFUNDED and self.refund:
            is_first = self.order.refunded == self.refund
            return [
                (_("이번에 돌려드린 금액"), self.refund.text(self.lang)),
                (_("지금까지 돌려드린 금액"), None if is_first else self.order.refunded.text(self.lang)),
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
        """`2026년 11월 25일 (수) 23:59` in the shop's zone; in English the zone is named."""
        pattern = "yyyy년 M월 d일 (E) HH:mm" if self.lang == "ko" else "EEE d MMM yyyy, HH:mm (zzzz)"
        return format_datetime(at, pattern, tzinfo=ZoneInfo(self.shop.time_zone), locale=self.lang)


async def write(settings: Settings, payload: Mapping[str, str]) -> None:
    """The job "mail": one message for each change that asks for one, however often the job runs.

    The payload names the `mail`, the `order`, what moved it (`payment`) where a mail tells of that, and for a refund
    its `amount` in minor units. A mail that would ask for a transfer that nobody waits for any more is left out.
    """
    keys = await _keys_of(payload)
    mail = await Mail.load(settings, payload)
    if mail.is_outdated:
        return
    async with write_transaction():
        for key in keys:
            await post(settings, key, mail.shop.name, mail.order.customer_email, mail.subject, mail.body)


async def _keys_of(payload: Mapping[str, str]) -> list[str]:
    """The keys of the unfinished jobs with this payload. Two refunds of one amount are two of them, and two mails."""
    same_payload = WhereRaw("CAST(payload AS TEXT) = {}", json.dumps(dict(payload)))
    rows = await Job.select(Job.dedupe_key).where(Job.kind == "mail", Job.done_at.is_null(), same_payload)
    return [row["dedupe_key"] for row in rows]
