"""Messages: posted with the change that they tell about, delivered at least once to a real mail server."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import structlog

from app.database import write_transaction
from app.engine import Engine
from app.jobs.queue import LEASE
from app.jobs.tables import Job
from app.jobs.worker import work_once
from app.messages import delivering
from app.messages.delivering import Courier, resume
from app.messages.posting import post
from app.messages.tables import Message
from app.settings import Settings
from tests.post_office import PostOffice, certificate, open_office
from tests.shopping import Clock

MINJI = "minji.kim@example.com"


@pytest.fixture
async def office(database: Engine, time: Clock) -> AsyncIterator[PostOffice]:
    async with open_office(PostOffice()) as office:
        yield office


def settings_of(smtp_url: str) -> Settings:
    return Settings(
        env="development",
        base_url="https://shop.example",
        database_url="",
        secret_keys=(bytes(32),),
        smtp_url=smtp_url,
        mail_from="orders@shop.example" if smtp_url else "",
    )


async def add(
    key: str = "paid:1", recipient: str = MINJI, subject: str = "결제가 끝났어요", sender: str = "하루상점"
) -> None:
    async with write_transaction():
        await post(settings_of("smtp://any"), key, sender, recipient, subject, "고맙습니다.\n.\n끝.\n")


async def work(smtp_url: str) -> None:
    settings = settings_of(smtp_url)
    await work_once({"deliver": Courier(settings).deliver}, {"deliver": partial(resume, settings)})


async def only_message() -> Message:
    messages = await Message.objects()
    assert len(messages) == 1
    return messages[0]


async def open_jobs() -> list[Job]:
    return await Job.objects().where(Job.done_at.is_null())


class Killed(BaseException):
    """The process dies."""


async def test_a_message_arrives_as_it_was_written(office: PostOffice) -> None:
    await add()
    await work(office.url)
    message = await only_message()
    [letter] = office.letters
    assert str(letter["From"]) == "하루상점 <orders@shop.example>"
    assert str(letter["To"]) == MINJI
    assert office.recipients == [MINJI]
    assert letter["Subject"] == "결제가 끝났어요"
    assert letter["Message-ID"] == message.message_id == f"<{message.id}@shop.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Date"].datetime == message.created_at
    assert letter.get_content().splitlines() == ["고맙습니다.", ".", "끝."]
    assert office.raw[0].isascii()
    assert (message.status, message.error) == ("sent", None)
    assert message.sent_at is not None
    assert await open_jobs() == []


async def test_posting_needs_a_transaction(database: Engine) -> None:
    with pytest.raises(RuntimeError, match="write_transaction"):
        await post(settings_of(""), "paid:1", "하루상점", MINJI, "제목", "본문")
    assert await Message.count() == 0


async def test_the_same_message_is_posted_once_even_after_it_was_sent(office: PostOffice) -> None:
    await add()
    await add()
    await work(office.url)
    await add()
    await work(office.url)
    assert len(office.letters) == 1
    assert await Job.count() == 1


async def test_a_message_is_gone_when_its_change_is_rolled_back(database: Engine) -> None:
    async def change_and_fail() -> None:
        async with write_transaction():
            await post(settings_of(""), "paid:1", "하루상점", MINJI, "제목", "본문")
            raise LookupError

    with pytest.raises(LookupError):
        await change_and_fail()
    assert (await Message.count(), await Job.count()) == (0, 0)


async def test_a_process_that_dies_after_sending_sends_the_same_mail_again(
    office: PostOffice, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise Killed

    await add()
    with monkeypatch.context() as dying:
        dying.setattr(delivering, "_mark", die)
        with pytest.raises(Killed):
            await work(office.url)
    assert (await only_message()).status == "queued"
    time.go_on(seconds=LEASE.total_seconds() + 1)
    await work(office.url)
    first, second = office.letters
    assert first["Message-ID"] == second["Message-ID"]
    assert office.raw[0] == office.raw[1]
    assert (await only_message()).status == "sent"


async def test_a_message_that_was_sent_is_not_sent_by_a_second_run_of_its_job(office: PostOffice) -> None:
    await add()
    await work(office.url)
    await Job.update({Job.done_at: None}, force=True)
    await work(office.url)
    assert len(office.letters) == 1


async def test_a_server_that_is_away_gets_the_message_when_it_is_back(database: Engine, time: Clock) -> None:
    office = PostOffice()
    async with open_office(office):
        pass
    await add()
    await work(office.url)
    [job] = await open_jobs()
    assert job.error == "SMTPConnectError"
    assert (await only_message()).status == "queued"
    time.go_on(minutes=1)
    async with open_office(office, office.port):
        await work(office.url)
    assert len(office.letters) == 1
    assert (await only_message()).status == "sent"


async def test_a_server_that_says_nothing_holds_up_the_worker_once(
    database: Engine, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = []

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer)
        await reader.read()
        writer.close()

    monkeypatch.setattr(delivering, "PATIENCE", 0.05)
    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        for number in range(5):
            await add(f"paid:{number}")
        await work(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert len(callers) == 1
    assert {message.status for message in await Message.objects()} == {"queued"}
    assert len(await open_jobs()) == 5


async def test_a_refusal_for_now_is_tried_again_later(office: PostOffice, time: Clock) -> None:
    office.answers_to_recipient = ["450 4.2.1 <minji.kim@example.com> mailbox busy"]
    await add()
    await work(office.url)
    [job] = await open_jobs()
    assert job.error == "SMTP 450"
    assert office.letters == []
    time.go_on(minutes=1)
    await work(office.url)
    assert len(office.letters) == 1
    assert (await only_message()).status == "sent"


async def test_one_refused_recipient_does_not_keep_the_others_waiting(office: PostOffice, time: Clock) -> None:
    office.answers_to_recipient = ["450 4.2.1 mailbox busy"]
    await add("paid:1")
    time.go_on(seconds=1)
    await add("paid:2", "sora@example.com")
    await work(office.url)
    assert office.recipients == ["sora@example.com"]


@pytest.mark.parametrize("by", ["answers_to_recipient", "answers_to_data"])
async def test_a_refusal_for_good_ends_the_message_with_its_code(office: PostOffice, time: Clock, by: str) -> None:
    setattr(office, by, ["550 5.1.1 <minji.kim@example.com> no such user"])
    await add()
    await work(office.url)
    message = await only_message()
    assert (message.status, message.error, message.sent_at) == ("failed", "550", None)
    assert await open_jobs() == []
    time.go_on(days=1)
    await work(office.url)
    assert office.letters == []


async def test_a_refusal_of_our_own_address_is_ours_to_mend(office: PostOffice, time: Clock) -> None:
    office.answers_to_sender = ["550 5.7.1 sender rejected"]
    await add()
    await work(office.url)
    [job] = await open_jobs()
    assert job.error == "SMTPSenderRefused 550"
    time.go_on(minutes=1)
    await work(office.url)
    assert (await only_message()).status == "sent"


async def test_without_a_server_messages_wait_until_there_is_one(office: PostOffice, time: Clock) -> None:
    await add()
    await work("")
    assert (await only_message()).status == "queued"
    assert await open_jobs() == []
    await work(office.url)
    assert office.letters == [], "a minute has not passed"
    time.go_on(minutes=1, seconds=1)
    await work(office.url)
    await work(office.url)
    assert len(office.letters) == 1
    assert (await only_message()).status == "sent"


async def test_the_sweep_leaves_a_postponed_job_to_its_time(office: PostOffice, time: Clock) -> None:
    office.answers_to_recipient = ["450 4.2.1 mailbox busy"] * 20
    await add()
    for _ in range(6):
        await work(office.url)
        time.go_on(minutes=10)
    [job] = await open_jobs()
    assert job.tries > 3


@pytest.mark.parametrize(
    "recipient", ["minji@example.com\r\nBcc: all@example.com", "minji@example.com\nX: y", "minji", "a@b@c", ""]
)
async def test_an_address_that_is_none_reaches_no_server(office: PostOffice, recipient: str) -> None:
    await add(recipient=recipient)
    await work(office.url)
    message = await only_message()
    assert (message.status, message.error) == ("failed", "bad address")
    assert office.letters == []


async def test_a_line_break_in_a_name_makes_no_header(office: PostOffice) -> None:
    await add(subject="제목\r\nBcc: all@example.com", sender="하루\nX-Evil: yes")
    await work(office.url)
    [letter] = office.letters
    assert letter["Subject"] == "제목 Bcc: all@example.com"
    assert str(letter["From"]) == '"하루 X-Evil: yes" <orders@shop.example>'
    assert letter["Bcc"] is None
    assert letter["X-Evil"] is None
    assert office.recipients == [MINJI]


async def test_a_domain_of_other_letters_is_written_in_ascii(office: PostOffice) -> None:
    await add(recipient="minji@한국.kr")
    await work(office.url)
    assert office.recipients == ["minji@xn--3e0b707e.kr"]


async def test_a_name_of_other_letters_needs_a_server_that_knows_them(database: Engine, time: Clock) -> None:
    async with open_office(PostOffice()) as old, open_office(PostOffice(), enable_SMTPUTF8=True) as new:
        await add("paid:1", "민지@example.com")
        await work(old.url)
        message = await only_message()
        assert (message.status, message.error) == ("failed", "SMTPUTF8")
        await add("paid:2", "민지@example.com")
        await work(new.url)
    assert old.letters == []
    assert new.recipients == ["민지@example.com"]


async def test_the_server_is_told_who_we_are(database: Engine, time: Clock) -> None:
    async with open_office(PostOffice(), auth_require_tls=False) as office:
        await add()
        await work(f"smtp://haru:s3cret%2Fpass@127.0.0.1:{office.port}")
    assert office.passwords == [b"s3cret/pass"]
    assert len(office.letters) == 1


async def test_a_wrong_password_is_ours_to_mend(database: Engine, time: Clock) -> None:
    async with open_office(PostOffice(), auth_require_tls=False) as office:
        await add()
        await work(f"smtp://haru:wrong@127.0.0.1:{office.port}")
    [job] = await open_jobs()
    assert job.error == "SMTPAuthenticationError 535"
    assert (await only_message()).status == "queued"


async def test_no_password_goes_to_another_machine_in_the_clear(
    database: Engine, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "LOOPBACK", ())
    async with open_office(PostOffice(), auth_require_tls=False) as office:
        await add()
        await work(f"smtp://haru:s3cret%2Fpass@127.0.0.1:{office.port}")
    assert (office.passwords, office.letters) == ([], [])
    assert (await only_message()).status == "queued"


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_tls_is_used_where_there_is_some(
    database: Engine, time: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    path, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    manners = {"tls": context} if scheme == "smtps" else {"tls_context": context}
    async with open_office(PostOffice(), **manners) as office:
        await add()
        await work(f"{scheme}://127.0.0.1:{office.port}")
    assert office.over_tls == [True]


async def test_a_server_that_cannot_prove_itself_gets_nothing(database: Engine, time: Clock, tmp_path: Path) -> None:
    _, context = certificate(tmp_path)
    async with open_office(PostOffice(), tls_context=context) as office:
        await add()
        await work(office.url)
    assert office.letters == []
    assert (await only_message()).status == "queued"


async def test_nobodys_address_is_in_logs_or_jobs(
    office: PostOffice, time: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    office.answers_to_recipient = [f"450 4.2.1 <{MINJI}> mailbox busy", f"550 5.1.1 <{MINJI}> no such user"]
    await add("paid:1")
    await add("paid:2")
    await add("paid:3", f"{MINJI}\r\nBcc: {MINJI}")
    with structlog.testing.capture_logs() as lines:
        await work(office.url)
        await work("smtp://haru:s3cret@127.0.0.1:1")
    jobs = [(job.payload, job.dedupe_key, job.error) for job in await Job.objects()]
    written = json.dumps([lines, jobs], default=str, ensure_ascii=False) + caplog.text
    assert [line["event"] for line in lines] == ["job_postponed", "mail_failed", "mail_failed"]
    assert [secret for secret in (MINJI, "결제가", "고맙", "s3cret", "하루상점") if secret in written] == []
