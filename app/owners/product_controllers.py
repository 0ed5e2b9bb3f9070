"""The shop's products at the desk."""

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from app import clock
from app.database import write_transaction
from app.language import translator
from app.owners import audit
from app.owners.admission import Member, needs
from app.owners.audit import Action, from_to
from app.owners.frame import desk_page
from app.owners.login_controllers import fields_of
from app.owners.product_form import FIELDS, PICTURES, SEEN, ProductForm, address_of
from app.owners.roles import Role
from app.pages import language_of
from app.shops.catalogue import Changed, OutOfStock, create_product, edit_product, move_product, show_product
from app.shops.tables import Product
from app.shops.tenancy import NotFound, find_any_product, list_all_products, read_id

WAYS = {"up": -1, "down": 1}


class ProductsController(Controller):
    path = "/{domain:str}/owner/products"

    @get("/", name="owner_products", guards=[needs(Role.VIEWER)])
    async def show(self, request: Request, member: NamedDependency[Member]) -> Response:
        products = await list_all_products(member.shop)
        may_edit = member.role.covers(Role.OWNER)
        return desk_page(request, member, "owner/products.html", products=products, may_edit=may_edit)

    @get("/new", name="owner_product_new", guards=[needs(Role.OWNER)])
    async def begin(self, request: Request, member: NamedDependency[Member]) -> Response:
        form = ProductForm.empty(member.shop.currency)
        return _new_page(request, member, 200, form, str(clock.new_id()), False)

    @post("/new", name="owner_product_create", guards=[needs(Role.OWNER)])
    async def create(self, request: Request, member: NamedDependency[Member]) -> Response:
        """Sent twice, it is one product: the form brings its id."""
        raw = await fields_of(request, *FIELDS, *SEEN, "id", "hidden")
        form, product_id = ProductForm.of(raw, member.shop.currency), read_id(raw["id"])
        details, stock = form.check(translator(language_of(request, member.shop)))
        is_hidden = raw["hidden"] == "1"
        if form.errors:
            return _new_page(request, member, 422, form, str(product_id), is_hidden)
        async with write_transaction():
            if await create_product(member.shop, product_id, details, stock.wanted, not is_hidden):
                said = {"price": details.price, "stock": "–" if stock.wanted is None else stock.wanted}
                await audit.record(member.shop, member.owner.email, Action.PRODUCT_CREATED, details.name, said)
        return _back(request, member)

    @get("/{product_id:str}", name="owner_product", guards=[needs(Role.OWNER)])
    async def open(self, request: Request, member: NamedDependency[Member], product_id: FromPath[str]) -> Response:
        product = await find_any_product(member.shop, product_id)
        return _edit_page(request, member, 200, product, ProductForm.of_product(product))

    @post("/{product_id:str}", name="owner_product_edit", guards=[needs(Role.OWNER)])
    async def edit(self, request: Request, member: NamedDependency[Member], product_id: FromPath[str]) -> Response:
        product = await find_any_product(member.shop, product_id)
        form = ProductForm.of(await fields_of(request, *FIELDS, *SEEN), product.currency)
        _ = translator(language_of(request, member.shop))
        details, stock = form.check(_)
        if form.errors:
            return _edit_page(request, member, 422, product, form)
        try:
            async with write_transaction():
                if changes := await edit_product(product, form.version, details, stock):
                    said = from_to(changes)
                    await audit.record(member.shop, member.owner.email, Action.PRODUCT_CHANGED, product.name, said)
        except Changed:
            product = await find_any_product(member.shop, product_id)
            form.compare(product)
            return _edit_page(request, member, 409, product, form)
        except OutOfStock:
            product = await find_any_product(member.shop, product_id)
            form.refuse_stock(product, _)
            return _edit_page(request, member, 409, product, form)
        return _back(request, member, product)

    @post("/{product_id:str}/show", name="owner_product_show", guards=[needs(Role.OWNER)])
    async def show_again(
        self, request: Request, member: NamedDependency[Member], product_id: FromPath[str]
    ) -> Response:
        return await _show(request, member, product_id, True)

    @post("/{product_id:str}/hide", name="owner_product_hide", guards=[needs(Role.OWNER)])
    async def hide(self, request: Request, member: NamedDependency[Member], product_id: FromPath[str]) -> Response:
        return await _show(request, member, product_id, False)

    @post("/{product_id:str}/move", name="owner_product_move", guards=[needs(Role.OWNER)])
    async def move(self, request: Request, member: NamedDependency[Member], product_id: FromPath[str]) -> Response:
        product = await find_any_product(member.shop, product_id)
        way = (await fields_of(request, "way"))["way"]
        if way not in WAYS:
            raise NotFound
        async with write_transaction():
            if moved := await move_product(member.shop, product, WAYS[way]):
                said = from_to({"place": moved})
                await audit.record(member.shop, member.owner.email, Action.PRODUCT_MOVED, product.name, said)
        return _back(request, member, product)


async def _show(request: Request, member: Member, product_id: str, is_active: bool) -> Response:
    product = await find_any_product(member.shop, product_id)
    action = Action.PRODUCT_SHOWN if is_active else Action.PRODUCT_HIDDEN
    async with write_transaction():
        if await show_product(product, is_active):
            await audit.record(member.shop, member.owner.email, action, product.name)
    return _back(request, member, product)


def _back(request: Request, member: Member, product: Product | None = None) -> Response:
    """To the list, at the product's place."""
    url = request.app.route_reverse("owner_products", domain=member.shop.domain)
    return Redirect(f"{url}#p-{product.id}" if product else url, status_code=303)


def _new_page(
    request: Request, member: Member, code: int, form: ProductForm, product_id: str, is_hidden: bool
) -> Response:
    context = {"form": form, "product": None, "product_id": product_id, "is_hidden": is_hidden}
    return desk_page(request, member, "owner/product.html", code, **context, **_choices())


def _edit_page(request: Request, member: Member, code: int, product: Product, form: ProductForm) -> Response:
    context = {"form": form, "product": product, "product_id": str(product.id), "is_hidden": False}
    return desk_page(request, member, "owner/product.html", code, **context, **_choices())


def _choices() -> dict[str, object]:
    return {"pictures": [(name, address_of(name), words) for name, words in PICTURES.items()]}
