"""The doctor: what it finds at the sandbox's PGs with right and wrong keys, and that it harms nothing."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from app import clock
from app.database import in_transaction
from app.payments import doctor
from app.payments.accounts import PURPOSE, note_health
from app.payments.doctor import Checkup, Tone, examine_shop, is_bad
from app.payments.provider import Misconfigured
from app.payments.tables import InboxEvent, ProviderAccount
from tests.desk import Desks, Person
from tests.mall import CONTRACTS
from tests.shopping import Clock, Market, open_market

LIST = "/haru/owner/payments"
ADDRESS, OFFERS = "가게 주소", "결제 계약"
KEYS, MODE, TIME, SECRET, HOOK = "키로 조회하기", "테스트와 라이브", "서버의 시계", "웹훅 시크릿", "결제사의 알림"
WAITING, STORED, LAST = "받은 알림의 처리", "저장된 키", "마지막으로 거절된 이유 (%(code)s)"


class Punctual(httpx.AsyncBaseTransport):
    """The sandbox behind a server that tells the time, as every real one does; `off` by so many seconds."""

    def __init__(self, behind: httpx.AsyncBaseTransport) -> None:
        self.behind, self.off, self.is_away, self.were_in_transaction = behind, 0, False, False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.were_in_transaction |= in_transaction()
        if self.is_away:
            raise httpx.ConnectError("away", request=request)
        answer = await self.behind.handle_async_request(request)
        answer.headers["date"] = format_datetime(clock.now() + timedelta(seconds=self.off), usegmt=True)
        return answer


class Ward:
    """A shop with every PG, and what the doctor says of it."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.wire = Punctual(market.pg.transport)
        market.app.state.gateways = replace(market.gateways, http=httpx.AsyncClient(transport=self.wire))

    def account(self, contract: str) -> ProviderAccount:
        return self.market.accounts[list(CONTRACTS).index(contract)]

    async def examine(self) -> list[Checkup]:
        checkups = await examine_shop(self.market.gateways, self.market.haru)
        assert not self.wire.were_in_transaction
        return checkups

    async def find(self, contract: str = "") -> dict[str, Tone]:
        """What was found about a contract, or about the shop, by what was looked at."""
        wanted = self.account(contract).id if contract else None
        [found] = [each for each in await self.examine() if (each.account.id if each.account else None) == wanted]
        return {finding.check: finding.tone for finding in found.findings}

    async def change(self, contract: str, **values: Any) -> None:
        """Columns of an account, or of its credentials."""
        account = self.account(contract)
        columns = {name: values.pop(name) for name in list(values) if hasattr(ProviderAccount, name)}
        if values:
            gateways = self.market.gateways
            credentials = {**gateways.open(account).credentials, **values}
            columns["credentials"] = gateways.ring.seal(json.dumps(credentials), PURPOSE)
        await ProviderAccount.update(columns).where(ProviderAccount.id == account.id)

    async def heard(self, contract: str, **values: Any) -> None:
        event = InboxEvent(
            account=self.account(contract).id,
            delivery_key=str(clock.new_id()),
            reference="ORDER0001",
            body="sealed",
            received_at=clock.now(),
            **values,
        )
        await InboxEvent.insert(event)


@pytest.fixture
async def ward(database_url: str, time: Clock) -> AsyncIterator[Ward]:
    async with open_market(database_url, time, list(CONTRACTS.values())) as market:
        yield Ward(market)


WELL = [name for name in CONTRACTS if name != "namu"]


async def test_a_shop_that_is_well_is_told_so_at_every_pg(ward: Ward) -> None:
    checkups = await ward.examine()
    assert [each.account.id if each.account else None for each in checkups] == [
        None,
        *[account.id for account in sorted(map(ward.account, WELL), key=lambda each: (each.position, each.id))],
    ]
    assert not is_bad(checkups)
    for contract in WELL:
        found = await ward.find(contract)
        assert {found[check] for check in (KEYS, MODE, TIME)} == {Tone.GOOD}, contract
        assert found.get(SECRET, Tone.GOOD) is Tone.GOOD
        assert (SECRET in found) == (not contract.startswith("toss"))
        assert found[HOOK] is Tone.WARN
    assert await ward.find() == {ADDRESS: Tone.WARN, OFFERS: Tone.GOOD}


@pytest.mark.parametrize("contract", ["toss", "portone", "stripe"])
async def test_keys_that_the_pg_refuses_are_bad_and_remembered(ward: Ward, contract: str) -> None:
    secret = {"toss": "secret_key", "portone": "api_secret", "stripe": "secret_key"}[contract]
    await ward.change(contract, **{secret: "test_sk_of_nobody"})
    assert (await ward.find(contract))[KEYS] is Tone.BAD
    assert is_bad(await ward.examine())
    row = await ProviderAccount.objects().get(ProviderAccount.id == ward.account(contract).id)
    assert row.last_error
    others = [name for name in WELL if name != contract]
    assert {(await ward.find(name))[KEYS] for name in others[:1]} == {Tone.GOOD}
    # Of one that is off, nobody needs the keys to pay.
    await ward.change(contract, is_enabled=False)
    found = await ward.find(contract)
    assert (found[KEYS], HOOK in found) == (Tone.WARN, False)
    assert not is_bad(await ward.examine())


