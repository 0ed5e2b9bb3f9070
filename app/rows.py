"""Tables whose whole rows are read quickly.

Piccolo composes the list of a table's columns anew for each query, which takes several times as long as SQLite takes
to answer. Here it is composed once.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from piccolo import columns
from piccolo.query.methods.exists import Exists
from piccolo.query.methods.objects import Objects
from piccolo.query.methods.select import Select
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


class WholeRows(Objects):
    """All columns of the rows that match."""

    @property
    def default_querystrings(self) -> Sequence[QueryString]:
        select = Select(table=self.table, columns_list=[_columns_of(self.table)])
        for name in DELEGATES:
            setattr(select, name, getattr(self, name))
        return select.querystrings


class AnyRow(Exists):
    """Whether there is a row that matches."""

    @property
    def default_querystrings(self) -> Sequence[QueryString]:
        select = Select(table=self.table, columns_list=[ONE])
        select.where_delegate = self.where_delegate
        return [QueryString('SELECT EXISTS({}) AS "exists"', select.querystrings[0])]


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

    @classmethod
    def objects(cls, *prefetch: ForeignKey | list[ForeignKey]) -> Objects[Any]:
        return super().objects(*prefetch) if prefetch else WholeRows(cls)

    @classmethod
    def exists(cls) -> Exists[Any]:
        return AnyRow(cls)


@cache
def _columns_of(table: type[Table]) -> QueryString:
    return QueryString(", ".join(column._meta.get_full_name(with_alias=True) for column in table._meta.columns))
