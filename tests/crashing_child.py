"""A process of the crash tests, by a clock that may go faster: the sandbox, or what `python -m app.cli` would run.

    python -m tests.crashing_child PACE BEGINNING sandbox CONFIG
    python -m tests.crashing_child PACE BEGINNING serve --port 8000

Since BEGINNING (seconds of the epoch) PACE seconds go by in each second. Leases and windows that last for minutes end
within a test's patience, and every process of one run tells the same time.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from app import clock

READY = "The sandbox is ready"


def quick_clock(pace: float, beginning: float) -> Callable[[], datetime]:
    """What stands in `clock.now`'s place."""

    def now() -> datetime:
        return datetime.fromtimestamp(beginning + (time.time() - beginning) * pace, UTC)

    return now


def main(arguments: Sequence[str]) -> int:
    # Before any table is imported: the columns keep the function itself as their default.
    clock.now = quick_clock(float(arguments[0]), float(arguments[1]))
    if arguments[2] == "sandbox":
        return play(Path(arguments[3]))
    from app.cli import main

    return main(arguments[2:])


def play(config: Path) -> int:
    """The sandbox, until SIGINT or SIGTERM: `accounts` and `port` stand in the file, its book beside it."""
    from app.sandbox.main import create_sandbox
    from app.serving import listen, run_servers

    told = json.loads(config.read_text())
    sandbox = create_sandbox(
        accounts=told["accounts"],
        book=config.parent / "book.sqlite",
        now=clock.now,
        webhook_time_scale=told["webhook_time_scale"],
    )

    async def ready() -> None:
        print(READY, file=sys.stderr, flush=True)

    return 0 if asyncio.run(run_servers([(sandbox, [listen("127.0.0.1", told["port"])])], ready)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
