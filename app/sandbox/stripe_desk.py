"""What stands between a request and Stripe's payments: keys, versions, the idempotency store, and faults."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from litestar import Request, Response

from app.sandbox.book import Answer, Book
from app.sandbox.dropping import Dropped
from app.sandbox.faults import KINDS, ON_THE_WAY, Fault, Faults, refusal_of_look_up
from app.sandbox.stripe_account import PROVIDER, Account
from app.sandbox.stripe_cases import StripeCases
from app.sandbox.stripe_clock import StripeClock
from app.sandbox.stripe_errors import DECLINES, StripeError
from app.sandbox.stripe_events import StripeEvents
from app.sandbox.stripe_form import Reader, parse
from app.sandbox.stripe_lists import StripeLists
from app.sandbox.stripe_store import Document
from app.sandbox.stripe_versions import read_version, render
from app.sandbox.world import World

KEYS_LIVE = timedelta(hours=24)
LONGEST_KEY = 255
# What a window does with the amount is no fault of a call.
AT_THE_CALL = tuple(kind for kind in KINDS if kind != "amount_changed")


@dataclass(frozen=True)
class Asked:
    """A request whose key, version and parameters are good. `refuse_with` is the decline that a fault asks for."""

    account: Account
    version: str
    fields: Mapping[str, Any]
    request_id: str
    key: str | None
    refuse_with: str | None = None


class StripeDesk:
    """Answers the server API. `running` are the idempotency keys whose first request is not answered yet."""

    def __init__(
        self,
        cases: StripeCases,
        lists: StripeLists,
        clock: StripeClock,
        events: StripeEvents,
        faults: Faults,
        book: Book,
        world: World,
    ) -> None:
        self.cases, self.lists, self.clock, self.events = cases, lists, clock, events
        self.faults, self.book, self.world = faults, book, world
        self.running: set[str] = set()

    async def move(
        self,
        request: Request,
        call: str,
        reader: Callable[[str], Reader],
        reference: Callable[[Mapping[str, Any]], str | None],
        work: Callable[[Asked], Document],
    ) -> Response:
        """Answer a POST. `reader` checks the parameters for an API version, `reference` tells the merchant's id of
        the payment, `work` does it.
        """
        asked: Asked | None = None
        request_id = f"req_{self.world.text(14)}"
        try:
            body = (await request.body()).decode("utf-8", "replace")
            asked = self._asked(request, request_id, body, reader)
            return await self._answer(request, call, asked, reference(asked.fields), work)
        except StripeError as error:
            return self._response(Answer(self.world.now(), error.status, error.body), request_id, asked)

    async def look(
        self,
        request: Request,
        reader: Reader,
        reference: Callable[[Mapping[str, Any]], str | None],
        find: Callable[[Asked], Document],
    ) -> Response:
        """Answer a GET. Idempotency keys mean nothing here."""
        asked: Asked | None = None
        request_id = f"req_{self.world.text(14)}"
        try:
            asked = self._asked(request, request_id, str(request.url.query), lambda _: reader)
            fault = self.faults.strike(PROVIDER, "lookup", reference(asked.fields), AT_THE_CALL)
            if fault and fault.loses_answer:
                return Dropped()
            if code := await refusal_of_look_up(fault, self.world, "api_error", "rate_limit"):
                raise StripeError(code)
            self.clock.tick()
            body = self._shown(asked, find(asked))
            return self._response(Answer(self.world.now(), 200, body), request_id, asked)
        except StripeError as error:
            return self._response(Answer(self.world.now(), error.status, error.body), request_id, asked)

    def _asked(self, request: Request, request_id: str, sent: str, reader: Callable[[str], Reader]) -> Asked:
        account = self._account(request)
        version = read_version(request.headers.get("stripe-version"), account.webhook_version)
        if request.method == "POST" and "json" in request.headers.get("content-type", ""):
            raise StripeError("invalid_request", "The body must be form-encoded, not JSON.")
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        # [U] What is answered to a key that is too long.
        if key and len(key) > LONGEST_KEY:
            raise StripeError("invalid_request", f"Idempotency keys have at most {LONGEST_KEY} characters.")
        return Asked(account, version, reader(version)(parse(sent), ""), request_id, key or None)

    async def _answer(
        self,
        request: Request,
        call: str,
        asked: Asked,
        reference: str | None,
        work: Callable[[Asked], Document],
    ) -> Response:
        scope = f"{asked.account.secret_key}\n{asked.key}" if asked.key else None
        if scope in self.running:
            raise StripeError("idempotency_key_in_use")
        first, mark = self._first_answer(scope), _mark(request, asked.fields)
        if first and first.body["asked"] != mark:
            raise StripeError("idempotency_error")
        fault = self.faults.strike(PROVIDER, call, reference, ON_THE_WAY if first else AT_THE_CALL)
        kind = fault.kind if fault else None
        if kind == "answer_lost_before":
            return Dropped()
        if scope:
            self.running.add(scope)
        try:
            answer, is_kept = (first, False) if first else self._first_attempt(asked, call, mark, fault, work)
            if fault and kind == "slow":
                await self.world.sleep(fault.seconds)
            if scope and is_kept:
                self.book.keep_answer(scope, answer)
        finally:
            self.running.discard(scope or "")
        if kind == "answer_lost_after":
            return Dropped()
        plain = Answer(answer.at, answer.status, answer.body["answer"])
        return self._response(plain, asked.request_id, asked, is_replayed=first is not None)

    def _first_answer(self, scope: str | None) -> Answer | None:
        answer = self.book.answer(scope) if scope else None
        return answer if answer and self.world.now() - answer.at < KEYS_LIVE else None

    def _first_attempt(
        self, asked: Asked, call: str, mark: str, fault: Fault | None, work: Callable[[Asked], Document]
    ) -> tuple[Answer, bool]:
        """The answer with the mark of its request, and whether it is kept for the key."""
        now, code = self.world.now(), fault.code if fault else None
        is_decline = call == "confirm" and code in (*DECLINES, "card_declined")
        try:
            self.clock.tick()
            if fault and fault.kind == "server_error":
                raise StripeError("api_error")
            if code and not is_decline:
                raise StripeError(code)
            with self.events.caused_by(asked.request_id, asked.key):
                document = work(replace(asked, refuse_with=code))
            if fault and fault.kind == "server_error_after":
                raise StripeError("api_error")
            return Answer(now, 200, {"asked": mark, "answer": self._shown(asked, document)}), True
        except StripeError as error:
            return Answer(now, error.status, {"asked": mark, "answer": error.body}), error.is_kept

    def _shown(self, asked: Asked, document: Document) -> Document:
        expanded = self.lists.expand(asked.account, document, asked.fields.get("expand", ()))
        if expanded["object"] == "list":
            return expanded | {"data": [render(each, asked.version) for each in expanded["data"]]}
        return render(expanded, asked.version)

    def _account(self, request: Request) -> Account:
        """Whose secret key signs this request. Raises StripeError."""
        key = _key(request.headers.get("authorization"))
        for account in self.cases.accounts:
            if key == account.secret_key:
                return account
            # [U] The status of a key of the browser's in the server's place.
            if key == account.publishable_key:
                raise StripeError("permission_error", "This API call cannot be made with a publishable API key.")
        raise StripeError("authentication_error", f"Invalid API Key provided: {key[:8]}****" if key else None)

    def _response(
        self,
        answer: Answer,
        request_id: str,
        asked: Asked | None,
        is_replayed: bool = False,
    ) -> Response:
        headers = {"request-id": request_id}
        if asked:
            headers["stripe-version"] = asked.version
        if asked and asked.key:
            headers["idempotency-key"] = asked.key
        if is_replayed:
            headers["idempotent-replayed"] = "true"
        if answer.body.get("error", {}).get("code") in ("idempotency_key_in_use", "lock_timeout"):
            headers["stripe-should-retry"] = "true"
        return Response(answer.body, status_code=answer.status, headers=headers)


def _mark(request: Request, fields: Mapping[str, Any]) -> str:
    """Tells two requests apart: the same key belongs to the same call with the same parameters."""
    asked = json.dumps([request.method, request.url.path, fields], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def _key(header: str | None) -> str:
    """The secret key of a Bearer header, or the user of a Basic one; empty without."""
    scheme, _, rest = (header or "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    try:
        plain = base64.b64decode(rest, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return plain.partition(":")[0]
