"""PortOne's payments: registered, confirmed, settled, and found again.

One Payment in the book is one attempt to pay (`pg_id` is its transactionId); `reference` is the paymentId, under which
there may be many attempts, of which one at most is ever paid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.sandbox.book import Payment
from app.sandbox.portone_book import PROVIDER, PortOneBook
from app.sandbox.portone_errors import DECLINES, ERRORS, NotOpened, PortOneError
from app.sandbox.portone_moves import PortOneMoves, refusal_of_pg
from app.sandbox.portone_request import CURRENCIES
from app.sandbox.portone_time import read_stamp, stamp
from app.sandbox.portone_virtual_account import new_account

# [U] PortOne leaves it to the PG; this is that of Toss.
TOKEN_LIVES = timedelta(minutes=10)


@dataclass(frozen=True)
class PortOneAccount:
    """One channel of a merchant's store; `approval` is "automatic" or "manual", `channel_type` "TEST" or "LIVE".
    The secrets of its webhooks are one, or two while they rotate.
    """

    store_id: str
    channel_key: str
    api_secret: str
    shop_name: str
    webhook_url: str | None
    webhook_secrets: tuple[str, ...]
    approval: str
    channel_type: str


class PortOnePayments:
    """All of PortOne's payments. One that is handed out has been brought up to date first."""

    def __init__(self, accounts: Sequence[PortOneAccount], records: PortOneBook, moves: PortOneMoves) -> None:
        self.accounts, self.records, self.moves = accounts, records, moves
        self.book, self.world = moves.book, moves.world

    def account(self, store_id: str, channel_key: str) -> PortOneAccount:
        if not any(account.store_id == store_id for account in self.accounts):
            raise NotOpened("StoreNotFound", "상점을 찾을 수 없습니다.", 404)
        for account in self.accounts:
            if (account.store_id, account.channel_key) == (store_id, channel_key):
                return account
        raise NotOpened("ChannelNotFound", "채널을 찾을 수 없습니다.", 404)

    def account_of(self, payment: Payment) -> PortOneAccount:
        return self.account(payment.merchant, payment.facts["channel_key"])

    def pre_register(
        self, store_id: str, payment_id: str, body: Mapping[str, Any], error: str | None = None
    ) -> dict[str, Any]:
        """Lay down what the window must ask for. `error` makes it fail with that code."""
        total, tax_free = body.get("totalAmount"), body.get("taxFreeAmount")
        for name, value in (("totalAmount", total), ("taxFreeAmount", tax_free)):
            if value is not None and not (type(value) is int and value >= 0):
                raise PortOneError("INVALID_REQUEST", f"{name}는 0 이상의 정수여야 합니다.")
        if body.get("currency", "KRW") not in CURRENCIES:
            raise PortOneError("INVALID_REQUEST", f"currency는 {', '.join(CURRENCIES)} 가운데 하나여야 합니다.")
        if error:
            raise PortOneError(error)
        if any(each.captured for each in self.attempts(store_id, payment_id)):
            raise PortOneError("ALREADY_PAID")
        names = ("totalAmount", "taxFreeAmount", "currency")
        laid_down = {name: body[name] for name in names if body.get(name) is not None}
        self.records.register(store_id, payment_id, laid_down)
        return {}

    def confirm(
        self, store_id: str, payment_id: str, body: Mapping[str, Any], error: str | None = None
    ) -> dict[str, Any]:
        """Take the money of an attempt that the buyer approved, or issue its virtual account. `error` makes it fail
        with that code. [U] The order of the checks.
        """
        token = body.get("paymentToken")
        if not isinstance(token, str):
            raise PortOneError("INVALID_REQUEST", "paymentToken은 필수입니다.")
        attempts = self.attempts(store_id, payment_id)
        if not attempts:
            raise PortOneError("PAYMENT_NOT_FOUND")
        if any(each.captured for each in attempts):
            raise PortOneError("ALREADY_PAID")
        payment = next((each for each in attempts if each.facts["token"] == token), None)
        if payment is None:
            raise PortOneError("INVALID_PAYMENT_TOKEN")
        self._compare(payment, body)
        if error in ERRORS:
            raise PortOneError(error)
        token_at = read_stamp(payment.facts["token_at"])
        assert token_at is not None
        is_late = self.world.now() - token_at >= TOKEN_LIVES
        if refusal := error or payment.facts["refuse_with"] or ("NOT_FOUND_PAYMENT_SESSION" if is_late else None):
            if is_late or refusal in DECLINES:
                self.moves.fail(payment, refusal_of_pg(refusal))
            raise PortOneError(refusal)
        payment.facts["token"] = None
        self.settle(payment, is_silent=body.get("skipWebhook") is True)
        # [U] `paidAt` of a payment that is not paid yet.
        return {"pgTxId": payment.facts["pg_tx_id"], "paidAt": stamp(self.world.now())}

    def close(self, store_id: str, payment_id: str, error: str | None = None) -> dict[str, Any]:
        """Close a virtual account that still waits. [U] The payment is cancelled without a cancellation, and nobody is
        told but the caller.
        """
        payment = self.current(store_id, payment_id)
        if error:
            raise PortOneError(error)
        if payment.status != "VIRTUAL_ACCOUNT_ISSUED":
            raise PortOneError("PAYMENT_NOT_WAITING_FOR_DEPOSIT")
        payment.facts["closed_at"] = stamp(self.world.now())
        self.moves.move(payment, "CANCELLED", is_silent=True)
        return {"closedAt": payment.facts["closed_at"]}

    def current(self, store_id: str, payment_id: str) -> Payment:
        """What a look-up by paymentId finds: the attempt that is paid, or may still be, else the newest. [U]"""
        attempts = self.attempts(store_id, payment_id)
        if not attempts:
            raise PortOneError("PAYMENT_NOT_FOUND")
        return max(attempts, key=standing)

    def attempts(self, store_id: str, payment_id: str) -> list[Payment]:
        """Newest first."""
        owner = (PROVIDER, store_id)
        found = self.book.with_reference(payment_id)
        return [self.moves.refresh(each) for each in found if (each.provider, each.merchant) == owner]

    def known(self, transaction_id: str) -> Payment:
        """An attempt at any store. Raises NotOpened."""
        payment = self.book.find(PROVIDER, transaction_id)
        if payment is None:
            raise NotOpened("TransactionNotFound", "결제 시도를 찾을 수 없습니다.", 404)
        return self.moves.refresh(payment)

    def settle(self, payment: Payment, is_silent: bool = False) -> None:
        facts = payment.facts
        self.moves.book_at_pg(payment)
        if facts["way"] == "VIRTUAL_ACCOUNT":
            shop_name = self.account_of(payment).shop_name
            facts["virtual_account"] = new_account(
                facts["term"], facts["bank"], facts["depositor"], shop_name, self.world
            )
            self.moves.move(payment, "VIRTUAL_ACCOUNT_ISSUED", is_silent=is_silent)
        elif facts["approval"] == "later":
            self.moves.move(payment, "PAY_PENDING", "ASYNC_PAY_PENDING", is_silent)
        else:
            self.moves.pay(payment, is_silent=is_silent)

    def _compare(self, payment: Payment, body: Mapping[str, Any]) -> None:
        known = {
            "txId": payment.pg_id,
            "currency": payment.currency,
            "totalAmount": payment.amount,
            "taxFreeAmount": payment.facts["tax_free"],
            "isTest": self.account_of(payment).channel_type == "TEST",
        }
        if wrong := [name for name in known if body.get(name) not in (None, known[name])]:
            raise PortOneError("INFORMATION_MISMATCH", f"{', '.join(wrong)}가 결제 건과 다릅니다.")

    def obstacle(self, store_id: str, payment_id: str) -> str | None:
        """Why nobody can pay under this paymentId now. [U] That one which may still be paid is in the way, too."""
        best = max((standing(each) for each in self.attempts(store_id, payment_id)), default=0)
        return {2: "PaymentAlreadyPaid", 1: "InvalidEntityState"}.get(best)


def standing(payment: Payment) -> int:
    """2 for an attempt that was paid, 1 for one that may be without the buyer at the window."""
    if payment.captured:
        return 2
    return int(payment.status in ("VIRTUAL_ACCOUNT_ISSUED", "PAY_PENDING"))


def how_far(payment: Payment) -> int:
    """Rank for the console: over without money, open, approved by the buyer, waiting for money, captured."""
    if rank := standing(payment):
        return 2 + rank
    return {"READY": 1}.get(payment.status, 0) + bool(payment.facts["token"])
