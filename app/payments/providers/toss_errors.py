"""What Toss's error codes mean for us, as data. Branch on the code, never on the HTTP status alone or on the message.

Source: Toss's error code page. New codes come without notice: `decide` says what one means that stands nowhere here.
"""

from app.payments.providers.decisions import Decision

# Toss's ten minutes for a confirm are over. Also our word for its status EXPIRED, which comes without a code.
SESSION_OVER = "NOT_FOUND_PAYMENT_SESSION"
NOT_FOUND = "NOT_FOUND_PAYMENT"
FORBIDDEN = "FORBIDDEN_REQUEST"
# The account that a deposit should go back to is not taken: another one may be.
BAD_RECEIVER = frozenset(
    {"INVALID_REFUND_ACCOUNT_INFO", "INVALID_REFUND_ACCOUNT_NUMBER", "INVALID_BANK", "FORBIDDEN_BANK_REFUND_REQUEST"}
)

_CODES = {
    Decision.RETRY: "IDEMPOTENT_REQUEST_PROCESSING",
    Decision.MISCONFIGURED: f"""
        INVALID_API_KEY INCORRECT_BASIC_AUTH_FORMAT UNAUTHORIZED_KEY INVALID_IDEMPOTENCY_KEY {FORBIDDEN}
    """,
    Decision.LOOK_UP: """
        ALREADY_PROCESSED_PAYMENT PROVIDER_ERROR DUPLICATED_ORDER_ID NOT_AVAILABLE_BANK ALREADY_CANCELED_PAYMENT
        ALREADY_REFUND_PAYMENT NOT_MATCHES_REFUNDABLE_AMOUNT FORBIDDEN_CONSECUTIVE_REQUEST
        FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING FAILED_INTERNAL_SYSTEM_PROCESSING UNKNOWN_PAYMENT_ERROR
        CARD_PROCESSING_ERROR COMMON_ERROR FAILED_REFUND_PROCESS FAILED_METHOD_HANDLING_CANCEL FAILED_PARTIAL_REFUND
    """,
    Decision.FINAL: f"""
        INVALID_REQUEST BELOW_MINIMUM_AMOUNT EXCEED_MAX_PAYMENT_AMOUNT EXCEED_MAX_DAILY_PAYMENT_COUNT
        EXCEED_MAX_CARD_INSTALLMENT_PLAN INVALID_CARD_NUMBER INVALID_CARD_EXPIRATION INVALID_CARD_INSTALLMENT_PLAN
        INVALID_CARD_LOST_OR_STOLEN INVALID_STOPPED_CARD INVALID_REJECT_CARD RESTRICTED_TRANSFER_ACCOUNT
        NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN
        INVALID_ACCOUNT_INFO_RE_REGISTER INVALID_PASSWORD REJECT_CARD_PAYMENT REJECT_ACCOUNT_PAYMENT
        REJECT_CARD_COMPANY REJECT_TOSSPAY_INVALID_ACCOUNT EXCEED_MAX_AUTH_COUNT EXCEED_MAX_ONE_DAY_AMOUNT FDS_ERROR
        INVALID_REFUND_ACCOUNT_INFO INVALID_REFUND_ACCOUNT_NUMBER INVALID_BANK FORBIDDEN_BANK_REFUND_REQUEST
        REFUND_REJECTED EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT NOT_CANCELABLE_AMOUNT NOT_CANCELABLE_PAYMENT
        EXCEED_MAX_REFUND_DUE NOT_ALLOWED_PARTIAL_REFUND NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT
        NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER EXCEED_CANCEL_LIMIT {NOT_FOUND} {SESSION_OVER}
    """,
}
DECISIONS = {code: decision for decision, codes in _CODES.items() for code in codes.split()}


class TossError(Exception):
    """An error that Toss answered."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code

    @property
    def is_known(self) -> bool:
        return self.code in DECISIONS

    @property
    def decision(self) -> Decision:
        """429 has no published code. Of the codes that we do not know, 5xx may have been done, 4xx has not."""
        if self.status == 429:
            return Decision.RETRY
        return DECISIONS.get(self.code, Decision.LOOK_UP if self.status >= 500 else Decision.FINAL)
