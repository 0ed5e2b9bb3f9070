"""Everything that the environment decides, read once. A bad value stops the start with its name and the remedy."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class GatewayNames:
    """How a PG's settings are called in the environment. Of a credential's names the first that is set counts."""

    api_base: tuple[str, str]
    sdk_url: tuple[str, str]
    required: Mapping[str, tuple[str, ...]]
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    merchant: tuple[str, ...] = ()
    ways: str = ""
    handoff: tuple[str, str] = ("", "widget")


GATEWAYS: dict[str, GatewayNames] = {
    "toss": GatewayNames(
        api_base=("TOSS_API_BASE", "https://api.tosspayments.com"),
        sdk_url=("TOSS_SDK_URL", "https://js.tosspayments.com/v2/standard"),
        required={"client_key": ("TOSS_CLIENT_KEY",), "secret_key": ("TOSS_SECRET_KEY",)},
        merchant=("TOSS_MERCHANT_ID",),
        ways="TOSS_WAYS",
    ),
    "portone": GatewayNames(
        api_base=("PORTONE_API_BASE", "https://api.portone.io"),
        sdk_url=("PORTONE_SDK_URL", "https://cdn.portone.io/v2/browser-sdk.js"),
        # Its V1 called the store "imp".
        required={
            "store_id": ("PORTONE_STORE_ID", "PORTONE_IMP_KEY"),
            "channel_key": ("PORTONE_CHANNEL_KEY",),
            "api_secret": ("PORTONE_API_SECRET",),
        },
        # Nothing in its keys tells test from live.
        optional={"webhook_secret": ("PORTONE_WEBHOOK_SECRET",), "mode": ("PORTONE_MODE",)},
        merchant=("PORTONE_STORE_ID", "PORTONE_IMP_KEY"),
        ways="PORTONE_WAYS",
    ),
    "stripe": GatewayNames(
        api_base=("STRIPE_API_BASE", "https://api.stripe.com"),
        sdk_url=("STRIPE_SDK_URL", "https://js.stripe.com/endive/stripe.js"),
        required={
            "publishable_key": ("STRIPE_PUBLISHABLE_KEY", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY"),
            "secret_key": ("STRIPE_SECRET_KEY",),
        },
        optional={"webhook_secret": ("STRIPE_WEBHOOK_SECRET",)},
        merchant=("STRIPE_ACCOUNT_ID",),
        handoff=("STRIPE_HANDOFF", "redirect"),
    ),
}
"""Every PG's names, with the real PG's addresses as defaults."""

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


class BadSetting(ValueError):
    """A setting that cannot be used; the message names it, says why and what to write instead."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where a PG is, and the keys (none, or all that it needs) for shops without an account of their own there."""

    api_base: str
    sdk_url: str
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    merchant: str = ""
    # What the merchant's contract covers; without any, the first that the PG knows.
    ways: tuple[str, ...] = ()
    handoff: str = "widget"
    # Whether an address is not the PG's own.
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where outgoing mail is handed in, by SMTP. `is_tls`: encrypted from the first byte (smtps)."""

    host: str
    port: int
    is_tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str) -> "MailServer":
        """Of `smtp://` (port 25, with a user 587) or `smtps://` (465). Raises BadSetting, without repeating the URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        beyond = parts.path.strip("/") or parts.query or parts.fragment
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or beyond:
            raise BadSetting(
                "SELLOG_SMTP_URL is not a mail server: write something like smtp://user:password@mail.example.com:587 "
                "or smtps://mail.example.com (in user and password, write / ? # @ : as %2F %3F %23 %40 %3A)."
            )
        is_tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=port or (465 if is_tls else 587 if parts.username else 25),
            is_tls=is_tls,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or "") if parts.username else None,
        )


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """What one argon2id costs: RFC 9106's second recommendation, a tenth of a second and 64 MiB."""

    rounds: int = 3
    kibibytes: int = 65_536
    lanes: int = 4


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process of Sellog knows about the world. `secret_keys` is a ring of 32-byte keys, newest first."""

    env: Literal["production", "development", "demo"]
    base_url: str
    database_url: str
    secret_keys: tuple[bytes, ...] = field(repr=False)
    metrics_token: str = field(default="", repr=False)
    smtp_url: str = field(default="", repr=False)
    mail_from: str = ""
    # Who is told of what needs a person, where a shop names nobody.
    alerts_to: str = ""
    gateways: Mapping[str, GatewaySettings] = field(default_factory=dict)
    # Not of the environment: a test's owners need not be hard to guess.
    password_cost: PasswordCost = PasswordCost()

    @property
    def is_secure(self) -> bool:
        """Whether shoppers reach us by https: decides the cookies' `Secure` flag and names."""
        return self.base_url.startswith("https://")

    @property
    def mail_server(self) -> MailServer | None:
        """None: mail is kept until there is one."""
        return MailServer.from_url(self.smtp_url) if self.smtp_url else None

    @property
    def mail_host(self) -> str:
        """The name that our mails' Message-IDs end in."""
        return self.mail_from.rpartition("@")[2] or urlsplit(self.base_url).hostname or "localhost"

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
            smtp_url=environ.get("SELLOG_SMTP_URL", "").strip(),
            mail_from=environ.get("SELLOG_MAIL_FROM", "").strip(),
            alerts_to=environ.get("SELLOG_ALERTS_TO", "").strip(),
            gateways={name: _gateway(environ, names) for name, names in GATEWAYS.items()},
        )
        settings._check_mail()
        if env == "production":
            settings._check_production("SELLOG_BASE_URL" in environ)
        return settings

    def _check_mail(self) -> None:
        if self.mail_server and not self.mail_from:
            raise BadSetting("SELLOG_MAIL_FROM is missing: write the address that mails come from.")
        if self.mail_from and not _ADDRESS.fullmatch(self.mail_from):
            raise BadSetting("SELLOG_MAIL_FROM is not an address: write one alone, such as orders@example.com.")
        if self.alerts_to and not _ADDRESS.fullmatch(self.alerts_to):
            raise BadSetting("SELLOG_ALERTS_TO is not an address: write one alone, such as owner@example.com.")

    def _check_production(self, base_url_given: bool) -> None:
        if not base_url_given:
            raise BadSetting(
                "SELLOG_BASE_URL is missing: write the address that shoppers see, e.g. https://pay.example.com"
            )
        host = urlsplit(self.base_url).hostname
        if not self.is_secure and host not in ("127.0.0.1", "localhost", "::1"):
            raise BadSetting("SELLOG_BASE_URL must begin with https:// where shoppers reach it over a network.")
        for provider, gateway in self.gateways.items():
            names = GATEWAYS[provider]
            for name, url in ((names.api_base[0], gateway.api_base), (names.sdk_url[0], gateway.sdk_url)):
                if urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1"):
                    raise BadSetting(
                        f"{name} points to this machine: the sandbox has no place in production. Unset it."
                    )
                if not url.startswith("https://"):
                    raise BadSetting(f"{name} must begin with https://: keys and payments travel there.")


