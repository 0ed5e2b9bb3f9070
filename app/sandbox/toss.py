"""Toss's server API: the routes that a shop's server calls with its secret key."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ExceptionHandlersMap

from app.sandbox.book import Book
from app.sandbox.toss_cancels import TossCancels
from app.sandbox.toss_desk import TossDesk, json_object, origin
from app.sandbox.toss_errors import TossError
from app.sandbox.toss_object import looked_up
from app.sandbox.toss_payments import PROVIDER, Account
from app.sandbox.toss_time import read_local

DEFAULT_LIMIT, MOST_ROWS = 100, 5000


def refusal(_: Request, error: TossError) -> Response:
    """A refused call, in Toss's own form."""
    return Response(error.body, status_code=error.status)


class TossApi(Controller):
    path = "/v1"
    exception_handlers: ClassVar[ExceptionHandlersMap] = {TossError: refusal}

    @post("/payments/confirm", status_code=200)
    async def confirm(self, request: Request, desk: NamedDependency[TossDesk]) -> Response:
        account = desk.account(request)
        body = await json_object(request)
        return await desk.move(
            request,
            account,
            "confirm",
            body.get("orderId"),
            lambda error: desk.toss.confirm(account, body, error),
        )

    @post("/payments/{payment_key:str}/cancel", status_code=200)
    async def cancel(
        self,
        request: Request,
        desk: NamedDependency[TossDesk],
        cancels: NamedDependency[TossCancels],
        payment_key: FromPath[str],
    ) -> Response:
        account = desk.account(request)
        body = await json_object(request)
        known = desk.toss.find(payment_key)
        return await desk.move(
            request,
            account,
            "cancel",
            known.reference if known else None,
            lambda error: cancels.cancel(account, payment_key, body, error),
        )

    @get("/payments/{payment_key:str}")
    async def by_key(self, request: Request, desk: NamedDependency[TossDesk], payment_key: FromPath[str]) -> Response:
        account = desk.account(request)
        known = desk.toss.find(payment_key)
        return await desk.look(
            request,
            known.reference if known else None,
            lambda: looked_up(desk.toss.of_key(account, payment_key), origin(request)),
        )

    @get("/payments/orders/{order_id:str}")
    async def by_order(self, request: Request, desk: NamedDependency[TossDesk], order_id: FromPath[str]) -> Response:
        account = desk.account(request)
        return await desk.look(
            request, order_id, lambda: looked_up(desk.toss.of_order(account, order_id), origin(request))
        )

    @get("/transactions")
    async def transactions(
        self, request: Request, desk: NamedDependency[TossDesk], book: NamedDependency[Book]
    ) -> Response:
        """What moved money between two moments in Korean time, both included, oldest first."""
        account = desk.account(request)
        return await desk.look(request, None, lambda: _transactions(book, account, request.query_params))


def _transactions(book: Book, account: Account, query: Mapping[str, str]) -> list[dict[str, Any]]:
    since, until = _moment(query, "startDate"), _moment(query, "endDate")
    if until < since:
        raise TossError("INVALID_REQUEST", "endDate는 startDate보다 앞설 수 없습니다.")
    limit = query.get("limit", str(DEFAULT_LIMIT))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= MOST_ROWS):
        raise TossError("INVALID_REQUEST", f"limit은 1 이상 {MOST_ROWS} 이하의 정수여야 합니다.")
    after = (
        book.place_of_transaction(PROVIDER, account.merchant, query["startingAfter"]) if "startingAfter" in query else 0
    )
    # [U] What Toss answers to a key that it does not know.
    if after is None:
        raise TossError("INVALID_REQUEST", "startingAfter는 없는 거래입니다.")
    return book.transactions(PROVIDER, account.merchant, since, until, after, int(limit))


def _moment(query: Mapping[str, str], name: str) -> datetime:
    moment = read_local(query.get(name))
    if moment is None:
        raise TossError("INVALID_REQUEST", f"{name}는 필수이며 yyyy-MM-ddTHH:mm:ss 형식이어야 합니다.")
    return moment
