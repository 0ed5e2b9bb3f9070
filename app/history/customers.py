"""Customers: they order, pay at a PG's window or do not, pay again, and send what they owe to a virtual account.

By the verbs behind the pages, not the pages: what is written is the same, and comes in a third of the time.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from html import unescape
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from app import clock
from app.checkout.order_page import OrderPage
from app.database import write_transaction
from app.history.past import Past
from app.orders.placing import Wanted, place_order
from app.orders.tables import Order
from app.payments.accounts import Offer
from app.payments.closing import close_order
from app.payments.concluding import conclude_return
from app.payments.handoff import hand_over
from app.payments.provider import Notice
from app.payments.starting import begin_payment, pay_order, shut_others
from app.payments.tables import Payment
from app.shops.tables import Product, Shop

WINDOW = re.compile(r'action="(/window/[^"]+)"')
Press = Literal["approve", "decline", "cancel"]


@dataclass(frozen=True, slots=True)
class Window:
    """A PG's window, before a button is pressed."""

    payment: Payment
    path: str


@dataclass(frozen=True, slots=True)
class Customer:
    """One person with an e-mail address, at one shop."""

    past: Past = field(repr=False)
    shop: Shop
    email: str
    locale: Literal["ko", "en"] = "ko"

    async def buy(
        self, product: Product, quantity: int, offer: Offer, press: Press = "approve", **choice: str
    ) -> Order:
        """From the form to what the PG's window leads back to."""
        payment = await self.order(product, quantity, offer)
        await self.pay(payment, press, **choice)
        return await self.order_of(payment)

    async def order(self, product: Product, quantity: int, offer: Offer) -> Payment:
        """Raises stock.SoldOut."""
        wanted = Wanted(await Product.objects().get(Product.id == product.id), quantity, self.email, clock.new_token())
        return await place_order(self.shop, wanted, close_order, partial(begin_payment, offer=offer))

    async def pay(self, payment: Payment, press: Press = "approve", **choice: str) -> None:
        window = await self.open_window(payment)
        await self.past.wait(25, 140)
        address = await self.press(window, press, **choice)
        await self.past.wait(1, 4)
        await self.come_back(window, address)

    async def pay_again(self, order: Order, offer: Offer) -> Payment:
        """Another payment of the same order; its others are made unpayable first, as the order's page does."""
        await shut_others(self.past.gateways, order, offer)
        async with write_transaction():
            return await pay_order(order.id, offer)

    async def open_window(self, payment: Payment) -> Window:
        order, gateways = await self.order_of(payment), self.past.gateways
        url = f"{gateways.settings.base_url}/{self.shop.domain}/checkout/callback?payment={payment.token}"
        name = (await OrderPage(order, [payment]).view()).name
        handover = await hand_over(gateways, payment, order, name, url, self.locale)
        params: Mapping[str, str] = json.loads(handover.handoff_json)
        if "redirectUrl" in params:
            return Window(payment, urlsplit(params["redirectUrl"]).path)
        answer = await self.past.at_pg(f"/window/{params['provider']}", {"handoff": json.dumps(params)})
        found = WINDOW.search(answer.text)
        assert found, answer.text
        return Window(payment, unescape(found[1]))

    async def press(self, window: Window, press: Press, **choice: str) -> str:
        """The address that the PG's button leads back to; empty where it stays at the window."""
        answer = await self.past.at_pg(window.path, {"action": press, **choice})
        return answer.header(b"location")

    async def come_back(self, window: Window, address: str) -> None:
        fields = dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))
        if fields.pop("payment", None):
            payment = await Payment.objects().get(Payment.id == window.payment.id)
            await conclude_return(self.past.gateways, payment, Notice(fields))

    async def transfer(self, order: Order) -> None:
        """Sends the money to the order's virtual account, if that still takes it."""
        payment = await Payment.objects().where(Payment.order == order.id).order_by(Payment.id, ascending=False).first()
        [known] = self.past.book.with_reference(payment.reference)
        if "deposit" in self.past.console.verbs(known):
            self.past.console.act("deposit", payment.reference)

    async def order_of(self, payment: Payment) -> Order:
        """As it stands now."""
        return await Order.objects().get(Order.id == payment.order)