def _gateway(environ: Mapping[str, str], names: GatewayNames) -> GatewaySettings:
    addresses = [_origin(environ, *each) for each in (names.api_base, names.sdk_url)]
    found = {key: _first(environ, each) for key, each in (names.required | names.optional).items()}
    given = [key for key in names.required if found[key]]
    if given and len(given) < len(names.required):
        together = [each[0] for each in names.required.values()]
        raise BadSetting(
            f"{', '.join(together[:-1])} and {together[-1]} belong together: "
            f"set {'both, or neither' if len(together) == 2 else 'all of them, or none'}."
        )
    handoff = environ.get(names.handoff[0], names.handoff[1])
    if handoff not in ("redirect", "widget"):
        raise BadSetting(f"{names.handoff[0]} must be redirect (the PG's own page) or widget (its form in ours).")
    return GatewaySettings(
        api_base=addresses[0],
        sdk_url=addresses[1],
        credentials={key: value for key, value in found.items() if value} if given else {},
        merchant=_first(environ, names.merchant),
        ways=tuple(environ.get(names.ways, "").replace(",", " ").split()) if names.ways else (),
        handoff=handoff,
        is_elsewhere=addresses != [names.api_base[1], names.sdk_url[1]],
    )


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := environ.get(name, "").strip())), "")


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
