"""The demo's history: five weeks that the shops' own code has played, so that each page has something to show."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import structlog

from app import clock
from app.demo import SHOP_FILE, UNFINISHED, Demo, add_history, settings_of
from app.history import writing
from app.main import gateways_of
from app.messages import delivering
from app.orders.states import OrderStatus
from app.payments.comparing import compare_day
from app.payments.states import AlertKind, PaymentStatus, RefundStatus
from app.payments.tables import ProviderAccount
from app.sample import SHOPS
from tests.test_checking import last_line
from tests.test_cli import command, demo, environment, facts_of, run, running

# Nothing rests in these: the worker sends what is requested within seconds.
PASSING = {RefundStatus.REQUESTED}
# Of money without an order the sandbox would know, and the books not: they would not agree. The others are failures
# of ours, or of a bank after a refund.
NOT_SHOWN = {AlertKind.ORPHAN, AlertKind.POISON_JOB, AlertKind.REVERSED}
READY = "Sellog is ready at"


@dataclass(frozen=True)
class Played:
    """A demo that runs, in a folder that was new."""

    folder: Path
    lines: list[str]

    def ask(self, sql: str) -> list[tuple]:
        with sqlite3.connect(self.folder / SHOP_FILE) as database:
            return database.execute(sql).fetchall()

    def values(self, sql: str) -> set:
        return {value for (value,) in self.ask(sql)}

    def environ(self) -> dict[str, str]:
        return {
            "SELLOG_DATABASE_URL": f"sqlite:///{self.folder / SHOP_FILE}",
            "SELLOG_SECRET_KEYS": (self.folder / "demo.key").read_text(),
        }


def with_history(folder: Path) -> tuple[str, ...]:
    return tuple(argument for argument in demo(folder) if argument != "--empty")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("history")
    with running(*with_history(folder), until=READY) as lines:
        yield Played(folder, lines)


def test_it_is_said_on_the_terminal_that_it_takes_a_moment(played: Played) -> None:
    assert "five weeks of orders" in played.lines[0]


def test_every_state_has_an_example(played: Played) -> None:
    assert played.values("SELECT status FROM orders") == set(OrderStatus)
    assert played.values("SELECT status FROM payments") == set(PaymentStatus)
    assert played.values("SELECT status FROM refunds") == set(RefundStatus) - PASSING


def test_a_handful_of_matters_wait_for_the_owner_each_of_another_kind(played: Played) -> None:
    waiting = [
        kind
        for (kind,) in played.ask(
            "SELECT kind FROM alerts JOIN shops ON shops.id = alerts.shop WHERE closed_at IS NULL AND domain = 'haru'"
        )
    ]
    assert len(waiting) == len(set(waiting)) <= 8
    assert set(waiting) == set(AlertKind) - NOT_SHOWN
    assert played.values("SELECT closed_by FROM alerts WHERE closed_by IS NOT NULL") == {"owner@sellog.example"}


def test_both_shops_have_sold_for_five_weeks_until_now(played: Played) -> None:
    for domain, least in (("haru", 80), ("namu", 12)):
        [(count, first, last, counted)] = played.ask(
            "SELECT count(*), min(orders.created_at), max(orders.created_at), shops.order_count"
            f" FROM orders JOIN shops ON shops.id = orders.shop WHERE domain = '{domain}'"
        )
        assert least <= count == counted
        ages = [datetime.now(UTC) - datetime.fromisoformat(at) for at in (first, last)]
        assert timedelta(weeks=4) < ages[0] < timedelta(weeks=6)
        assert timedelta(0) < ages[1] < timedelta(days=7)
    assert len(played.values("SELECT DISTINCT provider || way FROM payments WHERE status = 'paid'")) >= 7


def test_nothing_is_sold_out_that_was_not_before(played: Played) -> None:
    stocks = {name: more.get("stock") for _, goods in SHOPS.values() for name, _, _, more in goods}
    assert dict(played.ask("SELECT name, stock FROM products")) == stocks


def test_nothing_of_it_is_still_to_be_done_or_sent(played: Played) -> None:
    assert played.values("SELECT status FROM messages") == {"sent"}
    assert played.values("SELECT error FROM jobs WHERE done_at IS NULL") == {"the refund is on its way"}
    mails = httpx.get(f"{facts_of(played.folder)['sandbox_url']}/mails").text
    assert "결제가 끝났어요" in mails
    unsent = "SELECT count(*) FROM webhooks WHERE next_at IS NOT NULL OR answer <> 200"
    with sqlite3.connect(played.folder / "sandbox.sqlite") as book:
        assert book.execute(unsent).fetchall() == [(0,)]
    assert '"error"' not in (played.folder / "demo.log").read_text()


def test_the_books_agree_with_the_sandbox_to_the_won(played: Played) -> None:
    answer = run("check", "--ledger", facts_of(played.folder)["sandbox_url"], **played.environ())
    assert (answer.returncode, answer.stderr) == (0, "")
    [(orders,)] = played.ask("SELECT count(*) FROM orders")
    assert last_line(answer.stdout) == {"checkouts": orders, "faults": 0, "broken": 0}


async def test_the_compare_of_every_day_finds_what_is_meant_to_be_found(played: Played) -> None:
    planned = played.values("SELECT reference FROM payments WHERE status = 'mismatch'")
    known = played.values("SELECT reference FROM differences")
    ports = [int(address.rpartition(":")[2].partition("/")[0]) for address in _addresses(played.folder)]
    settings = settings_of(Demo(played.folder, *ports, mail_port=1), {})
    found = set()
    today = datetime.now(UTC).date()
    async with gateways_of(settings) as gateways:
        for account in await ProviderAccount.objects():
            for number in range(writing.DAYS + 1):
                differences = await compare_day(gateways, account, today - timedelta(days=number))
                found |= {difference.reference for difference in differences}
    assert len(planned) == 2
    assert known == planned
    assert found < planned


def _addresses(folder: Path) -> tuple[str, str]:
    facts = facts_of(folder)
    return facts["shop_url"], facts["sandbox_url"]


def test_every_page_of_the_desk_has_something_to_show(played: Played) -> None:
    facts = facts_of(played.folder)
    with httpx.Client() as browser:
        login = facts["shop_url"].replace("/haru", "/login")
        [token] = set(re.findall(r'name="_csrf_token" value="([^"]+)"', browser.get(login).text))
        assert browser.post(login, data={"_csrf_token": token, **facts["owner"]}).status_code == 303
        for page, shown in {
            "orders": "사장님을 기다리는 일",
            "inbox": "PAYMENT_STATUS_CHANGED",
            "compare": "두 곳 모두 19,000원",
            "compare?status=closed": "다시 환불해 두 기록이 맞습니다",
            "audit": "실패한 환불을 다시 요청했습니다",
            "products": "재고 12개",
        }.items():
            assert shown in browser.get(f"{facts['shop_url']}/owner/{page}").text, page


def test_who_wants_it_gets_an_empty_shop_which_stays_empty(tmp_path: Path) -> None:
    for arguments in (demo(tmp_path), with_history(tmp_path)):
        with running(*arguments, until=READY) as lines:
            assert Played(tmp_path, lines).ask("SELECT count(*) FROM orders") == [(0,)]


def test_with_a_real_pgs_keys_there_is_no_history(tmp_path: Path) -> None:
    with running(
        *with_history(tmp_path), until=READY, TOSS_CLIENT_KEY="test_ck_a", TOSS_SECRET_KEY="test_sk_a"
    ) as lines:
        assert Played(tmp_path, lines).ask("SELECT count(*) FROM orders") == [(0,)]


def test_one_that_is_cut_short_leaves_a_new_folder(tmp_path: Path) -> None:
    with subprocess.Popen(
        command(*with_history(tmp_path)), env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "five weeks" in process.stdout.readline()
        book = tmp_path / UNFINISHED / SHOP_FILE
        while not book.exists():
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / SHOP_FILE).exists()
    with running(*demo(tmp_path), until=READY) as lines:
        assert Played(tmp_path, lines).ask("SELECT count(*) FROM orders") == [(0,)]
        assert not (tmp_path / UNFINISHED).exists()


def write_short_history(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three ordinary days; every statement that would make its two files anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "demo.key").write_text("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    monkeypatch.setattr(writing, "DAYS", 2)
    monkeypatch.setattr(writing, "PLANS", {"haru": (lambda trade: None, 3)})
    moment = datetime(2026, 11, 20, 12, tzinfo=UTC)
    played = Demo(folder, 8000, 8001, 8002)
    add_history(settings_of(played, {}), played, moment)
    statements = []
    for name in (SHOP_FILE, "sandbox.sqlite"):
        with sqlite3.connect(folder / name) as database:
            # When the tables were made is no part of the story.
            statements += [line for line in database.iterdump() if '"migration"' not in line]
    return statements


def test_it_is_the_same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_short_history(tmp_path / "demo", monkeypatch)
    assert write_short_history(tmp_path / "demo", monkeypatch) == first
    assert any('INSERT INTO "orders"' in line for line in first)


def test_time_chance_and_threads_are_as_before_when_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.urandom, time.time, threading.Thread.start, delivering.send, structlog.get_config()
    write_short_history(tmp_path / "demo", monkeypatch)
    assert (os.urandom, time.time, threading.Thread.start, delivering.send, structlog.get_config()) == before
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
