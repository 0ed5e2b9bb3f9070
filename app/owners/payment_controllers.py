"""The shop's contracts with PGs at the desk."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from app import clock
from app.database import write_transaction
from app.language import translator
from app.owners import audit
from app.owners.account_form import HANDOFFS, LABELS, MODES, WORDS, AccountForm, names_of
from app.owners.admission import Member, needs
from app.owners.audit import Action, from_to
from app.owners.frame import desk_page
from app.owners.login_controllers import fields_of
from app.owners.product_controllers import WAYS
from app.owners.roles import Role
from app.pages import language_of
from app.payments.accounts import Gateways, list_accounts
from app.payments.contracts import (
    ContractRefused,
    add_contract,
    edit_contract,
    has_own,
    is_used,
    move_contract,
    public_part,
    switch_contract,
)
from app.payments.doctor import Checkup, examine_shop
from app.payments.inbox import last_heard
from app.payments.providers import PROVIDERS
from app.payments.refusals import refusal_of
from app.payments.tables import ProviderAccount
from app.payments.tenancy import find_own_account, find_shops_account
from app.shops.tenancy import NotFound, read_id


class PaymentsController(Controller):
    path = "/{domain:str}/owner/payments"

    @get("/", name="owner_payments", guards=[needs(Role.OWNER)])
    async def show(self, request: Request, member: NamedDependency[Member]) -> Response:
        return await _list_page(request, member)

    @post("/", name="owner_doctor", guards=[needs(Role.OWNER)])
    async def examine(
        self, request: Request, member: NamedDependency[Member], gateways: NamedDependency[Gateways]
    ) -> Response:
        """The findings stand on the page that answers, and nowhere else."""
        checkups = await examine_shop(gateways, member.shop)
        return await _list_page(request, member, checkups=checkups)

    @get("/new/{provider:str}", name="owner_account_new", guards=[needs(Role.OWNER)])
    async def begin(self, request: Request, member: NamedDependency[Member], provider: FromPath[str]) -> Response:
        if provider not in PROVIDERS:
            raise NotFound
        return _form_page(request, member, 200, AccountForm.empty(provider), clock.new_id())

    @post("/new/{provider:str}", name="owner_account_create", guards=[needs(Role.OWNER)])
    async def create(
        self,
        request: Request,
        member: NamedDependency[Member],
        gateways: NamedDependency[Gateways],
        provider: FromPath[str],
    ) -> Response:
        """Sent twice, it is one account: the form brings its id."""
        if provider not in PROVIDERS:
            raise NotFound
        raw, _ = await fields_of(request, *names_of(provider), "id"), translator(language_of(request, member.shop))
        form, account_id = AccountForm.of(raw, provider), read_id(raw["id"])
        credentials, terms = form.check(_)
        if form.errors:
            return _form_page(request, member, 422, form, account_id)
        try:
            async with write_transaction():
                account = await add_contract(gateways, member.shop, account_id, provider, credentials, terms)
                if account:
                    said = {"mode": account.mode, "ways": account.ways}
                    await _record(member, Action.CONTRACT_ADDED, account, said)
        except ContractRefused as refusal:
            form.refuse(refusal, _)
            return _form_page(request, member, 422, form, account_id)
        return _back(request, member, account)

    @get("/{account_id:str}", name="owner_account", guards=[needs(Role.OWNER)])
    async def open(self, request: Request, member: NamedDependency[Member], account_id: FromPath[str]) -> Response:
        account = await find_own_account(member.shop, account_id)
        return _form_page(request, member, 200, AccountForm.of_account(account, await is_used(account)), account.id)

    @post("/{account_id:str}", name="owner_account_edit", guards=[needs(Role.OWNER)])
    async def edit(
        self,
        request: Request,
        member: NamedDependency[Member],
        gateways: NamedDependency[Gateways],
        account_id: FromPath[str],
    ) -> Response:
        account = await find_own_account(member.shop, account_id)
        raw = await fields_of(request, *names_of(account.provider))
        form = AccountForm.of(raw, account.provider, account, await is_used(account))
        _ = translator(language_of(request, member.shop))
        typed, terms = form.check(_)
        if form.errors:
            return _form_page(request, member, 422, form, account.id)
        written = {name: value for name, value in typed.items() if name not in form.fixed}
        try:
            async with write_transaction():
                if changed := await edit_contract(gateways, account, written, terms):
                    await _record(member, Action.CONTRACT_CHANGED, account, {"fields": ", ".join(changed)})
        except ContractRefused as refusal:
            form.refuse(refusal, _)
            return _form_page(request, member, 422, form, account.id)
        return _back(request, member, account)

    @post("/{account_id:str}/on", name="owner_account_on", guards=[needs(Role.OWNER)])
    async def switch_on(self, request: Request, member: NamedDependency[Member], account_id: FromPath[str]) -> Response:
        return await _switch(request, member, account_id, True)

    @post("/{account_id:str}/off", name="owner_account_off", guards=[needs(Role.OWNER)])
    async def switch_off(
        self, request: Request, member: NamedDependency[Member], account_id: FromPath[str]
    ) -> Response:
        return await _switch(request, member, account_id, False)

    @post("/{account_id:str}/move", name="owner_account_move", guards=[needs(Role.OWNER)])
    async def move(self, request: Request, member: NamedDependency[Member], account_id: FromPath[str]) -> Response:
        account = await find_shops_account(member.shop, account_id)
        way = (await fields_of(request, "way"))["way"]
        if way not in WAYS:
            raise NotFound
        async with write_transaction():
            if moved := await move_contract(member.shop, account, WAYS[way]):
                await _record(member, Action.CONTRACT_MOVED, account, from_to({"place": moved}))
        return _back(request, member, account)


async def _switch(request: Request, member: Member, account_id: str, is_enabled: bool) -> Response:
    account = await find_shops_account(member.shop, account_id)
    action = Action.CONTRACT_ON if is_enabled else Action.CONTRACT_OFF
    try:
        async with write_transaction():
            if await switch_contract(member.shop, account, is_enabled):
                await _record(member, action, account)
    except ContractRefused as refusal:
        return await _list_page(request, member, 409, problem=WORDS[refusal.why])
    return _back(request, member, account)


async def _record(
    member: Member, action: Action, account: ProviderAccount, details: Mapping[str, object] | None = None
) -> None:
    """By the account's public key; of secrets not even that they are there."""
    subject = account.account_key.partition(":")[2]
    await audit.record(member.shop, member.owner.email, action, subject, details)


