"""A shop's own contracts with PGs: making one, changing it, switching it, and its place in the checkout.

All in the caller's transaction. Their keys are never shown again: who edits a contract replaces them or leaves them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from app import clock
from app.database import for_update, require_transaction
from app.payments.accounts import PURPOSE, Gateways, list_accounts
from app.payments.providers import PROVIDERS
from app.payments.tables import Payment, ProviderAccount
from app.sealing import Unsealable
from app.settings import GATEWAYS, Settings
from app.shops.tables import Shop


class Why(StrEnum):
    # Not what the PG gives, or keys that do not belong together.
    NO_KEYS = "no_keys"
    LIVE_IN_DEMO = "live_in_demo"
    LIVE_ELSEWHERE = "live_elsewhere"
    OTHER_MODE = "other_mode"
    TAKEN = "taken"
    REPLACED = "replaced"


class ContractRefused(Exception):
    """Nothing was written; the transaction must end without a trace."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Terms:
    """What a contract covers, beside its keys. `merchant` is the PG's name for the shop, or empty."""

    ways: tuple[str, ...]
    handoff: str
    merchant: str


def merchant_key(provider: str) -> str | None:
    """Which of the credentials is the PG's name for the merchant; None where it is asked for beside them."""
    names = GATEWAYS[provider]
    return next((name for name, each in names.required.items() if each == names.merchant), None)


def public_part(account: ProviderAccount) -> dict[str, str]:
    """The credentials that are no secrets, told without opening the others."""
    known = {PROVIDERS[account.provider].traits.public_key: account.account_key.split(":", 2)[2]}
    if name := merchant_key(account.provider):
        known[name] = account.merchant
    if "mode" in GATEWAYS[account.provider].optional:
        known["mode"] = account.mode
    return known


def fixed_part(account: ProviderAccount, is_used: bool) -> dict[str, str]:
    """Those of them that never change: the key that the contract is known by, and once it was paid with all of them."""
    known = public_part(account)
    return known if is_used else {name: known[name] for name in (PROVIDERS[account.provider].traits.public_key,)}


async def is_used(account: ProviderAccount) -> bool:
    """Whether anybody has ever begun to pay with it."""
    return await Payment.exists().where(Payment.account == account.id)


def check_credentials(settings: Settings, provider: str, credentials: Mapping[str, str]) -> str:
    """Which money they move, "test" or "live". Raises ContractRefused for keys that must not be used here."""
    try:
        mode = PROVIDERS[provider].mode_of(credentials)
    except ValueError:
        raise ContractRefused(Why.NO_KEYS) from None
    if mode == "live" and settings.env == "demo":
        raise ContractRefused(Why.LIVE_IN_DEMO)
    if mode == "live" and settings.gateways[provider].is_elsewhere:
        raise ContractRefused(Why.LIVE_ELSEWHERE)
    return mode


async def add_contract(
    gateways: Gateways, shop: Shop, account_id: UUID, provider: str, credentials: Mapping[str, str], terms: Terms
) -> ProviderAccount | None:
    """A new contract, after all the others; those of the environment at this PG sell no more.

    None when it was added before under this id. Raises ContractRefused.
    """
    require_transaction()
    mode = check_credentials(gateways.settings, provider, credentials)
    await _lock(shop)
    key = f"{shop.id}:{provider}:{credentials[PROVIDERS[provider].traits.public_key]}"
    others = await list_accounts(shop)
    if same := next((other for other in others if other.account_key == key), None):
        if same.id == account_id:
            return None
        raise ContractRefused(Why.TAKEN)
    # A form that was gone back to, for other keys.
    is_used = await ProviderAccount.exists().where(ProviderAccount.id == account_id)
    account = ProviderAccount(
        id=clock.new_id() if is_used else account_id,
        shop=shop.id,
        provider=provider,
        mode=mode,
        account_key=key,
        merchant=terms.merchant,
        credentials=_sealed(gateways, credentials),
        ways=",".join(terms.ways),
        handoff=terms.handoff,
        position=max((other.position for other in others), default=-1) + 1,
    )
    await ProviderAccount.insert(account)
    await ProviderAccount.update({ProviderAccount.is_enabled: False}).where(
        ProviderAccount.shop == shop.id,
        ProviderAccount.provider == provider,
        ProviderAccount.from_environment.eq(True),
    )
    return account


