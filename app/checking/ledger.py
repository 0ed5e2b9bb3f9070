"""The ledger: what a sandbox knows to have been captured and refunded, beside our rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.checking.invariant import Breach
from app.payments.states import CAPTURED, AlertKind, RefundStatus
from app.payments.tables import Alert, Payment, Refund

BEING_CARRIED_OUT = [RefundStatus.REQUESTED, RefundStatus.PENDING]


@dataclass(frozen=True, slots=True)
class Sums:
    """What was captured and refunded under one reference, in minor units, of which currencies."""

    captured: int = 0
    refunded: int = 0
    currencies: frozenset[str] = frozenset()

    def plus(self, entry: Mapping[str, Any]) -> "Sums":
        currencies = self.currencies | {entry["currency"]} if entry["captured"] else self.currencies
        return Sums(self.captured + entry["captured"], self.refunded + entry["refunded"], currencies)


async def check_ledger(entries: Iterable[Mapping[str, Any]]) -> list[Breach]:
    """Where the ledger's entries (as `GET /control/ledger` gives them) and our payments do not tell the same money.

    In a running shop both move: a payment that is being decided, or that a refund of is being carried out, is left
    out, and so is one whose owner has been told that its bank took the deposit back. A difference may be gone a moment
    later, when the webhook about it has come: only one that stays is a breach.
    """
    truth: dict[tuple[str, str], Sums] = {}
    for entry in entries:
        name = entry["provider"], entry["reference"]
        truth[name] = truth.get(name, Sums()).plus(entry)
    payments = await Payment.select(
        Payment.id,
        Payment.provider,
        Payment.reference,
        Payment.status,
        Payment.currency,
        Payment.captured_amount,
        Payment.refunded_amount,
        Payment.closed_at,
    )
    moving = await _moving()
    breaches = []
    for payment in payments:
        seen = truth.pop((payment["provider"], payment["reference"]), None)
        if payment["closed_at"] is not None and payment["id"] not in moving:
            breaches += _compare(payment, seen)
    unknown = [(reference, sums) for (_, reference), sums in truth.items() if sums.captured]
    return breaches + [
        Breach("ledger_unknown", f"reference {reference}", f"captured {sums.captured} there, and has no payment here")
        for reference, sums in unknown
    ]


async def _moving() -> set[object]:
    """The payments whose sums are about to change, or cannot be told any more."""
    refunds = await Refund.select(Refund.payment).where(Refund.status.is_in(BEING_CARRIED_OUT))
    alerts = await Alert.select(Alert.payment).where(Alert.kind == AlertKind.REVERSED, Alert.closed_at.is_null())
    return {row["payment"] for row in (*refunds, *alerts)}


def _compare(payment: Mapping[str, Any], seen: Sums | None) -> list[Breach]:
    row = f"payment {payment['id']}"
    captured, refunded = payment["captured_amount"], payment["refunded_amount"]
    if seen is None:
        missing = f"captured {captured} here, and is not in the ledger"
        return [Breach("ledger_missing", row, missing)] if captured else []
    if (captured, refunded) != (seen.captured, seen.refunded):
        here, there = f"captured {captured} and refunded {refunded}", f"{seen.captured} and {seen.refunded}"
        return [Breach("ledger_sums", row, f"{here} here, {there} there")]
    if payment["status"] in CAPTURED and seen.currencies != {payment["currency"]}:
        there = ", ".join(sorted(seen.currencies))
        return [Breach("ledger_currency", row, f"is in {payment['currency']} here, in {there} there")]
    return []
