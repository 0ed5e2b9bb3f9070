"""Comparing: a day of the PG's own list against our rows; what nobody can explain is a Difference.

The list finds, the look-up decides. A payment that moved money that day, there or here, and that is more than a plain
sale on which both sides agree, is asked about once more: what was only late is heard by that and is no difference. What
the list is silent about but the look-up tells (a refund of a payment that is too old for the list) is none either.

Money without our tag that no row of ours knows is another system's business at the same PG account: no difference.
Several accounts may see one list (a store's channels, changed keys, shops with the environment's keys): each payment is
compared at the account that it was begun with; money that no payment knows, at the first that sells by that contract.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from app import clock
from app.database import write_transaction
from app.failures import describe
from app.jobs.queue import enqueue, repeat
from app.jobs.tables import Job
from app.jobs.worker import NotYet
from app.payments import states
from app.payments.accounts import Gateways, note_health
from app.payments.differences import keep_books, of_orphan, teller_of
from app.payments.judging import judge_all
from app.payments.provider import Misconfigured, Unreachable
from app.payments.statements import Day, Listed, Statement, day_of, read_statement
from app.payments.states import PaymentStatus, RefundStatus
from app.payments.tables import Difference, Payment, PaymentEvent, ProviderAccount
from app.shops.tables import Shop

log = structlog.get_logger("payments")

T = TypeVar("T")

# The PGs close a day some time after midnight.
NOT_BEFORE = time(3)
# An account that sells no more is compared as long as its latest payments may still go back.
RECENTLY = timedelta(days=90)

# A PG that is away, or keys that are refused, for longer: the day is given up.
GIVEN_UP_AFTER = timedelta(days=14)

MOVED = [*sorted(states.CAPTURED), PaymentStatus.MISMATCH, RefundStatus.SUCCEEDED]
NAMES_AT_ONCE = 500


async def compare_day(gateways: Gateways, account: ProviderAccount, day: date) -> list[Difference]:
    """The differences of this day that are still to be closed, written down. Safe to repeat.

    The same difference found again is the same row, and stays closed where a person has closed it; one that is gone is
    closed by itself.

    Raises Misconfigured and Unreachable: then nothing is written but what the PG said of payments. Where it was silent
    about some payments only, the differences of the others are written before that.
    """
    span = await find_day(account, day)
    opened = gateways.open(account)
    provider = gateways.provider(opened)
    # Ours first: what is settled in between stands in the list, or is heard when it is asked about.
    payments = {payment.id: payment for payment in await moved_payments(account, span)}
    try:
        statement = await read_statement(provider, span)
        orphans: dict[str, list[Listed]] = {}
        for listed, payment in await _find_listed(account, statement, span):
            if payment is None:
                orphans.setdefault(listed.reference or "", []).append(listed)
            elif payment.account == account.id:
                payments[payment.id] = payment
        found, unjudged = await judge_all(provider, opened, payments.values(), statement, span)
    except Misconfigured as error:
        await note_health(account.id, error)
        raise
    await note_health(account.id, None)
    if (await teller_of(account)).id == account.id:
        found += [of_orphan(account, span, money) for money in orphans.values() if any(each.left for each in money)]
    differences = await keep_books(account, span, found, unjudged)
    if unjudged:
        raise Unreachable(f"{len(unjudged)} payments could not be asked about, the others are compared")
    return differences


async def find_day(account: ProviderAccount, day: date) -> Day:
    """The day of the account's shop."""
    shop = await Shop.select(Shop.time_zone).where(Shop.id == account.shop).first()
    return day_of(day, shop["time_zone"])


async def moved_payments(account: ProviderAccount, day: Day) -> list[Payment]:
    """Ours of which the PG said, or we heard, that day that money came or went back."""
    heard = PaymentEvent.select(PaymentEvent.payment).where(
        PaymentEvent.payment.account == account.id,
        PaymentEvent.at >= day.since,
        PaymentEvent.at < day.until,
        PaymentEvent.to_status.is_in(MOVED),
    )
    ids = {row["payment"] for row in await heard}
    said = (Payment.paid_at >= day.since) & (Payment.paid_at < day.until)
    payments = await Payment.objects().where(Payment.account == account.id, said)
    known = {payment.id for payment in payments}
    for some in _in_parts(sorted(ids - known)):
        payments += await Payment.objects().where(Payment.id.is_in(some))
    return payments


