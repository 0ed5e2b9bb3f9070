"""The door for webhooks, at every PG: what proves itself is kept and answered at once, the rest is turned away."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from app import clock
from app.database import DB, recorded_statements
from app.jobs.tables import Job
from app.payments.accounts import PURPOSE
from app.payments.inbox import BODY, HINTS_ASKED, NOT_OURS, ORPHAN, UNASKED
from app.payments.states import AlertKind, PaymentStatus
from app.payments.tables import Alert, InboxEvent, Payment, PaymentEvent, ProviderAccount
from tests import portone_wire, stripe_wire
from tests.mall import CONTRACTS, Customer, hear_all
from tests.shopping import EMAIL, Clock, Contract, Market, open_market

SIGNED = ("portone", "stripe")
EVERY = ("toss", *SIGNED)
UNKNOWN = "01M80XFXB0FSQV6T9SMYY4ZWNG"
OTHER_SECRET = "whsec_YW5vdGhlci1rZXktMDEyMzQ1Njc4OWFiY2RlZg=="


@dataclass(frozen=True)
class Door:
    """Where the webhooks of one contract come in."""

    market: Market
    account: ProviderAccount
    secret: str = ""

    @property
    def path(self) -> str:
        return f"/webhooks/{self.account.provider}/{self.account.id}"

    @property
    def store(self) -> str:
        return self.account.merchant

    def told(self, reference: str | None, pg_id: str | None = None, **more: Any) -> bytes:
        """What the PG would tell of a payment that was made; `more` is somewhere in it."""
        match self.account.provider:
            case "toss":
                body = {"eventType": "PAYMENT_STATUS_CHANGED", "data": {"orderId": reference, "status": "DONE", **more}}
            case "portone":
                data = {"storeId": self.store, "paymentId": reference or "order-1", "transactionId": pg_id or "tx-1"}
                body = {"type": "Transaction.Paid", "timestamp": "2026-11-22T05:00:00Z", "data": data | more}
            case _:
                about = {"id": pg_id or "pi_1", "object": "payment_intent", "metadata": {"reference": reference}}
                about |= {"status": "succeeded", "amount_received": 1, **more}
                body = {"id": "evt_1", "type": "payment_intent.succeeded", "livemode": False, "data": {"object": about}}
        return json.dumps(body).encode()

    def signed(self, body: bytes, secret: str = "", after: int = 0, name: str = "evt_1") -> dict[str, str]:
        """The headers that the PG would send, `after` seconds from now."""
        secret, at = secret or self.secret, int(self.market.time.moment.timestamp()) + after
        match self.account.provider:
            case "toss":
                return {"tosspayments-webhook-transmission-id": f"whtrans_{name}"}
            case "portone":
                key = base64.b64decode(secret.removeprefix("whsec_"))
                digest = hmac.digest(key, f"{name}.{at}.".encode() + body, hashlib.sha256)
                signature = f"v1,{base64.b64encode(digest).decode()}"
                return {"webhook-id": name, "webhook-timestamp": str(at), "webhook-signature": signature}
            case _:
                digest = hmac.digest(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
                return {"stripe-signature": f"t={at},v1={digest.hex()}"}

    async def post(self, body: Any, headers: Mapping[str, str] | None = None) -> int:
        """The status that is answered; signed as the PG would, unless `headers` are given."""
        sent = self.signed(body) if headers is None else headers
        return (await self.market.shopper().http.post(self.path, content=body, headers=dict(sent))).status_code

    async def give(self, **changes: str | None) -> None:
        """Changes the account's credentials; None takes one away."""
        ring = self.market.gateways.ring
        row = await ProviderAccount.objects().get(ProviderAccount.id == self.account.id)
        credentials = json.loads(ring.open(row.credentials, PURPOSE)) | changes
        kept = {name: value for name, value in credentials.items() if value is not None}
        sealed = {ProviderAccount.credentials: ring.seal(json.dumps(kept), PURPOSE)}
        await ProviderAccount.update(sealed).where(ProviderAccount.id == self.account.id)


