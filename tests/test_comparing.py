"""A day of the PG's own list against our rows: what is different even after asking once more is a row for somebody."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.database import DB, write_transaction
from app.orders.states import OrderStatus
from app.payments import comparing
from app.payments.comparing import compare_day
from app.payments.differences import close_difference
from app.payments.provider import Misconfigured, Transaction, Unreachable
from app.payments.providers.toss import Toss
from app.payments.statements import day_of
from app.payments.states import AlertKind, DifferenceKind, PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Alert, Difference, Payment, PaymentEvent, ProviderAccount, Refund
from tests.mall import CARDS, CONTRACTS, Customer, hear_all, move
from tests.shopping import EMAIL, Clock, Market

TODAY = date(2026, 11, 22)
PRICE = 26_000
NAMES = list(CONTRACTS)
every_contract = pytest.mark.parametrize("contract", CARDS)


def account_of(mall: Market, contract: str) -> ProviderAccount:
    return mall.accounts[NAMES.index(contract)]


async def compare(mall: Market, contract: str = "toss", day: date = TODAY) -> list[tuple[str, int, int]]:
    """What is found: kind, our sum, theirs."""
    found = await compare_day(mall.gateways, account_of(mall, contract), day)
    return [(each.kind, each.ours, each.theirs) for each in found]


async def compare_all(mall: Market) -> list[tuple[str, int, int]]:
    return [each for contract in CONTRACTS for each in await compare(mall, contract)]


async def close_by_hand(difference_id: object, closed_by: str, note: str) -> bool:
    async with write_transaction():
        return await close_difference(difference_id, closed_by, note)


async def forget(payment: Payment) -> None:
    """As if its row had never been written."""
    for table, column in (
        ("payment_events", "payment"),
        ("refunds", "payment"),
        ("alerts", "payment"),
        ("payments", "id"),
    ):
        await DB.run_ddl(f"DELETE FROM {table} WHERE {column} = '{payment.id}'")


async def refund_by_hand(mall: Market, payment: Payment, amount: int) -> None:
    """At the PG's console; its webhook never comes."""
    fault = {"provider": payment.provider, "kind": "webhook_dropped", "reference": payment.reference, "times": 9}
    await move(mall, "faults", **fault)
    await move(mall, f"refunds/{payment.reference}", amount=amount)


async def edit(payment: Payment, **values: Any) -> None:
    await Payment.update(values).where(Payment.id == payment.id)


def looks(mall: Market) -> int:
    """How often the PG was asked about one payment."""
    singles = ("/payments/orders/", "/portone/payments/", "/v1/checkout/sessions/", "/v1/payment_intents/")
    return sum(method == "GET" and any(name in path for name in singles) for method, path, _ in mall.pg.transport.calls)


async def alerts() -> list[tuple[str, bool]]:
    """Which were raised, and whether each is open, oldest first."""
    return [(row.kind, row.closed_at is None) for row in await Alert.objects().order_by(Alert.id)]


async def test_equal_books_give_no_difference_and_no_questions(mall: Market, customer: Customer) -> None:
    for contract in CARDS:
        await customer.pay(mall.mug, contract)
    await hear_all(mall)
    before = looks(mall)
    assert await compare_all(mall) == []
    assert looks(mall) == before
    assert await Difference.count() == await Alert.count() == 0


@every_contract
async def test_a_refund_that_both_sides_know_is_no_difference(mall: Market, customer: Customer, contract: str) -> None:
    await customer.pay(mall.mug, contract)
    await move(mall, f"refunds/{(await mall.only_payment()).reference}", amount=6_000)
    await hear_all(mall)
    assert (await mall.only_order()).refunded_amount == 6_000
    assert await compare_all(mall) == []


