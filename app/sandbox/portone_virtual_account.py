"""Virtual accounts behind PortOne: the banks, the account of one payment, and where a deposit goes back to."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app.sandbox.portone_errors import NotOpened, PortOneError
from app.sandbox.portone_time import read_due_date, stamp
from app.sandbox.world import World

# PortOne's names of the banks that this sandbox knows; of the first, a buyer may choose.
BANKS = {
    "WOORI": "우리",
    "KOOKMIN": "국민",
    "SHINHAN": "신한",
    "HANA": "하나",
    "NONGHYUP": "농협",
    "IBK": "기업",
    "POST": "우체국",
    "KDB": "산업",
    "SUHYUP": "수협",
    "STANDARD_CHARTERED": "SC제일",
    "CITI": "씨티",
    "DAEGU": "iM뱅크",
    "BUSAN": "부산",
    "KWANGJU": "광주",
    "JEJU": "제주",
    "JEONBUK": "전북",
    "KYONGNAM": "경남",
    "KFCC": "새마을",
    "SHINHYUP": "신협",
    "K_BANK": "케이뱅크",
    "KAKAO": "카카오뱅크",
    "TOSS": "토스뱅크",
}
ISSUERS = tuple(BANKS)[:7]
LONGEST_TERM = timedelta(days=90)


def new_account(term: Mapping[str, Any], bank: str, remitter: str, shop_name: str, world: World) -> dict[str, Any]:
    """The method of a payment that waits for the money. `term` holds `due_date`, or `hours` that begin now. [U]"""
    now = world.now()
    due = read_due_date(term.get("due_date")) or now + timedelta(hours=term.get("hours", 0))
    return {
        "type": "PaymentMethodVirtualAccount",
        "bank": bank,
        # The number of an account for tests is recognised by its first letter.
        "accountNumber": f"X{world.chance.randrange(10**13):013}",
        "accountType": "NORMAL",
        "remitteeName": shop_name,
        "remitterName": remitter,
        "expiredAt": stamp(due),
        "issuedAt": stamp(now),
    }


def check_term(term: Mapping[str, Any], now: datetime) -> None:
    """Raises NotOpened for a due date in the past, or too far away."""
    due = read_due_date(term.get("due_date"))
    if due and not now < due <= now + LONGEST_TERM:
        raise NotOpened("RequestParseFailed", "dueDate는 지금 이후, 90일 이내여야 합니다.")


def check_receiver(raw: Any) -> None:
    """Raises PortOneError unless it is `{bank, number, holderName}`, where a deposit can be sent back to."""
    # [U] Without an account it is the PG that refuses; one that is not in PortOne's form, PortOne refuses.
    if raw is None:
        raise PortOneError("INVALID_REFUND_ACCOUNT_INFO")
    account = raw if isinstance(raw, dict) else {}
    number, holder = account.get("number"), account.get("holderName")
    if not (isinstance(account.get("bank"), str) and isinstance(number, str) and isinstance(holder, str)):
        raise PortOneError("INVALID_REQUEST", "refundAccount의 bank, number, holderName은 필수입니다.")
    if account["bank"] not in BANKS:
        raise PortOneError("INVALID_REQUEST", "refundAccount.bank는 은행의 이름이어야 합니다.")
    if not (number.isascii() and number.isdigit() and holder):
        raise PortOneError("INVALID_REFUND_ACCOUNT_INFO")
