"""Money, whatever the amounts: arithmetic, what is written for people, and what an order costs."""

import re
from uuid import uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.money import CURRENCIES, Money
from app.orders.totals import MOST, limit_of, totals_of
from app.shops.tables import Product
from tests.properties import repeatable

# More than any shop will see. An amount is written for people by way of a float, which is exact up to here.
amounts = st.integers(-(10**15), 10**15)
currencies = st.sampled_from(CURRENCIES)
languages = st.sampled_from(["ko", "en"])


@repeatable
@given(amounts, amounts, amounts, currencies)
def test_money_adds_up_like_whole_numbers(first: int, second: int, third: int, currency: str) -> None:
    one, two, three = (Money(amount, currency) for amount in (first, second, third))
    assert one + two == two + one == Money(first + second, currency)
    assert (one + two) + three == one + (two + three)
    assert one + two - two == one
    assert (one < two, one <= two, one == two) == (first < second, first <= second, first == second)


@repeatable
@given(amounts, st.integers(0, MOST), currencies)
def test_a_multiple_is_so_many_of_it(amount: int, quantity: int, currency: str) -> None:
    one = Money(amount, currency)
    assert one * quantity == Money(amount * quantity, currency)
    assert one * (quantity + 1) - one == one * quantity


@repeatable
@given(amounts, amounts, currencies, currencies)
def test_currencies_never_mix(first: int, second: int, currency: str, other: str) -> None:
    assume(currency != other)
    one, two = Money(first, currency), Money(second, other)
    assert one != two
    for mix in (Money.__add__, Money.__sub__, Money.__lt__, Money.__gt__):
        with pytest.raises(ValueError, match="do not mix"):
            mix(one, two)


@repeatable
@given(amounts, currencies, languages)
def test_what_is_written_is_the_amount_and_nothing_is_rounded(amount: int, currency: str, lang: str) -> None:
    text = Money(amount, currency).text(lang)
    assert int("".join(re.findall("[0-9]", text))) == abs(amount)
    assert text.startswith("−") is (amount < 0)
    assert text.removeprefix("−") == Money(abs(amount), currency).text(lang)


@repeatable
@given(amounts, currencies, languages)
def test_as_many_decimals_are_written_as_the_currency_has(amount: int, currency: str, lang: str) -> None:
    decimals = re.search(r"\.([0-9]+)", Money(amount, currency).text(lang))
    assert 10 ** len(decimals[1] if decimals else "") == Money.units(currency)


@repeatable
@given(amounts, st.integers(-200, 200), currencies, languages)
def test_two_amounts_never_look_the_same(amount: int, more: int, currency: str, lang: str) -> None:
    assert (Money(amount, currency).text(lang) == Money(amount + more, currency).text(lang)) is (more == 0)


pieces = st.none() | st.integers(0, 2 * MOST)


@repeatable
@given(st.integers(1, 10**9), currencies, st.integers(1, MOST), pieces, pieces)
def test_a_total_is_the_price_of_all_pieces_and_no_more_are_sold_than_any_limit_allows(
    price: int, currency: str, quantity: int, stock: int | None, most: int | None
) -> None:
    product = Product(shop=uuid4(), name="머그", price=price, currency=currency, stock=stock, max_per_order=most)
    totals = totals_of(product, quantity)
    assert (totals.unit, totals.quantity) == (Money(price, currency), quantity)
    assert totals.total == totals.line == sum([totals.unit] * (quantity - 1), totals.unit)
    limits = [limit for limit in (stock, most, MOST) if limit is not None]
    assert limit_of(product) == min(limits)
