"""What keeps the books: alerts, differences from the PG's lists, and what an owner asks of a refund."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-22T22:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Alerts, differences, refunds that an owner asks for"

INDEXES = (
    "alerts_open ON alerts (shop, raised_at) WHERE closed_at IS NULL",
    'alerts_order ON alerts ("order")',
    "differences_open ON differences (account, day) WHERE closed_at IS NULL",
    "inbox_events_waiting ON inbox_events (account, reference) WHERE handled_at IS NULL",
    "payments_confirming ON payments (created_at) WHERE status = 'confirming' AND closed_at IS NULL",
    "payments_paid_at ON payments (account, paid_at)",
    "payment_events_at ON payment_events (at)",
    "refunds_waiting ON refunds (created_at) WHERE status IN ('requested', 'needs_account', 'pending')",
)

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
    # On PostgreSQL each of these locks its table, and those that it refers to, in the order in which the shop locks
    # them: shop, order, payment, refund. Another order could wait for a running shop that waits for this.
    await DB.run_ddl("ALTER TABLE shops ADD COLUMN alert_email VARCHAR(254) NOT NULL DEFAULT ''")
    await DB.run_ddl(ALERTS)
    await DB.run_ddl(DIFFERENCES)
    await DB.run_ddl("ALTER TABLE refunds ADD COLUMN restock INTEGER NOT NULL DEFAULT 0")
    await DB.run_ddl("ALTER TABLE refunds ADD COLUMN requested_by VARCHAR(254)")
    await DB.run_ddl("ALTER TABLE order_items ADD COLUMN restocked INTEGER NOT NULL DEFAULT 0")
    for index in INDEXES:
        await DB.run_ddl(f"CREATE INDEX {index}")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(keep_books)
    return manager
