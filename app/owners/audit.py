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
    MEMBER_CHANGED = "member_changed"
    MEMBER_REMOVED = "member_removed"
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
    PRODUCT_CREATED = "product_created"
    PRODUCT_CHANGED = "product_changed"
    PRODUCT_SHOWN = "product_shown"
    PRODUCT_HIDDEN = "product_hidden"
    PRODUCT_MOVED = "product_moved"
    SETTINGS_CHANGED = "settings_changed"
    WEBHOOKS_REPLAYED = "webhooks_replayed"
    COMPARE_ASKED = "compare_asked"
    DIFFERENCE_CLOSED = "difference_closed"
    CONTRACT_ADDED = "contract_added"
    CONTRACT_CHANGED = "contract_changed"
    CONTRACT_ON = "contract_on"
    CONTRACT_OFF = "contract_off"
    CONTRACT_MOVED = "contract_moved"


WORDS = {
    Action.SHOP_CREATED: N_("가게를 열었습니다"),
    Action.MEMBER_ADDED: N_("함께 일할 사람을 정했습니다"),
    Action.MEMBER_CHANGED: N_("함께 일하는 사람의 역할을 바꿨습니다"),
    Action.MEMBER_REMOVED: N_("함께 일하던 사람을 내보냈습니다"),
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
    Action.PRODUCT_CREATED: N_("상품을 올렸습니다"),
    Action.PRODUCT_CHANGED: N_("상품을 고쳤습니다"),
    Action.PRODUCT_SHOWN: N_("상품을 다시 보였습니다"),
    Action.PRODUCT_HIDDEN: N_("상품을 숨겼습니다"),
    Action.PRODUCT_MOVED: N_("상품의 자리를 옮겼습니다"),
    Action.SETTINGS_CHANGED: N_("가게 설정을 고쳤습니다"),
    Action.WEBHOOKS_REPLAYED: N_("받은 알림을 다시 처리하게 했습니다"),
    Action.COMPARE_ASKED: N_("하루를 다시 대조하게 했습니다"),
    Action.DIFFERENCE_CLOSED: N_("대조에서 나온 차이를 닫았습니다"),
    Action.CONTRACT_ADDED: N_("결제사 계약을 넣었습니다"),
    Action.CONTRACT_CHANGED: N_("결제사 계약을 고쳤습니다"),
    Action.CONTRACT_ON: N_("결제사 계약을 켰습니다"),
    Action.CONTRACT_OFF: N_("결제사 계약을 껐습니다"),
    Action.CONTRACT_MOVED: N_("결제사의 자리를 옮겼습니다"),
}

DETAILS = {
    "amount": N_("금액"),
    "reason": N_("까닭"),
    "restock": N_("다시 내놓을 수량"),
    "note": N_("적어 둔 말"),
    "kind": N_("종류"),
    "day": N_("날"),
    "events": N_("알림 수"),
    "status": N_("상태"),
    "since": N_("첫날"),
    "until": N_("마지막 날"),
    "role": N_("역할"),
    "place": N_("자리"),
    "fields": N_("바꾼 칸"),
    "name": N_("이름"),
    "price": N_("가격"),
    "stock": N_("재고"),
    "max_per_order": N_("한 번에 살 수 있는 수량"),
    "description": N_("설명"),
    "facts": N_("알아 둘 것"),
    "image_url": N_("그림 주소"),
    "image_alt": N_("그림 설명"),
    "tagline": N_("한 줄 소개"),
    "legal": N_("사업자 정보"),
    "accent": N_("가게 색"),
    "logo_url": N_("로고 주소"),
    "locale": N_("가게의 말"),
    "time_zone": N_("시간대"),
    "currency": N_("통화"),
    "hold_minutes": N_("결제를 기다리는 시간 (분)"),
    "late_deposit": N_("기한이 지나 들어온 입금"),
    "alert_email": N_("알림 받을 이메일"),
}
"""What the names of details mean. One that is none of them stands as it is."""

# Who did it, where nobody was signed in.
COMMAND = "./sellog"

# Of a long text, a log shows how it begins.
LONGEST_VALUE = 80

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


def from_to(changes: Mapping[str, tuple[object, object]]) -> dict[str, str]:
    """What changed, as details: `price: 26000 → 27000`."""
    return {name: f"{_short(before)} → {_short(after)}" for name, (before, after) in changes.items()}


def _short(value: object) -> str:
    text = "–" if value is None else " ".join(str(value).split())
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


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
