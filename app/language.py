"""The shop's two languages. Korean is written in the source; English stands in `locales/en.po`."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from babel.messages.pofile import read_po
from markupsafe import Markup, escape

LANGUAGES = ("ko", "en")

ENGLISH = Path(__file__).parent / "locales" / "en.po"

Translator = Callable[..., str]


def translator(language: str) -> Translator:
    """The function `_(text, **values)` of one language.

    It gives the sentence in that language with each `%(name)s` filled in; one that has no English yet stays Korean.
    A value that is markup makes the whole sentence markup, everything else in it escaped.
    """
    if language not in LANGUAGES:
        raise ValueError(f"no such language: {language!r}")
    return _speak_english if language == "en" else _fill


def N_(text: str) -> str:
    """Marks a sentence in a table of data, so that it is known to need English; returns it as it is."""
    return text


def _speak_english(text: str, /, **values: object) -> str:
    return _fill(_english().get(text, text), **values)


def _fill(text: str, /, **values: object) -> str:
    if not values:
        return text
    if any(isinstance(value, Markup) for value in values.values()):
        return escape(text) % values
    return text % values


@cache
def _english() -> Mapping[str, str]:
    with ENGLISH.open("rb") as file:
        catalog = read_po(file, locale="en")
    return MappingProxyType({entry.id: entry.string for entry in catalog if entry.id and entry.string})
