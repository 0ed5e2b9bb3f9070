"""Stripe's form encoding: fields with brackets, and readers that check them one by one."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl

from app.sandbox.stripe_errors import StripeError

# What came for one parameter (a text, or an object of them) and its full name; answers the value.
Reader = Callable[[Any, str], Any]
NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
INTEGER = re.compile(r"-?[0-9]{1,18}")


def parse(text: str) -> dict[str, Any]:
    """Nested objects of texts; a list is an object whose names are numbers. Raises StripeError."""
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        match = NAME.fullmatch(name)
        if match is None:
            raise StripeError("parameter_unknown", f"Received unknown parameter: {name}", name)
        *steps, last = match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])
        place = fields
        for step in steps:
            place = place.setdefault(step or str(len(place)), {})
            if not isinstance(place, dict):
                raise StripeError("invalid_request", "Invalid object", name)
        if isinstance(place.get(last), dict):
            raise StripeError("invalid_request", "Invalid object", name)
        place[last or str(len(place))] = value
    return fields


def group(readers: Mapping[str, Reader], needed: Collection[str] = ()) -> Reader:
    """An object with these parameters and no others; the answer holds those that came."""

    def read(raw: Any, name: str) -> dict[str, Any]:
        given = _object(raw, name)
        for key in given:
            if key not in readers:
                full = _within(name, key)
                raise StripeError("parameter_unknown", f"Received unknown parameter: {full}", full)
        for key in needed:
            if key not in given:
                full = _within(name, key)
                raise StripeError("parameter_missing", f"Missing required param: {full}.", full)
        return {key: reader(given[key], _within(name, key)) for key, reader in readers.items() if key in given}

    return read


def many(reader: Reader, most: int) -> Reader:
    """A list."""

    def read(raw: Any, name: str) -> list[Any]:
        if raw == "":
            return []
        numbered = _object(raw, name, "Invalid array")
        if not all(INTEGER.fullmatch(key) for key in numbered):
            raise StripeError("invalid_request", "Invalid array", name)
        if len(numbered) > most:
            raise StripeError("invalid_request", f"You may give at most {most} of {name}.", name)
        return [reader(numbered[key], f"{name}[{key}]") for key in sorted(numbered, key=int)]

    return read


def text(longest: int = 5000, clearable: bool = False) -> Reader:
    """An empty one clears the field (None), where that makes sense."""

    def read(raw: Any, name: str) -> str | None:
        if not isinstance(raw, str):
            raise StripeError("invalid_request", f"Invalid string: {name}", name)
        if raw == "" and clearable:
            return None
        if raw == "":
            raise StripeError("parameter_invalid_empty", f"You passed an empty string for '{name}'.", name)
        if len(raw) > longest:
            raise StripeError("invalid_request", f"'{name}' must be at most {longest} characters.", name)
        return raw

    return read


def whole(lowest: int | None = None, highest: int | None = None) -> Reader:
    def read(raw: Any, name: str) -> int:
        if not (isinstance(raw, str) and INTEGER.fullmatch(raw)):
            raise StripeError("parameter_invalid_integer", f"Invalid integer: {raw}", name)
        if lowest is not None and int(raw) < lowest:
            message = f"This value must be greater than or equal to {lowest}."
            raise StripeError("parameter_invalid_integer", message, name)
        if highest is not None and int(raw) > highest:
            message = f"This value must be less than or equal to {highest}."
            raise StripeError("parameter_invalid_integer", message, name)
        return int(raw)

    return read


def flag(raw: Any, name: str) -> bool:
    if raw not in ("true", "false"):
        raise StripeError("invalid_request", f"Invalid boolean: {raw}", name)
    return bool(raw == "true")


def choice(*words: str) -> Reader:
    def read(raw: Any, name: str) -> str:
        if not (isinstance(raw, str) and raw in words):
            raise StripeError("invalid_request", f"Invalid {name}: must be one of {', '.join(words)}", name)
        return raw

    return read


def address(raw: Any, name: str) -> str:
    """An absolute URL."""
    url = text()(raw, name)
    if not re.match(r"https?://[^/?#\s]", url):
        raise StripeError("invalid_request", f"Not a valid URL: {name}", name)
    return str(url)


def metadata(raw: Any, name: str) -> dict[str, str]:
    """The pairs to set; an empty value takes its key away, and an empty text takes them all."""
    pairs = {} if raw == "" else _object(raw, name)
    if len(pairs) > 50 or any(len(key) > 40 for key in pairs):
        raise StripeError("invalid_request", "Metadata takes at most 50 keys of at most 40 characters.", name)
    for key, value in pairs.items():
        if not isinstance(value, str) or len(value) > 500:
            message = "Metadata values must be strings of at most 500 characters."
            raise StripeError("invalid_request", message, f"{name}[{key}]")
    return pairs


def new_metadata(raw: Any, name: str) -> dict[str, str]:
    """The pairs of an object that is new."""
    return updated({}, metadata(raw, name))


def updated(old: Mapping[str, str], raw: Mapping[str, str] | None) -> dict[str, str]:
    """Metadata after a request that gave `raw`: None changes nothing."""
    if raw is None:
        return dict(old)
    return {key: value for key, value in {**old, **raw}.items() if value} if raw else {}


def anything(raw: Any, name: str) -> Any:
    """A parameter that Stripe knows and this sandbox has no use for."""
    return raw


def _object(raw: Any, name: str, otherwise: str = "Invalid object") -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise StripeError("invalid_request", otherwise, name or None)
    return raw


def _within(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key
