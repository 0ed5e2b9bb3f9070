"""Outgoing mail."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-22T21:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Outgoing mail"

MESSAGES = """
CREATE TABLE messages (
    id UUID PRIMARY KEY NOT NULL,
    dedupe_key VARCHAR(120) NOT NULL UNIQUE,
    sender VARCHAR(80) NOT NULL,
    recipient VARCHAR(254) NOT NULL,
    subject VARCHAR(250) NOT NULL,
    body TEXT NOT NULL,
    status VARCHAR(8) NOT NULL DEFAULT 'queued',
    message_id VARCHAR(300) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    sent_at TIMESTAMPTZ,
    error VARCHAR(40)
)
"""


async def create_messages() -> None:
    await DB.run_ddl(MESSAGES)
    await DB.run_ddl("CREATE INDEX messages_queued ON messages (created_at) WHERE status = 'queued'")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(create_messages)
    return manager
