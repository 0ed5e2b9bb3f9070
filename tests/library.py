"""Two small tables for the tests of the engines themselves."""

from uuid import uuid4

from piccolo.columns import UUID, BigInt, ForeignKey, OnDelete, Timestamptz, Varchar
from piccolo.table import Table, create_db_tables

from app.database import DB
from app.engine import Engine


class Author(Table, db=DB):
    id = UUID(primary_key=True, default=uuid4)
    name = Varchar(unique=True)
    born_at = Timestamptz(null=True, default=None)
    books_sold = BigInt(default=0)


class Book(Table, db=DB):
    id = UUID(primary_key=True, default=uuid4)
    author = ForeignKey(Author, on_delete=OnDelete.restrict)


async def create_library(engine: Engine) -> None:
    """What `migrate` does in these tests."""
    await create_db_tables(Author, Book)


async def add_author(name: str) -> None:
    await Author.insert(Author(name=name))


async def authors() -> list[str]:
    """Their names in order."""
    return await Author.select(Author.name).order_by(Author.name).output(as_list=True)
