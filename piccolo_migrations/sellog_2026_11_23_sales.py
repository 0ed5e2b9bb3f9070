"""What the desk's sums are made of: when a refund was done, and the indexes by which a shop's money is added up."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.database import DB

ID = "2026-11-23T11:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "When a refund was done, and indexes for the desk's sales"

INDEXES = (
    "orders_paid ON orders (shop, paid_at, currency, total_amount, paid_by, created_at) WHERE paid_at IS NOT NULL",
    "orders_refunded ON orders (shop, refunded_amount, currency, paid_by) WHERE refunded_amount > 0",
    "refunds_done ON refunds (payment, succeeded_at, amount) WHERE status = 'succeeded'",
    "payments_begun ON payments (account, id)",
)

# Of refunds from before, the record says it.
DONE_BEFORE = """
    UPDATE refunds SET succeeded_at = (
        SELECT max(e.at) FROM payment_events e
        WHERE e.payment = refunds.payment AND e.subject = 'refund' AND e.to_status = 'succeeded'
        AND CAST(e.evidence AS TEXT) LIKE '%' || CAST(refunds.id AS TEXT) || '%')
    WHERE status = 'succeeded'
"""


async def prepare_sums() -> None:
    await DB.run_ddl("ALTER TABLE refunds ADD COLUMN succeeded_at TIMESTAMPTZ")
    await DB.run_ddl(DONE_BEFORE)
    for index in INDEXES:
        await DB.run_ddl(f"CREATE INDEX {index}")


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sellog", description=DESCRIPTION)
    manager.add_raw(prepare_sums)
    return manager
