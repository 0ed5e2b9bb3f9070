"""The cast of every test: two shops on a real database, the PG played by the sandbox, and shoppers."""

import pytest

from app.engine import Engine
from app.migrating import migrate as run_migrations

pytest_plugins = ["tests.databases", "tests.shopping", "tests.mall", "tests.desk", "tests.browsing"]


@pytest.fixture(scope="session")
def migrate():
    async def up(engine: Engine) -> None:
        await run_migrations(engine)

    return up
