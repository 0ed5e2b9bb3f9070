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
OTHER = (N_("결제사에서 결제를 마치지 못했습니다"), N_("다시 결제하거나 다른 방법으로 결제해 주세요."))

SETTINGS = (
    N_("가게의 결제 설정에 문제가 있어요"),
    N_("결제사가 이 가게의 요청을 받지 않아 승인하지 못했습니다. 가게에 알려 주시고 잠시 뒤에 다시 결제해 주세요."),
)

REASONS = {
    "misconfigured": SETTINGS,
    "REJECT_CARD_PAYMENT": CARD_LIMIT,
    "REJECT_ACCOUNT_PAYMENT": CARD_LIMIT,
    "REJECT_CARD_COMPANY": CARD_REFUSED,
    "INVALID_REJECT_CARD": CARD_REFUSED,
    "REJECT_TOSSPAY_INVALID_ACCOUNT": CARD_REFUSED,
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
    "INVALID_CARD_INSTALLMENT_PLAN": INSTALMENT,
    "NOT_FOUND_PAYMENT_SESSION": TOO_LATE,
    "WINDOW_OVER": TOO_LATE,
}


def reason_of(failure_code: str | None) -> tuple[str, str]:
    """A title and an advice, to be translated."""
    return REASONS.get(failure_code or "", OTHER)