@every_contract
async def test_money_under_our_tag_that_no_payment_knows_is_an_orphan(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.pay(mall.mug, contract)
    payment = await mall.only_payment()
    await forget(payment)
    assert await compare(mall, contract) == [(DifferenceKind.MISSING_HERE, 0, PRICE)]
    [row] = await Difference.objects()
    assert (row.reference, row.payment, row.day) == (payment.reference, None, "2026-11-22")
    [alert] = await Alert.objects()
    assert (alert.kind, alert.shop) == (AlertKind.ORPHAN, mall.haru.id)
    evidence = json.loads(alert.evidence)
    assert (evidence["reference"], evidence["amount"], evidence["currency"]) == (payment.reference, PRICE, "KRW")


async def test_an_orphan_that_went_back_is_none_any_more(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    payment = await mall.only_payment()
    await forget(payment)
    assert len(await compare(mall)) == 1
    await move(mall, f"refunds/{payment.reference}", amount=PRICE)
    assert await compare(mall) == []
    [row] = await Difference.objects()
    assert (row.closed_by, row.note, row.closed_at) == (None, "사라짐", mall.time.moment)
    assert await alerts() == [(AlertKind.ORPHAN, False)]


@every_contract
async def test_what_was_only_late_is_heard_and_is_no_difference(
    mall: Market, customer: Customer, contract: str
) -> None:
    """The shopper paid and was never seen again, no webhook came, and nobody has asked yet."""
    pay_url = await customer.choose(mall.mug, contract)
    payment = await mall.only_payment()
    await move(mall, "faults", provider=payment.provider, kind="webhook_dropped", reference=payment.reference, times=9)
    window = await customer.open(pay_url)
    way_back = await window.press("approve")
    if contract in ("toss", "portone manual"):
        await move(
            mall,
            "faults",
            provider=payment.provider,
            kind="answer_lost_after",
            call="confirm",
            reference=payment.reference,
            times=1,
        )
        await customer.http.get(way_back)
    assert (await mall.only_order()).status == OrderStatus.PENDING
    assert await compare(mall, contract) == []
    assert (await mall.only_order()).status == OrderStatus.PAID


@every_contract
async def test_a_refund_by_hand_that_nobody_told_of_is_heard_first(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.pay(mall.mug, contract)
    await hear_all(mall)
    await refund_by_hand(mall, await mall.only_payment(), 6_000)
    assert (await mall.only_payment()).refunded_amount == 0
    assert await compare(mall, contract) == []
    assert (await mall.only_payment()).refunded_amount == 6_000
    assert (await mall.only_order()).status == OrderStatus.PARTIALLY_REFUNDED
    assert await Difference.count() == 0


@every_contract
async def test_a_row_of_ours_that_says_more_is_a_difference(mall: Market, customer: Customer, contract: str) -> None:
    await customer.pay(mall.mug, contract)
    await edit(await mall.only_payment(), captured_amount=PRICE + 1_000)
    assert await compare(mall, contract) == [(DifferenceKind.AMOUNT, PRICE + 1_000, PRICE)]
    [row] = await Difference.objects()
    assert row.payment == (await mall.only_payment()).id
    assert await alerts() == [(AlertKind.DIFFERENCE, True)]


@every_contract
async def test_money_that_the_pg_does_not_know_is_missing_there(
    mall: Market, customer: Customer, contract: str
) -> None:
    pay_url = await customer.choose(mall.mug, contract)
    await customer.http.get(pay_url)
    await mall.hear(await mall.only_payment())
    assert await compare(mall, contract) == [(DifferenceKind.MISSING_THERE, PRICE, 0)]


async def test_money_is_missing_on_the_day_on_which_it_came(mall: Market, customer: Customer, time: Clock) -> None:
    """Not only on the day on which we heard of it."""
    pay_url = await customer.choose(mall.mug, "toss")
    await customer.http.get(pay_url)
    came = time.moment
    time.go_on(days=1)
    await mall.hear(await mall.only_payment(), paid_at=came)
    assert await compare(mall) == [(DifferenceKind.MISSING_THERE, PRICE, 0)]


@every_contract
async def test_a_refund_that_the_pg_does_not_know_is_missing_there(
    mall: Market, customer: Customer, contract: str
) -> None:
    """A refunded payment never becomes paid again by our doing, where the PG says nothing of a refund that failed."""
    await customer.pay(mall.mug, contract)
    payment = await mall.only_payment()
    await edit(payment, refunded_amount=PRICE, status=PaymentStatus.MISMATCH)
    assert await compare(mall, contract) == [(DifferenceKind.MISSING_THERE, PRICE, 0)]


@every_contract
async def test_money_that_stands_in_another_state_is_a_difference(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.pay(mall.mug, contract)
    await edit(await mall.only_payment(), status=PaymentStatus.MISMATCH)
    assert await compare(mall, contract) == [(DifferenceKind.STATE, PRICE, PRICE)]


async def test_a_refund_that_failed_here_but_was_done_there_is_a_difference(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    await refund_by_hand(mall, await mall.only_payment(), 6_000)
    assert await compare(mall) == []
    await Refund.update({Refund.status: RefundStatus.FAILED}).where(Refund.kind == RefundKind.OUTSIDE)
    assert await compare(mall) == [(DifferenceKind.STATE, PRICE, PRICE)]


async def test_twice_the_money_under_one_name_is_a_difference(
    mall: Market, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up shows one of the two; the list shows both."""
    await customer.pay(mall.mug, "toss")
    payment = await mall.only_payment()
    second = Transaction("captured", payment.reference, "another-key", "t-2", PRICE, "KRW", mall.time.moment)
    whole = Toss.transactions

    async def both(self: Toss, since: datetime, until: datetime) -> Any:
        async for row in whole(self, since, until):
            yield row
        yield second

    monkeypatch.setattr(Toss, "transactions", both)
    assert await compare(mall) == [(DifferenceKind.AMOUNT, PRICE, 2 * PRICE)]


async def test_money_without_our_tag_is_another_systems_business(
    mall: Market, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def foreign(self: Toss, since: datetime, until: datetime) -> Any:
        yield Transaction("captured", None, "their-key", "t-1", 5_000, "KRW", since + timedelta(days=2))
        yield Transaction("refunded", None, "older-key", "t-2", 5_000, "KRW", since + timedelta(days=2))

    monkeypatch.setattr(Toss, "transactions", foreign)
    assert await compare(mall) == []
    assert await Difference.count() == await Alert.count() == 0


@every_contract
async def test_what_happens_at_midnight_is_no_difference_on_either_day(
    mall: Market, customer: Customer, time: Clock, contract: str
) -> None:
    """Taken at the PG in the last second of one day, known here in the first of the next."""
    time.moment = datetime(2026, 11, 22, 14, 59, 59, tzinfo=UTC)
    window = await customer.go(mall.mug, contract)
    way_back = await window.press("approve")
    if contract in ("toss", "portone manual"):
        payment = await mall.only_payment()
        await move(
            mall,
            "faults",
            provider=payment.provider,
            kind="answer_lost_after",
            call="confirm",
            reference=payment.reference,
            times=1,
        )
        await customer.http.get(way_back)
    time.go_on(seconds=20)
    await mall.work()
    await hear_all(mall)
    payment = await mall.only_payment()
    assert payment.status == PaymentStatus.PAID
    events = await PaymentEvent.objects().where(PaymentEvent.to_status == PaymentStatus.PAID)
    days = [day_of(day, "Asia/Seoul") for day in (TODAY, TODAY + timedelta(days=1))]
    assert payment.paid_at in days[0]
    assert all(event.at in days[1] for event in events)
    before = looks(mall)
    for day in (TODAY, TODAY + timedelta(days=1)):
        assert await compare(mall, contract, day) == []
    assert looks(mall) == before


async def test_only_the_rows_of_the_day_count(mall: Market, customer: Customer, time: Clock) -> None:
    await customer.pay(mall.mug, "toss")
    await forget(await mall.only_payment())
    time.go_on(days=1)
    assert await compare(mall, day=TODAY - timedelta(days=1)) == []
    assert await compare(mall, day=TODAY + timedelta(days=1)) == []
    assert len(await compare(mall)) == 1


async def test_the_same_difference_is_one_row_and_one_alert(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    payment = await mall.only_payment()
    for more in (1_000, 1_000, 2_000):
        await edit(payment, captured_amount=PRICE + more)
        assert await compare(mall) == [(DifferenceKind.AMOUNT, PRICE + more, PRICE)]
    assert await Difference.count() == await Alert.count() == 1


async def test_a_difference_that_is_gone_closes_itself_and_opens_when_it_is_back(
    mall: Market, customer: Customer
) -> None:
    await customer.pay(mall.mug, "toss")
    payment = await mall.only_payment()
    await edit(payment, captured_amount=PRICE + 1_000)
    await compare(mall)
    await edit(payment, captured_amount=PRICE)
    assert await compare(mall) == []
    [row] = await Difference.objects()
    assert (row.closed_by, row.note) == (None, "사라짐")
    assert row.closed_at is not None
    assert await alerts() == [(AlertKind.DIFFERENCE, False)]
    await edit(payment, captured_amount=PRICE + 1_000)
    assert len(await compare(mall)) == await Difference.count() == 1


async def test_what_a_person_has_closed_stays_closed(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    await edit(await mall.only_payment(), captured_amount=PRICE + 1_000)
    await compare(mall)
    [row] = await Difference.objects()
    assert await close_by_hand(row.id, EMAIL, "결제사에 확인함")
    assert not await close_by_hand(row.id, "somebody@example.com", "again")
    assert await compare(mall) == []
    [row] = await Difference.objects()
    assert (row.closed_by, row.note) == (EMAIL, "결제사에 확인함")
    [alert] = await Alert.objects()
    assert (alert.closed_by, alert.note) == (EMAIL, "결제사에 확인함")


async def test_the_alert_of_a_day_closes_with_its_last_difference(mall: Market, customer: Customer) -> None:
    for _ in range(2):
        await customer.pay(mall.mug, "toss")
    for payment in await Payment.objects():
        await edit(payment, captured_amount=1)
    await compare(mall)
    assert await alerts() == [(AlertKind.DIFFERENCE, True)]
    first, second = await Difference.objects()
    await close_by_hand(first.id, EMAIL, "")
    assert await alerts() == [(AlertKind.DIFFERENCE, True)]
    await close_by_hand(second.id, EMAIL, "")
    assert await alerts() == [(AlertKind.DIFFERENCE, False)]


@every_contract
async def test_a_pg_that_does_not_answer_leaves_everything_as_it_is(
    mall: Market, customer: Customer, contract: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await customer.pay(mall.mug, contract)
    await edit(await mall.only_payment(), captured_amount=PRICE + 1_000)
    await compare(mall, contract)
    await edit(await mall.only_payment(), captured_amount=PRICE)

    async def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("down")

    with monkeypatch.context() as outage:
        outage.setattr(mall.pg.transport, "handle_async_request", down)
        with pytest.raises(Unreachable):
            await compare(mall, contract)
    [row] = await Difference.objects()
    assert row.closed_at is None
    assert await compare(mall, contract) == []


async def test_a_look_up_without_an_answer_writes_no_difference(mall: Market, customer: Customer) -> None:
    await customer.pay(mall.mug, "toss")
    await edit(await mall.only_payment(), captured_amount=PRICE + 1_000)
    await mall.fault("server_error", call="lookup", reference=(await mall.only_payment()).reference, times=9)
    with pytest.raises(Unreachable):
        await compare(mall)
    assert await Difference.count() == 0


async def test_refused_keys_are_the_owners_to_mend(mall: Market) -> None:
    sealed = mall.gateways.ring.seal(
        json.dumps({"client_key": "test_ck_x", "secret_key": "test_sk_x"}), "provider account"
    )
    account = account_of(mall, "toss")
    account.credentials = sealed
    with pytest.raises(Misconfigured):
        await compare_day(mall.gateways, account, TODAY)
    account = await ProviderAccount.objects().get(ProviderAccount.id == account.id)
    assert account.last_error == "UNAUTHORIZED_KEY"


async def test_another_shops_account_is_left_alone(mall: Market, customer: Customer) -> None:
    for product, contract in ((mall.mug, "toss"), (mall.spoon, "namu")):
        await customer.pay(product, contract)
    for payment in await Payment.objects():
        await edit(payment, captured_amount=1)
    ours = account_of(mall, "toss")
    assert len(await compare(mall)) == 1
    [row] = await Difference.objects()
    [alert] = await Alert.objects()
    assert (row.account, alert.shop) == (ours.id, mall.haru.id)
    assert len(await compare(mall, "namu")) == 1
    await Payment.update({Payment.captured_amount: PRICE}).where(Payment.account == ours.id)
    await compare(mall)
    still_open = await Difference.select(Difference.account).where(Difference.closed_at.is_null())
    assert [row["account"] for row in still_open] == [account_of(mall, "namu").id]


async def test_a_payment_in_a_list_that_two_accounts_see_is_compared_at_its_own(
    mall: Market, customer: Customer
) -> None:
    """Both channels of PortOne's store are in each one's list."""
    await customer.pay(mall.mug, "portone")
    await edit(await mall.only_payment(), captured_amount=1)
    assert await compare(mall, "portone manual") == []
    assert len(await compare(mall, "portone")) == 1


async def test_a_deposit_that_the_bank_took_back_is_no_difference(
    mall: Market, customer: Customer, time: Clock
) -> None:
    await customer.pay(mall.mug, "toss", "virtual_account")
    reference = (await mall.only_payment()).reference
    for way in ("", "/reverse", ""):
        await move(mall, f"deposits/{reference}{way}")
        await hear_all(mall)
        assert await compare(mall) == []
        time.go_on(hours=12)
    for later in range(3):
        assert await compare(mall, day=TODAY + timedelta(days=later)) == []


async def test_a_refund_that_portone_does_not_list_any_more_is_not_missed(
    mall: Market, customer: Customer, time: Clock
) -> None:
    """Its list is of payments that were made lately."""
    await customer.pay(mall.mug, "portone")
    await hear_all(mall)
    time.go_on(days=120)
    await move(mall, f"refunds/{(await mall.only_payment()).reference}", amount=6_000)
    await hear_all(mall)
    assert (await mall.only_payment()).refunded_amount == 6_000
    assert await compare(mall, "portone", TODAY + timedelta(days=120)) == []


async def test_the_day_is_compared_once_an_account_after_three_in_the_morning(
    mall: Market, customer: Customer, time: Clock
) -> None:
    await customer.pay(mall.mug, "toss")
    await forget(await mall.only_payment())
    await mall.work()
    assert await mall.jobs("compare") == []
    time.moment = datetime(2026, 11, 22, 17, 59, tzinfo=UTC)
    await mall.work()
    assert await mall.jobs("compare") == []
    time.go_on(minutes=1)
    for _ in range(3):
        await mall.work()
    jobs = await mall.jobs("compare")
    assert {job.dedupe_key for job in jobs} == {f"compare:{account.id}:2026-11-22" for account in mall.accounts}
    assert all(job.done_at for job in jobs)
    assert await Difference.count() == 1
    time.go_on(days=1)
    await mall.work()
    assert len(await mall.jobs("compare")) == 2 * len(mall.accounts)


async def test_the_days_job_waits_until_the_pg_answers(mall: Market, time: Clock) -> None:
    await mall.fault("server_error", call="lookup", percent=100, times=1)
    payload = {"account": str(account_of(mall, "toss").id), "day": "2026-11-22"}
    with pytest.raises(comparing.NotYet):
        await comparing.carry_out(mall.gateways, payload)
    await comparing.carry_out(mall.gateways, payload)


async def test_an_account_that_is_switched_off_is_compared_while_it_has_late_payments(
    mall: Market, customer: Customer, time: Clock
) -> None:
    await customer.pay(mall.mug, "toss")
    await forget(await mall.only_payment())
    await ProviderAccount.update({ProviderAccount.is_enabled: False}).where(ProviderAccount.provider == "toss")
    account = account_of(mall, "toss")
    payload = {"account": str(account.id), "day": "2026-11-22"}
    await comparing.carry_out(mall.gateways, payload)
    assert await Difference.count() == 0
    await ProviderAccount.update({ProviderAccount.is_enabled: True}).where(ProviderAccount.id == account.id)
    await customer.choose(mall.mug, "toss")
    await ProviderAccount.update({ProviderAccount.is_enabled: False}).where(ProviderAccount.id == account.id)
    assert account.id in [each.id for each in await comparing.list_compared(mall.haru)]
    time.go_on(days=91)
    assert account.id not in [each.id for each in await comparing.list_compared(mall.haru)]
    time.go_on(days=-91)
    await comparing.carry_out(mall.gateways, payload)
    assert await Difference.count() == 1


def test_a_day_is_the_shops_own() -> None:
    day = day_of(TODAY, "Asia/Seoul")
    assert (day.since, day.until) == (datetime(2026, 11, 21, 15, tzinfo=UTC), datetime(2026, 11, 22, 15, tzinfo=UTC))
    changed = day_of(date(2026, 3, 8), "America/New_York")
    assert changed.until - changed.since == timedelta(hours=23)
