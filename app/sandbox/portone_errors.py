"""PortOne's error types as data, and what the PGs behind it answer."""

from typing import Any

from app.sandbox.gateway import GatewayError

# Type, HTTP status, message. It is the type that says what happened.
ERRORS: dict[str, tuple[int, str]] = {
    "INVALID_REQUEST": (400, "요청된 입력 정보가 유효하지 않습니다."),
    "INVALID_PAYMENT_TOKEN": (400, "결제 토큰이 유효하지 않습니다."),
    "MAX_WEBHOOK_RETRY_COUNT_REACHED": (400, "웹훅 최대 재발송 횟수에 이르렀습니다."),
    "UNAUTHORIZED": (401, "인증 정보가 올바르지 않습니다."),
    "FORBIDDEN": (403, "요청이 거절되었습니다."),
    "PAYMENT_NOT_FOUND": (404, "결제 건이 존재하지 않습니다."),
    "PAYMENT_CANCELLATION_NOT_FOUND": (404, "결제 취소 내역이 존재하지 않습니다."),
    "WEBHOOK_NOT_FOUND": (404, "웹훅 내역이 존재하지 않습니다."),
    "ALREADY_PAID": (409, "결제가 이미 완료되었습니다."),
    "INFORMATION_MISMATCH": (409, "정보가 일치하지 않습니다."),
    "PAYMENT_NOT_PAID": (409, "결제가 완료되지 않았습니다."),
    "PAYMENT_ALREADY_CANCELLED": (409, "결제가 이미 취소되었습니다."),
    "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN": (409, "취소 가능 잔액이 일치하지 않습니다."),
    "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT": (409, "취소 금액이 취소 가능 금액을 넘었습니다."),
    "CANCEL_TAX_FREE_AMOUNT_EXCEEDS_CANCELLABLE_TAX_FREE_AMOUNT": (
        409,
        "취소 면세 금액이 취소 가능한 면세 금액을 넘었습니다.",
    ),
    "CANCEL_TAX_AMOUNT_EXCEEDS_CANCELLABLE_TAX_AMOUNT": (409, "취소 과세 금액이 취소 가능한 과세 금액을 넘었습니다."),
    "SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT": (409, "면세 금액과 부가세의 합이 취소 금액을 넘었습니다."),
    "PAYMENT_CANCELLATION_NOT_PENDING": (409, "결제 취소가 대기 상태가 아닙니다."),
    "PAYMENT_NOT_WAITING_FOR_DEPOSIT": (409, "결제 건이 입금 대기 상태가 아닙니다."),
    "IDEMPOTENCY_OUTSTANDING_REQUEST": (409, "같은 멱등 키의 요청을 처리하고 있습니다."),
    "PG_PROVIDER": (502, "PG사에서 오류를 전달했습니다."),
    # [U] PortOne documents neither a limit of requests nor the body of its own failure.
    "TOO_MANY_REQUESTS": (429, "요청이 너무 많습니다."),
    "INTERNAL_SERVER_ERROR": (500, "서버에 오류가 생겼습니다."),
}
# The codes of the channel's PG, which is Toss here.
PG_CODES = {
    "PAY_PROCESS_CANCELED": "사용자에 의해 결제가 취소되었습니다.",
    "PAY_PROCESS_ABORTED": "결제 진행 중 오류가 발생했습니다.",
    "REJECT_CARD_COMPANY": "결제 승인이 거절되었습니다.",
    "REJECT_CARD_PAYMENT": "한도초과 혹은 잔액부족으로 결제에 실패했습니다.",
    "REJECT_ACCOUNT_PAYMENT": "잔액부족으로 결제에 실패했습니다.",
    "INVALID_STOPPED_CARD": "정지된 카드 입니다.",
    "INVALID_CARD_EXPIRATION": "카드 정보를 다시 확인해주세요. (유효기간)",
    "EXCEED_MAX_DAILY_PAYMENT_COUNT": "하루 결제 가능 횟수를 초과했습니다.",
    "BELOW_MINIMUM_AMOUNT": "결제 가능한 최소 금액보다 적습니다.",
    "NOT_FOUND_PAYMENT_SESSION": "결제 시간이 만료되어 결제 진행 데이터가 존재하지 않습니다.",
    "PROVIDER_ERROR": "일시적인 오류가 발생했습니다. 잠시 후 다시 시도해주세요.",
    "INVALID_REFUND_ACCOUNT_INFO": "환불 계좌번호와 예금주명이 일치하지 않습니다.",
    "REFUND_REJECTED": "환불이 거절됐습니다. 결제사에 문의 부탁드립니다.",
}
# What the buyer's card company or bank may say to an approval; it ends this attempt to pay.
DECLINES = (
    "REJECT_CARD_COMPANY",
    "REJECT_CARD_PAYMENT",
    "REJECT_ACCOUNT_PAYMENT",
    "INVALID_STOPPED_CARD",
    "INVALID_CARD_EXPIRATION",
    "EXCEED_MAX_DAILY_PAYMENT_COUNT",
)
# What a fault of the kind "error" may ask for: a type, or the PG's code inside of PG_PROVIDER.
CODES = (*ERRORS, *PG_CODES)


class PortOneError(GatewayError):
    """PortOne's answer to a call that it refuses; `code` is one of CODES, `message` may say more than the table."""

    def __init__(self, code: str, message: str | None = None) -> None:
        super().__init__(code)
        self.pg_code = code if code in PG_CODES else "PROVIDER_ERROR"
        self.type = "PG_PROVIDER" if code in PG_CODES else code
        self.status, standard = ERRORS[self.type]
        self.message = message or standard

    @property
    def body(self) -> dict[str, Any]:
        body = {"type": self.type, "message": self.message}
        if self.type == "PG_PROVIDER":
            body |= {"pgCode": self.pg_code, "pgMessage": PG_CODES[self.pg_code]}
        return body


class NotOpened(GatewayError):
    """The SDK's answer to a request for which it opens no window."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


class SentBack(GatewayError):
    """The window sends the buyer straight back to the shop, to `url`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url
