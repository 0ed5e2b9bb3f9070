"""Inviting: somebody new at a shop, and the mail that tells them how to come in."""

from datetime import timedelta

from app import clock
from app.database import write_transaction
from app.language import Translator, translator
from app.messages.posting import post
from app.owners import audit
from app.owners.audit import Action
from app.owners.resetting import new_link
from app.owners.roles import WORDS, Role
from app.owners.tables import Owner
from app.owners.team import add_owner, join, normal_address
from app.owners.throttling import admit, buckets_for_inviting
from app.settings import Settings
from app.shops.tables import Shop

# A mail may lie unread for a weekend.
VALID = timedelta(days=3)


async def invite(settings: Settings, shop: Shop, email: str, role: Role, by: str) -> bool:
    """A member from now on; False where they are one already. Raises team.BadAddress and TooManyTries.

    They are told by mail, where mails go out at all. Whoever has no password yet finds a link there that sets one: it
    is shown to nobody else, because it opens every shop that they work for.
    """
    await admit(buckets_for_inviting(shop.id, normal_address(email)))
    async with write_transaction():
        owner = await add_owner(email)
        if not await join(owner, shop, role):
            return False
        await audit.record(shop, by, Action.MEMBER_ADDED, owner.email, {"role": role})
        if settings.mail_server:
            _ = translator("en" if shop.locale == "en" else "ko")
            subject = _("[%(shop)s] 함께 일하게 되었어요", shop=shop.name)
            body = await _body(settings, shop, owner, role, _)
            key = f"invited:{clock.new_id()}"
            await post(settings, key, shop.name, owner.email, subject, body, is_secret=True)
        return True


async def _body(settings: Settings, shop: Shop, owner: Owner, role: Role, _: Translator) -> str:
    if owner.password_hash:
        how = _("쓰시던 비밀번호로 아래 주소에서 들어오세요.")
        link = f"{settings.base_url}/login?next=/{shop.domain}/owner"
    else:
        how = _("아래 주소에서 사흘 안에 비밀번호를 정하고 들어오세요.")
        link = await new_link(settings, owner, VALID)
    lead = _("%(shop)s의 관리 화면에 등록되었습니다. 역할: %(role)s", shop=shop.name, role=_(WORDS[role]))
    return "\n\n".join((lead, how, link, _("모르는 가게라면 이 메일을 버려 주세요."))) + "\n"
