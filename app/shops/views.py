"""Products as pages show them."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from app.money import Money
from app.shops.tables import Product

FEW = 5
"""From here down a list says how many are left."""


@dataclass(frozen=True, slots=True)
class ProductView:
    id: UUID
    name: str
    description: str
    facts: list[tuple[str, str]]
    price: Money
    image_url: str
    image_alt: str
    stock: int | None
    left: int | None
    sold_out: bool
    url: str


def view_of(product: Product, url: Callable[..., str], domain: str) -> ProductView:
    facts = [tuple(part.strip() for part in line.split(":", 1)) for line in product.facts.splitlines() if ":" in line]
    few = product.stock is not None and 0 < product.stock <= FEW
    return ProductView(
        id=product.id,
        name=product.name,
        description=product.description,
        facts=facts,
        price=product.unit_price,
        image_url=product.image_url,
        image_alt=product.image_alt,
        stock=product.stock,
        left=product.stock if few else None,
        sold_out=product.is_sold_out,
        url=url("product", domain=domain, product_id=str(product.id)),
    )
