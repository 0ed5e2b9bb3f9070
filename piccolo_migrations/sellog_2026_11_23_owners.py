"""Who runs the shops, how they sign in, and what they did."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-23T02:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Owners, their roles and logins, and the audit log"

OWNERS = """
CREATE TABLE owners (
    id UUID PRIMARY KEY NOT NULL,
    email VARCHAR(254) NOT NULL UNIQUE CHECK (email = lower(email)),
    password_hash VARCHAR(255),
    created_at TIMESTAMPTZ NOT NULL
)
"""

MEMBERSHIPS = """
CREATE TABLE memberships (
    id UUID PRIMARY KEY NOT NULL,
    owner UUID NOT NULL REFERENCES owners (id) ON DELETE RESTRICT,
    shop UUID NOT NULL REFERENCES shops (id) ON DELETE RESTRICT,
    role VARCHAR(8) NOT NULL CHECK (role IN ('viewer', 'staff', 'owner')),
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (owner, shop)
)
"""

LOGINS = """
CREATE TABLE logins (
    id UUID PRIMARY KEY NOT NULL,
    owner UUID NOT NULL REFERENCES owners (id) ON DELETE RESTRICT,
    token_hash VARCHAR(64) NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ
)
"""

PASSWORD_RESETS = """
CREATE TABLE password_resets (
    id UUID PRIMARY KEY NOT NULL,
    owner UUID NOT NULL REFERENCES owners (id) ON DELETE RESTRICT,
    token_hash VARCHAR(64) NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
)
"""

GUESSES = """
CREATE TABLE guesses (
    id UUID PRIMARY KEY NOT NULL,
    bucket VARCHAR(64) NOT NULL UNIQUE,
    tries INTEGER NOT NULL CHECK (tries >= 0),
    tried_at TIMESTAMPTZ NOT NULL,
    free_at TIMESTAMPTZ NOT NULL
)
"""

AUDIT_ENTRIES = """
CREATE TABLE audit_entries (
    id UUID PRIMARY KEY NOT NULL,
    shop UUID NOT NULL REFERENCES shops (id) ON DELETE RESTRICT,
    who VARCHAR(254) NOT NULL,
    action VARCHAR(40) NOT NULL,
    subject VARCHAR(200) NOT NULL DEFAULT '',
    details JSON NOT NULL,
    at TIMESTAMPTZ NOT NULL
)
"""

INDEXES = (
    "memberships_shop ON memberships (shop)",
    "logins_open ON logins (owner) WHERE ended_at IS NULL",
    "password_resets_owner ON password_resets (owner)",
    "guesses_tried_at ON guesses (tried_at)",
    "audit_entries_shop ON audit_entries (shop, id)",
)


async def open_the_desk() -> None:
    for table in (OWNERS, MEMBERSHIPS, LOGINS, PASSWORD_RESETS, GUESSES, AUDIT_ENTRIES):
        await DB.run_ddl(table)
    for index in INDEXES:
        await DB.run_ddl(f"CREATE INDEX {index}")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(open_the_desk)
    return manager
