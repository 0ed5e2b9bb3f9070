"""What PortOne's methods, wallets and banks are called by people. Source: PortOne's V2 API reference, enums."""

from collections.abc import Mapping
from typing import Any

DEPOSIT = "가상계좌"

METHODS = {
    "PaymentMethodTransfer": "계좌이체",
    "PaymentMethodVirtualAccount": DEPOSIT,
    "PaymentMethodMobile": "휴대폰",
    "PaymentMethodGiftCertificate": "상품권",
    "PaymentMethodConvenienceStore": "편의점",
    "PaymentMethodCrypto": "가상자산",
}
WALLETS = {
    "KAKAOPAY": "카카오페이",
    "NAVERPAY": "네이버페이",
    "TOSSPAY": "토스페이",
    "PAYCO": "페이코",
    "SAMSUNGPAY": "삼성페이",
    "SSGPAY": "SSG페이",
    "APPLEPAY": "애플페이",
}
BANKS = {
    "KOOKMIN": "KB국민은행",
    "SHINHAN": "신한은행",
    "WOORI": "우리은행",
    "HANA": "하나은행",
    "NONGHYUP": "NH농협은행",
    "LOCAL_NONGHYUP": "지역농축협",
    "IBK": "IBK기업은행",
    "KDB": "KDB산업은행",
    "KAKAO": "카카오뱅크",
    "TOSS": "토스뱅크",
    "K_BANK": "케이뱅크",
    "STANDARD_CHARTERED": "SC제일은행",
    "CITI": "한국씨티은행",
    "SUHYUP": "Sh수협은행",
    "DAEGU": "iM뱅크",
    "BUSAN": "부산은행",
    "KYONGNAM": "경남은행",
    "KWANGJU": "광주은행",
    "JEONBUK": "전북은행",
    "JEJU": "제주은행",
    "POST": "우체국",
    "KFCC": "새마을금고",
    "SHINHYUP": "신협",
    "SAVINGS_BANK": "저축은행",
    "NFCF": "산림조합중앙회",
}
"""The banks where people have accounts, of PortOne's enum `Bank`."""


def name_method(method: Mapping[str, Any]) -> str | None:
    """The wallet's or the card's name where there is one; None for a method that we do not know."""
    kind = method.get("type", "")
    if kind == "PaymentMethodEasyPay":
        wallet = method.get("provider") or "간편결제"
        return WALLETS.get(wallet, wallet)[:80]
    if kind == "PaymentMethodCard":
        return ((method.get("card") or {}).get("name") or "카드")[:80]
    return METHODS.get(kind)
