"""Everything that the environment decides, read once. A bad value stops the start with its name and the remedy."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

TOSS_API_BASE = "https://api.tosspayments.com"
TOSS_SDK_URL = "https://js.tosspayments.com/v2/standard"


class BadSetting(ValueError):
    """A setting that cannot be used; the message names it, says why and what to write instead."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process of Sellog knows about the world. `secret_keys` is a ring of 32-byte keys, newest first."""

    env: Literal["production", "development", "demo"]
    base_url: str
    database_url: str
    secret_keys: tuple[bytes, ...] = field(repr=False)
    metrics_token: str = field(default="", repr=False)
    toss_client_key: str = ""
    toss_secret_key: str = field(default="", repr=False)
    toss_merchant: str = ""
    toss_api_base: str = TOSS_API_BASE
    toss_sdk_url: str = TOSS_SDK_URL

    @property
    def is_secure(self) -> bool:
        """Whether shoppers reach us by https: decides the cookies' `Secure` flag and names."""
        return self.base_url.startswith("https://")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises BadSetting for the first value that is missing or unusable."""
        env = environ.get("SELLOG_ENV", "production")
        if env not in ("production", "development", "demo"):
            raise BadSetting(f"SELLOG_ENV is {env!r}: write production, development or demo.")
        settings = cls(
            env=env,
            base_url=_origin(environ, "SELLOG_BASE_URL", "http://127.0.0.1:8000"),
            database_url=environ.get("SELLOG_DATABASE_URL", "sqlite:///sellog.sqlite"),
            secret_keys=_ring(environ.get("SELLOG_SECRET_KEYS", "")),
            metrics_token=environ.get("SELLOG_METRICS_TOKEN", ""),
            toss_client_key=environ.get("TOSS_CLIENT_KEY", ""),
            toss_secret_key=environ.get("TOSS_SECRET_KEY", ""),
            toss_merchant=environ.get("TOSS_MERCHANT_ID", ""),
            toss_api_base=_origin(environ, "TOSS_API_BASE", TOSS_API_BASE),
            toss_sdk_url=_origin(environ, "TOSS_SDK_URL", TOSS_SDK_URL),
        )
        settings._check_keys()
        if env == "production":
            settings._check_production("SELLOG_BASE_URL" in environ)
        return settings

    def _check_keys(self) -> None:
        if bool(self.toss_client_key) != bool(self.toss_secret_key):
            raise BadSetting("TOSS_CLIENT_KEY and TOSS_SECRET_KEY belong together: set both, or neither.")
        if not self.toss_client_key:
            return
        client, secret = self.toss_client_key, self.toss_secret_key
        for mode in ("test", "live"):
            if client.startswith(f"{mode}_ck_") and secret.startswith(f"{mode}_sk_"):
                break
        else:
            raise BadSetting(
                "TOSS_CLIENT_KEY must begin with test_ck_ or live_ck_ and TOSS_SECRET_KEY with the matching test_sk_ "
                "or live_sk_: the API keys of one pair, not the widget's (gck, gsk)."
            )
        if mode == "live" and self.env == "demo":
            raise BadSetting("The demo takes no live keys: it must never move real money.")
        if mode == "live" and (self.toss_api_base, self.toss_sdk_url) != (TOSS_API_BASE, TOSS_SDK_URL):
            raise BadSetting("A live Toss key goes to Toss alone: unset TOSS_API_BASE and TOSS_SDK_URL.")

    def _check_production(self, base_url_given: bool) -> None:
        if not base_url_given:
            raise BadSetting(
                "SELLOG_BASE_URL is missing: write the address that shoppers see, e.g. https://pay.example.com"
            )
        host = urlsplit(self.base_url).hostname
        if not self.is_secure and host not in ("127.0.0.1", "localhost", "::1"):
            raise BadSetting("SELLOG_BASE_URL must begin with https:// where shoppers reach it over a network.")
        for name, url in (("TOSS_API_BASE", self.toss_api_base), ("TOSS_SDK_URL", self.toss_sdk_url)):
            if urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1"):
                raise BadSetting(f"{name} points to this machine: the sandbox has no place in production. Unset it.")
            if not url.startswith("https://"):
                raise BadSetting(f"{name} must begin with https://: keys and payments travel there.")


def _origin(environ: Mapping[str, str], name: str, default: str) -> str:
    value = environ.get(name, default).rstrip("/")
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise BadSetting(f"{name} is not a web address: write something like {default}")
    return value


def _ring(text: str) -> tuple[bytes, ...]:
    if not text.strip():
        raise BadSetting(
            "SELLOG_SECRET_KEYS is missing: write one or more 32-byte keys in base64, newest first, with commas "
            "between. `openssl rand -base64 32` makes one."
        )
    try:
        keys = tuple(base64.b64decode(part.strip(), validate=True) for part in text.split(","))
    except ValueError:
        raise BadSetting("SELLOG_SECRET_KEYS is not base64: `openssl rand -base64 32` makes a key.") from None
    if any(len(key) != 32 for key in keys):
        raise BadSetting("SELLOG_SECRET_KEYS: each key must have 32 bytes; `openssl rand -base64 32` makes one.")
    return keys
