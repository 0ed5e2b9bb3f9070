"""`./sellog doctor` as a stranger runs it: a process of its own, with wrong arguments too."""

from pathlib import Path

import pytest

from tests.test_cli import demo, facts_of, production, run, running
from tests.test_compare_command import environment_of


def test_it_says_a_line_for_each_finding_and_what_is_bad_by_its_exit_code(tmp_path: Path) -> None:
    with running(*demo(tmp_path), until="Sellog is ready at"):
        settings = environment_of(tmp_path)
        well = run("doctor", **settings)
        assert well.returncode == 0, well
        assert well.stdout.count("GOOD: Asking with the keys") == 5
        assert well.stdout.count("GOOD: The server's clock") == 5
        assert {line.split()[0].rstrip(":") for line in well.stdout.splitlines()} == {"haru", "namu"}
        one = run("doctor", "--shop", "namu", **settings)
        assert {line.split()[0].rstrip(":") for line in one.stdout.splitlines()} == {"namu"}
        secrets = [
            value
            for account in facts_of(tmp_path)["accounts"]
            for name, value in account["credentials"].items()
            if "secret" in name
        ]
        assert [secret for secret in secrets if secret in well.stdout + well.stderr] == []

    # Sealed with other keys than these.
    other = run("doctor", **settings | {"SELLOG_SECRET_KEYS": "A" * 43 + "="})
    assert other.returncode == 1
    assert other.stdout.count("BAD: Stored keys: The stored keys cannot be opened.") == 5
    gone = run("doctor", **settings)
    assert gone.returncode == 0
    assert gone.stdout.count("WARN: Asking with the keys") == 5
    assert "Traceback" not in gone.stdout + gone.stderr


@pytest.mark.parametrize("domain", ["nobody", ""])
def test_a_shop_that_is_none_is_not_understood(tmp_path: Path, domain: str) -> None:
    settings = production(f"sqlite:///{tmp_path}/shop.sqlite")
    assert run("migrate", "--sample", **settings).returncode == 0
    answer = run("doctor", "--shop", domain, **settings)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "there is no shop" in answer.stderr


def test_a_database_that_is_not_ready_gets_one_sentence(tmp_path: Path) -> None:
    answer = run("doctor", **production(f"sqlite:///{tmp_path}/shop.sqlite"))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "./sellog migrate" in answer.stderr
