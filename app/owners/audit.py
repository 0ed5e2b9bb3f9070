"""The audit log: who did what at a shop. One row for each action, in the transaction of what it did."""

import json
from collections.abc import Mapping
from enum import StrEnum

from app import clock
from app.database import require_transaction
from app.language import N_
from app.owners.tables import AuditEntry
from app.shops.tables import Shop


class Action(StrEnum):
    SHOP_CREATED = "shop_created"
    MEMBER_ADDED = "member_added"
    PASSWORD_SET = "password_set"
    PASSWORD_CHANGED = "password_changed"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    ORDER_ASKED = "order_asked"
    ORDERS_EXPORTED = "orders_exported"
    REFUND_ASKED = "refund_asked"
    REFUND_RETRIED = "refund_retried"
    REFUND_ACCOUNT_NAMED = "refund_account_named"
    JOB_HASTENED = "job_hastened"
    ALERT_CLOSED = "alert_closed"


WORDS = {
    Action.SHOP_CREATED: N_("가게를 열었습니다"),
    Action.MEMBER_ADDED: N_("함께 일할 사람을 정했습니다"),
    Action.PASSWORD_SET: N_("링크로 비밀번호를 정했습니다"),
    Action.PASSWORD_CHANGED: N_("비밀번호를 바꿨습니다"),
    Action.SIGNED_OUT_EVERYWHERE: N_("모든 기기에서 나갔습니다"),
    Action.ORDER_ASKED: N_("결제사에 주문을 다시 확인했습니다"),
    Action.ORDERS_EXPORTED: N_("주문 목록을 내려받았습니다"),
    Action.REFUND_ASKED: N_("환불을 요청했습니다"),
    Action.REFUND_RETRIED: N_("실패한 환불을 다시 요청했습니다"),
    Action.REFUND_ACCOUNT_NAMED: N_("돌려줄 계좌를 적었습니다"),
    Action.JOB_HASTENED: N_("멈춘 일을 다시 하게 했습니다"),
    Action.ALERT_CLOSED: N_("기다리던 일을 끝냈습니다"),
}

# Who did it, where nobody was signed in.
COMMAND = "./sellog"

SECRET = ("password", "secret", "token", "key", "credential", "claim", "receiver")


async def record(
    shop: Shop, who: str, action: Action, subject: str = "", details: Mapping[str, object] | None = None
) -> None:
    """One row, in the caller's transaction. `who` is a member's e-mail address, `subject` what people call the thing.

    Of a detail whose name says that it is a secret, only the name is kept.
    """
    require_transaction()
    entry = AuditEntry(
        shop=shop.id,
        who=who,
        action=action,
        subject=subject[:200],
        details=json.dumps(redacted(details or {}), ensure_ascii=False, default=str),
        at=clock.now(),
    )
    await AuditEntry.insert(entry)


def redacted(details: Mapping[str, object]) -> dict[str, object]:
    """The same without secrets, at any depth."""
    return {name: "…" if _is_secret(name) else _redacted_value(value) for name, value in details.items()}


def _redacted_value(value: object) -> object:
    if isinstance(value, Mapping):
        return redacted(value)
    if isinstance(value, (list, tuple)):
        return [_redacted_value(each) for each in value]
    return value


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET)
