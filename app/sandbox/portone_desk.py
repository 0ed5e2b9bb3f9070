"""What stands between a request and PortOne's payments: secrets and tokens, the idempotency store, and faults."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from litestar import Request, Response

from app.sandbox.book import Answer
from app.sandbox.dropping import Dropped
from app.sandbox.faults import KINDS, ON_THE_WAY, Fault, Faults, refusal_of_look_up
from app.sandbox.portone_book import PROVIDER
from app.sandbox.portone_errors import PortOneError
from app.sandbox.portone_payments import PortOneAccount, PortOnePayments

KEYS_LIVE = timedelta(hours=3)
TOKENS_LIVE = {"access": timedelta(minutes=30), "refresh": timedelta(days=1)}
# A string of RFC 8941: the quotes are part of the header.
KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
SHORTEST_KEY, LONGEST_KEY = 16, 256
AT_THE_WINDOW = ("amount_changed",)
HERE = tuple(kind for kind in KINDS if kind not in AT_THE_WINDOW)


class PortOneDesk:
    """Answers the server API. `running` are the idempotency keys whose first request is not answered yet."""

    def __init__(self, portone: PortOnePayments, faults: Faults) -> None:
        self.portone, self.faults = portone, faults
        self.book, self.records, self.world = portone.book, portone.records, portone.world
        self.running: set[str | None] = set()

    def store(self, request: Request, asked: Any = None) -> str:
        """The store of the secret or token that this request bears; `asked` is the storeId that it names itself."""
        scheme, _, proof = request.headers.get("authorization", "").partition(" ")
        secret = {
            "PortOne": lambda: proof,
            "Bearer": lambda: self.records.owner_of_token(proof, "access", self.world.now()),
        }.get(scheme, lambda: None)()
        account = self._account(secret)
        if asked is not None and not isinstance(asked, str):
            raise PortOneError("INVALID_REQUEST", "storeId는 문자열이어야 합니다.")
        if asked not in (None, account.store_id):
            raise PortOneError("FORBIDDEN", "이 상점에 접근할 권한이 없습니다.")
        return account.store_id

    def log_in(self, api_secret: Any) -> dict[str, str]:
        """Tokens for a secret. Those to refresh with that were given before are over."""
        account = self._account(api_secret)
        self.records.drop_tokens("refresh", account.api_secret)
        tokens = {kind: self.world.text(64) for kind in TOKENS_LIVE}
        for kind, token in tokens.items():
            self.records.keep_token(token, kind, account.api_secret, self.world.now() + TOKENS_LIVE[kind])
        return {"accessToken": tokens["access"], "refreshToken": tokens["refresh"]}

    def log_in_again(self, refresh_token: Any) -> dict[str, str]:
        if not isinstance(refresh_token, str):
            raise PortOneError("INVALID_REQUEST", "refreshToken은 필수입니다.")
        return self.log_in(self.records.owner_of_token(refresh_token, "refresh", self.world.now()))

    async def move(
        self,
        request: Request,
        store_id: str,
        call: str | None,
        reference: str,
        work: Callable[[str | None], dict[str, Any]],
    ) -> Response:
        """Answer a call that changes something. `work` does it, and gets the code that a fault asks for; no fault
        strikes a `call` of None.
        """
        scope, asked = self._scope(request, store_id), await _fingerprint(request)
        if scope in self.running:
            raise PortOneError("IDEMPOTENCY_OUTSTANDING_REQUEST")
        first = self._first_answer(scope, asked)
        fault = self.faults.strike(PROVIDER, call, reference, ON_THE_WAY if first else HERE) if call else None
        kind = fault.kind if fault else None
        if kind == "answer_lost_before":
            return Dropped()
        new_scope = scope if first is None else None
        if new_scope:
            self.running.add(new_scope)
        try:
            answer = first or self._first_attempt(fault, work)
            if fault and kind == "slow":
                await self.world.sleep(fault.seconds)
            if new_scope:
                body = {"asked": asked, "answer": answer.body}
                self.book.keep_answer(new_scope, Answer(answer.at, answer.status, body))
        finally:
            self.running.discard(new_scope)
        return Dropped() if kind == "answer_lost_after" else Response(answer.body, status_code=answer.status)

    async def look(self, reference: str | None, find: Callable[[], Any]) -> Response:
        """Answer a look-up with what `find` finds. Idempotency keys mean nothing here."""
        fault = self.faults.strike(PROVIDER, "lookup", reference)
        if fault and fault.loses_answer:
            return Dropped()
        if code := await refusal_of_look_up(fault, self.world, "INTERNAL_SERVER_ERROR", "TOO_MANY_REQUESTS"):
            raise PortOneError(code)
        return Response(find())

    def _account(self, secret: Any) -> PortOneAccount:
        for account in self.portone.accounts:
            if account.api_secret == secret:
                return account
        raise PortOneError("UNAUTHORIZED")

    def _scope(self, request: Request, store_id: str) -> str | None:
        header = request.headers.get("idempotency-key")
        if header is None:
            return None
        key = KEY.fullmatch(header)
        # [U] What PortOne answers to a key that is not in its form.
        if key is None or not SHORTEST_KEY <= len(re.sub(r"\\(.)", r"\1", key[1])) <= LONGEST_KEY:
            raise PortOneError("INVALID_REQUEST", "Idempotency-Key는 따옴표 속의 16~256자 ASCII여야 합니다.")
        return "\n".join((PROVIDER, store_id, header))

    def _first_answer(self, scope: str | None, asked: str) -> Answer | None:
        kept = self.book.answer(scope) if scope else None
        if kept is None or self.world.now() - kept.at >= KEYS_LIVE:
            return None
        # [U] PortOne forbids it, and does not say what happens. A shop that does it should notice.
        if kept.body["asked"] != asked:
            raise PortOneError("INVALID_REQUEST", "이 Idempotency-Key는 다른 요청에 쓰였습니다.")
        return Answer(kept.at, kept.status, kept.body["answer"])

    def _first_attempt(self, fault: Fault | None, work: Callable[[str | None], dict[str, Any]]) -> Answer:
        now = self.world.now()
        try:
            if fault and fault.kind == "server_error":
                raise PortOneError("INTERNAL_SERVER_ERROR")
            body = work(fault.code if fault else None)
            if fault and fault.kind == "server_error_after":
                raise PortOneError("INTERNAL_SERVER_ERROR")
            return Answer(now, 200, body)
        except PortOneError as error:
            return Answer(now, error.status, error.body)


async def json_object(request: Request) -> dict[str, Any]:
    """The request's JSON object, empty if it has no body; INVALID_REQUEST for anything else."""
    return read_object(await request.body() or b"{}")


def read_object(text: str | bytes) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise PortOneError("INVALID_REQUEST", "JSON 객체여야 합니다.")
    return body


def origin(request: Request) -> str:
    """The sandbox's own address, as this caller wrote it."""
    return str(request.base_url).rstrip("/")


async def _fingerprint(request: Request) -> str:
    """What makes a request another one: method, path, query and body."""
    return "\n".join((request.method, request.url.path, request.url.query, (await request.body()).decode("latin-1")))
