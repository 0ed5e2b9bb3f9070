"""Payments: every attempt at a PG, what happened to it, and the money that went back."""

from piccolo.columns import (
    JSON,
    UUID,
    BigInt,
    Boolean,
    Integer,
    OnDelete,
    Text,
    Timestamptz,
    Varchar,
)

from app import clock
from app.database import DB
from app.money import Money
from app.orders.tables import Order
from app.payments.states import AlertKind, Cause, DifferenceKind, PaymentStatus, RefundKind, RefundStatus
from app.rows import ForeignKey, Row
from app.shops.tables import Shop


class ProviderAccount(Row, tablename="provider_accounts", db=DB):
    """A shop's contract with a PG. One that is switched off still receives, reconciles and refunds."""

    id = UUID(primary_key=True, default=clock.new_id)
    shop = ForeignKey(Shop, null=False, on_delete=OnDelete.restrict, index=True)
    provider = Varchar(length=16, null=False)
    mode = Varchar(length=4, null=False)
    # `{shop}:{provider}:{public key}`: another contract is another row, because older payments stay with the older one.
    account_key = Varchar(length=255, unique=True, null=False)
    # Kept current by `adopt`; a shop that has an account of its own gets none from the environment.
    from_environment = Boolean(default=False, null=False)
    # The PG's name for the merchant; empty where it is not known.
    merchant = Varchar(length=100, default="", null=False)
    credentials = Text(null=False)
    ways = Varchar(length=200, default="", null=False)
    # How shoppers are handed over, where the PG knows both ways.
    handoff = Varchar(length=8, default="widget", null=False)
    is_enabled = Boolean(default=True, null=False)
    # Switched off by a person: keys of the environment do not switch it on again.
    is_stopped = Boolean(default=False, null=False)
    position = Integer(default=0, null=False)
    last_error = Varchar(length=100, default=None, null=True)


class Payment(Row, tablename="payments", db=DB):
    """One attempt to pay one order at one PG. Its status: begun by `starting` and `concluding`, moved by `settling`
    on the PG's word, ended by `closing` where nobody confirmed."""

    id = UUID(primary_key=True, default=clock.new_id)
    order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict, index=True)
    account = ForeignKey(ProviderAccount, null=False, on_delete=OnDelete.restrict)
    provider = Varchar(length=16, null=False)
    # What the shopper chose: "card". What the PG says it became stands in `method`.
    way = Varchar(length=24, null=False)
    # Our name for it at the PG.
    reference = Varchar(length=26, unique=True, default=clock.new_reference, null=False)
    # For the return URL.
    token = Varchar(length=32, unique=True, default=clock.new_token, null=False)
    status = Varchar(length=24, default=PaymentStatus.CREATED, choices=PaymentStatus, null=False)
    amount = BigInt(null=False)
    currency = Varchar(length=3, null=False)
    captured_amount = BigInt(default=0, null=False)
    refunded_amount = BigInt(default=0, null=False)
    method = Varchar(length=80, default=None, null=True)
    # What `begin` made at the PG, and what the PG calls the payment.
    pg_session_id = Varchar(length=255, default=None, null=True)
    pg_payment_id = Varchar(length=200, default=None, null=True, index=True)
    # What a confirm needs, sealed: kept until it is known whether the money moved.
    claim = Text(default=None, null=True)
    begin_tries = Integer(default=1, null=False)
    # How many keys the confirm has used: a key whose error the PG stored is never used again.
    confirm_tries = Integer(default=0, null=False)
    # The virtual account that waits for the shopper's transfer, and what its webhooks prove themselves with, sealed.
    deposit_bank = Varchar(length=40, default=None, null=True)
    deposit_number = Varchar(length=40, default=None, null=True)
    deposit_holder = Varchar(length=100, default=None, null=True)
    deposit_due_at = Timestamptz(default=None, null=True)
    secret = Text(default=None, null=True)
    receipt_url = Varchar(length=500, default=None, null=True)
    failure_code = Varchar(length=80, default=None, null=True)
    next_check_at = Timestamptz(default=None, null=True, index=True)
    checks = Integer(default=0, null=False)
    lease_until = Timestamptz(default=None, null=True)
    # Set once the PG can no longer take money for it: the only end of the watch.
    closed_at = Timestamptz(default=None, null=True)
    paid_at = Timestamptz(default=None, null=True)
    created_at = Timestamptz(default=clock.now, null=False)

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class PaymentEvent(Row, tablename="payment_events", db=DB):
    """What happened, append-only: one row for each change of state, and one for each thing that was refused."""

    id = UUID(primary_key=True, default=clock.new_id)
    payment = ForeignKey(Payment, null=True, on_delete=OnDelete.restrict, index=True)
    order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict, index=True)
    cause = Varchar(length=16, choices=Cause, null=False)
    # "payment", "order", "refund" or "dispute" moved; or "refused": something was not believed and nothing moved.
    subject = Varchar(length=16, null=False)
    from_status = Varchar(length=24, default=None, null=True)
    to_status = Varchar(length=24, default=None, null=True)
    evidence = JSON(default="{}", null=False)
    at = Timestamptz(default=clock.now, null=False)


