"""The only way from a URL to a payment or an account: what is not this shop's, or not this PG's, does not exist."""

from app.orders.tables import Order
from app.payments.tables import Payment, ProviderAccount
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
