"""The control API, for people, tests and tools: what happened, faults to come, the gateway's own console.

JSON; amounts in minor units; no authentication, because the sandbox is bound to the loopback address.
"""

import json
from dataclasses import asdict
from typing import Any

from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, HTTPException, NotFoundException
from litestar.params import FromPath

from app.sandbox.book import Book, Payment
from app.sandbox.faults import Fault, Faults
from app.sandbox.toss_errors import TossError
from app.sandbox.toss_payments import TossPayments, how_far


class Control(Controller):
    path = "/control"

    @get("/ledger")
    async def ledger(self, book: NamedDependency[Book], toss: NamedDependency[TossPayments]) -> dict[str, Any]:
        """Every payment as the gateway knows it, oldest first. No webhook is sent yet."""
        payments = [_entry(toss.refresh(payment)) for payment in reversed(book.payments())]
        return {"payments": payments, "webhooks": []}

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
        reference: FromPath[str],
    ) -> dict[str, Any]:
        """Refund by the merchant's hand, outside of the shop: `amount`, or everything without one."""
        body = await _json(request) if await request.body() else {}
        amount = body.get("amount") if isinstance(body, dict) else None
        if not isinstance(body, dict) or set(body) - {"amount"} or type(amount) not in (int, type(None)):
            raise ClientException('a refund is {"amount": minor units}, or {} for the whole balance')
        payments = [toss.refresh(payment) for payment in book.with_reference(reference)]
        if not payments:
            raise NotFoundException(f"no payment has the reference {reference}")
        payment = max(payments, key=how_far)
        try:
            toss.refund_at_console(payment, amount)
        except TossError as error:
            raise HTTPException(f"{error.code}: {error.message}", status_code=error.status) from None
        return _entry(toss.of_key(toss.account(payment), payment.pg_id))


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


def _armed(number: int, fault: Fault) -> dict[str, Any]:
    return {"id": number, **asdict(fault)}


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise ClientException("the body is not JSON") from None
