"""Writing shops and products: what may be saved at all. Products are edited in the caller's transaction."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from uuid import UUID

from app import clock
from app.database import for_update, require_transaction, write_transaction
from app.shops.tables import Product, Shop
from app.shops.tenancy import check_domain, list_all_products

MOST_STOCK = 9_999_999


class BadProduct(ValueError):
    """A product that cannot be sold; the message says what to change."""


class Changed(Exception):
    """Somebody else has saved it meanwhile."""


class CurrencyInUse(Exception):
    """There are prices in the shop's currency already."""


class OutOfStock(Exception):
    """So many were sold meanwhile that the stock would fall below nothing. `left` is what is left."""

    def __init__(self, left: int) -> None:
        super().__init__(left)
        self.left = left


@dataclass(frozen=True, slots=True)
class Details:
    """What a person says of a product. `price` is in minor units of the shop's currency."""

    name: str
    price: int
    description: str = ""
    facts: str = ""
    image_url: str = ""
    image_alt: str = ""
    max_per_order: int | None = None


@dataclass(frozen=True, slots=True)
class StockChange:
    """The stock that a person saw, and the stock that they want in its place; None is without limit."""

    seen: int | None
    wanted: int | None


# Of each column that changed: what it was, and what it is.
Changes = Mapping[str, tuple[object, object]]


async def add_shop(domain: str, name: str, **details: object) -> Shop:
    """Raises tenancy.BadDomain. The domain must be free."""
    shop = Shop(domain=check_domain(domain), name=name, **details)
    await Shop.insert(shop)
    return shop


async def edit_shop(shop: Shop, version: int, values: Mapping[str, object]) -> Changes:
    """Saves settings, by their columns, that a person wrote who saw this version. Raises Changed and CurrencyInUse."""
    require_transaction()
    before = await for_update(Shop.objects().where(Shop.id == shop.id).first())
    if before.version != version:
        raise Changed
    changes = {name: (getattr(before, name), value) for name, value in values.items() if getattr(before, name) != value}
    # What was ever ordered is a product still.
    if "currency" in changes and await Product.exists().where(Product.shop == shop.id):
        raise CurrencyInUse
    if changes:
        await Shop.update({**values, "version": version + 1}).where(Shop.id == shop.id)
    return changes


async def name_for_alerts(shop: Shop, email: str) -> bool:
    """Who is told of what only a person can settle, where the settings name nobody yet; True when nobody was named."""
    require_transaction()
    named = {Shop.alert_email: email, Shop.version: Shop.version + 1}
    return bool(await Shop.update(named).where(Shop.id == shop.id, Shop.alert_email == "").returning(Shop.id))


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


async def create_product(shop: Shop, product_id: UUID, details: Details, stock: int | None, is_active: bool) -> bool:
    """A new product, after all the others of its shop; False when there is one with this id: nothing was written."""
    require_transaction()
    # The shop's row is locked: its currency changes only while it has no product.
    shop = await for_update(Shop.objects().where(Shop.id == shop.id).first())
    others = await list_all_products(shop)
    product = Product(
        id=product_id,
        shop=shop.id,
        currency=shop.currency,
        stock=stock,
        is_active=is_active,
        position=max((other.position for other in others), default=-1) + 1,
        created_at=clock.now(),
        **asdict(details),
    )
    won = await Product.insert(product).on_conflict(target=Product.id, action="DO NOTHING").returning(Product.id)
    return bool(won)


async def edit_product(product: Product, version: int, details: Details, stock: StockChange) -> Changes:
    """Saves what a person wrote who saw this version. Orders keep what they say.

    The stock changes by the difference between what they saw and what they want: what was sold meanwhile stays sold.
    Raises Changed and OutOfStock; then the transaction must end without a trace.
    """
    require_transaction()
    before = await for_update(Product.objects().where(Product.id == product.id).first())
    if before.version != version:
        raise Changed
    values: dict[str, object] = asdict(details)
    changes = {name: (getattr(before, name), value) for name, value in values.items() if getattr(before, name) != value}
    if stock.seen != stock.wanted:
        changes["stock"] = (before.stock, await _change_stock(before, stock))
    if changes:
        await Product.update({**values, "version": version + 1}).where(Product.id == product.id)
    return changes


async def show_product(product: Product, is_active: bool) -> bool:
    """Puts it on the shop's pages, or takes it off them; False when it is so already."""
    require_transaction()
    is_other = Product.is_active.eq(not is_active)
    change = Product.update({Product.is_active: is_active}).where(Product.id == product.id, is_other)
    return bool(await change.returning(Product.id))


async def move_product(shop: Shop, product: Product, by: int) -> tuple[int, int] | None:
    """Its place among the shop's products, from 1, before and after; None where it stands at the end already."""
    require_transaction()
    await for_update(Shop.select(Shop.id).where(Shop.id == shop.id).first())
    products = await list_all_products(shop)
    here = next(place for place, each in enumerate(products) if each.id == product.id)
    there = here + by
    if not 0 <= there < len(products):
        return None
    products.insert(there, products.pop(here))
    for position, each in enumerate(products):
        if each.position != position:
            await Product.update({Product.position: position}).where(Product.id == each.id)
    return here + 1, there + 1


async def _change_stock(before: Product, stock: StockChange) -> int | None:
    if (before.stock is None) != (stock.seen is None):
        raise Changed
    if stock.seen is None or stock.wanted is None:
        await Product.update({Product.stock: stock.wanted}).where(Product.id == before.id)
        return stock.wanted
    more = stock.wanted - stock.seen
    rows = await Product.raw(
        "UPDATE products SET stock = stock + {} WHERE id = {} AND stock + {} BETWEEN 0 AND {} RETURNING stock",
        more,
        before.id,
        more,
        MOST_STOCK,
    )
    if not rows:
        raise OutOfStock(before.stock)
    return rows[0]["stock"]
