"""The checkout form: whatever is typed into any field gives what is wanted or a sentence, never an exception."""

from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from app.checkout.form import CheckoutForm, is_token, parse_quantity
from app.language import Translator, translator
from app.orders.totals import limit_of, totals_of
from app.payments.accounts import Offer
from app.payments.providers import PROVIDERS
from app.payments.tables import ProviderAccount
from app.shops.tables import Product
from tests.properties import VALUES, repeatable

FIELDS = ("product", "quantity", "email", "pay", "checkout_token")
OFFERS = [
    Offer(ProviderAccount(shop=uuid4(), provider=provider, mode="test"), name, way)
    for provider, kind in PROVIDERS.items()
    for name, way in kind.traits.ways.items()
]
EMAILS = ["minji.kim@example.com", "민지@example.com", "a+b@xn--hu1b40gh8c.kr", "O'Neil@Example.COM"]

languages = st.sampled_from(["ko", "en"]).map(translator)
limits = st.none() | st.integers(0, 4)
products = st.builds(
    lambda price, currency, stock, most: Product(
        shop=uuid4(), name="머그", price=price, currency=currency, stock=stock, max_per_order=most
    ),
    # Around the least amounts of the ways to pay, and far above.
    st.sampled_from([1, 49, 50, 99, 100, 199, 200, 350, 699, 700, 26_000]),
    st.sampled_from(["KRW", "USD", "JPY"]),
    limits,
    limits,
)
# Quantities as people type them, and much else.
quantities = st.integers(-3, 30).map(str) | st.from_regex(r"[ +-]?[0-9０-９]{0,14}[.,eE]?[0-9]*", fullmatch=True)
tokens = st.from_regex(r"[A-Za-z0-9_-]{22}", fullmatch=True)
values = st.sampled_from([offer.value for offer in OFFERS])
wanted = st.fixed_dictionaries(
    {
        "product": st.uuids().map(str),
        "quantity": st.integers(1, 5).map(str),
        "email": st.sampled_from(EMAILS),
        "pay": values,
        "checkout_token": tokens,
    }
)
slips = st.fixed_dictionaries(
    {},
    optional={
        "product": VALUES,
        "quantity": quantities | VALUES,
        "email": st.from_regex(r"[^@]*@[^@]*") | VALUES,
        "pay": values | VALUES,
        "checkout_token": st.text("-_aZ09 ", max_size=25) | VALUES,
        "more": VALUES,
    },
)
# What is right but for nothing, something, or everything.
typed = wanted | st.builds(lambda right, wrong: {**right, **wrong}, wanted, slips) | slips


@repeatable
@given(typed, products, languages)
def test_whatever_is_typed_gives_what_is_wanted_or_sentences(
    raw: dict[str, Any], product: Product, say: Translator
) -> None:
    form = CheckoutForm.of(raw)
    quantity, offer = form.check(product, OFFERS, say)
    assert set(form.errors) <= {"quantity", "email", "pay", "form"}
    assert all(isinstance(sentence, str) and len(sentence) > 5 for sentence in form.errors.values())
    if form.errors:
        return
    assert 1 <= quantity <= limit_of(product)
    assert offer in OFFERS
    assert offer.takes(totals_of(product, quantity).total)
    assert is_token(form.checkout_token)
    assert form.email.count("@") == 1


@repeatable
@given(typed, products, languages)
def test_what_was_typed_is_shown_again(raw: dict[str, Any], product: Product, say: Translator) -> None:
    form = CheckoutForm.of(raw)
    form.check(product, OFFERS, say)
    for name in FIELDS:
        given_text = raw.get(name) if isinstance(raw.get(name), str) else ""
        kept = getattr(form, name)
        is_mended = (name == "email" and "email" not in form.errors) or (name == "checkout_token" and form.errors)
        assert is_mended or kept == given_text.strip()[:320]


@repeatable
@given(typed, products, languages)
def test_a_second_check_of_what_was_taken_takes_it_again(
    raw: dict[str, Any], product: Product, say: Translator
) -> None:
    form = CheckoutForm.of(raw)
    first = form.check(product, OFFERS, say)
    if not form.errors:
        again = CheckoutForm.of({name: getattr(form, name) for name in FIELDS})
        assert (again.check(product, OFFERS, say), again) == (first, form)


@repeatable
@given(wanted, st.sampled_from(FIELDS), quantities | st.text("-_aZ09@. ", max_size=25) | VALUES, languages)
def test_one_slip_is_complained_about_and_nothing_else(
    right: dict[str, Any], name: str, wrong: Any, say: Translator
) -> None:
    form = CheckoutForm.of({**right, name: wrong})
    sent = getattr(form, name)
    form.check(Product(shop=uuid4(), name="머그", price=26_000, currency="KRW"), OFFERS, say)
    assert set(form.errors) <= {"form" if name == "checkout_token" else name}
    if name == "checkout_token":
        assert is_token(sent) is not bool(form.errors)
    elif name == "pay":
        assert (sent in [offer.value for offer in OFFERS]) is not bool(form.errors)


@repeatable
@given(st.integers(1, 20), st.integers(0, 5), st.sampled_from(EMAILS), st.sampled_from(OFFERS), tokens, languages)
def test_what_is_valid_is_kept(
    quantity: int, spare: int, email: str, offer: Offer, token: str, say: Translator
) -> None:
    product = Product(shop=uuid4(), name="머그", price=26_000, currency="KRW", stock=quantity + spare)
    raw = {"product": str(product.id), "quantity": f" {quantity} ", "email": email, "pay": offer.value}
    form = CheckoutForm.of({**raw, "checkout_token": token})
    assert form.check(product, OFFERS, say) == (quantity, offer)
    assert (form.errors, form.checkout_token, form.product) == ({}, token, str(product.id))
    assert form.email.casefold() == email.casefold() or not email.isascii() or "xn--" in email


def quantity_or_sentence(text: str, product: Product, say: Translator) -> int | str:
    try:
        return parse_quantity(text, product, say)
    except ValueError as error:
        return str(error)


@repeatable
@given(quantities | st.text(max_size=40), products, languages)
def test_a_quantity_is_a_whole_number_that_the_shop_has_or_a_sentence(
    text: str, product: Product, say: Translator
) -> None:
    answer = quantity_or_sentence(text, product, say)
    if isinstance(answer, int):
        assert text.isascii()
        assert int(text) == answer
        assert 1 <= answer <= limit_of(product)
    else:
        assert answer.endswith((".", "!", "?"))
        assert text not in map(str, range(1, limit_of(product) + 1))


@repeatable
@given(st.text(max_size=60), quantities, tokens | st.text(max_size=40))
def test_a_fresh_form_always_has_a_token_and_keeps_a_good_one(product: str, quantity: str, token: str) -> None:
    form = CheckoutForm.fresh(product, quantity, token)
    assert is_token(form.checkout_token)
    assert (form.checkout_token == token) is is_token(token)
    assert form.errors == {}
