"""Errors are for people: what happened, and what to do, in the shop's look. No exception of ours reaches a browser."""

from urllib.parse import urlencode

import structlog
from litestar import MediaType, Request, Response
from litestar.datastructures import Cookie
from litestar.exceptions import HTTPException, PermissionDeniedException, ValidationException
from litestar.response import Redirect
from litestar.types import Scope

from app.failures import describe
from app.language import N_, translator
from app.owners.admission import NotSignedIn, RoleTooSmall
from app.pages import csrf_cookie_name, environment, language_of, page
from app.shops.tables import Shop
from app.shops.tenancy import NotFound, find_shop

ROLE_TOO_SMALL = (
    N_("이 계정으로는 할 수 없는 일이에요"),
    N_("가게에서 맡으신 일이 아니라 하지 않았습니다. 필요하시면 사장님께 말씀해 주세요."),
)

log = structlog.get_logger("errors")

SAYINGS = {
    400: (N_("요청을 알아듣지 못했어요"), N_("앞 화면으로 돌아가 다시 해 주세요.")),
    401: (
        N_("먼저 들어오셔야 해요"),
        N_("그사이 나가셨거나 들어오신 지 오래되었습니다. 들어오신 다음 다시 해 주세요."),
    ),
    403: (
        N_("이 화면에서 보낸 요청이 아니에요"),
        N_("앞 화면으로 돌아가 새로 고친 다음 다시 눌러 주세요. 쿠키를 꺼 두셨다면 켜 주세요. 결제된 것은 없습니다."),
    ),
    404: (N_("여기에는 아무것도 없어요"), N_("주소가 바뀌었거나 물건이 선반에서 내려갔습니다.")),
    405: (N_("여기서는 할 수 없는 일이에요"), N_("앞 화면으로 돌아가 다시 해 주세요.")),
    413: (N_("보내신 내용이 너무 커요"), N_("내용을 줄여 다시 보내 주세요.")),
    500: (
        N_("저희 쪽에 문제가 생겼어요"),
        N_("잠시 뒤에 다시 해 주세요. 결제하던 중이었다면 다시 결제하기 전에 주문 화면에서 상태를 확인해 주세요."),
    ),
}


async def find_look(error: Exception, scope: Scope) -> None:
    """Finds the shop in whose look to answer: Litestar awaits this, and then calls a handler without awaiting it."""
    try:
        shop = await find_shop(scope["path"].strip("/").partition("/")[0])
    except Exception:
        shop = None
    scope["state"]["shop"] = shop


def answer_not_found(request: Request, error: NotFound) -> Response:
    return _error_page(request, 404)


def answer_bad_query(request: Request, error: ValidationException) -> Response:
    """A query that repeats or lacks a field names nothing that is there."""
    return _error_page(request, 404 if request.method in ("GET", "HEAD") else 400)


def answer_http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code >= 500:
        log.error("unhandled", error=describe(error), status=error.status_code)
    answer = _error_page(request, error.status_code)
    if isinstance(error, PermissionDeniedException):
        # A token of an older key would be refused for ever: the next page brings a new one.
        secure = request.app.state.settings.is_secure
        # Browsers ignore a `__Host-` cookie that is not `Secure`, also where it only ends an older one.
        answer.set_cookie(Cookie(csrf_cookie_name(secure), value="", max_age=0, secure=secure, httponly=True))
    if error.headers:
        answer.headers.update(error.headers)
    return answer


def answer_not_signed_in(request: Request, error: NotSignedIn) -> Response:
    """Who opens a page comes back to it after signing in."""
    login = request.app.route_reverse("login")
    if request.method != "GET":
        return _error_page(request, 401, action=(login, N_("들어가기")))
    if request.headers.get("HX-Request"):
        # A part of a page has no room for the form: the whole page is asked to come again.
        return Response("", media_type=MediaType.HTML, status_code=401, headers={"HX-Refresh": "true"})
    query = request.scope["query_string"].decode("latin-1")
    here = request.scope["path"] + (f"?{query}" if query else "")
    return Redirect(f"{login}?{urlencode({'next': here})}", status_code=303)


def answer_role_too_small(request: Request, error: RoleTooSmall) -> Response:
    return _error_page(request, 403, ROLE_TOO_SMALL)


def answer_anything(request: Request, error: Exception) -> Response:
    log.error("unhandled", error=describe(error))
    return _error_page(request, 500)


def _error_page(
    request: Request,
    status_code: int,
    saying: tuple[str, str] | None = None,
    action: tuple[str, str] | None = None,
) -> Response:
    """`action` is where its one button leads, else to the shop."""
    shop: Shop | None = request.scope["state"]["shop"]
    _ = translator(language_of(request, shop))
    title, lead = saying or SAYINGS.get(status_code, SAYINGS[500 if status_code >= 500 else 400])
    if request.headers.get("HX-Request"):
        html = environment().get_template("_notice.html").render(title=_(title), lead=_(lead), _=_)
        return Response(html, media_type=MediaType.HTML, status_code=status_code)
    if action is None and shop:
        action = request.app.route_reverse("shop", domain=shop.domain), N_("가게 둘러보기")
    return page(
        request,
        "error.html",
        shop,
        status_code,
        status_code=status_code,
        title=_(title),
        lead=_(lead),
        action=action,
    )


HANDLERS = {
    NotFound: answer_not_found,
    NotSignedIn: answer_not_signed_in,
    RoleTooSmall: answer_role_too_small,
    ValidationException: answer_bad_query,
    HTTPException: answer_http_error,
    Exception: answer_anything,
}
