"""Toss's virtual accounts: the banks, the account of one payment, and what time does to it."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app.sandbox.book import Payment
from app.sandbox.toss_errors import TossError
from app.sandbox.toss_time import local, read_local
from app.sandbox.world import World

BANKS = {
    "02": "산업",
    "03": "기업",
    "06": "국민",
    "07": "수협",
    "11": "농협",
    "20": "우리",
    "23": "SC제일",
    "27": "씨티",
    "31": "iM뱅크",
    "32": "부산",
    "34": "광주",
    "35": "제주",
    "37": "전북",
    "39": "경남",
    "45": "새마을",
    "48": "신협",
    "71": "우체국",
    "81": "하나",
    "88": "신한",
    "89": "케이뱅크",
    "90": "카카오뱅크",
    "92": "토스뱅크",
}
# The banks that a buyer may choose from; money can be sent back to all.
ISSUERS = ("20", "06", "88", "81", "11", "03", "71")
LONGEST_TERM = timedelta(days=90)
REFUND_TAKES = timedelta(days=2)


def new_account(term: Mapping[str, Any], bank: str, customer_name: str, world: World) -> dict[str, Any]:
    """The account that a confirm issues. `term` holds `due_date`, or `valid_hours` that begin now. [U]"""
    due_date = term.get("due_date") or local(world.now() + timedelta(hours=term["valid_hours"]))
    return {
        "accountType": "일반",
        # The number of an account for tests is recognised by its first letter.
        "accountNumber": f"X{world.chance.randrange(10**13):013}",
        "bankCode": bank,
        "customerName": customer_name,
        "depositorName": None,
        "dueDate": due_date,
        "refundStatus": "NONE",
        "expired": False,
        "settlementStatus": "INCOMPLETED",
        "refundReceiveAccount": None,
    }


def check_term(term: Mapping[str, Any], now: datetime) -> None:
    """Raises TossError for a due date in the past, or too far away."""
    due = read_local(term.get("due_date"))
    if due and not now < due <= now + LONGEST_TERM:
        raise TossError("INVALID_REQUEST", "dueDate는 지금 이후, 90일 이내여야 합니다.")


def grow_older(payment: Payment, now: datetime) -> bool:
    """Let the due date pass and refunds arrive, if it is time; whether something changed. Toss tells nobody."""
    account = payment.facts.get("virtual_account")
    if account is None:
        return False
    before = dict(account)
    due = read_local(account["dueDate"])
    # [U] Only an account that still waits expires.
    if payment.status == "WAITING_FOR_DEPOSIT" and due and now >= due:
        account["expired"] = True
    if account["refundStatus"] == "PENDING" and now - payment.moved_at >= REFUND_TAKES:
        account["refundStatus"] = "COMPLETED"
    return bool(account != before)


def check_receiver(raw: Any) -> None:
    """Raises TossError unless it is `{bank, accountNumber, holderName}`, where a deposit can be sent back to."""
    account = raw if isinstance(raw, dict) else {}
    number, holder = account.get("accountNumber"), account.get("holderName")
    # [U] Which code a missing account gets.
    if not (isinstance(number, str) and isinstance(holder, str) and 0 < len(holder) <= 60):
        raise TossError("INVALID_REFUND_ACCOUNT_INFO", "refundReceiveAccount의 모든 항목은 필수입니다.")
    # [U] Toss takes the code of a bank; that it takes the Korean name, too.
    if account.get("bank") not in (*BANKS, *BANKS.values()):
        raise TossError("INVALID_BANK")
    if not re.fullmatch(r"[0-9]{1,20}", number):
        raise TossError("INVALID_REFUND_ACCOUNT_NUMBER")
