"""The PG fails at the worst moment: no answer is not a no, and nobody is charged twice for it."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments import controllers, watching
from app.payments.accounts import adopt
from app.payments.concluding import conclude_return
from app.payments.provider import Notice
from app.payments.providers.toss import Toss
from app.payments.states import PaymentStatus
from app.payments.tables import Payment, PaymentEvent, ProviderAccount
from app.shops.tables import Shop
from tests.sandbox_wire import HARU
from tests.shopping import Market, Shopper

# The fault, and whether Toss took the money in spite of it.
FAULTS = [
    ("server_error", False),
    ("server_error_after", True),
    ("answer_lost_before", False),
    ("answer_lost_after", True),
    ("slow", True),
]
TAKEN = [kind for kind, took in FAULTS if took]
NOT_TAKEN = [kind for kind, took in FAULTS if not took]


class Killed(BaseException):
    """The process dies."""


@pytest.fixture
def keys(market: Market, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ordinals of the idempotency keys that confirms were sent with."""
    sent: list[str] = []
    carry = market.pg.transport.handle_async_request

    async def watched(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/confirm"):
            reference, verb, ordinal = request.headers["idempotency-key"].split("-")
            assert verb == "confirm"
            assert len(reference) == 26
            sent.append(ordinal)
        return await carry(request)

    monkeypatch.setattr(market.pg.transport, "handle_async_request", watched)
    return sent


async def come_back_amid(market: Market, shopper: Shopper, kind: str) -> str:
    """A shopper approves and comes back while the PG's confirm goes wrong; the URL of the page that follows."""
    url = await shopper.approve(market.mug)
    payment = await market.only_payment()
    await market.fault(kind, call="confirm", reference=payment.reference, seconds=120)
    answer = await shopper.http.get(url)
    return answer.headers["location"]


async def paths(market: Market) -> dict[str, str]:
    token = (await market.only_order()).token
    return {
        "success": f"/haru/checkout/success?order={token}",
        "order": f"/haru/orders/{token}",
        "status": f"/haru/orders/{token}/status",
    }


async def total_captured(market: Market) -> int:
    return sum(entry["captured"] for entry in await market.ledger())


async def is_paid_once(market: Market) -> bool:
    order, payment = await market.only_order(), await market.only_payment()
    assert (order.status, order.paid_by) == (OrderStatus.PAID, payment.id)
    assert (payment.status, payment.captured_amount, payment.claim) == (PaymentStatus.PAID, 26_000, None)
    assert sorted(await market.moves("order")) == [(OrderStatus.PENDING, OrderStatus.PAID)]
    assert await market.stock_of(market.mug) == 11
    return await total_captured(market) == 26_000


@pytest.mark.parametrize("kind", [*NOT_TAKEN, "answer_lost_after", "slow"])
async def test_every_page_says_that_it_is_being_checked_while_nothing_is_known(
    market: Market, shopper: Shopper, kind: str
) -> None:
    location = await come_back_amid(market, shopper, kind)
    assert "/checkout/success" in location
    await market.fault("server_error", call="lookup", percent=100)

    for path in [location, *(await paths(market)).values()]:
        page = await shopper.http.get(path)
        assert page.status_code == 200
        assert 'data-status="confirming"' in page.text
        assert "결제를 확인하고 있어요" in page.text
        assert "every 2s" in page.text
        for word in ("결제되지 않았", "실패", "다시 결제하기"):
            assert word not in page.text

    assert (await market.only_payment()).status == PaymentStatus.CONFIRMING
    assert (await market.only_order()).status == OrderStatus.PENDING


@pytest.mark.parametrize("where", ["success", "order", "status"])
@pytest.mark.parametrize("kind", ["answer_lost_after", "slow"])
async def test_the_next_view_finds_the_money_that_was_taken(
    market: Market, shopper: Shopper, kind: str, where: str
) -> None:
    await come_back_amid(market, shopper, kind)
    assert (await market.only_payment()).status == PaymentStatus.CONFIRMING

    page = await shopper.http.get((await paths(market))[where])

    assert 'data-status="paid"' in page.text
    assert await is_paid_once(market)


async def test_a_500_after_the_money_was_taken_is_a_success_at_once(market: Market, shopper: Shopper) -> None:
    await come_back_amid(market, shopper, "server_error_after")
    assert await is_paid_once(market)


@pytest.mark.parametrize(("kind", "ordinals"), [("server_error", ["1", "2"]), ("answer_lost_before", ["1", "1"])])
@pytest.mark.parametrize("where", ["success", "order", "status"])
async def test_a_view_carries_on_what_was_not_done(
    market: Market, shopper: Shopper, keys: list[str], where: str, kind: str, ordinals: list[str]
) -> None:
    """A stored error would be replayed for its key, so the key is a new one; after silence it is the same one."""
    await come_back_amid(market, shopper, kind)

    page = await shopper.http.get((await paths(market))[where])

    assert 'data-status="paid"' in page.text
    assert keys == ordinals
    assert await is_paid_once(market)


@pytest.mark.parametrize("kind", [kind for kind, _ in FAULTS])
async def test_the_worker_finishes_what_nobody_looks_at(market: Market, shopper: Shopper, kind: str) -> None:
    await come_back_amid(market, shopper, kind)
    market.time.go_on(seconds=16)
    await market.work()
    assert await is_paid_once(market)


async def test_errors_upon_errors_use_a_new_key_each_and_end_well(
    market: Market, shopper: Shopper, keys: list[str]
) -> None:
    url = await shopper.approve(market.mug)
    await market.fault("server_error", call="confirm", reference=(await market.only_payment()).reference, times=3)
    await shopper.come_back(url)
    for path in (await paths(market)).values():
        await shopper.http.get(path)
    assert keys == ["1", "2", "3", "4"]
    assert await is_paid_once(market)


@pytest.mark.parametrize("kind", NOT_TAKEN)
async def test_a_confirm_that_never_happened_lapses_and_the_order_can_be_paid_again(
    market: Market, shopper: Shopper, kind: str
) -> None:
    await come_back_amid(market, shopper, kind)
    market.time.go_on(minutes=11)
    await market.work()

    payment = await market.only_payment()
    assert (payment.status, payment.captured_amount) == (PaymentStatus.EXPIRED, 0)
    assert payment.closed_at is not None
    page = await shopper.http.get((await paths(market))["order"])
    again = await shopper.press(page)
    await shopper.open_window(again.headers["location"])
    assert "결제가 끝났어요" in (await shopper.come_back(await market.pg.buyer.approve())).text
    assert await total_captured(market) == 26_000


@pytest.mark.parametrize("kind", TAKEN)
async def test_money_that_was_taken_is_found_days_later(market: Market, shopper: Shopper, kind: str) -> None:
    await come_back_amid(market, shopper, kind)
    market.time.go_on(days=3)
    await market.work()
    assert await is_paid_once(market)


async def test_a_crash_between_the_intent_and_the_call_is_carried_on_after_the_lease(
    market: Market, shopper: Shopper, monkeypatch: pytest.MonkeyPatch, keys: list[str]
) -> None:
    url = httpx.URL(await shopper.approve(market.mug))

    async def die(*_: object) -> None:
        raise Killed

    payment = await market.only_payment()
    with monkeypatch.context() as broken:
        broken.setattr(Toss, "conclude", die)
        with pytest.raises(Killed):
            await conclude_return(market.gateways, payment, Notice(dict(url.params)))
    assert (await market.only_payment()).status == PaymentStatus.CONFIRMING
    assert keys == []

    market.time.go_on(seconds=watching.LEASE.total_seconds() - 1)
    await market.work()
    assert keys == []
    market.time.go_on(seconds=2)
    await market.work()
    assert keys == ["1"]
    assert await is_paid_once(market)


async def test_a_crash_after_the_money_was_taken_is_carried_on_too(
    market: Market, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = httpx.URL(await shopper.approve(market.mug))
    conclude = Toss.conclude

    async def die_after(*given: object) -> None:
        await conclude(*given)
        raise Killed

    payment = await market.only_payment()
    with monkeypatch.context() as broken:
        broken.setattr(Toss, "conclude", die_after)
        with pytest.raises(Killed):
            await conclude_return(market.gateways, payment, Notice(dict(url.params)))
    assert await total_captured(market) == 26_000
    market.time.go_on(seconds=watching.LEASE.total_seconds() + 1)
    await market.work()
    assert await is_paid_once(market)


async def test_a_look_up_that_fails_before_the_confirm_does_not_stop_it(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    await market.fault("answer_lost", call="lookup", reference=(await market.only_payment()).reference)
    assert "결제가 끝났어요" in (await shopper.come_back(url)).text
    assert await is_paid_once(market)


async def test_a_pg_that_is_away_altogether_is_waited_for(market: Market, shopper: Shopper, keys: list[str]) -> None:
    url = await shopper.approve(market.mug)
    await market.fault("answer_lost_before", call="lookup", percent=100)
    await market.fault("answer_lost_before", call="confirm", percent=100)
    page = await shopper.come_back(url)
    assert "결제를 확인하고 있어요" in page.text
    market.time.go_on(seconds=20)
    await market.work()
    assert (await market.only_payment()).status == PaymentStatus.CONFIRMING

    await market.pg.wire.delete("/control/faults")
    market.time.go_on(minutes=2)
    await market.work()
    assert set(keys) == {"1"}
    assert await is_paid_once(market)


@pytest.mark.parametrize("code", ["NOT_FOUND_PAYMENT", "FORBIDDEN_REQUEST"])
async def test_a_pg_that_does_not_find_yet_what_it_took_is_asked_again(
    market: Market, shopper: Shopper, code: str
) -> None:
    location = await come_back_amid(market, shopper, "answer_lost_after")
    reference = (await market.only_payment()).reference
    await market.fault("error", call="lookup", code=code, reference=reference, times=4)
    for _ in range(2):
        page = await shopper.http.get(location)
        assert "결제를 확인하고 있어요" in page.text
    await market.pg.wire.delete("/control/faults")
    assert 'data-status="paid"' in (await shopper.http.get(location)).text
    assert await is_paid_once(market)


async def test_a_false_claim_that_was_stored_while_the_pg_was_away_ends_with_the_pgs_window(
    market: Market, shopper: Shopper
) -> None:
    url = httpx.URL(await shopper.approve(market.mug))
    await market.fault("answer_lost_before", call="lookup", percent=100)
    await market.fault("answer_lost_before", call="confirm", percent=100)
    await shopper.come_back(str(url.copy_set_param("paymentKey", "tharu20260101000000Abcdefgh")))
    assert (await market.only_payment()).status == PaymentStatus.CONFIRMING
    await market.pg.wire.delete("/control/faults")

    for _ in range(50):
        market.time.go_on(minutes=1)
        await market.work()

    payment = await market.only_payment()
    assert (payment.status, payment.captured_amount) == (PaymentStatus.FAILED, 0)
    assert market.confirms == ["RemoteProtocolError"]
    page = await shopper.http.get((await paths(market))["order"])
    assert "돈은 빠져나가지 않았습니다" in page.text
    assert await total_captured(market) == 0


async def test_watching_the_page_does_not_put_off_the_worker(market: Market, shopper: Shopper) -> None:
    """Each view is a look-up. Were it counted as one of the worker's, ever rarer ones, a shopper who waits a minute
    and leaves would be told tomorrow."""
    location = await come_back_amid(market, shopper, "answer_lost_after")
    await market.fault("server_error", call="lookup", percent=100)
    for _ in range(30):
        market.time.go_on(seconds=2)
        await shopper.http.get(location)
    await market.pg.wire.delete("/control/faults")

    market.time.go_on(minutes=2)
    await market.work()
    assert await is_paid_once(market)


async def test_wrong_keys_charge_nobody_and_the_return_succeeds_once_they_are_mended(
    market: Market, shopper: Shopper
) -> None:
    url = await shopper.approve(market.mug)
    await give_keys(market.haru, market, secret_key="test_sk_somebody_else")

    page = await shopper.come_back(url)

    assert page.status_code == 400
    assert "가게의 결제 설정에 문제가 있어요" in page.text
    assert "돈이 빠져나가지 않았습니다" in page.text
    assert await market.refusals() == ["misconfigured"]
    assert market.confirms == []
    assert await last_errors(market) == ["UNAUTHORIZED_KEY"]

    await give_keys(market.haru, market, secret_key=HARU["secret_key"])
    assert "결제가 끝났어요" in (await shopper.come_back(url)).text
    assert await is_paid_once(market)
    assert await last_errors(market) == [None]


async def test_keys_that_are_withdrawn_before_the_confirm_charge_nobody(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    reference = (await market.only_payment()).reference
    await market.fault("error", call="confirm", code="UNAUTHORIZED_KEY", reference=reference)
    page = await shopper.come_back(url)
    assert "가게의 결제 설정에 문제가 있어요" in page.text
    assert "돈은 빠져나가지 않았습니다" in page.text
    assert await last_errors(market) == ["UNAUTHORIZED_KEY"]
    again = await shopper.press(page)
    await shopper.open_window(again.headers["location"])
    assert "결제가 끝났어요" in (await shopper.come_back(await market.pg.buyer.approve())).text
    assert [payment["captured"] for payment in await market.ledger()].count(26_000) == 1


async def test_keys_that_are_withdrawn_after_a_lost_confirm_leave_it_open(market: Market, shopper: Shopper) -> None:
    await come_back_amid(market, shopper, "answer_lost_before")
    reference = (await market.only_payment()).reference
    await market.fault("error", call="confirm", code="UNAUTHORIZED_KEY", reference=reference)
    market.time.go_on(seconds=20)
    await market.work()
    assert (await market.only_payment()).status == PaymentStatus.CONFIRMING
    market.time.go_on(minutes=2)
    await market.work()
    assert await is_paid_once(market)


async def test_a_slow_pg_keeps_no_shopper_waiting_and_the_work_goes_on(
    market: Market, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for a busy machine to come as far as the confirm.
    monkeypatch.setattr(controllers, "PATIENCE", 1.0)
    asked, answer_now = asyncio.Event(), asyncio.Event()
    carry = market.pg.transport.handle_async_request

    async def hang(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/confirm"):
            asked.set()
            await answer_now.wait()
        return await carry(request)

    monkeypatch.setattr(market.pg.transport, "handle_async_request", hang)
    url = await shopper.approve(market.mug)

    page = await shopper.come_back(url)
    await asked.wait()

    assert "결제를 확인하고 있어요" in page.text
    assert "결제를 확인하고 있어요" in (await shopper.come_back(url)).text
    assert market.confirms == []
    answer_now.set()
    await market.app.state.background.drain(5)
    assert market.confirms == [200]
    assert await is_paid_once(market)
    assert 'data-status="paid"' in (await shopper.http.get(page.url)).text


async def test_the_worker_and_many_views_at_once_capture_once(market: Market, shopper: Shopper) -> None:
    location = await come_back_amid(market, shopper, "server_error")
    market.time.go_on(seconds=16)
    await asyncio.gather(*(market.work() for _ in range(3)), *(shopper.http.get(location) for _ in range(5)))
    await shopper.http.get(location)
    assert await is_paid_once(market)


async def test_a_page_that_cannot_ask_shows_what_is_known(
    market: Market, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = await come_back_amid(market, shopper, "answer_lost_after")

    async def nonsense(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(Toss, "examine", nonsense)
    page = await shopper.http.get(location)
    assert page.status_code == 200
    assert "결제를 확인하고 있어요" in page.text


async def give_keys(shop: Shop, market: Market, secret_key: str) -> None:
    keys = {"client_key": HARU["client_key"], "secret_key": secret_key}
    where = replace(market.gateways.settings.gateways["toss"], credentials=keys, merchant=HARU["merchant"])
    await adopt(market.gateways.ring, shop, "toss", [where])


async def last_errors(market: Market) -> list[str | None]:
    shop = market.haru.id
    return (
        await ProviderAccount.select(ProviderAccount.last_error)
        .where(ProviderAccount.shop == shop)
        .output(as_list=True)
    )


async def test_every_change_of_state_left_one_event(market: Market, shopper: Shopper) -> None:
    await come_back_amid(market, shopper, "server_error")
    await shopper.http.get((await paths(market))["order"])
    events = [event for event in await PaymentEvent.objects() if event.from_status]
    assert sorted((event.subject, event.from_status, event.to_status, event.cause) for event in events) == [
        ("order", "pending", "paid", "shopper"),
        ("payment", "confirming", "paid", "shopper"),
        ("payment", "created", "confirming", "return"),
    ]
    assert await Payment.count() == await Order.count() == 1
