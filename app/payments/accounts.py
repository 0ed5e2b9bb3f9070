"""Provider accounts: from a sealed row to the value that a provider takes, and from the environment to a row."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import httpx

from app.database import for_update, write_transaction
from app.money import Money
from app.payments.provider import Account, Attempt, Provider, Unreachable, Way
from app.payments.providers import PROVIDERS
from app.payments.tables import Payment, ProviderAccount
from app.sealing import Ring
from app.settings import GATEWAYS, BadSetting, GatewaySettings, Settings
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
        where = self.settings.gateways[account.provider]
        return Account(
            provider=account.provider,
            mode=account.mode,
            merchant=account.merchant,
            credentials=json.loads(self.ring.open(account.credentials, PURPOSE)),
            api_base=where.api_base,
            sdk_url=where.sdk_url,
            handoff=account.handoff,
            last_error=account.last_error,
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

    @property
    def is_test(self) -> bool:
        """Whether no real money moves this way."""
        return self.account.mode == "test"

    def takes(self, total: Money) -> bool:
        least = self.way.minimum.get(total.currency)
        return least is not None and total.amount >= least


async def list_accounts(shop: Shop) -> list[ProviderAccount]:
    """All of the shop's, also those that are switched off, in the owner's order."""
    ours = ProviderAccount.objects().where(ProviderAccount.shop == shop.id)
    return await ours.order_by(ProviderAccount.position, ProviderAccount.id)


def offers_of(accounts: Sequence[ProviderAccount]) -> list[Offer]:
    """Every way of every account that is switched on. Beside a live one no test account sells anything."""
    on = [account for account in accounts if account.is_enabled]
    is_live = any(account.mode == "live" for account in on)
    return [
        Offer(account, name, PROVIDERS[account.provider].traits.ways[name])
        for account in on
        if account.mode == "live" or not is_live
        for name in account.ways.split(",")
    ]


async def list_offers(shop: Shop) -> list[Offer]:
    """What the shop's checkout offers."""
    return offers_of(await list_accounts(shop))


def attempt_of(
    payment: Payment, order_name: str = "", customer_email: str = "", locale: Literal["ko", "en"] = "ko"
) -> Attempt:
    """A payment as providers see it. The names are needed where a payment begins."""
    return Attempt(
        reference=payment.reference,
        money=payment.money,
        way=payment.way,
        order_name=order_name,
        customer_email=customer_email,
        created_at=payment.created_at,
        pg_session_id=payment.pg_session_id,
        pg_payment_id=payment.pg_payment_id,
        begin_try=payment.begin_tries,
        confirm_try=max(payment.confirm_tries, 1),
        locale=locale,
    )


async def note_health(account_id: object, error: Exception | None) -> None:
    """What the owner is told of the contract's health. No answer says nothing about it."""
    if isinstance(error, Unreachable):
        return
    row = ProviderAccount.id == account_id
    said = str(error)[:100] if error else None
    await ProviderAccount.update({ProviderAccount.last_error: said}).where(
        row if said else row & ProviderAccount.last_error.is_not_null()
    )


def check_keys(settings: Settings) -> None:
    """Raises BadSetting for keys of the environment that are not what their PG gives, or must not be used here."""
    for provider, gateway in settings.gateways.items():
        if not gateway.credentials:
            continue
        names = GATEWAYS[provider]
        keys = ", ".join(each[0] for each in names.required.values())
        try:
            mode = PROVIDERS[provider].mode_of(gateway.credentials)
        except ValueError as error:
            raise BadSetting(f"{keys}: {error}") from None
        if settings.env == "production" and "mode" in names.optional and "mode" not in gateway.credentials:
            raise BadSetting(
                f"{names.optional['mode'][0]} is missing: write test or live, nothing in the keys tells it."
            )
        known = PROVIDERS[provider].traits.ways
        if unknown := [way for way in gateway.ways if way not in known]:
            raise BadSetting(
                f"{names.ways}: {', '.join(unknown)} is no way to pay there; known are {', '.join(known)}."
            )
        if mode == "live" and settings.env == "demo":
            raise BadSetting(f"{keys}: the demo takes no live keys, because it must never move real money.")
        if mode == "live" and gateway.is_elsewhere:
            raise BadSetting(
                f"{keys}: a live key goes to its own PG alone: unset {names.api_base[0]} and {names.sdk_url[0]}."
            )


async def adopt(ring: Ring, shop: Shop, provider: str, gateways: Sequence[GatewaySettings]) -> list[ProviderAccount]:
    """Makes keys of the environment the shop's accounts at a PG; none for a shop that has one of its own there.

    Other keys than last time make another row: the older one is switched off, but goes on reconciling and refunding.
    One that a person has switched off stays so.
    """
    ours = (ProviderAccount.shop == shop.id) & (ProviderAccount.provider == provider)
    accounts = [_account_from(ring, shop, provider, gateway) for gateway in gateways]
    keys = [account.account_key for account in accounts]
    async with write_transaction():
        # Its owner may be adding one just now.
        await for_update(Shop.select(Shop.id).where(Shop.id == shop.id).first())
        if await ProviderAccount.exists().where(ours, ProviderAccount.from_environment.eq(False)):
            return []
        for account in accounts:
            current = {
                ProviderAccount.mode: account.mode,
                ProviderAccount.credentials: account.credentials,
                ProviderAccount.merchant: account.merchant,
                ProviderAccount.ways: account.ways,
                ProviderAccount.handoff: account.handoff,
            }
            await ProviderAccount.insert(account).on_conflict(target=ProviderAccount.account_key, action="DO NOTHING")
            same = ProviderAccount.account_key == account.account_key
            await ProviderAccount.update(current).where(same)
            await ProviderAccount.update({ProviderAccount.is_enabled: True}).where(
                same, ProviderAccount.is_stopped.eq(False)
            )
        await ProviderAccount.update({ProviderAccount.is_enabled: False}).where(
            ours & ProviderAccount.account_key.not_in(keys) if keys else ours
        )
    rows = await ProviderAccount.objects().where(ProviderAccount.account_key.is_in(keys)) if keys else []
    return sorted(rows, key=lambda row: keys.index(row.account_key))


def _account_from(ring: Ring, shop: Shop, provider: str, gateway: GatewaySettings) -> ProviderAccount:
    traits, credentials = PROVIDERS[provider].traits, dict(gateway.credentials)
    return ProviderAccount(
        shop=shop.id,
        provider=provider,
        mode=PROVIDERS[provider].mode_of(credentials),
        account_key=f"{shop.id}:{provider}:{credentials[traits.public_key]}",
        from_environment=True,
        merchant=gateway.merchant,
        credentials=ring.seal(json.dumps(credentials), PURPOSE),
        ways=",".join(gateway.ways or [next(iter(traits.ways))]),
        handoff=gateway.handoff,
        position=list(PROVIDERS).index(provider),
    )


async def adopt_environment(settings: Settings, ring: Ring, shops: Sequence[Shop]) -> None:
    """Gives the environment's keys to every shop without an account of its own; keys that are gone sell no more."""
    for provider, gateway in settings.gateways.items():
        for shop in shops:
            await adopt(ring, shop, provider, [gateway] if gateway.credentials else [])
