"""The commands as a stranger runs them: processes of their own, with wrong arguments too."""

import base64
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

ROOT = Path(__file__).parent.parent
KEY = base64.b64encode(bytes(32)).decode()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "app.cli", *arguments]


def environment(**settings: str) -> dict[str, str]:
    """This process's environment, without any setting of Sellog but the given ones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SELLOG_", "TOSS_"))}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment(**settings), capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def running(*arguments: str, until: str, **settings: str) -> Iterator[list[str]]:
    """The command's lines up to the one that says `until`; Ctrl-C at the end, which it must take well."""
    process = subprocess.Popen(
        command(*arguments),
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if until in line:
                break
        assert until in "".join(lines), lines
        yield lines
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.communicate()


def one_sentence(answer: subprocess.CompletedProcess[str]) -> str:
    """What a command says that could not start: one line, no traceback, exit code 1."""
    assert answer.returncode == 1, answer
    assert answer.stdout == ""
    [line] = answer.stderr.splitlines()
    return line


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def demo(folder: Path, *more: str) -> tuple[str, ...]:
    """Without its history, which takes as long as many tests do."""
    return ("demo", "--data", str(folder), "--port", "0", "--sandbox-port", "0", "--empty", *more)


def facts_of(folder: Path) -> dict:
    return json.loads((folder / "demo.json").read_text())


def accounts_of(folder: Path) -> list[str]:
    """The last part of the webhook addresses: the accounts' ids."""
    return [account["webhook_url"].rpartition("/")[2] for account in facts_of(folder)["accounts"]]


def test_the_demo_says_where_it_is_and_keeps_its_data(tmp_path: Path) -> None:
    with running(*demo(tmp_path), until="Sellog is ready at") as lines:
        facts = facts_of(tmp_path)
        assert lines[-1] == f"Sellog is ready at {facts['shop_url']}"
        assert httpx.get(facts["shop_url"]).status_code == 200
        assert httpx.get(facts["sandbox_url"]).status_code == 200
        assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600
    with running(*demo(tmp_path), until="Sellog is ready at"):
        assert facts_of(tmp_path)["products"] == facts["products"]
    with running(*demo(tmp_path, "--reset"), until="Sellog is ready at"):
        again = facts_of(tmp_path)["products"]
        assert {product["id"] for product in again}.isdisjoint(product["id"] for product in facts["products"])


def test_the_demo_has_what_there_is_to_try(tmp_path: Path) -> None:
    with running(*demo(tmp_path), until="Sellog is ready at"):
        facts = facts_of(tmp_path)
        haru = [product for product in facts["products"] if product["shop"] == "haru"]
        assert len([product for product in haru if product["is_active"]]) >= 6
        assert {3, 0} <= {product["stock"] for product in haru}
        assert [product["name"] for product in haru if not product["is_active"]] != []
        assert {shop["domain"] for shop in facts["shops"]} == {"haru", "namu"}
        pictures = httpx.get(facts["shop_url"]).text.split('<img src="')[1:]
        base = facts["shop_url"].removesuffix("/haru")
        for picture in pictures:
            answer = httpx.get(base + picture.split('"')[0])
            assert answer.headers["content-type"] == "image/svg+xml"


def test_the_demo_starts_again_when_its_owner_has_added_an_account(tmp_path: Path) -> None:
    with running(*demo(tmp_path), until="Sellog is ready at"):
        before = accounts_of(tmp_path)
    with closing(sqlite3.connect(tmp_path / "shop.sqlite", isolation_level=None)) as shops:
        names = [row[1] for row in shops.execute("PRAGMA table_info(provider_accounts)")]
        theirs = {"id": f"'{uuid4()}'", "account_key": "account_key || '-own'", "from_environment": "0"}
        values = ", ".join(theirs.get(name, name) for name in names)
        shops.execute(
            f"INSERT INTO provider_accounts ({', '.join(names)}) SELECT {values} FROM provider_accounts LIMIT 1"
        )
    with running(*demo(tmp_path), until="Sellog is ready at"):
        assert accounts_of(tmp_path) == before


def test_a_taken_port_gets_one_sentence(tmp_path: Path) -> None:
    with taken_port() as port:
        for option in ("--port", "--sandbox-port"):
            other = "--sandbox-port" if option == "--port" else "--port"
            said = one_sentence(run("demo", "--data", str(tmp_path), option, str(port), other, "0"))
            assert str(port) in said
            assert "choose another" in said


def test_a_folder_is_for_one_demo_at_a_time(tmp_path: Path) -> None:
    with running(*demo(tmp_path), until="Sellog is ready at"):
        assert "Another demo" in one_sentence(run(*demo(tmp_path, "--reset")))
        assert httpx.get(facts_of(tmp_path)["shop_url"]).status_code == 200


def test_two_servers_need_two_ports(tmp_path: Path) -> None:
    port = str(free_port())
    said = one_sentence(run("demo", "--data", str(tmp_path), "--port", port, "--sandbox-port", port))
    assert "port each" in said


def test_a_port_that_is_none_gets_one_sentence(tmp_path: Path) -> None:
    assert "70000" in one_sentence(run("demo", "--data", str(tmp_path), "--port", "70000"))


def test_a_folder_that_cannot_be_written_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "--data" in one_sentence(run(*demo(tmp_path / "file" / "data")))


def test_the_demo_refuses_live_keys(tmp_path: Path) -> None:
    said = one_sentence(run(*demo(tmp_path), TOSS_CLIENT_KEY="live_ck_a", TOSS_SECRET_KEY="live_sk_a"))
    assert "live keys" in said


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["demo", "--nonsense"], ["serve", "--workers", "0"]])
def test_what_is_not_understood_ends_with_2_and_the_usage(arguments: list[str]) -> None:
    answer = run(*arguments)
    assert answer.returncode == 2
    assert "usage: ./sellog" in answer.stderr


