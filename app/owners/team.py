"""The people of a shop: owners by their e-mail addresses, and which role each has where."""

from collections.abc import Sequence

from email_validator import EmailNotValidError, validate_email
from piccolo.columns import UUID

from app import clock
from app.database import require_transaction
from app.owners.roles import Role
from app.owners.tables import Membership, Owner
from app.shops.tables import Shop


class BadAddress(ValueError):
    """No e-mail address."""


def normal_address(text: str) -> str:
    """As it is kept and looked for: however it is written, one address is one owner."""
    return text.strip().lower()


def check_address(text: str) -> str:
    """The address as it is kept. Raises BadAddress."""
    try:
        checked = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise BadAddress(f"{text!r} is not an e-mail address: write one such as owner@example.com.") from None
    return normal_address(checked.normalized)


async def find_owner(email: str) -> Owner | None:
    """By any way of writing the address."""
    address = normal_address(email)
    # PostgreSQL takes no NUL in a text.
    return None if "\0" in address else await Owner.objects().where(Owner.email == address).first()


async def add_owner(email: str) -> Owner:
    """The owner with this address, made where there was none, in the caller's transaction. Raises BadAddress."""
    require_transaction()
    address = check_address(email)
    owner = Owner(email=address, created_at=clock.now())
    await Owner.insert(owner).on_conflict(target=Owner.email, action="DO NOTHING")
    return await Owner.objects().get(Owner.email == address)


async def give_role(owner: Owner, shop: Shop, role: Role) -> None:
    """Whatever role they had there before, in the caller's transaction."""
    require_transaction()
    row = Membership(owner=owner.id, shop=shop.id, role=role, created_at=clock.now())
    await Membership.insert(row).on_conflict(
        target=(Membership.owner, Membership.shop), action="DO UPDATE", values=[Membership.role]
    )


async def role_of(owner: Owner, shop: Shop) -> Role | None:
    row = (
        await Membership.select(Membership.role).where(Membership.owner == owner.id, Membership.shop == shop.id).first()
    )
    return Role(row["role"]) if row else None


async def shops_of(owner_id: UUID) -> Sequence[tuple[Shop, Role]]:
    """Where they are members, by the shops' names in the URL."""
    rows = await Membership.objects(Membership.shop).where(Membership.owner == owner_id)
    found = [(row.shop, Role(row.role)) for row in rows]
    return sorted(found, key=lambda each: each[0].domain)
