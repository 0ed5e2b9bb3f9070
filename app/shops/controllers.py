"""A shop's public pages."""

from urllib.parse import urlsplit, urlunsplit

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from app.language import LANGUAGES
from app.pages import LANGUAGE_COOKIE, page
from app.shops.tables import Shop
from app.shops.tenancy import NotFound, find_product, list_products
from app.shops.views import view_of

A_YEAR = 365 * 86_400


class ShopController(Controller):
    path = "/{domain:str}"

    @get("/", name="shop")
    async def show(self, request: Request, shop: NamedDependency[Shop]) -> Response:
        url = request.app.route_reverse
        products = [view_of(product, url, shop.domain) for product in await list_products(shop)]
        return page(request, "shop.html", shop, products=products)

    @get("/products/{product_id:str}", name="product")
    async def show_product(self, request: Request, shop: NamedDependency[Shop], product_id: FromPath[str]) -> Response:
        product = await find_product(shop, product_id)
        view = view_of(product, request.app.route_reverse, shop.domain)
        return page(request, "product.html", shop, product=view)

    @get("/language/{code:str}", name="language")
    async def choose_language(self, request: Request, shop: NamedDependency[Shop], code: FromPath[str]) -> Response:
        if code not in LANGUAGES:
            raise NotFound
        secure = request.app.state.settings.is_secure
        answer = Redirect(_back(request, shop), status_code=303)
        answer.set_cookie(LANGUAGE_COOKIE, code, max_age=A_YEAR, samesite="lax", httponly=True, secure=secure)
        return answer


def _back(request: Request, shop: Shop) -> str:
    """The page that the shopper came from, if it is one of this shop's; else its front page."""
    home = request.app.route_reverse("shop", domain=shop.domain)
    try:
        came_from = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return home
    if came_from.netloc != request.url.netloc or not came_from.path.startswith(f"{home}/"):
        return home
    return urlunsplit(("", "", came_from.path, came_from.query, ""))
