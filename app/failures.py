"""What is said of an exception in logs and rows: never its message, which may hold what a shopper typed."""

import traceback
from pathlib import Path

ROOT = Path(__file__).parent


def describe(error: BaseException) -> str:
    """Its type, and where in our own code it came from: `ValueError at payments/settling.py:93`.

    Database drivers put whole rows into their messages.
    """
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(ROOT)]
    place = f" at {Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}"
