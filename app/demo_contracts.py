"""The demo shops' contracts with the PGs that the sandbox plays."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Contract:
    """One of a demo shop's contracts: what the shop keeps of it, and what the sandbox is told."""

    provider: str
    credentials: dict[str, str]
    merchant: str
    ways: tuple[str, ...] = ()
    handoff: str = "widget"

    @property
    def gateway(self) -> dict[str, Any]:
        return {
            "credentials": self.credentials,
            "merchant": self.merchant,
            "ways": self.ways,
            "handoff": self.handoff,
        }

    @property
    def at_sandbox(self) -> dict[str, Any]:
        return {"provider": self.provider, "merchant": self.merchant, **self.credentials}


def contracts_of(domain: str, has_all: bool) -> list[Contract]:
    """Between the shops, every PG and both ways of handing over. The keys are worth nothing outside the sandbox."""
    toss = Contract(
        provider="toss",
        credentials={"client_key": f"test_ck_{domain}_demo", "secret_key": f"test_sk_{domain}_demo"},
        merchant=f"{domain}demo",
        ways=("card", "kakaopay", "transfer", "virtual_account") if has_all else ("card",),
    )
    stripe = Contract(
        provider="stripe",
        credentials={
            "publishable_key": f"pk_test_{domain}",
            "secret_key": f"sk_test_{domain}",
            "webhook_secret": _webhook_secret(f"{domain} stripe"),
        },
        merchant=f"acct_{domain}",
        handoff="redirect" if has_all else "widget",
    )
    if not has_all:
        return [toss, stripe]
    portone = Contract(
        provider="portone",
        credentials={
            "store_id": f"store-{domain}-demo",
            "channel_key": f"channel-key-{domain}-demo",
            "api_secret": f"{domain}-portone-api-secret-demo",
            "webhook_secret": _webhook_secret(f"{domain} portone"),
        },
        merchant=f"store-{domain}-demo",
        ways=("card", "naverpay", "virtual_account"),
    )
    return [toss, portone, stripe]


def _webhook_secret(of: str) -> str:
    return "whsec_" + base64.b64encode(hashlib.sha256(of.encode()).digest()).decode()
