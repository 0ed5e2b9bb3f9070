"""What happened besides, so that every state and every matter for the owner is there to be seen: once each."""

from functools import partial

from app.history.trade import Trade
from app.orders.tables import Order
from app.payments.states import AlertKind
from app.payments.tables import Payment

TEA, SOAP, NOTEBOOK = "하동 첫물 녹차 60g", "쌀겨 비누 두 개 묶음", "오침 제본 공책"
FAILING_CARD = "4000000000005126"


def plan_haru(trade: Trade) -> None:
    trade.ago(_won_dispute, days=26)
    trade.ago(_reversed_deposit, days=19)
    trade.ago(_refund_failed, days=16)
    trade.ago(_refunded_at_the_console, days=12, hours=3)
    trade.ago(_paid_too_late, days=10, hours=5)
    trade.ago(_refunded_whole, days=11)
    trade.ago(_disputed, days=9, hours=2)
    trade.ago(_wrong_amount_settled, days=8, hours=6)
    trade.ago(_refunded_in_parts, days=7, hours=1)
    trade.ago(_refund_without_account, days=6)
    trade.ago(_processing_for_days, days=3, hours=1)
    trade.ago(_refund_under_way, days=2, hours=4)
    trade.ago(_wrong_amount, days=1, hours=8)
    trade.ago(_waits_for_a_deposit, hours=27)
    trade.ago(_paid_twice, hours=20)
    trade.ago(_waits_for_a_deposit, hours=3)
    trade.ago(_left, minutes=18)
    trade.ago(_declined, minutes=11)
    trade.ago(_at_the_window, minutes=4)


def plan_namu(trade: Trade) -> None:
    trade.ago(_refund_came_back, days=4)


async def _won_dispute(trade: Trade) -> None:
    order = await trade.customer("jaehyun.ha").buy(trade.products[SOAP], 2, trade.offers["portone:card"])
    trade.past.later(partial(_at_console, trade, "dispute", order), days=4)
    trade.past.later(partial(_at_console, trade, "win_dispute", order), days=13)


async def _reversed_deposit(trade: Trade) -> None:
    """A deposit by mistake, which the bank takes back; nobody pays after that."""
    customer = trade.customer("inho.gu")
    order = await customer.buy(trade.products[TEA], 1, trade.offers["toss:virtual_account"])
    trade.past.later(partial(customer.transfer, order), hours=3)
    trade.past.later(partial(_at_console, trade, "reverse", order), hours=22)


async def _refund_failed(trade: Trade) -> None:
    """A refund that the bank sends back; the owner has transferred the money then."""
    order = await trade.customer("olivia.hayes", "en").buy(
        trade.products[TEA], 2, trade.offers["stripe:stripe"], number=FAILING_CARD
    )
    trade.past.later(partial(trade.desk.refund, order, "주문 실수"), days=1)
    note = "손님 계좌로 직접 보내 드렸습니다"
    trade.past.later(partial(trade.desk.close_alert, AlertKind.REFUND_FAILED, order, note), days=4, hours=2)


async def _refund_came_back(trade: Trade) -> None:
    """The same, and nobody has seen to it yet."""
    order = await trade.customer("liam.carter", "en").buy(
        trade.products["벚나무 숟가락"], 2, trade.offers["stripe:stripe"], number=FAILING_CARD
    )
    trade.past.later(partial(trade.desk.refund, order, "단순 변심"), days=1)


async def _refunded_at_the_console(trade: Trade) -> None:
    order = await trade.customer("gaeun.moon").buy(trade.products[SOAP], 3, trade.offers["toss:kakaopay"])
    trade.past.later(partial(_refund_at_console, trade, order, 9_000), days=1)


async def _paid_too_late(trade: Trade) -> None:
    """The window stood open until the order had expired."""
    customer = trade.customer("dasom.heo")
    window = await customer.open_window(await customer.order(trade.products[SOAP], 1, trade.offers["portone:naverpay"]))

    async def approve() -> None:
        await customer.come_back(window, await customer.press(window, "approve"))

    trade.past.later(approve, hours=2, minutes=10)


async def _disputed(trade: Trade) -> None:
    order = await trade.customer("noah.fischer", "en").buy(trade.products[TEA], 3, trade.offers["stripe:stripe"])
    trade.past.later(partial(_at_console, trade, "dispute", order), days=7)


