"""Setting a password by a link that works once: mailed to who has forgotten theirs, shown to who adds an owner."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from app import clock
from app.database import for_update, require_transaction, write_transaction
from app.jobs.queue import enqueue
from app.language import translator
from app.messages.posting import post
from app.owners.audit import Action
from app.owners.logins import hash_of
from app.owners.passwords import Passwords
from app.owners.signing_in import SignedIn, set_password, welcome
from app.owners.tables import Owner, PasswordReset
from app.owners.team import find_owner, normal_address, shops_of
from app.owners.throttling import admit, buckets_for_asking
from app.settings import Settings

VALID = timedelta(hours=1)
# A link that is handed over by a person.
VALID_BY_HAND = timedelta(days=1)
# However often somebody asks: a stranger who does fills nobody's letter box.
ONE_MAIL_IN = timedelta(minutes=5)


class LinkIsSpent(Exception):
    """The link was used, has expired, or never was one."""


async def ask_for_mail(email: str, address: str) -> None:
    """The same for every e-mail address: whether it is an owner's is looked up by the job. Raises TooManyTries."""
    await admit(buckets_for_asking(address))
    number = str(clock.new_id())
    async with write_transaction():
        await enqueue("password_reset", {"email": normal_address(email)[:254], "reset": number}, f"reset:{number}")


async def write(settings: Settings, payload: Mapping[str, str]) -> None:
    """The job "password_reset": a mail with a link, if this is an owner's address and none was sent just now."""
    owner = await find_owner(payload["email"])
    if owner is None:
        return
    recent = (PasswordReset.owner == owner.id) & (PasswordReset.created_at > clock.now() - ONE_MAIL_IN)
    if await PasswordReset.exists().where(recent, PasswordReset.used_at.is_null()):
        return
    shops = await shops_of(owner.id)
    _ = translator(shops[0][0].locale if shops and shops[0][0].locale == "en" else "ko")
    async with write_transaction():
        link = await new_link(settings, owner, VALID)
        body = "\n\n".join(
            (
                _("비밀번호를 새로 정해 달라는 요청을 받았습니다. 아래 주소에서 한 시간 안에 정해 주세요."),
                link,
                _("요청하신 적이 없다면 이 메일을 버려 주세요. 비밀번호는 그대로입니다."),
            )
        )
        subject = _("[Sellog] 비밀번호를 새로 정해 주세요")
        await post(settings, f"reset:{payload['reset']}", "Sellog", owner.email, subject, f"{body}\n", is_secret=True)


async def new_link(settings: Settings, owner: Owner, valid: timedelta) -> str:
    """A link that sets this owner's password once, in the caller's transaction."""
    require_transaction()
    token, now = clock.new_token(), clock.now()
    reset = PasswordReset(owner=owner.id, token_hash=hash_of(token), created_at=now, expires_at=now + valid)
    await PasswordReset.insert(reset)
    return f"{settings.base_url}/login/reset/{token}"


async def find_owner_of_link(token: str) -> Owner:
    """Whose password the link sets. Raises LinkIsSpent."""
    reset = await PasswordReset.objects(PasswordReset.owner).where(_is_good(token)).first()
    if reset is None:
        raise LinkIsSpent
    return reset.owner


async def use_link(passwords: Passwords, keys: Sequence[bytes], token: str, password: str) -> SignedIn:
    """Sets the password, ends every login and every other link of the owner, and signs in. Raises LinkIsSpent."""
    owner = await find_owner_of_link(token)
    password_hash = await passwords.hash(password)
    async with write_transaction():
        # Two links of one owner, used at once, take turns.
        await for_update(Owner.objects().where(Owner.id == owner.id)).first()
        used = {PasswordReset.used_at: clock.now()}
        if not await PasswordReset.update(used).where(_is_good(token)).returning(PasswordReset.id):
            raise LinkIsSpent
        await PasswordReset.update(used).where(PasswordReset.owner == owner.id, PasswordReset.used_at.is_null())
        await set_password(owner, password_hash, Action.PASSWORD_SET)
        return await welcome(keys, owner)


def _is_good(token: str) -> object:
    is_unused = PasswordReset.used_at.is_null() & (PasswordReset.expires_at > clock.now())
    return (PasswordReset.token_hash == hash_of(token)) & is_unused
