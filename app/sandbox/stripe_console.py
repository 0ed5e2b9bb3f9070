"""What the bank and the merchant's own hand can do to a payment at Stripe."""

from collections.abc import Callable

from app.sandbox.gateway import ConsoleRefused
from app.sandbox.stripe_cards import WITHOUT_REFUND_RAILS
from app.sandbox.stripe_cases import Case
from app.sandbox.stripe_disputes import end_dispute, has_open_dispute, may_be_disputed, open_dispute
from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_parts import Stripe
from app.sandbox.stripe_refunds import refund_that_may_fail, refund_under_way
from app.sandbox.stripe_sessions import BUYER

WORDS = {
    "settle_pending": "지연 결제 입금하기",
    "fail_pending": "지연 결제 실패하기",
    "complete": "환불금 보내기",
    "fail_refund": "환불 실패하기",
    "dispute": "이의 제기하기",
    "win_dispute": "이의에서 이기기",
    "lose_dispute": "이의에서 지기",
}


def _is_processing(case: Case) -> bool:
    return case.intent is not None and case.intent["status"] == "processing"


POSSIBLE: dict[str, Callable[[Case], bool]] = {
    "settle_pending": _is_processing,
    "fail_pending": _is_processing,
    "complete": lambda case: refund_under_way(case) is not None,
    "fail_refund": lambda case: refund_that_may_fail(case) is not None,
    "dispute": may_be_disputed,
    "win_dispute": has_open_dispute,
    "lose_dispute": has_open_dispute,
}


def possible(case: Case) -> dict[str, str]:
    """The verbs that make sense now, with the words on their buttons."""
    return {verb: words for verb, words in WORDS.items() if POSSIBLE[verb](case)}


def act(stripe: Stripe, verb: str, case: Case) -> None:
    """Do it. Raises ConsoleRefused for what is not possible now."""
    if verb not in WORDS:
        raise ConsoleRefused(f"Stripe knows no {verb!r}")
    if verb not in possible(case):
        raise ConsoleRefused(f"{verb} makes no sense for this {case.payment.status} payment")
    with stripe.cases.keeping(case):
        if verb == "settle_pending":
            stripe.captures.settle(case)
        elif verb == "fail_pending":
            stripe.captures.fail(case)
        elif verb == "complete" and (refund := refund_under_way(case)):
            stripe.refunds.complete(case, refund)
        elif verb == "fail_refund" and (refund := refund_that_may_fail(case)):
            stripe.refunds.fail(case, refund)
        elif verb == "dispute":
            open_dispute(case, stripe.world)
        else:
            end_dispute(case, stripe.world, is_won=verb == "win_dispute")


def refund(stripe: Stripe, case: Case, amount: int | None) -> None:
    """A refund by the merchant's own hand, None for the rest. Raises ConsoleRefused."""
    asked = {"reason": "requested_by_customer"} | ({} if amount is None else {"amount": amount})
    if case.payment.facts.get("way") in WITHOUT_REFUND_RAILS:
        asked["instructions_email"] = BUYER
    if amount is not None and amount < 1:
        raise ConsoleRefused("an amount is a whole number from 1", 400)
    try:
        with stripe.cases.keeping(case):
            stripe.refunds.create(case, asked)
    except StripeError as error:
        raise ConsoleRefused(f"{error.code or error.details['type']}: {error.message}", error.status) from None
