"""What signing in leaves behind goes away once it is of no use, and a mailed link with the mail."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from app import clock
from app.database import DB, write_transaction
from app.main import handlers_of
from app.messages import delivering
from app.messages.delivering import Courier
from app.messages.posting import post
from app.messages.tables import Message
from app.owners.forgetting import AT_ONCE, KEPT, forget_old
from app.owners.logins import IDLE, hash_of
from app.owners.resetting import VALID
from app.owners.tables import Export, Guess, Login, PasswordReset
from app.owners.throttling import FORGOTTEN, Bucket, _count
from app.settings import MailServer, Settings
from tests.desk import PASSWORD, Desks, Person
from tests.post_office import PostOffice, open_office
from tests.shopping import Market
from tests.test_messages import settings_of
from tests.test_resetting import ask, links


async def test_a_login_goes_a_week_after_its_time_and_not_before(market: Market, boss: Person) -> None:
    market.time.go_on(seconds=(IDLE + KEPT).total_seconds())
    await forget_old()
    assert await Login.count() == 1
    other = await Desks(market).member(market.namu)
    market.time.go_on(seconds=1)
    await forget_old()
    assert await Login.count() == 1
    assert await other.is_signed_in()


async def test_a_login_that_is_used_stays(market: Market, boss: Person) -> None:
    for _ in range(4):
        market.time.go_on(days=20)
        assert await boss.is_signed_in()
        await market.work()
    assert await Login.count() == 1


async def test_a_link_goes_a_week_after_its_time_used_or_not(market: Market, boss: Person) -> None:
    for _ in range(2):
        await ask(market, boss, boss.email)
        market.time.go_on(minutes=6)
    await boss.post((await links())[0], password=PASSWORD, again=PASSWORD)
    await forget_old()
    assert await PasswordReset.count() == 2
    market.time.go_on(seconds=(VALID + KEPT).total_seconds())
    await forget_old()
    assert await PasswordReset.count() == 0


async def test_counts_of_browsers_and_networks_go_after_a_day(market: Market, boss: Person) -> None:
    await boss.sign_in("a wrong password")
    await forget_old()
    assert await Guess.count() > 0
    market.time.go_on(seconds=FORGOTTEN.total_seconds() + 1)
    await market.work()
    assert await Guess.count() == 0


async def test_what_is_counted_on_just_now_is_left_for_later(market: Market) -> None:
    """Locked one by one in another order, both would wait for each other on PostgreSQL."""
    if DB.engine_type != "postgres":
        return
    first, second = sorted((Bucket(f"bucket {number}", 5) for number in range(2)), key=lambda bucket: bucket.key)
    long_ago = clock.now() - timedelta(days=3)
    for bucket in (second, first):
        await Guess.insert(Guess(bucket=bucket.key, tries=1, tried_at=long_ago, free_at=long_ago))
    begun, swept = asyncio.Event(), asyncio.Event()

    async def sweep() -> None:
        await begun.wait()
        await forget_old()
        swept.set()

    async def sign_in() -> None:
        async with write_transaction():
            await _count(first, clock.now())
            begun.set()
            await asyncio.wait_for(swept.wait(), 10)
            await _count(second, clock.now())

    await asyncio.gather(sweep(), sign_in())
    assert await Guess.count() == 2


async def test_very_many_go_in_small_batches(market: Market, boss: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    [login], long_ago = await Login.objects(), clock.now() - KEPT - timedelta(days=1)
    times = {"created_at": long_ago, "seen_at": long_ago, "expires_at": long_ago}
    old = [Login(owner=login.owner, token_hash=hash_of(str(number)), **times) for number in range(2 * AT_ONCE + 1)]
    await Login.insert(*old)
    deletes = []
    delete = Login.delete
    monkeypatch.setattr(Login, "delete", lambda: deletes.append(1) or delete())
    await forget_old()
    assert [row["id"] for row in await Login.select(Login.id)] == [login.id]
    assert len(deletes) == 3


async def test_a_mailed_link_cannot_be_read_once_the_mail_was_sent(market: Market, boss: Person) -> None:
    async with open_office(PostOffice()) as office:
        settings = replace(market.gateways.settings, smtp_url=office.url, mail_from="desk@shop.test")
        gateways = replace(market.gateways, settings=settings)
        await ask(market, boss, boss.email)
        [link] = await links()
        [job] = await market.jobs("deliver")
        await handlers_of(gateways)["deliver"](job.payload_values)
        assert link in office.letters[0].get_content()
    [message] = await Message.objects()
    assert (message.status, message.body) == ("sent", "")
    assert (await boss.post(link, password=PASSWORD, again=PASSWORD)).status_code == 303


@pytest.mark.parametrize("is_secret", [True, False])
async def test_nor_once_it_cannot_be_sent(market: Market, monkeypatch: pytest.MonkeyPatch, is_secret: bool) -> None:
    async def refuse(server: MailServer, settings: Settings, message: Message) -> None:
        raise delivering.BadRecipient

    monkeypatch.setattr(delivering, "send", refuse)
    async with write_transaction():
        await post(settings_of(""), "key", "Sellog", "owner@haru.example", "subject", "a link", is_secret=is_secret)
    [message] = await Message.objects()
    await Courier(settings_of("smtp://mail.test")).deliver({"message": str(message.id)})
    [message] = await Message.objects()
    assert (message.status, message.body) == ("failed", "" if is_secret else "a link")


async def test_exports_are_forgotten(market: Market, boss: Person) -> None:
    await Export.insert(Export(shop=market.haru.id, total=1, seen_at=market.time()))
    market.time.go_on(days=6)
    await forget_old()
    assert await Export.count() == 1
    market.time.go_on(days=2)
    await forget_old()
    assert await Export.count() == 0
