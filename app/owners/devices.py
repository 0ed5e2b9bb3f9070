"""Known browsers: a cookie, signed by us, that says whose sign-in has succeeded there. It opens nothing by itself."""

import hashlib
import hmac
from collections.abc import Sequence

from app import clock


def new_device(keys: Sequence[bytes], email: str) -> str:
    """The cookie's value for a browser in which this owner has just signed in."""
    name = clock.new_token()
    return f"{name}.{_proof(keys[0], email, name)}"


def known_device(keys: Sequence[bytes], email: str, value: str) -> str | None:
    """What the browser with this cookie is called, if this very owner has signed in there."""
    name, _, proof = value.partition(".")
    proofs = (_proof(key, email, name) for key in keys)
    return name if any(hmac.compare_digest(each.encode(), proof.encode()) for each in proofs) else None


def _proof(key: bytes, email: str, name: str) -> str:
    return hmac.new(hashlib.sha256(b"device" + key).digest(), f"{name} {email}".encode(), hashlib.sha256).hexdigest()
