"""What a return claims, whatever stands in its query: a claim or "unreadable", and never that money moved."""

from dataclasses import fields

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.payments.provider import Account, Claim, Notice, Provider, Unreadable
from app.payments.providers.portone import PortOne
from app.payments.providers.portone_window import NAME
from app.payments.providers.stripe import Stripe
from app.payments.providers.toss import PAYMENT_KEY, Toss
from tests import portone_pg, stripe_pg
from tests.properties import repeatable

# Nothing is asked here.
NOBODY = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(500)))
TOSS = Account("toss", "test", "haru01", {"client_key": "test_ck_haru", "secret_key": "test_sk_haru"})
PROVIDERS = {
    "toss": Toss(TOSS, NOBODY),
    "portone": PortOne(portone_pg.ACCOUNT, NOBODY),
    "stripe": Stripe(stripe_pg.ACCOUNT, NOBODY),
}
everyone = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)

# The names that any of the PGs appends.
NAMES = (
    "paymentKey orderId amount code message paymentId paymentToken txId transactionType pgCode pgMessage session left "
    "payment_intent payment_intent_client_secret redirect_status"
).split()
WORDS = [
    portone_pg.REFERENCE,
    "X" * 90,
    "26000",
    "-1",
    "1e3",
    "٣",
    "PAY_PROCESS_CANCELED",
    "Cancelled",
    "PAYMENT",
    "succeeded",
]
queries = st.dictionaries(
    st.sampled_from(NAMES) | st.text(max_size=10), st.sampled_from(WORDS) | st.text(max_size=400), max_size=8
)


def read(provider: Provider, query: dict[str, str]) -> Claim | None:
    """None where it is unreadable; anything else that is raised is an error of ours."""
    try:
        return provider.read(Notice(query))
    except Unreadable:
        return None


@everyone
@repeatable
@given(query=queries)
def test_any_query_is_a_claim_or_unreadable(provider: Provider, query: dict[str, str]) -> None:
    claim = read(provider, query)
    if claim is None:
        return
    texts = [claim.reference, claim.key, claim.failure]
    assert all(isinstance(text, str | None) for text in texts)
    assert type(claim.amount) in (int, type(None))
    # What failed is confirmed by nobody, and only who came back unpaid has left.
    assert claim.failure is None or (claim.key, claim.amount) == (None, None)
    assert claim.failure or not claim.left
    assert len(claim.failure or "") <= 80


@everyone
def test_a_claim_has_no_place_for_money_that_moved(provider: Provider) -> None:
    assert {field.name for field in fields(Claim)} == {"reference", "key", "amount", "failure", "left"}


@everyone
@repeatable
@given(query=queries)
def test_what_else_stands_in_the_query_changes_nothing(provider: Provider, query: dict[str, str]) -> None:
    known = {name: value for name, value in query.items() if name in NAMES}
    assert read(provider, known) == read(provider, {**query, **known})


@repeatable
@given(queries)
def test_a_key_of_toss_can_stand_in_the_path_of_a_look_up(query: dict[str, str]) -> None:
    claim = read(PROVIDERS["toss"], {"orderId": portone_pg.REFERENCE, "amount": "26000", **query})
    if claim is not None and claim.key is not None:
        assert PAYMENT_KEY.fullmatch(claim.key)
        assert not {"/", "?", "#", "%", "\\"} & set(claim.key)
        assert claim.key not in (".", "..")
        assert claim.amount == int(query.get("amount", "26000"))


@repeatable
@given(queries)
def test_names_of_portone_are_printable(query: dict[str, str]) -> None:
    claim = read(PROVIDERS["portone"], {"paymentId": portone_pg.REFERENCE, **query})
    for name in (claim.reference, claim.key) if claim else ():
        assert name is None or NAME.fullmatch(name)
    if claim is not None and "code" in query:
        assert claim.failure


@repeatable
@given(queries)
def test_nothing_is_taken_from_stripes_query(query: dict[str, str]) -> None:
    claim = read(PROVIDERS["stripe"], query)
    if claim is not None:
        assert (claim.reference, claim.key, claim.amount) == (None, None, None)
        assert bool(claim.failure) is bool(query.get("left"))
