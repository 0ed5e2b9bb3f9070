"""Pages: templates, what every one of them knows, and the headers that every one of them bears."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.utils.scope.state import ScopeState
from markupsafe import Markup

from app import clock
from app.language import LANGUAGES, translator
from app.money import Money
from app.shops.tables import Shop

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "static"
LANGUAGE_COOKIE = "lang"
# What search engines may keep. Everything else is about one shopper.
PUBLIC = ("shop.html", "product.html")
HTMX = ROOT / ".venv" / "htmx" / "django_htmx" / "static" / "django_htmx" / "htmx-2.min.js"
HTMX_URL = "/static/htmx.js"


@pass_context
def _money(context: Context, amount: Money) -> Markup:
    return Markup('<data class="money" value="{}">{}</data>').format(amount.amount, amount.text(context["lang"]))


@pass_context
def _day_time(context: Context, moment: datetime) -> str:
    """`11월 22일 14:03` in the shop's zone."""
    local, lang = moment.astimezone(context["zone"]), context["lang"]
    day = format_date(local, "MMM d일" if lang == "ko" else "d MMM", locale=lang)
    return f"{day} {local:%H:%M}"


@pass_context
def _day_second(context: Context, moment: datetime) -> str:
    """`11월 22일 14:03:40` in the shop's zone."""
    return f"{_day_time(context, moment)}:{moment:%S}"


@pass_context
def _full_time(context: Context, moment: datetime) -> str:
    """`2026년 11월 22일 14:03` in the shop's zone."""
    local = moment.astimezone(context["zone"])
    return f"{format_date(local, 'long', locale=context['lang'])} {local:%H:%M}"


@cache
def environment() -> Environment:
    """The templates, compiled once in a process. A misspelt name in one of them is an error, never an empty place."""
    templates = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
    )
    templates.filters.update(
        money=_money, day_time=_day_time, day_second=_day_second, full_time=_full_time, iso=datetime.isoformat
    )
    templates.globals.update(static_url=static_url, htmx_url=HTMX_URL)
    return templates


@cache
def static_url(name: str) -> str:
    """A static file's address, which changes with its content: it may be kept for ever."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]}"


def csrf_cookie_name(is_secure: bool) -> str:
    """With the prefix, browsers take it from this very host over TLS only."""
    return "__Host-csrf" if is_secure else "csrf"


def language_of(request: Request, shop: Shop | None) -> str:
    """What the shopper chose on the page, else the shop's own."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    return shop.locale if shop and shop.locale in LANGUAGES else "ko"


def page(
    request: Request,
    name: str,
    shop: Shop | None,
    code: int = 200,
    headers: Mapping[str, str] | None = None,
    csp: Mapping[str, tuple[str, ...]] | None = None,
    **context: object,
) -> Response[str]:
    """A template as an answer, with HTTP status `code`. `csp` adds hosts to the directives of the CSP."""
    lang, nonce = language_of(request, shop), clock.new_token()
    html = (
        environment()
        .get_template(name)
        .render(
            {
                "_": translator(lang),
                "lang": lang,
                "zone": ZoneInfo(shop.time_zone if shop else "Asia/Seoul"),
                "shop": shop,
                "url": request.app.route_reverse,
                "csp_nonce": nonce,
                "csrf_token": ScopeState.from_scope(request.scope).csrf_token or "",
                **context,
            }
        )
    )
    is_public = name in PUBLIC
    return Response(
        html,
        media_type=MediaType.HTML,
        status_code=code,
        headers={
            "Content-Security-Policy": _policy(nonce, csp or {}),
            "Cache-Control": "private, no-cache" if is_public else "no-store",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Robots-Tag": "all" if is_public else "noindex",
            **(headers or {}),
        },
    )


def _policy(nonce: str, more: Mapping[str, tuple[str, ...]]) -> str:
    directives = {
        "default-src": ("'none'",),
        "script-src": ("'self'",),
        "style-src": ("'self'", f"'nonce-{nonce}'"),
        "img-src": ("'self'", "https:", "data:"),
        "connect-src": ("'self'",),
        "form-action": ("'self'",),
        "base-uri": ("'none'",),
        "frame-ancestors": ("'none'",),
    }
    for directive, hosts in more.items():
        # A nonce would make browsers ignore 'unsafe-inline', so that directive is given whole.
        directives[directive] = hosts if directive == "style-src" else directives.get(directive, ()) + hosts
    return "; ".join(f"{directive} {' '.join(hosts)}" for directive, hosts in directives.items())
