"""What the owner edits at the desk: versions of products and settings, a logo; and the desk's lists of accounts' rows."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-23T05:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Editing products and settings, and the desk's lists of webhooks and differences"

COLUMNS = (
    "products ADD COLUMN version INTEGER NOT NULL DEFAULT 1",
    "shops ADD COLUMN version INTEGER NOT NULL DEFAULT 1",
    "shops ADD COLUMN logo_url VARCHAR(300) NOT NULL DEFAULT ''",
)

INDEXES = (
    "inbox_events_list ON inbox_events (account, id)",
    "differences_list ON differences (account, id)",
)


async def prepare_editing() -> None:
    for column in COLUMNS:
        await DB.run_ddl(f"ALTER TABLE {column}")
    for index in INDEXES:
        await DB.run_ddl(f"CREATE INDEX {index}")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(prepare_editing)
    return manager
