"""A merchant's account at Stripe, as the sandbox is given it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROVIDER = "stripe"
VERSION = "2026-10-28.endive"
TEST_KEYS = {"publishable_key": ("pk_test_",), "secret_key": ("sk_test_", "rk_test_")}
PATIENCE = ("test", "live")


@dataclass(frozen=True)
class Account:
    """Keys of the test mode. Without a `webhook_url` no endpoint is registered; while a secret is being rolled,
    `webhook_secrets` are several. `webhook_retries` "live" keeps trying for three days, "test" for some hours.
    """

    publishable_key: str
    secret_key: str
    merchant: str
    shop_name: str
    webhook_url: str | None = None
    webhook_secrets: tuple[str, ...] = ()
    webhook_version: str = VERSION
    webhook_retries: str = "test"


def read_account(raw: Mapping[str, Any]) -> Account:
    """ValueError for a key of the live mode, and for a webhook that nobody could verify."""
    for name, prefixes in TEST_KEYS.items():
        if not raw[name].startswith(prefixes):
            found = raw[name].partition("_test_")[0] if "_test_" in raw[name] else raw[name][:8]
            wanted = " or ".join(prefixes)
            raise ValueError(
                f"the sandbox takes no live keys: {name} of {raw['merchant']} starts with {found}, not {wanted}"
            )
    secrets = tuple(raw.get("webhook_secrets") or [raw[name] for name in ("webhook_secret",) if raw.get(name)])
    if raw.get("webhook_url") and not (secrets and all(secret.startswith("whsec_") for secret in secrets)):
        raise ValueError(f"the webhook of {raw['merchant']} needs a secret that starts with whsec_")
    retries = raw.get("webhook_retries", "test")
    if retries not in PATIENCE:
        raise ValueError(f"webhook_retries is one of {', '.join(PATIENCE)}")
    return Account(
        publishable_key=raw["publishable_key"],
        secret_key=raw["secret_key"],
        merchant=raw["merchant"],
        shop_name=raw["shop_name"],
        webhook_url=raw.get("webhook_url"),
        webhook_secrets=secrets,
        webhook_version=raw.get("webhook_version") or VERSION,
        webhook_retries=retries,
    )
