"""A deposit goes back to a bank account that only the shopper knows: asked for, checked, and used once."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.database import write_transaction
from app.jobs.queue import enqueue
from app.messages.tables import Message
from app.orders.states import OrderStatus
from app.payments.refunding import RECEIVER
from app.payments.states import PaymentStatus, RefundKind, RefundStatus
from app.payments.tables import Payment, PaymentEvent, Refund
from tests.mall import Customer, at_the_pg, hear_all, mails, move
from tests.shopping import Market

HOLDER = "김민지"
NUMBER = "1002123456789"


@dataclass
class Desk:
    """A deposited order, and what was asked of the PG to refund it."""

    mall: Market
    customer: Customer
    pg: str
    # The idempotency key and the body of each cancel.
    asked: list[tuple[str, dict[str, Any]]]

    async def want_refund(self, amount: int = 26_000) -> None:
        """What the owner's button will write."""
        payment = await self.mall.only_payment()
        refund = Refund(payment=payment.id, kind=RefundKind.ASKED, amount=amount, reason="고객 변심")
        async with write_transaction():
            await Refund.insert(refund)
            await enqueue("refund", {"refund": str(refund.id)}, f"refund:{refund.id}")
        await self.work()

    async def work(self) -> None:
        """The worker, when whatever was postponed is due again."""
        self.mall.time.go_on(minutes=2)
        await self.mall.work()

    async def refund(self) -> Refund:
        refunds = await Refund.objects()
        assert len(refunds) == 1
        return refunds[0]

    async def complete(self) -> None:
        """The bank has sent the money."""
        await move(self.mall, f"refunds/{(await self.mall.only_payment()).reference}/complete")
        await hear_all(self.mall)
        await self.work()

    async def books(self) -> tuple[int, int]:
        entry = await at_the_pg(self.mall, await self.mall.only_payment())
        return entry["captured"], entry["refunded"]

    @property
    def receivers(self) -> list[object]:
        name = "refundReceiveAccount" if self.pg == "toss" else "refundAccount"
        return [body[name] for _, body in self.asked]

    def receiver(self, number: str = NUMBER) -> dict[str, str]:
        """우리은행, as this PG wants it."""
        if self.pg == "toss":
            return {"bank": "20", "accountNumber": number, "holderName": HOLDER}
        return {"bank": "WOORI", "number": number, "holderName": HOLDER}

    async def refuse(self, code: str) -> None:
        """The PG will refuse the next cancel."""
        reference = (await self.mall.only_payment()).reference
        await self.mall.fault("error", provider=self.pg, call="cancel", code=code, reference=reference)


