"""Writing shops and products: what may be saved at all."""

from app.database import write_transaction
from app.shops.tables import Product, Shop
from app.shops.tenancy import check_domain


class BadProduct(ValueError):
    """A product that cannot be sold; the message says what to change."""


async def add_shop(domain: str, name: str, **details: object) -> Shop:
    """Raises tenancy.BadDomain. The domain must be free."""
    shop = Shop(domain=check_domain(domain), name=name, **details)
    await Shop.insert(shop)
    return shop


async def add_product(shop: Shop, name: str, price: int, **details: object) -> Product:
    """`price` in minor units of the shop's currency. Raises BadProduct."""
    stock, most = details.get("stock"), details.get("max_per_order")
    if not name.strip():
        raise BadProduct("상품 이름을 적어 주세요.")
    if price < 1:
        raise BadProduct("가격은 1원 이상이어야 합니다.")
    if isinstance(stock, int) and stock < 0:
        raise BadProduct("재고는 0개 이상이어야 합니다.")
    if isinstance(most, int) and most < 1:
        raise BadProduct("한 번에 살 수 있는 수량은 1개 이상이어야 합니다.")
    product = Product(shop=shop.id, name=name, price=price, currency=shop.currency, **details)
    async with write_transaction():
        await Product.insert(product)
    return product
