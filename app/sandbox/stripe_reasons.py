"""Why a card is declined, in words for the sandbox's pages."""

REASONS = {
    "generic_decline": "카드가 거절됨",
    "insufficient_funds": "잔액 부족",
    "do_not_honor": "카드사가 받지 않음",
    "try_again_later": "잠시 뒤에 다시",
    "issuer_not_available": "카드사에 연결되지 않음",
    "processing_error": "처리 오류",
    "card_velocity_exceeded": "너무 잦은 시도",
    "authentication_required": "본인 인증이 필요함",
    "stolen_card": "도난 카드",
    "lost_card": "분실 카드",
    "pickup_card": "정지된 카드",
    "fraudulent": "부정 사용 의심",
    "expired_card": "유효기간이 지남",
    "incorrect_cvc": "CVC가 틀림",
    "incorrect_number": "카드 번호가 틀림",
    "card_not_supported": "지원하지 않는 카드",
    "currency_not_supported": "지원하지 않는 통화",
    "transaction_not_allowed": "허용되지 않는 거래",
}
