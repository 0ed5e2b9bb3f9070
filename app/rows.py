"""Tables whose everyday queries are composed quickly.

Piccolo composes a query of many small objects, which takes several times as long as SQLite takes to answer. A query on
columns of one table is written down here in one go; Piccolo composes all others.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from piccolo import columns
from piccolo.columns import Column
from piccolo.columns.combination import UNDEFINED, Combination, Where
from piccolo.query.methods.exists import Exists
from piccolo.query.methods.objects import Objects
from piccolo.query.methods.select import Select
from piccolo.query.methods.update import Update
from piccolo.querystring import QueryString
from piccolo.table import Table

from app.database import DB

# What of an Objects query goes on to the SELECT that it becomes.
DELEGATES = (
    "as_of_delegate",
    "limit_delegate",
    "where_delegate",
    "offset_delegate",
    "output_delegate",
    "order_by_delegate",
    "lock_rows_delegate",
)
ONE = QueryString("1")


class NotPlain(Exception):
    """Something that Piccolo has to compose: a join, an expression, a condition in SQL."""


class Statement(QueryString):
    """SQL as it is sent, and its values in their order."""

    def __init__(self) -> None:
        super().__init__("")

    def place(self, value: Any) -> str:
        """Takes the value, and says what stands for it in the text. Raises NotPlain."""
        if isinstance(value, (Column, QueryString)):
            raise NotPlain
        self.args.append(value)
        return "{}"

    def where(self, condition: Any) -> str:
        """The clause; nothing where there is no condition. Raises NotPlain."""
        return f" WHERE {self._condition(condition)}" if condition else ""

    def _condition(self, condition: Any) -> str:
        if isinstance(condition, Combination):
            return f"({self._condition(condition.first)} {condition.operator} {self._condition(condition.second)})"
        if not isinstance(condition, Where) or isinstance(condition.values, QueryString):
            raise NotPlain
        return condition.operator.template.format(
            name=_name_of(condition.column),
            value="" if condition.value is UNDEFINED else self.place(condition.value),
            values="" if condition.values is UNDEFINED else ", ".join(map(self.place, condition.values)),
        )

    def ready(self, sql: str) -> list[QueryString]:
        """The whole text, as a query returns it."""
        self.template = sql
        return [self]

    def compile_string(self, engine_type: str = "postgres") -> tuple[str, list[Any]]:
        if engine_type == "sqlite":
            return self.template.replace("{}", "?"), self.args
        first, *parts = self.template.split("{}")
        return first + "".join(f"${number}{part}" for number, part in enumerate(parts, 1)), self.args


class WholeRows(Objects):
    """All columns of the rows that match."""

    @property
    def default_querystrings(self) -> Sequence[QueryString]:
        try:
            return _select(self, _columns_of(self.table))
        except NotPlain:
            select = Select(table=self.table, columns_list=[QueryString(_columns_of(self.table))])
            for name in DELEGATES:
                setattr(select, name, getattr(self, name))
            return select.querystrings


class SomeColumns(Select):
    """Some columns of the rows that match."""

    @property
    def default_querystrings(self) -> Sequence[QueryString]:
        is_plain = not (
            self.distinct_delegate._distinct.enabled
            or self.group_by_delegate._group_by
            or self.having_delegate._where
            or self.exclude_secrets
        )
        try:
            if is_plain and self.columns_delegate.selected_columns:
                return _select(self, ", ".join(map(_with_alias, self.columns_delegate.selected_columns)))
        except NotPlain:
            pass
        return super().default_querystrings


class AnyRow(Exists):
    """Whether there is a row that matches."""

    @property
    def default_querystrings(self) -> Sequence[QueryString]:
        statement = Statement()
        try:
            where = statement.where(self.where_delegate._where)
            table = self.table._meta.get_formatted_tablename()
            return statement.ready(f'SELECT EXISTS(SELECT 1 FROM {table}{where}) AS "exists"')
        except NotPlain:
            select = Select(table=self.table, columns_list=[ONE])
            select.where_delegate = self.where_delegate
            return [QueryString('SELECT EXISTS({}) AS "exists"', select.querystrings[0])]


class Changes(Update):
    """New values for the rows that match."""

    @property
    def default_querystrings(self) -> Sequence[QueryString]:
        statement, values = Statement(), self.values_delegate
        try:
            changes = zip(values._values, values.get_sql_values(), strict=True)
            new = ", ".join(f'"{column._meta.db_column_name}" = {statement.place(value)}' for column, value in changes)
            where = statement.where(self.where_delegate._where)
        except NotPlain:
            return super().default_querystrings
        returning = self.returning_delegate._returning
        returned = returning.querystring.template if returning else ""
        return statement.ready(f"UPDATE {self.table._meta.get_formatted_tablename()} SET {new}{where}{returned}")


class ForeignKey(columns.ForeignKey):
    """Names the table that it refers to, never a string: so Piccolo need not look at each use whether that is known."""

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if name.startswith("_"):
            return value
        # The columns of the other table: those alone are joined by naming them.
        return super().__getattribute__(name) if isinstance(value, columns.Column) else value


class Row(Table, db=DB):
    """The base of every table here."""

    def __init__(self, _data: Any = None, _ignore_missing: bool = False, _exists_in_db: bool = False, **values: Any):
        if _exists_in_db and len(values) == len(self._meta.columns):
            self.__dict__ |= values
            self._exists_in_db, self._was_created = True, None
        else:
            super().__init__(_data, _ignore_missing, _exists_in_db, **values)

    @classmethod
    def objects(cls, *prefetch: ForeignKey | list[ForeignKey]) -> Objects[Any]:
        return super().objects(*prefetch) if prefetch else WholeRows(cls)

    @classmethod
    def select(cls, *columns: Any, exclude_secrets: bool = False) -> Select[Any]:
        return SomeColumns(cls, cls._process_column_args(*columns), exclude_secrets)

    @classmethod
    def exists(cls) -> Exists[Any]:
        return AnyRow(cls)

    @classmethod
    def update(cls, values: Any = None, force: bool = False, **more: Any) -> Update[Any]:
        return Changes(cls, force).values(values, **more)


def _select(query: Any, names: str) -> list[QueryString]:
    """Raises NotPlain."""
    statement = Statement()
    order_by = query.order_by_delegate._order_by
    orders = [column for item in order_by.order_by_items for column in item.columns]
    if query.as_of_delegate._as_of or not all(map(_is_own, orders)):
        raise NotPlain
    sql = f"SELECT {names} FROM {query.table._meta.get_formatted_tablename()}"
    sql += statement.where(query.where_delegate._where)
    rest = (
        order_by if orders else None,
        query.limit_delegate._limit,
        query.offset_delegate._offset,
        query.lock_rows_delegate._lock_rows,
    )
    return statement.ready(sql + "".join(part.querystring.template for part in rest if part))


def _is_own(column: Any) -> bool:
    """Whether it is a column of the table that is asked, and not one joined to it."""
    return isinstance(column, Column) and not column._meta.call_chain


def _name_of(column: Any) -> str:
    """Raises NotPlain."""
    if not _is_own(column):
        raise NotPlain
    meta = column._meta
    return f'"{meta.table._meta.tablename}"."{meta.db_column_name}"'


def _with_alias(column: Any) -> str:
    """Raises NotPlain."""
    return f'{_name_of(column)} AS "{column._alias or column._meta.name}"'


@cache
def _columns_of(table: type[Table]) -> str:
    return ", ".join(map(_with_alias, table._meta.columns))
