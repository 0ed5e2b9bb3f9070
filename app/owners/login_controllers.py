"""Signing in and out, and the owner's own account."""

from urllib.parse import urlsplit

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from app.language import Translator, translator
from app.owners.admission import needs_login
from app.owners.cookies import read_cookie, set_cookie
from app.owners.logins import end_login, find_owner_of_login
from app.owners.passwords import NewPassword
from app.owners.roles import WORDS
from app.owners.signing_in import Browser, SignedIn, change_password, sign_in, sign_out_everywhere
from app.owners.tables import Owner
from app.owners.team import shops_of
from app.owners.throttling import TooManyTries
from app.pages import language_of, page


class LoginController(Controller):
    path = "/login"

    @get("/", name="login")
    async def show(self, request: Request, next: FromQuery[str] = "") -> Response:
        """The form; who is signed in already goes on to the shop, or chooses one of several."""
        owner = await find_owner_of_login(read_cookie(request, "login"))
        if owner is None:
            return page(request, "owner/login.html", None, next=local_path(next), email="", problem="")
        shops = await shops_of(owner.id)
        if len(shops) == 1:
            return Redirect(request.app.route_reverse("owner", domain=shops[0][0].domain), status_code=303)
        return page(request, "owner/shops.html", None, shops=[(shop, WORDS[role]) for shop, role in shops])

    @post("/", name="sign_in")
    async def sign_in(self, request: Request) -> Response:
        form, _ = await fields_of(request, "email", "password", "next"), translator(language_of(request, None))
        where = local_path(form["next"])
        state = request.app.state
        try:
            keys = state.settings.secret_keys
            found = await sign_in(state.passwords, keys, browser_of(request), form["email"], form["password"])
        except TooManyTries as refusal:
            code, problem, headers = 429, wait_sentence(refusal, _), retry_after(refusal)
        else:
            if found is not None:
                return signed_in(request, found, where or request.app.route_reverse("login"))
            code, problem, headers = 422, _("이메일이나 비밀번호가 맞지 않아요."), None
        context = {"next": where, "email": form["email"], "problem": problem}
        return page(request, "owner/login.html", None, code, headers, **context)


class LogoutController(Controller):
    path = "/logout"

    @post("/", name="logout")
    async def sign_out(self, request: Request) -> Response:
        await end_login(read_cookie(request, "login"))
        return signed_out(request)

    @post("/everywhere", name="logout_everywhere", guards=[needs_login])
    async def sign_out_everywhere(self, request: Request, owner: NamedDependency[Owner]) -> Response:
        await sign_out_everywhere(owner)
        return signed_out(request)


class AccountController(Controller):
    path = "/login/account"
    guards = (needs_login,)

    @get("/", name="account")
    async def show(self, request: Request, owner: NamedDependency[Owner]) -> Response:
        return await account_page(request, owner, 200, {})

    @post("/", name="change_password")
    async def change_password(self, request: Request, owner: NamedDependency[Owner]) -> Response:
        form = await fields_of(request, "current", "password", "again")
        _ = translator(language_of(request, None))
        problems = NewPassword(form["password"], form["again"]).problems(owner.email, _)
        if problems:
            return await account_page(request, owner, 422, problems)
        state = request.app.state
        try:
            found = await change_password(
                state.passwords,
                state.settings.secret_keys,
                owner,
                form["current"],
                form["password"],
            )
        except TooManyTries as refusal:
            problems = {"current": wait_sentence(refusal, _)}
            return await account_page(request, owner, 429, problems, retry_after(refusal))
        if found is None:
            return await account_page(request, owner, 422, {"current": _("지금 비밀번호가 맞지 않아요.")})
        return signed_in(request, found, request.app.route_reverse("account") + "?changed=1")


async def account_page(
    request: Request, owner: Owner, code: int, problems: dict[str, str], headers: dict[str, str] | None = None
) -> Response:
    shops = [(shop, WORDS[role]) for shop, role in await shops_of(owner.id)]
    is_changed = not problems and request.query_params.get("changed") == "1"
    context = {"owner": owner, "shops": shops, "problems": problems, "is_changed": is_changed}
    return page(request, "owner/account.html", None, code, headers, **context)


async def fields_of(request: Request, *names: str) -> dict[str, str]:
    """A form's fields; what is missing or no text counts as empty."""
    form = await request.form()
    values = {name: form.get(name) for name in names}
    return {name: value if isinstance(value, str) else "" for name, value in values.items()}


def browser_of(request: Request) -> Browser:
    """Where a request came from. Behind a proxy the server has put the client's address into the scope."""
    address = request.client.host if request.client else ""
    return Browser(address, read_cookie(request, "login"), read_cookie(request, "device"))


def signed_in(request: Request, found: SignedIn, where: str) -> Response:
    answer = Redirect(where, status_code=303)
    set_cookie(request, answer, "login", found.login)
    set_cookie(request, answer, "device", found.device)
    return answer


def signed_out(request: Request) -> Response:
    answer = Redirect(request.app.route_reverse("login"), status_code=303)
    set_cookie(request, answer, "login", "")
    return answer


def local_path(text: str) -> str:
    """The path if it is one of this site's, which no browser takes for another's; else nothing."""
    if not text.startswith("/") or text.startswith("//") or not text.isprintable() or "\\" in text:
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return "" if parts.scheme or parts.netloc else text


def wait_sentence(refusal: TooManyTries, _: Translator) -> str:
    minutes = max(1, round(refusal.wait.total_seconds() / 60 + 0.49))
    return _("너무 여러 번 틀려 잠시 쉬어 갑니다. %(minutes)s분 뒤에 다시 해 주세요.", minutes=minutes)


def retry_after(refusal: TooManyTries) -> dict[str, str]:
    return {"Retry-After": str(max(1, round(refusal.wait.total_seconds())))}
