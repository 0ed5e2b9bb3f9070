"""Toss's payments and what may happen to them: opened, authenticated, confirmed, cancelled, expired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from app.sandbox.book import Book, Payment
from app.sandbox.toss_errors import ENDS_THE_PAYMENT, TossError
from app.sandbox.toss_request import PaymentRequest
from app.sandbox.world import World

PROVIDER = "toss"
KST = timezone(timedelta(hours=9))
# How long a payment may stay in a status: 30 minutes to authenticate, then 10 minutes to confirm.
LIMITS = {"READY": timedelta(minutes=30), "IN_PROGRESS": timedelta(minutes=10)}
CAPTURED = ("DONE", "PARTIAL_CANCELED", "CANCELED")
CONSOLE_REASON = "상점 관리자 화면에서 취소"


@dataclass(frozen=True)
class Account:
    """One merchant's pair of keys."""

    client_key: str
    secret_key: str
    merchant: str
    shop_name: str


class TossPayments:
    """All of Toss's payments. A payment that is handed out has been expired first if its time is over."""

    def __init__(self, accounts: Sequence[Account], book: Book, world: World) -> None:
        self.accounts, self.book, self.world = accounts, book, world

    def account(self, payment: Payment) -> Account:
        """The account that opened the payment; NOT_FOUND_MERCHANT if this sandbox was started without it."""
        return self._account_of_client(payment.facts["client_key"], "NOT_FOUND_MERCHANT")

    def open(self, request: PaymentRequest) -> Payment:
        """A new READY payment. Each window is a payment of its own, also for an orderId seen before."""
        account, now = self._account_of_client(request.client_key, "UNAUTHORIZED_KEY"), self.world.now()
        payment = Payment(
            provider=PROVIDER,
            merchant=account.merchant,
            reference=request.order_id,
            pg_id=f"t{account.merchant[:4]}{now.astimezone(KST):%Y%m%d%H%M%S}{self.world.text(8)}",
            status="READY",
            currency="KRW",
            amount=request.amount,
            opened_at=now,
            moved_at=now,
            facts={
                "client_key": account.client_key,
                "order_name": request.order_name,
                "success_url": request.success_url,
                "fail_url": request.fail_url,
                "way": request.way,
                "tax_free": request.tax_free,
                "metadata": request.metadata,
                "refuse_with": None,
                "failure": None,
                "cancels": [],
            },
        )
        self.book.save(payment)
        return payment

    def authenticate(self, payment: Payment, way: str, refuse_with: str | None) -> None:
        """The buyer agreed. `refuse_with` is the code that the card company will answer to the confirm."""
        payment.facts.update(way=way, refuse_with=refuse_with)
        self._move(payment, "IN_PROGRESS")

    def confirm(self, account: Account, body: Mapping[str, Any], refuse_with: str | None = None) -> Payment:
        """Take the money of an authenticated payment. `refuse_with` makes the card company refuse."""
        key, order_id, amount = body.get("paymentKey"), body.get("orderId"), body.get("amount")
        if not (isinstance(key, str) and isinstance(order_id, str) and _is_number(amount)):
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
        if payment.status != "IN_PROGRESS" or self._is_paid(account.merchant, order_id):
            raise TossError("ALREADY_PROCESSED_PAYMENT")
        if refusal := refuse_with or payment.facts["refuse_with"]:
            raise self._refused(payment, refusal)
        payment.captured = payment.amount
        payment.facts.update(
            approved_at=stamp(self.world.now()),
            approve_no=f"{self.world.chance.randrange(10**8):08}",
            secret=f"ps_{self.world.text(12)}",
            transaction_key=self._transaction_key(),
        )
        self._move(payment, "DONE")
        return payment

    def cancel(self, account: Account, key: str, body: Mapping[str, Any], error: str | None = None) -> Payment:
        """Give back `cancelAmount`, or the whole balance. `error` makes it fail with that code."""
        reason = body.get("cancelReason")
        if not (isinstance(reason, str) and 0 < len(reason) <= 200):
            raise TossError("INVALID_REQUEST", "cancelReason은 필수이며 200자 이하여야 합니다.")
        payment = self.of_key(account, key)
        if error:
            raise TossError(error)
        if payment.status == "CANCELED":
            raise TossError("ALREADY_CANCELED_PAYMENT")
        if payment.status not in CAPTURED:
            raise TossError("NOT_CANCELABLE_PAYMENT")
        if body.get("currency", payment.currency) != payment.currency:
            raise TossError("INVALID_REQUEST", "currency가 승인된 통화와 다릅니다.")
        if body.get("refundableAmount", payment.balance) != payment.balance:
            raise TossError("NOT_MATCHES_REFUNDABLE_AMOUNT")
        amount, tax_free = body.get("cancelAmount", payment.balance), body.get("taxFreeAmount", 0)
        self._give_back(payment, amount, tax_free, reason)
        return payment

    def refund_at_console(self, payment: Payment, amount: int | None) -> None:
        """A refund by the merchant's own hand; `amount` in won, None for the whole balance."""
        body = {"cancelReason": CONSOLE_REASON} | ({} if amount is None else {"cancelAmount": amount})
        self.cancel(self.account(payment), payment.pg_id, body)

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

    def find(self, key: str) -> Payment | None:
        payment = self.book.find(PROVIDER, key)
        return self.refresh(payment) if payment else None

    def refresh(self, payment: Payment) -> Payment:
        """The payment, expired if its time is over: Toss has a timer, here it happens on each access."""
        limit = LIMITS.get(payment.status)
        if limit is not None and self.world.now() - payment.moved_at >= limit:
            self._move(payment, "EXPIRED")
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

    def _is_paid(self, merchant: str, order_id: str) -> bool:
        return any(each.status in CAPTURED for each in self._sessions(merchant, order_id))

    def _refused(self, payment: Payment, code: str) -> TossError:
        error = TossError(code)
        if code in ENDS_THE_PAYMENT:
            payment.facts["failure"] = error.body
            self._move(payment, "ABORTED")
        return error

    def _give_back(self, payment: Payment, amount: Any, tax_free: Any, reason: str) -> None:
        if not (_is_number(amount) and amount > 0 and (isinstance(amount, int) or amount.is_integer())):
            raise TossError("INVALID_REQUEST", "cancelAmount는 원 단위의 양의 정수여야 합니다.")
        if amount > payment.balance:
            raise TossError("NOT_CANCELABLE_AMOUNT")
        if not (type(tax_free) is int and 0 <= tax_free <= min(amount, tax_free_balance(payment))):
            raise TossError("INVALID_REQUEST", "taxFreeAmount가 취소 금액 또는 남은 면세 금액을 넘습니다.")
        payment.refunded += int(amount)
        payment.facts["transaction_key"] = self._transaction_key()
        payment.facts["cancels"].append(
            {
                "cancelAmount": int(amount),
                "cancelReason": reason,
                "taxFreeAmount": tax_free,
                "taxExemptionAmount": 0,
                "refundableAmount": payment.balance,
                "cardDiscountAmount": 0,
                "transferDiscountAmount": 0,
                "easyPayDiscountAmount": 0,
                "canceledAt": stamp(self.world.now()),
                "transactionKey": payment.facts["transaction_key"],
                "receiptKey": None,
                "cancelStatus": "DONE",
                "cancelRequestId": None,
            }
        )
        self._move(payment, "PARTIAL_CANCELED" if payment.balance else "CANCELED")

    def _transaction_key(self) -> str:
        return f"txrd_a01{self.world.text(12).lower()}"

    def _move(self, payment: Payment, status: str) -> None:
        payment.status, payment.moved_at = status, self.world.now()
        self.book.save(payment)


def how_far(payment: Payment) -> int:
    """Rank of a status: over without money, open, authenticated, captured."""
    if payment.status in CAPTURED:
        return 3
    return {"IN_PROGRESS": 2, "READY": 1}.get(payment.status, 0)


def tax_free_balance(payment: Payment) -> int:
    """What of the balance is free of VAT, in won."""
    given_back: int = sum(cancel["taxFreeAmount"] for cancel in payment.facts["cancels"])
    return int(payment.facts["tax_free"]) - given_back


def stamp(moment: datetime) -> str:
    """Toss's way to write a moment: Korean time with its offset, whole seconds."""
    return moment.astimezone(KST).isoformat(timespec="seconds")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
