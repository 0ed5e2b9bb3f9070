"""Bringing a database's tables up to date: Piccolo's migrations, run from here so that its words stay out of ours."""

import contextlib
import io

from piccolo.apps.migrations.commands.forwards import run_forwards

from app.engine import Engine


class MigrationFailed(Exception):
    """The tables are as they were before the migration that failed; `str()` says why."""


async def migrate(engine: Engine) -> None:
    """Runs what has not run yet on the database in use. Raises MigrationFailed."""
    words = io.StringIO()
    with contextlib.redirect_stdout(words):
        result = await run_forwards(app_name="sellog")
    if not result.success:
        raise MigrationFailed(result.message or words.getvalue().strip())
