"""Differences: the rows that somebody closes, and what the owner is told of them."""

from collections.abc import Sequence

from piccolo.columns.combination import And, Where

from app import clock
from app.database import require_transaction, write_transaction
from app.payments.alerts import close_alert, raise_alert
from app.payments.statements import Day, Listed
from app.payments.states import AlertKind, DifferenceKind
from app.payments.tables import Difference, Payment, ProviderAccount

GONE = "사라짐"


def of_payment(kind: DifferenceKind, payment: Payment, day: Day, ours: int, theirs: int) -> Difference:
    """What is different about a payment of ours, not written yet."""
    return Difference(
        account=payment.account,
        day=day.date.isoformat(),
        kind=kind,
        difference_key=f"{payment.account}:{kind}:{payment.reference}",
        payment=payment.id,
        reference=payment.reference,
        pg_payment_id=payment.pg_payment_id,
        ours=ours,
        theirs=theirs,
        currency=payment.currency,
        found_at=clock.now(),
    )


def of_orphan(account: ProviderAccount, day: Day, money: Sequence[Listed]) -> Difference:
    """Money under one name of our form that no payment bears: there is nothing to ask the PG with. Not written yet."""
    first = money[0]
    return Difference(
        account=account.id,
        day=day.date.isoformat(),
        kind=DifferenceKind.MISSING_HERE,
        difference_key=f"{account.id}:{DifferenceKind.MISSING_HERE}:{first.reference}",
        reference=first.reference,
        pg_payment_id=first.pg_payment_id,
        ours=0,
        theirs=sum(each.left for each in money),
        currency=first.currency,
        found_at=clock.now(),
    )


async def keep_books(account: ProviderAccount, day: Day, found: Sequence[Difference]) -> list[Difference]:
    """Writes what is new of this day, closes what is gone, and tells the owner once; those of `found` that are open.

    One that a person has closed stays closed. One that was gone and is back is open again.
    """
    found = sorted(found, key=lambda difference: difference.difference_key)
    keys = [difference.difference_key for difference in found]
    is_of_day = (Difference.account == account.id) & (Difference.day == day.date.isoformat())
    is_gone = is_of_day & Difference.closed_at.is_null()
    async with write_transaction():
        new = [difference for difference in found if await _write(difference)]
        await _close(is_gone & Difference.difference_key.not_in(keys) if keys else is_gone, GONE)
        await _tell(account, day, new)
    if not keys:
        return []
    return await (
        Difference.objects()
        .where(Difference.difference_key.is_in(keys), Difference.closed_at.is_null())
        .order_by(Difference.difference_key)
    )


async def close_difference(difference_id: object, closed_by: str, note: str) -> bool:
    """A person has settled it, and says how; True when this call closed it.

    The caller sees to it that the difference is one of that person's shop.
    """
    async with write_transaction():
        is_open = (Difference.id == difference_id) & Difference.closed_at.is_null()
        return await _close(is_open, note[:500], closed_by) > 0


async def _write(difference: Difference) -> bool:
    """True when it was never written before."""
    won = (
        await Difference.insert(difference)
        .on_conflict(target=Difference.difference_key, action="DO NOTHING")
        .returning(Difference.id)
    )
    if not won:
        now = {
            Difference.ours: difference.ours,
            Difference.theirs: difference.theirs,
            Difference.closed_at: None,
            Difference.note: "",
        }
        # Closed without a name: it was gone.
        await Difference.update(now).where(
            Difference.difference_key == difference.difference_key, Difference.closed_by.is_null()
        )
    return bool(won)


async def _tell(account: ProviderAccount, day: Day, new: Sequence[Difference]) -> None:
    """One alert an account and day; money without an order is a matter of its own, with its evidence."""
    told = {"provider": account.provider, "day": day.date.isoformat()}
    for orphan in (each for each in new if each.payment is None):
        evidence = {
            **told,
            "reference": orphan.reference,
            "pg_payment_id": orphan.pg_payment_id,
            "amount": orphan.theirs,
            "currency": orphan.currency,
        }
        await raise_alert(AlertKind.ORPHAN, f"{account.id}:{orphan.reference}", account.shop, evidence=evidence)
    others = [each for each in new if each.payment is not None]
    if others:
        evidence = {**told, "differences": len(others), "references": [each.reference for each in others[:20]]}
        await raise_alert(AlertKind.DIFFERENCE, _day_key(account.id, day.date), account.shop, evidence=evidence)


async def _close(which: And | Where, note: str, closed_by: str | None = None) -> int:
    """How many it closed; an alert goes with the last of what it tells about."""
    require_transaction()
    closed = (
        await Difference.update(
            {Difference.closed_at: clock.now(), Difference.closed_by: closed_by, Difference.note: note}
        )
        .where(which)
        .returning(Difference.account, Difference.day, Difference.payment, Difference.reference)
    )
    for row in closed:
        if row["payment"] is None:
            await close_alert(AlertKind.ORPHAN, f"{row['account']}:{row['reference']}", note, closed_by)
    for account, day in {(row["account"], row["day"]) for row in closed}:
        others = Difference.exists().where(
            Difference.account == account,
            Difference.day == day,
            Difference.closed_at.is_null(),
            Difference.payment.is_not_null(),
        )
        if not await others:
            await close_alert(AlertKind.DIFFERENCE, _day_key(account, day), note, closed_by)
    return len(closed)


def _day_key(account: object, day: object) -> str:
    return f"{account}:{day}"
