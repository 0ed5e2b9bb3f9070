"""Sealing: what may not stand in the database in the clear (PG keys, claims) is encrypted with a ring of keys."""

import base64
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app import clock

_NONCE = 12


class Unsealable(Exception):
    """No key of the ring opens this text: sealed with one that is gone, for another purpose, or never."""


@dataclass(frozen=True, slots=True)
class Ring:
    """AES-256-GCM with 32-byte keys, newest first: the first seals, any of them opens."""

    keys: tuple[bytes, ...] = field(repr=False)

    def seal(self, text: str, purpose: str) -> str:
        """`purpose` is bound to the result: a text sealed for one purpose does not open for another."""
        nonce = clock.entropy(_NONCE)
        sealed = AESGCM(self.keys[0]).encrypt(nonce, text.encode(), purpose.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, purpose: str) -> str:
        """Raises Unsealable."""
        for key in self.keys:
            try:
                raw = base64.b64decode(sealed)
                return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], purpose.encode()).decode()
            except (InvalidTag, ValueError):
                continue
        raise Unsealable(purpose)
