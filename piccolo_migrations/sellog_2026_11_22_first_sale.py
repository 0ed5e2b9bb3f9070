"""The tables of the first sale. Written by hand, in SQL that both engines read: Piccolo cannot add CHECKs on SQLite."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-22T12:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Shops, products, orders, payments, refunds and jobs"

STATEMENTS = """
CREATE TABLE shops (
    id UUID PRIMARY KEY NOT NULL,
    domain VARCHAR(40) NOT NULL UNIQUE,
    name VARCHAR(80) NOT NULL,
    tagline VARCHAR(120) NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT '',
    legal TEXT NOT NULL DEFAULT '',
    accent INTEGER NOT NULL DEFAULT 162 CHECK (accent BETWEEN 0 AND 359),
    locale VARCHAR(8) NOT NULL DEFAULT 'ko',
    time_zone VARCHAR(40) NOT NULL DEFAULT 'Asia/Seoul',
    currency VARCHAR(3) NOT NULL DEFAULT 'KRW',
    hold_minutes INTEGER NOT NULL DEFAULT 60 CHECK (hold_minutes > 0),
    order_count BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE products (
    id UUID PRIMARY KEY NOT NULL,
    shop UUID NOT NULL REFERENCES shops (id) ON DELETE RESTRICT,
    name VARCHAR(120) NOT NULL CHECK (trim(name) <> ''),
    description TEXT NOT NULL DEFAULT '',
    facts TEXT NOT NULL DEFAULT '',
    price BIGINT NOT NULL CHECK (price >= 1),
    currency VARCHAR(3) NOT NULL DEFAULT 'KRW',
    image_url VARCHAR(300) NOT NULL DEFAULT '',
    image_alt VARCHAR(200) NOT NULL DEFAULT '',
    stock INTEGER CHECK (stock >= 0),
    max_per_order INTEGER CHECK (max_per_order >= 1),
    is_active BOOLEAN NOT NULL DEFAULT true,
    position INTEGER NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX products_shop ON products (shop, position);

CREATE TABLE orders (
    id UUID PRIMARY KEY NOT NULL,
    shop UUID NOT NULL REFERENCES shops (id) ON DELETE RESTRICT,
    number VARCHAR(20) NOT NULL,
    token VARCHAR(32) NOT NULL UNIQUE,
    status VARCHAR(24) NOT NULL DEFAULT 'pending',
    customer_email VARCHAR(254) NOT NULL,
    currency VARCHAR(3) NOT NULL,
    total_amount BIGINT NOT NULL CHECK (total_amount >= 1),
    refunded_amount BIGINT NOT NULL DEFAULT 0 CHECK (refunded_amount BETWEEN 0 AND total_amount),
    paid_by UUID,
    pg_provider VARCHAR(16),
    pg_payment_id VARCHAR(200),
    paid_at TIMESTAMPTZ,
    checkout_token VARCHAR(100) NOT NULL UNIQUE,
    holds_stock BOOLEAN NOT NULL DEFAULT true,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX orders_number ON orders (shop, number);
CREATE INDEX orders_expiring ON orders (expires_at) WHERE holds_stock AND status IN ('pending', 'failed', 'cancelled');

CREATE TABLE order_items (
    id UUID PRIMARY KEY NOT NULL,
    "order" UUID NOT NULL REFERENCES orders (id) ON DELETE RESTRICT,
    product UUID NOT NULL REFERENCES products (id) ON DELETE RESTRICT,
    product_name VARCHAR(120) NOT NULL,
    unit_price BIGINT NOT NULL CHECK (unit_price >= 1),
    quantity INTEGER NOT NULL CHECK (quantity >= 1),
    is_counted BOOLEAN NOT NULL DEFAULT true
);
CREATE INDEX order_items_order ON order_items ("order");

CREATE TABLE provider_accounts (
    id UUID PRIMARY KEY NOT NULL,
    shop UUID NOT NULL REFERENCES shops (id) ON DELETE RESTRICT,
    provider VARCHAR(16) NOT NULL,
    mode VARCHAR(4) NOT NULL,
    account_key VARCHAR(255) NOT NULL UNIQUE,
    from_environment BOOLEAN NOT NULL DEFAULT false,
    merchant VARCHAR(100) NOT NULL DEFAULT '',
    credentials TEXT NOT NULL,
    ways VARCHAR(200) NOT NULL DEFAULT '',
    is_enabled BOOLEAN NOT NULL DEFAULT true,
    position INTEGER NOT NULL DEFAULT 0,
    last_error VARCHAR(100)
);
CREATE INDEX provider_accounts_shop ON provider_accounts (shop);

CREATE TABLE payments (
    id UUID PRIMARY KEY NOT NULL,
    "order" UUID NOT NULL REFERENCES orders (id) ON DELETE RESTRICT,
    account UUID NOT NULL REFERENCES provider_accounts (id) ON DELETE RESTRICT,
    provider VARCHAR(16) NOT NULL,
    way VARCHAR(24) NOT NULL,
    reference VARCHAR(26) NOT NULL UNIQUE,
    token VARCHAR(32) NOT NULL UNIQUE,
    status VARCHAR(24) NOT NULL DEFAULT 'created',
    amount BIGINT NOT NULL CHECK (amount >= 1),
    currency VARCHAR(3) NOT NULL,
    captured_amount BIGINT NOT NULL DEFAULT 0 CHECK (captured_amount >= 0),
    refunded_amount BIGINT NOT NULL DEFAULT 0 CHECK (refunded_amount BETWEEN 0 AND captured_amount),
    method VARCHAR(80),
    pg_payment_id VARCHAR(200),
    claim TEXT,
    confirm_tries INTEGER NOT NULL DEFAULT 0,
    receipt_url VARCHAR(500),
    failure_code VARCHAR(80),
    next_check_at TIMESTAMPTZ,
    checks INTEGER NOT NULL DEFAULT 0,
    lease_until TIMESTAMPTZ,
    closed_at TIMESTAMPTZ,
    paid_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX payments_order ON payments ("order");
CREATE INDEX payments_watched ON payments (next_check_at) WHERE closed_at IS NULL;

CREATE TABLE payment_events (
    id UUID PRIMARY KEY NOT NULL,
    payment UUID REFERENCES payments (id) ON DELETE RESTRICT,
    "order" UUID NOT NULL REFERENCES orders (id) ON DELETE RESTRICT,
    cause VARCHAR(16) NOT NULL,
    subject VARCHAR(16) NOT NULL,
    from_status VARCHAR(24),
    to_status VARCHAR(24),
    evidence JSON NOT NULL DEFAULT '{}',
    at TIMESTAMPTZ NOT NULL
);
CREATE INDEX payment_events_payment ON payment_events (payment);
CREATE INDEX payment_events_order ON payment_events ("order", at);

CREATE TABLE refunds (
    id UUID PRIMARY KEY NOT NULL,
    payment UUID NOT NULL REFERENCES payments (id) ON DELETE RESTRICT,
    kind VARCHAR(16) NOT NULL,
    amount BIGINT NOT NULL CHECK (amount >= 1),
    reason VARCHAR(120) NOT NULL,
    status VARCHAR(16) NOT NULL DEFAULT 'requested',
    reference VARCHAR(26) NOT NULL UNIQUE,
    tries INTEGER NOT NULL DEFAULT 1,
    pg_refund_id VARCHAR(200),
    failure_code VARCHAR(80),
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX refunds_payment ON refunds (payment);

CREATE TABLE jobs (
    id UUID PRIMARY KEY NOT NULL,
    kind VARCHAR(40) NOT NULL,
    payload JSON NOT NULL DEFAULT '{}',
    dedupe_key VARCHAR(120) NOT NULL UNIQUE,
    run_at TIMESTAMPTZ NOT NULL,
    lease_until TIMESTAMPTZ,
    tries INTEGER NOT NULL DEFAULT 0,
    done_at TIMESTAMPTZ,
    error TEXT
);
CREATE INDEX jobs_due ON jobs (run_at) WHERE done_at IS NULL;
"""


async def create_tables() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            await DB.run_ddl(statement)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(create_tables)
    return manager
