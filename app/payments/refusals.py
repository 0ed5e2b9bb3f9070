"""Why a PG refuses a shop's contract, for its owner: our own sentences by the PG's code, each with the next step."""

from app.language import N_

KEYS = (
    N_("결제사가 이 계약의 키를 받지 않습니다"),
    N_("결제사의 개발자 화면에서 키를 다시 복사해 넣어 주세요. 새로 발급했거나 지운 키는 더는 쓸 수 없습니다."),
)
RIGHTS = (
    N_("이 키로는 할 수 없는 일이라고 결제사가 말합니다"),
    N_("키의 권한과 상점 아이디, 결제사와의 계약 상태를 확인해 주세요."),
)
CHANNEL = (
    N_("결제사가 이 상점이나 채널을 모릅니다"),
    N_("상점 아이디와 채널 키를 결제사 콘솔과 견주어 보고, 다르면 새 계약으로 넣어 주세요."),
)
MERCHANT = (
    N_("결제사가 다른 상점의 결제라고 대답했습니다"),
    N_("적어 둔 상점 아이디가 키의 것과 같은지 확인해 주세요. 모르면 비워 두세요."),
)
GONE = (
    N_("우리가 만든 결제를 이 키로는 찾을 수 없습니다"),
    N_("다른 계정이나 다른 모드의 키가 들어 있는지 확인해 주세요."),
)
AMOUNT = (
    N_("결제사가 받지 않는 금액이 있었습니다"),
    N_("아주 싼 상품은 이 결제사로 팔 수 없습니다. 값을 올리거나 다른 결제 방법을 켜 주세요."),
)
OTHER = (
    N_("결제사가 요청을 받지 않았습니다"),
    N_("키와 계약 상태를 확인하고, 그래도 같으면 아래의 코드를 결제사에 알려 주세요."),
)

REFUSALS = {
    "OTHER_MERCHANT": MERCHANT,
    # Toss's.
    "INVALID_API_KEY": KEYS,
    "INCORRECT_BASIC_AUTH_FORMAT": KEYS,
    "UNAUTHORIZED_KEY": KEYS,
    "FORBIDDEN_REQUEST": RIGHTS,
    # PortOne's.
    "UNAUTHORIZED": KEYS,
    "FORBIDDEN": RIGHTS,
    "CHANNEL_NOT_FOUND": CHANNEL,
    # Stripe's.
    "invalid_request_error": KEYS,
    "api_key_expired": KEYS,
    "platform_api_key_expired": KEYS,
    "secret_key_required": KEYS,
    "testmode_charges_only": RIGHTS,
    "resource_missing": GONE,
    "amount_too_small": AMOUNT,
    "amount_too_large": AMOUNT,
}


def refusal_of(code: str) -> tuple[str, str]:
    """What happened and the next step, to be translated."""
    return REFUSALS.get(code, OTHER)
