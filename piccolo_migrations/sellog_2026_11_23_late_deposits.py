"""What a shop does with a deposit that comes after its due date."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-23T06:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The shop's policy for late deposits"


async def choose_a_policy() -> None:
    await DB.run_ddl(
        "ALTER TABLE shops ADD COLUMN late_deposit VARCHAR(8) NOT NULL DEFAULT 'accept'"
        " CHECK (late_deposit IN ('accept', 'refund'))"
    )


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(choose_a_policy)
    return manager
