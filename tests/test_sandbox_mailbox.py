"""The sandbox's mailbox: what the shop hands in by SMTP is kept and shown, and goes to nobody."""

import asyncio
import socket
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx
import pytest

from app.sandbox.book import Book
from app.sandbox.main import create_sandbox
from app.serving import listen
from tests.sandbox_wire import HARU, NAMU, Clock, Practice, practice
from tests.shopping import running

MINJI = "minji.kim@example.com"


def letter(
    subject: str = "결제가 끝났어요", body: str = "주문 화면: https://shop.test/haru/orders/abc\n<b>끝</b>\n"
) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "하루상점 <orders@shop.test>"
    mail["To"] = MINJI
    mail["Subject"] = subject
    mail["Message-ID"] = "<1@shop.test>"
    mail.set_content(body, cte="base64")
    return mail


@pytest.fixture
def listener() -> socket.socket:
    return listen("127.0.0.1", 0)


@pytest.fixture
async def sandbox(listener: socket.socket) -> AsyncIterator[Practice]:
    async with practice(mail_listener=listener) as opened, running(opened.app):
        yield opened


async def hand_in(listener: socket.socket, mail: EmailMessage) -> None:
    host, port = listener.getsockname()
    await aiosmtplib.send(mail, hostname=host, port=port, local_hostname="shop.test")


async def mails_of(wire: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await wire.get("/control/mails")).json()["mails"]


async def test_a_mail_is_listed_for_tools(sandbox: Practice, listener: socket.socket) -> None:
    await hand_in(listener, letter())
    await hand_in(listener, letter("입금을 기다리고 있어요"))
    first, second = await mails_of(sandbox.wire)
    assert first == {
        "id": 1,
        "at": sandbox.clock().isoformat(),
        "message_id": "<1@shop.test>",
        "from": "하루상점 <orders@shop.test>",
        "to": MINJI,
        "subject": "결제가 끝났어요",
        "body": "주문 화면: https://shop.test/haru/orders/abc\n<b>끝</b>\n",
    }
    assert (second["id"], second["subject"]) == (2, "입금을 기다리고 있어요")


async def test_mails_are_shown_newest_first(sandbox: Practice, listener: socket.socket) -> None:
    assert "아직 메일이 없습니다" in (await sandbox.wire.get("/mails")).text
    await hand_in(listener, letter())
    await hand_in(listener, letter("입금을 기다리고 있어요"))
    page = (await sandbox.wire.get("/mails")).text
    assert page.index("입금을 기다리고 있어요") < page.index("결제가 끝났어요")
    assert 'href="/mails/1"' in page
    assert MINJI in page


async def test_a_mail_is_shown_as_text_with_links_to_click(sandbox: Practice, listener: socket.socket) -> None:
    await hand_in(listener, letter())
    page = await sandbox.wire.get("/mails/1")
    assert page.status_code == 200
    assert '<a href="https://shop.test/haru/orders/abc"' in page.text
    assert "&lt;b&gt;끝&lt;/b&gt;" in page.text
    assert "하루상점 &lt;orders@shop.test&gt;" in page.text
    assert "&lt;1@shop.test&gt;" in page.text


async def test_a_mail_that_never_came_is_not_found(sandbox: Practice) -> None:
    assert (await sandbox.wire.get("/mails/7")).status_code == 404


async def test_the_first_page_leads_to_the_mailbox(sandbox: Practice) -> None:
    assert 'href="/mails"' in (await sandbox.wire.get("/")).text


async def test_a_mail_without_subject_or_text_is_shown_too(sandbox: Practice, listener: socket.socket) -> None:
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = "orders@shop.test", MINJI
    mail.set_content(b"%PDF", maintype="application", subtype="pdf")
    await hand_in(listener, mail)
    assert "제목 없음" in (await sandbox.wire.get("/mails")).text
    assert (await sandbox.wire.get("/mails/1")).status_code == 200


async def test_mails_outlive_a_restart(tmp_path: Path, listener: socket.socket) -> None:
    path = tmp_path / "sandbox.sqlite"
    async with practice(book=path, mail_listener=listener) as opened, running(opened.app):
        await hand_in(listener, letter())
    book = Book(path)
    assert [mail.subject for mail in book.mails()] == ["결제가 끝났어요"]
    book.close()


async def test_the_port_is_free_when_the_sandbox_has_ended(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    async with practice(mail_listener=listener) as opened, running(opened.app):
        pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


def test_mail_is_taken_from_this_machine_only() -> None:
    with socket.socket() as everywhere:
        everywhere.bind(("0.0.0.0", 0))
        with pytest.raises(ValueError, match="this machine only"):
            create_sandbox(accounts=[HARU, NAMU], now=Clock(), mail_listener=everywhere)
