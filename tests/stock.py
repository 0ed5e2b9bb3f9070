"""What a market opens with: two shops, their contracts with PGs, and what they sell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app import clock
from app.database import DB, write_transaction
from app.payments.accounts import adopt
from app.payments.providers import PROVIDERS
from app.payments.tables import ProviderAccount
from app.sealing import Ring
from app.settings import GatewaySettings, Settings
from app.shops.catalogue import add_product, add_shop
from app.shops.tables import Product, Shop

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Contract:
    """A shop's contract with a PG: `raw` is the account as the sandbox knows it."""

    shop: str
    raw: dict[str, Any]
    ways: tuple[str, ...] = ("card",)
    handoff: str = "widget"
    mode: str = "test"

    @property
    def provider(self) -> str:
        return self.raw["provider"]

    def settings(self, where: GatewaySettings) -> GatewaySettings:
        traits = PROVIDERS[self.provider].traits
        names = {traits.public_key, *traits.secrets, "store_id"} & set(self.raw)
        credentials = {name: self.raw[name] for name in names} | ({"mode": self.mode} if "store_id" in names else {})
        return replace(
            where, credentials=credentials, merchant=self.raw["merchant"], ways=self.ways, handoff=self.handoff
        )


@dataclass
class Stock:
    """Haru and Namu; the accounts in the order of the contracts; a mug, the last candle, and Namu's spoon."""

    shops: list[Shop]
    accounts: list[ProviderAccount]
    products: list[Product]


_kept: dict[tuple[str, str, tuple[bytes, ...], datetime], tuple[Rows, Rows, Rows]] = {}


async def stock_up(contracts: Sequence[Contract], settings: Settings) -> Stock:
    """Writes it all into an empty database.

    The app's own verbs do so once in a process; afterwards the same rows are written again, with fewer statements.
    """
    # PostgreSQL's driver gives UUIDs of a class of its own, which SQLite's does not take.
    key = (DB.engine_type, f"{contracts} {settings.gateways}", settings.secret_keys, clock.now())
    if key not in _kept:
        stock = await _open_shops(contracts, settings)
        _kept[key] = (_rows(stock.shops), _rows(stock.accounts), _rows(stock.products))
        return stock
    shops, accounts, products = _kept[key]
    stock = Stock(
        [Shop(**row) for row in shops],
        [ProviderAccount(**row) for row in accounts],
        [Product(**row) for row in products],
    )
    async with write_transaction():
        await Shop.insert(*stock.shops)
        await ProviderAccount.insert(*stock.accounts)
        await Product.insert(*stock.products)
    return stock


def _rows(objects: Sequence[Shop | ProviderAccount | Product]) -> Rows:
    return [each.to_dict() for each in objects]


async def _open_shops(contracts: Sequence[Contract], settings: Settings) -> Stock:
    haru = await add_shop("haru", "하루상점", legal="하루상점 · 대표 한소라")
    namu = await add_shop("namu", "나무상점", accent=48)
    return Stock(
        [haru, namu],
        await _sign(contracts, settings, {"haru": haru, "namu": namu}),
        [
            await add_product(haru, "백자 유약 머그", 26_000, stock=12, max_per_order=10),
            await add_product(haru, "밀랍 기둥초", 21_000, stock=1),
            await add_product(namu, "벚나무 숟가락", 16_000),
        ],
    )


async def _sign(contracts: Sequence[Contract], settings: Settings, shops: dict[str, Shop]) -> list[ProviderAccount]:
    """The account of each contract."""
    signed: dict[int, ProviderAccount] = {}
    for place in {(each.shop, each.provider) for each in contracts}:
        shop, provider = place
        here = [number for number, each in enumerate(contracts) if (each.shop, each.provider) == place]
        given = [contracts[number].settings(settings.gateways[provider]) for number in here]
        rows = await adopt(Ring(settings.secret_keys), shops[shop], provider, given)
        signed |= dict(zip(here, rows, strict=True))
    return [signed[number] for number in range(len(contracts))]
