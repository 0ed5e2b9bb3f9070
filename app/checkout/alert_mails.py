"""Mails to owners: what only a person can settle, what it is about, and what to do next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from app.checkout.mails import moment_text
from app.database import write_transaction
from app.language import LANGUAGES, N_, translator
from app.messages.delivering import Courier
from app.messages.posting import post
from app.messages.tables import Message, MessageStatus
from app.money import CURRENCIES, Money
from app.orders.tables import Order
from app.payments.booking import BALANCE_CHANGED
from app.payments.states import AlertKind, RefundKind, RefundStatus
from app.payments.tables import Alert
from app.settings import Settings
from app.shops.tables import Shop

log = structlog.get_logger("alerts")

# Title (the subject as well), what happened, and what to do.
WORDS = {
    AlertKind.MISMATCH: (
        N_("주문과 다른 금액이 결제되었어요"),
        N_("결제사가 주문과 다른 금액이나 통화로 돈을 받았습니다. 받은 돈은 저절로 돌려드립니다."),
        N_("결제사 화면에서 이 결제를 살펴봐 주세요. 돈이 모두 돌아가면 이 일은 저절로 끝납니다."),
    ),
    AlertKind.SURPLUS: (
        N_("두 번 결제된 돈을 돌려줄 계좌가 필요해요"),
        N_("주문에 쓸 수 없는 돈이 가상계좌로 들어왔습니다. 돌려줄 계좌를 손님께 메일로 여쭈었습니다."),
        N_("손님이 답하지 않으면 연락해 주세요. 돈이 돌아가면 이 일은 저절로 끝납니다."),
    ),
    AlertKind.REFUND_FAILED: (
        N_("환불하지 못했어요"),
        N_("결제사가 환불을 받아들이지 않았거나 은행이 돈을 되돌려 보냈습니다. 손님은 돈을 받지 못했습니다."),
        N_("결제사 화면에서 까닭을 살펴보고 다시 환불하거나, 다른 길로 돌려드려 주세요."),
    ),
    AlertKind.REFUND_WAITING: (
        N_("환불이 끝나지 않고 있어요"),
        N_("환불을 요청한 지 하루가 넘었는데 돈이 돌아갔다는 결제사의 답이 없습니다. 계속 시도하고 있습니다."),
        N_("결제사 화면과 결제 설정을 살펴봐 주세요. 환불이 끝나면 이 일은 저절로 끝납니다."),
    ),
    AlertKind.STUCK: (
        N_("한 시간째 결제를 확인하지 못하고 있어요"),
        N_("돈이 빠져나갔는지 결제사가 한 시간 동안 답하지 않았습니다. 계속 묻고 있습니다."),
        N_("결제사 화면에서 이 결제를 살펴봐 주세요. 결제사가 답하면 이 일은 저절로 끝납니다."),
    ),
    AlertKind.ORPHAN: (
        N_("주문이 없는 결제가 있어요"),
        N_("우리 것으로 보이는 결제가 결제사에 있는데 여기에는 그 주문이 없습니다."),
        N_("결제사 화면에서 이 결제를 찾아 확인하고, 주문이 없는 돈이면 돌려드려 주세요."),
    ),
    AlertKind.DISPUTE: (
        N_("손님이 결제에 이의를 제기했어요"),
        N_("카드사나 은행이 이 결제의 돈을 되찾으려 합니다."),
        N_("기한 안에 결제사 화면에서 답해 주세요. 답하지 않으면 돈을 잃습니다."),
    ),
    AlertKind.REVERSED: (
        N_("일부를 환불한 입금을 은행이 취소했어요"),
        N_("이미 일부를 돌려드린 입금을 은행이 도로 가져갔습니다. 주문은 그대로 두었습니다."),
        N_("결제사와 은행에 확인하고, 물건을 보낼지 정해 주세요."),
    ),
    AlertKind.POISON_JOB: (
        N_("끝내지 못한 일이 있어요"),
        N_("여러 날 되풀이해도 되지 않아 멈춘 일이 있습니다. 돈이 걸린 일일 수 있습니다."),
        N_("이 설치를 돌보는 사람에게 이 메일을 보여 주세요."),
    ),
    AlertKind.DIFFERENCE: (
        N_("결제사의 장부와 다른 것이 있어요"),
        N_("하루의 결제를 결제사의 목록과 견주었더니 서로 맞지 않는 것이 있습니다."),
        N_("차이를 하나씩 결제사 화면과 견주어 보고 까닭을 적어 닫아 주세요."),
    ),
}

# The PG's code for a refund of what the shopper disputes.
CHARGE_DISPUTED = "charge_disputed"

# The same where the evidence says why, by our own reason or the PG's code.
WORDS_BY_REASON = {
    (AlertKind.REFUND_FAILED, BALANCE_CHANGED): (
        N_("남은 금액이 달라져 환불하지 않았어요"),
        N_("환불을 요청한 뒤에 이 결제의 돈이 다른 데서 먼저 돌아가, 남은 금액이 요청한 금액보다 적습니다."),
        N_("이번에는 아무것도 보내지 않았습니다. 남은 금액을 확인하고, 더 돌려드릴 돈이 있으면 다시 환불해 주세요."),
    ),
    (AlertKind.REFUND_FAILED, CHARGE_DISPUTED): (
        N_("이의가 제기된 결제라 환불하지 못했어요"),
        N_("손님이 카드사나 은행에 이의를 제기해, 그 결과가 나올 때까지 결제사가 이 결제를 환불하지 않습니다."),
        N_(
            "돈을 돌려줄지는 은행이 정합니다. 두 번 돌려주게 되니 다른 길로 돌려드리지 말고, "
            "결제사 화면에서 이의에 답해 주세요."
        ),
    ),
    (AlertKind.REFUND_WAITING, RefundStatus.NEEDS_ACCOUNT): (
        N_("돌려드릴 계좌를 아직 모르고 있어요"),
        N_("돌려받을 계좌를 손님께 메일로 여쭌 지 사흘이 넘었는데 답이 없습니다."),
        N_("손님께 연락해 주문 화면에 계좌를 적어 달라고 해 주세요. 환불이 끝나면 이 일은 저절로 끝납니다."),
    ),
    (AlertKind.SURPLUS, RefundKind.LATE): (
        N_("늦은 입금을 돌려줄 계좌가 필요해요"),
        N_("입금 기한이 지난 뒤에 들어온 돈을 가게 설정대로 돌려드립니다. 돌려줄 계좌를 손님께 메일로 여쭈었습니다."),
        N_("손님이 답하지 않으면 연락해 주세요. 돈이 돌아가면 이 일은 저절로 끝납니다."),
    ),
    (AlertKind.STUCK, "processing"): (
        N_("여러 날째 결제가 처리되고 있어요"),
        N_("결제사가 사흘이 넘도록 이 결제를 처리하고 있다고만 답합니다. 계속 묻고 있습니다."),
        N_("결제사 화면에서 이 결제를 살펴봐 주세요. 결제사가 답하면 이 일은 저절로 끝납니다."),
    ),
}

# Of the evidence, what a person can use; all of it is free of secrets and of shoppers' data.
TOLD = {
    "reference": N_("결제사에 알린 이름: %(value)s"),
    "pg_payment_id": N_("결제사의 결제번호: %(value)s"),
    "code": N_("결제사의 코드: %(value)s"),
    "reason": N_("까닭: %(value)s"),
    "due_at": N_("기한: %(value)s"),
    "day": N_("날짜: %(value)s"),
    "job": N_("작업: %(value)s"),
    "error": N_("오류: %(value)s"),
}

# Why a shopper disputes a payment, by the PG's code. One that is not here is told as it is.
DISPUTE_REASONS = {
    "fraudulent": N_("본인이 결제하지 않았다고 함"),
    "duplicate": N_("두 번 결제되었다고 함"),
    "product_not_received": N_("물건을 받지 못했다고 함"),
    "product_unacceptable": N_("물건에 문제가 있거나 설명과 다르다고 함"),
    "subscription_canceled": N_("구독을 끊은 뒤에 결제되었다고 함"),
    "unrecognized": N_("모르는 결제라고 함"),
    "credit_not_processed": N_("환불받기로 한 돈을 받지 못했다고 함"),
    "general": N_("까닭을 따로 밝히지 않음"),
}


def words_of(alert: Alert) -> tuple[str, str, str]:
    """Title, what happened and what to do, to be translated."""
    kind, evidence = AlertKind(alert.kind), json.loads(alert.evidence)
    return WORDS_BY_REASON.get((kind, evidence.get("why") or evidence.get("code")), WORDS[kind])


def money_of(alert: Alert) -> Money | None:
    """What the PG took or should send back. One in a currency that we do not know is left out."""
    evidence = json.loads(alert.evidence)
    amount = evidence.get("captured") or evidence.get("amount")
    currency = evidence.get("currency")
    return Money(amount, currency) if isinstance(amount, int) and currency in CURRENCIES else None


def facts_of(alert: Alert) -> list[tuple[str, str | datetime]]:
    """Sentences to be translated, each with its value: a moment, or a text to be translated where ours."""
    evidence = json.loads(alert.evidence)
    return [(text, _value(name, str(evidence[name]))) for name, text in TOLD.items() if evidence.get(name)]


def _value(name: str, said: str) -> str | datetime:
    if name == "due_at":
        return datetime.fromisoformat(said)
    return DISPUTE_REASONS.get(said, said) if name == "reason" else said


@dataclass(frozen=True, slots=True)
class AlertMail:
    alert: Alert
    shop: Shop | None
    order: Order | None
    # The desk's page of the order, or of the matter where it is about none.
    link: str | None

    @classmethod
    async def load(cls, settings: Settings, alert: Alert) -> "AlertMail":
        shop = await Shop.objects().get(Shop.id == alert.shop) if alert.shop else None
        order = await Order.objects().get(Order.id == alert.order) if alert.order else None
        where = f"orders/{order.number}" if order else f"needs/{alert.id}"
        return cls(alert, shop, order, f"{settings.base_url}/{shop.domain}/owner/{where}" if shop else None)

    @property
    def lang(self) -> str:
        return self.shop.locale if self.shop and self.shop.locale in LANGUAGES else "ko"

    @property
    def sender(self) -> str:
        return self.shop.name if self.shop else "Sellog"

    @property
    def subject(self) -> str:
        _ = translator(self.lang)
        title = _(words_of(self.alert)[0])
        if self.order:
            return _("[%(shop)s] %(title)s (주문 %(number)s)", shop=self.sender, title=title, number=self.order.number)
        return f"[{self.sender}] {title}"

    @property
    def body(self) -> str:
        _ = translator(self.lang)
        title, happened, next_step = (_(text) for text in words_of(self.alert))
        facts = []
        if self.order:
            facts.append(_("주문번호: %(number)s", number=self.order.number))
            facts.append(_("주문 금액: %(total)s", total=self.order.total.text(self.lang)))
        if money := money_of(self.alert):
            facts.append(_("걸린 금액: %(amount)s", amount=money.text(self.lang)))
        facts += [_(text, value=self._said(value)) for text, value in facts_of(self.alert)]
        link = [_("관리 화면: %(link)s", link=self.link)] if self.link else []
        parts = [[title], [happened], [next_step], facts, link]
        return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"

    def _said(self, value: str | datetime) -> str:
        if isinstance(value, str):
            return translator(self.lang)(value)
        return moment_text(value, self.shop, self.lang) if self.shop else str(value)


async def write(settings: Settings, payload: Mapping[str, str]) -> None:
    """The job "alert": one mail to the shop's owner, else to whom the settings name; else the matter is only listed.
    `mail` names the mail of a matter that is open again.

    What has settled itself meanwhile needs nobody.
    """
    alert = await Alert.objects().get(Alert.id == UUID(payload["alert"]))
    mail = await AlertMail.load(settings, alert)
    recipient = (mail.shop.alert_email if mail.shop else "") or settings.alerts_to
    if alert.closed_at is not None:
        return
    if not recipient:
        log.warning("alert_unsent", alert=str(alert.id), kind=alert.kind)
        return
    async with write_transaction():
        await post(settings, payload.get("mail", f"alert:{alert.id}"), mail.sender, recipient, mail.subject, mail.body)


async def deliver(courier: Courier, payload: Mapping[str, str]) -> None:
    """The job "deliver": an alert's mail that has waited for a server until the matter was settled stays here."""
    message = await Message.objects().get(Message.id == UUID(payload["message"]))
    kind, _, key = message.dedupe_key.partition(":")
    if kind == "alert":
        alert = UUID(key.partition(":")[0])
        if await Alert.exists().where(Alert.id == alert, Alert.closed_at.is_not_null()):
            settled = {Message.status: MessageStatus.FAILED, Message.error: "settled"}
            await Message.update(settled).where(Message.id == message.id, Message.status == MessageStatus.QUEUED)
            return
    await courier.deliver(payload)
