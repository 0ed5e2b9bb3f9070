"""What happens to a virtual account at the bank: the deposit, its reversal, and the refund that arrives."""

from app.sandbox.book import Payment
from app.sandbox.gateway import ConsoleRefused
from app.sandbox.toss_payments import TossPayments


class TossDeposits:
    """The bank's side, moved by hand."""

    def __init__(self, toss: TossPayments) -> None:
        self.toss = toss

    def deposit(self, payment: Payment) -> None:
        """The buyer sends the whole amount: a bank takes no other."""
        if payment.status != "WAITING_FOR_DEPOSIT":
            raise ConsoleRefused(f"a {payment.status} payment takes no deposit")
        account = payment.facts["virtual_account"]
        if account["expired"]:
            raise ConsoleRefused(f"the account was closed at {account['dueDate']}")
        account["depositorName"] = account["customerName"]
        self.toss.approve(payment)

    def reverse(self, payment: Payment) -> None:
        """The bank takes a deposit back that it had reported in error: the account waits again."""
        if payment.status != "DONE" or "virtual_account" not in payment.facts:
            raise ConsoleRefused(f"there is no deposit to reverse in a {payment.status} payment")
        payment.captured = 0
        payment.facts["approved_at"] = None
        payment.facts["virtual_account"]["depositorName"] = None
        self.toss.begin_transaction(payment)
        # [U] That the list of transactions shows it, with the new status and a positive amount.
        self.toss.transact(payment, "WAITING_FOR_DEPOSIT", payment.amount)

    def complete_refund(self, payment: Payment) -> None:
        """The money of a refund is on the buyer's account. [U] No webhook tells."""
        account = payment.facts.get("virtual_account")
        if account is None or account["refundStatus"] != "PENDING":
            raise ConsoleRefused("no refund of a deposit is on its way")
        account["refundStatus"] = "COMPLETED"
        self.toss.book.save(payment)


def possible(payment: Payment) -> dict[str, str]:
    """The verbs that make sense now, with the words on their buttons."""
    account = payment.facts.get("virtual_account")
    if account is None:
        return {}
    verbs = {}
    if payment.status == "WAITING_FOR_DEPOSIT" and not account["expired"]:
        verbs["deposit"] = "입금하기"
    if payment.status == "DONE":
        verbs["reverse"] = "입금 취소하기"
    if account["refundStatus"] == "PENDING":
        verbs["complete"] = "환불금 보내기"
    return verbs