async def list_compared(shop: Shop | None = None) -> list[ProviderAccount]:
    """The accounts that are compared, of one shop or of all: those that sell, and those that have sold of late."""
    accounts = ProviderAccount.objects().order_by(ProviderAccount.shop, ProviderAccount.position, ProviderAccount.id)
    if shop is not None:
        accounts = accounts.where(ProviderAccount.shop == shop.id)
    return [account for account in await accounts if await _is_compared(account)]


async def compare_yesterday() -> None:
    """The sweep: after three in the morning, in each shop's time zone, the day before gets its job, once an account.

    A day that was over before the account was made gets none. Days that no worker saw are left to the command.
    """
    now = clock.now()
    wanted = {}
    for row in await ProviderAccount.select(ProviderAccount.id, ProviderAccount.shop.time_zone):
        try:
            day = latest_day(row["shop.time_zone"], now)
            is_over = day_of(day, row["shop.time_zone"]).until <= _made_at(row["id"])
        except Exception as error:
            log.error("compare_not_planned", account=str(row["id"]), error=describe(error))
            continue
        if not is_over:
            wanted[f"compare:{row['id']}:{day}"] = {"account": str(row["id"]), "day": day.isoformat()}
    for keys in _in_parts(sorted(wanted)):
        there = await Job.select(Job.dedupe_key).where(Job.dedupe_key.is_in(keys))
        if missing := set(keys) - {row["dedupe_key"] for row in there}:
            async with write_transaction():
                for key in sorted(missing):
                    await enqueue("compare", wanted[key], key)


async def compare_again(shop: Shop, day: date) -> int:
    """A job for each account of the shop that is compared, due now, also where the day was compared before; how many
    they are. In the caller's transaction.
    """
    wanted = {f"compare:{account.id}:{day}": account for account in await list_compared(shop)}
    for key, account in wanted.items():
        await enqueue("compare", {"account": str(account.id), "day": day.isoformat()}, key)
    if wanted:
        await repeat(list(wanted))
    return len(wanted)


def latest_day(time_zone: str, now: datetime) -> date:
    """The last day that is over and closed at the PGs."""
    local = now.astimezone(ZoneInfo(time_zone))
    return local.date() - timedelta(days=1 if local.time() >= NOT_BEFORE else 2)


async def carry_out(gateways: Gateways, payload: Mapping[str, str]) -> None:
    """The job behind an account's day. Raises NotYet until the PG has answered and the owner has mended refused keys;
    two weeks after the day that is given up."""
    account = await ProviderAccount.objects().get(ProviderAccount.id == UUID(payload["account"]))
    if not await _is_compared(account):
        return
    day = date.fromisoformat(payload["day"])
    try:
        await compare_day(gateways, account, day)
    except (Unreachable, Misconfigured) as error:
        why = f"{type(error).__name__}: {error}"
        if clock.now() < (await find_day(account, day)).until + GIVEN_UP_AFTER:
            raise NotYet(why) from None
        log.warning("compare_given_up", account=str(account.id), day=day.isoformat(), error=why)


def _made_at(row_id: UUID) -> datetime:
    """Our ids begin with the time (`clock.new_id`)."""
    return datetime.fromtimestamp((row_id.int >> 80) / 1000, UTC)


async def _is_compared(account: ProviderAccount) -> bool:
    if account.is_enabled:
        return True
    recently = clock.now() - RECENTLY
    return await Payment.exists().where(Payment.account == account.id, Payment.created_at >= recently)


async def _find_listed(account: ProviderAccount, statement: Statement, day: Day) -> list[tuple[Listed, Payment | None]]:
    """What moved at the PG that day, with the payment of ours that it is; without one only where it bears our tag."""
    moved = [listed for listed in statement.payments if listed.moved_in(day)]
    pairs: list[tuple[Listed, Payment | None]] = []
    for some in _in_parts(moved):
        references = [listed.reference for listed in some if listed.reference]
        is_meant = Payment.pg_payment_id.is_in([listed.pg_payment_id for listed in some])
        if references:
            is_meant = Payment.reference.is_in(references) | is_meant
        known: dict[str | None, Payment] = {}
        for payment in await Payment.objects().where(Payment.provider == account.provider, is_meant):
            known |= {payment.pg_payment_id: payment} if payment.pg_payment_id else {}
            known[payment.reference] = payment
        for listed in some:
            payment = known.get(listed.reference) or known.get(listed.pg_payment_id)
            if payment or listed.reference:
                pairs.append((listed, payment))
    return pairs


def _in_parts(names: Sequence[T]) -> Iterator[Sequence[T]]:
    """Databases take so many values in one statement and no more."""
    for start in range(0, len(names), NAMES_AT_ONCE):
        yield names[start : start + NAMES_AT_ONCE]
