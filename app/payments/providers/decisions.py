"""What an error of a PG means for us. Each provider has a table of its PG's codes."""

from enum import StrEnum


class Decision(StrEnum):
    """RETRY: the same request with the same key, later. LOOK_UP: it may have been done in spite of the answer, which
    the PG may replay for its key. FINAL: not done, and never will be. MISCONFIGURED: our keys are refused."""

    RETRY = "retry"
    LOOK_UP = "look_up"
    FINAL = "final"
    MISCONFIGURED = "misconfigured"
