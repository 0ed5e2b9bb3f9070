"""The only way from a URL to a payment, an account or what hangs on one: what is not this shop's, or not this PG's,
does not exist.
"""

from collections.abc import Collection
from uuid import UUID

from app.orders.tables import Order
from app.payments.tables import Difference, InboxEvent, Payment, ProviderAccount
from app.shops.tables import Shop
from app.shops.tenancy import NotFound, read_id


async def find_payment(shop: Shop, token: str) -> tuple[Payment, Order]:
    """The payment and its order. Raises NotFound."""
    payment = await Payment.objects().where(Payment.token == token).first()
    order = await Order.objects().where(Order.id == payment.order, Order.shop == shop.id).first() if payment else None
    if payment is None or order is None:
        raise NotFound
    return payment, order


async def find_account(provider: str, account_id: str) -> ProviderAccount:
    """Also one that is switched off: it still receives. Raises NotFound."""
    account = (
        await ProviderAccount.objects()
        .where(ProviderAccount.id == read_id(account_id), ProviderAccount.provider == provider)
        .first()
    )
    if account is None:
        raise NotFound
    return account


async def list_accounts(shop: Shop) -> dict[UUID, ProviderAccount]:
    """All that the shop ever had, by their ids."""
    accounts = ProviderAccount.objects().where(ProviderAccount.shop == shop.id)
    return {account.id: account for account in await accounts}


async def find_event(shop: Shop, event_id: str) -> InboxEvent:
    """A webhook that came to an account of this shop. Raises NotFound."""
    event = await InboxEvent.objects().where(InboxEvent.id == read_id(event_id)).first()
    if event is None or event.account not in await list_accounts(shop):
        raise NotFound
    return event


async def find_difference(shop: Shop, difference_id: str) -> Difference:
    """A difference at an account of this shop. Raises NotFound."""
    difference = await Difference.objects().where(Difference.id == read_id(difference_id)).first()
    if difference is None or difference.account not in await list_accounts(shop):
        raise NotFound
    return difference


async def list_orders_of(shop: Shop, payments: Collection[UUID]) -> dict[UUID, str]:
    """The numbers of the orders that these payments of the shop belong to, by the payments' ids."""
    if not payments:
        return {}
    rows = await Payment.select(Payment.id, Payment.order.number).where(
        Payment.id.is_in(list(payments)), Payment.order.shop == shop.id
    )
    return {row["id"]: row["order.number"] for row in rows}


async def find_shops_account(shop: Shop, account_id: str) -> ProviderAccount:
    """An account of this shop, on or off: for its owner. Raises NotFound."""
    account = (
        await ProviderAccount.objects()
        .where(ProviderAccount.id == read_id(account_id), ProviderAccount.shop == shop.id)
        .first()
    )
    if account is None:
        raise NotFound
    return account


async def find_own_account(shop: Shop, account_id: str) -> ProviderAccount:
    """One that the shop's people added, whose keys they may change. Raises NotFound."""
    account = await find_shops_account(shop, account_id)
    if account.from_environment:
        raise NotFound
    return account
