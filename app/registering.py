"""Opening a shop and seating its people, for the command line: the first of them have nobody who could invite them."""

from app.database import write_transaction
from app.owners import audit
from app.owners.audit import COMMAND, Action, from_to
from app.owners.resetting import VALID_BY_HAND, new_link
from app.owners.roles import Role
from app.owners.team import BadAddress, LastOwner, add_owner, give_role
from app.payments.accounts import adopt_environment
from app.sealing import Ring
from app.settings import Settings
from app.shops.catalogue import add_shop, name_for_alerts
from app.shops.tables import Shop
from app.shops.tenancy import BadDomain, NotFound, check_domain, find_shop


class Refused(Exception):
    """An argument that makes no sense; the message says why and what to write instead."""


async def create_shop(settings: Settings, domain: str, name: str) -> None:
    """A shop that can be paid with the environment's keys, if there are any. Raises Refused."""
    longest = Shop.name.length
    if not 0 < len(name.strip()) <= longest or "\0" in name:
        raise Refused(f"--name: a shop's name for people has 1 to {longest} characters.")
    try:
        check_domain(domain)
    except BadDomain as error:
        raise Refused(f"{error}.") from None
    async with write_transaction():
        if await Shop.exists().where(Shop.domain == domain):
            raise Refused(f"There is a shop {domain!r} already: choose another name.")
        shop = await add_shop(domain, name.strip())
        await audit.record(shop, COMMAND, Action.SHOP_CREATED, domain)
    await adopt_environment(settings, Ring(settings.secret_keys), [shop])


async def add_member(settings: Settings, email: str, domain: str, role: Role) -> str | None:
    """Gives somebody a role; a link that sets their password once, if they have none yet. Raises Refused.

    The first owner is told by mail of what only a person can settle.
    """
    try:
        shop = await find_shop(domain)
    except NotFound:
        raise Refused(f"--shop: there is no shop {domain!r}. `./sellog shop create` makes one.") from None
    async with write_transaction():
        try:
            owner = await add_owner(email)
        except BadAddress as error:
            raise Refused(str(error)) from None
        try:
            await give_role(owner, shop, role)
        except LastOwner:
            raise Refused(
                f"{owner.email} is the only owner of {domain!r} who can sign in: let another one set a password first."
            ) from None
        await audit.record(shop, COMMAND, Action.MEMBER_ADDED, owner.email, {"role": role})
        if role is Role.OWNER and await name_for_alerts(shop, owner.email):
            said = from_to({"alert_email": (None, owner.email)})
            await audit.record(shop, COMMAND, Action.SETTINGS_CHANGED, "", said)
        return None if owner.password_hash else await new_link(settings, owner, VALID_BY_HAND)
