"""Logs: one line for each request and one for each call to a PG, and nothing in them that is anybody's secret."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.typing import EventDict

from app.payments.tables import Payment
from tests.sandbox_wire import HARU
from tests.shopping import EMAIL, Market, Shopper


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    """What is logged, with the trace of its request."""
    captured = structlog.testing.LogCapture()
    before = structlog.get_config()["processors"]
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, captured])
    yield captured.entries
    structlog.configure(processors=before)


def of(lines: list[EventDict], event: str) -> list[dict[str, Any]]:
    return [dict(line) for line in lines if line["event"] == event]


async def test_each_request_is_one_line(market: Market, shopper: Shopper, lines: list[EventDict]):
    await shopper.http.get(f"/haru/products/{market.mug.id}?utm=x")
    await shopper.http.head("/haru")
    await shopper.http.get("/nobody/products/1")
    await shopper.http.get("/no/such/route/at/all")
    await shopper.http.post("/haru/checkout", data={"email": EMAIL})
    assert [(line["method"], line["path"], line["status"]) for line in of(lines, "request")] == [
        ("GET", "/{domain}/products/{product_id}", 200),
        ("HEAD", "/{domain}", 200),
        ("GET", "/{domain}/products/{product_id}", 404),
        ("GET", "-", 404),
        ("POST", "/{domain}/checkout", 403),
    ]
    assert all(line["ms"] >= 0 for line in of(lines, "request"))
    assert len({line["trace"] for line in of(lines, "request")}) == 5


async def test_the_trace_is_told_to_the_client(market: Market, shopper: Shopper, lines: list[EventDict]):
    answer = await shopper.http.get("/haru")
    assert answer.headers["x-trace-id"] == of(lines, "request")[0]["trace"]


async def test_each_call_to_the_pg_is_one_line(market: Market, shopper: Shopper, lines: list[EventDict]):
    await shopper.buy(market.mug)
    calls = of(lines, "pg_call")
    assert len(calls) == len([path for _, path, _ in market.pg.transport.calls if path.startswith("/v1/")])
    assert [(call["method"], call["path"], call["status"]) for call in calls] == [
        ("GET", "/v1/payments/{paymentKey}", 200),
        ("POST", "/v1/payments/confirm", 200),
    ]
    assert all(call["ms"] >= 0 and call["trace"] and call["pg_trace"] for call in calls)


async def test_our_own_mistake_is_logged_with_its_trace(
    market: Market, shopper: Shopper, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("app.shops.controllers.list_products", broken)
    answer = await shopper.http.get("/haru")
    [line] = of(lines, "unhandled")
    assert line["error"].startswith("RuntimeError at shops/controllers.py:")
    assert line["trace"] == answer.headers["x-trace-id"]
    assert [line["status"] for line in of(lines, "request")] == [500]


async def test_no_line_holds_a_secret_or_an_address(market: Market, shopper: Shopper, lines: list[EventDict]):
    first = await shopper.order(market.mug)
    keys = [await shopper.open_window(first)]
    failed = await shopper.come_back(await market.pg.buyer.decline())
    again = (await shopper.press(failed)).headers["location"]
    keys.append(await shopper.open_window(again))
    back = await market.pg.buyer.approve()
    await shopper.come_back(back.replace("amount=26000", "amount=1"))
    await market.fault("5xx", percent=100)
    await shopper.come_back(back)
    market.time.go_on(minutes=10)
    await market.work()
    await shopper.http.get(back + "&email=" + EMAIL)
    await shopper.submit(market.mug, email="other@example.com", quantity="0")

    order, payments = await market.only_order(), await Payment.objects()
    secrets = [EMAIL, "other@example.com", HARU["client_key"], HARU["secret_key"], *keys, order.token]
    secrets += [order.checkout_token.partition(".")[2], *shopper.http.cookies.values()]
    secrets += [payment.token for payment in payments] + [payment.reference for payment in payments]
    written = json.dumps(lines, default=str, ensure_ascii=False)
    assert len(of(lines, "pg_call")) > 3
    assert [secret for secret in secrets if secret in written] == []
