"""What PortOne's errors mean for us, as data. Branch on `type`, never on the HTTP status alone or on the message.

Source: PortOne's V2 API reference. New types come without notice: `decision` says what one means that stands nowhere
here. PortOne hands on what the PG behind the channel refuses as PG_PROVIDER, with that PG's own code.
"""

from app.payments.providers.decisions import Decision

NOT_FOUND = "PAYMENT_NOT_FOUND"
ALREADY_PAID = "ALREADY_PAID"
INVALID_REQUEST = "INVALID_REQUEST"
PG_PROVIDER = "PG_PROVIDER"

_TYPES = {
    Decision.RETRY: "IDEMPOTENCY_OUTSTANDING_REQUEST",
    Decision.MISCONFIGURED: "UNAUTHORIZED FORBIDDEN",
    Decision.LOOK_UP: f"""
        {ALREADY_PAID} PAYMENT_ALREADY_CANCELLED {PG_PROVIDER} CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN
        CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT CANCEL_TAX_AMOUNT_EXCEEDS_CANCELLABLE_TAX_AMOUNT
        CANCEL_TAX_FREE_AMOUNT_EXCEEDS_CANCELLABLE_TAX_FREE_AMOUNT SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT
        SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT
    """,
    Decision.FINAL: f"""
        {INVALID_REQUEST} INVALID_PAYMENT_TOKEN MAX_TRANSACTION_COUNT_REACHED MAX_WEBHOOK_RETRY_COUNT_REACHED
        DISCOUNT_AMOUNT_EXCEEDS_TOTAL_AMOUNT PROMOTION_PAY_METHOD_DOES_NOT_MATCH {NOT_FOUND} CHANNEL_NOT_FOUND
        BILLING_KEY_NOT_FOUND WEBHOOK_NOT_FOUND PAYMENT_CANCELLATION_NOT_FOUND PAYMENT_NOT_PAID INFORMATION_MISMATCH
        MAX_CANCEL_COUNT_REACHED PAYMENT_NOT_WAITING_FOR_DEPOSIT PAYMENT_CANCELLATION_NOT_PENDING
        PAYMENT_SCHEDULE_ALREADY_EXISTS NEGATIVE_PROMOTION_ADJUSTED_CANCEL_AMOUNT
        PROMOTION_DISCOUNT_RETAIN_OPTION_SHOULD_NOT_BE_CHANGED
    """,
}
DECISIONS = {type_: decision for decision, types in _TYPES.items() for type_ in types.split()}

# Of the PGs behind the channels only Toss's codes are known to us. The account that a deposit should go back to is
# not taken: another one may be.
BAD_RECEIVER = frozenset(
    {"INVALID_REFUND_ACCOUNT_INFO", "INVALID_REFUND_ACCOUNT_NUMBER", "INVALID_BANK", "FORBIDDEN_BANK_REFUND_REQUEST"}
)
# What it will not do for being asked again. A code that stands nowhere here may be a fault of the PG.
PG_REFUSALS = BAD_RECEIVER | frozenset(
    """
    REJECT_CARD_PAYMENT REJECT_ACCOUNT_PAYMENT REJECT_CARD_COMPANY REJECT_TOSSPAY_INVALID_ACCOUNT FDS_ERROR
    BELOW_MINIMUM_AMOUNT EXCEED_MAX_PAYMENT_AMOUNT EXCEED_MAX_DAILY_PAYMENT_COUNT EXCEED_MAX_ONE_DAY_AMOUNT
    EXCEED_MAX_AUTH_COUNT EXCEED_MAX_CARD_INSTALLMENT_PLAN NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT
    NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN INVALID_CARD_INSTALLMENT_PLAN INVALID_CARD_NUMBER INVALID_CARD_EXPIRATION
    INVALID_CARD_LOST_OR_STOLEN INVALID_STOPPED_CARD INVALID_REJECT_CARD INVALID_PASSWORD RESTRICTED_TRANSFER_ACCOUNT
    INVALID_ACCOUNT_INFO_RE_REGISTER NOT_FOUND_PAYMENT_SESSION
    REFUND_REJECTED EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT NOT_CANCELABLE_AMOUNT NOT_CANCELABLE_PAYMENT
    EXCEED_MAX_REFUND_DUE NOT_ALLOWED_PARTIAL_REFUND NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT
    NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER EXCEED_CANCEL_LIMIT
    """.split()
)


class PortOneError(Exception):
    """An error that PortOne answered. `code` is the PG's own where it was the PG that refused."""

    def __init__(self, status: int, type_: str, pg_code: str = "") -> None:
        self.status, self.type, self.pg_code = status, type_, pg_code
        self.code = (pg_code if type_ == PG_PROVIDER else "") or type_
        super().__init__(self.code)

    @property
    def decision(self) -> Decision:
        """429 has no published type. Of the types that we do not know, 5xx may have been done, 4xx has not."""
        if self.status == 429:
            return Decision.RETRY
        if self.pg_code in PG_REFUSALS:
            return Decision.FINAL
        if self.type in DECISIONS:
            return DECISIONS[self.type]
        if self.status in (401, 403):
            return Decision.MISCONFIGURED
        return Decision.LOOK_UP if self.status >= 500 else Decision.FINAL

    @property
    def may_be_about_receiver(self) -> bool:
        """Of a cancel: what the shopper wrote is the only part of the request that can be invalid."""
        return self.type == INVALID_REQUEST or self.pg_code in BAD_RECEIVER
