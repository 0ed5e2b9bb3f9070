"""How far a file of orders has come, as the page beside it tells."""

import re
from html import unescape
from uuid import UUID

import httpx
import pytest

from app.language import translator
from app.orders.tables import Order
from app.owners.export import csv_of
from app.owners.export_progress import PATIENCE, follow
from tests.desk import Desks, Person
from tests.shopping import Market
from tests.test_desk_orders import LIST, place


def links_of(page: httpx.Response) -> tuple[str, str]:
    """Of the file, and of what tells how far it has come."""
    file, progress = re.search('href="([^"]+)" download', page.text), re.search('hx-get="([^"]+)"', page.text)
    assert file, page.text
    assert progress, page.text
    return unescape(file[1]), unescape(progress[1])


async def test_the_page_tells_how_far_a_long_file_has_come(
    market: Market, boss: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.owners.export.AT_ONCE", 2)
    await place(market, 5)
    file, progress = links_of(await boss.http.get(f"{LIST}?state=pending"))
    waiting = await boss.http.get(progress)
    assert "파일을 준비하고 있습니다." in waiting.text
    assert 'hx-trigger="every 2s"' in waiting.text
    export_id = UUID(file.partition("export=")[2])
    wanted = Order.shop == market.haru.id
    stream = follow(market.haru, export_id, 5, csv_of(market.haru, wanted, translator("ko")))
    for _ in range(3):
        await anext(stream)
    running = await boss.http.get(progress)
    assert "5건 가운데 4건을 내려보냈습니다." in running.text
    assert 'hx-trigger="every 2s"' in running.text
    market.time.go_on(seconds=31)
    broken = await boss.http.get(progress)
    assert "내려받기가 끊겼습니다" in broken.text
    assert "every" not in broken.text
    again, progress = links_of(broken)
    assert again != file
    assert "state=pending" in again
    assert (await boss.http.get(again)).status_code == 200
    ended = await boss.http.get(progress)
    assert "5건을 모두 내려보냈습니다." in ended.text
    assert 'hx-trigger="export-begins from:body"' in ended.text


async def test_a_file_that_never_begins_is_not_waited_for_for_ever(market: Market, boss: Person) -> None:
    await place(market, 1)
    _, progress = links_of(await boss.http.get(LIST))
    for _ in range(PATIENCE):
        answer = await boss.http.get(progress)
        assert "every" in answer.text
        _, progress = links_of(answer)
    assert "내려받기가 끊겼습니다" in (await boss.http.get(progress)).text


async def test_nobody_sees_or_stops_how_far_another_shops_file_has_come(
    market: Market, boss: Person, desks: Desks
) -> None:
    await place(market, 3)
    file, progress = links_of(await boss.http.get(LIST))
    await boss.http.get(file)
    stranger = await desks.member(market.namu)
    assert "파일을 준비하고" in (await stranger.http.get(progress.replace("/haru/", "/namu/"))).text
    await stranger.http.get(file.replace("/haru/", "/namu/"))
    assert "3건을 모두" in (await boss.http.get(progress)).text
    assert (await boss.http.get("/haru/owner/exports/none")).status_code == 404
    assert (await boss.http.get(f"{LIST}.csv?export=none")).status_code == 404
