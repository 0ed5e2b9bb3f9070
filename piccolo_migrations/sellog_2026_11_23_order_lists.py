"""What the desk's lists of orders are read by."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-23T04:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Indexes for the desk's list of orders"

INDEXES = (
    "orders_newest ON orders (shop, id)",
    "orders_status ON orders (shop, status, id)",
    "orders_provider ON orders (shop, pg_provider, id) WHERE pg_provider IS NOT NULL",
    "orders_status_provider ON orders (shop, status, pg_provider, id) WHERE pg_provider IS NOT NULL",
)


async def index_lists() -> None:
    for index in INDEXES:
        await DB.run_ddl(f"CREATE INDEX {index}")
    # By the beginning of an address: that is a range only where texts are ordered by their bytes, as SQLite's are.
    by_bytes = ' COLLATE "C"' if DB.engine_type == "postgres" else ""
    await DB.run_ddl(f"CREATE INDEX orders_email ON orders (shop, (lower(customer_email)){by_bytes})")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(index_lists)
    return manager
