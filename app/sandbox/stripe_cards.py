"""Stripe's test cards, and the ways to pay that its pages offer."""

from dataclasses import dataclass

from app.sandbox.stripe_errors import StripeError

KOREAN = ("kr_card", "kakao_pay", "naver_pay", "payco", "samsung_pay")
# The buyer agrees now and the money comes, or does not come, on another day.
DELAYED = ("customer_balance", "konbini", "sepa_debit", "us_bank_account")
# A refund of these needs an account to send it to, so Stripe writes to the buyer first.
WITHOUT_REFUND_RAILS = ("customer_balance", "konbini")
WAYS = {
    "card": "카드",
    "kr_card": "국내 카드",
    "kakao_pay": "카카오페이",
    "naver_pay": "네이버페이",
    "payco": "페이코",
    "samsung_pay": "삼성페이",
    "customer_balance": "계좌 입금 (나중에 확정)",
    "konbini": "편의점 결제 (나중에 확정)",
    "sepa_debit": "SEPA 자동이체 (나중에 확정)",
    "us_bank_account": "미국 계좌 (나중에 확정)",
}


@dataclass(frozen=True)
class Card:
    """What happens to it: `decline` is the reason, `refunds` what becomes of a refund: `succeeded` at once, or
    `pending` and then `succeeds` or `fails`. `token` is the PaymentMethod that servers use instead of the number.
    """

    number: str
    token: str
    words: str
    brand: str = "visa"
    decline: str | None = None
    asks_the_buyer: bool = False
    refunds: str = "succeeded"
    is_disputed: bool = False


CARDS = (
    Card("4242424242424242", "pm_card_visa", "승인"),
    Card("5555555555554444", "pm_card_mastercard", "승인 (Mastercard)", brand="mastercard"),
    Card("378282246310005", "pm_card_amex", "승인 (Amex)", brand="amex"),
    Card("4000000000000002", "pm_card_chargeDeclined", "거절", decline="generic_decline"),
    Card(
        "4000000000009995",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "거절: 잔액 부족",
        decline="insufficient_funds",
    ),
    Card("4000000000009987", "pm_card_visa_chargeDeclinedLostCard", "거절: 분실 카드", decline="lost_card"),
    Card("4000000000009979", "pm_card_visa_chargeDeclinedStolenCard", "거절: 도난 카드", decline="stolen_card"),
    Card("4000000000000069", "pm_card_chargeDeclinedExpiredCard", "거절: 유효기간", decline="expired_card"),
    Card("4000000000000127", "pm_card_chargeDeclinedIncorrectCvc", "거절: CVC", decline="incorrect_cvc"),
    Card("4000000000000119", "pm_card_chargeDeclinedProcessingError", "거절: 처리 오류", decline="processing_error"),
    Card("4000002500003155", "pm_card_authenticationRequiredOnSetup", "3D 보안 인증", asks_the_buyer=True),
    Card("4000002760003184", "pm_card_authenticationRequired", "3D 보안 인증", asks_the_buyer=True),
    Card("4000000000003220", "pm_card_threeDSecure2Required", "3D 보안 인증", asks_the_buyer=True),
    Card("4000000000003063", "pm_card_threeDSecureRequired", "3D 보안 인증", asks_the_buyer=True),
    Card(
        "4000008400001629",
        "pm_card_threeDSecureRequiredChargeDeclined",
        "3D 보안 인증 뒤 거절",
        decline="generic_decline",
        asks_the_buyer=True,
    ),
    Card(
        "4000008260003178",
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        "3D 보안 인증 뒤 잔액 부족",
        decline="insufficient_funds",
        asks_the_buyer=True,
    ),
    Card("4000000000000341", "pm_card_chargeCustomerFail", "거절 (등록만 됨)", decline="generic_decline"),
    Card("4000000000000259", "pm_card_createDispute", "승인 뒤 이의 제기", is_disputed=True),
    Card("4000000000007726", "pm_card_pendingRefund", "승인, 환불이 늦음", refunds="succeeds"),
    Card("4000000000005126", "pm_card_refundFail", "승인, 환불이 나중에 실패", refunds="fails"),
)
BY_NUMBER = {card.number: card for card in CARDS}
BY_TOKEN = {card.token: card for card in CARDS}


def card_of_number(number: str) -> Card:
    """The test card; any other number is an incorrect one, which is found before anything happens."""
    card = BY_NUMBER.get("".join(number.split()))
    if card is None:
        raise StripeError("incorrect_number", param="number")
    return card


def offers(currency: str) -> tuple[str, ...]:
    """What is offered if the merchant leaves the choice to Stripe. [U] That a won can be paid late; one way stands
    for all of these.
    """
    return ("card", *(KOREAN if currency == "krw" else ()), "customer_balance")
