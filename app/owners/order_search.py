"""Which orders the desk lists: what the filter's fields say, checked, and the query that an index serves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from piccolo.columns.combination import And, Where, WhereRaw

from app import clock
from app.checkout.order_page import CONFIRMING
from app.database import DB
from app.language import Translator
from app.orders.states import PAYABLE, OrderStatus
from app.orders.tables import Order
from app.payments.providers import PROVIDERS
from app.payments.tables import Payment, ProviderAccount
from app.shops.tables import Shop
from app.shops.tenancy import NotFound

STATES = (CONFIRMING, *OrderStatus)
# More orders than this under one text are not looked through: a longer text finds fewer.
MOST_FOUND = 500
# So many payments of a PG are looked up at once.
FEW = 2_000
# Of a pill's number: what is more is "999+".
MOST_COUNTED = 1_000
# Ids are made a moment after `created_at` is read.
SLACK = timedelta(minutes=1)
LAST = chr(0x10FFFF)


@dataclass(slots=True)
class OrderSearch:
    """Raw values as they stand in the URL, and `errors` by field name, in the page's language."""

    NAMES: ClassVar = ("state", "pg", "since", "until", "q")

    state: str = ""
    pg: str = ""
    since: str = ""
    until: str = ""
    q: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Mapping[str, str]) -> "OrderSearch":
        """Raises NotFound for a state or a PG that is none: no page leads there."""
        search = cls(**{name: raw.get(name, "").strip()[:254] for name in cls.NAMES})
        if search.state not in ("", *STATES) or search.pg not in ("", *PROVIDERS):
            raise NotFound
        return search

    @property
    def is_narrowed(self) -> bool:
        """By more than a state."""
        return bool(self.pg or self.since or self.until or self.q)

    def query(self, **changes: str) -> str:
        """The same in a URL, to follow a `?`; `changes` go instead."""
        values = {name: getattr(self, name) for name in self.NAMES} | changes
        return urlencode({name: value for name, value in values.items() if value})

    async def condition_of(self, shop: Shop, _: Translator) -> And | Where | None:
        """Which of the shop's orders match; None where `errors` got what is wrong."""
        wanted: And | Where = Order.shop == shop.id
        for condition in (*self._dates(shop, _), *await self._texts(shop, _)):
            wanted &= condition
        if self.state:
            wanted &= await self._in_state()
        if self.pg:
            wanted &= await _tried_at(shop, self.pg)
        return None if self.errors else wanted

    async def _in_state(self) -> And | Where:
        """As the list calls them: while a PG decides about an order that might be paid again, that is its state."""
        undecided = await _undecided()
        if self.state == CONFIRMING:
            return _among(undecided) & Order.status.is_in(sorted(PAYABLE))
        is_so: And | Where = Order.status == self.state
        return is_so & Order.id.not_in(undecided) if undecided and self.state in PAYABLE else is_so

    def _dates(self, shop: Shop, _: Translator) -> list[And | Where]:
        """Days of the shop's calendar, the last one included. Ids grow with time, so that they are a range of them."""
        first, last = self._day("since", _), self._day("until", _)
        if first and last and first > last:
            self.errors["until"] = _("마지막 날이 첫날보다 빠릅니다.")
            return []
        conditions = []
        if first:
            start = _midnight(shop, first)
            conditions += [Order.id >= clock.first_id(start - SLACK), Order.created_at >= start]
        if last:
            end = _midnight(shop, last + timedelta(days=1))
            conditions += [Order.id < clock.first_id(end + SLACK), Order.created_at < end]
        return conditions

    def _day(self, name: str, _: Translator) -> date | None:
        text = getattr(self, name)
        if not text:
            return None
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        if day is None or not 2000 <= day.year < 3000:
            self.errors[name] = _("날짜를 2026-11-22처럼 적어 주세요.")
            return None
        return day

    async def _texts(self, shop: Shop, _: Translator) -> list[And | Where]:
        if not self.q:
            return []
        found = await _find(shop, self.q)
        if len(found) > MOST_FOUND:
            self.errors["q"] = _("%(most)s건이 넘게 찾았습니다. 더 길게 적어 주세요.", most=MOST_FOUND)
        return [_among(found)]


