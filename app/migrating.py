"""Bringing a database's tables up to date: Piccolo's migrations, run from here so that its words stay out of ours."""

import contextlib
import io

from piccolo.apps.migrations.commands.forwards import ForwardsMigrationManager, run_forwards
from piccolo.apps.migrations.tables import Migration

from app.engine import Engine
from app.piccolo_app import APP_CONFIG


class MigrationFailed(Exception):
    """The tables are as they were before the migration that failed; `str()` says why."""


async def migrate(engine: Engine) -> None:
    """Runs what has not run yet on the database in use. Raises MigrationFailed."""
    words = io.StringIO()
    with contextlib.redirect_stdout(words):
        try:
            result = await run_forwards(app_name=APP_CONFIG.app_name)
        except Exception as error:
            raise MigrationFailed(f"A migration failed: {error}") from error
    if not result.success:
        raise MigrationFailed(f"A migration failed: {result.message or words.getvalue().strip()}")


async def is_current() -> bool:
    """Whether every migration has run on the database in use."""
    if not await Migration.table_exists():
        return False
    ran = await Migration.get_migrations_which_ran(app_name=APP_CONFIG.app_name)
    manager = ForwardsMigrationManager(app_name=APP_CONFIG.app_name)
    known = manager.get_migration_ids(manager.get_migration_modules(APP_CONFIG.resolved_migrations_folder_path))
    return set(known) <= set(ran)
