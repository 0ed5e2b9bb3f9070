"""The shop's settings at the desk."""

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from app.database import write_transaction
from app.language import N_, translator
from app.money import CURRENCIES
from app.owners import audit
from app.owners.admission import Member, needs
from app.owners.audit import Action, from_to
from app.owners.frame import desk_page
from app.owners.login_controllers import fields_of
from app.owners.roles import Role
from app.owners.settings_form import FIELDS, SettingsForm, time_zones
from app.pages import language_of
from app.shops.catalogue import Changed, CurrencyInUse, edit_shop
from app.shops.tables import LateDeposit
from app.shops.tenancy import find_shop

LOCALES = (("ko", "한국어"), ("en", "English"))

LATE_DEPOSITS = (
    (LateDeposit.ACCEPT, N_("물건이 남아 있으면 받기")),
    (LateDeposit.REFUND, N_("언제나 돌려드리기")),
)

HUES = (
    (25, N_("벽돌")),
    (48, N_("나무")),
    (90, N_("유채")),
    (130, N_("새순")),
    (162, N_("소나무")),
    (200, N_("바다")),
    (250, N_("쪽빛")),
    (300, N_("제비꽃")),
    (345, N_("진달래")),
)
"""Some hues by name: the shop may have any."""


class SettingsController(Controller):
    path = "/{domain:str}/owner/settings"

    @get("/", name="owner_settings", guards=[needs(Role.OWNER)])
    async def show(self, request: Request, member: NamedDependency[Member]) -> Response:
        return _page(request, member, 200, SettingsForm.of_shop(member.shop))

    @post("/", name="owner_settings_edit", guards=[needs(Role.OWNER)])
    async def edit(self, request: Request, member: NamedDependency[Member]) -> Response:
        form = SettingsForm.of(await fields_of(request, *FIELDS, "version"))
        _ = translator(language_of(request, member.shop))
        values = form.check(_)
        if form.errors:
            return _page(request, member, 422, form)
        try:
            async with write_transaction():
                if changes := await edit_shop(member.shop, form.version, values):
                    said = from_to(changes)
                    await audit.record(member.shop, member.owner.email, Action.SETTINGS_CHANGED, "", said)
        except Changed:
            form.compare(await find_shop(member.shop.domain))
            return _page(request, member, 409, form)
        except CurrencyInUse:
            form.refuse_currency(_)
            return _page(request, member, 409, form)
        url = request.app.route_reverse("owner_settings", domain=member.shop.domain)
        return Redirect(f"{url}?saved=1", status_code=303)


def _page(request: Request, member: Member, code: int, form: SettingsForm) -> Response:
    _ = translator(language_of(request, member.shop))
    is_saved = code == 200 and request.query_params.get("saved") == "1"
    choices = {
        "locales": LOCALES,
        "currencies": [(each, each) for each in CURRENCIES],
        "zones": time_zones(),
        "late_deposits": [(policy, _(words)) for policy, words in LATE_DEPOSITS],
    }
    return desk_page(request, member, "owner/settings.html", code, form=form, is_saved=is_saved, hues=HUES, **choices)