async def _wrong_amount(trade: Trade) -> Order:
    """The PG takes more than was asked for, and refuses to send it back."""
    customer = trade.customer("sangmin.jeon")
    payment = await customer.order(trade.products[SOAP], 2, trade.offers["portone:card"])
    trade.past.faults.arm({"provider": "portone", "kind": "amount_changed", "reference": payment.reference})
    await customer.pay(payment, refund="failed")
    return await customer.order_of(payment)


async def _wrong_amount_settled(trade: Trade) -> None:
    """The same; the owner sends it back the day after, and closes what the compare has found."""
    order = await _wrong_amount(trade)
    trade.past.later(partial(trade.desk.retry_refund, order), days=1, hours=4)
    note = "다시 환불해 두 기록이 맞습니다"
    trade.past.later(partial(trade.desk.close_difference, order, note), days=1, hours=5)


async def _refunded_whole(trade: Trade) -> None:
    order = await trade.customer("soyoung.ko").buy(trade.products[SOAP], 1, trade.offers["toss:card"])
    trade.past.later(partial(trade.desk.refund, order, "배송 중 파손", restock=True), days=2)


async def _refunded_in_parts(trade: Trade) -> None:
    order = await trade.customer("sora.sim").buy(trade.products[NOTEBOOK], 3, trade.offers["toss:card"])
    trade.past.later(partial(trade.desk.refund, order, "한 권의 실이 풀려 있었음", 14_000), days=2)
    trade.past.later(partial(trade.desk.refund, order, "늦은 배송에 대한 사과", 3_000), days=3)


async def _refund_without_account(trade: Trade) -> None:
    """A deposit goes back to an account that nobody has named."""
    customer = trade.customer("kyungsoo.nam")
    order = await customer.buy(trade.products[SOAP], 2, trade.offers["toss:virtual_account"])
    trade.past.later(partial(customer.transfer, order), hours=4)
    trade.past.later(partial(trade.desk.refund, order, "단순 변심"), days=2, hours=3)


async def _processing_for_days(trade: Trade) -> None:
    await trade.customer("areum.noh").buy(trade.products[TEA], 1, trade.offers["portone:card"], approval="later")


async def _refund_under_way(trade: Trade) -> None:
    order = await trade.customer("yerin.baek").buy(
        trade.products[TEA], 2, trade.offers["portone:naverpay"], refund="later"
    )
    trade.past.later(partial(trade.desk.refund, order, "선물이 겹쳐서 취소"), days=1, hours=23)


async def _paid_twice(trade: Trade) -> None:
    """By card in one tab and into a virtual account in another: what was transferred goes back."""
    customer = trade.customer("hyejin.oh")
    card = await customer.open_window(await customer.order(trade.products[TEA], 1, trade.offers["portone:card"]))
    order = await customer.order_of(card.payment)
    await customer.pay(await customer.pay_again(order, trade.offers["toss:virtual_account"]))
    await trade.past.wait(300, 600)
    back = await customer.press(card, "approve")
    await customer.transfer(order)
    await customer.come_back(card, back)


async def _waits_for_a_deposit(trade: Trade) -> None:
    name = trade.past.chance.choice(("woojin.song", "chaewon.yoo", "daeun.hong"))
    await trade.customer(name).buy(trade.products[SOAP], 2, trade.offers["toss:virtual_account"])


async def _left(trade: Trade) -> None:
    await trade.customer("mirae.ryu").buy(trade.products[TEA], 1, trade.offers["toss:kakaopay"], "cancel")


async def _declined(trade: Trade) -> None:
    await trade.customer("nari.ahn").buy(trade.products[SOAP], 1, trade.offers["toss:card"], "decline")


async def _at_the_window(trade: Trade) -> None:
    customer = trade.customer("taeyang.seo")
    await customer.open_window(await customer.order(trade.products[TEA], 1, trade.offers["toss:card"]))


async def _at_console(trade: Trade, verb: str, order: Order) -> None:
    """The bank, or the PG's own console."""
    trade.past.console.act(verb, await _reference(order))


async def _refund_at_console(trade: Trade, order: Order, amount: int) -> None:
    trade.past.console.refund(await _reference(order), amount)


async def _reference(order: Order) -> str:
    payment = await Payment.objects().where(Payment.order == order.id).order_by(Payment.id, ascending=False).first()
    return payment.reference
