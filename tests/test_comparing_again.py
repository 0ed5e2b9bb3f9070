"""Days that are compared again: what could not be asked, what comes back, what grows, and whom it is told to."""

import httpx
import pytest
from structlog.testing import capture_logs

from app.payments import comparing
from app.payments.comparing import compare_day
from app.payments.judging import MOST_UNANSWERED
from app.payments.provider import Unreachable
from app.payments.states import AlertKind, DifferenceKind
from app.payments.tables import Alert, Difference, Payment, ProviderAccount
from app.shops.tables import Shop
from tests.mall import Customer, move
from tests.shopping import EMAIL, Clock, Market
from tests.test_comparing import PRICE, TODAY, account_of, alerts, close_by_hand, compare, edit, forget, looks
from tests.test_webhook_door import share_keys

PAYLOAD_DAY = TODAY.isoformat()


def payload_of(account: ProviderAccount) -> dict[str, str]:
    return {"account": str(account.id), "day": PAYLOAD_DAY}


async def rows() -> list[tuple[int, bool]]:
    """Our sum of each difference, and whether it is open."""
    found = await Difference.objects().order_by(Difference.id)
    return [(row.ours, row.closed_at is None) for row in found]


async def silence(mall: Market, payment: Payment) -> None:
    """The PG answers no question about it."""
    await mall.fault("server_error", call="lookup", reference=payment.reference, times=9)


@pytest.fixture
async def pair(mall: Market, customer: Customer) -> list[Payment]:
    """Two payments, of which our rows say too much."""
    for _ in range(2):
        await customer.pay(mall.mug, "toss")
    payments = await Payment.objects().order_by(Payment.id)
    for number, payment in enumerate(payments, 1):
        await edit(payment, captured_amount=PRICE + number)
    return payments


async def test_a_payment_that_cannot_be_asked_about_hides_no_other(mall: Market, pair: list[Payment]) -> None:
    await silence(mall, pair[0])
    with pytest.raises(Unreachable, match="1 payments"):
        await compare(mall)
    assert await rows() == [(PRICE + 2, True)]
    assert await alerts() == [(AlertKind.DIFFERENCE, True)]


async def test_what_could_not_be_asked_about_is_not_taken_for_gone(mall: Market, pair: list[Payment]) -> None:
    assert len(await compare(mall)) == 2
    await silence(mall, pair[0])
    await edit(pair[1], captured_amount=PRICE)
    with pytest.raises(Unreachable):
        await compare(mall)
    assert sorted(await rows()) == [(PRICE + 1, True), (PRICE + 2, False)]


