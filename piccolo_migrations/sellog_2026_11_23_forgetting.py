"""What is cleared away: old logins and links by their time, and what a mail said that is nobody else's business."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-23T09:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Forgetting old logins, links, and what secret mails said"


async def prepare_forgetting() -> None:
    await DB.run_ddl("CREATE INDEX logins_expires_at ON logins (expires_at)")
    await DB.run_ddl("CREATE INDEX password_resets_expires_at ON password_resets (expires_at)")
    await DB.run_ddl("ALTER TABLE messages ADD COLUMN is_secret BOOLEAN NOT NULL DEFAULT false")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(prepare_forgetting)
    return manager
