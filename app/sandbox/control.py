"""The control API, for people, tests and tools: what happened, faults to come, the bank, the gateway's own console.

JSON; amounts in minor units; no authentication, because the sandbox is bound to the loopback address.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, HTTPException, NotFoundException
from litestar.params import FromPath

from app.sandbox.book import Book, Payment, Webhook
from app.sandbox.faults import Fault, Faults
from app.sandbox.toss_cancels import TossCancels
from app.sandbox.toss_deposits import DepositRefused, TossDeposits
from app.sandbox.toss_errors import TossError
from app.sandbox.toss_payments import TossPayments, how_far
from app.sandbox.webhooks import Webhooks


class Control(Controller):
    path = "/control"

    @get("/ledger")
    async def ledger(self, book: NamedDependency[Book], toss: NamedDependency[TossPayments]) -> dict[str, Any]:
        """Every payment as the gateway knows it, and every webhook, oldest first."""
        payments = [_entry(toss.refresh(payment)) for payment in reversed(book.payments())]
        return {"payments": payments, "webhooks": [_sent(webhook) for webhook in book.webhooks()]}

    @get("/faults")
    async def armed(self, faults: NamedDependency[Faults]) -> dict[str, Any]:
        return {"faults": [_armed(number, fault) for number, fault in faults.armed()]}

    @post("/faults")
    async def arm(self, request: Request, faults: NamedDependency[Faults]) -> dict[str, Any]:
        try:
            return _armed(*faults.arm(await _json(request)))
        except ValueError as wrong:
            raise ClientException(str(wrong)) from None

    @delete("/faults")
    async def disarm(self, book: NamedDependency[Book]) -> None:
        book.drop_faults()

    @post("/refunds/{reference:str}")
    async def refund(
        self,
        request: Request,
        book: NamedDependency[Book],
        toss: NamedDependency[TossPayments],
        cancels: NamedDependency[TossCancels],
        reference: FromPath[str],
    ) -> dict[str, Any]:
        """Refund by the merchant's hand, outside of the shop: `amount`, or everything without one."""
        body = await _json(request) if await request.body() else {}
        amount = body.get("amount") if isinstance(body, dict) else None
        if not isinstance(body, dict) or set(body) - {"amount"} or type(amount) not in (int, type(None)):
            raise ClientException('a refund is {"amount": minor units}, or {} for the whole balance')
        payment = _furthest(book, toss, reference)
        try:
            cancels.refund_at_console(payment, amount)
        except TossError as error:
            raise HTTPException(f"{error.code}: {error.message}", status_code=error.status) from None
        return _entry(toss.of_key(toss.account(payment), payment.pg_id))

    @post("/refunds/{reference:str}/complete")
    async def complete_refund(
        self,
        book: NamedDependency[Book],
        toss: NamedDependency[TossPayments],
        deposits: NamedDependency[TossDeposits],
        reference: FromPath[str],
    ) -> dict[str, Any]:
        """The refund of a deposit arrives at the buyer's account now, not two days later."""
        return _moved(deposits.complete_refund, _furthest(book, toss, reference))

    @post("/deposits/{reference:str}")
    async def deposit(
        self,
        book: NamedDependency[Book],
        toss: NamedDependency[TossPayments],
        deposits: NamedDependency[TossDeposits],
        reference: FromPath[str],
    ) -> dict[str, Any]:
        """The buyer sends the money to the virtual account."""
        return _moved(deposits.deposit, _furthest(book, toss, reference))

    @post("/deposits/{reference:str}/reverse")
    async def reverse(
        self,
        book: NamedDependency[Book],
        toss: NamedDependency[TossPayments],
        deposits: NamedDependency[TossDeposits],
        reference: FromPath[str],
    ) -> dict[str, Any]:
        """The bank finds that the deposit was an error."""
        return _moved(deposits.reverse, _furthest(book, toss, reference))

    @post("/webhooks/{number:int}/send")
    async def send(
        self, book: NamedDependency[Book], webhooks: NamedDependency[Webhooks], number: FromPath[int]
    ) -> dict[str, Any]:
        """Make one attempt now, whatever has become of the webhook, and wait for the shop's answer."""
        webhook = book.webhook(number)
        if webhook is None:
            raise NotFoundException(f"no webhook has the id {number}")
        return _sent(await webhooks.send(webhook))


def _furthest(book: Book, toss: TossPayments, reference: str) -> Payment:
    """Of all payments with the merchant's id, the newest among those that got furthest."""
    payments = [toss.refresh(payment) for payment in book.with_reference(reference)]
    if not payments:
        raise NotFoundException(f"no payment has the reference {reference}")
    return max(payments, key=how_far)


def _moved(move: Callable[[Payment], None], payment: Payment) -> dict[str, Any]:
    try:
        move(payment)
    except DepositRefused as refused:
        raise HTTPException(str(refused), status_code=409) from None
    return _entry(payment)


def _entry(payment: Payment) -> dict[str, Any]:
    return {
        "provider": payment.provider,
        "reference": payment.reference,
        "pg_id": payment.pg_id,
        "status": payment.status,
        "currency": payment.currency,
        "captured": payment.captured,
        "refunded": payment.refunded,
    }


def _sent(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "provider": webhook.provider,
        "type": webhook.type,
        "reference": webhook.reference,
        "url": webhook.url,
        "attempts": webhook.attempts,
        "answer": webhook.answer,
    }


def _armed(number: int, fault: Fault) -> dict[str, Any]:
    return {"id": number, **asdict(fault)}


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise ClientException("the body is not JSON") from None
