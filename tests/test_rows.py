"""Queries that are composed in one go say word for word what Piccolo's own would."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from piccolo.query.methods.exists import Exists
from piccolo.query.methods.objects import Objects
from piccolo.query.methods.select import Select
from piccolo.query.methods.update import Update
from piccolo.querystring import QueryString

from app import clock
from app.database import DB, make_engine
from app.orders.states import OrderStatus
from app.orders.tables import Order, OrderItem
from app.payments.tables import Payment
from app.rows import AnyRow, Changes, SomeColumns, WholeRows
from app.shops.tables import Product

URLS = {"sqlite": "sqlite:///nowhere.sqlite", "postgres": "postgresql://kim@nowhere/shop"}
ID, NOW = clock.new_id(), clock.now()
CONDITIONS: dict[str, Callable[[], Any]] = {
    "one": lambda: Order.id == ID,
    "and, or": lambda: (Order.id == ID) & ((Order.expires_at <= NOW) | Order.paid_by.is_null()),
    "of several": lambda: Order.status.is_in([OrderStatus.PENDING, OrderStatus.FAILED]),
    "of none of several": lambda: Order.status.not_in([OrderStatus.PAID]) & Order.paid_by.is_not_null(),
    "a foreign key": lambda: Order.shop == ID,
    "an enum and a truth": lambda: (Order.status == OrderStatus.PAID) & Order.holds_stock.eq(True),
    "of a joined table": lambda: Order.shop.domain == "haru",
    "in SQL": lambda: QueryString("{} > {}", Order.total_amount, 5),
    "in a subquery": lambda: Order.id.is_in(Payment.select(Payment.order).where(Payment.amount > 5)),
    "two columns": lambda: Order.total_amount == Order.refunded_amount,
}


@pytest.fixture(params=URLS)
def engine_type(request: pytest.FixtureRequest) -> Iterator[str]:
    DB.use(make_engine(URLS[request.param]))
    yield request.param
    DB.use(None)


def said(query: Any) -> tuple[str, list[Any]]:
    """The SQL and its values; Piccolo spells out that no row is left out."""
    sql, values = query.querystrings[0].compile_string(query.engine_type)
    return sql.replace("SELECT ALL ", "SELECT "), values


@pytest.mark.parametrize("condition", CONDITIONS)
def test_whole_rows(engine_type: str, condition: str) -> None:
    where = CONDITIONS[condition]()
    assert said(WholeRows(Order).where(where)) == said(Select(Order, Order._meta.columns).where(where))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_some_columns(engine_type: str, condition: str) -> None:
    where, names = CONDITIONS[condition](), (Order.id, Order.status.as_alias("state"))
    ours, theirs = SomeColumns(Order, names).where(where), Select(Order, names).where(where)
    assert said(ours.order_by(Order.created_at, ascending=False).limit(5).offset(2)) == said(
        theirs.order_by(Order.created_at, ascending=False).limit(5).offset(2)
    )


@pytest.mark.parametrize("condition", CONDITIONS)
def test_whether_there_is_a_row(engine_type: str, condition: str) -> None:
    where = CONDITIONS[condition]()
    theirs = Exists(Order)
    theirs.where_delegate.where(where)
    ours, values = said(AnyRow(Order).where(where))
    sql, expected = said(theirs)
    # Theirs reads every column of what it only counts.
    assert (ours.partition(" FROM ")[2], values) == (sql.partition(" FROM ")[2], expected)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_new_values(engine_type: str, condition: str) -> None:
    where, values = CONDITIONS[condition](), {Order.status: OrderStatus.PAID, Order.expires_at: None}
    assert said(Changes(Order).values(values).where(where).returning(Order.id)) == said(
        Update(Order).values(values).where(where).returning(Order.id)
    )


def test_a_value_that_the_database_works_out(engine_type: str) -> None:
    values, where = {Product.stock: Product.stock - 1}, Product.stock > 0
    assert said(Changes(Product).values(values).where(where)) == said(Update(Product).values(values).where(where))


@pytest.mark.parametrize(
    "ask",
    [
        lambda query: query.order_by(Order.created_at).order_by(Order.id),
        lambda query: query.order_by(Order.shop.domain),
        lambda query: query.order_by(QueryString("random()")),
        lambda query: query.limit(1),
    ],
    ids=["by two columns", "by a joined column", "by an expression", "the first"],
)
def test_the_order_of_rows(engine_type: str, ask: Callable[[Any], Any]) -> None:
    assert said(ask(WholeRows(Order))) == said(ask(Select(Order, Order._meta.columns)))


@pytest.mark.parametrize(
    "ask",
    [
        lambda query: query.distinct(),
        lambda query: query.group_by(OrderItem.order),
        lambda query: query.columns(OrderItem.product.name),
    ],
    ids=["distinct", "grouped", "joined"],
)
def test_what_is_asked_for_in_another_way(engine_type: str, ask: Callable[[Any], Any]) -> None:
    assert said(ask(SomeColumns(OrderItem, [OrderItem.order]))) == said(ask(Select(OrderItem, [OrderItem.order])))


def test_rows_that_are_locked() -> None:
    DB.use(make_engine(URLS["postgres"]))
    ours = WholeRows(Order).where(Order.id == ID).lock_rows("UPDATE", skip_locked=True)
    theirs = Select(Order, Order._meta.columns).where(Order.id == ID).lock_rows("UPDATE", skip_locked=True)
    assert said(ours) == said(theirs)
    DB.use(None)


def test_every_table_is_asked_in_this_way() -> None:
    asked = (Order.objects(), Order.select(Order.id), Order.exists(), Order.update())
    assert [type(query) for query in asked] == [WholeRows, SomeColumns, AnyRow, Changes]
    assert type(Order.objects(Order.shop)) is Objects