async def count_states(shop: Shop) -> dict[str, int]:
    """How many orders are in each state, counted up to `MOST_COUNTED`: as quick in a shop with very many orders."""
    undecided = await _undecided()
    most = MOST_COUNTED + len(undecided)
    counts = " UNION ALL ".join(
        f"SELECT '{status}' AS status, count(*) AS orders FROM "
        f"(SELECT 1 AS one FROM orders WHERE shop = {{}} AND status = '{status}' LIMIT {most}) AS found"
        for status in OrderStatus
    )
    rows = await Order.raw(counts, *[shop.id] * len(OrderStatus))
    found = {row["status"]: row["orders"] for row in rows}
    confirming = 0
    if undecided:
        theirs = (Order.shop == shop.id) & Order.id.is_in(undecided) & Order.status.is_in(sorted(PAYABLE))
        for row in await Order.select(Order.status).where(theirs):
            found[row["status"]] -= 1
            confirming += 1
    # An order may have moved between the two.
    return {CONFIRMING: confirming, **{status: max(orders, 0) for status, orders in found.items()}}


async def _undecided() -> list[UUID]:
    """The orders, of all shops, that a PG is deciding about: there are never many."""
    rows = await Order.raw(
        f"SELECT \"order\" AS id FROM payments WHERE status = 'confirming' AND closed_at IS NULL LIMIT {MOST_FOUND}"
    )
    return [UUID(str(row["id"])) for row in rows]


async def _tried_at(shop: Shop, provider: str) -> And | Where | WhereRaw:
    """The orders with any payment at this PG, however it ended.

    Where there are few of them they are all looked up; else the list is read between the newest and the oldest of them
    until it is full, and each of its orders asked for such a payment. Either way an index answers.
    """
    ours = (ProviderAccount.shop == shop.id) & (ProviderAccount.provider == provider)
    accounts = [row["id"] for row in await ProviderAccount.select(ProviderAccount.id).where(ours)]
    if not accounts:
        return Order.id.is_null()
    places = ", ".join("{}" for _ in accounts)
    payments = f'SELECT p."order" FROM payments p WHERE p.account IN ({places})'
    tried = await Order.raw(f"SELECT count(*) AS tried FROM ({payments} LIMIT {FEW + 1}) AS found", *accounts)
    if tried[0]["tried"] <= FEW:
        return WhereRaw(f"orders.id IN ({payments})", *accounts)
    oldest, newest = [], []
    for account in accounts:
        if (ends := await _ends_at(account)) is not None:
            oldest.append(ends[0])
            newest.append(ends[1])
    # PostgreSQL would look all of them up for an EXISTS.
    is_tried = WhereRaw(f'({payments} AND p."order" = orders.id LIMIT 1) IS NOT NULL', *accounts)
    return (Order.id >= min(oldest)) & (Order.id <= max(newest)) & is_tried


async def _ends_at(account: UUID) -> tuple[UUID, UUID] | None:
    """The oldest and the newest order that was tried there; None without any."""
    ends = [
        await Payment.select(Payment.order)
        .where(Payment.account == account)
        .order_by(Payment.order, ascending=ascending)
        .first()
        for ascending in (True, False)
    ]
    return (ends[0]["order"], ends[1]["order"]) if ends[0] and ends[1] else None


async def _find(shop: Shop, text: str) -> list[UUID]:
    """The shop's orders with this number, payment reference or PG's payment id, or an e-mail address that begins so;
    no more than one beyond `MOST_FOUND`.
    """
    by_bytes = ' COLLATE "C"' if DB.engine_type == "postgres" else ""
    email = f"(lower(customer_email)){by_bytes}"
    of_payments = 'FROM payments p JOIN orders o ON o.id = p."order"'
    rows = await Order.raw(
        "SELECT id FROM orders WHERE shop = {} AND number = {} UNION "
        f"SELECT o.id {of_payments} WHERE p.reference = {{}} AND o.shop = {{}} UNION "
        f"SELECT o.id {of_payments} WHERE p.pg_payment_id = {{}} AND o.shop = {{}} UNION SELECT id FROM "
        f"(SELECT id FROM orders WHERE shop = {{}} AND {email} >= {{}} AND {email} < {{}} LIMIT {MOST_FOUND + 1}) AS m",
        *(shop.id, text, text.upper(), shop.id, text, shop.id, shop.id, text.lower(), text.lower() + LAST),
    )
    return [UUID(str(row["id"])) for row in rows]


def _among(ids: Sequence[UUID]) -> Where:
    return Order.id.is_in(list(ids)) if ids else Order.id.is_null()


def _midnight(shop: Shop, day: date) -> datetime:
    """When a day begins in the shop's time zone."""
    return datetime.combine(day, time.min, ZoneInfo(shop.time_zone)).astimezone(UTC)
