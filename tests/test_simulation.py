"""Whole shops in simulated worlds: nothing is lost, nothing comes twice, and the simulation would see it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.simulation.cast import CONTRACTS
from app.simulation.coverage import ASKED, coverage
from app.simulation.play import Plan, Report, play
from app.simulation.shopper import CALM, Manner
from app.simulation.simulate import open_stage
from app.simulation.stage import Stage
from app.simulation.world import Rates
from tests.planted import BUGS, weather_of

ROOT = Path(__file__).parent.parent
SHOPPERS = 5
# 20 times 21 worlds with five shoppers each: some find nothing that is left to buy.
CHUNKS = [range(first, first + 21) for first in range(1, 421, 21)]
MOST_SEEDS = 500
CARDS = ("toss", "portone", "portone manual", "stripe", "stripe elements")
# A few seeds with kills, races and outages; in the last of them processes die while two requests wait.
TWINS = "3,11,18,134"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_stage() as stage:
        yield stage


def told(report: Report) -> str:
    return "\n".join([f"seed {report.seed}", *report.breaches, *report.story])


@pytest.mark.parametrize("seeds", CHUNKS, ids=[f"{seeds[0]}..{seeds[-1]}" for seeds in CHUNKS])
def test_nothing_is_lost_and_nothing_comes_twice(stage: Stage, seeds: range) -> None:
    checkouts = 0
    for seed in seeds:
        report = play(stage, seed)
        assert not report.breaches, told(report)
        checkouts += report.counts["checkouts"]
    assert checkouts > SHOPPERS * len(seeds) * 0.9


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_seen(stage: Stage, monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    with monkeypatch.context() as patch:
        BUGS[bug](patch)
        seeds = range(1, MOST_SEEDS + 1)
        seen = next((seed for seed in seeds if play(stage, seed, weather_of(bug, seed)).breaches), None)
    assert seen
    without = play(stage, seen, weather_of(bug, seen))
    assert not without.breaches, told(without)


# Ordinary weather seldom brings them: money that comes after a refusal and goes at once, deposits of a wrong amount.
SEASONS = {
    "refused, paid after all, sent back at once": (
        Plan(Rates(), manner=Manner(decline=0.6, regret=1.0), owner=0, bank=0, haste=1.0),
        {("failed", "awaiting_deposit"), ("failed", "partially_refunded"), ("failed", "refunded")},
    ),
    "accounts of a wrong amount that nobody pays into": (
        Plan(Rates(faults={"amount_changed": 100}), manner=Manner(way=":virtual_account"), owner=0, bank=0),
        {("mismatch", "expired")},
    ),
}


@pytest.mark.parametrize("season", SEASONS)
def test_what_pgs_seldom_say_is_heard_in_seasons_made_for_it(stage: Stage, season: str) -> None:
    plan, rare = SEASONS[season]
    heard: set[tuple[str, str]] = set()
    for seed in range(1, 31):
        report = play(stage, seed, plan)
        assert not report.breaches, told(report)
        heard |= {(state, word) for machine, state, word in report.reached if machine == ASKED}
        if rare <= heard:
            break
    assert rare <= heard


def calm_plan(stage: Stage, contract: str) -> Plan:
    """One shopper who pays by this contract's card, and one process; nothing goes wrong."""
    manner = replace(CALM, way=f"{stage.accounts[contract].id}:{CONTRACTS[contract].ways[0]}")
    return Plan(Rates(), shoppers=1, processes=1, manner=manner, bank=0, owner=0, compares=False)


@pytest.mark.parametrize("contract", CARDS)
def test_a_checkout_survives_a_crash_at_any_of_its_steps(stage: Stage, contract: str) -> None:
    plan = calm_plan(stage, contract)
    calm = play(stage, 1, plan)
    assert not calm.breaches, told(calm)
    steps = calm.ticks["web-0"]
    assert steps > 100
    for step in range(1, steps + 1):
        report = play(stage, 1, replace(plan, dies=("web-0", step)))
        assert not report.breaches, told(report)
        assert report.counts["killed"] == 1
        assert ("order", "pending", "paid") in report.reached, told(report)


def test_a_seed_is_the_same_world_whatever_was_played_before(stage: Stage) -> None:
    first = play(stage, 7)
    play(stage, 8)
    again = play(stage, 7)
    assert (again.digest, again.story) == (first.digest, first.story)


def test_a_seed_is_the_same_world_in_another_process() -> None:
    """Sets of strings have another order in each process of the machine: nothing may hang on it."""
    script = (
        "import sys; from app.simulation.simulate import open_stage; from app.simulation.play import play\n"
        "with open_stage() as stage:\n"
        "    print(*[play(stage, int(seed)).digest for seed in sys.argv[1].split(',')])"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script, TWINS],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_coverage_names_the_steps_that_were_not_taken() -> None:
    found, missing = coverage({("refund", "requested", "succeeded")})["refund"]
    assert found == 1
    assert "succeeded → failed" in missing
    assert "requested → succeeded" not in missing


def test_coverage_names_the_words_of_a_pg_that_were_not_heard() -> None:
    found, missing = coverage({("payment at the PG", "failed", "paid")})["payment at the PG"]
    assert found == 1
    assert "cancelled → paid" in missing
    assert "failed → paid" not in missing
    assert not any(step.startswith("paid → open") for step in missing)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "app.cli", "simulate", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_ends_with_a_line_for_tools() -> None:
    done = command("--seeds", "1..2", "--processes", "2", "--story")
    assert done.returncode == 0, done.stderr
    assert "seed 1\n" in done.stdout
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["broken"] == 0
    assert last["checkouts"] > 0


@pytest.mark.parametrize("seeds", ["x", "5..1", "1..", "..3", "-1"])
def test_the_command_takes_no_other_seeds_than_numbers(seeds: str) -> None:
    done = command(f"--seeds={seeds}")
    assert done.returncode == 2
    assert "must be a whole number, or two like 1..500" in done.stderr