@pytest.fixture(params=["toss", "portone"])
async def desk(
    request: pytest.FixtureRequest, mall: Market, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> Desk:
    pg: str = request.param
    await customer.pay(mall.mug, pg, "virtual_account")
    mall.time.go_on(minutes=1)
    await move(mall, f"deposits/{(await mall.only_payment()).reference}")
    await hear_all(mall)
    assert (await mall.only_order()).status == OrderStatus.PAID
    asked: list[tuple[str, dict[str, Any]]] = []
    carry = mall.pg.transport.handle_async_request

    async def watched(call: httpx.Request) -> httpx.Response:
        if call.url.path.endswith("/cancel"):
            asked.append((call.headers["idempotency-key"].strip('"'), json.loads(await call.aread())))
        return await carry(call)

    monkeypatch.setattr(mall.pg.transport, "handle_async_request", watched)
    return Desk(mall, customer, pg, asked)


async def moves(desk: Desk) -> list[str]:
    """What the refund went through."""
    events = await PaymentEvent.objects().where(PaymentEvent.subject == "refund").order_by(PaymentEvent.at)
    return [event.to_status for event in events]


async def test_the_shopper_is_asked_where_a_deposit_goes_back_to(desk: Desk) -> None:
    assert "어디로 돌려드릴까요" not in (await desk.customer.order_page()).text
    await desk.want_refund()

    refund = await desk.refund()
    assert (refund.status, refund.failure_code) == (RefundStatus.NEEDS_ACCOUNT, None)
    # Nobody asks the PG for what it can only refuse.
    assert desk.asked == []
    assert (await desk.mall.only_order()).status == OrderStatus.PAID
    page = await desk.customer.order_page()
    for text in ("26,000원</data>을 어디로 돌려드릴까요?", "우리은행", "카카오뱅크", "예금주", "이 계좌로 돌려받기"):
        assert text in page.text
    assert "보낼 수 없었습니다" not in page.text
    assert await mails(desk.mall) == ["deposit_account", "paid", "refund_account_wanted"]
    subjects = await Message.select(Message.subject)
    assert any("돌려받으실 계좌를 알려 주세요" in row["subject"] for row in subjects)


async def test_it_is_asked_once_however_often_the_worker_comes_by(desk: Desk) -> None:
    await desk.want_refund()
    for _ in range(5):
        desk.mall.time.go_on(hours=7)
        await desk.work()
    assert (await mails(desk.mall)).count("refund_account_wanted") == 1
    assert await moves(desk) == [RefundStatus.NEEDS_ACCOUNT]


async def test_the_refund_goes_to_the_named_account_and_is_done_when_the_bank_is(desk: Desk) -> None:
    await desk.want_refund()
    answer = await desk.customer.name_receiver(await desk.customer.order_page())
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/haru/orders/{(await desk.mall.only_order()).token}",
    )
    await desk.work()
    assert desk.receivers == [desk.receiver()]
    assert (await desk.refund()).status == RefundStatus.PENDING
    for _ in range(3):
        await desk.work()
    assert (await desk.refund()).status == RefundStatus.PENDING
    page = await desk.customer.order_page()
    assert "어디로 돌려드릴까요" not in page.text

    await desk.complete()
    desk.mall.time.go_on(hours=1)
    await desk.work()
    refund, order, payment = await desk.refund(), await desk.mall.only_order(), await desk.mall.only_payment()
    assert (refund.status, order.status) == (RefundStatus.SUCCEEDED, OrderStatus.REFUNDED)
    assert (payment.status, payment.refunded_amount) == (PaymentStatus.REFUNDED, 26_000)
    assert await desk.books() == (26_000, 26_000)
    assert len(desk.asked) == 1
    assert await moves(desk) == ["needs_account", "requested", "pending", "succeeded"]
    assert await mails(desk.mall) == ["deposit_account", "paid", "refund_account_wanted", "refunded"]
    assert "모두 돌려드렸어요" in (await desk.customer.order_page()).text


async def test_a_bank_that_needs_its_two_days_is_waited_for(desk: Desk) -> None:
    await desk.want_refund()
    await desk.customer.name_receiver(await desk.customer.order_page())
    await desk.work()
    for _ in range(12):
        desk.mall.time.go_on(hours=6)
        await desk.work()
    assert (await desk.refund()).status == RefundStatus.SUCCEEDED
    assert (await desk.mall.only_order()).status == OrderStatus.REFUNDED
    assert len(desk.asked) == 1


async def test_a_part_of_a_deposit_goes_back(desk: Desk) -> None:
    await desk.want_refund(6_000)
    page = await desk.customer.order_page()
    assert "6,000원</data>을 어디로 돌려드릴까요?" in page.text
    await desk.customer.name_receiver(page)
    await desk.work()
    await desk.complete()
    order = await desk.mall.only_order()
    assert (order.status, order.refunded_amount) == (OrderStatus.PARTIALLY_REFUNDED, 6_000)
    assert await desk.books() == (26_000, 6_000)


BANK = "은행을 골라 주세요."
DIGITS = "계좌번호를 숫자로 적어 주세요."
NAME = "예금주 이름을 적어 주세요."
ADDRESS = "주문하실 때 적으신 이메일과 다릅니다."


BAD = [
    ({"bank": ""}, [BANK]),
    ({"bank": "999"}, [BANK]),
    ({"bank": "우리은행"}, [BANK]),
    ({"number": ""}, [DIGITS]),
    ({"number": "12345"}, [DIGITS]),
    ({"number": "1" * 21}, [DIGITS]),
    ({"number": "100212345678a"}, [DIGITS]),
    ({"number": "１００２１２３４５６"}, [DIGITS]),
    ({"holder": ""}, [NAME]),
    ({"holder": "   "}, [NAME]),
    ({"holder": "가" * 61}, [NAME]),
    ({"email": ""}, [ADDRESS]),
    ({"email": "somebody.else@example.com"}, [ADDRESS]),
    ({"bank": "", "number": "", "holder": ""}, [BANK, DIGITS, NAME]),
]


