"""What stands between a request and Toss's payments: keys, the idempotency store, test codes, and faults."""

import base64
import binascii
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from litestar import Request, Response
from litestar.types import Message, Scope

from app.sandbox.book import Answer, Book, Payment
from app.sandbox.dropping import Dropped
from app.sandbox.faults import KINDS, ON_THE_WAY, Fault, Faults, refusal_of_look_up
from app.sandbox.toss_errors import ERRORS, TossError
from app.sandbox.toss_object import payment_object
from app.sandbox.toss_payments import PROVIDER, Account, TossPayments
from app.sandbox.world import World

KEYS_LIVE = timedelta(days=15)


class TossDesk:
    """Answers the server API. `running` are the idempotency keys whose first request is not answered yet."""

    def __init__(self, toss: TossPayments, faults: Faults, book: Book, world: World) -> None:
        self.toss, self.faults, self.book, self.world = toss, faults, book, world
        self.running: set[str | None] = set()

    def account(self, request: Request) -> Account:
        """Whose secret key signs this request. Raises TossError."""
        user, colon, password = _basic(request.headers.get("authorization")).partition(":")
        if not colon or password:
            raise TossError("INCORRECT_BASIC_AUTH_FORMAT")
        if any(account.client_key == user for account in self.toss.accounts):
            raise TossError("INVALID_API_KEY")
        for account in self.toss.accounts:
            if account.secret_key == user:
                return account
        raise TossError("UNAUTHORIZED_KEY")

    async def move(
        self,
        request: Request,
        account: Account,
        call: str,
        reference: str | None,
        work: Callable[[str | None], Payment],
    ) -> Response:
        """Answer a call that moves money. `work` does it, and gets the error code that a fault asks for."""
        scope = self._scope(request, account)
        if scope in self.running:
            raise TossError("IDEMPOTENT_REQUEST_PROCESSING")
        first = self._first_answer(scope)
        fault = self.faults.strike(PROVIDER, call, reference, ON_THE_WAY if first else KINDS)
        kind = fault.kind if fault else None
        if kind == "answer_lost_before":
            return Dropped()
        new_scope = scope if first is None else None
        if new_scope:
            self.running.add(new_scope)
        try:
            answer = first or self._first_attempt(request, fault, work)
            if fault and kind == "slow":
                await self.world.sleep(fault.seconds)
            if new_scope:
                self.book.keep_answer(new_scope, answer)
        finally:
            self.running.discard(new_scope)
        return Dropped() if kind == "answer_lost_after" else Response(answer.body, status_code=answer.status)

    async def look(self, request: Request, reference: str | None, find: Callable[[], Any]) -> Response:
        """Answer a look-up with what `find` finds. Idempotency keys mean nothing here."""
        _obey_test_code(request)
        fault = self.faults.strike(PROVIDER, "lookup", reference)
        if fault and fault.loses_answer:
            return Dropped()
        if code := await refusal_of_look_up(
            fault, self.world, "FAILED_INTERNAL_SYSTEM_PROCESSING", "TOO_MANY_REQUESTS"
        ):
            raise TossError(code)
        return Response(find())

    def _scope(self, request: Request, account: Account) -> str | None:
        """What an idempotency key is good for: this API key, URL, method and key."""
        key = request.headers.get("idempotency-key")
        if not key:
            return None
        if len(key) > 300:
            raise TossError("INVALID_IDEMPOTENCY_KEY")
        return "\n".join((account.secret_key, request.url.path, request.method, key))

    def _first_answer(self, scope: str | None) -> Answer | None:
        answer = self.book.answer(scope) if scope else None
        return answer if answer and self.world.now() - answer.at < KEYS_LIVE else None

    def _first_attempt(self, request: Request, fault: Fault | None, work: Callable[[str | None], Payment]) -> Answer:
        now = self.world.now()
        try:
            _obey_test_code(request)
            if fault and fault.kind == "server_error":
                raise TossError("FAILED_INTERNAL_SYSTEM_PROCESSING")
            payment = work(fault.code if fault else None)
            if fault and fault.kind == "server_error_after":
                raise TossError("FAILED_INTERNAL_SYSTEM_PROCESSING")
            return Answer(now, 200, payment_object(payment, origin(request)))
        except TossError as error:
            return Answer(now, error.status, error.body)


async def json_object(request: Request) -> dict[str, Any]:
    """The request's JSON object; INVALID_REQUEST for anything else."""
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise TossError("INVALID_REQUEST", "요청 본문은 JSON 객체여야 합니다.")
    return body


def origin(request: Request) -> str:
    """The sandbox's own address, as this caller wrote it."""
    return str(request.base_url).rstrip("/")


async def trace(message: Message, scope: Scope) -> None:
    """Every answer of the server API carries an id that Toss's support would ask for."""
    if message["type"] == "http.response.start" and scope["path"].startswith("/v1/"):
        world: World = scope["litestar_app"].state.world
        trace_id = world.text(32).lower().encode()
        message["headers"] = [*message["headers"], (b"x-tosspayments-trace-id", trace_id)]


def _basic(header: str | None) -> str:
    """What stands in a Basic header, in plain text."""
    if not header:
        raise TossError("UNAUTHORIZED_KEY")
    scheme, _, encoded = header.partition(" ")
    try:
        plain = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        plain = ""
    if scheme.lower() != "basic":
        plain = ""
    return plain


def _obey_test_code(request: Request) -> None:
    """A test key may ask for any error, before anything else of the request is looked at."""
    code = request.headers.get("tosspayments-test-code")
    if code in ERRORS:
        raise TossError(code)
    # [U] What Toss does with an unknown code; a misspelt one should not pass for a success.
    if code:
        raise TossError("INVALID_REQUEST", f"TossPayments-Test-Code {code}는 없는 에러 코드입니다.")
