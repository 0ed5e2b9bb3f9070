"""The Stripe provider: how a shopper is handed over and comes back, and what its keys are."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app import clock
from app.money import Money
from app.payments.provider import (
    Claim,
    Misconfigured,
    Notice,
    Over,
    Redirect,
    Unreachable,
    Unreadable,
    Widget,
)
from app.payments.providers.stripe import Stripe
from app.payments.providers.stripe_api import VERSION, form_of
from tests.stripe_pg import (
    ACCOUNT,
    BY_INTENT,
    BY_SESSION,
    CREATED,
    INTENTS,
    KEYS,
    NEW,
    PAID_SESSION,
    REFERENCE,
    SESSIONS,
    URLS,
    Pg,
    error,
    fields,
    intent,
    session,
)


@pytest.fixture
def pg() -> Pg:
    return Pg()


@pytest.fixture
async def http(pg: Pg) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(pg)) as client:
        yield client


@pytest.fixture
def stripe(http: httpx.AsyncClient) -> Stripe:
    return Stripe(ACCOUNT, http)


@pytest.fixture
def hosted(http: httpx.AsyncClient) -> Stripe:
    """The same shop, with Stripe's own page."""
    return Stripe(replace(ACCOUNT, handoff="redirect"), http)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, minutes=1)


def at(monkeypatch: pytest.MonkeyPatch, **since_created: float) -> None:
    moment = CREATED + timedelta(**since_created)
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_nested_values_become_fields_with_brackets() -> None:
    nested = {"a": 1, "b": {"c": {"d": "x y"}}, "e": [{"f": True}, {"f": False}], "g": ["h", "i"], "j": None, "k": {}}
    assert form_of(nested) == {
        "a": "1",
        "b[c][d]": "x y",
        "e[0][f]": "true",
        "e[1][f]": "false",
        "g[]": ["h", "i"],
    }


async def test_stripes_page_gets_the_whole_order_in_one_line(hosted: Stripe, pg: Pg) -> None:
    assert await hosted.begin(NEW, URLS) == Redirect("https://stripe.test/c/pay/cs_test_haru", "cs_test_haru")
    [request] = pg.requests
    assert fields(request) == {
        "mode": "payment",
        "success_url": f"{URLS.success}&session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{URLS.failure}&left=1",
        "client_reference_id": REFERENCE,
        "customer_email": "minji@example.com",
        "locale": "ko",
        "expires_at": str(int(CREATED.timestamp()) + 3600),
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "krw",
        "line_items[0][price_data][unit_amount]": "33000",
        "line_items[0][price_data][product_data][name]": "세라믹 머그 외 1건",
        "metadata[reference]": REFERENCE,
        "payment_intent_data[metadata][reference]": REFERENCE,
    }
    # The braces are encoded once, by the form.
    assert b"session%3D%7BCHECKOUT_SESSION_ID%7D" in request.content


async def test_our_page_gets_the_key_of_a_payment_intent(stripe: Stripe, pg: Pg) -> None:
    widget = await stripe.begin(NEW, URLS)
    params = {
        "provider": "stripe",
        "publishableKey": "pk_test_haru",
        "clientSecret": "pi_haru_secret_x9Y8",
        "returnUrl": URLS.success,
        "locale": "ko",
    }
    assert widget == Widget("pay/stripe.html", "https://stripe.test/sdk", params, "pi_haru")
    assert fields(pg.requests[0]) == {
        "amount": "33000",
        "currency": "krw",
        "automatic_payment_methods[enabled]": "true",
        "metadata[reference]": REFERENCE,
    }
    assert "sk_test_haru" not in str(widget)


async def test_every_request_names_the_key_and_the_version(hosted: Stripe, pg: Pg) -> None:
    await hosted.begin(NEW, URLS)
    await hosted.conclude(BY_SESSION, None)
    assert len(pg.requests) == 3
    for request in pg.requests:
        assert request.headers["authorization"] == "Bearer sk_test_haru"
        assert request.headers["stripe-version"] == VERSION == "2026-10-28.endive"
    assert [request.headers.get("idempotency-key") for request in pg.requests] == [f"{REFERENCE}-begin-1", None, None]


