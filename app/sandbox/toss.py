"""Toss's server API: the routes that a shop's server calls with its secret key."""

from typing import ClassVar

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ExceptionHandlersMap

from app.sandbox.toss_desk import TossDesk, json_object
from app.sandbox.toss_errors import TossError


def refusal(_: Request, error: TossError) -> Response:
    """A refused call, in Toss's own form."""
    return Response(error.body, status_code=error.status)


class TossApi(Controller):
    path = "/v1/payments"
    exception_handlers: ClassVar[ExceptionHandlersMap] = {TossError: refusal}

    @post("/confirm", status_code=200)
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

    @post("/{payment_key:str}/cancel", status_code=200)
    async def cancel(self, request: Request, desk: NamedDependency[TossDesk], payment_key: FromPath[str]) -> Response:
        account = desk.account(request)
        body = await json_object(request)
        known = desk.toss.find(payment_key)
        return await desk.move(
            request,
            account,
            "cancel",
            known.reference if known else None,
            lambda error: desk.toss.cancel(account, payment_key, body, error),
        )

    @get("/{payment_key:str}")
    async def by_key(self, request: Request, desk: NamedDependency[TossDesk], payment_key: FromPath[str]) -> Response:
        account = desk.account(request)
        known = desk.toss.find(payment_key)
        return await desk.look(
            request, known.reference if known else None, lambda: desk.toss.of_key(account, payment_key)
        )

    @get("/orders/{order_id:str}")
    async def by_order(self, request: Request, desk: NamedDependency[TossDesk], order_id: FromPath[str]) -> Response:
        account = desk.account(request)
        return await desk.look(request, order_id, lambda: desk.toss.of_order(account, order_id))
