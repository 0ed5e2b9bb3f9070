"""What three PGs need: sessions, virtual accounts, receivers of refunds, disputes."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-22T21:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Sessions, virtual accounts, receivers of refunds, disputes"

COLUMNS = {
    "provider_accounts": ["handoff VARCHAR(8) NOT NULL DEFAULT 'widget'"],
    "payments": [
        "pg_session_id VARCHAR(255)",
        "begin_tries INTEGER NOT NULL DEFAULT 1",
        "deposit_bank VARCHAR(40)",
        "deposit_number VARCHAR(40)",
        "deposit_holder VARCHAR(100)",
        "deposit_due_at TIMESTAMPTZ",
        "secret TEXT",
    ],
    "inbox_events": [
        "kind VARCHAR(60) NOT NULL DEFAULT ''",
        "pg_payment_id VARCHAR(200)",
        "is_verified BOOLEAN NOT NULL DEFAULT FALSE",
    ],
    "refunds": ["receiver TEXT"],
}

DISPUTES = """
CREATE TABLE disputes (
    id UUID PRIMARY KEY NOT NULL,
    payment UUID NOT NULL REFERENCES payments (id) ON DELETE RESTRICT,
    dispute_key VARCHAR(255) NOT NULL UNIQUE,
    status VARCHAR(40) NOT NULL,
    is_open BOOLEAN NOT NULL,
    amount BIGINT NOT NULL,
    reason VARCHAR(80),
    due_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
)
"""


async def add_columns() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            await DB.run_ddl(f"ALTER TABLE {table} ADD COLUMN {column}")
    await DB.run_ddl("CREATE INDEX payments_pg_payment_id ON payments (pg_payment_id)")
    await DB.run_ddl(DISPUTES)
    await DB.run_ddl("CREATE INDEX disputes_payment ON disputes (payment)")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(add_columns)
    return manager
