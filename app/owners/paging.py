"""Pages of a long list, newest first, by where they begin: as quick at its end as at its beginning."""

from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from piccolo.query.methods.objects import Objects

from app.rows import Row
from app.shops.tenancy import read_id

R = TypeVar("R", bound=Row)

SIZE = 50


@dataclass(frozen=True, slots=True)
class PageOf(Generic[R]):
    """Some rows, newest first. `older` and `newer` lead to the pages beside this one: `before=…`, to follow a `?`."""

    rows: list[R]
    older: str | None
    newer: str | None


async def page_of(query: Objects[R], table: type[R], before: str = "", after: str = "", size: int = SIZE) -> PageOf[R]:
    """Of the rows of `query` those older than the row `before`, or newer than `after`, else the newest.

    Their ids are made by `clock.new_id`: they grow with time. Raises NotFound for an id that is none.
    """
    if after and not before:
        found = await query.where(table.id > read_id(after)).order_by(table.id).limit(size + 1)
        rows, has_older, has_newer = found[:size][::-1], True, len(found) > size
    else:
        older = query.where(table.id < read_id(before)) if before else query
        found = await older.order_by(table.id, ascending=False).limit(size + 1)
        rows, has_older, has_newer = found[:size], len(found) > size, bool(before)
    return PageOf(
        rows,
        _query("before", rows[-1].id) if rows and has_older else None,
        _query("after", rows[0].id) if rows and has_newer else None,
    )


def _query(word: str, number: UUID) -> str:
    return f"{word}={number}"
