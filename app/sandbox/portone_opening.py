"""PortOne's window as a state: an attempt to pay is opened, approved, refused or left, and the buyer is sent back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from app.sandbox.book import Payment
from app.sandbox.portone_book import PROVIDER
from app.sandbox.portone_errors import SentBack
from app.sandbox.portone_moves import refusal_of_pg
from app.sandbox.portone_payments import PortOnePayments
from app.sandbox.portone_request import PaymentRequest, with_query
from app.sandbox.portone_time import new_id, stamp
from app.sandbox.portone_virtual_account import check_term

# [U] PortOne leaves both to the PG; these are those of Toss.
WINDOW_LIVES = timedelta(minutes=30)
MINIMUMS = {"CARD": 100, "EASY_PAY": 100, "TRANSFER": 200, "VIRTUAL_ACCOUNT": 200}
MESSAGES = {
    "AmountNotEqualToPredefined": "사전 등록된 결제 금액과 일치하지 않습니다.",
    "PaymentAlreadyPaid": "이미 결제가 완료된 건입니다.",
    "InvalidEntityState": "진행 중인 결제가 있습니다.",
}


@dataclass(frozen=True)
class PortOneOpening:
    """What the browser's side does to the payments."""

    portone: PortOnePayments

    def open(self, request: PaymentRequest, browser: Mapping[str, str]) -> Payment:
        """A new attempt, READY. Raises NotOpened, or SentBack where PortOne knows the shop and not the amount."""
        self.portone.account(request.store_id, request.channel_key)
        now = self.portone.world.now()
        check_term(request.term, now)
        given = {
            "totalAmount": request.amount,
            "taxFreeAmount": request.tax_free,
            "currency": request.currency,
        }
        laid_down = self.portone.records.registration(request.store_id, request.payment_id)
        if laid_down != {name: given[name] for name in laid_down}:
            raise _sent_back(request, "AmountNotEqualToPredefined")
        if obstacle := self.portone.obstacle(request.store_id, request.payment_id):
            raise _sent_back(request, obstacle)
        payment = Payment(
            provider=PROVIDER,
            merchant=request.store_id,
            reference=request.payment_id,
            pg_id=new_id(self.portone.world),
            status="READY",
            currency=request.currency,
            amount=request.amount,
            opened_at=now,
            moved_at=now,
            facts={
                "channel_key": request.channel_key,
                "order_name": request.order_name,
                "redirect_url": request.redirect_url,
                "pay_method": request.pay_method,
                "offers": request.offers,
                "way": request.offers[0],
                "term": request.term,
                "tax_free": request.tax_free,
                "customer": request.customer,
                "custom_data": request.custom_data,
                "notice_urls": request.notice_urls,
                "browser": dict(browser),
                "token": None,
                "refuse_with": None,
                "virtual_account": None,
                "cancellations": [],
                "disputes": [],
                "webhooks": [],
            },
        )
        if request.currency == "KRW" and request.amount < MINIMUMS[request.pay_method]:
            raise SentBack(self._failed_at_window(payment, "BELOW_MINIMUM_AMOUNT"))
        self.portone.moves.move(payment, "READY")
        return payment

    def approve(
        self, payment: Payment, choice: Mapping[str, str], refuse_with: str | None = None, surplus: int = 0
    ) -> str:
        """The buyer agreed, and made a choice; the URL that leads back. `refuse_with` is the code with which the PG
        refuses, `surplus` is what it takes beyond the amount asked for.
        """
        payment.facts.update(choice, refuse_with=refuse_with)
        payment.amount += surplus
        is_manual = self.portone.account_of(payment).approval == "manual"
        if self.portone.world.now() - payment.opened_at >= WINDOW_LIVES:
            return self._failed_at_window(payment, "PAY_PROCESS_ABORTED")
        if obstacle := self.portone.obstacle(payment.merchant, payment.reference):
            return self._failed_at_window(payment, obstacle)
        # The card company sees the card at the window, the account behind it when the payment is approved.
        if refuse_with and (refuse_with == "REJECT_CARD_COMPANY" or not is_manual):
            return self._failed_at_window(payment, refuse_with)
        if is_manual:
            payment.facts.update(token=self.portone.world.text(40), token_at=stamp(self.portone.world.now()))
            self.portone.moves.keep(payment)
        else:
            self.portone.settle(payment)
        return self._way_back(payment)

    def leave(self, payment: Payment) -> str:
        """The buyer closed the window; the URL that leads back. [U] The attempt has failed."""
        return self._failed_at_window(payment, "PAY_PROCESS_CANCELED")

    def _failed_at_window(self, payment: Payment, code: str) -> str:
        """[U] For a refusal by the PG, also of a buyer who goes away, `code` is PGProviderError."""
        if code in MESSAGES:
            failure, told = {"reason": MESSAGES[code]}, {"code": code, "message": MESSAGES[code]}
        else:
            failure = refusal_of_pg(code)
            told = {
                "code": "PGProviderError",
                "message": failure["pgMessage"],
                "pgCode": code,
                "pgMessage": failure["pgMessage"],
            }
        self.portone.moves.fail(payment, failure)
        return self._way_back(payment, **told)

    def _way_back(self, payment: Payment, **more: str) -> str:
        answer = {"paymentId": payment.reference, "transactionType": "PAYMENT", "txId": payment.pg_id, **more}
        if payment.facts["token"]:
            answer["paymentToken"] = payment.facts["token"]
        return with_query(payment.facts["redirect_url"], answer)


def _sent_back(request: PaymentRequest, code: str) -> SentBack:
    """[U] There is no txId, because no attempt was begun."""
    answer = {
        "paymentId": request.payment_id,
        "transactionType": "PAYMENT",
        "code": code,
        "message": MESSAGES[code],
    }
    return SentBack(with_query(request.redirect_url, answer))