@pytest.mark.parametrize("way", ["redirect", "widget"])
async def test_begun_again_it_is_the_very_same_request(
    http: httpx.AsyncClient, pg: Pg, monkeypatch: pytest.MonkeyPatch, way: Any
) -> None:
    provider = Stripe(replace(ACCOUNT, handoff=way), http)
    await provider.begin(NEW, URLS)
    at(monkeypatch, minutes=29)
    await provider.begin(NEW, URLS)
    first, second = pg.requests
    assert (first.content, first.headers["idempotency-key"]) == (second.content, second.headers["idempotency-key"])


@pytest.mark.parametrize("way", ["redirect", "widget"])
async def test_half_an_hour_later_nothing_is_begun_any_more(
    http: httpx.AsyncClient, pg: Pg, monkeypatch: pytest.MonkeyPatch, way: Any
) -> None:
    at(monkeypatch, minutes=29, seconds=1)
    with pytest.raises(Over):
        await Stripe(replace(ACCOUNT, handoff=way), http).begin(NEW, URLS)
    assert pg.requests == []


async def test_what_was_made_for_it_is_handed_over_again(stripe: Stripe, pg: Pg, monkeypatch: Any) -> None:
    pg[f"GET {SESSIONS}/cs_test_haru"] = (200, session())
    pg[f"GET {INTENTS}/pi_haru"] = (200, intent("requires_payment_method"))
    at(monkeypatch, minutes=50)
    assert await stripe.begin(BY_SESSION, URLS) == Redirect("https://stripe.test/c/pay/cs_test_haru", "cs_test_haru")
    widget = await stripe.begin(BY_INTENT, URLS)
    assert (widget.session_id, widget.params["clientSecret"]) == ("pi_haru", "pi_haru_secret_x9Y8")
    assert pg.asked == [f"GET {SESSIONS}/cs_test_haru", f"GET {INTENTS}/pi_haru"]


@pytest.mark.parametrize("found", [session("expired"), PAID_SESSION, session("complete")], ids=str)
async def test_a_session_that_is_over_is_not_handed_over(stripe: Stripe, pg: Pg, found: dict) -> None:
    pg[f"GET {SESSIONS}/cs_test_haru"] = (200, found)
    with pytest.raises(Over):
        await stripe.begin(BY_SESSION, URLS)


@pytest.mark.parametrize("status", ["succeeded", "canceled", "processing", "requires_capture"])
async def test_a_payment_intent_that_is_over_is_not_handed_over(stripe: Stripe, pg: Pg, status: str) -> None:
    pg[f"GET {INTENTS}/pi_haru"] = (200, intent(status))
    with pytest.raises(Over):
        await stripe.begin(BY_INTENT, URLS)


async def test_an_amount_that_stripe_does_not_take_is_the_owners_to_mend(hosted: Stripe, pg: Pg) -> None:
    pg[f"POST {SESSIONS}"] = (400, error("amount_too_small"))
    with pytest.raises(Misconfigured, match="amount_too_small"):
        await hosted.begin(NEW, URLS)


WITHOUT_A_WAY = [session(url=None), session(id=None), {**session(), "object": "customer"}, {}]


@pytest.mark.parametrize("answer", WITHOUT_A_WAY, ids=str)
async def test_nobody_is_sent_nowhere(hosted: Stripe, pg: Pg, answer: dict) -> None:
    pg[f"POST {SESSIONS}"] = (200, answer)
    with pytest.raises(Unreachable):
        await hosted.begin(NEW, URLS)


async def test_no_form_is_drawn_without_its_secret(stripe: Stripe, pg: Pg) -> None:
    pg[f"POST {INTENTS}"] = (200, intent("requires_payment_method", client_secret=None))
    with pytest.raises(Unreachable):
        await stripe.begin(NEW, URLS)


