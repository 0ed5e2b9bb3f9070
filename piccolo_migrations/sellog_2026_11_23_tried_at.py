"""The desk's list of orders by any of their payments' PG, in place of the one that was paid at."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-23T08:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Orders by the PGs that they were tried at"


async def index_attempts() -> None:
    await DB.run_ddl('CREATE INDEX payments_account ON payments (account, "order")')
    await DB.run_ddl("DROP INDEX orders_provider")
    await DB.run_ddl("DROP INDEX orders_status_provider")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(index_attempts)
    return manager
