"""The control API, for people, tests and tools: what happened, faults to come, the bank, the gateways' own consoles.

JSON; amounts in minor units; no authentication, because the sandbox is bound to the loopback address.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, HTTPException, NotFoundException
from litestar.params import FromPath

from app.sandbox.book import Book, Payment, Webhook
from app.sandbox.faults import Fault, Faults
from app.sandbox.gateway import ConsoleRefused, Gateway
from app.sandbox.webhooks import Webhooks


@dataclass(frozen=True)
class Console:
    """Every gateway's console in one."""

    book: Book
    gateways: Mapping[str, Gateway]

    def payments(self, limit: int = -1) -> list[Payment]:
        """All, or the last `limit`, newest first, each as it is now."""
        return [self._gateway(payment).refresh(payment) for payment in self.book.payments(limit)]

    def verbs(self, payment: Payment) -> Mapping[str, str]:
        return self._gateway(payment).verbs(payment)

    def refund(self, reference: str, amount: int | None) -> Payment:
        """Raises ConsoleRefused, NotFoundException."""
        payment = self._furthest(reference)
        self._gateway(payment).refund(payment, amount)
        return self._again(payment)

    def act(self, verb: str, reference: str) -> Payment:
        """Raises ConsoleRefused, NotFoundException."""
        payment = self._furthest(reference)
        self._gateway(payment).act(verb, payment)
        return self._again(payment)

    def _furthest(self, reference: str) -> Payment:
        """Of all payments with the merchant's id, the newest among those that got furthest."""
        payments = [self._gateway(payment).refresh(payment) for payment in self.book.with_reference(reference)]
        if not payments:
            raise NotFoundException(f"no payment has the reference {reference}")
        return max(payments, key=lambda payment: self._gateway(payment).how_far(payment))

    def _again(self, payment: Payment) -> Payment:
        found = self.book.find(payment.provider, payment.pg_id)
        assert found is not None
        return found

    def _gateway(self, payment: Payment) -> Gateway:
        return self.gateways[payment.provider]


class Control(Controller):
    path = "/control"

    @get("/ledger")
    async def ledger(self, book: NamedDependency[Book], console: NamedDependency[Console]) -> dict[str, Any]:
        """Every payment as its gateway knows it, and every webhook, oldest first."""
        payments = [entry_of(payment) for payment in reversed(console.payments())]
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
        self, request: Request, console: NamedDependency[Console], reference: FromPath[str]
    ) -> dict[str, Any]:
        """Refund by the merchant's hand, outside of the shop: `amount`, or everything without one."""
        body = await _json(request) if await request.body() else {}
        amount = body.get("amount") if isinstance(body, dict) else None
        if not isinstance(body, dict) or set(body) - {"amount"} or type(amount) not in (int, type(None)):
            raise ClientException('a refund is {"amount": minor units}, or {} for the whole balance')
        try:
            return entry_of(console.refund(reference, amount))
        except ConsoleRefused as refused:
            raise HTTPException(str(refused), status_code=refused.status) from None

    @post("/refunds/{reference:str}/{verb:str}")
    async def end_refund(
        self, console: NamedDependency[Console], reference: FromPath[str], verb: FromPath[str]
    ) -> dict[str, Any]:
        """`complete`: the refund that is on its way arrives now. `fail`: it comes back."""
        if verb not in ("complete", "fail"):
            raise NotFoundException(f"a refund on its way can complete or fail, not {verb}")
        return _moved(console, "complete" if verb == "complete" else "fail_refund", reference)

    @post("/deposits/{reference:str}")
    async def deposit(self, console: NamedDependency[Console], reference: FromPath[str]) -> dict[str, Any]:
        """The buyer sends the money to the virtual account."""
        return _moved(console, "deposit", reference)

    @post("/deposits/{reference:str}/reverse")
    async def reverse(self, console: NamedDependency[Console], reference: FromPath[str]) -> dict[str, Any]:
        """The bank finds that the deposit was an error."""
        return _moved(console, "reverse", reference)

    @post("/disputes/{reference:str}")
    async def dispute(self, console: NamedDependency[Console], reference: FromPath[str]) -> dict[str, Any]:
        """The buyer's bank takes the money back, for now."""
        return _moved(console, "dispute", reference)

    @post("/disputes/{reference:str}/{verb:str}")
    async def end_dispute(
        self, console: NamedDependency[Console], reference: FromPath[str], verb: FromPath[str]
    ) -> dict[str, Any]:
        """How it ends for the merchant: `win` or `lose`."""
        if verb not in ("win", "lose"):
            raise NotFoundException(f"a dispute is won or lost, not {verb}")
        return _moved(console, f"{verb}_dispute", reference)

    @post("/webhooks/{number:int}/send")
    async def send(
        self, book: NamedDependency[Book], webhooks: NamedDependency[Webhooks], number: FromPath[int]
    ) -> dict[str, Any]:
        """Make one attempt now, whatever has become of the webhook, and wait for the shop's answer."""
        webhook = book.webhook(number)
        if webhook is None:
            raise NotFoundException(f"no webhook has the id {number}")
        return _sent(await webhooks.send(webhook))


def _moved(console: Console, verb: str, reference: str) -> dict[str, Any]:
    try:
        return entry_of(console.act(verb, reference))
    except ConsoleRefused as refused:
        raise HTTPException(str(refused), status_code=refused.status) from None


def entry_of(payment: Payment) -> dict[str, Any]:
    """A payment as the ledger tells it."""
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
