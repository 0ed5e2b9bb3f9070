"""A forgotten password: asking for a link by mail, and setting a new one by it."""

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath

from app.language import translator
from app.owners.login_controllers import browser_of, fields_of, retry_after, signed_in, wait_sentence
from app.owners.passwords import NewPassword
from app.owners.resetting import LinkIsSpent, ask_for_mail, find_owner_of_link, use_link
from app.owners.throttling import TooManyTries
from app.pages import language_of, page


class ResetController(Controller):
    path = "/login/reset"

    @get("/", name="forgotten")
    async def show(self, request: Request) -> Response:
        return page(request, "owner/forgotten.html", None, is_sent=False, problem="")

    @post("/", name="ask_for_reset")
    async def ask(self, request: Request) -> Response:
        """The same answer whether or not it is an owner's address."""
        form = await fields_of(request, "email")
        try:
            await ask_for_mail(form["email"], browser_of(request).address)
        except TooManyTries as refusal:
            problem = wait_sentence(refusal, translator(language_of(request, None)))
            context = {"is_sent": False, "problem": problem}
            return page(request, "owner/forgotten.html", None, 429, retry_after(refusal), **context)
        request.app.state.wake.set()
        return page(request, "owner/forgotten.html", None, is_sent=True, problem="")

    @get("/{token:str}", name="reset")
    async def show_form(self, request: Request, token: FromPath[str]) -> Response:
        try:
            owner = await find_owner_of_link(token)
        except LinkIsSpent:
            return _spent(request)
        return page(request, "owner/reset.html", None, email=owner.email, problems={})

    @post("/{token:str}", name="set_password")
    async def set_password(self, request: Request, token: FromPath[str]) -> Response:
        form = await fields_of(request, "password", "again")
        state = request.app.state
        try:
            owner = await find_owner_of_link(token)
            _ = translator(language_of(request, None))
            problems = NewPassword(form["password"], form["again"]).problems(owner.email, _)
            if problems:
                return page(request, "owner/reset.html", None, 422, email=owner.email, problems=problems)
            found = await use_link(state.passwords, state.settings.secret_keys, token, form["password"])
        except LinkIsSpent:
            return _spent(request)
        return signed_in(request, found, request.app.route_reverse("login"))


def _spent(request: Request) -> Response:
    return page(request, "owner/spent.html", None, 410)
