"""Faults on demand: which call goes wrong, how, and how often. They are the same for every gateway."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.sandbox.book import Book
from app.sandbox.world import World

KINDS = (
    "answer_lost_before",  # the connection drops and nothing has happened
    "answer_lost_after",  # it has happened, then the connection drops
    "slow",  # it has happened, the answer comes `seconds` late
    "server_error",  # 500 and nothing has happened
    "server_error_after",  # it has happened, then 500
    "rate_limited",  # 429 on look-ups
    "error",  # refused with the gateway's own `code`
    "amount_changed",  # the window takes another amount than the shop asked for
    "webhook_dropped",  # never sent
    "webhook_doubled",  # sent twice, with the same id
    "webhook_late",  # sent `seconds` later
    "webhook_out_of_order",  # sent after the payment's next webhook, or `seconds` later if none comes
    "webhook_forged",  # one more is sent that claims what is not true
)
FORGED = "webhook_forged"
ON_A_WEBHOOK = ("webhook_dropped", "webhook_doubled", "webhook_late", "webhook_out_of_order")
ALIASES = {"answer_lost": "answer_lost_after", "5xx": "server_error"}
# These concern the way of an answer and not the work behind it, so a replayed answer meets them too.
ON_THE_WAY = ("answer_lost_before", "answer_lost_after", "slow")
CALLS = {
    "money": ("confirm", "cancel"),
    "begin": ("begin",),
    "confirm": ("confirm",),
    "cancel": ("cancel",),
    "close": ("close",),
    "lookup": ("lookup",),
    "webhook": ("webhook",),
}
DEFAULT_CALL = {
    "rate_limited": "lookup",
    "error": "confirm",
    "amount_changed": "begin",
    **dict.fromkeys((*ON_A_WEBHOOK, FORGED), "webhook"),
}
DEFAULT_SECONDS = {"webhook_late": 60, "webhook_out_of_order": 60}
FIELDS = ("provider", "kind", "call", "reference", "percent", "times", "seconds", "code")


@dataclass(frozen=True)
class Fault:
    """Hits the payment `reference` (the merchant's id) or `percent` of 100 calls; `times` None has no end.

    All webhooks about one change of a payment count as one call.
    """

    provider: str
    kind: str
    call: str
    reference: str | None
    percent: float | None
    times: int | None
    seconds: float
    code: str | None

    @property
    def loses_answer(self) -> bool:
        """Whether the connection drops. Of a look-up it is the same before and after the work."""
        return self.kind in ("answer_lost_before", "answer_lost_after")

    def concerns(self, call: str, reference: str | None) -> bool:
        return call in CALLS[self.call] and self.reference in (None, reference)


async def refusal_of_look_up(fault: Fault | None, world: World, server_error: str, rate_limited: str) -> str | None:
    """The gateway's code with which a struck look-up is refused, after the wait of a slow one; None: it is answered."""
    if fault is None:
        return None
    if fault.kind == "slow":
        await world.sleep(fault.seconds)
    if fault.kind in ("server_error", "server_error_after"):
        return server_error
    return rate_limited if fault.kind == "rate_limited" else fault.code


class Faults:
    """The armed faults, kept in the book. `codes` are the error codes that each provider knows."""

    def __init__(self, book: Book, world: World, codes: Mapping[str, Collection[str]]) -> None:
        self.book, self.world, self.codes = book, world, codes

    def arm(self, raw: Any) -> tuple[int, Fault]:
        """Keep a fault until it is used up; a body that makes no sense raises ValueError with a sentence."""
        fault = read_fault(raw, self.codes)
        return self.book.add_fault(asdict(fault)), fault

    def armed(self) -> list[tuple[int, Fault]]:
        return [(number, Fault(**body)) for number, body in self.book.faults()]

    def strike(self, provider: str, call: str, reference: str | None, kinds: Collection[str] = KINDS) -> Fault | None:
        """The oldest armed fault of these kinds that hits this call. It is used up by one."""
        for number, body in self.book.faults():
            if body["provider"] != provider or body["kind"] not in kinds:
                continue
            fault = Fault(**body)
            if not fault.concerns(call, reference):
                continue
            if fault.percent is not None and not self.world.hits(fault.percent):
                continue
            self._use(number, fault)
            return fault
        return None

    def _use(self, number: int, fault: Fault) -> None:
        if fault.times == 1:
            self.book.drop_fault(number)
        elif fault.times is not None:
            self.book.change_fault(number, {**asdict(fault), "times": fault.times - 1})


def read_fault(raw: Any, codes: Mapping[str, Collection[str]]) -> Fault:
    """A fault as it is sent to the control API; ValueError says what is wrong with it."""
    if not isinstance(raw, dict):
        raise ValueError("a fault is a JSON object")
    if unknown := sorted(set(raw) - set(FIELDS)):
        raise ValueError(f"unknown fields {', '.join(unknown)}; known are {', '.join(FIELDS)}")
    provider = _one_of("provider", raw.get("provider"), codes)
    kind = raw.get("kind")
    kind = _one_of("kind", ALIASES.get(kind, kind) if isinstance(kind, str) else kind, [*KINDS, *ALIASES])
    call = _one_of("call", raw.get("call", DEFAULT_CALL.get(kind, "money")), CALLS)
    if kind == "rate_limited" and call != "lookup":
        raise ValueError('rate_limited strikes look-ups only: leave call out, or send "lookup"')
    if (call == "webhook") != (kind in (*ON_A_WEBHOOK, FORGED)):
        raise ValueError('the kinds webhook_... and the call "webhook" belong together')
    reference, percent = raw.get("reference"), raw.get("percent")
    if (reference is None) == (percent is None):
        raise ValueError("a fault needs either reference (the merchant's id of a payment) or percent")
    if reference is not None and not (isinstance(reference, str) and reference):
        raise ValueError("reference must be the merchant's id of a payment")
    if percent is not None and not (_is_number(percent) and 0 <= percent <= 100):
        raise ValueError("percent must be a number from 0 to 100")
    times = raw.get("times", None if reference is None else 1)
    if times is not None and not (type(times) is int and times >= 1):
        raise ValueError("times must be a whole number from 1")
    seconds = raw.get("seconds", DEFAULT_SECONDS.get(kind, 30))
    if not (_is_number(seconds) and 0 < seconds <= 3600):
        raise ValueError("seconds must be a number above 0, up to 3600")
    code = raw.get("code")
    if (code is not None) != (kind == "error"):
        raise ValueError("code belongs to the kind error, and error needs a code")
    if code is not None:
        _one_of("code", code, codes[provider])
    return Fault(provider, kind, call, reference, percent, times, seconds, code)


def _one_of(name: str, value: Any, allowed: Collection[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
