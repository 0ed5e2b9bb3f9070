"""How far a file of orders has come, for the page that waits for it."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-23T10:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Progress of exports"

EXPORTS = """
CREATE TABLE exports (
    id UUID PRIMARY KEY NOT NULL,
    shop UUID NOT NULL REFERENCES shops (id) ON DELETE RESTRICT,
    total INTEGER NOT NULL CHECK (total >= 0),
    written INTEGER NOT NULL CHECK (written >= 0),
    seen_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ
)
"""


async def keep_progress() -> None:
    await DB.run_ddl(EXPORTS)
    await DB.run_ddl("CREATE INDEX exports_seen_at ON exports (seen_at)")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(keep_progress)
    return manager
