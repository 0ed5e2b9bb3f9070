"""Signing in, and changing the password of who is signed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.database import for_update, write_transaction
from app.owners import audit
from app.owners.audit import Action
from app.owners.devices import known_device, new_device
from app.owners.logins import end_login, end_logins_of, open_login
from app.owners.passwords import Passwords
from app.owners.tables import Owner
from app.owners.team import find_owner, normal_address, shops_of
from app.owners.throttling import admit, buckets_for_changing, buckets_for_signing_in, forgive


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in: its network address, and the cookies that it had."""

    address: str
    login: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The values of the browser's new cookies."""

    owner_id: UUID
    login: str
    device: str


async def sign_in(
    passwords: Passwords, keys: Sequence[bytes], browser: Browser, email: str, password: str
) -> SignedIn | None:
    """None for a wrong password and for an unknown address alike, after the same work. Raises TooManyTries.

    The login is a new one, and ends the one that the browser had.
    """
    address = normal_address(email)
    buckets = buckets_for_signing_in(address, browser.address, known_device(keys, address, browser.device))
    await admit(buckets)
    owner = await find_owner(address)
    if not await passwords.verify(owner.password_hash if owner else None, password) or owner is None:
        return None
    async with write_transaction():
        if not await _is_still(owner):
            return None
        await forgive(buckets)
        await end_login(browser.login)
        return await welcome(keys, owner)


async def welcome(keys: Sequence[bytes], owner: Owner) -> SignedIn:
    """A login for an owner who has shown who they are, in the caller's transaction."""
    return SignedIn(owner.id, await open_login(owner.id), new_device(keys, owner.email))


async def change_password(
    passwords: Passwords, keys: Sequence[bytes], owner: Owner, current: str, new: str
) -> SignedIn | None:
    """Ends every login of the owner and opens one for this browser. None for a wrong current password.

    Raises TooManyTries: whoever sits down at somebody's browser guesses no quicker there.
    """
    buckets = buckets_for_changing(owner.id)
    await admit(buckets)
    if not await passwords.verify(owner.password_hash, current):
        return None
    new_hash = await passwords.hash(new)
    async with write_transaction():
        if not await _is_still(owner):
            return None
        await forgive(buckets)
        await set_password(owner, new_hash, Action.PASSWORD_CHANGED)
        return await welcome(keys, owner)


async def set_password(owner: Owner, password_hash: str, action: Action) -> None:
    """In the caller's transaction; who knew the old one is signed out everywhere."""
    await Owner.update({Owner.password_hash: password_hash}).where(Owner.id == owner.id)
    await end_logins_of(owner.id)
    await record_everywhere(owner, action)


async def sign_out_everywhere(owner: Owner) -> None:
    async with write_transaction():
        await end_logins_of(owner.id)
        await record_everywhere(owner, Action.SIGNED_OUT_EVERYWHERE)


async def record_everywhere(owner: Owner, action: Action) -> None:
    """What an owner did to their own account concerns each shop that they work for."""
    for shop, _ in await shops_of(owner.id):
        await audit.record(shop, owner.email, action)


async def _is_still(owner: Owner) -> bool:
    """Whether the password that was looked at is the owner's still, and stays so until the transaction ends."""
    same = (Owner.id == owner.id) & (Owner.password_hash == owner.password_hash)
    return await for_update(Owner.objects().where(same)).first() is not None
