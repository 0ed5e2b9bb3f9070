"""What Piccolo knows of Sellog: one app, one history of migrations."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from app.jobs.tables import Job
from app.messages.tables import Message
from app.orders.tables import Order, OrderItem
from app.owners.tables import AuditEntry, Export, Guess, Login, Membership, Owner, PasswordReset
from app.payments.tables import (
    Alert,
    Difference,
    Dispute,
    InboxEvent,
    Payment,
    PaymentEvent,
    ProviderAccount,
    Refund,
)
from app.shops.tables import Product, Shop

TABLES = [
    Shop,
    Product,
    Order,
    OrderItem,
    ProviderAccount,
    Payment,
    PaymentEvent,
    InboxEvent,
    Refund,
    Dispute,
    Alert,
    Difference,
    Job,
    Message,
    Owner,
    Membership,
    Login,
    Export,
    PasswordReset,
    Guess,
    AuditEntry,
]

APP_CONFIG = AppConfig(
    app_name="sellog",
    migrations_folder_path=str(Path(__file__).parent.parent / "piccolo_migrations"),
    table_classes=TABLES,
    migration_dependencies=[],
    commands=[],
)
