"""Toss's payments: opened, authenticated, confirmed, expired, and found again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.sandbox.book import Book, Payment
from app.sandbox.toss_errors import ENDS_THE_PAYMENT, TossError
from app.sandbox.toss_object import transaction_object
from app.sandbox.toss_request import PaymentRequest
from app.sandbox.toss_time import KST, stamp
from app.sandbox.toss_virtual_account import check_term, grow_older, new_account
from app.sandbox.world import World

PROVIDER = "toss"
# How long a payment may stay in a status: 30 minutes to authenticate, then 10 minutes to confirm.
LIMITS = {"READY": timedelta(minutes=30), "IN_PROGRESS": timedelta(minutes=10)}
# An order that has reached one of these cannot be confirmed in another window.
TAKEN = ("WAITING_FOR_DEPOSIT", "DONE", "PARTIAL_CANCELED", "CANCELED")


@dataclass(frozen=True)
class Account:
    """One merchant's pair of keys; `webhook_url` is the address registered at the console."""

    client_key: str
    secret_key: str
    merchant: str
    shop_name: str
    webhook_url: str | None = None


class TossPayments:
    """All of Toss's payments. A payment that is handed out has been expired first if its time is over; `tell`
    hears of every new status, and `extra` says how many won the window of an orderId takes too much.
    """

    def __init__(
        self,
        accounts: Sequence[Account],
        book: Book,
        world: World,
        tell: Callable[[Payment], None],
        extra: Callable[[str], int],
    ) -> None:
        self.accounts, self.book, self.world, self.tell, self.extra = accounts, book, world, tell, extra

    def account(self, payment: Payment) -> Account:
        """The account that opened the payment; NOT_FOUND_MERCHANT if this sandbox was started without it."""
        return self._account_of_client(payment.facts["client_key"], "NOT_FOUND_MERCHANT")

    def open(self, request: PaymentRequest, origin: str) -> Payment:
        """A new READY payment. Each window is a payment of its own, also for an orderId seen before. `origin` is
        the sandbox's, as the buyer sees it.
        """
        account, now = self._account_of_client(request.client_key, "UNAUTHORIZED_KEY"), self.world.now()
        check_term(request.term, now)
        payment = Payment(
            provider=PROVIDER,
            merchant=account.merchant,
            reference=request.order_id,
            pg_id=f"t{account.merchant[:4]}{now.astimezone(KST):%Y%m%d%H%M%S}{self.world.text(8)}",
            status="READY",
            currency="KRW",
            amount=request.amount + self.extra(request.order_id),
            opened_at=now,
            moved_at=now,
            facts={
                "client_key": account.client_key,
                "customer_key": request.customer_key,
                "customer_name": request.customer_name,
                "origin": origin,
                "order_name": request.order_name,
                "success_url": request.success_url,
                "fail_url": request.fail_url,
                "offers": request.offers,
                "way": request.offers[0],
                "term": request.term,
                "tax_free": request.tax_free,
                "metadata": request.metadata,
                "refuse_with": None,
                "failure": None,
                "cancels": [],
            },
        )
        self.book.save(payment)
        return payment

    def authenticate(self, payment: Payment, choice: Mapping[str, str], refuse_with: str | None) -> None:
        """The buyer agreed, and chose `way`, `bank` and `depositor`. `refuse_with` is the code that the card
        company or the bank will answer to the confirm.
        """
        payment.facts.update(choice, refuse_with=refuse_with)
        self.move(payment, "IN_PROGRESS")

    def confirm(self, account: Account, body: Mapping[str, Any], refuse_with: str | None = None) -> Payment:
        """Take the money of an authenticated payment, or issue its virtual account. `refuse_with` makes the card
        company or the bank refuse.
        """
        key, order_id, amount = body.get("paymentKey"), body.get("orderId"), body.get("amount")
        if not (isinstance(key, str) and isinstance(order_id, str) and is_number(amount)):
            raise TossError("INVALID_REQUEST", "paymentKey, orderId, amount는 필수입니다.")
        payment = self.find(key)
        # [U] The key of another pair, also of the same merchant, finds nothing.
        if payment is None or payment.facts["client_key"] != account.client_key:
            raise TossError("NOT_FOUND_PAYMENT_SESSION")
        # [U] The documented guess for a wrong amount; the payment stays as it was.
        if (payment.reference, payment.amount) != (order_id, amount):
            raise TossError("INVALID_REQUEST", "결제 요청 때의 orderId, amount와 다릅니다.")
        if payment.status in ("READY", "EXPIRED"):
            raise TossError("NOT_FOUND_PAYMENT_SESSION")
        # [U] An order that was paid in another window is refused like a second confirm.
        if payment.status != "IN_PROGRESS" or self._is_taken(account.merchant, order_id):
            raise TossError("ALREADY_PROCESSED_PAYMENT")
        if refusal := refuse_with or payment.facts["refuse_with"]:
            raise self._refused(payment, refusal)
        payment.facts["secret"] = f"ps_{self.world.text(12)}"
        if payment.facts["way"] == "VIRTUAL_ACCOUNT":
            self._issue(payment)
        else:
            self.approve(payment)
        return payment

    def approve(self, payment: Payment) -> None:
        """The money has come."""
        payment.captured = payment.amount
        payment.facts.update(
            approved_at=stamp(self.world.now()),
            approve_no=f"{self.world.chance.randrange(10**8):08}",
        )
        self.begin_transaction(payment)
        self.transact(payment, "DONE", payment.amount)

    def begin_transaction(self, payment: Payment) -> str:
        """A new `lastTransactionKey`."""
        key = f"txrd_a01{self.world.text(12).lower()}"
        payment.facts["transaction_key"] = key
        return key

    def transact(self, payment: Payment, status: str, amount: int) -> None:
        """End the transaction: the payment takes a new status because `amount` won moved."""
        now = self.world.now()
        row = transaction_object(payment, status, amount, now)
        self.book.add_transaction(PROVIDER, payment.merchant, row["transactionKey"], now, row)
        self.move(payment, status)

    def move(self, payment: Payment, status: str) -> None:
        payment.status, payment.moved_at = status, self.world.now()
        self.book.save(payment)
        self.tell(payment)

    def of_key(self, account: Account, key: str) -> Payment:
        """A look-up by paymentKey, among this merchant's own payments."""
        payment = self.find(key)
        if payment is None or payment.merchant != account.merchant:
            raise TossError("NOT_FOUND_PAYMENT")
        return payment

    def of_order(self, account: Account, order_id: str) -> Payment:
        """A look-up by orderId: of several windows the newest among those that got furthest. [U]"""
        payments = self._sessions(account.merchant, order_id)
        if not payments:
            raise TossError("NOT_FOUND_PAYMENT")
        return max(payments, key=how_far)

    def known(self, key: str) -> Payment:
        """A payment of any merchant. Raises NOT_FOUND_PAYMENT."""
        payment = self.find(key)
        if payment is None:
            raise TossError("NOT_FOUND_PAYMENT")
        return payment

    def find(self, key: str) -> Payment | None:
        payment = self.book.find(PROVIDER, key)
        return self.refresh(payment) if payment else None

    def refresh(self, payment: Payment) -> Payment:
        """The payment, expired if its time is over: Toss has a timer, here it happens on each access."""
        limit, now = LIMITS.get(payment.status), self.world.now()
        if limit is not None and now - payment.moved_at >= limit:
            self.move(payment, "EXPIRED")
        if grow_older(payment, now):
            self.book.save(payment)
        return payment

    def _account_of_client(self, client_key: str, otherwise: str) -> Account:
        for account in self.accounts:
            if account.client_key == client_key:
                return account
        raise TossError(otherwise)

    def _sessions(self, merchant: str, order_id: str) -> list[Payment]:
        owner = (PROVIDER, merchant)
        found = self.book.with_reference(order_id)
        return [self.refresh(each) for each in found if (each.provider, each.merchant) == owner]

    def _is_taken(self, merchant: str, order_id: str) -> bool:
        return any(each.status in TAKEN for each in self._sessions(merchant, order_id))

    def _issue(self, payment: Payment) -> None:
        facts = payment.facts
        facts["virtual_account"] = new_account(facts["term"], facts["bank"], facts["depositor"], self.world)
        self.begin_transaction(payment)
        self.move(payment, "WAITING_FOR_DEPOSIT")

    def _refused(self, payment: Payment, code: str) -> TossError:
        error = TossError(code)
        if code in ENDS_THE_PAYMENT:
            payment.facts["failure"] = error.body
            self.move(payment, "ABORTED")
        return error


def how_far(payment: Payment) -> int:
    """Rank of a status: over without money, open, authenticated, waiting for money, captured."""
    if payment.captured:
        return 4
    return {"WAITING_FOR_DEPOSIT": 3, "IN_PROGRESS": 2, "READY": 1}.get(payment.status, 0)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
