"""Outgoing mail."""

from enum import StrEnum

from piccolo.columns import UUID, Boolean, Text, Timestamptz, Varchar

from app import clock
from app.database import DB
from app.rows import Row


class MessageStatus(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    # The receiving side refuses it for good.
    FAILED = "failed"


class Message(Row, tablename="messages", db=DB):
    """One mail, written with the change that it tells about and delivered at least once."""

    id = UUID(primary_key=True, default=clock.new_id)
    dedupe_key = Varchar(length=120, unique=True, null=False)
    # The name that it comes from; the address is the installation's.
    sender = Varchar(length=80, null=False)
    recipient = Varchar(length=254, null=False)
    subject = Varchar(length=250, null=False)
    body = Text(null=False)
    # It opens something: once it needs no delivery any more, nobody can read here what it said.
    is_secret = Boolean(default=False, null=False)
    status = Varchar(length=8, default=MessageStatus.QUEUED, choices=MessageStatus, null=False)
    # The same each time that it is sent, so that a second copy can be known for one.
    message_id = Varchar(length=300, null=False)
    created_at = Timestamptz(default=clock.now, null=False)
    sent_at = Timestamptz(default=None, null=True)
    # Why it failed, without any address: "550".
    error = Varchar(length=40, default=None, null=True)
