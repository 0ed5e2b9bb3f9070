"""Ordinary days at a shop: who comes when, for what, how they pay, and what of it goes back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from app import clock
from app.history.customers import Customer
from app.history.desk import Desk
from app.history.past import Past
from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.accounts import Offer
from app.payments.tables import Payment
from app.shops.tables import Product, Shop

# Of a hundred visits, by the hour: quiet nights, a little at noon, most after dinner.
BY_HOUR = (2, 1, 0.5, 0.3, 0.3, 0.5, 1, 2, 3, 4, 5, 5, 7, 6, 4, 4, 4, 5, 5, 7, 9, 11, 9, 5)
# From Monday to Sunday.
BY_WEEKDAY = (0.9, 0.85, 0.9, 0.95, 0.9, 1.2, 1.35)
# What becomes of a visit.
ENDS = {"pays": 80, "declined, pays": 7, "declined": 3, "leaves, pays": 3, "leaves": 4, "walks away": 3}
DEPOSITED = 0.8
GOES_BACK = 0.08
# Nobody holds what is counted for longer.
LONGEST_HOLD = timedelta(hours=9)
WAYS = {
    "toss:card": 30,
    "toss:kakaopay": 18,
    "toss:transfer": 4,
    "toss:virtual_account": 8,
    "portone:card": 9,
    "portone:naverpay": 13,
    "portone:virtual_account": 4,
    "stripe:stripe": 8,
}
WANTED = {
    "백자 유약 머그": 8,
    "하동 첫물 녹차 60g": 26,
    "밀랍 기둥초": 3,
    "오침 제본 공책": 14,
    "쌀겨 비누 두 개 묶음": 22,
    "느티나무 도마": 5,
    "벚나무 숟가락": 16,
    "참나무 스툴": 1,
    "물푸레 쟁반": 4,
}
REASONS = ("단순 변심", "배송 중 파손", "색이 화면과 다름", "선물이 겹쳐서 취소", "주문 실수", "배송이 늦어져서")
PART = ("한 개에 흠이 있어 일부 환불", "포장이 젖어 일부 환불", "배송비만큼 환불")
KOREAN = (
    "minji.kim jihoon.park seoyeon.lee haneul.choi dohyun.jung yuna.kang jiwoo.yoon sumin.lim hyejin.oh taeyang.seo"
    " eunji.han minho.kwon bora.shin jisoo.hwang nari.ahn woojin.song chaewon.yoo daeun.hong sangmin.jeon soyoung.ko"
    " gaeun.moon hyunwoo.bae yerin.baek kyungsoo.nam areum.noh jaehyun.ha dasom.heo sora.sim inho.gu mirae.ryu"
).split()
ENGLISH = "emma.brooks liam.carter olivia.hayes noah.fischer sofia.marin".split()


@dataclass(frozen=True, slots=True)
class Trade:
    """One shop's, with its owner at the desk, until now. `products` say how many are on the shelf when it is full."""

    past: Past = field(repr=False)
    shop: Shop
    products: Mapping[str, Product]
    offers: Mapping[str, Offer]
    desk: Desk
    until: datetime

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.shop.time_zone)

    def ago(self, act: Callable[["Trade"], Awaitable[object]], **how_long: float) -> None:
        """So long ago, or some minutes more."""
        moment = self.until - timedelta(**how_long) * self.past.chance.uniform(1, 1.03)
        self.past.at(moment, partial(act, self))

    def open_days(self, days: int, visits: float) -> None:
        """Puts that many days on the agenda, with so many visits on one of them."""
        today = self.until.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        for number in range(days, -1, -1):
            day = today - timedelta(days=number)
            if day.weekday() == 0:
                self.past.at(day + timedelta(hours=10, minutes=20), self.deliver)
            chance = self.past.chance
            for _ in range(round(visits * BY_WEEKDAY[day.weekday()] + chance.uniform(-1.4, 1.4))):
                [hour] = chance.choices(range(24), BY_HOUR)
                moment = day + timedelta(hours=hour, seconds=chance.uniform(0, 3600))
                if moment < self.until - timedelta(minutes=50):
                    self.past.at(moment, self.visit)
        # After the last look: what it gives back is on the shelves then.
        self.past.at(self.until - timedelta(seconds=20), self.deliver)

    async def deliver(self) -> None:
        """The shelves are full again."""
        for product in self.products.values():
            if product.stock:
                await self.desk.restock(product, product.stock)

    async def visit(self) -> None:
        chance = self.past.chance
        customer, offer = self.customer(chance.choice(KOREAN)), self._offer()
        if offer.name == "stripe" and chance.random() < 0.6:
            customer = self.customer(chance.choice(ENGLISH), "en")
        quantity = chance.choice((1, 1, 1, 1, 2, 2, 3))
        product = await self._product(quantity)
        if product is None:
            return
        [end] = chance.choices([*ENDS], [*ENDS.values()])
        payment = await customer.order(product, quantity, offer)
        if end == "walks away":
            await customer.open_window(payment)
            return
        press = {"declined": "decline", "leaves": "cancel"}.get(end.partition(",")[0], "approve")
        await customer.pay(payment, press)
        order = await customer.order_of(payment)
        if end.endswith(", pays") and order.status in (OrderStatus.FAILED, OrderStatus.CANCELLED):
            await self.past.wait(30, 400)
            await customer.pay(await customer.pay_again(order, self._offer()))
            order = await customer.order_of(payment)
        if order.status == OrderStatus.AWAITING_DEPOSIT and chance.random() < DEPOSITED:
            self.past.later(partial(customer.transfer, order), hours=chance.uniform(0.3, 30))
        if chance.random() < GOES_BACK:
            self.past.at(self._office_hours(chance.uniform(0.6, 5)), partial(self._refund, order))

    def customer(self, name: str, locale: str = "ko") -> Customer:
        domain = "example.net" if sum(map(ord, name)) % 3 == 0 else "example.com"
        return Customer(self.past, self.shop, f"{name}@{domain}", "en" if locale == "en" else "ko")

    def _offer(self) -> Offer:
        [name] = self.past.chance.choices([*self.offers], [WAYS[name] for name in self.offers])
        return self.offers[name]

    async def _product(self, quantity: int) -> Product | None:
        """By its popularity; never the last piece, and at the end nothing that would be missing on the shelf."""
        is_late = clock.now() > self.until - LONGEST_HOLD
        rows = (
            await Product.objects()
            .where(Product.shop == self.shop.id, Product.is_active.eq(True))
            .order_by(Product.position)
        )
        there = [each for each in rows if each.stock is None or (each.stock > quantity and not is_late)]
        there = [each for each in there if each.max_per_order is None or each.max_per_order >= quantity]
        return self.past.chance.choices(there, [WANTED[each.name] for each in there])[0] if there else None

    async def _refund(self, order: Order) -> None:
        chance = self.past.chance
        if chance.random() < 0.4:
            part = max(order.total_amount // 4 // 1000 * 1000, 1000)
            await self.desk.refund(order, chance.choice(PART), part, holder="김보람")
        else:
            await self.desk.refund(order, chance.choice(REASONS), restock=chance.random() < 0.6, holder="이도윤")
        self.past.later(partial(self._arrive, order), hours=5)

    async def _arrive(self, order: Order) -> None:
        """The bank has transferred what goes back to an account; other refunds are done by then."""
        paid = await Payment.objects().where(Payment.order == order.id, Payment.refunded_amount > 0).first()
        if paid is None:
            return
        [known] = self.past.book.with_reference(paid.reference)
        if "complete" in self.past.console.verbs(known):
            self.past.console.act("complete", paid.reference)

    def _office_hours(self, days: float) -> datetime:
        day = (clock.now() + timedelta(days=days)).astimezone(self.zone)
        return day.replace(hour=self.past.chance.choice((10, 11, 13, 14, 16, 17)))
