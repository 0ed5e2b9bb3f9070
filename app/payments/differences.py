"""Differences: the rows that somebody closes, and what the owner is told of them."""

from collections.abc import Collection, Sequence

from piccolo.columns.combination import And, Where

from app import clock
from app.database import for_update, require_transaction, write_transaction
from app.payments.alerts import close_alert, raise_alert
from app.payments.statements import Day, Listed
from app.payments.states import AlertKind, DifferenceKind
from app.payments.tables import Alert, Difference, Payment, ProviderAccount

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


def contract_of(account: ProviderAccount) -> str:
    """PG and public key, without the shop: shops may share them."""
    return account.account_key.partition(":")[2]


async def teller_of(account: ProviderAccount) -> ProviderAccount:
    """Where money without an order is told, so that shops that share a contract are not all told of the same: at the
    first of its accounts that sell. Where none does, at each for itself.
    """
    selling = ProviderAccount.objects().where(
        ProviderAccount.provider == account.provider, ProviderAccount.is_enabled.eq(True)
    )
    same = (each for each in await selling.order_by(ProviderAccount.id) if contract_of(each) == contract_of(account))
    return next(same, account)


async def keep_books(
    account: ProviderAccount, day: Day, found: Sequence[Difference], unjudged: Collection[str] = ()
) -> list[Difference]:
    """Writes what is new of this day, closes what is gone, and tells the owner once; those of `found` that are open.

    One that a person has closed stays closed while its sums do. One that was gone and is back, or has other sums than
    a person has seen, is open again and told again. Of `unjudged` payments, by their references, nothing is closed.
    """
    found = sorted(found, key=lambda difference: difference.difference_key)
    keys = [difference.difference_key for difference in found]
    is_of_day = (Difference.account == account.id) & (Difference.day == day.date.isoformat())
    is_gone = is_of_day & Difference.closed_at.is_null()
    if keys:
        is_gone &= Difference.difference_key.not_in(keys)
    if unjudged:
        is_gone &= Difference.reference.not_in(list(unjudged))
    async with write_transaction():
        settled = await _list_settled(keys)
        new = [difference for difference in found if await _write(difference)]
        await _close(is_gone, GONE)
        await _tell(account, day, new, settled)
    if not keys:
        return []
    return await (
        Difference.objects()
        .where(Difference.difference_key.is_in(keys), Difference.closed_at.is_null())
        .order_by(Difference.difference_key)
    )


async def close_difference(difference_id: object, closed_by: str, note: str) -> bool:
    """A person has settled it, and says how; True when this call closed it. In the caller's transaction.

    The caller sees to it that the difference is one of that person's shop.
    """
    is_open = (Difference.id == difference_id) & Difference.closed_at.is_null()
    return await _close(is_open, note[:500], closed_by) > 0


async def close_orphan(key: str, closed_by: str, note: str) -> bool:
    """The same for the alert of money without an order, by its key: what the compare has written of it is closed with
    it. True when this call closed the alert.
    """
    if not await close_alert(AlertKind.ORPHAN, key, note, closed_by):
        return False
    account, _, reference = key.partition(":")
    same = Difference.difference_key == f"{account}:{DifferenceKind.MISSING_HERE}:{reference}"
    await _close(same & Difference.closed_at.is_null(), note[:500], closed_by)
    return True


async def _list_settled(keys: Sequence[str]) -> set[str]:
    """Which of them a person has closed."""
    if not keys:
        return set()
    is_settled = Difference.difference_key.is_in(list(keys)) & Difference.closed_by.is_not_null()
    return {row["difference_key"] for row in await Difference.select(Difference.difference_key).where(is_settled)}


async def _write(difference: Difference) -> bool:
    """True when it was not open before."""
    won = (
        await Difference.insert(difference)
        .on_conflict(target=Difference.difference_key, action="DO NOTHING")
        .returning(Difference.id)
    )
    if won:
        return True
    same = Difference.difference_key == difference.difference_key
    row = await for_update(Difference.objects().where(same).first())
    if row.closed_by and (row.ours, row.theirs) == (difference.ours, difference.theirs):
        return False
    changes = {Difference.ours: difference.ours, Difference.theirs: difference.theirs}
    if row.closed_at is not None:
        changes |= {
            Difference.day: difference.day,
            Difference.found_at: difference.found_at,
            Difference.closed_at: None,
            Difference.closed_by: None,
            Difference.note: row.note if row.closed_by else "",
        }
    await Difference.update(changes).where(same)
    return row.closed_at is not None


async def _tell(account: ProviderAccount, day: Day, new: Sequence[Difference], settled: Collection[str]) -> None:
    """One alert for all that is new of a day; money without an order is a matter of its own, with its evidence."""
    told = {"provider": account.provider, "day": day.date.isoformat()}
    for orphan in (each for each in new if each.payment is None):
        evidence = {
            **told,
            "reference": orphan.reference,
            "pg_payment_id": orphan.pg_payment_id,
            "amount": orphan.theirs,
            "currency": orphan.currency,
        }
        key, is_another_sum = f"{account.id}:{orphan.reference}", orphan.difference_key in settled
        await raise_alert(AlertKind.ORPHAN, key, account.shop, evidence=evidence, begins_again=is_another_sum)
    others = [each for each in new if each.payment is not None]
    if others:
        evidence = {**told, "differences": len(others), "references": [each.reference for each in others[:20]]}
        key = f"{_day_key(account.id, day.date)}:{others[-1].id}"
        await raise_alert(AlertKind.DIFFERENCE, key, account.shop, evidence=evidence)


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
            await _close_alerts(_day_key(account, day), note, closed_by)
    return len(closed)


async def _close_alerts(day_key: str, note: str, closed_by: str | None) -> None:
    """A day may have been told of more than once."""
    kind = AlertKind.DIFFERENCE
    is_of_day = (Alert.kind == kind) & Alert.closed_at.is_null() & Alert.alert_key.like(f"{kind}:{day_key}:%")
    for row in await Alert.select(Alert.alert_key).where(is_of_day):
        await close_alert(kind, row["alert_key"].removeprefix(f"{kind}:"), note, closed_by)


def _day_key(account: object, day: object) -> str:
    return f"{account}:{day}"
