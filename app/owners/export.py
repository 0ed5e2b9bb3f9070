"""The list of orders as a CSV file: however long it is, a few hundred rows are held at a time."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from zoneinfo import ZoneInfo

from piccolo.columns.combination import And, Where

from app.language import Translator
from app.money import Money
from app.orders.tables import Order
from app.owners.orders import OrderLine, lines_of
from app.shops.tables import Shop

AT_ONCE = 500
# Without it, spreadsheets read Korean in the encoding of their machine.
BOM = "\ufeff"
# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


async def csv_of(shop: Shop, wanted: And | Where, _: Translator) -> AsyncIterator[tuple[int, bytes]]:
    """The file in pieces, of the orders that are `wanted`, newest first; with how many of them are written by then."""
    yield 0, (BOM + _text([_heads(_)])).encode()
    last, written = None, 0
    while last is None or len(last) == AT_ONCE:
        rest = wanted & (Order.id < last[-1].id) if last else wanted
        last = await Order.objects().where(rest).order_by(Order.id, ascending=False).limit(AT_ONCE)
        if last:
            written += len(last)
            yield written, _text([_cells(shop, line, _) for line in await lines_of(last)]).encode()


def file_name(shop: Shop, now: datetime) -> str:
    return f"{shop.domain}-orders-{now.astimezone(ZoneInfo(shop.time_zone)):%Y-%m-%d}.csv"


def _heads(_: Translator) -> list[str]:
    return [
        _("주문번호"),
        _("주문한 때"),
        _("상태"),
        _("물건"),
        _("수량"),
        _("다른 물건"),
        _("금액"),
        _("통화"),
        _("돌려준 돈"),
        _("결제사"),
        _("결제사의 결제번호"),
        _("결제한 때"),
        _("손님 이메일"),
    ]


def _cells(shop: Shop, line: OrderLine, _: Translator) -> list[str]:
    order = line.order
    return [
        order.number,
        _local(shop, order.created_at),
        _(line.word),
        line.item,
        str(line.quantity),
        str(line.others),
        _number(order.total),
        order.currency,
        _number(order.refunded),
        _(line.provider),
        order.pg_payment_id or "",
        _local(shop, order.paid_at),
        order.customer_email,
    ]


def _text(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([[plain(cell) for cell in row] for row in rows])
    return text.getvalue()


def plain(cell: str) -> str:
    """The cell as a text that no spreadsheet calculates with."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _number(money: Money) -> str:
    """In major units, as a spreadsheet reads it: "26000", "12.50"."""
    units = Money.units(money.currency)
    return str(money.amount) if units == 1 else f"{money.amount // units}.{money.amount % units:02}"


def _local(shop: Shop, moment: datetime | None) -> str:
    return f"{moment.astimezone(ZoneInfo(shop.time_zone)):%Y-%m-%d %H:%M:%S}" if moment else ""