def _back(request: Request, member: Member, account: ProviderAccount | None = None) -> Response:
    """To the list, at the account's place."""
    url = request.app.route_reverse("owner_payments", domain=member.shop.domain)
    return Redirect(f"{url}#a-{account.id}" if account else url, status_code=303)


async def _list_page(
    request: Request, member: Member, code: int = 200, problem: str = "", checkups: Sequence[Checkup] = ()
) -> Response:
    accounts = await list_accounts(member.shop)
    base = request.app.state.settings.base_url
    rows = [
        {
            "account": account,
            "traits": (traits := PROVIDERS[account.provider].traits),
            "public_key": public_part(account)[traits.public_key],
            "ways": [traits.ways[way].label for way in account.ways.split(",") if way in traits.ways],
            "last_webhook": await last_heard(account),
            "refusal": refusal_of(account.last_error) if account.last_error else None,
            "webhook": base + request.app.route_reverse("webhook", provider=account.provider, account=str(account.id)),
            "is_replaced": account.from_environment and has_own(accounts, account.provider),
        }
        for account in accounts
    ]
    context = {
        "rows": rows,
        "labels": {name: provider.traits.label for name, provider in PROVIDERS.items()},
        "problem": problem,
        "checkups": checkups,
    }
    return desk_page(request, member, "owner/payments.html", code, **context)


def _form_page(request: Request, member: Member, code: int, form: AccountForm, account_id: UUID) -> Response:
    _ = translator(language_of(request, member.shop))
    context = {
        "form": form,
        "account_id": str(account_id),
        "label": PROVIDERS[form.provider].traits.label,
        "labels": LABELS,
        "modes": [(value, _(words)) for value, words in MODES],
        "handoffs": [(value, _(words)) for value, words in HANDOFFS],
    }
    return desk_page(request, member, "owner/account_form.html", code, **context)
