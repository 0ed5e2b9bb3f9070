"""What the desk keeps of its own: contracts that a person has switched off."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-23T07:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Contracts that stay off"


async def keep_them_off() -> None:
    await DB.run_ddl("ALTER TABLE provider_accounts ADD COLUMN is_stopped BOOLEAN NOT NULL DEFAULT false")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(keep_them_off)
    return manager
