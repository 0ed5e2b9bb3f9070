"""The mailbox: a mail server that delivers nothing. What it takes is kept in the book and shown."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from litestar import Litestar, get, route
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template
from litestar.types import ControllerRouterHandler

from app.sandbox.book import Book, Mail
from app.sandbox.toss_window import READ
from app.sandbox.world import World

SHOWN = 200
MOST_BYTES = 1024 * 1024


class Mailbox:
    """What the mail server does with a mail: it takes every one."""

    def __init__(self, book: Book, world: World) -> None:
        self.book = book
        self.world = world

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        text = message.get_body(("plain",))
        for recipient in envelope.rcpt_tos:
            self.book.add_mail(
                Mail(
                    at=self.world.now(),
                    message_id=message["Message-ID"] or "",
                    sender=message["From"] or envelope.mail_from or "",
                    recipient=recipient,
                    subject=message["Subject"] or "",
                    # RFC 5322: lines end in CR LF on the way.
                    body=text.get_content().replace("\r\n", "\n") if text else "",
                )
            )
        return "250 OK"


def receiving(mailbox: Mailbox, listener: socket.socket) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """The mail server on `listener`, between the app's startup and shutdown. ValueError for one beyond loopback."""
    if listener.getsockname()[0] not in ("127.0.0.1", "::1"):
        raise ValueError("the sandbox takes mail from this machine only")

    @asynccontextmanager
    async def receive(_: Litestar) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def protocol() -> SMTP:
            return SMTP(mailbox, hostname="localhost", data_size_limit=MOST_BYTES, enable_SMTPUTF8=True, loop=loop)

        server = await loop.create_server(protocol, sock=listener)
        try:
            yield
        finally:
            server.close()

    return receive


@route("/mails", http_method=READ)
async def mails(book: NamedDependency[Book]) -> Template:
    return Template("sandbox/mails.html", context={"mails": book.mails(SHOWN), "shown": SHOWN})


@route("/mails/{number:int}", http_method=READ)
async def mail(book: NamedDependency[Book], number: FromPath[int]) -> Template:
    found = book.mail(number)
    if found is None:
        raise NotFoundException(f"no mail has the id {number}")
    return Template("sandbox/mail.html", context={"mail": found})


@get("/control/mails")
async def list_mails(book: NamedDependency[Book]) -> dict[str, Any]:
    """Every mail, oldest first."""
    return {"mails": [_entry(each) for each in reversed(book.mails())]}


HANDLERS: Sequence[ControllerRouterHandler] = (mails, mail, list_mails)


def _entry(mail: Mail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "at": mail.at.isoformat(),
        "message_id": mail.message_id,
        "from": mail.sender,
        "to": mail.recipient,
        "subject": mail.subject,
        "body": mail.body,
    }
