"""What keeps the books: alerts, differences from the PG's lists, and what an owner asks of a refund."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-22T22:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Alerts, differences, refunds that an owner asks for"

COLUMNS = {
    "shops": ["alert_email VARCHAR(254) NOT NULL DEFAULT ''"],
    "order_items": ["restocked INTEGER NOT NULL DEFAULT 0"],
    "refunds": ["restock INTEGER NOT NULL DEFAULT 0", "requested_by VARCHAR(254)"],
}

ALERTS = """
CREATE TABLE alerts (
    id UUID PRIMARY KEY NOT NULL,
    shop UUID REFERENCES shops (id) ON DELETE RESTRICT,
    kind VARCHAR(24) NOT NULL,
    alert_key VARCHAR(255) NOT NULL UNIQUE,
    "order" UUID REFERENCES orders (id) ON DELETE RESTRICT,
    payment UUID REFERENCES payments (id) ON DELETE RESTRICT,
    evidence JSON NOT NULL,
    raised_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ,
    closed_by VARCHAR(254),
    note VARCHAR(500) NOT NULL DEFAULT ''
)
"""

DIFFERENCES = """
CREATE TABLE differences (
    id UUID PRIMARY KEY NOT NULL,
    account UUID NOT NULL REFERENCES provider_accounts (id) ON DELETE RESTRICT,
    day VARCHAR(10) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    difference_key VARCHAR(255) NOT NULL UNIQUE,
    payment UUID REFERENCES payments (id) ON DELETE RESTRICT,
    reference VARCHAR(64),
    pg_payment_id VARCHAR(200),
    ours BIGINT,
    theirs BIGINT,
    currency VARCHAR(3) NOT NULL,
    found_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ,
    closed_by VARCHAR(254),
    note VARCHAR(500) NOT NULL DEFAULT ''
)
"""


async def keep_books() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            await DB.run_ddl(f"ALTER TABLE {table} ADD COLUMN {column}")
    await DB.run_ddl(ALERTS)
    await DB.run_ddl("CREATE INDEX alerts_open ON alerts (shop, raised_at) WHERE closed_at IS NULL")
    await DB.run_ddl('CREATE INDEX alerts_order ON alerts ("order")')
    await DB.run_ddl(DIFFERENCES)
    await DB.run_ddl("CREATE INDEX differences_open ON differences (account, day) WHERE closed_at IS NULL")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(keep_books)
    return manager
