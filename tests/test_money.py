"""Money is an integer of minor units with its currency."""

from typing import Any
from uuid import uuid4

import pytest

from app.money import CURRENCIES, Money
from app.orders.totals import MOST, limit_of, totals_of
from app.shops.tables import Product


@pytest.mark.parametrize(
    ("amount", "currency", "korean", "english"),
    [
        (0, "KRW", "0원", "₩0"),
        (999, "KRW", "999원", "₩999"),
        (52_000, "KRW", "52,000원", "₩52,000"),
        (1_234_567_890, "KRW", "1,234,567,890원", "₩1,234,567,890"),
        (-52_000, "KRW", "−52,000원", "−₩52,000"),
        (1_234, "USD", "US$12.34", "$12.34"),
        (5, "USD", "US$0.05", "$0.05"),
        (-100, "USD", "−US$1.00", "−$1.00"),
        (1_234, "JPY", "JP¥1,234", "¥1,234"),
        (1_234, "EUR", "€12.34", "€12.34"),
    ],
)
def test_an_amount_is_written_for_people(amount: int, currency: str, korean: str, english: str):
    money = Money(amount, currency)
    assert (money.text("ko"), money.text("en")) == (korean, english)


@pytest.mark.parametrize("amount", [1.0, "1", None, True])
def test_an_amount_is_a_whole_number_and_nothing_else(amount: Any):
    with pytest.raises(TypeError, match="integer"):
        Money(amount)


@pytest.mark.parametrize("currency", ["", "krw", "XXX", "BTC"])
def test_an_unknown_currency_is_refused(currency: str):
    with pytest.raises(ValueError, match="currency"):
        Money(1, currency)


def test_amounts_of_one_currency_add_up_and_compare():
    assert Money(300) + Money(200) - Money(50) == Money(450)
    assert Money(300) * 3 == Money(900)
    assert Money(300) > Money(200)
    assert max(Money(1), Money(3), Money(2)) == Money(3)


def test_amounts_of_different_currencies_do_not_mix():
    won, cents = Money(300, "KRW"), Money(300, "USD")
    assert won != cents
    with pytest.raises(ValueError, match="do not mix"):
        won + cents
    with pytest.raises(ValueError, match="do not mix"):
        won - cents
    with pytest.raises(ValueError, match="do not mix"):
        assert won < cents
    with pytest.raises(ValueError, match="do not mix"):
        assert won >= Money(1, "USD")


def test_a_currency_says_how_many_minor_units_it_has():
    assert {currency: Money.units(currency) for currency in CURRENCIES} == {"KRW": 1, "USD": 100, "EUR": 100, "JPY": 1}


def product(**details: Any) -> Product:
    return Product(shop=uuid4(), name="머그", **details)


def test_the_total_of_an_order_is_its_price_times_its_quantity():
    totals = totals_of(product(price=26_000, currency="KRW"), 3)
    assert (totals.unit, totals.quantity) == (Money(26_000), 3)
    assert totals.line == totals.total == Money(78_000)


@pytest.mark.parametrize(
    ("stock", "most", "limit"),
    [(None, None, MOST), (3, None, 3), (None, 5, 5), (3, 5, 3), (8, 5, 5), (0, 5, 0), (MOST * 2, None, MOST)],
)
def test_an_order_can_have_no_more_than_every_limit_allows(stock: int | None, most: int | None, limit: int):
    assert limit_of(product(price=1, stock=stock, max_per_order=most)) == limit
