"""The "needs you" list: what happened, what to do, and the one button that settles it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from piccolo.columns.combination import And

from app.checkout.alert_mails import CHARGE_DISPUTED, facts_of, money_of, words_of
from app.database import write_transaction
from app.jobs.queue import hasten
from app.jobs.tables import Job
from app.language import N_
from app.money import Money
from app.orders.tables import Order
from app.owners import audit
from app.owners.admission import Member
from app.owners.audit import Action
from app.payments.alerts import close_alert
from app.payments.booking import BALANCE_CHANGED
from app.payments.differences import close_orphan
from app.payments.states import AlertKind, RefundStatus
from app.payments.tables import Alert, Refund
from app.shops.tables import Shop
from app.shops.tenancy import NotFound, read_id

# What stands on the first page; the rest come up as these are settled.
MOST = 20
LONGEST_NOTE = 500


class Remedy(StrEnum):
    """What the button of an alert does."""

    RETRY_REFUND = "retry_refund"
    ASK_PG = "ask_pg"
    NAME_ACCOUNT = "name_account"
    HASTEN = "hasten"
    COMPARE = "compare"
    DONE = "done"


REMEDIES = {
    AlertKind.MISMATCH: Remedy.ASK_PG,
    AlertKind.SURPLUS: Remedy.NAME_ACCOUNT,
    AlertKind.REFUND_FAILED: Remedy.RETRY_REFUND,
    AlertKind.REFUND_WAITING: Remedy.HASTEN,
    AlertKind.STUCK: Remedy.ASK_PG,
    AlertKind.ORPHAN: Remedy.DONE,
    AlertKind.DISPUTE: Remedy.ASK_PG,
    AlertKind.REVERSED: Remedy.DONE,
    AlertKind.POISON_JOB: Remedy.HASTEN,
    AlertKind.DIFFERENCE: Remedy.COMPARE,
}
BY_REASON = {(AlertKind.REFUND_WAITING, RefundStatus.NEEDS_ACCOUNT): Remedy.NAME_ACCOUNT}

BUTTONS = {
    Remedy.RETRY_REFUND: N_("다시 환불하기"),
    Remedy.ASK_PG: N_("다시 확인"),
    Remedy.NAME_ACCOUNT: N_("계좌 적기"),
    Remedy.HASTEN: N_("다시 시도"),
    Remedy.COMPARE: N_("차이 살펴보기"),
    Remedy.DONE: N_("해결했어요"),
}

# Where the page says it otherwise than the mail.
ADVICE = {
    AlertKind.REFUND_FAILED: N_("다시 환불하거나, 다른 길로 돌려드린 다음 해결했다고 적어 주세요."),
    AlertKind.POISON_JOB: N_("다시 시도해 보고, 또 멈추면 이 설치를 돌보는 사람에게 알려 주세요."),
    AlertKind.ORPHAN: N_("결제사 화면에서 확인하고, 주문이 없는 돈이면 돌려드린 다음 해결했다고 적어 주세요."),
    AlertKind.REVERSED: N_("결제사와 은행에 확인하고, 어떻게 했는지 적어 주세요."),
    AlertKind.DISPUTE: N_("기한 안에 결제사 화면에서 답해 주세요. 결과가 나왔으면 다시 확인해 주세요."),
    AlertKind.SURPLUS: N_("손님께 여쭌 계좌를 대신 적으셔도 됩니다. 돈이 돌아가면 이 일은 저절로 끝납니다."),
}


@dataclass(frozen=True, slots=True)
class Need:
    """One matter; its sentences are to be translated."""

    alert: Alert
    order: Order | None
    title: str
    happened: str
    advice: str
    money: Money | None
    remedy: Remedy
    # What the PG or the worker said: sentences to be translated, each with its value, as `facts_of` gives them.
    facts: Sequence[tuple[str, str | datetime]]

    @property
    def button(self) -> str:
        return BUTTONS[self.remedy]


async def list_needs(shop: Shop) -> list[Need]:
    """The shop's open matters, oldest first, up to `MOST`."""
    alerts = await Alert.objects().where(_is_open(shop)).order_by(Alert.raised_at).limit(MOST)
    return await _needs_of(alerts)


