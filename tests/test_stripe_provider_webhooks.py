"""The Stripe provider: whose webhooks are believed to come from Stripe, and which payment they are about."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import stripe as sdk

from app import clock
from app.payments.provider import Delivery, Forged, Heard, NotSetUp, Unreadable
from app.payments.providers.stripe import Stripe
from tests.stripe_pg import (
    ACCOUNT,
    KEYS,
    REFERENCE,
    REFUND_REFERENCE,
    SECRET,
    charge,
    dispute,
    intent,
    refund,
    session,
)

# The test vector of Stripe's scheme: it passes Stripe's own verifier.
VECTOR_TIME = 1_788_996_561
VECTOR_BODY = b'{"id":"evt_test_1","object":"event","type":"checkout.session.completed"}'
VECTOR = "c69a629194b59a12b78df2023492d53d4e78fd9f926b228861eb0b29d2719ee2"


# Nothing is asked here.
NOBODY = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(500)))


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds(monkeypatch, 0)


def seconds(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    moment = datetime.fromtimestamp(VECTOR_TIME, UTC) + timedelta(seconds=after)
    monkeypatch.setattr(clock, "now", lambda: moment)


def stripe(webhook_secret: str = SECRET, mode: Any = "test") -> Stripe:
    keys = {**KEYS, "webhook_secret": webhook_secret}
    return Stripe(replace(ACCOUNT, credentials=keys, mode=mode), NOBODY)


def sign(body: bytes, secret: str = SECRET, at: int = VECTOR_TIME) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def event(about: dict[str, Any], kind: str = "payment_intent.succeeded", **changes: Any) -> bytes:
    body = {"id": "evt_1", "object": "event", "livemode": False, "type": kind, "data": {"object": about}, **changes}
    return json.dumps(body).encode()


def signed(body: bytes, *secrets: str) -> Delivery:
    signatures = "".join(f",v1={sign(body, secret)}" for secret in secrets or [SECRET])
    return Delivery({"stripe-signature": f"t={VECTOR_TIME}{signatures}"}, body)


PAID = event(intent())
ABOUT = Heard("evt_1", "payment_intent.succeeded", REFERENCE, "pi_haru")


def test_the_published_vector_is_authentic() -> None:
    """It names no payment, so that it is authentic and of no use."""
    assert sign(VECTOR_BODY) == VECTOR
    delivery = Delivery({"stripe-signature": f"t={VECTOR_TIME},v1={VECTOR}"}, VECTOR_BODY)
    with pytest.raises(Unreadable):
        stripe().hear(delivery)


def test_what_stripes_own_library_signs_is_heard() -> None:
    header = sdk.WebhookSignature.generate_signature_header(PAID.decode(), SECRET, VECTOR_TIME)
    assert stripe().hear(Delivery({"stripe-signature": header}, PAID)) == ABOUT


def test_a_signature_of_ours_passes_stripes_own_library() -> None:
    header = signed(PAID).headers["stripe-signature"]
    assert sdk.WebhookSignature.verify_header(PAID, header, SECRET)


def headers() -> Iterator[tuple[str, str]]:
    good = sign(PAID)
    yield "no header", ""
    yield "nothing in it", ","
    yield "no signature", f"t={VECTOR_TIME}"
    yield "an empty one", f"t={VECTOR_TIME},v1="
    yield "no time", f"v1={good}"
    yield "an empty time", f"t=,v1={good}"
    yield "another time", f"t={VECTOR_TIME + 1},v1={good}"
    yield "two times", f"t={VECTOR_TIME},t={VECTOR_TIME},v1={good}"
    yield "a time that is no number", f"t=now,v1={good}"
    yield (
        "a time in other digits",
        f"t={str(VECTOR_TIME).translate(str.maketrans('0123456789', '٠١٢٣٤٥٦٧٨٩'))},v1={good}",
    )
    yield "a time without end", f"t={'1' * 5000},v1={good}"
    yield "another secret", f"t={VECTOR_TIME},v1={sign(PAID, 'whsec_other')}"
    yield "the secret without its beginning", f"t={VECTOR_TIME},v1={sign(PAID, SECRET.removeprefix('whsec_'))}"
    yield "an empty secret", f"t={VECTOR_TIME},v1={sign(PAID, '')}"
    yield "the old scheme", f"t={VECTOR_TIME},v0={good}"
    yield "the old scheme beside a wrong one", f"t={VECTOR_TIME},v1={'0' * 64},v0={good}"
    yield "a part of it", f"t={VECTOR_TIME},v1={good[:-1]}"
    yield "in capitals", f"t={VECTOR_TIME},v1={good.upper()}"
    yield "not in letters", f"t={VECTOR_TIME},v1=é"
    yield "the body alone signed", f"t={VECTOR_TIME},v1={hmac.new(SECRET.encode(), PAID, hashlib.sha256).hexdigest()}"


@pytest.mark.parametrize("header", [pytest.param(header, id=name) for name, header in headers()])
def test_what_does_not_prove_itself_is_forged(header: str) -> None:
    with pytest.raises(Forged):
        stripe().hear(Delivery({"stripe-signature": header}, PAID))


def test_an_unsigned_one_is_forged() -> None:
    with pytest.raises(Forged):
        stripe().hear(Delivery({}, PAID))


@pytest.mark.parametrize("body", [PAID[:-1], PAID + b" ", PAID.replace(b"succeeded", b"canceled"), b""], ids=str)
def test_a_body_that_was_touched_is_forged(body: bytes) -> None:
    with pytest.raises(Forged):
        stripe().hear(Delivery(signed(PAID).headers, body))


@pytest.mark.parametrize(("after", "is_heard"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_a_signature_lives_for_five_minutes(monkeypatch: pytest.MonkeyPatch, after: int, is_heard: bool) -> None:
    seconds(monkeypatch, after)
    if is_heard:
        assert stripe().hear(signed(PAID)) == ABOUT
    else:
        with pytest.raises(Forged):
            stripe().hear(signed(PAID))


@pytest.mark.parametrize("active", ["whsec_new,whsec_old", "whsec_old whsec_new", " whsec_new ,\n whsec_old ,"])
@pytest.mark.parametrize(
    "signers", [["whsec_new"], ["whsec_old"], ["whsec_new", "whsec_old"], ["whsec_x", "whsec_old"]]
)
def test_while_a_secret_is_rolled_either_will_do(active: str, signers: list[str]) -> None:
    assert stripe(active).hear(signed(PAID, *signers)) == ABOUT


def test_a_secret_that_is_no_longer_active_will_not() -> None:
    with pytest.raises(Forged):
        stripe("whsec_new").hear(signed(PAID, "whsec_old"))


@pytest.mark.parametrize("empty", ["", " ", ",", " , "])
def test_without_a_secret_nothing_is_ever_authentic(empty: str) -> None:
    for delivery in (signed(PAID), signed(PAID, ""), signed(PAID, empty)):
        with pytest.raises(NotSetUp):
            stripe(empty).hear(delivery)


def test_without_a_place_for_a_secret_neither() -> None:
    bare = replace(ACCOUNT, credentials={"secret_key": "sk_test_haru"})
    with pytest.raises(NotSetUp):
        Stripe(bare, NOBODY).hear(signed(PAID))


# In an event nothing is expanded.
SESSION = session("complete", "paid", payment_intent="pi_haru")
NAMELESS = {"client_reference_id": None, "metadata": {}}


@pytest.mark.parametrize(
    ("kind", "about", "reference", "payment_id"),
    [
        ("checkout.session.completed", SESSION, REFERENCE, "pi_haru"),
        ("checkout.session.async_payment_succeeded", SESSION, REFERENCE, "pi_haru"),
        ("checkout.session.async_payment_failed", SESSION, REFERENCE, "pi_haru"),
        ("checkout.session.expired", session("expired"), REFERENCE, None),
        ("checkout.session.completed", {**SESSION, "client_reference_id": None}, REFERENCE, "pi_haru"),
        ("checkout.session.completed", {**SESSION, **NAMELESS}, None, "pi_haru"),
        ("payment_intent.created", intent("requires_payment_method"), REFERENCE, "pi_haru"),
        ("payment_intent.processing", intent("processing"), REFERENCE, "pi_haru"),
        ("payment_intent.requires_action", intent("requires_action"), REFERENCE, "pi_haru"),
        ("payment_intent.amount_capturable_updated", intent("requires_capture"), REFERENCE, "pi_haru"),
        ("payment_intent.succeeded", intent(), REFERENCE, "pi_haru"),
        ("payment_intent.payment_failed", intent("requires_payment_method"), REFERENCE, "pi_haru"),
        ("payment_intent.canceled", intent("canceled"), REFERENCE, "pi_haru"),
        ("payment_intent.partially_funded", intent("requires_action"), REFERENCE, "pi_haru"),
        ("payment_intent.succeeded", intent(metadata={"reference": "ORD-1"}), None, "pi_haru"),
        ("payment_intent.succeeded", intent(metadata={"reference": REFERENCE.lower()}), None, "pi_haru"),
        ("payment_intent.succeeded", intent(metadata={"reference": REFERENCE + "\n"}), None, "pi_haru"),
        ("payment_intent.succeeded", intent(metadata=None), None, "pi_haru"),
        *((f"charge.{word}", charge(), REFERENCE, "pi_haru") for word in "succeeded failed pending captured".split()),
        *((f"charge.{word}", charge(), REFERENCE, "pi_haru") for word in "expired updated refunded".split()),
        ("charge.refunded", charge(metadata={}), None, "pi_haru"),
        # Its reference is the refund's own.
        *((f"refund.{word}", refund(), None, "pi_haru") for word in "created updated failed".split()),
        ("charge.refund.updated", refund(), None, "pi_haru"),
        *((f"charge.dispute.{word}", dispute(), None, "pi_haru") for word in "created updated closed".split()),
        *((f"charge.dispute.funds_{word}", dispute(), None, "pi_haru") for word in "withdrawn reinstated".split()),
        ("charge.a_word_of_tomorrow", charge(), REFERENCE, "pi_haru"),
    ],
)
def test_an_event_names_its_payment(kind: str, about: dict, reference: str | None, payment_id: str | None) -> None:
    assert stripe().hear(signed(event(about, kind))) == Heard("evt_1", kind, reference, payment_id)


def test_sent_again_it_bears_the_same_name(monkeypatch: pytest.MonkeyPatch) -> None:
    first = stripe().hear(signed(PAID))
    seconds(monkeypatch, 3600)
    later = VECTOR_TIME + 3600
    again = Delivery({"stripe-signature": f"t={later},v1={sign(PAID, at=later)}"}, PAID)
    assert stripe().hear(again) == first


@pytest.mark.parametrize(
    "body",
    [
        event({"id": "cus_1", "object": "customer"}, "customer.created"),
        event({"id": "po_1", "object": "payout"}, "payout.paid"),
        event({}, "balance.available"),
        b'{"type": "customer.created"}',
        # Payments that are nobody's here.
        event(session(**NAMELESS), "checkout.session.expired"),
        event(charge(payment_intent=None, metadata={}), "charge.succeeded"),
        event(refund(payment_intent=None), "refund.created"),
        # Not our money.
        event(intent(), livemode=True),
    ],
    ids=str,
)
def test_what_is_about_no_payment_of_ours_is_nothing(body: bytes) -> None:
    assert stripe().hear(signed(body)) is None


def test_a_live_account_hears_of_live_money_alone() -> None:
    live = event(intent(livemode=True), livemode=True)
    assert stripe(mode="live").hear(signed(live)) == ABOUT
    assert stripe(mode="live").hear(signed(PAID)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"not JSON",
        b"\xff\xfe",
        b"",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"type": 7}',
        event(intent(), livemode=None).replace(b'"livemode": null, ', b""),
        event(intent()).replace(b'"id": "evt_1", ', b""),
        event(intent(), id=7),
        event(intent(), data=None),
        event(intent(), data={}),
        event([]),  # type: ignore[arg-type]
        event({"object": "payment_intent"}),
        event({"id": "pi_haru"}),
        event(charge(payment_intent={"id": "pi_haru"}), "charge.succeeded"),
    ],
    ids=str,
)
def test_an_authentic_one_without_sense_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        stripe().hear(signed(body))


def test_a_refunds_own_reference_is_not_taken_for_a_payments() -> None:
    heard = stripe().hear(signed(event(refund(metadata={"reference": REFUND_REFERENCE}), "refund.updated")))
    assert heard is not None
    assert heard.reference is None
