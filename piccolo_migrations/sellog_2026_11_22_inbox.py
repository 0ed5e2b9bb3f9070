"""The inbox of webhooks."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-22T18:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Webhooks, kept as they came"

INBOX = """
CREATE TABLE inbox_events (
    id UUID PRIMARY KEY NOT NULL,
    account UUID NOT NULL REFERENCES provider_accounts (id) ON DELETE RESTRICT,
    delivery_key VARCHAR(255) NOT NULL UNIQUE,
    reference VARCHAR(64) NOT NULL,
    body TEXT NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    handled_at TIMESTAMPTZ,
    error VARCHAR(80)
)
"""


async def create_inbox() -> None:
    await DB.run_ddl(INBOX)
    await DB.run_ddl("CREATE INDEX inbox_events_account ON inbox_events (account, received_at)")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(create_inbox)
    return manager
