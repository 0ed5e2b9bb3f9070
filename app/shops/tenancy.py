"""The only way to obtain a shop or one of its products: what is not this shop's does not exist."""

import re
from uuid import UUID

from app.shops.tables import Product, Shop

RESERVED = frozenset(
    "admin api app assets callback control docs favicon.ico healthz language login logout metrics owner readyz "
    "robots.txt sandbox schema sellog sitemap.xml static webhooks well-known www".split()
)
"""First segments of our own paths, present and likely, that no shop may have."""

_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{1,38}")


class NotFound(Exception):
    """No such thing here. A thing of another shop is the same as no thing at all."""


class BadDomain(ValueError):
    """A name that no shop can have; the message says why."""


def check_domain(domain: str) -> str:
    """Raises BadDomain."""
    if not _DOMAIN.fullmatch(domain):
        raise BadDomain(f"{domain!r}: a shop's name in the URL is 2 to 39 of a-z, 0-9 and -, a letter or digit first")
    if domain in RESERVED:
        raise BadDomain(f"{domain!r} is a name that Sellog keeps for itself")
    return domain


async def find_shop(domain: str) -> Shop:
    """Raises NotFound."""
    if not _DOMAIN.fullmatch(domain) or domain in RESERVED:
        raise NotFound
    shop = await Shop.objects().where(Shop.domain == domain).first()
    if shop is None:
        raise NotFound
    return shop


def read_id(text: str) -> UUID:
    """Raises NotFound: nothing has an id that is none."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None


async def find_product(shop: Shop, product_id: str) -> Product:
    """An active product of this shop. Raises NotFound."""
    product = (
        await Product.objects()
        .where(Product.id == read_id(product_id), Product.shop == shop.id, Product.is_active.eq(True))
        .first()
    )
    if product is None:
        raise NotFound
    return product


async def list_products(shop: Shop) -> list[Product]:
    """What the shop shows, in its own order."""
    return (
        await Product.objects()
        .where(Product.shop == shop.id, Product.is_active.eq(True))
        .order_by(Product.position)
        .order_by(Product.created_at)
    )


async def find_any_product(shop: Shop, product_id: str) -> Product:
    """A product of this shop, hidden or not: for its owner. Raises NotFound."""
    product = await Product.objects().where(Product.id == read_id(product_id), Product.shop == shop.id).first()
    if product is None:
        raise NotFound
    return product


async def list_all_products(shop: Shop) -> list[Product]:
    """Also the hidden ones, in the shop's own order: for its owner."""
    products = Product.objects().where(Product.shop == shop.id)
    return await products.order_by(Product.position).order_by(Product.created_at)
