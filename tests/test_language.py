"""Every sentence of the shop is there in English, with the same values, and no English is left over."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from markupsafe import Markup

from app.language import ENGLISH, LANGUAGES, translator

ROOT = Path(__file__).parent.parent
NAMES = re.compile(r"%\((\w+)\)s")


def spoken() -> Iterator[str]:
    """Every sentence that the templates and the code give to `_` or mark with `N_`."""
    for folder, method in (("templates", [("**.html", "jinja2")]), ("app", [("**.py", "python")])):
        options = {"**.html": {"silent": "false"}}
        for found in extract_from_dir(ROOT / folder, method, options, keywords={"_": None, "N_": None}):
            yield found[2]


@pytest.fixture(scope="module")
def english() -> Catalog:
    with ENGLISH.open("rb") as file:
        return read_po(file, locale="en", abort_invalid=True)


def test_the_search_finds_the_sentences_of_templates():
    assert {"구매하기", "%(count)s개 남았어요"} <= set(spoken())


def test_every_sentence_has_an_english_one(english):
    missing = {text for text in spoken() if not (english.get(text) and english.get(text).string)}
    assert missing == set()


def test_no_english_sentence_is_unused(english):
    assert {entry.id for entry in english if entry.id} - set(spoken()) == set()


def test_both_languages_name_the_same_values(english):
    for entry in english:
        if entry.id:
            assert set(NAMES.findall(entry.id)) == set(NAMES.findall(entry.string)), entry.id


def test_english_has_no_korean_left_in_it(english):
    assert [entry.string for entry in english if entry.id and re.search("[가-힣]", entry.string)] == []


def test_templates_hold_no_korean_outside_of_a_translated_sentence():
    translated = re.compile(r"""_\(\s*("[^"]*"|'[^']*')""")
    templates = ROOT / "templates"
    for path in (*templates.glob("*.html"), *templates.glob("pay/*.html"), *templates.glob("owner/*.html")):
        bare = re.sub(r'lang="ko">한국어', "", translated.sub("", path.read_text("utf-8")))
        assert re.findall("[가-힣]+", bare) == [], path.name


def test_a_translator_speaks_its_language():
    assert translator("ko")("구매하기") == "구매하기"
    assert translator("en")("구매하기") == "Buy now"


def test_a_translator_fills_in_values():
    assert translator("ko")("%(count)s개 남았어요", count=3) == "3개 남았어요"
    assert translator("en")("%(count)s개 남았어요", count=3) == "3 left"


def test_a_sentence_without_english_stays_korean():
    assert translator("en")("아직 %(name)s 번역이 없어요", name="이") == "아직 이 번역이 없어요"


def test_a_per_cent_sign_needs_no_care_where_there_are_no_values():
    assert translator("ko")("10% 할인") == "10% 할인"


def test_a_value_of_markup_makes_the_sentence_markup_and_escapes_the_rest():
    filled = translator("ko")("%(until)s까지 %(name)s", until=Markup("<time>3</time>"), name="<b>")
    assert filled == Markup("<time>3</time>까지 &lt;b&gt;")
    assert isinstance(filled, Markup)


def test_an_unknown_language_is_refused():
    assert "fr" not in LANGUAGES
    with pytest.raises(ValueError, match="fr"):
        translator("fr")