def production(database_url: str, **more: str) -> Mapping[str, str]:
    base = {"SELLOG_SECRET_KEYS": KEY, "SELLOG_BASE_URL": "http://127.0.0.1"}
    return {"SELLOG_DATABASE_URL": database_url, **base, **more}


def test_migrate_and_serve_run_the_shop_on_any_database(empty_database_url: str) -> None:
    keys = {"TOSS_CLIENT_KEY": "test_ck_a", "TOSS_SECRET_KEY": "test_sk_a"}
    settings = production(empty_database_url, **keys)
    port = free_port()

    assert "./sellog migrate" in one_sentence(run("serve", "--port", str(port), **settings))
    assert run("migrate", "--sample", **settings).returncode == 0
    assert run("migrate", **settings).returncode == 0

    with running("serve", "--port", str(port), until="Sellog serves", **settings):
        base = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{base}/readyz").text == "ok"
        product = httpx.get(f"{base}/haru").text.split("/haru/products/")[1].split('"')[0]
        form = httpx.get(f"{base}/haru/checkout", params={"product": product})
        assert "토스페이먼츠" in form.text
        assert "https://js.tosspayments.com" not in form.headers["content-security-policy"]


def test_the_worker_works_beside_the_pages(tmp_path: Path) -> None:
    settings = production(f"sqlite:///{tmp_path}/shop.sqlite")
    assert "./sellog migrate" in one_sentence(run("worker", **settings))
    assert run("migrate", **settings).returncode == 0
    with running("worker", until="at work", **settings) as lines:
        assert lines == ["Sellog's worker is at work"]


def test_several_workers_serve_one_shop(tmp_path: Path) -> None:
    settings = production(f"sqlite:///{tmp_path}/shop.sqlite")
    port = free_port()
    assert run("migrate", "--sample", **settings).returncode == 0
    process = subprocess.Popen(
        command("serve", "--port", str(port), "--workers", "2"),
        env=environment(**settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert answers(f"http://127.0.0.1:{port}/readyz")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def answers(url: str, patience: float = 60) -> bool:
    """Whether a server that is just starting comes to answer."""
    until = time.monotonic() + patience
    with httpx.Client(transport=httpx.HTTPTransport(retries=5)) as client:
        while time.monotonic() < until:
            try:
                return client.get(url).status_code == 200
            except httpx.TransportError:
                continue
    return False


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"SELLOG_SECRET_KEYS": ""}, "SELLOG_SECRET_KEYS"),
        ({"SELLOG_BASE_URL": "http://shop.example.com"}, "SELLOG_BASE_URL"),
        ({"SELLOG_DATABASE_URL": "mysql://x/y"}, "SELLOG_DATABASE_URL"),
        ({"SELLOG_DATABASE_URL": "postgresql://nobody:secretpassword@127.0.0.1:1/none"}, "SELLOG_DATABASE_URL"),
        (
            {"TOSS_CLIENT_KEY": "test_ck_a", "TOSS_SECRET_KEY": "test_sk_a", "TOSS_API_BASE": "http://localhost:8001"},
            "TOSS_API_BASE",
        ),
    ],
)
def test_serve_checks_its_settings_before_it_starts(settings: dict[str, str], named: str, tmp_path: Path) -> None:
    said = one_sentence(run("serve", **{**production(f"sqlite:///{tmp_path}/shop.sqlite"), **settings}))
    assert named in said
    assert "secretpassword" not in said
