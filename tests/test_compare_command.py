"""`./sellog compare` as a stranger runs it: a process of its own, with wrong arguments too."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.sandbox_wire import Buyer, confirm, handoff
from tests.test_cli import demo, facts_of, production, run, running

REFERENCE = "01JD9Z4T7QK2V8M3N5P6R7S8T9"


def today() -> str:
    return datetime.now(UTC).astimezone(ZoneInfo("Asia/Seoul")).date().isoformat()


def environment_of(folder: Path) -> dict[str, str]:
    """What the demo's own processes are told."""
    facts = facts_of(folder)
    return {
        "SELLOG_ENV": "demo",
        "SELLOG_BASE_URL": facts["shop_url"].removesuffix("/haru"),
        "SELLOG_DATABASE_URL": f"sqlite:///{folder}/shop.sqlite",
        "SELLOG_SECRET_KEYS": (folder / "demo.key").read_text(),
        "TOSS_API_BASE": facts["sandbox_url"],
        "PORTONE_API_BASE": f"{facts['sandbox_url']}/portone",
        "STRIPE_API_BASE": f"{facts['sandbox_url']}/stripe",
    }


def summary(answer: subprocess.CompletedProcess[str]) -> dict[str, int]:
    told: dict[str, int] = json.loads(answer.stdout.splitlines()[-1])
    return told


async def pay_without_the_shop(folder: Path) -> None:
    """Money at the PG under a name of our form, with nothing in our database."""
    facts = facts_of(folder)
    [toss] = [each for each in facts["accounts"] if (each["shop"], each["provider"]) == ("haru", "toss")]
    wish = handoff(reference=REFERENCE) | {"clientKey": toss["credentials"]["client_key"]}
    async with httpx.AsyncClient(base_url=facts["sandbox_url"]) as wire:
        buyer = Buyer(wire)
        key = await buyer.open(wish)
        await buyer.approve()
        claim = {"paymentKey": key, "orderId": REFERENCE, "amount": 15_000}
        answer = await confirm(wire, claim, auth=(toss["credentials"]["secret_key"], ""))
        assert answer.status_code == 200, answer.text


async def test_it_compares_every_account_and_says_what_is_different(tmp_path: Path) -> None:
    with running(*demo(tmp_path), until="Sellog is ready at"):
        settings = environment_of(tmp_path)
        clean = run("compare", "--day", today(), **settings)
        assert clean.returncode == 0, clean
        assert summary(clean) == {"accounts": 5, "payments": 0, "differences": 0}

        await pay_without_the_shop(tmp_path)
        found = run("compare", "--day", today(), "--shop", "haru", **settings)
        assert found.returncode == 1, found
        assert summary(found) == {"accounts": 3, "payments": 0, "differences": 1}
        [line] = [line for line in found.stdout.splitlines() if "missing_here" in line]
        assert REFERENCE in line
        assert "ours 0, the gateway's 15000 KRW" in line
        assert run("compare", "--day", today(), "--shop", "namu", **settings).returncode == 0
        assert run("compare", **settings).returncode == 0

    gone = run("compare", "--day", today(), **settings)
    assert gone.returncode == 1
    assert gone.stdout.count("COULD NOT BE ASKED") == 5
    assert summary(gone) == {"accounts": 0, "payments": 0, "differences": 0}
    assert "Traceback" not in gone.stdout + gone.stderr


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A database with the two sample shops, and no account."""
    values = dict(production(f"sqlite:///{tmp_path_factory.mktemp('shop')}/shop.sqlite"))
    assert run("migrate", "--sample", **values).returncode == 0
    return values


@pytest.mark.parametrize("day", ["yesterday", "", "2026-02-30", "0001-01-01"])
def test_a_day_that_is_none_is_not_understood(day: str) -> None:
    answer = run("compare", "--day", day)
    assert answer.returncode == 2
    assert "must be a day such as 2026-11-21" in answer.stderr


def test_a_day_that_has_not_begun_is_not_understood(settings: dict[str, str]) -> None:
    tomorrow = datetime.fromisoformat(today()).date() + timedelta(days=1)
    for day in (str(tomorrow), "2099-12-31"):
        answer = run("compare", "--day", day, **settings)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert f"{day} has not begun" in answer.stderr


@pytest.mark.parametrize("domain", ["nobody", ""])
def test_a_shop_that_is_none_is_not_understood(settings: dict[str, str], domain: str) -> None:
    answer = run("compare", "--shop", domain, **settings)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "there is no shop" in answer.stderr


def test_shops_without_an_account_have_nothing_to_compare(settings: dict[str, str]) -> None:
    answer = run("compare", **settings)
    assert answer.returncode == 0
    assert summary(answer) == {"accounts": 0, "payments": 0, "differences": 0}


def test_a_database_that_is_not_ready_gets_one_sentence(tmp_path: Path) -> None:
    answer = run("compare", **production(f"sqlite:///{tmp_path}/shop.sqlite"))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "./sellog migrate" in answer.stderr
