"""The first shop and its first owner, from the command line to the desk, with wrong arguments too."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app import cli
from app.database import DB
from app.owners.roles import Role
from app.owners.tables import AuditEntry
from app.owners.throttling import FIRST_WAIT
from app.registering import add_member, create_shop
from app.shops.tenancy import find_shop
from tests.shopping import Market, fields_of
from tests.test_cli import demo, facts_of, free_port, production, running

PASSWORD = "a long enough password"


@dataclass(frozen=True)
class Said:
    """What a command ended with and wrote."""

    code: int
    out: str
    err: str


class Terminal:
    """Runs commands in this process: it takes seconds to start one."""

    def __init__(self, settings: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> None:
        self.settings, self._capsys = settings, capsys

    def run(self, *arguments: str) -> Said:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("os.environ", dict(self.settings))
            try:
                code = cli.main(arguments)
            except SystemExit as end:
                code = int(end.code)
        DB.use(None)
        written = self._capsys.readouterr()
        return Said(code, written.out, written.err)


@pytest.fixture
def opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """An installation with one shop."""
    terminal = Terminal(production(f"sqlite:///{tmp_path}/shop.sqlite"), capsys)
    assert terminal.run("migrate").code == 0
    assert terminal.run("shop", "create", "slow-shelf", "--name", "느린선반").code == 0
    return terminal


def link_of(said: str) -> str:
    """The path of the link that a command printed."""
    return re.search(r"http://127\.0\.0\.1(/login/reset/\S+)", said)[1]


@pytest.fixture
def terminal(database_url: str, capsys: pytest.CaptureFixture[str]) -> Terminal:
    keys = {"TOSS_CLIENT_KEY": "test_ck_a", "TOSS_SECRET_KEY": "test_sk_a"}
    return Terminal(production(database_url, **keys), capsys)


def test_from_the_command_line_to_the_desk(terminal: Terminal) -> None:
    settings = terminal.settings
    created = terminal.run("shop", "create", "slow-shelf", "--name", "느린선반")
    assert created.code == 0
    assert "./sellog owner add EMAIL --shop slow-shelf" in created.out
    added = terminal.run("owner", "add", "Owner@Slow.example", "--shop", "slow-shelf")
    assert added.code == 0
    port = free_port()
    with (
        running("serve", "--port", str(port), until="Sellog serves", **settings),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", follow_redirects=True) as browser,
    ):
        assert "느린선반" in browser.get("/slow-shelf").text
        link = link_of(added.out)
        form = fields_of(browser.get(link).text)
        desk = browser.post(link, data={**form, "password": PASSWORD, "again": PASSWORD})
        assert desk.url.path == "/slow-shelf/owner/orders"
        log = browser.get("/slow-shelf/owner/audit").text
        for word in ("가게를 열었습니다", "owner@slow.example", "역할: owner", "링크로 비밀번호를 정했습니다"):
            assert word in log
        second = terminal.run("owner", "add", "second@slow.example", "--shop", "slow-shelf")
        refused = terminal.run("owner", "add", "owner@slow.example", "--shop", "slow-shelf", "--role", "viewer")
        assert (refused.code, "who can sign in" in refused.err) == (2, True)
        with httpx.Client(base_url=browser.base_url) as another:
            form = fields_of(another.get(link_of(second.out)).text)
            another.post(link_of(second.out), data={**form, "password": PASSWORD, "again": PASSWORD})
        again = terminal.run("owner", "add", "owner@slow.example", "--shop", "slow-shelf", "--role", "viewer")
        assert again.code == 0
        assert "/login/reset/" not in again.out
        assert browser.get("/slow-shelf/owner/audit").status_code == 403


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("shop", "create", "Slow Shelf", "--name", "n"), "a-z, 0-9 and -"),
        (("shop", "create", "login", "--name", "n"), "keeps for itself"),
        (("shop", "create", "slow-shelf", "--name", "n"), "already"),
        (("shop", "create", "other", "--name", " "), "1 to 80 characters"),
        (("shop", "create", "other", "--name", "x" * 81), "1 to 80 characters"),
        (("owner", "add", "not an address", "--shop", "slow-shelf"), "not an e-mail address"),
        (("owner", "add", "owner@slow.example", "--shop", "no-such"), "there is no shop 'no-such'"),
        (("owner", "add", "owner@slow.example", "--shop", "../x"), "there is no shop"),
    ],
)
def test_a_wrong_argument_gets_one_sentence(opened: Terminal, arguments: tuple[str, ...], said: str) -> None:
    answer = opened.run(*arguments)
    assert (answer.code, answer.out) == (2, "")
    [line] = answer.err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("shop",),
        ("shop", "create", "other"),
        ("owner", "add", "owner@slow.example"),
        ("owner", "add", "owner@slow.example", "--shop", "slow-shelf", "--role", "king"),
    ],
)
def test_a_missing_argument_gets_the_usage(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    answer = Terminal({}, capsys).run(*arguments)
    assert answer.code == 2
    assert "usage: ./sellog" in answer.err


def test_the_demos_owner_signs_in(tmp_path: Path) -> None:
    passwords = []
    for start in ((), ("--reset",)):
        with running(*demo(tmp_path, *start), until="Sellog is ready at") as lines:
            facts = facts_of(tmp_path)
            owner = facts["owner"]
            passwords.append(owner["password"])
            assert any(owner["email"] in line and owner["password"] in line for line in lines)
            base = facts["shop_url"].removesuffix("/haru")
            with httpx.Client(base_url=base, follow_redirects=True) as browser:
                form = fields_of(browser.get("/login").text)
                page = browser.post("/login", data={**form, **owner})
                assert [shop for shop in ("haru", "namu") if f'href="/{shop}/owner"' in page.text] == ["haru", "namu"]
                assert browser.get("/haru/owner").status_code == 200
    assert passwords[0] != passwords[1]


def test_a_server_believes_its_proxy_alone_about_addresses(opened: Terminal) -> None:
    """The proxy on this machine says who guesses: each of them has a count of their own."""
    port = free_port()
    with running("serve", "--port", str(port), until="Sellog serves", **opened.settings):
        codes = []
        for n in range(7):
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as browser:
                form = {**fields_of(browser.get("/login").text), "email": "a@slow.example", "password": "wrong"}
                headers = {"x-forwarded-for": "198.51.100.1" if n < 6 else "198.51.100.2"}
                answer = browser.post("/login", data=form, headers=headers)
                codes.append(answer.status_code)
                if answer.status_code == 429:
                    assert 0 < int(answer.headers["retry-after"]) <= FIRST_WAIT.total_seconds()
    assert codes == [422] * 5 + [429, 422]


def test_the_only_owner_is_not_demoted(opened: Terminal) -> None:
    add = ("owner", "add", "owner@slow.example", "--shop", "slow-shelf")
    assert opened.run(*add).code == 0
    said = opened.run(*add, "--role", "viewer")
    assert said.code == 2
    assert "only owner" in said.err


async def test_the_first_owner_is_told_what_only_a_person_can_settle(market: Market) -> None:
    settings = market.app.state.settings
    await create_shop(settings, "slow-shelf", "느린선반")

    async def told_after(email: str, role: Role) -> tuple[str, int]:
        await add_member(settings, email, "slow-shelf", role)
        shop = await find_shop("slow-shelf")
        return shop.alert_email, shop.version

    assert await told_after("clerk@slow.example", Role.STAFF) == ("", 1)
    assert await told_after("Owner@Slow.example", Role.OWNER) == ("owner@slow.example", 2)
    assert await told_after("second@slow.example", Role.OWNER) == ("owner@slow.example", 2)
    changes = await AuditEntry.objects().where(AuditEntry.action == "settings_changed")
    assert [json.loads(entry.details) for entry in changes] == [{"alert_email": "– → owner@slow.example"}]