async def test_answers_that_cannot_be_read_stop_no_day(
    mall: Market, customer: Customer, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(MOST_UNANSWERED + 1):
        await customer.pay(mall.mug, "toss")
        time.go_on(seconds=1)
    payments = await Payment.objects().order_by(Payment.id)
    for payment in payments:
        await edit(payment, captured_amount=1)
    garbled = tuple(payment.reference for payment in payments[:-1])
    carry = mall.pg.transport.handle_async_request

    async def garble(request: httpx.Request) -> httpx.Response:
        answer = await carry(request)
        if request.url.path.endswith(garbled):
            return httpx.Response(200, content=b"<html>", request=request)
        return answer

    monkeypatch.setattr(mall.pg.transport, "handle_async_request", garble)
    with pytest.raises(Unreachable, match=f"{MOST_UNANSWERED} payments"):
        await compare(mall)
    assert await rows() == [(1, True)]


async def test_a_pg_that_went_away_is_not_asked_about_every_payment(mall: Market, customer: Customer) -> None:
    for _ in range(MOST_UNANSWERED + 2):
        await customer.pay(mall.mug, "toss")
    for payment in await Payment.objects():
        await edit(payment, captured_amount=1)
        await silence(mall, payment)
    before = looks(mall)
    with pytest.raises(Unreachable, match=f"{MOST_UNANSWERED + 2} payments"):
        await compare(mall)
    assert looks(mall) == before + MOST_UNANSWERED
    assert await Difference.count() == 0


async def test_what_a_person_has_closed_opens_when_it_has_grown(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    payment = await mall.only_payment()
    await edit(payment, captured_amount=PRICE + 1_000)
    await compare(mall)
    [row] = await Difference.objects()
    await close_by_hand(row.id, EMAIL, "결제사에 확인함")
    assert await compare(mall) == []
    await edit(payment, captured_amount=PRICE + 500_000)
    assert await compare(mall) == [(DifferenceKind.AMOUNT, PRICE + 500_000, PRICE)]
    [row] = await Difference.objects()
    assert (row.closed_by, row.closed_at, row.note) == (None, None, "결제사에 확인함")
    assert sorted(await alerts()) == [(AlertKind.DIFFERENCE, False), (AlertKind.DIFFERENCE, True)]
    assert len(await compare(mall)) == 1
    assert await Alert.count() == 2


async def test_an_orphan_that_a_person_has_closed_opens_when_its_money_has_changed(
    mall: Market, customer: Customer
) -> None:
    await customer.pay(mall.mug, "toss")
    payment = await mall.only_payment()
    await forget(payment)
    await compare(mall)
    [row] = await Difference.objects()
    await close_by_hand(row.id, EMAIL, "돌려주기로 함")
    assert await alerts() == [(AlertKind.ORPHAN, False)]
    assert await compare(mall) == []
    await move(mall, f"refunds/{payment.reference}", amount=6_000)
    assert await compare(mall) == [(DifferenceKind.MISSING_HERE, 0, PRICE - 6_000)]
    assert (AlertKind.ORPHAN, True) in await alerts()
    await move(mall, f"refunds/{payment.reference}", amount=PRICE - 6_000)
    assert await compare(mall) == []
    assert [is_open for _, is_open in await alerts() if is_open] == []


async def test_what_is_found_later_of_the_same_day_is_told_too(mall: Market, pair: list[Payment]) -> None:
    await edit(pair[1], captured_amount=PRICE)
    assert len(await compare(mall)) == 1
    await edit(pair[1], captured_amount=PRICE + 2)
    assert len(await compare(mall)) == 2
    assert await alerts() == [(AlertKind.DIFFERENCE, True)] * 2
    assert len(await mall.jobs("alert")) == 2
    for payment in pair:
        await edit(payment, captured_amount=PRICE)
    assert await compare(mall) == []
    assert await alerts() == [(AlertKind.DIFFERENCE, False)] * 2


async def test_what_is_back_after_it_was_gone_is_told_again(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    payment = await mall.only_payment()
    for more in (1_000, 0, 1_000):
        await edit(payment, captured_amount=PRICE + more)
        await compare(mall)
    assert await rows() == [(PRICE + 1_000, True)]
    assert (AlertKind.DIFFERENCE, True) in await alerts()
    assert len(await mall.jobs("alert")) == 2
    [row] = await Difference.objects()
    assert row.note == ""


async def test_refused_keys_are_waited_for_and_the_day_is_given_up_after_two_weeks(mall: Market, time: Clock) -> None:
    account = account_of(mall, "toss")
    sealed = mall.gateways.ring.seal('{"client_key": "test_ck_x", "secret_key": "test_sk_x"}', "provider account")
    await ProviderAccount.update({ProviderAccount.credentials: sealed}).where(ProviderAccount.id == account.id)
    time.go_on(days=14)
    with pytest.raises(comparing.NotYet, match="UNAUTHORIZED_KEY"):
        await comparing.carry_out(mall.gateways, payload_of(account))
    time.go_on(days=1)
    with capture_logs() as lines:
        await comparing.carry_out(mall.gateways, payload_of(account))
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["compare_given_up"]


async def test_an_orphan_at_keys_that_shops_share_is_written_for_the_first_that_sells(
    mall: Market, customer: Customer
) -> None:
    first = account_of(mall, "toss")
    shared = await share_keys(mall, first)
    await customer.pay(mall.mug, "toss")
    await forget(await mall.only_payment())
    for account in (shared, first):
        await compare_day(mall.gateways, account, TODAY)
    [row] = await Difference.objects()
    [alert] = await Alert.objects()
    assert (row.account, alert.shop) == (first.id, mall.haru.id)

    await ProviderAccount.update({ProviderAccount.is_enabled: False}).where(ProviderAccount.id == first.id)
    for account in (first, shared):
        await compare_day(mall.gateways, account, TODAY)
    still_open = await Difference.select(Difference.account).where(Difference.closed_at.is_null())
    assert still_open == [{"account": shared.id}]


async def test_a_shop_whose_day_nobody_knows_keeps_no_other_from_its_own(mall: Market, time: Clock) -> None:
    await Shop.update({Shop.time_zone: "Mars/Olympus"}).where(Shop.id == mall.haru.id)
    time.go_on(days=1)
    await comparing.compare_yesterday()
    [job] = await mall.jobs("compare")
    assert job.payload_values["account"] == str(account_of(mall, "namu").id)
