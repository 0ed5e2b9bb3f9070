"""The owner at the desk: refunds, deliveries into the stock, what was settled, with its row in the audit log."""

from dataclasses import dataclass, field

from app.database import write_transaction
from app.history.past import Past
from app.orders.tables import Order, OrderItem
from app.owners import audit
from app.owners.admission import Member
from app.owners.audit import Action, from_to
from app.owners.needs_you import close_by_hand
from app.owners.refund_controllers import noting
from app.payments.asking import ask_refund, refundable_of, retry_refund
from app.payments.differences import close_difference
from app.payments.provider import BankAccount
from app.payments.refunding import banks_of, seal_receiver
from app.payments.states import AlertKind, RefundStatus
from app.payments.tables import Alert, Difference, Payment, Refund
from app.shops.catalogue import Details, StockChange, edit_product
from app.shops.tables import Product


@dataclass(frozen=True, slots=True)
class Desk:
    """What one member does there, by the verbs behind its buttons."""

    past: Past = field(repr=False)
    member: Member

    async def refund(
        self, order: Order, reason: str, amount: int | None = None, restock: bool = False, holder: str = ""
    ) -> None:
        """All of it, or `amount`; what may not go back any more stays. A deposit goes to `holder`'s account, where one
        is named; else the shopper is asked for it.
        """
        order = await Order.objects().get(Order.id == order.id)
        balance = await refundable_of(order)
        if not balance:
            return
        payment = await Payment.objects().get(Payment.id == order.paid_by)
        receiver = None
        if holder and payment.deposit_due_at:
            bank = next(code for code, name in banks_of(payment).items() if name.startswith("우리"))
            receiver = seal_receiver(self.past.gateways, BankAccount(bank, "1002" + order.number[-4:] * 2, holder))
        items = await OrderItem.objects().where(OrderItem.order == order.id)
        await ask_refund(
            order.id,
            min(amount or balance, balance),
            reason,
            seen_balance=balance,
            requested_by=self.member.owner.email,
            restock=sum(item.quantity for item in items) if restock else 0,
            sealed_receiver=receiver,
            also=noting(self.member, Action.REFUND_ASKED, order.number),
        )

    async def retry_refund(self, order: Order) -> None:
        """The order's refund that failed, once more."""
        failed = await Refund.objects().get((Refund.payment.order == order.id) & (Refund.status == RefundStatus.FAILED))
        noted = noting(self.member, Action.REFUND_RETRIED, order.number)
        await retry_refund(failed.id, self.member.owner.email, also=noted)

    async def close_alert(self, kind: AlertKind, order: Order, note: str) -> None:
        alert = await Alert.objects().get((Alert.order == order.id) & (Alert.kind == kind))
        await close_by_hand(self.member, alert, note)

    async def close_difference(self, order: Order, note: str) -> None:
        payments = Payment.select(Payment.id).where(Payment.order == order.id).output(as_list=True)
        found = await Difference.objects().get(Difference.payment.is_in(await payments))
        async with write_transaction():
            await close_difference(found.id, self._email, note)
            said = {"day": found.day, "kind": found.kind, "note": note}
            await audit.record(self.member.shop, self._email, Action.DIFFERENCE_CLOSED, found.reference, said)

    async def restock(self, product: Product, wanted: int) -> None:
        """A delivery has come, and the shelf is counted: so many are there now."""
        product = await Product.objects().get(Product.id == product.id)
        if product.stock is None or product.stock == wanted:
            return
        names = ("name", "price", "description", "facts", "image_url", "image_alt", "max_per_order")
        details = Details(**{name: getattr(product, name) for name in names})
        async with write_transaction():
            changes = await edit_product(product, product.version, details, StockChange(product.stock, wanted))
            said = from_to(changes)
            await audit.record(self.member.shop, self._email, Action.PRODUCT_CHANGED, product.name, said)

    @property
    def _email(self) -> str:
        return self.member.owner.email
