"""What PostgreSQL alone needs: a pool without a connection in doubt."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.database import DB, write_transaction
from app.postgres_engine import PostgresEngine
from tests.databases import Databases
from tests.library import add_author, authors, create_library


@pytest.fixture
async def engine(databases: Databases, tmp_path: Path) -> AsyncIterator[PostgresEngine]:
    """An open engine with a single connection."""
    engine = PostgresEngine(await databases.migrated("postgres", create_library, tmp_path), pool_size=1)
    DB.use(engine)
    await engine.open()
    yield engine
    DB.use(None)
    await engine.aclose()


async def session() -> int:
    ((pid,),) = await DB.run_ddl("SELECT pg_backend_pid()")
    return pid


async def test_a_connection_is_kept_from_one_statement_to_the_next(engine: PostgresEngine) -> None:
    first = await session()
    async with write_transaction():
        await add_author("Han")
    assert await session() == first


async def test_a_connection_whose_commit_failed_is_never_used_again(
    engine: PostgresEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(connection: object) -> None:
        raise OSError("the line is dead")

    async def add() -> None:
        async with write_transaction():
            await add_author("Han")

    first = await session()
    with monkeypatch.context() as broken:
        broken.setattr(engine, "commit", fail)
        with pytest.raises(OSError, match="dead"):
            await add()
    assert await session() != first
    assert await authors() == []


async def test_it_knows_its_version(engine: PostgresEngine) -> None:
    assert await engine.get_version() >= 15
    assert engine.get_version_sync() >= 15
