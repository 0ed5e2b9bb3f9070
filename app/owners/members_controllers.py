"""Who may come in at the desk, and as what."""

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from app.database import write_transaction
from app.language import N_
from app.owners import audit
from app.owners.admission import Member, needs
from app.owners.audit import Action, from_to
from app.owners.frame import desk_page
from app.owners.inviting import invite
from app.owners.login_controllers import fields_of, retry_after
from app.owners.roles import WORDS, Role
from app.owners.team import BadAddress, LastOwner, change_role, dismiss, find_member, list_members
from app.owners.throttling import TooManyTries

MAY = {
    Role.VIEWER: N_("주문과 매출을 봅니다."),
    Role.STAFF: N_("주문을 살피고 환불하고, 받은 알림과 대조를 맡습니다."),
    Role.OWNER: N_("상품, 결제 설정, 가게 설정과 함께 일하는 사람까지 모두 맡습니다."),
}
"""What each role is for."""

SAID = {
    "added": N_("함께 일할 사람을 더했습니다. 들어오는 방법을 메일로 알려 드렸어요."),
    "added_unsent": N_(
        "함께 일할 사람을 더했습니다. 이 설치에서는 메일이 나가지 않으니, 비밀번호를 정하는 링크는 "
        "서버를 돌보는 사람이 ./sellog owner add로 만들어 드려야 해요."
    ),
    "changed": N_("역할을 바꿨습니다."),
    "removed": N_("내보냈습니다. 이 가게의 관리 화면에는 바로 못 들어와요."),
}

WRONG_ADDRESS = N_("이메일 주소를 다시 확인해 주세요. 예: minji.kim@example.com")
WRONG_ROLE = N_("목록에서 하나 골라 주세요.")
IS_MEMBER = N_("이미 함께 일하는 분이에요. 역할은 위의 목록에서 바꿔 주세요.")
TOO_MANY = N_("너무 여러 번 초대했습니다. 잠시 뒤에 다시 해 주세요.")
NO_OWNER_LEFT = N_(
    "비밀번호를 정한 사장님이 한 분은 남아야 해요. 먼저 다른 분을 사장님으로 정하고, 들어와 보게 해 주세요."
)


class MembersController(Controller):
    path = "/{domain:str}/owner/members"

    @get("/", name="owner_members", guards=[needs(Role.OWNER)])
    async def show(self, request: Request, member: NamedDependency[Member]) -> Response:
        said = SAID.get(request.query_params.get("said", ""), "")
        return await _page(request, member, 200, said=said)

    @post("/", name="owner_member_add", guards=[needs(Role.OWNER)])
    async def add(self, request: Request, member: NamedDependency[Member]) -> Response:
        form, settings = await fields_of(request, "email", "role"), request.app.state.settings
        role = _role_of(form["role"])
        if role is None:
            return await _page(request, member, 422, form, {"role": WRONG_ROLE})
        try:
            is_new = await invite(settings, member.shop, form["email"], role, member.owner.email)
        except TooManyTries as refusal:
            return await _page(request, member, 429, form, {"email": TOO_MANY}, retry_after(refusal))
        except BadAddress:
            return await _page(request, member, 422, form, {"email": WRONG_ADDRESS})
        if not is_new:
            return await _page(request, member, 409, form, {"email": IS_MEMBER})
        request.app.state.wake.set()
        return _back(request, member, "added" if settings.mail_server else "added_unsent")

    @post("/{owner_id:str}/role", name="owner_member_role", guards=[needs(Role.OWNER)])
    async def change(self, request: Request, member: NamedDependency[Member], owner_id: FromPath[str]) -> Response:
        owner = await find_member(member.shop, owner_id)
        role = _role_of((await fields_of(request, "role"))["role"])
        if role is None:
            return await _page(request, member, 422, problem=WRONG_ROLE)
        try:
            async with write_transaction():
                before = await change_role(owner, member.shop, role)
                if before not in (None, role):
                    said = from_to({"role": (before, role)})
                    await audit.record(member.shop, member.owner.email, Action.MEMBER_CHANGED, owner.email, said)
        except LastOwner:
            return await _page(request, member, 409, problem=NO_OWNER_LEFT)
        return _on(request, member, owner.id == member.owner.id, "changed")

    @post("/{owner_id:str}/remove", name="owner_member_remove", guards=[needs(Role.OWNER)])
    async def remove(self, request: Request, member: NamedDependency[Member], owner_id: FromPath[str]) -> Response:
        owner = await find_member(member.shop, owner_id)
        try:
            async with write_transaction():
                before = await dismiss(owner, member.shop)
                if before is not None:
                    said = {"role": before}
                    await audit.record(member.shop, member.owner.email, Action.MEMBER_REMOVED, owner.email, said)
        except LastOwner:
            return await _page(request, member, 409, problem=NO_OWNER_LEFT)
        return _on(request, member, owner.id == member.owner.id, "removed")


def _role_of(text: str) -> Role | None:
    return Role(text) if text in list(Role) else None


def _back(request: Request, member: Member, said: str) -> Response:
    url = request.app.route_reverse("owner_members", domain=member.shop.domain)
    return Redirect(f"{url}?said={said}", status_code=303)


def _on(request: Request, member: Member, is_self: bool, said: str) -> Response:
    """Whoever has changed their own role may not see this page any more."""
    return Redirect(request.app.route_reverse("login"), status_code=303) if is_self else _back(request, member, said)


async def _page(
    request: Request,
    member: Member,
    code: int,
    form: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    **context: str,
) -> Response:
    said = {"said": "", "problem": "", **context}
    answer = desk_page(
        request,
        member,
        "owner/members.html",
        code,
        members=await list_members(member.shop),
        form=form or {"email": "", "role": Role.STAFF},
        errors=errors or {},
        roles=[(role, WORDS[role], MAY[role]) for role in Role],
        **said,
    )
    answer.headers.update(headers or {})
    return answer
