"""The people of a shop: owners by their e-mail addresses, and which role each has where.

A shop that has an owner keeps one. Whoever changes roles holds the shop's row, so that two of them take turns.
"""

from collections.abc import Sequence
from uuid import UUID

from email_validator import EmailNotValidError, validate_email

from app import clock
from app.database import for_update, require_transaction
from app.owners.roles import RANK, Role
from app.owners.tables import Membership, Owner
from app.shops.tables import Shop
from app.shops.tenancy import NotFound, read_id


class BadAddress(ValueError):
    """No e-mail address."""


class LastOwner(Exception):
    """The shop would be left without an owner."""


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


async def join(owner: Owner, shop: Shop, role: Role) -> bool:
    """Somebody new, in the caller's transaction; False where they are a member already, who keep their role."""
    require_transaction()
    row = Membership(owner=owner.id, shop=shop.id, role=role, created_at=clock.now())
    target = (Membership.owner, Membership.shop)
    return bool(await Membership.insert(row).on_conflict(target=target, action="DO NOTHING").returning(Membership.id))


async def give_role(owner: Owner, shop: Shop, role: Role) -> None:
    """Whether or not they were a member before, in the caller's transaction. Raises LastOwner."""
    if not await join(owner, shop, role):
        await change_role(owner, shop, role)


async def change_role(owner: Owner, shop: Shop, role: Role) -> Role | None:
    """In the caller's transaction; the role that they had, None where they are no member. Raises LastOwner."""
    before = await _hold_role(owner.id, shop)
    if before is not None and before is not role:
        await _check_owner_stays(owner.id, shop, before)
        changed = {Membership.role: role}
        await Membership.update(changed).where(Membership.owner == owner.id, Membership.shop == shop.id)
    return before


async def dismiss(owner: Owner, shop: Shop) -> Role | None:
    """Out of the shop from the next request on, in the caller's transaction; the role that they had. What they are
    elsewhere they stay, and their login with it. Raises LastOwner.
    """
    before = await _hold_role(owner.id, shop)
    if before is not None:
        await _check_owner_stays(owner.id, shop, before)
        await Membership.delete().where(Membership.owner == owner.id, Membership.shop == shop.id)
    return before


async def _hold_role(owner_id: UUID, shop: Shop) -> Role | None:
    """The role as it stays until the transaction ends, unless the caller changes it."""
    require_transaction()
    await for_update(Shop.select(Shop.id).where(Shop.id == shop.id).first())
    row = (
        await Membership.select(Membership.role).where(Membership.owner == owner_id, Membership.shop == shop.id).first()
    )
    return Role(row["role"]) if row else None


async def _check_owner_stays(owner_id: UUID, shop: Shop, before: Role) -> None:
    """Before somebody is an owner no more. Who has no password yet may never come. Raises LastOwner."""
    others = (Membership.shop == shop.id) & (Membership.owner != owner_id) & (Membership.role == Role.OWNER)
    if before is Role.OWNER and not await Membership.exists().where(
        others, Membership.owner.password_hash.is_not_null()
    ):
        raise LastOwner


async def list_members(shop: Shop) -> Sequence[tuple[Owner, Role]]:
    """The owners first, by their addresses."""
    rows = await Membership.objects(Membership.owner).where(Membership.shop == shop.id)
    found = [(row.owner, Role(row.role)) for row in rows]
    return sorted(found, key=lambda each: (-RANK[each[1]], each[0].email))


async def find_member(shop: Shop, number: str) -> Owner:
    """Raises NotFound: who is no member of this shop is nobody here."""
    is_theirs = (Membership.shop == shop.id) & (Membership.owner == read_id(number))
    row = await Membership.objects(Membership.owner).where(is_theirs).first()
    if row is None:
        raise NotFound
    return row.owner


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