async def edit_contract(
    gateways: Gateways, account: ProviderAccount, written: Mapping[str, str], terms: Terms
) -> list[str]:
    """The names of what changed. What was not written stays as it is, and so does what is fixed.

    Raises ContractRefused.
    """
    require_transaction()
    before = await for_update(ProviderAccount.objects().where(ProviderAccount.id == account.id).first())
    try:
        kept = dict(gateways.open(before).credentials)
    except Unsealable:
        kept = {}
    was_used = await is_used(before)
    typed = {name: value for name, value in written.items() if value}
    credentials = kept | public_part(before) | typed | fixed_part(before, was_used)
    if not set(GATEWAYS[before.provider].required) <= set(credentials):
        raise ContractRefused(Why.NO_KEYS)
    mode = check_credentials(gateways.settings, before.provider, credentials)
    if was_used and mode != before.mode:
        raise ContractRefused(Why.OTHER_MODE)
    changed = [name for name, value in credentials.items() if kept.get(name) != value]
    merchant = credentials.get(merchant_key(before.provider) or "", terms.merchant)
    values: dict[str, object] = {"ways": ",".join(terms.ways), "handoff": terms.handoff, "merchant": merchant}
    changed_terms = [name for name, value in values.items() if getattr(before, name) != value]
    if changed:
        # What the PG refused were other keys.
        values |= {"credentials": _sealed(gateways, credentials), "mode": mode, "last_error": None}
    if changed or changed_terms:
        await ProviderAccount.update(values).where(ProviderAccount.id == before.id)
    return changed + changed_terms


async def switch_contract(shop: Shop, account: ProviderAccount, is_enabled: bool) -> bool:
    """Whether it sells; False when it is so already. One that is off still receives, reconciles and refunds.

    Raises ContractRefused for one of the environment where the shop has one of its own at the PG.
    """
    require_transaction()
    await _lock(shop)
    if is_enabled and account.from_environment and has_own(await list_accounts(shop), account.provider):
        raise ContractRefused(Why.REPLACED)
    is_other = ProviderAccount.is_enabled.eq(not is_enabled)
    switched = {ProviderAccount.is_enabled: is_enabled, ProviderAccount.is_stopped: not is_enabled}
    change = ProviderAccount.update(switched)
    return bool(await change.where(ProviderAccount.id == account.id, is_other).returning(ProviderAccount.id))


def has_own(accounts: list[ProviderAccount], provider: str) -> bool:
    """Whether the shop has a contract of its own at this PG."""
    return any(account.provider == provider and not account.from_environment for account in accounts)


async def move_contract(shop: Shop, account: ProviderAccount, by: int) -> tuple[int, int] | None:
    """Its place in the checkout, from 1, before and after; None where it stands at the end already."""
    require_transaction()
    await _lock(shop)
    accounts = await list_accounts(shop)
    here = next(place for place, each in enumerate(accounts) if each.id == account.id)
    there = here + by
    if not 0 <= there < len(accounts):
        return None
    accounts.insert(there, accounts.pop(here))
    for position, each in enumerate(accounts):
        if each.position != position:
            await ProviderAccount.update({ProviderAccount.position: position}).where(ProviderAccount.id == each.id)
    return here + 1, there + 1


async def _lock(shop: Shop) -> None:
    """One change of a shop's contracts at a time."""
    await for_update(Shop.select(Shop.id).where(Shop.id == shop.id).first())


def _sealed(gateways: Gateways, credentials: Mapping[str, str]) -> str:
    return gateways.ring.seal(json.dumps(dict(credentials)), PURPOSE)
