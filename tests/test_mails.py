"""Mails to shoppers: one for each change of their order, with what they need to know, in the shop's language."""

from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from app import clock
from app.checkout import mails
from app.checkout.mails import REFUNDS, WORDS
from app.database import write_transaction
from app.engine import Engine
from app.jobs.queue import LEASE, enqueue
from app.jobs.tables import Job
from app.jobs.worker import work_once
from app.main import create_app
from app.messages.tables import Message
from app.orders.states import OrderStatus
from app.orders.tables import Order, OrderItem
from app.payments.states import PaymentStatus
from app.payments.tables import Payment, ProviderAccount
from app.settings import Settings
from app.shops.catalogue import add_product, add_shop
from app.shops.tables import Shop
from tests.shopping import Clock

MINJI = "minji.kim@example.com"
SETTINGS = Settings(
    env="development",
    base_url="https://pay.example.com",
    database_url="sqlite:///unused.sqlite",
    secret_keys=(bytes(32),),
    mail_from="orders@pay.example.com",
)
DEPOSIT = {
    "status": PaymentStatus.AWAITING_DEPOSIT,
    "way": "virtual_account",
    "deposit_bank": "국민은행",
    "deposit_number": "X6505636518308",
    "deposit_holder": "하루상점",
    "deposit_due_at": datetime(2026, 11, 25, 14, 59, tzinfo=UTC),
}


class Killed(BaseException):
    """The process dies."""


class Till:
    """An order of two mugs and a candle at a shop, and one payment for it."""

    def __init__(self, shop: Shop, order: Order, payment: Payment) -> None:
        self.shop, self.order, self.payment = shop, order, payment

    async def ask(self, mail: str, key: str = "mail:1", **more: str) -> None:
        """What the code that moves money does in its transaction."""
        payload = {"mail": mail, "order": str(self.order.id), "payment": str(self.payment.id), **more}
        async with write_transaction():
            await enqueue("mail", payload, key)

    async def told(self, mail: str, **more: str) -> Message:
        await self.ask(mail, **more)
        await work()
        [message] = await Message.objects()
        return message


