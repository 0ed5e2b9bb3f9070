"""PortOne's lists of payments in the sandbox: by cursor, for a daily compare, and by page, with filters."""

from collections.abc import AsyncIterator

import pytest

from tests.portone_wire import (
    HARU,
    NAMU,
    OTHER_STORE,
    Buyer,
    issued,
    listed,
    paid,
    refused,
)
from tests.sandbox_wire import Practice, practice


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice(accounts=[HARU, NAMU]) as opened:
        yield opened


async def test_a_list_by_cursor_goes_on_until_it_is_empty(sandbox: Practice) -> None:
    names = [f"ORDER{number:04}" for number in range(5)]
    for name in names:
        await paid(sandbox, name)
        sandbox.clock.go_on(minutes=1)
    await Buyer(sandbox).open(names[0], storeId=OTHER_STORE, channelKey=NAMU["channel_key"])

    found, cursor = [], ""
    for _ in names:
        asked = f'{{"size": 2{cursor}}}'
        items = (await listed(sandbox, "/payments-by-cursor", asked)).json()["items"]
        if not items:
            break
        assert len(items) <= 2
        found += [item["payment"]["id"] for item in items]
        cursor = f', "cursor": "{items[-1]["cursor"]}"'

    assert found == names


async def test_a_list_by_cursor_takes_payments_by_the_time_of_their_creation(sandbox: Practice) -> None:
    for name in ("ORDER0001", "ORDER0002", "ORDER0003"):
        await paid(sandbox, name)
        sandbox.clock.go_on(hours=1)

    asked = '{"from": "2026-09-10T07:00:00Z", "until": "2026-09-10T16:30:12+09:00"}'
    items = (await listed(sandbox, "/payments-by-cursor", asked)).json()["items"]

    assert [item["payment"]["id"] for item in items] == ["ORDER0002"]
    sandbox.clock.go_on(days=90)
    assert (await listed(sandbox, "/payments-by-cursor", "{}")).json() == {"items": []}


@pytest.mark.parametrize(
    "asked",
    ["{", "[]", '{"size": 0}', '{"size": 1001}', '{"size": "2"}', '{"cursor": "?"}', '{"from": "2026-09-10T07:00:00"}'],
)
async def test_a_list_by_cursor_that_makes_no_sense_is_refused(sandbox: Practice, asked: str) -> None:
    assert refused(await listed(sandbox, "/payments-by-cursor", asked)) == (400, "INVALID_REQUEST")


async def test_a_list_by_page_is_newest_first_and_counts_all(sandbox: Practice) -> None:
    for number in range(5):
        await paid(sandbox, f"ORDER{number:04}")
        sandbox.clock.go_on(minutes=1)

    answer = (await listed(sandbox, "/payments", '{"page": {"number": 1, "size": 2}}')).json()

    assert [payment["id"] for payment in answer["items"]] == ["ORDER0002", "ORDER0001"]
    assert answer["page"] == {"number": 1, "size": 2, "totalCount": 5}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ('{"status": ["PENDING"]}', ["ORDERPEND"]),
        ('{"status": ["VIRTUAL_ACCOUNT_ISSUED", "PAID"], "sortOrder": "ASC"}', ["ORDERCARD", "ORDERBANK"]),
        ('{"methods": ["VIRTUAL_ACCOUNT"]}', ["ORDERBANK"]),
        ('{"currency": "USD"}', []),
        ('{"isTest": false}', []),
        ('{"textSearch": [{"field": "PAYMENT_ID", "value": "CARD"}]}', ["ORDERCARD"]),
        ('{"textSearch": [{"field": "ALL", "value": "buyer@"}], "status": ["PAID"]}', ["ORDERCARD"]),
    ],
)
async def test_a_list_by_page_is_filtered(sandbox: Practice, wanted: str, found: list[str]) -> None:
    await paid(sandbox, "ORDERCARD")
    sandbox.clock.go_on(minutes=1)
    await issued(sandbox, "ORDERBANK")
    sandbox.clock.go_on(minutes=1)
    await paid(sandbox, "ORDERPEND", approval="later")

    answer = (await listed(sandbox, "/payments", f'{{"filter": {wanted}}}')).json()

    assert [payment["id"] for payment in answer["items"]] == found


@pytest.mark.parametrize(
    "asked",
    [
        '{"filter": {"status": ["PAY_PENDING"]}}',
        '{"filter": {"isEscrow": true}}',
        '{"filter": {"textSearch": [{"field": "CARD_BIN", "value": "1"}]}}',
        '{"filter": {"timestampType": "PAID_AT"}}',
        '{"filter": []}',
        '{"page": {"number": 6000, "size": 10}}',
        '{"page": {"number": -1}}',
    ],
)
async def test_a_list_by_page_that_makes_no_sense_is_refused(sandbox: Practice, asked: str) -> None:
    assert refused(await listed(sandbox, "/payments", asked)) == (400, "INVALID_REQUEST")


async def test_a_list_is_also_asked_for_by_the_body_of_a_get(sandbox: Practice) -> None:
    await paid(sandbox)
    headers = {"authorization": "PortOne haru-api-secret"}

    answer = await sandbox.wire.request("GET", "/portone/payments", json={"page": {"size": 1}}, headers=headers)

    assert answer.json()["page"] == {"number": 0, "size": 1, "totalCount": 1}