async def count_needs(shop: Shop) -> int:
    return await Alert.count().where(_is_open(shop))


async def needs_of_order(shop: Shop, order: Order) -> list[Need]:
    """Those about one order."""
    alerts = Alert.objects().where((Alert.order == order.id) & Alert.closed_at.is_null())
    return await _needs_of(await alerts.where(Alert.shop == shop.id).order_by(Alert.raised_at))


async def find_alert(shop: Shop, alert_id: str) -> Alert:
    """Also one that is closed already. Raises NotFound."""
    alert = await Alert.objects().where(Alert.id == read_id(alert_id), Alert.shop == shop.id).first()
    if alert is None:
        raise NotFound
    return alert


async def need_of(alert: Alert) -> Need:
    [need] = await _needs_of([alert])
    return need


def remedy_of(alert: Alert) -> Remedy:
    kind = AlertKind(alert.kind)
    return BY_REASON.get((kind, evidence_of(alert).get("why")), REMEDIES[kind])


def evidence_of(alert: Alert) -> dict[str, object]:
    return json.loads(alert.evidence)


async def close_by_hand(member: Member, alert: Alert, note: str) -> bool:
    """A person says how it was settled; True when this call closed it."""
    kind, key, by = AlertKind(alert.kind), alert.alert_key.removeprefix(f"{alert.kind}:"), member.owner.email
    async with write_transaction():
        if kind is AlertKind.ORPHAN:
            is_closed = await close_orphan(key, by, note[:LONGEST_NOTE])
        else:
            is_closed = await close_alert(kind, key, note[:LONGEST_NOTE], by)
        if not is_closed:
            return False
        about = {"kind": alert.kind, "note": note[:LONGEST_NOTE]}
        await audit.record(member.shop, by, Action.ALERT_CLOSED, await _subject(alert), about)
        return True


async def hasten_jobs(member: Member, alert: Alert) -> None:
    """What has come to a stop is tried again at once."""
    jobs = await _jobs_of(alert)
    async with write_transaction():
        for job in jobs:
            await hasten(job.dedupe_key)
        about = {"kind": alert.kind, "jobs": [job.kind for job in jobs]}
        await audit.record(member.shop, member.owner.email, Action.JOB_HASTENED, await _subject(alert), about)


async def _jobs_of(alert: Alert) -> list[Job]:
    evidence = evidence_of(alert)
    if alert.kind == AlertKind.POISON_JOB:
        return await Job.objects().where(Job.id == UUID(str(evidence["job"])), Job.done_at.is_null())
    refund = await Refund.objects().get(Refund.id == UUID(str(evidence["refund"])))
    keys = [f"refund:{refund.id}", f"refund:{refund.id}:{refund.tries}"]
    return await Job.objects().where(Job.dedupe_key.is_in(keys), Job.done_at.is_null())


async def _subject(alert: Alert) -> str:
    order = await Order.select(Order.number).where(Order.id == alert.order).first() if alert.order else None
    return order["number"] if order else str(alert.kind)


def _is_open(shop: Shop) -> And:
    return (Alert.shop == shop.id) & Alert.closed_at.is_null()


async def _needs_of(alerts: list[Alert]) -> list[Need]:
    ids = [alert.order for alert in alerts if alert.order]
    orders = {order.id: order for order in await Order.objects().where(Order.id.is_in(ids))} if ids else {}
    return [_need(alert, orders.get(alert.order)) for alert in alerts]


def _need(alert: Alert, order: Order | None) -> Need:
    kind, evidence = AlertKind(alert.kind), evidence_of(alert)
    title, happened, advice = words_of(alert)
    reasons = (BALANCE_CHANGED, RefundStatus.NEEDS_ACCOUNT, CHARGE_DISPUTED)
    has_reason = (evidence.get("why") or evidence.get("code")) in reasons
    return Need(
        alert=alert,
        order=order,
        title=title,
        happened=happened,
        advice=advice if has_reason else ADVICE.get(kind, advice),
        money=money_of(alert),
        remedy=remedy_of(alert),
        facts=facts_of(alert),
    )