async def test_what_is_no_account_is_told_in_sentences_and_asks_the_pg_nothing(desk: Desk) -> None:
    await desk.want_refund()
    page = await desk.customer.order_page()
    for fields, sentences in BAD:
        page = await desk.customer.name_receiver(page, **fields)
        assert page.status_code == 422
        assert [text for text in (BANK, DIGITS, NAME, ADDRESS) if text in page.text] == sentences, fields
    bare = await desk.customer.http.post(str(page.url), data={"_csrf_token": _token(page)})
    assert (bare.status_code, [text for text in (BANK, DIGITS, NAME, ADDRESS) if text not in bare.text]) == (422, [])
    await desk.work()
    refund = await desk.refund()
    assert (desk.asked, refund.status, refund.receiver) == ([], RefundStatus.NEEDS_ACCOUNT, None)

    good = await desk.customer.name_receiver(page)
    assert good.status_code == 303
    await desk.work()
    assert desk.receivers == [desk.receiver()]


async def test_what_was_typed_stands_in_the_form_again_escaped(desk: Desk) -> None:
    await desk.want_refund()
    typed = {"number": "12-34", "holder": '"><script>alert(1)</script>'}
    page = await desk.customer.name_receiver(await desk.customer.order_page(), **typed)
    assert 'value="12-34"' in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert" not in page.text
    assert f'<option value="{desk.receiver()["bank"]}" selected>' in page.text


REFUSED = {
    "toss": ("INVALID_REFUND_ACCOUNT_NUMBER", "INVALID_BANK"),
    "portone": ("INVALID_REFUND_ACCOUNT_INFO", "INVALID_REQUEST"),
}


async def test_an_account_that_the_pg_refuses_is_asked_for_again(desk: Desk) -> None:
    await desk.want_refund()
    for number, code in zip(("999999", "888888"), REFUSED[desk.pg], strict=True):
        await desk.refuse(code)
        await desk.customer.name_receiver(await desk.customer.order_page(), number=number)
        await desk.work()
        refund = await desk.refund()
        assert (refund.status, refund.failure_code, refund.receiver) == (RefundStatus.NEEDS_ACCOUNT, code, None)
        page = await desk.customer.order_page()
        assert "적어 주신 계좌로는 보낼 수 없었습니다" in page.text
        assert number not in page.text
    assert (await mails(desk.mall)).count("refund_account_wanted") == 3

    await desk.customer.name_receiver(await desk.customer.order_page())
    await desk.work()
    await desk.complete()
    assert (await desk.refund()).status == RefundStatus.SUCCEEDED
    assert desk.receivers == [desk.receiver("999999"), desk.receiver("888888"), desk.receiver()]
    # Another account is another request: no key is used again.
    assert len({key for key, _ in desk.asked}) == 3
    assert await desk.books() == (26_000, 26_000)