async def test_a_shopper_is_not_kept_waiting(hosted: Stripe, stripe: Stripe, pg: Pg) -> None:
    pg[f"GET {SESSIONS}/cs_test_haru"] = (200, session())
    await hosted.begin(NEW, URLS)
    await hosted.begin(BY_SESSION, URLS)
    await hosted.conclude(BY_SESSION, None)
    assert [request.extensions["timeout"]["read"] for request in pg.requests] == [10, 4, 10]


async def test_a_long_name_is_shortened_and_an_absent_address_left_out(hosted: Stripe, pg: Pg) -> None:
    await hosted.begin(replace(NEW, order_name="가" * 300, customer_email=""), URLS)
    sent = fields(pg.requests[0])
    assert sent["line_items[0][price_data][product_data][name]"] == "가" * 250
    assert "customer_email" not in sent


async def test_dollars_are_cents(hosted: Stripe, stripe: Stripe, pg: Pg) -> None:
    dollars = replace(NEW, money=Money(1_999, "USD"), locale="en")
    await hosted.begin(dollars, URLS)
    await stripe.begin(dollars, URLS)
    sent = fields(pg.requests[0])
    assert (sent["line_items[0][price_data][currency]"], sent["locale"]) == ("usd", "en")
    assert sent["line_items[0][price_data][unit_amount]"] == fields(pg.requests[1])["amount"] == "1999"


BACK_UNPAID = Claim(None, failure="CANCELED_BY_SHOPPER", left=True)
BACK = {"payment_intent": "pi_haru", "payment_intent_client_secret": "pi_haru_secret_x", "redirect_status": "succeeded"}


@pytest.mark.parametrize(
    ("query", "claim"),
    [
        ({"left": "1"}, BACK_UNPAID),
        ({"session": "cs_test_haru"}, Claim(None)),
        ({"session": "cs_test_of_somebody_else"}, Claim(None)),
        (BACK, Claim(None)),
        ({**BACK, "redirect_status": "failed"}, Claim(None)),
        ({**BACK, "redirect_status": "a_word_of_tomorrow"}, Claim(None)),
    ],
)
async def test_a_return_only_says_that_somebody_came_back(stripe: Stripe, query: dict, claim: Claim) -> None:
    assert stripe.read(Notice(query)) == claim


SENSELESS = [{}, {"left": ""}, {"session": ""}, {"payment_intent": "pi_haru"}, {"redirect_status": "succeeded"}]


@pytest.mark.parametrize("query", SENSELESS, ids=str)
async def test_a_senseless_return_is_unreadable(stripe: Stripe, query: dict[str, str]) -> None:
    with pytest.raises(Unreadable):
        stripe.read(Notice(query))


@pytest.mark.parametrize(
    ("publishable", "secret", "mode"),
    [
        ("pk_test_haru", "sk_test_haru", "test"),
        ("pk_test_haru", "rk_test_haru", "test"),
        ("pk_live_haru", "sk_live_haru", "live"),
        ("pk_live_haru", "rk_live_haru", "live"),
    ],
)
def test_the_keys_tell_the_mode(publishable: str, secret: str, mode: str) -> None:
    keys = {"publishable_key": publishable, "secret_key": secret}
    assert Stripe.mode_of(keys) == mode
    assert Stripe.mode_of({**keys, "webhook_secret": "whsec_new, whsec_old"}) == mode


@pytest.mark.parametrize(
    "wrong",
    [
        {"publishable_key": "pk_live_haru"},
        {"secret_key": "sk_live_haru"},
        {"publishable_key": "sk_test_haru", "secret_key": "pk_test_haru"},
        {"publishable_key": "test_ck_haru"},
        {"secret_key": ""},
        {"webhook_secret": "whsec_new sk_test_haru"},
    ],
    ids=str,
)
def test_keys_that_do_not_fit_are_refused_with_a_sentence(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].*\.$") as refused:
        Stripe.mode_of({**KEYS, **wrong})
    assert "haru" not in str(refused.value)


def test_the_names_of_the_keys_are_told() -> None:
    assert {Stripe.traits.public_key, *Stripe.traits.secrets} == set(KEYS)
    assert all(least >= 1 for way in Stripe.traits.ways.values() for least in way.minimum.values())