def door_of(market: Market, contract: str) -> Door:
    account = market.accounts[list(CONTRACTS).index(contract)]
    return Door(market, account, CONTRACTS[contract].raw.get("webhook_secret", ""))


def counted(market: Market, name: str) -> int:
    """What the process has counted for its operator."""
    lines = market.app.state.metrics.text().decode().splitlines()
    [value] = [line.split()[1] for line in lines if line.startswith(f"sellog_{name}_total ")]
    return int(float(value))


async def share_keys(market: Market, account: ProviderAccount) -> ProviderAccount:
    """Gives Namu the keys of this account of Haru's, as the environment would."""
    market.time.go_on(seconds=1)
    key = f"{market.namu.id}:{account.account_key.partition(':')[2]}"
    values = account.to_dict() | {"id": clock.new_id(), "shop": market.namu.id, "account_key": key}
    shared = ProviderAccount(**values)
    await ProviderAccount.insert(shared)
    return shared


async def is_empty() -> bool:
    return await InboxEvent.count() == await Job.count().where(Job.kind == "inbox") == 0


async def pass_minutes(market: Market, minutes: int) -> None:
    for _ in range(minutes):
        market.time.go_on(minutes=1)
        await market.work()


# Who may say something


@pytest.mark.parametrize("contract", SIGNED)
async def test_what_does_not_prove_itself_is_401_and_leaves_nothing(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.go(mall.mug, contract)
    door, asked = door_of(mall, contract), len(mall.pg.transport.calls)
    body = door.told((await mall.only_payment()).reference)
    good = door.signed(body)
    last = list(good)[-1]
    forged = [
        (body, {}),
        (body, {**good, last: ""}),
        (body, {**good, last: good[last][:-4]}),
        (body, {**good, last: "nonsense"}),
        (body, door.signed(body, OTHER_SECRET)),
        (body, door.signed(body, after=301)),
        (body, door.signed(body, after=-301)),
        (body[:-1], good),
        (body.replace(b'"data"', b'"date"'), good),
        (b"\xff\xfe", good),
        (b"", good),
    ]
    assert [await door.post(*each) for each in forged] == [401] * len(forged)
    assert counted(mall, "forged_webhooks") == len(forged)
    assert await is_empty()
    assert len(mall.pg.transport.calls) == asked


@pytest.mark.parametrize("contract", SIGNED)
async def test_five_minutes_are_near_enough_in_both_directions(mall: Market, contract: str) -> None:
    door = door_of(mall, contract)
    for after in (300, -300):
        body = door.told(UNKNOWN)
        assert await door.post(body, door.signed(body, after=after)) == 200
    assert counted(mall, "forged_webhooks") == 0


@pytest.mark.parametrize("contract", SIGNED)
async def test_while_a_secret_is_replaced_both_are_good(mall: Market, contract: str) -> None:
    door = door_of(mall, contract)
    body = door.told(UNKNOWN)
    by_old, by_new = door.signed(body), door.signed(body, OTHER_SECRET)
    assert (await door.post(body, by_old), await door.post(body, by_new)) == (200, 401)
    await door.give(webhook_secret=f"{OTHER_SECRET},{door.secret}")
    assert (await door.post(body, by_old), await door.post(body, by_new)) == (200, 200)
    await door.give(webhook_secret=OTHER_SECRET)
    assert (await door.post(body, by_old), await door.post(body, by_new)) == (401, 200)


@pytest.mark.parametrize("contract", SIGNED)
async def test_an_account_without_a_secret_is_404_whatever_is_signed(mall: Market, contract: str) -> None:
    door = door_of(mall, contract)
    body = door.told(UNKNOWN)
    with_nothing = Door(mall, door.account, "whsec_" if contract == "portone" else " ").signed(body)
    for secret in ("", " ", ",", None):
        await door.give(webhook_secret=secret)
        assert [await door.post(body, each) for each in (door.signed(body), with_nothing, {})] == [404] * 3
    assert await is_empty()


STRIPE_VECTOR = b'{"id":"evt_test_1","object":"event","type":"checkout.session.completed"}'
PORTONE_VECTOR = (
    b'{"type":"Transaction.Paid","timestamp":"2026-09-10T06:30:58.120Z","data":{"storeId":"store-1",'
    b'"paymentId":"ORD20260910000001","transactionId":"tx-1"}}'
)
TOSS_VECTOR = b'{"eventType":"payout.changed","eventId":"e1"}'


async def test_portones_vector_comes_in(mall: Market) -> None:
    door = door_of(mall, "portone")
    await door.give(webhook_secret="whsec_cG9ydG9uZS10ZXN0LWtleS0wMTIzNDU2Nzg5YWJjZGVm", store_id="store-1")
    mall.time.moment = datetime.fromtimestamp(1789021858, UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1789021858",
        "webhook-signature": "v1,WfB+7R+Nnf1AhK49nLw+9ZphAde2Yme/O8uNThk1cXc=",
    }
    assert await door.post(PORTONE_VECTOR.replace(b"Paid", b"paid"), headers) == 401
    assert await door.post(PORTONE_VECTOR, headers) == 200
    [event] = await InboxEvent.objects()
    assert (event.reference, event.pg_payment_id, event.is_verified) == ("", "tx-1", True)


async def test_stripes_vector_is_authentic_and_says_nothing(mall: Market) -> None:
    door = door_of(mall, "stripe")
    await door.give(webhook_secret="whsec_test_secret_0123456789")
    mall.time.moment = datetime.fromtimestamp(1788996561, UTC)
    digest = "c69a629194b59a12b78df2023492d53d4e78fd9f926b228861eb0b29d2719ee2"
    headers = {"stripe-signature": f"t=1788996561,v1={digest}"}
    assert await door.post(STRIPE_VECTOR.replace(b"evt", b"Evt"), headers) == 401
    # It has no object: 400 is what only an authentic one gets.
    assert await door.post(STRIPE_VECTOR, headers) == 400
    assert await is_empty()


async def test_tosss_vector_is_about_no_payment(mall: Market) -> None:
    """Toss signs what it tells of payouts alone, of which nothing is taken, signed or not."""
    signature = "v1:8nMM7u5M4i8mMD1aAIDW0deV40UGOhy9K+locI4Fp7Q="
    headers = {
        "tosspayments-webhook-signature": signature,
        "tosspayments-webhook-transmission-time": "2026-09-10T15:31:00+09:00",
    }
    assert await door_of(mall, "toss").post(TOSS_VECTOR, headers) == 200
    assert await door_of(mall, "toss").post(TOSS_VECTOR, headers | {"tosspayments-webhook-signature": "v1:x"}) == 200
    assert await is_empty()


# What is said


@pytest.mark.parametrize("contract", SIGNED)
async def test_an_authentic_one_without_sense_is_400_and_leaves_nothing(mall: Market, contract: str) -> None:
    door = door_of(mall, contract)
    senseless = [b"", b"nonsense", b"\xff\xfe\x00", b"[]", b"null", b"7", b'"text"', b"{}", door.told(UNKNOWN)[:-9]]
    assert [await door.post(body) for body in senseless] == [400] * len(senseless)
    assert (counted(mall, "unreadable_webhooks"), counted(mall, "forged_webhooks")) == (len(senseless), 0)
    assert await is_empty()


@pytest.mark.parametrize(
    ("contract", "body"),
    [
        ("portone", {"type": "Something.OfTomorrow", "data": {}}),
        ("portone", {"type": "BillingKey.Issued", "data": {"storeId": portone_wire.STORE, "billingKey": "b"}}),
        ("portone", {"type": "Transaction.Confirm", "data": {"storeId": portone_wire.STORE, "paymentId": UNKNOWN}}),
        ("stripe", {"id": "evt_1", "type": "something.of_tomorrow", "livemode": False, "data": {"object": {}}}),
        ("stripe", {"id": "evt_1", "type": "customer.created", "livemode": False, "data": {"object": {}}}),
    ],
)
async def test_an_authentic_one_about_no_payment_is_200_and_nothing(
    mall: Market, contract: str, body: dict[str, Any]
) -> None:
    assert await door_of(mall, contract).post(json.dumps(body).encode()) == 200
    assert await is_empty()


@pytest.mark.parametrize("contract", EVERY)
@pytest.mark.parametrize("with_length", [True, False])
async def test_five_megabytes_are_refused_before_they_are_all_read(
    mall: Market, contract: str, with_length: bool
) -> None:
    taken = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(80):
            taken += 1
            yield b"x" * 65_536

    headers = door_of(mall, contract).signed(b"x")
    if with_length:
        headers["content-length"] = str(80 * 65_536)
    assert await door_of(mall, contract).post(flood(), headers) in (400, 413)
    assert taken < 5
    assert await is_empty()


@pytest.mark.parametrize("contract", EVERY)
async def test_the_answer_waits_for_nobody_and_the_body_is_kept_sealed(
    mall: Market, customer: Customer, contract: str
) -> None:
    await customer.go(mall.mug, contract)
    payment, door, asked = await mall.only_payment(), door_of(mall, contract), len(mall.pg.transport.calls)
    body = door.told(payment.reference, note=EMAIL)
    with capture_logs() as lines:
        assert await door.post(body) == 200
        assert len(mall.pg.transport.calls) == asked
        assert await door.post(body[:-1], {}) in (400, 401)
        await mall.work()
    [event] = await InboxEvent.objects()
    assert event.handled_at is not None
    assert mall.gateways.ring.open(event.body, BODY).encode() == body
    sealed = (EMAIL, payment.reference, "data")
    assert [text for text in sealed if text in event.body] == []
    secret = (EMAIL, payment.reference, *CONTRACTS[contract].raw.get("webhook_secret", "").split())
    written = json.dumps(lines, default=str) + json.dumps([job.error for job in await Job.objects()])
    assert [text for text in secret if text in written] == []


# What it is about


@pytest.mark.parametrize("contract", EVERY)
async def test_a_claim_of_money_is_only_a_reason_to_ask(mall: Market, customer: Customer, contract: str) -> None:
    await customer.go(mall.mug, contract)
    payment = await mall.only_payment()
    assert await door_of(mall, contract).post(door_of(mall, contract).told(payment.reference)) == 200
    await mall.work()
    assert (await mall.only_payment()).captured_amount == 0
    assert (await mall.only_order()).paid_by is None


@pytest.mark.parametrize("contract", EVERY)
async def test_sent_again_a_handled_one_is_200_and_nothing(mall: Market, customer: Customer, contract: str) -> None:
    await customer.pay(mall.mug, contract)
    door = door_of(mall, contract)
    body = door.told((await mall.only_payment()).reference)
    assert await door.post(body) == 200
    await mall.work()
    asked, moves = len(mall.pg.transport.calls), await mall.moves("payment")
    mall.time.go_on(minutes=3)
    assert await door.post(body) == 200
    assert await Job.count().where(Job.kind == "inbox", Job.done_at.is_null()) == 0
    await mall.work()
    assert (len(mall.pg.transport.calls), await mall.moves("payment")) == (asked, moves)
    assert await InboxEvent.count() == 1


@pytest.mark.parametrize("contract", EVERY)
async def test_sent_again_one_that_was_not_handled_is_handled_at_once(
    mall: Market, customer: Customer, contract: str
) -> None:
    window = await customer.go(mall.mug, contract)
    await window.press("approve")
    payment, door = await mall.only_payment(), door_of(mall, contract)
    provider = payment.provider
    fault = {"provider": provider, "kind": "server_error", "call": "lookup", "percent": 100}
    assert (await mall.pg.wire.post("/control/faults", json=fault)).status_code == 201
    body = door.told(payment.reference)
    await door.post(body)
    for _ in range(8):
        mall.time.go_on(minutes=9)
        await mall.work()
    [event] = await InboxEvent.objects()
    assert event.handled_at is None
    await mall.pg.wire.delete("/control/faults")
    # Its next try is far away, but here it comes again.
    assert await door.post(body) == 200
    await mall.work()
    [event] = await InboxEvent.objects()
    assert (event.handled_at is not None, event.error) == (True, None)


@pytest.mark.parametrize("contract", EVERY)
async def test_an_old_one_that_comes_last_moves_nothing_back(mall: Market, customer: Customer, contract: str) -> None:
    await customer.pay(mall.mug, contract)
    payment = await mall.only_payment()
    await mall.pg.wire.post(f"/control/refunds/{payment.reference}", json={"amount": 6_000})
    await hear_all(mall)
    moves = await mall.moves("payment")
    assert (await mall.only_payment()).status == PaymentStatus.PARTIALLY_REFUNDED
    assert await door_of(mall, contract).post(door_of(mall, contract).told(payment.reference)) == 200
    await mall.work()
    assert await mall.moves("payment") == moves


@pytest.mark.parametrize("contract", EVERY)
async def test_one_that_is_faster_than_its_payments_row_waits_for_it(
    mall: Market, customer: Customer, contract: str
) -> None:
    window = await customer.go(mall.mug, contract)
    payment, door = await mall.only_payment(), door_of(mall, contract)
    await Payment.update({Payment.reference: UNKNOWN}).where(Payment.id == payment.id)
    await window.press("approve")
    assert await door.post(door.told(payment.reference)) == 200
    await pass_minutes(mall, 5)
    [event] = await InboxEvent.objects()
    assert event.handled_at is None
    await Payment.update({Payment.reference: payment.reference}).where(Payment.id == payment.id)
    await pass_minutes(mall, 6)
    [event] = await InboxEvent.objects()
    assert (event.handled_at is not None, event.error) == (True, None)


@pytest.mark.parametrize("contract", EVERY)
async def test_with_our_tag_an_unknown_one_is_an_orphan_after_ten_minutes(mall: Market, contract: str) -> None:
    door = door_of(mall, contract)
    assert await door.post(door.told(UNKNOWN)) == 200
    await pass_minutes(mall, 9)
    [event] = await InboxEvent.objects()
    assert event.handled_at is None
    await pass_minutes(mall, 11)
    [event] = await InboxEvent.objects()
    assert (event.handled_at is not None, event.error) == (True, ORPHAN)
    assert await Job.count().where(Job.done_at.is_null()) == 0


@pytest.mark.parametrize("contract", SIGNED)
async def test_without_our_tag_an_unknown_one_is_not_ours(mall: Market, contract: str) -> None:
    door = door_of(mall, contract)
    assert await door.post(door.told(None, "somebody-elses")) == 200
    await pass_minutes(mall, 20)
    assert [event.error for event in await InboxEvent.objects()] == [NOT_OURS]


async def test_each_of_many_about_money_that_was_set_aside_is_handled(mall: Market, customer: Customer) -> None:
    window = await customer.go(mall.mug, "stripe")
    fault = {"provider": "stripe", "kind": "amount_changed", "reference": (await mall.only_payment()).reference}
    assert (await mall.pg.wire.post("/control/faults", json=fault)).status_code == 201
    await window.press("approve")
    await hear_all(mall)
    assert (await mall.only_payment()).status == PaymentStatus.MISMATCH
    assert await InboxEvent.count() > 3
    assert await InboxEvent.count().where(InboxEvent.handled_at.is_null()) == 0


async def test_accounts_that_are_switched_off_still_hear(mall: Market, customer: Customer) -> None:
    for contract in EVERY:
        await customer.pay(mall.mug, contract)
    await ProviderAccount.update({ProviderAccount.is_enabled: False}, force=True)
    for payment in await Payment.objects():
        await mall.pg.wire.post(f"/control/refunds/{payment.reference}", json={})
    await hear_all(mall)
    assert {(payment.provider, payment.status) for payment in await Payment.objects()} == {
        (contract, PaymentStatus.REFUNDED) for contract in EVERY
    }


@pytest.mark.parametrize(("contract", "elsewhere"), [("portone manual", "portone"), ("stripe elements", "stripe")])
async def test_one_that_comes_to_another_address_of_the_same_shop_is_heard(
    mall: Market, customer: Customer, contract: str, elsewhere: str
) -> None:
    """A store's channels, or keys that have changed while the PG still knows the older address."""
    await customer.pay(mall.mug, contract)
    await hear_all(mall)
    payment, door = await mall.only_payment(), door_of(mall, elsewhere)
    await mall.pg.wire.post(f"/control/refunds/{payment.reference}", json={"amount": 6_000})
    assert await door.post(door.told(payment.reference), door.signed(door.told(payment.reference), name="evt_9")) == 200
    await mall.work()
    assert (await mall.only_payment()).refunded_amount == 6_000
    assert await InboxEvent.count().where(InboxEvent.handled_at.is_null()) == await Alert.count() == 0


@pytest.mark.parametrize("contract", EVERY)
async def test_money_without_an_order_is_told_with_its_amount(mall: Market, customer: Customer, contract: str) -> None:
    await customer.pay(mall.mug, contract)
    payment, door = await mall.only_payment(), door_of(mall, contract)
    await PaymentEvent.delete().where(PaymentEvent.payment == payment.id)
    await Payment.delete().where(Payment.id == payment.id)
    assert await door.post(door.told(payment.reference, payment.pg_payment_id)) == 200
    await pass_minutes(mall, 20)
    [alert] = await Alert.objects()
    evidence = json.loads(alert.evidence)
    assert (alert.kind, alert.shop) == (AlertKind.ORPHAN, mall.haru.id)
    assert (evidence["reference"], evidence["amount"], evidence["currency"]) == (payment.reference, 26_000, "KRW")


@pytest.mark.parametrize("contract", EVERY)
async def test_a_word_of_money_that_the_pg_does_not_have_is_not_told(mall: Market, contract: str) -> None:
    """A payment that failed is told of as well."""
    door = door_of(mall, contract)
    assert await door.post(door.told(UNKNOWN)) == 200
    await pass_minutes(mall, 20)
    assert [event.error for event in await InboxEvent.objects()] == [ORPHAN]
    assert await Alert.count() == 0


async def test_shops_with_the_same_keys_are_told_of_one_orphan_once(mall: Market, customer: Customer) -> None:
    """At the one that had them first, to whose address so ever it comes."""
    theirs = door_of(mall, "toss").account
    shared = await share_keys(mall, theirs)
    await customer.pay(mall.mug, "toss")
    payment = await mall.only_payment()
    await PaymentEvent.delete().where(PaymentEvent.payment == payment.id)
    await Payment.delete().where(Payment.id == payment.id)
    for account in (shared, theirs):
        door = Door(mall, account)
        await door.post(door.told(payment.reference))
    await pass_minutes(mall, 20)
    [alert] = await Alert.objects()
    assert (alert.shop, alert.alert_key) == (mall.haru.id, f"orphan:{theirs.id}:{payment.reference}")


async def test_anybody_may_make_the_pg_be_asked_so_often_an_hour_and_no_more(mall: Market) -> None:
    door, hints = door_of(mall, "toss"), HINTS_ASKED + 5
    for number in range(hints):
        body = door.told(f"{UNKNOWN[:-3]}{number:03}")
        assert await door.post(body, door.signed(body, name=str(number))) == 200
    asked = len(mall.pg.transport.calls)
    await pass_minutes(mall, 20)
    assert len(mall.pg.transport.calls) - asked == HINTS_ASKED
    errors = [event.error for event in await InboxEvent.objects()]
    assert (errors.count(ORPHAN), errors.count(UNASKED)) == (HINTS_ASKED, 5)
    mall.time.go_on(minutes=41)
    assert await door.post(door.told(UNKNOWN), door.signed(b"", name="later")) == 200
    await pass_minutes(mall, 20)
    assert len(mall.pg.transport.calls) - asked == HINTS_ASKED + 1


# Several about one payment


async def test_one_look_answers_what_had_come_before_it_by_whatever_clock(mall: Market, customer: Customer) -> None:
    await customer.go(mall.mug, "toss")
    payment, door = await mall.only_payment(), door_of(mall, "toss")
    body = door.told(payment.reference)
    for name in ("1", "2"):
        await door.post(body, door.signed(body, name=name))
    _, second = await InboxEvent.objects().order_by(InboxEvent.id)
    ahead = {InboxEvent.received_at: mall.time() + timedelta(minutes=1)}
    await InboxEvent.update(ahead).where(InboxEvent.id == second.id)
    asked = len(mall.pg.transport.calls)
    await mall.work()
    assert len(mall.pg.transport.calls) == asked + 1
    assert await InboxEvent.count().where(InboxEvent.handled_at.is_null()) == 0


async def test_what_comes_while_the_pg_is_asked_is_a_reason_to_ask_again(
    mall: Market, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await customer.go(mall.mug, "toss")
    payment, door = await mall.only_payment(), door_of(mall, "toss")
    body, carry, asked = door.told(payment.reference), mall.pg.transport.handle_async_request, 0

    async def meanwhile(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        answer = await carry(request)
        if asked == 1:
            await door.post(body, door.signed(body, name="2"))
        return answer

    await door.post(body, door.signed(body, name="1"))
    monkeypatch.setattr(mall.pg.transport, "handle_async_request", meanwhile)
    await mall.work()
    assert asked == 2
    assert await InboxEvent.count().where(InboxEvent.handled_at.is_null()) == 0


async def test_one_waits_only_briefly_for_another_process_that_is_asking(
    mall: Market, customer: Customer, time: Clock
) -> None:
    await customer.go(mall.mug, "toss")
    payment, door = await mall.only_payment(), door_of(mall, "toss")
    await Payment.update({Payment.lease_until: time() + timedelta(minutes=2)}).where(Payment.id == payment.id)
    await door.post(door.told(payment.reference))
    for _ in range(24):
        await mall.work()
        time.go_on(seconds=5)
    time.go_on(seconds=1)
    await mall.work()
    [event] = await InboxEvent.objects()
    assert event.handled_at == time()


async def test_what_waits_for_a_payment_is_found_without_reading_every_webhook(
    mall: Market, customer: Customer
) -> None:
    await customer.go(mall.mug, "toss")
    door = door_of(mall, "toss")
    await door.post(door.told((await mall.only_payment()).reference))
    with recorded_statements() as statements:
        await mall.work()
    [query] = [each for each in statements if each.startswith("SELECT") and '"handled_at" IS NULL' in each]
    if DB.engine_type != "sqlite":
        # PostgreSQL reads a small table as a whole, whatever indexes it has.
        return
    plan = await DB.run_ddl("EXPLAIN QUERY PLAN " + query.replace("?", "''"))
    assert "inbox_events_waiting (account=? AND reference=?)" in str(plan)


# Two shops at the same PGs

NAMU = {
    "portone": portone_wire.NAMU | {"webhook_secret": portone_wire.NEXT_SECRET},
    "stripe": stripe_wire.NAMU | {"webhook_secret": "whsec_namu_0123456789"},
}
HARU = {"portone": portone_wire.LISTENING, "stripe": stripe_wire.LISTENING}
WAYS = {"portone": ("card",), "stripe": ("stripe",)}
NEIGHBOURS = [
    Contract(shop, raw[provider] | {"webhook_url": f"http://shop.test/webhooks/{provider}/{shop}"}, WAYS[provider])
    for provider in SIGNED
    for shop, raw in (("haru", HARU), ("namu", NAMU))
]


@pytest.fixture
async def street(database_url: str, time: Clock) -> AsyncIterator[Market]:
    async with open_market(database_url, time, NEIGHBOURS) as market:
        yield market


async def test_what_one_shop_may_sign_says_nothing_of_anothers_payment(street: Market) -> None:
    shopper = street.shopper()
    for number, provider in enumerate(SIGNED):
        haru, namu = street.accounts[2 * number : 2 * number + 2]
        await Payment.delete(force=True)
        await shopper.order(street.mug, pay=f"{haru.id}:{WAYS[provider][0]}")
        payment = await street.only_payment()
        ours = Door(street, haru, HARU[provider]["webhook_secret"])
        theirs = Door(street, namu, NAMU[provider]["webhook_secret"])
        body = theirs.told(payment.reference, storeId=theirs.store)

        # At the other's address it is a forgery; at its own it finds no payment.
        assert await ours.post(body, theirs.signed(body)) == 401
        asked = len(street.pg.transport.calls)
        assert await theirs.post(body) == 200
        await street.work()
        assert len(street.pg.transport.calls) == asked
        assert (await street.only_payment()).checks == 0
        street.time.go_on(minutes=11)
        await street.work()
        [event] = await InboxEvent.objects().where(InboxEvent.account == namu.id)
        assert event.error == ORPHAN
        assert await InboxEvent.count().where(InboxEvent.account == haru.id) == 0


# What the PG answers


def without_status(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "status"}


def of_tomorrow(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | ({"status": "OF_TOMORROW"} if "status" in answer else {})


def in_dollars(answer: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(answer).replace('"KRW"', '"USD"').replace('"krw"', '"usd"'))


GARBLED = {"not JSON": None, "a field less": without_status, "an unknown status": of_tomorrow}


def spoil(mall: Market, monkeypatch: pytest.MonkeyPatch, spoiling: Any, references: set[str]) -> None:
    """Lets the PG answer nonsense to every question about these payments, until `references` is empty."""
    carry = mall.pg.transport.handle_async_request

    async def spoiled(request: httpx.Request) -> httpx.Response:
        answer = await carry(request)
        asks = request.method == "GET" or request.url.path == "/v1/payments/confirm"
        if not asks or not any(name in answer.text for name in references):
            return answer
        content = b"<html>" if spoiling is None else json.dumps(spoiling(answer.json())).encode()
        return httpx.Response(answer.status_code, content=content, request=request)

    monkeypatch.setattr(mall.pg.transport, "handle_async_request", spoiled)


async def come_back_to_nonsense(mall: Market, customer: Customer, references: set[str]) -> list[httpx.Response]:
    """One purchase at every PG, about which the PG answers nonsense."""
    pages = []
    for contract in CONTRACTS:
        if contract != "namu":
            window = await customer.go(mall.mug, contract)
            references.update(payment.reference for payment in await Payment.objects())
            pages.append(await customer.come_back(await window.press("approve")))
    return pages


@pytest.mark.parametrize("spoiling", GARBLED.values(), ids=GARBLED)
async def test_an_answer_that_cannot_be_read_decides_nothing_and_is_told(
    mall: Market, customer: Customer, monkeypatch: pytest.MonkeyPatch, spoiling: Any
) -> None:
    references: set[str] = set()
    spoil(mall, monkeypatch, spoiling, references)
    for page in await come_back_to_nonsense(mall, customer, references):
        assert page.status_code == 200
        assert [words for words in ("결제가 끝났어요", "빠져나가지 않았") if words in page.text] == []
    mall.time.go_on(minutes=5)
    await mall.work()
    payments = await Payment.objects()
    assert len(payments) == 5
    assert {(payment.captured_amount, payment.closed_at) for payment in payments} == {(0, None)}
    assert await mall.refusals() == ["unreadable_answer"] * 5

    # The worker goes on with others.
    window = await customer.go(mall.last, "toss")
    await mall.fault("answer_lost_after", percent=100, times=1)
    await customer.come_back(await window.press("approve"))
    mall.time.go_on(minutes=5)
    await mall.work()
    assert [payment.amount for payment in await Payment.objects() if payment.captured_amount] == [21_000]

    references.clear()
    mall.time.go_on(hours=2)
    await mall.work()
    assert {payment.status for payment in await Payment.objects()} == {PaymentStatus.PAID}


async def test_an_answer_in_another_currency_pays_nothing_and_is_told(
    mall: Market, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    references: set[str] = set()
    spoil(mall, monkeypatch, in_dollars, references)
    for page in await come_back_to_nonsense(mall, customer, references):
        assert "결제가 끝났어요" not in page.text
    payments = await Payment.objects()
    assert {payment.status for payment in payments} <= {PaymentStatus.CREATED, PaymentStatus.MISMATCH}
    assert PaymentStatus.MISMATCH in {payment.status for payment in payments}
    told = await mall.refusals()
    assert len(told) + sum(payment.status == PaymentStatus.MISMATCH for payment in payments) >= 5
    await customer.pay(mall.last, "toss")
    assert await Payment.count().where(Payment.status == PaymentStatus.PAID) == 1
