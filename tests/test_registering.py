"""The first shop and its first owner, from the command line to the desk, with wrong arguments too."""

import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from app.owners.throttling import FIRST_WAIT
from tests.shopping import fields_of
from tests.test_cli import demo, facts_of, free_port, production, run, running

PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The settings of an installation with one shop."""
    settings = production(f"sqlite:///{tmp_path_factory.mktemp('opened')}/shop.sqlite")
    assert run("migrate", **settings).returncode == 0
    assert run("shop", "create", "slow-shelf", "--name", "느린선반", **settings).returncode == 0
    return settings


def link_of(said: str) -> str:
    """The path of the link that a command printed."""
    return re.search(r"http://127\.0\.0\.1(/login/reset/\S+)", said)[1]


def test_from_the_command_line_to_the_desk(empty_database_url: str) -> None:
    keys = {"TOSS_CLIENT_KEY": "test_ck_a", "TOSS_SECRET_KEY": "test_sk_a"}
    settings = production(empty_database_url, **keys)
    assert run("migrate", **settings).returncode == 0
    created = run("shop", "create", "slow-shelf", "--name", "느린선반", **settings)
    assert created.returncode == 0
    assert "./sellog owner add EMAIL --shop slow-shelf" in created.stdout
    added = run("owner", "add", "Owner@Slow.example", "--shop", "slow-shelf", **settings)
    assert added.returncode == 0
    port = free_port()
    with (
        running("serve", "--port", str(port), until="Sellog serves", **settings),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", follow_redirects=True) as browser,
    ):
        assert "느린선반" in browser.get("/slow-shelf").text
        link = link_of(added.stdout)
        form = fields_of(browser.get(link).text)
        desk = browser.post(link, data={**form, "password": PASSWORD, "again": PASSWORD})
        assert desk.url.path == "/slow-shelf/owner/audit"
        for word in ("가게를 열었습니다", "owner@slow.example", "role: owner", "링크로 비밀번호를 정했습니다"):
            assert word in desk.text
        again = run("owner", "add", "owner@slow.example", "--shop", "slow-shelf", "--role", "viewer", **settings)
        assert again.returncode == 0
        assert "/login/reset/" not in again.stdout
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
def test_a_wrong_argument_gets_one_sentence(opened: Mapping[str, str], arguments: tuple[str, ...], said: str) -> None:
    answer = run(*arguments, **opened)
    assert answer.returncode == 2
    assert answer.stdout == ""
    [line] = answer.stderr.splitlines()
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
def test_a_missing_argument_gets_the_usage(arguments: tuple[str, ...]) -> None:
    answer = run(*arguments)
    assert answer.returncode == 2
    assert "usage: ./sellog" in answer.stderr


def test_the_demos_owner_signs_in_after_every_start(tmp_path: Path) -> None:
    passwords = []
    for start in ((), (), ("--reset",)):
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
    assert passwords[0] == passwords[1] != passwords[2]


def test_a_server_believes_its_proxy_alone_about_addresses(opened: Mapping[str, str]) -> None:
    """The proxy on this machine says who guesses: each of them has a count of their own."""
    port = free_port()
    with running("serve", "--port", str(port), until="Sellog serves", **opened):
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
