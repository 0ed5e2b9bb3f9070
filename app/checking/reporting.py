"""The command's side of checking: the sandbox is asked for its ledger, and what is broken is told line by line."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from app import clock
from app.checking import Breach, check_database, check_ledger
from app.orders.tables import Order

LEDGER = "/control/ledger"
MOST_LINES = 50
PATIENCE = 30.0


class NoLedger(Exception):
    """The sandbox has not told its ledger; the message says why."""


async def check_books(ledger_url: str | None) -> tuple[int, list[Breach]]:
    """How many orders the database in use has, and what is broken, also against the ledger where there is one.

    Raises NoLedger. A difference from the ledger counts only if it is there twice: between the ledger's answer and our
    rows a payment may have been settled.
    """
    breaches = await check_database(clock.now())
    if ledger_url is not None:
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            differences = await check_ledger(await _read(http, ledger_url))
            if differences:
                again = {(each.invariant, each.row) for each in await check_ledger(await _read(http, ledger_url))}
                breaches += [each for each in differences if (each.invariant, each.row) in again]
    return await Order.count(), breaches


async def _read(http: httpx.AsyncClient, url: str) -> list[dict[str, Any]]:
    try:
        answer = await http.get(url.rstrip("/").removesuffix(LEDGER) + LEDGER)
        answer.raise_for_status()
        return answer.json()["payments"]
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
        raise NoLedger(f"What answers at {url} has no ledger: --ledger wants the address of a sandbox.") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoLedger(f"The sandbox at {url} does not tell its ledger: {error or type(error).__name__}.") from None


def lines_of(breaches: Sequence[Breach]) -> Iterator[str]:
    """One line a breach; of one invariant MOST_LINES at most, and how many more there are."""
    for name in dict.fromkeys(breach.invariant for breach in breaches):
        found = [breach for breach in breaches if breach.invariant == name]
        yield from (f"{name}: {breach.row} {breach.detail}" for breach in found[:MOST_LINES])
        if len(found) > MOST_LINES:
            yield f"{name}: and {len(found) - MOST_LINES} more"


def summary(checkouts: int, broken: int, faults: int = 0) -> str:
    """The last line of `check` and of `simulate`, for tools."""
    return json.dumps({"checkouts": checkouts, "faults": faults, "broken": broken})
