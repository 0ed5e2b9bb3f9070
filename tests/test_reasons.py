"""Why a payment did not happen: every code that can reach a shopper has a sentence, or stands here as one without."""

import re

import pytest

from app.language import LANGUAGES, translator
from app.payments.provider import OutcomeStatus
from app.payments.providers.stripe_errors import failure_of
from app.payments.reasons import OTHER, REASONS, reason_of
from tests.shopping import Market, Shopper

# From Toss's pages: what failUrl brings, and the codes that end a confirm.
TOSS = """
    PAY_PROCESS_CANCELED PAY_PROCESS_ABORTED USER_CANCEL INVALID_REQUEST BELOW_MINIMUM_AMOUNT EXCEED_MAX_PAYMENT_AMOUNT
    EXCEED_MAX_DAILY_PAYMENT_COUNT EXCEED_MAX_CARD_INSTALLMENT_PLAN INVALID_CARD_NUMBER INVALID_CARD_EXPIRATION
    INVALID_CARD_IDENTITY INVALID_CARD_INSTALLMENT_PLAN
    INVALID_CARD_LOST_OR_STOLEN INVALID_STOPPED_CARD INVALID_REJECT_CARD
    NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN RESTRICTED_TRANSFER_ACCOUNT
    INVALID_ACCOUNT_INFO_RE_REGISTER INVALID_PASSWORD REJECT_CARD_PAYMENT REJECT_ACCOUNT_PAYMENT REJECT_CARD_COMPANY
    REJECT_TOSSPAY_INVALID_ACCOUNT EXCEED_MAX_AUTH_COUNT EXCEED_MAX_ONE_DAY_AMOUNT FDS_ERROR NOT_FOUND_PAYMENT_SESSION
"""
# From PortOne's: the `code` of its SDK, and the types that end a confirm.
PORTONE = """
    RequestParseFailed InvalidEntityState ConfirmUrlRequired StoreNotFound ChannelNotFound PGProviderError
    PaymentNotFound PaymentAlreadyPaid TransactionNotFound AllChannelsNotSatisfied AmountNotEqualToPredefined
    ConfirmProcessFailed UnknownError BadRequest ParseChannelFailed Cancelled InvalidArgument DeadlineExceeded NotFound
    AlreadyExists PermissionDenied ResourceExhausted FailedPrecondition Aborted Internal Unavailable Unauthenticated
    FAILURE_TYPE_PG INVALID_REQUEST INVALID_PAYMENT_TOKEN MAX_TRANSACTION_COUNT_REACHED
    DISCOUNT_AMOUNT_EXCEEDS_TOTAL_AMOUNT PROMOTION_PAY_METHOD_DOES_NOT_MATCH PAYMENT_NOT_FOUND CHANNEL_NOT_FOUND
    INFORMATION_MISMATCH PG_PROVIDER
"""
# From Stripe's: what `last_payment_error` can hold of a card.
STRIPE = """
    card_declined expired_card incorrect_cvc processing_error authentication_required incorrect_number
    insufficient_funds try_again_later issuer_not_available card_velocity_exceeded card_not_supported
    currency_not_supported transaction_not_allowed payment_intent_authentication_failure
    payment_intent_payment_attempt_failed card_error
"""
UNTOLD = "generic_decline do_not_honor stolen_card lost_card pickup_card fraudulent".split()
OURS = "misconfigured WINDOW_OVER CANCELED_BY_SHOPPER other_payment FAILED"

# They say nothing that a shopper could act upon.
GENERAL = set(
    """
    PAY_PROCESS_ABORTED INVALID_REQUEST
    RequestParseFailed InvalidEntityState PGProviderError PaymentNotFound PaymentAlreadyPaid TransactionNotFound
    ConfirmProcessFailed UnknownError BadRequest ParseChannelFailed InvalidArgument NotFound AlreadyExists
    FailedPrecondition Aborted Internal FAILURE_TYPE_PG INVALID_PAYMENT_TOKEN MAX_TRANSACTION_COUNT_REACHED
    DISCOUNT_AMOUNT_EXCEEDS_TOTAL_AMOUNT PROMOTION_PAY_METHOD_DOES_NOT_MATCH PAYMENT_NOT_FOUND PG_PROVIDER
    payment_intent_payment_attempt_failed card_error
    other_payment FAILED
    """.split()
)
CODES = {*TOSS.split(), *PORTONE.split(), *STRIPE.split(), *OURS.split()}
UNSPOKEN = re.compile("분실|도난|부정|사기|lost|stolen|theft|fraud", re.IGNORECASE)


def test_every_code_has_a_sentence_or_is_known_to_have_none() -> None:
    assert {code for code in CODES if reason_of(code) == OTHER} == GENERAL


def test_no_sentence_is_kept_for_a_code_that_nobody_sends() -> None:
    assert set(REASONS) - CODES == set()


@pytest.mark.parametrize("code", [None, "", "A_CODE_OF_TOMORROW", *UNTOLD])
def test_a_code_without_a_sentence_gets_the_general_one(code: str | None) -> None:
    assert reason_of(code) == OTHER


@pytest.mark.parametrize("decline", UNTOLD)
def test_what_stripe_forbids_to_tell_is_only_a_refusal(decline: str) -> None:
    assert failure_of({"type": "card_error", "code": "card_declined", "decline_code": decline}) == "card_declined"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_shopper_is_told_of_a_lost_card_or_a_fraud(language: str) -> None:
    _ = translator(language)
    told = {_(text) for reason in [*REASONS.values(), OTHER] for text in reason}
    assert {text for text in told if UNSPOKEN.search(text)} == set()


async def test_the_page_says_our_sentence_and_not_the_pgs_code(market: Market, shopper: Shopper) -> None:
    await shopper.order(market.mug)
    failed = {"status": OutcomeStatus.FAILED, "failure": "insufficient_funds"}
    assert await market.hear(await market.only_payment(), **failed)
    page = await shopper.http.get(f"/haru/checkout/fail?order={(await market.only_order()).token}")
    assert all(text in page.text for text in REASONS["insufficient_funds"])
    assert "insufficient_funds" not in page.text
