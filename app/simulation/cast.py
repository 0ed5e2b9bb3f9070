"""Who sells what in the simulation, and with which contracts."""

from dataclasses import dataclass, replace
from typing import Any

from app.payments.accounts import adopt
from app.payments.tables import ProviderAccount
from app.sealing import Ring
from app.settings import GatewaySettings, Settings
from app.shops.catalogue import add_product, add_shop
from app.shops.tables import Shop

BASE = "http://shop.test"
ORIGIN = "http://sandbox.test"
EVERYTHING = ("card", "transfer", "virtual_account")
GATEWAYS = {
    "toss": GatewaySettings(ORIGIN, f"{ORIGIN}/sdk/toss/v2/standard"),
    "portone": GatewaySettings(f"{ORIGIN}/portone", f"{ORIGIN}/sdk/portone/v2/browser-sdk.js"),
    "stripe": GatewaySettings(f"{ORIGIN}/stripe", f"{ORIGIN}/sdk/stripe/v3/"),
}


@dataclass(frozen=True, slots=True)
class Contract:
    """A shop's contract with a PG: its keys, and what only the PG knows of it."""

    shop: str
    provider: str
    merchant: str
    credentials: dict[str, str]
    ways: tuple[str, ...] = ("card",)
    handoff: str = "widget"
    at_the_pg: dict[str, str] | None = None


STORE = {
    "store_id": "store-simulation",
    "api_secret": "simulation-secret",
    "webhook_secret": "whsec_c2ltdWxhdGlvbi1wb3J0b25lLTAxMjM0NTY3ODlhYmNk",
}
CONTRACTS = {
    "toss": Contract(
        "haru", "toss", "haru01", {"client_key": "test_ck_haru", "secret_key": "test_sk_haru"}, EVERYTHING
    ),
    "portone": Contract(
        "haru", "portone", "store-simulation", STORE | {"channel_key": "channel-key-one", "mode": "test"}, EVERYTHING
    ),
    "portone manual": Contract(
        "haru",
        "portone",
        "store-simulation",
        STORE | {"channel_key": "channel-key-two", "mode": "test"},
        at_the_pg={"approval": "manual"},
    ),
    "stripe": Contract(
        "haru",
        "stripe",
        "acct_haru",
        {
            "publishable_key": "pk_test_haru",
            "secret_key": "sk_test_haru",
            "webhook_secret": "whsec_simulation_one",
        },
        ("stripe",),
        "redirect",
    ),
    "stripe elements": Contract(
        "haru",
        "stripe",
        "acct_haruform",
        {
            "publishable_key": "pk_test_haruform",
            "secret_key": "sk_test_haruform",
            "webhook_secret": "whsec_simulation_two",
        },
        ("stripe",),
    ),
    "namu": Contract("namu", "toss", "namu01", {"client_key": "test_ck_namu", "secret_key": "test_sk_namu"}),
}
# Price in won and stock; none is without limit.
GOODS = {
    "haru": {"백자 머그": (26_000, 500), "기둥초": (21_000, 2), "녹차": (18_000, None)},
    "namu": {"숟가락": (16_000, 60)},
}


def at_the_sandbox(name: str, account_id: object) -> dict[str, Any]:
    """The account of a contract as the sandbox is told it."""
    contract = CONTRACTS[name]
    return {
        "provider": contract.provider,
        "merchant": contract.merchant,
        "shop_name": contract.shop,
        "webhook_url": f"{BASE}/webhooks/{contract.provider}/{account_id}",
        **contract.credentials,
        **(contract.at_the_pg or {}),
    }


async def open_shops(settings: Settings) -> dict[str, ProviderAccount]:
    """Fills an empty database; the account of each contract."""
    shops: dict[str, Shop] = {}
    for domain, goods in GOODS.items():
        shops[domain] = await add_shop(domain, domain, alert_email=f"owner@{domain}.test")
        for name, (price, stock) in goods.items():
            await add_product(shops[domain], name, price, stock=stock, max_per_order=5)
    accounts: dict[str, ProviderAccount] = {}
    for place in dict.fromkeys((contract.shop, contract.provider) for contract in CONTRACTS.values()):
        here = {name: each for name, each in CONTRACTS.items() if (each.shop, each.provider) == place}
        given = [
            replace(
                GATEWAYS[contract.provider],
                credentials=contract.credentials,
                merchant=contract.merchant,
                ways=contract.ways,
                handoff=contract.handoff,
            )
            for contract in here.values()
        ]
        rows = await adopt(Ring(settings.secret_keys), shops[place[0]], place[1], given)
        accounts |= dict(zip(here, rows, strict=True))
    return accounts
