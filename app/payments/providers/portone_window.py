"""PortOne's payment window: what it is asked for, and what comes back with the shopper. Source: the browser SDK's page.

Redirect form: whatever happens in the window, the browser comes to `redirectUrl`.
"""

import re
from collections.abc import Mapping
from datetime import timedelta

from app.payments.provider import Account, Attempt, Claim, Unreadable, Urls
from app.payments.providers.portone_payment import DEPOSIT_TIME

CARD = "card"
TRANSFER = "transfer"
VIRTUAL_ACCOUNT = "virtual_account"
WALLETS = {"kakaopay": "KAKAOPAY", "naverpay": "NAVERPAY", "tosspay": "TOSSPAY"}
LOCALES = {"ko": "KO_KR", "en": "EN_US"}

# What may stand for a paymentId or a paymentToken. [U] PortOne tells no length.
NAME = re.compile(r"[\x21-\x7e]{1,2000}")

# The shopper closed the window: the PG's code, and PortOne's own.
LEFT = frozenset({"PAY_PROCESS_CANCELED", "Cancelled"})
NO_CODE = "UnknownError"


def request_of(account: Account, attempt: Attempt, urls: Urls) -> dict[str, object]:
    """What `PortOne.requestPayment` takes."""
    return {
        "storeId": account.credentials["store_id"],
        "channelKey": account.credentials["channel_key"],
        "paymentId": attempt.reference,
        # KCP takes no longer ones.
        "orderName": attempt.order_name[:40],
        "totalAmount": attempt.money.amount,
        "currency": attempt.money.currency,
        **_method_of(attempt.way),
        "redirectUrl": urls.success,
        "forceRedirect": True,
        "customer": {"email": attempt.customer_email},
        "locale": LOCALES[attempt.locale],
    }


def read_return(query: Mapping[str, str]) -> Claim:
    """`paymentId`, with manual confirm `paymentToken`; the presence of `code` is a failure. Raises Unreadable."""
    if query.get("transactionType", "PAYMENT") != "PAYMENT":
        raise Unreadable("not about a payment")
    reference, token = query.get("paymentId") or None, query.get("paymentToken") or None
    if not all(NAME.fullmatch(name) for name in (reference, token) if name):
        raise Unreadable("not a paymentId or not a paymentToken")
    if "code" in query:
        code, pg_code = query["code"], query.get("pgCode", "")
        # PortOne's own code tells little where the PG refused.
        failure = next((each for each in (pg_code, code) if each and each.isprintable()), NO_CODE)
        return Claim(reference, failure=failure[:80], left=bool(LEFT & {code, pg_code}))
    if not reference:
        raise Unreadable("neither paymentId nor code")
    return Claim(reference, key=token)


def _method_of(way: str) -> dict[str, object]:
    if way in WALLETS:
        return {"payMethod": "EASY_PAY", "easyPay": {"easyPayProvider": WALLETS[way]}}
    if way == VIRTUAL_ACCOUNT:
        hours = DEPOSIT_TIME // timedelta(hours=1)
        return {"payMethod": "VIRTUAL_ACCOUNT", "virtualAccount": {"accountExpiry": {"validHours": hours}}}
    return {"payMethod": {CARD: "CARD", TRANSFER: "TRANSFER"}[way]}