async def open_till(domain: str = "haru", order: dict[str, Any] | None = None, **payment: Any) -> Till:
    korean = {"name": "하루상점", "legal": "하루상점 · 대표 한소라\n사업자등록번호 123-45-67890"}
    english = {"name": "Namu Goods", "locale": "en", "currency": "USD", "time_zone": "America/New_York"}
    shop = await add_shop(domain, **(english if domain == "namu" else korean))
    total = 7_300 if shop.currency == "USD" else 73_000
    mug = await add_product(shop, "백자 유약 머그" if domain == "haru" else "Porcelain mug", total // 73 * 26)
    candle = await add_product(shop, "밀랍 기둥초" if domain == "haru" else "Beeswax candle", total // 73 * 21)
    account = ProviderAccount(
        shop=shop.id, provider="toss", mode="test", account_key=domain, credentials="sealed", merchant=domain
    )
    bought = Order(
        shop=shop.id,
        number="1122-0042",
        token=f"order-token-of-{domain}",
        customer_email=MINJI,
        currency=shop.currency,
        total_amount=total,
        checkout_token=domain,
        expires_at=clock.now(),
        **{"status": OrderStatus.PAID, **(order or {})},
    )
    paying = Payment(
        order=bought.id,
        account=account.id,
        provider="toss",
        amount=total,
        currency=shop.currency,
        **{"way": "card", "status": PaymentStatus.PAID, **payment},
    )
    await ProviderAccount.insert(account)
    await Order.insert(bought)
    for number, (product, quantity) in enumerate([(mug, 2), (candle, 1)]):
        await OrderItem.insert(
            OrderItem(
                id=UUID(int=number),
                order=bought.id,
                product=product.id,
                product_name=product.name,
                unit_price=product.price,
                quantity=quantity,
            )
        )
    await Payment.insert(paying)
    return Till(shop, bought, paying)


async def work() -> None:
    """The worker of a shop whose mail server is not set up: messages stay in their table."""
    await work_once({"mail": partial(mails.write, SETTINGS), "deliver": _leave}, {})


async def _leave(payload: object) -> None:
    pass


async def test_a_paid_order_is_told_in_korean(database: Engine, time: Clock) -> None:
    till = await open_till()
    message = await till.told("paid")
    assert (message.recipient, message.sender, message.status) == (MINJI, "하루상점", "queued")
    assert message.subject == "[하루상점] 결제가 끝났어요 (주문 1122-0042)"
    assert message.message_id == f"<{message.id}@pay.example.com>"
    assert message.body == (
        "결제가 끝났어요\n"
        "\n"
        "주문해 주셔서 고맙습니다. 결제가 끝나 주문을 가게에 전했습니다.\n"
        "\n"
        "주문번호: 1122-0042\n"
        "백자 유약 머그 × 2: 52,000원\n"
        "밀랍 기둥초 × 1: 21,000원\n"
        "주문 금액: 73,000원\n"
        "\n"
        "주문 화면: https://pay.example.com/haru/orders/order-token-of-haru\n"
        "\n"
        "하루상점 · 대표 한소라\n"
        "사업자등록번호 123-45-67890\n"
    )


async def test_a_paid_order_is_told_in_english(database: Engine, time: Clock) -> None:
    till = await open_till("namu")
    message = await till.told("paid")
    assert message.subject == "[Namu Goods] Your payment is complete (order 1122-0042)"
    assert message.body == (
        "Your payment is complete\n"
        "\n"
        "Thank you for your order. Your payment is complete, and the shop has received the order.\n"
        "\n"
        "Order number: 1122-0042\n"
        "Porcelain mug × 2: $52.00\n"
        "Beeswax candle × 1: $21.00\n"
        "Order total: $73.00\n"
        "\n"
        "Order page: https://pay.example.com/namu/orders/order-token-of-namu\n"
        "\n"
        "Namu Goods\n"
    )


async def test_the_link_leads_to_the_orders_page(database: Engine, time: Clock) -> None:
    till = await open_till()
    message = await till.told("paid")
    path = create_app(SETTINGS, work=False).route_reverse("order", domain=till.shop.domain, token=till.order.token)
    assert f" {SETTINGS.base_url}{path}\n" in message.body


async def test_a_virtual_account_is_told_with_its_due_date_in_the_shops_time(database: Engine, time: Clock) -> None:
    till = await open_till(order={"status": OrderStatus.AWAITING_DEPOSIT}, **DEPOSIT)
    message = await till.told("deposit_account")
    assert message.subject == "[하루상점] 입금을 기다리고 있어요 (주문 1122-0042)"
    assert (
        "은행: 국민은행\n"
        "계좌번호: X6505636518308\n"
        "예금주: 하루상점\n"
        "입금할 금액: 73,000원\n"
        "입금 기한: 2026년 11월 25일 (수) 23:59\n"
    ) in message.body


async def test_a_virtual_account_is_told_in_english_with_its_zone(database: Engine, time: Clock) -> None:
    till = await open_till("namu", order={"status": OrderStatus.AWAITING_DEPOSIT}, **DEPOSIT)
    message = await till.told("deposit_account")
    assert "Amount to transfer: $73.00\n" in message.body
    assert "Transfer by: Wed 25 Nov 2026, 09:59 (Eastern Standard Time)\n" in message.body


@pytest.mark.parametrize("status", [PaymentStatus.PAID, PaymentStatus.EXPIRED, PaymentStatus.CANCELLED])
async def test_nobody_is_asked_for_a_transfer_that_is_not_awaited_any_more(
    database: Engine, time: Clock, status: PaymentStatus
) -> None:
    till = await open_till(**DEPOSIT | {"status": status})
    await till.ask("deposit_account")
    await work()
    assert await Message.count() == 0
    assert await Job.count().where(Job.done_at.is_null()) == 0


async def test_a_mail_that_was_left_out_does_not_come_with_a_later_one(database: Engine, time: Clock) -> None:
    till = await open_till(**DEPOSIT | {"status": PaymentStatus.PAID})
    await till.ask("deposit_account", "mail:left-out")
    await work()
    await Payment.update({Payment.status: PaymentStatus.AWAITING_DEPOSIT}).where(Payment.id == till.payment.id)
    await till.ask("deposit_account", "mail:later")
    await work()
    assert [message.dedupe_key for message in await Message.objects()] == ["mail:later"]


async def test_nobody_is_asked_for_a_transfer_after_its_due_date(database: Engine, time: Clock) -> None:
    till = await open_till(order={"status": OrderStatus.AWAITING_DEPOSIT}, **DEPOSIT)
    time.moment = DEPOSIT["deposit_due_at"]
    await till.ask("deposit_account")
    await work()
    assert await Message.count() == 0


async def test_a_reversed_deposit_names_the_account_while_it_waits(database: Engine, time: Clock) -> None:
    till = await open_till(order={"status": OrderStatus.AWAITING_DEPOSIT}, **DEPOSIT)
    message = await till.told("deposit_reversed")
    assert message.subject == "[하루상점] 입금이 취소되었어요 (주문 1122-0042)"
    assert "계좌번호: X6505636518308\n" in message.body


async def test_a_reversed_deposit_names_no_account_that_is_closed(database: Engine, time: Clock) -> None:
    till = await open_till(order={"status": OrderStatus.AWAITING_DEPOSIT}, **DEPOSIT)
    time.go_on(days=30)
    message = await till.told("deposit_reversed")
    assert "X6505636518308" not in message.body


async def test_an_expired_deposit_needs_no_payment_in_its_job(database: Engine, time: Clock) -> None:
    till = await open_till(order={"status": OrderStatus.EXPIRED}, **DEPOSIT | {"status": PaymentStatus.EXPIRED})
    async with write_transaction():
        await enqueue("mail", {"mail": "deposit_expired", "order": str(till.order.id)}, "mail:expired")
    await work()
    [message] = await Message.objects()
    assert message.subject == "[하루상점] 입금 기한이 지났어요 (주문 1122-0042)"
    assert "X6505636518308" not in message.body


async def test_a_refund_is_told_with_its_amount(database: Engine, time: Clock) -> None:
    till = await open_till(order={"status": OrderStatus.PARTIALLY_REFUNDED, "refunded_amount": 21_000})
    message = await till.told("refunded", amount="21000")
    assert message.subject == "[하루상점] 돈을 돌려드렸어요 (주문 1122-0042)"
    assert "이번에 돌려드린 금액: 21,000원\n\n" in message.body
    assert "지금까지" not in message.body


async def test_a_second_refund_is_told_with_the_sum(database: Engine, time: Clock) -> None:
    till = await open_till("namu", order={"status": OrderStatus.PARTIALLY_REFUNDED, "refunded_amount": 3_050})
    message = await till.told("refunded", amount="950")
    assert "Refunded now: $9.50\nRefunded so far: $30.50\n" in message.body


async def test_a_shopper_is_asked_where_the_refund_goes(database: Engine, time: Clock) -> None:
    till = await open_till()
    message = await till.told("refund_account_wanted")
    assert message.subject == "[하루상점] 돌려받으실 계좌를 알려 주세요 (주문 1122-0042)"
    assert "주문 화면에서 은행과 계좌번호를 적어 주세요." in message.body


@pytest.mark.parametrize("domain", ["haru", "namu"])
@pytest.mark.parametrize("kind", WORDS)
async def test_every_mail_speaks_the_shops_language_alone(
    database: Engine, time: Clock, kind: str, domain: str
) -> None:
    order = {"status": OrderStatus.PENDING if kind == "pay_again" else OrderStatus.PAID}
    till = await open_till(domain, order, **DEPOSIT | {"deposit_bank": "KB", "deposit_holder": "Namu"})
    message = await till.told(kind, **({"amount": "100"} if kind in REFUNDS else {}))
    text = message.subject + message.body
    assert any("가" <= letter <= "힣" for letter in text) == (domain == "haru")
    assert "%(" not in text


async def test_a_mail_is_written_once_however_often_its_job_runs(database: Engine, time: Clock) -> None:
    till = await open_till()
    await till.ask("paid")
    await work()
    await Job.update({Job.done_at: None}, force=True)
    await till.ask("paid")
    await work()
    assert await Message.count() == 1
    assert await Job.count().where(Job.kind == "deliver") == 1


async def test_a_worker_that_dies_after_writing_leaves_one_mail(
    database: Engine, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise Killed

    till = await open_till()
    await till.ask("paid")
    with monkeypatch.context() as dying:
        dying.setattr("app.jobs.queue.finish", die)
        with pytest.raises(Killed):
            await work()
    assert await Message.count() == 1
    time.go_on(seconds=LEASE.total_seconds() + 1)
    await work()
    assert await Message.count() == 1
    assert await Job.count().where(Job.done_at.is_null()) == 0


async def test_two_refunds_of_one_amount_are_two_mails(database: Engine, time: Clock) -> None:
    till = await open_till(order={"status": OrderStatus.PARTIALLY_REFUNDED, "refunded_amount": 2_000})
    await till.ask("refunded", "mail:first", amount="1000")
    await till.ask("refunded", "mail:second", amount="1000")
    await work()
    keys = {message.dedupe_key for message in await Message.objects()}
    assert keys == {"mail:first", "mail:second"}
    await till.ask("refunded", "mail:third", amount="1000")
    await work()
    assert await Message.count() == 3


async def test_a_deposit_that_comes_twice_is_told_twice(database: Engine, time: Clock) -> None:
    till = await open_till()
    for day in range(2):
        time.go_on(days=1)
        await till.ask("paid", f"mail:{day}")
        await work()
    assert await Message.count() == 2


async def test_a_shop_in_another_language_is_told_in_korean(database: Engine, time: Clock) -> None:
    till = await open_till()
    await Shop.update({Shop.locale: "fr"}).where(Shop.id == till.shop.id)
    assert (await till.told("paid")).subject == "[하루상점] 결제가 끝났어요 (주문 1122-0042)"


async def test_a_mail_nobody_knows_is_an_error_of_its_job(database: Engine, time: Clock) -> None:
    till = await open_till()
    await till.ask("birthday")
    await work()
    [job] = await Job.objects()
    assert job.error is not None
    assert job.error.startswith("KeyError at checkout/mails.py:")
    assert await Message.count() == 0
