"""The sandbox's reader of Stripe's form encoding: what was nested comes back nested, and no text breaks it."""

from typing import Any
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from app.sandbox.stripe_errors import StripeError
from app.sandbox.stripe_form import many, parse, text
from tests.properties import repeatable
from tests.stripe_wire import encoded

names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
objects = st.recursive(
    st.text(max_size=20),
    lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3),
    max_leaves=8,
)


@repeatable
@given(st.dictionaries(names, objects, max_size=4))
def test_what_was_encoded_is_read_again(fields: dict[str, Any]) -> None:
    assert parse(urlencode(encoded(fields))) == fields


@repeatable
@given(st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=12))
def test_a_list_keeps_its_order(words: list[str]) -> None:
    for body in (urlencode(encoded({"expand": words})), urlencode([("expand[]", word) for word in words])):
        assert many(text(), most=20)(parse(body)["expand"], "expand") == words


def read(body: str) -> dict[str, Any] | StripeError:
    try:
        return parse(body)
    except StripeError as error:
        return error


@repeatable
@given(st.text("ab[]=&%0", max_size=60) | st.text(max_size=60))
def test_any_text_is_read_or_refused(body: str) -> None:
    assert isinstance(read(body), dict | StripeError)
