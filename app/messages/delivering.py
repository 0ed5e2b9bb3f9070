"""Delivering: sending the queued messages by SMTP, each at least once and always with the same Message-ID.

The row is marked after the server has taken the mail. A process that dies in between sends it again.

Without SELLOG_SMTP_URL a message stays queued and its job ends, so that nothing is tried in vain. Once there is a
server, the sweep opens the jobs of such messages again.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from uuid import UUID

import aiosmtplib
import structlog
from email_validator import EmailNotValidError, validate_email

from app import clock
from app.database import write_transaction
from app.jobs.tables import Job
from app.jobs.worker import NotYet
from app.messages.tables import Message, MessageStatus
from app.settings import MailServer, Settings

log = structlog.get_logger("messages")

# Seconds for one mail, from the connection to the server's last word. The worker does nothing else meanwhile.
PATIENCE = 30.0
# Seconds for the goodbye after that, which decides nothing.
QUIT = 5.0
# After a server did not answer, the other mails do not each wait for it.
REST = timedelta(minutes=1)
# A message younger than this has a job that is about to run.
ABANDONED = timedelta(minutes=1)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class BadRecipient(Exception):
    """No mail can go to this address."""


class Courier:
    """The way to the mail server of one process, and when it last led nowhere."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rests_until: datetime | None = None

    async def deliver(self, payload: Mapping[str, str]) -> None:
        """The job behind a queued message. Raises NotYet while the server does not take it."""
        server = self._settings.mail_server
        message = await Message.objects().get(Message.id == UUID(payload["message"]))
        if server is None or message.status != MessageStatus.QUEUED:
            return
        if self._rests_until and clock.now() < self._rests_until:
            raise NotYet("the mail server did not answer a moment ago")
        try:
            await send(server, self._settings, message)
        except BadRecipient:
            await _fail(message, "bad address")
        except aiosmtplib.SMTPNotSupported:
            # RFC 6531: an address outside of ASCII needs a server that knows of them.
            await _fail(message, "SMTPUTF8")
        except aiosmtplib.SMTPRecipientsRefused as error:
            await _refuse(message, error.recipients[0].code)
        except aiosmtplib.SMTPDataError as error:
            await _refuse(message, error.code)
        except aiosmtplib.SMTPResponseException as error:
            # The greeting, the sign-in or our own address: the operator mends it, and the mail goes out then.
            raise NotYet(f"{type(error).__name__} {error.code}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            self._rests_until = clock.now() + REST
            raise NotYet(type(error).__name__) from None
        else:
            await _mark(message, {Message.status: MessageStatus.SENT, Message.sent_at: clock.now()})


async def send(server: MailServer, settings: Settings, message: Message) -> None:
    """Hands one mail in. TLS is used where the server offers it, and no password leaves this machine without.

    Raises BadRecipient, aiosmtplib.SMTPException, OSError (TimeoutError among them); silence means that it was taken.
    """
    mail = compose(settings, message)
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        use_tls=server.is_tls,
        start_tls=True if server.user and not server.is_tls and server.host not in LOOPBACK else None,
        local_hostname=settings.mail_host,
        timeout=PATIENCE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            await client.connect()
            await client.send_message(mail, sender=settings.mail_from, recipients=[mail["To"].addresses[0].addr_spec])
        with suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=QUIT)
    finally:
        client.close()


def compose(settings: Settings, message: Message) -> EmailMessage:
    """The same bytes each time. Raises BadRecipient."""
    try:
        recipient = validate_email(message.recipient, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise BadRecipient from None
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(message.sender, addr_spec=settings.mail_from)
    mail["To"] = Address(username=recipient.local_part, domain=recipient.ascii_domain)
    mail["Subject"] = message.subject
    mail["Date"] = message.created_at
    mail["Message-ID"] = message.message_id
    # RFC 3834: out-of-office programs do not answer it.
    mail["Auto-Submitted"] = "auto-generated"
    # A server may know of no other than 7-bit lines.
    mail.set_content(message.body, cte="base64")
    return mail


async def resume(settings: Settings) -> None:
    """The sweep: a queued message whose job ended, because there was no mail server, gets it back."""
    if settings.mail_server is None:
        return
    abandoned = clock.now() - ABANDONED
    if not await Message.exists().where(Message.status == MessageStatus.QUEUED, Message.created_at < abandoned):
        return
    async with write_transaction():
        await Job.raw(
            "UPDATE jobs SET done_at = NULL, run_at = {}, tries = 0 WHERE done_at IS NOT NULL AND dedupe_key IN "
            "(SELECT 'deliver:' || CAST(id AS TEXT) FROM messages WHERE status = 'queued' AND created_at < {})",
            clock.now(),
            abandoned,
        )


async def _refuse(message: Message, code: int) -> None:
    """5xx is for good; 4xx asks to come again later (RFC 5321 §4.2.1)."""
    if code < 500:
        raise NotYet(f"SMTP {code}")
    await _fail(message, str(code))


async def _fail(message: Message, why: str) -> None:
    log.warning("mail_failed", message=str(message.id), why=why)
    await _mark(message, {Message.status: MessageStatus.FAILED, Message.error: why})


async def _mark(message: Message, changes: dict) -> None:
    """It is delivered no more."""
    if message.is_secret:
        changes = {**changes, Message.body: ""}
    await Message.update(changes).where(Message.id == message.id, Message.status == MessageStatus.QUEUED)
