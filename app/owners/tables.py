"""Who runs the shops, how they sign in, and what they did."""

from piccolo.columns import JSON, UUID, Integer, OnDelete, Timestamptz, Varchar

from app import clock
from app.database import DB
from app.owners.roles import Role
from app.rows import ForeignKey, Row
from app.shops.tables import Shop


class Owner(Row, tablename="owners", db=DB):
    """A person who signs in. What they may do stands in their memberships."""

    id = UUID(primary_key=True, default=clock.new_id)
    # In small letters, so that one address is one owner however it is written.
    email = Varchar(length=254, unique=True, null=False)
    # Empty until they have set one by a link.
    password_hash = Varchar(length=255, default=None, null=True)
    created_at = Timestamptz(default=clock.now, null=False)


class Membership(Row, tablename="memberships", db=DB):
    """One owner's role at one shop; no more than one for each pair."""

    id = UUID(primary_key=True, default=clock.new_id)
    owner = ForeignKey(Owner, null=False, on_delete=OnDelete.restrict)
    shop = ForeignKey(Shop, null=False, on_delete=OnDelete.restrict)
    role = Varchar(length=8, choices=Role, null=False)
    created_at = Timestamptz(default=clock.now, null=False)


class Login(Row, tablename="logins", db=DB):
    """One browser that is signed in. The cookie holds the token, this row its hash."""

    id = UUID(primary_key=True, default=clock.new_id)
    owner = ForeignKey(Owner, null=False, on_delete=OnDelete.restrict)
    token_hash = Varchar(length=64, unique=True, null=False)
    created_at = Timestamptz(default=clock.now, null=False)
    # Moved on at most once an hour.
    seen_at = Timestamptz(default=clock.now, null=False)
    expires_at = Timestamptz(null=False, index=True)
    ended_at = Timestamptz(default=None, null=True)


class PasswordReset(Row, tablename="password_resets", db=DB):
    """A link that sets a password once. The link holds the token, this row its hash."""

    id = UUID(primary_key=True, default=clock.new_id)
    owner = ForeignKey(Owner, null=False, on_delete=OnDelete.restrict, index=True)
    token_hash = Varchar(length=64, unique=True, null=False)
    created_at = Timestamptz(default=clock.now, null=False)
    expires_at = Timestamptz(null=False, index=True)
    used_at = Timestamptz(default=None, null=True)


class Guess(Row, tablename="guesses", db=DB):
    """How often somebody has tried, and from when they may try again. Written by `throttling` alone."""

    id = UUID(primary_key=True, default=clock.new_id)
    # A hash of whom the tries are counted for: it names neither an address nor an owner.
    bucket = Varchar(length=64, unique=True, null=False)
    tries = Integer(default=0, null=False)
    tried_at = Timestamptz(default=clock.now, null=False, index=True)
    free_at = Timestamptz(default=clock.now, null=False)


class Export(Row, tablename="exports", db=DB):
    """How far a file of orders has come. Written by `export` while it is streamed, wherever the page is answered that
    shows it.
    """

    id = UUID(primary_key=True, default=clock.new_id)
    shop = ForeignKey(Shop, null=False, on_delete=OnDelete.restrict)
    # Orders: how many there were when it began, and how many of them have been written.
    total = Integer(null=False)
    written = Integer(default=0, null=False)
    # The last sign of life.
    seen_at = Timestamptz(default=clock.now, null=False, index=True)
    ended_at = Timestamptz(default=None, null=True)


class AuditEntry(Row, tablename="audit_entries", db=DB):
    """What somebody did at a shop. Written by `audit.record` alone, and never changed."""

    id = UUID(primary_key=True, default=clock.new_id)
    shop = ForeignKey(Shop, null=False, on_delete=OnDelete.restrict)
    # Their e-mail address then, or the command that did it.
    who = Varchar(length=254, null=False)
    action = Varchar(length=40, null=False)
    # To what: an order's number, a product's name.
    subject = Varchar(length=200, default="", null=False)
    details = JSON(default="{}", null=False)
    at = Timestamptz(default=clock.now, null=False)
