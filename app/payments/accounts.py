"""Provider accounts: from a sealed row to the value that a provider takes, and from the environment to a row."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from app.database import write_transaction
from app.money import Money
from app.payments.provider import Account, Attempt, Provider, Way
from app.payments.providers import PROVIDERS
from app.payments.tables import Payment, ProviderAccount
from app.sealing import Ring
from app.settings import Settings
from app.shops.tables import Shop

PURPOSE = "provider account"


@dataclass(frozen=True, slots=True)
class Gateways:
    """What it takes to speak to PGs: the wire, the keys of the vault, and where each PG is."""

    http: httpx.AsyncClient
    ring: Ring
    settings: Settings

    def open(self, account: ProviderAccount) -> Account:
        """The account with its credentials in the clear. Raises sealing.Unsealable."""
        return Account(
            provider=account.provider,
            mode=account.mode,
            merchant=account.merchant,
            credentials=json.loads(self.ring.open(account.credentials, PURPOSE)),
            api_base=self.settings.toss_api_base,
            sdk_url=self.settings.toss_sdk_url,
        )

    async def account_of(self, payment: Payment) -> Account:
        """The account that a payment was begun with, opened. Raises sealing.Unsealable."""
        return self.open(await ProviderAccount.objects().get(ProviderAccount.id == payment.account))

    def provider(self, account: Account) -> Provider:
        """The PG of an opened account."""
        return PROVIDERS[account.provider](account, self.http)


@dataclass(frozen=True, slots=True)
class Offer:
    """A way to pay that a shop offers: `value` is what the checkout form sends."""

    account: ProviderAccount
    name: str
    way: Way

    @property
    def value(self) -> str:
        return f"{self.account.id}:{self.name}"

    @property
    def provider_label(self) -> str:
        return PROVIDERS[self.account.provider].traits.label

    def takes(self, total: Money) -> bool:
        least = self.way.minimum.get(total.currency)
        return least is not None and total.amount >= least


async def list_offers(shop: Shop) -> list[Offer]:
    """Every way of every account that is switched on, in the owner's order."""
    accounts = (
        await ProviderAccount.objects()
        .where(ProviderAccount.shop == shop.id, ProviderAccount.is_enabled.eq(True))
        .order_by(ProviderAccount.position)
    )
    return [
        Offer(account, name, PROVIDERS[account.provider].traits.ways[name])
        for account in accounts
        for name in account.ways.split(",")
    ]


def attempt_of(payment: Payment, order_name: str = "", customer_email: str = "") -> Attempt:
    """A payment as providers see it. The names are needed where a payment begins."""
    return Attempt(
        reference=payment.reference,
        money=payment.money,
        way=payment.way,
        order_name=order_name,
        customer_email=customer_email,
        pg_payment_id=payment.pg_payment_id,
        confirm_try=max(payment.confirm_tries, 1),
    )


async def adopt(
    ring: Ring, shop: Shop, provider: str, credentials: Mapping[str, str], merchant: str = ""
) -> ProviderAccount | None:
    """Makes keys of the environment the shop's account; None for a shop that has one of its own at this PG.

    Other keys than last time make another row: the older one is switched off, but goes on reconciling and refunding.
    """
    ours = (ProviderAccount.shop == shop.id) & (ProviderAccount.provider == provider)
    if await ProviderAccount.exists().where(ours, ProviderAccount.from_environment.eq(False)):
        return None
    key = f"{shop.id}:{provider}:{credentials['client_key']}"
    sealed = ring.seal(json.dumps(dict(credentials)), PURPOSE)
    account = ProviderAccount(
        shop=shop.id,
        provider=provider,
        mode=credentials["client_key"][:4],
        account_key=key,
        from_environment=True,
        merchant=merchant,
        credentials=sealed,
        ways=",".join(PROVIDERS[provider].traits.ways),
    )
    async with write_transaction():
        await ProviderAccount.insert(account).on_conflict(target=ProviderAccount.account_key, action="DO NOTHING")
        current = {
            ProviderAccount.credentials: sealed,
            ProviderAccount.merchant: merchant,
            ProviderAccount.is_enabled: True,
        }
        await ProviderAccount.update(current).where(ProviderAccount.account_key == key)
        await ProviderAccount.update({ProviderAccount.is_enabled: False}).where(
            ours, ProviderAccount.account_key != key
        )
    return await ProviderAccount.objects().get(ProviderAccount.account_key == key)


async def adopt_environment(settings: Settings, ring: Ring, shops: Sequence[Shop]) -> None:
    """Gives the environment's keys to every shop without an account of its own."""
    if not settings.toss_client_key:
        return
    credentials = {"client_key": settings.toss_client_key, "secret_key": settings.toss_secret_key}
    for shop in shops:
        await adopt(ring, shop, "toss", credentials, settings.toss_merchant)