class InboxEvent(Row, tablename="inbox_events", db=DB):
    """A webhook, kept as it came before anything is done about it."""

    id = UUID(primary_key=True, default=clock.new_id)
    account = ForeignKey(ProviderAccount, null=False, on_delete=OnDelete.restrict)
    # `{account}:{the PG's name for the delivery}`: sent again, it is the same event.
    delivery_key = Varchar(length=255, unique=True, null=False)
    kind = Varchar(length=60, default="", null=False)
    # Our name for the payment, or where that is empty the PG's.
    reference = Varchar(length=64, null=False)
    pg_payment_id = Varchar(length=200, default=None, null=True)
    # Signed, or with the secret that the PG gave for this payment; else it is a hint from anybody.
    is_verified = Boolean(default=False, null=False)
    # Sealed: it may say who the shopper is.
    body = Text(null=False)
    received_at = Timestamptz(default=clock.now, null=False)
    # Set last, once the PG was asked and its answer settled.
    handled_at = Timestamptz(default=None, null=True)
    error = Varchar(length=80, default=None, null=True)


class Refund(Row, tablename="refunds", db=DB):
    """Money on its way back: the row and its key stand before the PG is asked."""

    id = UUID(primary_key=True, default=clock.new_id)
    payment = ForeignKey(Payment, null=False, on_delete=OnDelete.restrict, index=True)
    kind = Varchar(length=16, choices=RefundKind, null=False)
    amount = BigInt(null=False)
    reason = Varchar(length=120, null=False)
    # How many pieces of the order go back on sale once the money has gone back.
    restock = Integer(default=0, null=False)
    # Who asked for it at the desk; empty where it came by itself.
    requested_by = Varchar(length=254, default=None, null=True)
    status = Varchar(length=16, default=RefundStatus.REQUESTED, choices=RefundStatus, null=False)
    # Our name for it at the PG: it ends the reason there, so that it can be found again.
    reference = Varchar(length=26, unique=True, default=clock.new_reference, null=False)
    # How many keys the request has used, as with `Payment.confirm_tries`.
    tries = Integer(default=1, null=False)
    pg_refund_id = Varchar(length=200, default=None, null=True)
    # The bank account that a deposit goes back to, sealed.
    receiver = Text(default=None, null=True)
    failure_code = Varchar(length=80, default=None, null=True)
    # When the PG said last that it was done; it may fail after that.
    succeeded_at = Timestamptz(default=None, null=True)
    created_at = Timestamptz(default=clock.now, null=False)


class Dispute(Row, tablename="disputes", db=DB):
    """A shopper's bank takes money back, or threatens to; the PG's word for where it stands."""

    id = UUID(primary_key=True, default=clock.new_id)
    payment = ForeignKey(Payment, null=False, on_delete=OnDelete.restrict, index=True)
    # `{account}:{the PG's name for it}`.
    dispute_key = Varchar(length=255, unique=True, null=False)
    status = Varchar(length=40, null=False)
    is_open = Boolean(default=True, null=False)
    amount = BigInt(null=False)
    reason = Varchar(length=80, default=None, null=True)
    due_at = Timestamptz(default=None, null=True)
    created_at = Timestamptz(default=clock.now, null=False)
    updated_at = Timestamptz(default=clock.now, null=False)


class Alert(Row, tablename="alerts", db=DB):
    """Something that only a person can settle: the "needs you" list. Written by `alerts.raise_alert` alone."""

    id = UUID(primary_key=True, default=clock.new_id)
    # Empty where no shop could be told.
    shop = ForeignKey(Shop, null=True, on_delete=OnDelete.restrict)
    kind = Varchar(length=24, choices=AlertKind, null=False)
    # One matter is one alert, however often it is noticed.
    alert_key = Varchar(length=255, unique=True, null=False)
    order = ForeignKey(Order, null=True, on_delete=OnDelete.restrict, index=True)
    payment = ForeignKey(Payment, null=True, on_delete=OnDelete.restrict)
    evidence = JSON(default="{}", null=False)
    raised_at = Timestamptz(default=clock.now, null=False)
    closed_at = Timestamptz(default=None, null=True)
    # A person's e-mail address; empty where it settled itself.
    closed_by = Varchar(length=254, default=None, null=True)
    note = Varchar(length=500, default="", null=False)


class Difference(Row, tablename="differences", db=DB):
    """Where the PG's list of a day and our rows disagree: found by `comparing`, closed by a person, with a note."""

    id = UUID(primary_key=True, default=clock.new_id)
    account = ForeignKey(ProviderAccount, null=False, on_delete=OnDelete.restrict)
    # The account's day, in the shop's time zone: "2026-11-22".
    day = Varchar(length=10, null=False)
    kind = Varchar(length=16, choices=DifferenceKind, null=False)
    difference_key = Varchar(length=255, unique=True, null=False)
    payment = ForeignKey(Payment, null=True, on_delete=OnDelete.restrict)
    reference = Varchar(length=64, default=None, null=True)
    pg_payment_id = Varchar(length=200, default=None, null=True)
    # Minor units that our rows and the PG's list say.
    ours = BigInt(default=None, null=True)
    theirs = BigInt(default=None, null=True)
    currency = Varchar(length=3, null=False)
    found_at = Timestamptz(default=clock.now, null=False)
    closed_at = Timestamptz(default=None, null=True)
    closed_by = Varchar(length=254, default=None, null=True)
    note = Varchar(length=500, default="", null=False)
