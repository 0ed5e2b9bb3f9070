"""What the buyer does on a page of Stripe's, and where that leads."""

from collections.abc import Collection
from urllib.parse import parse_qsl, urlencode, urlsplit

from app.sandbox.stripe_account import PROVIDER, Account
from app.sandbox.stripe_cards import CARDS, WAYS, card_of_number
from app.sandbox.stripe_cases import Case
from app.sandbox.stripe_errors import DECLINES, StripeError
from app.sandbox.stripe_parts import Stripe
from app.sandbox.stripe_payments import Means

# What is taken too much when the fault `amount_changed` strikes, in minor units.
EXTRA = 1000
WEBHOOK_FAULTS = {
    "webhook_dropped": "웹훅이 오지 않음",
    "webhook_doubled": "웹훅이 두 번 옴",
    "webhook_late": "웹훅이 늦게 옴",
    "webhook_out_of_order": "웹훅이 다음 웹훅보다 늦게 옴",
    "webhook_forged": "가짜 웹훅이 하나 더 옴",
}
# The money moves here and not with a call of the shop's, so these strike its next question about the payment.
LOOKUP_FAULTS = {
    "answer_lost_after": "다음 조회의 답이 사라짐",
    "slow": "다음 조회의 답이 30초 늦음",
    "server_error": "다음 조회에 500 오류",
    "rate_limited": "다음 조회에 429 오류",
}
FAULTS = {"amount_changed": "다른 금액이 결제됨", **LOOKUP_FAULTS, **WEBHOOK_FAULTS}
STATUS_ON_RETURN = {"succeeded": "succeeded", "requires_capture": "succeeded", "processing": "processing"}


def means_of(case: Case, way: object, number: object) -> Means:
    """The way and the test card that the buyer chose among those offered."""
    offered = ways_of(case)
    chosen = way or next(iter(offered))
    if not isinstance(chosen, str) or chosen not in offered or not isinstance(number, str | None):
        raise StripeError("invalid_request", "고를 수 없는 결제 수단입니다.", "way")
    return Means(chosen, card_of_number(number or CARDS[0].number) if chosen == "card" else CARDS[0])


def ways_of(case: Case) -> dict[str, str]:
    main = case.session or case.intent
    assert main is not None
    return {way: WAYS[way] for way in main["payment_method_types"]}


def arm(stripe: Stripe, case: Case, kinds: Collection[object]) -> None:
    """Let the chosen faults strike this payment once."""
    if not all(isinstance(kind, str) and kind in FAULTS for kind in kinds):
        raise StripeError("invalid_request", "고장의 이름이 올바르지 않습니다.", "fault")
    for kind in kinds:
        call = {"call": "lookup"} if kind in LOOKUP_FAULTS else {}
        stripe.faults.arm({"provider": PROVIDER, "kind": kind, "reference": case.payment.reference, **call})


def pay(stripe: Stripe, case: Case, means: Means, refuse_with: str | None = None) -> None:
    """The buyer presses the button. Raises a decline as StripeError."""
    reference = case.payment.reference
    fault = stripe.faults.strike(PROVIDER, "confirm", reference, ("error",))
    if fault and fault.code and fault.code not in (*DECLINES, "card_declined"):
        raise StripeError(fault.code)
    refusal = fault.code if fault else refuse_with
    more = EXTRA if stripe.faults.strike(PROVIDER, "begin", reference, ("amount_changed",)) else 0
    with stripe.cases.keeping(case):
        if case.session:
            stripe.sessions.pay(case, means, refusal, more)
        else:
            stripe.payments.ask_for_more(case, more)
            stripe.payments.attempt(case, means, refusal)


def authenticate(stripe: Stripe, case: Case, is_buyer: bool) -> None:
    """The buyer answers 3D Secure. Raises a decline as StripeError."""
    with stripe.cases.keeping(case):
        stripe.payments.authenticate(case, is_buyer)
        stripe.sessions.complete(case)


def case_of_secret(stripe: Stripe, publishable_key: object, secret: object) -> Case:
    """The payment of a client secret, which only a key of the same merchant may use."""
    account = _account(stripe, publishable_key)
    intent_id = secret.partition("_secret_")[0] if isinstance(secret, str) else ""
    stripe.clock.tick()
    intent = stripe.store.find("payment_intent", account.merchant, intent_id)
    if intent is None or intent["client_secret"] != secret:
        raise StripeError("resource_missing", f"No such payment_intent: '{intent_id}'", "intent")
    return stripe.case(account, "payment_intent", intent_id)


def way_back(case: Case) -> str | None:
    """Where the buyer goes after having paid, or having failed to; None if the shop has named no place."""
    if case.session:
        url: str = case.session["success_url"]
        return url.replace("{CHECKOUT_SESSION_ID}", case.session["id"])
    intent, url_of_shop = case.intent, case.payment.facts.get("return_url")
    if intent is None or url_of_shop is None:
        return None
    otherwise = "failed" if intent["last_payment_error"] else "requires_payment_method"
    answer = {
        "payment_intent": intent["id"],
        "payment_intent_client_secret": intent["client_secret"],
        "redirect_status": STATUS_ON_RETURN.get(intent["status"], otherwise),
    }
    parts = urlsplit(url_of_shop)
    return parts._replace(query=urlencode([*parse_qsl(parts.query, keep_blank_values=True), *answer.items()])).geturl()


def way_out(case: Case) -> str | None:
    """Where a buyer goes who does not pay."""
    return case.session["cancel_url"] if case.session else way_back(case)


def _account(stripe: Stripe, publishable_key: object) -> Account:
    for account in stripe.cases.accounts:
        if account.publishable_key == publishable_key:
            return account
    raise StripeError("authentication_error", "Invalid API Key provided.")
