"""What an operator can ask a running process."""

from collections.abc import AsyncIterator

import pytest

from tests.shopping import Clock, Market, Shopper, open_market

TOKEN = {"authorization": "Bearer open-sesame"}


@pytest.fixture
async def counted(database_url: str, time: Clock) -> AsyncIterator[Market]:
    async with open_market(database_url, time, metrics_token="open-sesame") as market:
        yield market


async def test_a_return_with_an_unknown_token_is_counted(counted: Market) -> None:
    shopper = counted.shopper()
    for token in ("forged", ""):
        assert (await shopper.http.get(f"/haru/checkout/callback?payment={token}&paymentKey=x")).status_code == 404
    counts = (await shopper.http.get("/metrics", headers=TOKEN)).text
    assert "sellog_unknown_returns_total 2.0" in counts
    assert 'sellog_requests_total{path="/{domain}/checkout/callback",status="404"} 2.0' in counts


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer guess"}, {"authorization": "Bearer "}])
async def test_the_counts_are_for_who_bears_the_token(counted: Market, headers: dict[str, str]) -> None:
    assert (await counted.shopper().http.get("/metrics", headers=headers)).status_code == 404


async def test_without_a_token_in_the_settings_nobody_gets_them(shopper: Shopper) -> None:
    assert (await shopper.http.get("/metrics", headers={"authorization": "Bearer "})).status_code == 404


async def test_the_process_and_its_database_answer(shopper: Shopper) -> None:
    assert (await shopper.http.get("/healthz")).text == "ok"
    assert (await shopper.http.get("/readyz")).text == "ok"