async def test_sent_twice_it_is_one_refund(desk: Desk) -> None:
    await desk.want_refund()
    page = await desk.customer.order_page()
    answers = await asyncio.gather(*(desk.customer.name_receiver(page) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {303}
    await asyncio.gather(*(desk.mall.work() for _ in range(3)))
    await desk.work()
    late = await desk.customer.name_receiver(page, number="5555555555")
    assert late.status_code == 303
    await desk.work()
    await desk.complete()
    assert desk.receivers == [desk.receiver()]
    assert await moves(desk) == ["needs_account", "requested", "pending", "succeeded"]
    assert await desk.books() == (26_000, 26_000)


@pytest.mark.parametrize("kind", ["answer_lost_after", "answer_lost_before", "server_error", "server_error_after"])
async def test_a_refund_whose_answer_is_lost_goes_back_once(desk: Desk, kind: str) -> None:
    await desk.want_refund()
    reference = (await desk.mall.only_payment()).reference
    await desk.mall.fault(kind, provider=desk.pg, call="cancel", reference=reference)
    await desk.customer.name_receiver(await desk.customer.order_page())
    for _ in range(3):
        await desk.work()
    await desk.complete()
    assert (await desk.refund()).status == RefundStatus.SUCCEEDED
    assert await desk.books() == (26_000, 26_000)
    assert {json.dumps(receiver) for receiver in desk.receivers} == {json.dumps(desk.receiver())}


async def test_the_account_is_stored_sealed_and_nobody_else_is_told(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    await desk.want_refund()
    await desk.customer.name_receiver(await desk.customer.order_page())
    refund = await desk.refund()
    assert refund.receiver is not None
    sealed = json.loads(desk.mall.gateways.ring.open(refund.receiver, RECEIVER))
    assert sealed == {"bank": desk.receiver()["bank"], "number": NUMBER, "holder": HOLDER}
    await desk.work()
    await desk.complete()
    rows = [
        *(await Refund.select()),
        *(await Payment.select()),
        *(await PaymentEvent.select()),
        *(await Message.select()),
        *(await desk.mall.jobs("refund")),
    ]
    told = str([str(row) for row in rows]) + (await desk.customer.order_page()).text + capsys.readouterr().out
    assert NUMBER not in told
    assert HOLDER not in told


async def test_only_the_shop_of_the_order_has_the_form(desk: Desk) -> None:
    await desk.want_refund()
    page = await desk.customer.order_page()
    url = f"{page.url.path}/receiver".replace("/haru/", "/namu/")
    form = {"bank": desk.receiver()["bank"], "number": NUMBER, "holder": HOLDER, "_csrf_token": _token(page)}
    assert (await desk.customer.http.post(url, data=form)).status_code == 404
    assert (await desk.customer.http.post("/haru/orders/nobody/receiver", data=form)).status_code == 404
    assert (await desk.refund()).status == RefundStatus.NEEDS_ACCOUNT


@pytest.mark.parametrize("token", [None, "", "forged"])
async def test_without_its_own_token_the_form_is_refused(desk: Desk, token: str | None) -> None:
    await desk.want_refund()
    page = await desk.customer.order_page()
    form = {"bank": desk.receiver()["bank"], "number": NUMBER, "holder": HOLDER}
    sent = form if token is None else {**form, "_csrf_token": token}
    assert (await desk.customer.http.post(f"{page.url.path}/receiver", data=sent)).status_code == 403
    stranger = {**form, "_csrf_token": _token(page)}
    assert (await desk.mall.shopper().http.post(f"{page.url.path}/receiver", data=stranger)).status_code == 403
    assert (await desk.refund()).status == RefundStatus.NEEDS_ACCOUNT


async def test_where_nothing_is_to_go_back_the_form_does_nothing(desk: Desk) -> None:
    page = await desk.customer.order_page()
    order = await desk.mall.only_order()
    fresh = await desk.customer.form(desk.mall.mug)
    form = {"bank": "20", "number": NUMBER, "holder": HOLDER, "_csrf_token": fresh["_csrf_token"]}
    answer = await desk.customer.http.post(f"{page.url.path}/receiver", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/haru/orders/{order.token}")
    await desk.work()
    assert (desk.asked, await Refund.count()) == ([], 0)


async def test_sent_back_by_hand_meanwhile_it_is_not_sent_again(desk: Desk) -> None:
    await desk.want_refund()
    page = await desk.customer.order_page()
    await move(desk.mall, f"refunds/{(await desk.mall.only_payment()).reference}")
    await desk.customer.name_receiver(page)
    await desk.work()
    await desk.complete()
    desk.mall.time.go_on(hours=7)
    await desk.work()
    assert await desk.books() == (26_000, 26_000)
    statuses = {row.kind: row.status for row in await Refund.objects()}
    assert statuses == {RefundKind.ASKED: RefundStatus.FAILED, RefundKind.OUTSIDE: RefundStatus.SUCCEEDED}
    assert (await desk.mall.only_order()).status == OrderStatus.REFUNDED
    assert "어디로 돌려드릴까요" not in (await desk.customer.order_page()).text


def _token(page: httpx.Response) -> str:
    found = page.text.split('name="_csrf_token" value="')
    return found[1].partition('"')[0]
