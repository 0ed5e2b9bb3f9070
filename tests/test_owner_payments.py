"""Contracts with PGs at the desk: what is taken, what is refused, and that no key is ever shown again."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import structlog

from app.clock import new_id
from app.database import write_transaction
from app.owners.roles import Role
from app.owners.tables import AuditEntry
from app.payments.accounts import adopt_environment, list_accounts, note_health
from app.payments.contracts import ContractRefused, Terms, Why, edit_contract
from app.payments.provider import Misconfigured
from app.payments.tables import ProviderAccount
from app.sealing import Ring
from tests.desk import Desks, Person
from tests.portone_wire import LISTENING as PORTONE
from tests.sandbox_wire import HARU, NAMU
from tests.shopping import KEYS, Clock, Market, fields_of, make_settings, open_market
from tests.stripe_wire import LISTENING as STRIPE

LIST = "/haru/owner/payments"

FORMS = {
    "toss": {
        "client_key": "test_ck_ours",
        "secret_key": "test_sk_ours_hidden",
        "merchant": "ours01",
        "way-transfer": "1",
        "way-card": "1",
    },
    "portone": {
        "store_id": PORTONE["store_id"],
        "channel_key": PORTONE["channel_key"],
        "api_secret": PORTONE["api_secret"],
        "webhook_secret": PORTONE["webhook_secret"],
        "mode": "test",
        "way-kakaopay": "1",
    },
    "stripe": {
        "publishable_key": STRIPE["publishable_key"],
        "secret_key": STRIPE["secret_key"],
        "webhook_secret": STRIPE["webhook_secret"],
        "handoff": "widget",
    },
}
SECRETS = ("secret_key", "api_secret", "webhook_secret")


async def add(person: Person, provider: str = "toss", **changes: str) -> httpx.Response:
    form = {"id": str(new_id()), **FORMS[provider], **changes}
    return await person.post(f"{LIST}/new/{provider}", **{name: value for name, value in form.items() if value})


async def own(market: Market) -> list[ProviderAccount]:
    return [account for account in await list_accounts(market.haru) if not account.from_environment]


async def added(market: Market, person: Person, provider: str = "toss", **changes: str) -> ProviderAccount:
    answer = await add(person, provider, **changes)
    assert answer.status_code == 303, answer.text
    [account] = await own(market)
    assert answer.headers["location"] == f"{LIST}#a-{account.id}"
    return account


async def edit(person: Person, account: ProviderAccount, **changes: str) -> httpx.Response:
    page = await person.http.get(f"{LIST}/{account.id}")
    assert page.status_code == 200, page.text
    kept = {name: value for name, value in FORMS[account.provider].items() if name not in SECRETS}
    form = {**kept, **changes}
    return await person.post(f"{LIST}/{account.id}", **{name: value for name, value in form.items() if value})


async def read(account: ProviderAccount) -> ProviderAccount:
    return await ProviderAccount.objects().get(ProviderAccount.id == account.id)


def opened(market: Market, account: ProviderAccount) -> dict[str, str]:
    return dict(market.gateways.open(account).credentials)


async def said() -> list[tuple[str, str, dict[str, Any]]]:
    """What the audit log has, in any order."""
    entries = await AuditEntry.objects()
    return [(entry.action, entry.subject, json.loads(entry.details)) for entry in entries]


@pytest.fixture
def log() -> Iterator[list[structlog.typing.EventDict]]:
    captured = structlog.testing.LogCapture()
    before = structlog.get_config()["processors"]
    structlog.configure(processors=[captured])
    yield captured.entries
    structlog.configure(processors=before)


async def test_the_page_shows_the_shops_accounts_and_their_webhook_addresses(market: Market, boss: Person) -> None:
    [ours, theirs] = market.accounts
    page = await boss.http.get(LIST)
    assert page.status_code == 200
    wanted = ("토스페이먼츠", "test_ck_haru", "haru01", "카드·간편결제", "테스트", "아직 없음", "켜짐")
    assert [text for text in wanted if text not in page.text] == []
    assert f">http://shop.test/webhooks/toss/{ours.id}</code>" in page.text
    assert str(theirs.id) not in page.text
    assert HARU["secret_key"] not in page.text
    assert NAMU["client_key"] not in page.text


async def test_the_last_webhook_and_the_last_refusal_are_told_in_plain_words(market: Market, boss: Person) -> None:
    shopper = market.shopper()
    await shopper.buy(market.mug)
    await market.pg.send_due()
    await note_health(market.accounts[0].id, Misconfigured("UNAUTHORIZED_KEY"))
    page = await boss.http.get(LIST)
    assert '<time datetime="2026-11-22T05:00:00+00:00">11월 22일 14:00</time>' in page.text
    assert "결제사가 이 계약의 키를 받지 않습니다" in page.text
    assert "키를 다시 복사해 넣어 주세요" in page.text
    assert "<code>UNAUTHORIZED_KEY</code>" in page.text
    await note_health(market.accounts[0].id, Misconfigured("SOMETHING_NEW"))
    assert "결제사가 요청을 받지 않았습니다" in (await boss.http.get(LIST)).text


@pytest.mark.parametrize("provider", FORMS)
async def test_a_contract_of_each_pg_is_kept_sealed_and_sells(market: Market, boss: Person, provider: str) -> None:
    form = FORMS[provider]
    account = await added(market, boss, provider)
    credentials = {name: value for name, value in form.items() if name not in ("merchant", "handoff")}
    credentials = {name: value for name, value in credentials.items() if not name.startswith("way-")}
    assert opened(market, account) == credentials
    assert (account.mode, account.is_enabled, account.position) == ("test", True, 1)
    assert [value for value in credentials.values() if value in account.credentials] == []
    assert account.merchant == {"toss": "ours01", "portone": PORTONE["store_id"], "stripe": ""}[provider]
    assert account.ways == {"toss": "card,transfer", "portone": "kakaopay", "stripe": "stripe"}[provider]
    assert account.handoff == "widget"
    checkout = await market.shopper().http.get(f"/haru/checkout?product={market.mug.id}")
    assert f'value="{account.id}:' in checkout.text


async def test_an_own_contract_takes_the_place_of_the_environments_for_good(market: Market, boss: Person) -> None:
    first = market.accounts[0]
    account = await added(market, boss)
    assert not (await read(first)).is_enabled
    assert (await read(market.accounts[1])).is_enabled
    settings = make_settings("", gateways={})
    await adopt_environment(settings, Ring(KEYS), [market.haru])
    assert (await read(account)).is_enabled
    answer = await boss.post(f"{LIST}/{first.id}/on")
    assert answer.status_code == 409
    assert "서버 설정에서 온 계약은 켤 수 없어요" in answer.text
    assert not (await read(first)).is_enabled


async def test_what_an_owner_switched_off_the_environment_does_not_switch_on(market: Market, boss: Person) -> None:
    account, settings = market.accounts[0], make_settings("")
    given = replace(settings.gateways["toss"], credentials=opened(market, account), merchant=account.merchant)

    async def start_anew(*, has_keys: bool = True) -> bool:
        gateways = {"toss": given} if has_keys else {"toss": settings.gateways["toss"]}
        await adopt_environment(replace(settings, gateways=gateways), Ring(KEYS), [market.haru])
        return (await read(account)).is_enabled

    assert not await start_anew(has_keys=False)
    assert await start_anew()
    await boss.post(f"{LIST}/{account.id}/off")
    assert not await start_anew()
    assert not await start_anew(has_keys=False)
    assert not await start_anew()
    await boss.post(f"{LIST}/{account.id}/on")
    assert await start_anew()


async def test_sent_twice_it_is_one_contract(market: Market, boss: Person) -> None:
    once = str(new_id())
    for _ in range(2):
        assert (await add(boss, id=once)).status_code == 303
    [account] = await own(market)
    assert str(account.id) == once
    assert [action for action, _, _ in await said()] == ["contract_added"]
    # The form was gone back to, and sent with other keys.
    assert (await add(boss, id=once, client_key="test_ck_second")).status_code == 303
    assert len(await own(market)) == 2
    # Another form with the same key, or with the environment's.
    for key in ("test_ck_ours", HARU["client_key"]):
        answer = await add(boss, client_key=key)
        assert answer.status_code == 422
        assert "이미 있는 계약의 키예요" in answer.text
    assert len(await own(market)) == 2
    assert len(await said()) == 2


@pytest.mark.parametrize(
    ("provider", "changes", "sentence"),
    [
        ("toss", {"client_key": ""}, "적어 주세요."),
        ("toss", {"secret_key": ""}, "적어 주세요."),
        ("toss", {"secret_key": "live_sk_ours"}, "같은 모드의 test_sk_나"),
        ("toss", {"client_key": "test_gck_ours"}, "결제위젯 키"),
        ("toss", {"secret_key": "test_sk_비밀"}, "빈칸이나 한글은"),
        ("toss", {"secret_key": "test_sk_a b"}, "빈칸이나 한글은"),
        ("toss", {"client_key": "test_ck_" + "x" * 200}, "200자 안으로"),
        ("toss", {"merchant": "x" * 101}, "100자 안으로"),
        ("toss", {"way-card": "", "way-transfer": ""}, "하나 이상 골라 주세요"),
        ("portone", {"mode": ""}, "하나를 골라 주세요."),
        ("portone", {"store_id": "imp12345"}, "상점 아이디는 store-"),
        ("portone", {"store_id": "store-" + "x" * 100}, "100자 안으로"),
        ("portone", {"webhook_secret": "whsec_!"}, "상점 아이디는 store-"),
        ("stripe", {"publishable_key": "pk_live_x"}, "pk_test_나 pk_live_"),
        ("stripe", {"handoff": "popup"}, "하나를 골라 주세요."),
    ],
)
async def test_keys_that_are_none_get_a_sentence_and_are_not_shown_again(
    market: Market, boss: Person, provider: str, changes: dict[str, str], sentence: str
) -> None:
    answer = await add(boss, provider, **changes)
    assert answer.status_code == 422, answer.text
    assert sentence in answer.text
    sent = {**FORMS[provider], **changes}
    assert [name for name in SECRETS if sent.get(name) and sent[name] in answer.text] == []
    assert [name for name in fields_of(answer.text) if name in SECRETS and fields_of(answer.text)[name]] == []
    assert await own(market) == []
    assert await said() == []


@pytest.mark.parametrize("env", ["demo", "development"])
async def test_a_live_key_goes_to_the_real_pg_alone(database_url: str, time: Clock, env: str) -> None:
    live = {"client_key": "live_ck_ours", "secret_key": "live_sk_ours"}
    gateways = make_settings("").gateways
    gateways = {**gateways, "toss": replace(gateways["toss"], is_elsewhere=env != "demo")}
    async with open_market(database_url, time, env=env, gateways=gateways) as market:
        boss = await Desks(market).member(market.haru)
        answer = await add(boss, **live)
        assert answer.status_code == 422
        assert {"demo": "데모에는 라이브 키를", "development": "진짜 주소를 쓰지 않아서"}[env] in answer.text
        assert await own(market) == []


async def test_a_live_contract_is_taken_where_the_pg_is_real(market: Market, boss: Person) -> None:
    account = await added(market, boss, client_key="live_ck_ours", secret_key="live_sk_ours")
    assert account.mode == "live"
    checkout = await market.shopper().http.get(f"/haru/checkout?product={market.mug.id}")
    assert f'value="{account.id}:card"' in checkout.text


async def test_an_edit_changes_what_was_written_and_keeps_the_rest(market: Market, boss: Person) -> None:
    account = await added(market, boss)
    await note_health(account.id, Misconfigured("UNAUTHORIZED_KEY"))
    page = await boss.http.get(f"{LIST}/{account.id}")
    assert "test_ck_ours" in page.text
    assert 'name="client_key"' not in page.text
    assert fields_of(page.text)["secret_key"] == ""
    assert "test_sk_ours_hidden" not in page.text

    answer = await edit(boss, account, merchant="ours02", **{"way-card": ""})
    assert answer.status_code == 303, answer.text
    now = await read(account)
    assert (now.merchant, now.ways, now.last_error) == ("ours02", "transfer", "UNAUTHORIZED_KEY")
    assert opened(market, now)["secret_key"] == "test_sk_ours_hidden"

    answer = await edit(boss, account, merchant="ours02", secret_key="test_sk_newer", client_key="test_ck_other")
    assert answer.status_code == 303, answer.text
    now = await read(account)
    assert opened(market, now) == {"client_key": "test_ck_ours", "secret_key": "test_sk_newer"}
    assert now.account_key == account.account_key
    assert now.last_error is None
    written = [details["fields"] for action, _, details in await said() if action == "contract_changed"]
    assert sorted(written) == ["secret_key, ways", "ways, merchant"]
    assert (await edit(boss, account, merchant="ours02")).status_code == 303
    assert len(await said()) == 3


async def test_a_contract_stays_test_or_live(market: Market, boss: Person) -> None:
    account = await added(market, boss)
    answer = await edit(boss, account, secret_key="live_sk_ours")
    assert answer.status_code == 422
    assert "테스트와 라이브를 바꿀 수는 없어요" in answer.text
    assert opened(market, await read(account))["secret_key"] == "test_sk_ours_hidden"
    terms = Terms(("card",), "widget", "")
    await market.shopper().order(market.mug, pay=f"{account.id}:card")
    await ProviderAccount.update({ProviderAccount.mode: "live"}).where(ProviderAccount.id == account.id)
    async with write_transaction():
        with pytest.raises(ContractRefused) as refusal:
            await edit_contract(market.gateways, account, {}, terms)
    assert refusal.value.why is Why.OTHER_MODE


async def test_a_channel_of_the_wrong_mode_or_store_is_mended_until_somebody_pays_with_it(
    market: Market, boss: Person
) -> None:
    right, name = FORMS["portone"]["store_id"], f"portone:{FORMS['portone']['channel_key']}"
    account = await added(market, boss, "portone", mode="live", store_id="store-00000000-another")
    assert (await add(boss, "portone")).status_code == 422
    page = await boss.http.get(f"{LIST}/{account.id}")
    assert '<option value="live" selected>' in page.text
    assert (await edit(boss, account, mode="", store_id=right)).status_code == 422
    assert (await edit(boss, account, mode="test", store_id="")).status_code == 422
    answer = await edit(boss, account, mode="test", store_id=right, channel_key="channel-key-other")
    assert answer.status_code == 303, answer.text
    now = await read(account)
    assert (now.mode, now.merchant, now.account_key) == ("test", right, f"{market.haru.id}:{name}")
    kept = {key: FORMS["portone"][key] for key in ("channel_key", "api_secret", "webhook_secret")}
    assert opened(market, now) == {**kept, "store_id": right, "mode": "test"}
    [details] = [details for action, _, details in await said() if action == "contract_changed"]
    assert details == {"fields": "store_id, mode, merchant"}

    await boss.post(f"{LIST}/{market.accounts[0].id}/off")
    await market.shopper().order(market.mug)
    page = await boss.http.get(f"{LIST}/{account.id}")
    assert 'name="mode"' not in page.text
    assert 'name="store_id"' not in page.text
    await edit(boss, account, mode="live", store_id="store-00000000-another")
    now = await read(account)
    assert (now.mode, now.merchant, opened(market, now)["store_id"]) == ("test", right, right)


async def test_who_began_to_pay_while_a_contract_was_edited_pays_with_what_it_was(market: Market, boss: Person) -> None:
    account = await added(market, boss, "portone")
    await boss.post(f"{LIST}/{market.accounts[0].id}/off")
    await market.shopper().order(market.mug)
    written = {"mode": "live", "store_id": "store-00000000-another"}
    async with write_transaction():
        terms = Terms(("kakaopay",), "widget", written["store_id"])
        assert await edit_contract(market.gateways, account, written, terms) == []
    now = await read(account)
    assert (now.mode, now.merchant) == ("test", FORMS["portone"]["store_id"])


async def test_keys_that_nobody_can_open_any_more_are_replaced(market: Market, boss: Person) -> None:
    account = await added(market, boss, "portone")
    sealed = Ring((bytes(32),)).seal("{}", "provider account")
    await ProviderAccount.update({ProviderAccount.credentials: sealed}).where(ProviderAccount.id == account.id)
    assert (await boss.http.get(LIST)).status_code == 200
    answer = await edit(boss, account)
    assert answer.status_code == 422
    assert "API 시크릿은 V2의 것이어야 해요" in answer.text
    secrets = {name: FORMS["portone"][name] for name in ("api_secret", "webhook_secret")}
    assert (await edit(boss, account, **secrets)).status_code == 303
    names = ("store_id", "channel_key", "mode")
    assert opened(market, await read(account)) == secrets | {name: FORMS["portone"][name] for name in names}


async def test_the_environments_keys_cannot_be_edited(market: Market, boss: Person) -> None:
    account = market.accounts[0]
    page = await boss.http.get(LIST)
    assert "서버 설정에서 온 계약이라 키는 여기서 고칠 수 없어요" in page.text
    assert (await boss.http.get(f"{LIST}/{account.id}")).status_code == 404
    assert (await boss.post(f"{LIST}/{account.id}", **FORMS["toss"])).status_code == 404
    assert opened(market, await read(account))["secret_key"] == HARU["secret_key"]


async def test_a_contract_is_switched_and_moved_and_the_checkout_follows(market: Market, boss: Person) -> None:
    await added(market, boss, "stripe")
    [toss, stripe] = await list_accounts(market.haru)
    checkout = f"/haru/checkout?product={market.mug.id}"
    assert (await boss.post(f"{LIST}/{stripe.id}/move", way="up")).status_code == 303
    assert [each.id for each in await list_accounts(market.haru)] == [stripe.id, toss.id]
    page = (await market.shopper().http.get(checkout)).text
    assert page.index(str(stripe.id)) < page.index(str(toss.id))
    for _ in range(2):
        assert (await boss.post(f"{LIST}/{toss.id}/off")).status_code == 303
    assert str(toss.id) not in (await market.shopper().http.get(checkout)).text
    assert "꺼짐" in (await boss.http.get(LIST)).text
    assert (await boss.post(f"{LIST}/{toss.id}/on")).status_code == 303
    assert str(toss.id) in (await market.shopper().http.get(checkout)).text
    assert (await boss.post(f"{LIST}/{stripe.id}/move", way="up")).status_code == 303
    assert (await boss.post(f"{LIST}/{stripe.id}/move", way="sideways")).status_code == 404
    written = {action: (subject, details) for action, subject, details in await said()}
    assert set(written) == {"contract_added", "contract_moved", "contract_off", "contract_on"}
    assert len(await said()) == 4
    assert written["contract_moved"] == (f"stripe:{STRIPE['publishable_key']}", {"place": "2 → 1"})


async def test_another_shops_contract_and_an_unknown_pg_are_not_there(market: Market, boss: Person) -> None:
    theirs = market.accounts[1]
    for path in ("on", "off", "move"):
        assert (await boss.post(f"{LIST}/{theirs.id}/{path}", way="up")).status_code == 404
    assert (await boss.http.get(f"{LIST}/{theirs.id}")).status_code == 404
    assert (await boss.http.get(f"{LIST}/new/paypal")).status_code == 404
    assert (await boss.post(f"{LIST}/new/paypal", id=str(new_id()))).status_code == 404
    assert (await add(boss, id="no-id")).status_code == 404
    assert (await read(theirs)).is_enabled


async def test_only_an_owner_comes_here(market: Market, desks: Desks) -> None:
    staff = await desks.member(market.haru, Role.STAFF)
    assert (await staff.http.get(LIST)).status_code == 403
    assert (await add(staff)).status_code == 403


@pytest.mark.parametrize("provider", FORMS)
async def test_no_secret_is_in_a_page_the_audit_log_or_a_log(
    market: Market, boss: Person, provider: str, log: list[structlog.typing.EventDict]
) -> None:
    account = await added(market, boss, provider)
    hidden = [FORMS[provider][name] for name in SECRETS if name in FORMS[provider]]
    refused = {"toss": {"secret_key": "x_hidden"}, "portone": {"api_secret": "whsec_hidden"}}
    answer = await edit(boss, account, **refused.get(provider, {"secret_key": "x_hidden"}))
    assert answer.status_code == 422
    pages = [answer.text] + [
        (await boss.http.get(path)).text for path in (LIST, f"{LIST}/{account.id}", "/haru/owner/audit")
    ]
    entries = [entry.details + entry.subject for entry in await AuditEntry.objects()]
    for place in [*pages, *entries, str(log)]:
        assert [secret for secret in (*hidden, "x_hidden", "whsec_hidden") if secret in place] == []


@pytest.mark.parametrize("path", ["", "/new/toss", "/new/portone", "/new/stripe"])
async def test_the_pages_speak_english(market: Market, boss: Person, path: str) -> None:
    boss.http.cookies.set("lang", "en")
    page = await boss.http.get(f"{LIST}{path}")
    assert page.status_code == 200
    main = page.text.split("<main")[1].split("</main>")[0]
    assert [letter for letter in main if "가" <= letter <= "힣"] == []
