"""The migrations make exactly the tables that the code declares."""

from collections.abc import AsyncIterator

import pytest
from piccolo.columns import BigInt, Column, ForeignKey

from app.database import DB, make_engine
from app.engine import Engine
from app.migrating import is_current, migrate
from app.piccolo_app import TABLES

COLUMNS = {
    "sqlite": """SELECT name, type, "notnull" AS required FROM pragma_table_info('{table}')""",
    "postgres": """
        SELECT column_name AS name, is_nullable = 'NO' AS required, CASE WHEN character_maximum_length IS NULL
            THEN udt_name ELSE 'VARCHAR(' || character_maximum_length || ')' END AS type
        FROM information_schema.columns WHERE table_name = '{table}'
    """,
}
UNIQUE = {
    "sqlite": """
        SELECT info.name FROM pragma_index_list('{table}') AS list, pragma_index_info(list.name) AS info
        WHERE list."unique" GROUP BY list.name HAVING count(*) = 1
    """,
    "postgres": """
        SELECT attname AS name FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE indrelid = '{table}'::regclass AND indisunique AND indnatts = 1
    """,
}
SAME_TYPE = {"INT4": "INTEGER", "INT8": "BIGINT", "BOOL": "BOOLEAN"}


@pytest.fixture
async def engine(empty_database_url: str) -> AsyncIterator[Engine]:
    engine = make_engine(empty_database_url)
    DB.use(engine)
    await engine.open()
    yield engine
    await engine.aclose()
    DB.use(None)


def type_of(column: Column) -> str:
    if isinstance(column, ForeignKey):
        return "UUID"
    return "BIGINT" if isinstance(column, BigInt) else column.column_type.upper()


async def test_the_migrations_make_the_declared_columns(engine: Engine) -> None:
    await migrate(engine)
    for table in TABLES:
        rows = await engine.run_ddl(COLUMNS[engine.engine_type].format(table=table._meta.tablename))
        found = {row["name"]: (row["type"].upper(), bool(row["required"])) for row in rows}
        assert {name: (SAME_TYPE.get(kind, kind), required) for name, (kind, required) in found.items()} == {
            column._meta.db_column_name: (type_of(column), not column._meta.null) for column in table._meta.columns
        }


async def test_what_is_declared_unique_is_unique(engine: Engine) -> None:
    await migrate(engine)
    for table in TABLES:
        rows = await engine.run_ddl(UNIQUE[engine.engine_type].format(table=table._meta.tablename))
        unique = {column._meta.db_column_name for column in table._meta.columns if column._meta.unique}
        assert {row["name"] for row in rows} == unique | {"id"}


async def test_a_database_is_current_once_it_is_migrated(engine: Engine) -> None:
    assert not await is_current()
    await migrate(engine)
    assert await is_current()
    await migrate(engine)
    assert await is_current()