async def test_a_pg_that_is_away_says_nothing_about_the_keys(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.wire.is_away = True
    found = await ward.find("toss")
    assert (found[KEYS], found[TIME]) == (Tone.WARN, Tone.WARN)
    row = await ProviderAccount.objects().get(ProviderAccount.id == ward.account("toss").id)
    assert row.last_error is None
    ward.wire.is_away = False
    monkeypatch.setattr(doctor, "PATIENCE", 0)
    assert (await ward.find("toss"))[KEYS] is Tone.WARN


@pytest.mark.parametrize(("off", "tone"), [(0, "good"), (60, "good"), (-60, "good"), (61, "bad"), (-61, "bad")])
async def test_a_clock_that_is_off_by_more_than_a_minute_is_bad(ward: Ward, off: int, tone: str) -> None:
    ward.wire.off = off
    assert (await ward.find("toss"))[TIME] == tone


async def test_keys_that_do_not_open_are_bad(ward: Ward) -> None:
    await ward.change("stripe", credentials="nothing")
    found = await ward.find("stripe")
    assert found[STORED] is Tone.BAD
    assert KEYS not in found


@pytest.mark.parametrize("contract", ["portone", "stripe"])
async def test_without_a_webhook_secret_no_webhook_can_be_proved(ward: Ward, contract: str) -> None:
    await ward.change(contract, webhook_secret="")
    assert (await ward.find(contract))[SECRET] is Tone.BAD


async def test_a_webhook_that_came_is_seen_and_one_that_waits_too(ward: Ward, time: Clock) -> None:
    await ward.heard("toss", handled_at=clock.now())
    await ward.heard("stripe")
    time.go_on(minutes=9, seconds=59)
    assert (await ward.find("toss"))[HOOK] is Tone.GOOD
    assert WAITING not in await ward.find("stripe")
    time.go_on(seconds=1)
    assert WAITING not in await ward.find("toss")
    assert (await ward.find("stripe"))[WAITING] is Tone.BAD


async def test_the_last_refusal_is_told_with_its_reason(ward: Ward) -> None:
    await note_health(ward.account("portone").id, Misconfigured("CHANNEL_NOT_FOUND"))
    assert (await ward.find("portone"))[LAST] is Tone.WARN
    [told] = [finding for checkup in await ward.examine() for finding in checkup.findings if finding.check == LAST]
    assert (told.said, told.values) == ("결제사가 이 상점이나 채널을 모릅니다", {"code": "CHANNEL_NOT_FOUND"})


async def test_a_test_contract_beside_a_live_one_sells_nothing(ward: Ward) -> None:
    await ward.change("stripe", mode="live")
    assert (await ward.find("toss"))[MODE] is Tone.WARN
    # Live keys at an address that is not https.
    assert (await ward.find("stripe"))[MODE] is Tone.BAD
    gateways = ward.market.gateways
    safe = replace(gateways.settings, base_url="https://pay.example.com")
    ward.market.app.state.gateways = replace(gateways, settings=safe)
    assert (await ward.find("stripe"))[MODE] is Tone.GOOD
    assert (await ward.find())[ADDRESS] is Tone.GOOD
    await ward.change("stripe", is_enabled=False)
    assert (await ward.find("toss"))[MODE] is Tone.GOOD


@pytest.mark.parametrize("address", ["http://pay.example.com", "https://localhost:8000", "https://127.0.0.1"])
async def test_an_address_that_no_pg_can_reach_is_told(ward: Ward, address: str) -> None:
    gateways = ward.market.gateways
    ward.market.app.state.gateways = replace(gateways, settings=replace(gateways.settings, base_url=address))
    assert (await ward.find())[ADDRESS] is Tone.WARN


async def test_a_shop_without_a_contract_that_is_on_cannot_sell(ward: Ward) -> None:
    await ProviderAccount.update({ProviderAccount.is_enabled: False}, force=True)
    assert (await ward.find())[OFFERS] is Tone.WARN


async def boss_of(ward: Ward) -> Person:
    return await Desks(ward.market).member(ward.market.haru)


@pytest.mark.parametrize("lang", ["ko", "en"])
async def test_the_page_shows_the_findings_and_no_secret(ward: Ward, lang: str) -> None:
    boss = await boss_of(ward)
    boss.http.cookies.set("lang", lang)
    before = await boss.http.get(LIST)
    assert {"ko": "점검하기", "en": "Check now"}[lang] in before.text
    await ward.change("stripe", secret_key="sk_test_of_nobody")
    await ward.heard("toss", handled_at=clock.now())
    page = await boss.post(LIST)
    assert page.status_code == 200
    wanted = {
        "ko": (
            "다시 점검하기",
            "결제사가 이 계약의 키를 받지 않습니다",
            "2026-11-22 14:00에 마지막으로",
            "고쳐야 해요",
        ),
        "en": ("Check again", "The gateway refuses this contract&#39;s keys", "came at 2026-11-22 14:00", "mended"),
    }
    assert [text for text in wanted[lang] if text not in page.text] == []
    for contract in CONTRACTS.values():
        hidden = [contract.raw.get(name) for name in ("secret_key", "api_secret", "webhook_secret")]
        assert [secret for secret in (*hidden, "sk_test_of_nobody") if secret and secret in page.text] == []
    if lang == "en":
        main = page.text.split("<main")[1].split("</main>")[0].replace("하루상점", "")
        assert [letter for letter in main if "가" <= letter <= "힣"] == []
