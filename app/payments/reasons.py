"""Why a payment did not happen, for the shopper: our own sentences by the PG's code. Its raw message is never shown."""

from app.language import N_

CARD_LIMIT = (
    N_("카드 한도를 넘었거나 잔액이 모자랍니다"),
    N_("다른 카드를 쓰거나 카드사에 한도를 확인해 주세요."),
)
CARD_REFUSED = (
    N_("카드사에서 결제를 승인하지 않았습니다"),
    N_("카드 정보를 확인하거나 다른 카드를 써 주세요. 이유는 카드사에서만 알 수 있습니다."),
)
CARD_WRONG = (
    N_("카드 정보가 맞지 않습니다"),
    N_("카드 번호와 유효 기간을 확인하거나 다른 카드를 써 주세요."),
)
CARD_STOPPED = (N_("정지되었거나 쓸 수 없는 카드입니다"), N_("다른 카드를 쓰거나 카드사에 확인해 주세요."))
TOO_MUCH = (
    N_("한 번에 또는 하루에 결제할 수 있는 금액을 넘었습니다"),
    N_("다른 카드나 다른 방법으로 결제해 주세요."),
)
TOO_LATE = (N_("결제할 수 있는 시간이 지났습니다"), N_("다시 결제하시면 새로 시작합니다."))
INSTALMENT = (
    N_("고르신 할부로는 결제할 수 없습니다"),
    N_("일시불로 하거나 할부 개월을 바꿔 다시 결제해 주세요."),
)
SAFETY = (
    N_("결제사가 안전을 위해 결제를 막았습니다"),
    N_("다른 카드를 쓰거나 잠시 뒤에 다시 결제해 주세요."),
)
CARD_CODE = (
    N_("카드의 보안 코드(CVC)가 맞지 않습니다"),
    N_("보안 코드를 확인하거나 다른 카드를 써 주세요."),
)
CARD_EXPIRED = (N_("유효 기간이 지난 카드입니다"), N_("다른 카드를 써 주세요."))
CARD_UNFIT = (N_("이 카드로는 결제할 수 없습니다"), N_("다른 카드나 다른 방법으로 결제해 주세요."))
ACCOUNT_UNFIT = (N_("이 계좌로는 결제할 수 없습니다"), N_("다른 계좌나 다른 방법으로 결제해 주세요."))
TOO_LITTLE = (
    N_("이 방법으로 결제할 수 있는 금액보다 적습니다"),
    N_("다시 결제하거나 다른 방법으로 결제해 주세요."),
)
UNPROVEN = (N_("본인 인증을 마치지 못했습니다"), N_("다시 결제하면서 카드사의 본인 인증을 마쳐 주세요."))
AWAY = (
    N_("카드사나 결제사와 잠시 연결되지 않았습니다"),
    N_("잠시 뒤에 다시 결제하거나 다른 방법으로 결제해 주세요."),
)
DIFFERENT = (
    N_("결제 정보가 주문과 달라요"),
    N_("결제사에서 돌아온 정보가 이 주문과 맞지 않아 승인하지 않았습니다. 다시 결제해 주세요."),
)
LEFT = (N_("결제를 그만두셨어요"), N_("다시 결제하거나 다른 방법으로 결제해 주세요."))
OTHER = (N_("결제사에서 결제를 마치지 못했습니다"), N_("다시 결제하거나 다른 방법으로 결제해 주세요."))

SETTINGS = (
    N_("가게의 결제 설정에 문제가 있어요"),
    N_("결제사가 이 가게의 요청을 받지 않아 승인하지 못했습니다. 가게에 알려 주시고 잠시 뒤에 다시 결제해 주세요."),
)

# A code that says nothing to a shopper, or that none should hear, stands nowhere here: it gets the general sentence.
REASONS = {
    # Our own.
    "misconfigured": SETTINGS,
    "WINDOW_OVER": TOO_LATE,
    "CANCELED_BY_SHOPPER": LEFT,
    # Toss's, also as the PG behind PortOne.
    "PAY_PROCESS_CANCELED": LEFT,
    "USER_CANCEL": LEFT,
    "BELOW_MINIMUM_AMOUNT": TOO_LITTLE,
    "REJECT_CARD_PAYMENT": CARD_LIMIT,
    "REJECT_ACCOUNT_PAYMENT": CARD_LIMIT,
    "REJECT_CARD_COMPANY": CARD_REFUSED,
    "INVALID_REJECT_CARD": CARD_REFUSED,
    "REJECT_TOSSPAY_INVALID_ACCOUNT": ACCOUNT_UNFIT,
    "RESTRICTED_TRANSFER_ACCOUNT": ACCOUNT_UNFIT,
    "INVALID_ACCOUNT_INFO_RE_REGISTER": ACCOUNT_UNFIT,
    "INVALID_CARD_NUMBER": CARD_WRONG,
    "INVALID_CARD_EXPIRATION": CARD_WRONG,
    "INVALID_CARD_IDENTITY": CARD_WRONG,
    "INVALID_PASSWORD": CARD_WRONG,
    "INVALID_STOPPED_CARD": CARD_STOPPED,
    "INVALID_CARD_LOST_OR_STOLEN": CARD_STOPPED,
    "EXCEED_MAX_PAYMENT_AMOUNT": TOO_MUCH,
    "EXCEED_MAX_ONE_DAY_AMOUNT": TOO_MUCH,
    "EXCEED_MAX_DAILY_PAYMENT_COUNT": TOO_MUCH,
    "EXCEED_MAX_AUTH_COUNT": SAFETY,
    "FDS_ERROR": SAFETY,
    "EXCEED_MAX_CARD_INSTALLMENT_PLAN": INSTALMENT,
    "NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT": INSTALMENT,
    "NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN": INSTALMENT,
    "INVALID_CARD_INSTALLMENT_PLAN": INSTALMENT,
    "NOT_FOUND_PAYMENT_SESSION": TOO_LATE,
    # PortOne's.
    "Cancelled": LEFT,
    "StoreNotFound": SETTINGS,
    "ChannelNotFound": SETTINGS,
    "CHANNEL_NOT_FOUND": SETTINGS,
    "AllChannelsNotSatisfied": SETTINGS,
    "ConfirmUrlRequired": SETTINGS,
    "PermissionDenied": SETTINGS,
    "Unauthenticated": SETTINGS,
    "AmountNotEqualToPredefined": DIFFERENT,
    "INFORMATION_MISMATCH": DIFFERENT,
    "DeadlineExceeded": AWAY,
    "ResourceExhausted": AWAY,
    "Unavailable": AWAY,
    # Stripe's.
    "card_declined": CARD_REFUSED,
    "insufficient_funds": CARD_LIMIT,
    "card_velocity_exceeded": CARD_LIMIT,
    "incorrect_number": CARD_WRONG,
    "incorrect_cvc": CARD_CODE,
    "expired_card": CARD_EXPIRED,
    "card_not_supported": CARD_UNFIT,
    "currency_not_supported": CARD_UNFIT,
    "transaction_not_allowed": CARD_UNFIT,
    "authentication_required": UNPROVEN,
    "payment_intent_authentication_failure": UNPROVEN,
    "payment_intent_payment_attempt_failed": OTHER,
    "processing_error": AWAY,
    "try_again_later": AWAY,
    "issuer_not_available": AWAY,
}


def reason_of(failure_code: str | None) -> tuple[str, str]:
    """A title and an advice, to be translated."""
    return REASONS.get(failure_code or "", OTHER)
