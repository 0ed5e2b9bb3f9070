"""PortOne's server API: the routes that a shop's server calls with its API secret. The base is `/portone`."""

from typing import Any, ClassVar

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ExceptionHandlersMap

from app.sandbox.portone_cancels import PortOneCancels
from app.sandbox.portone_desk import PortOneDesk, json_object, origin, read_object
from app.sandbox.portone_errors import PortOneError
from app.sandbox.portone_lists import PortOneLists
from app.sandbox.portone_records import PortOneRecords


def refusal(_: Request, error: PortOneError) -> Response:
    """A refused call, in PortOne's own form."""
    return Response(error.body, status_code=error.status)


class PortOneApi(Controller):
    path = "/portone"
    exception_handlers: ClassVar[ExceptionHandlersMap] = {PortOneError: refusal}

    @post("/login/api-secret", status_code=200)
    async def log_in(self, request: Request, portone_desk: NamedDependency[PortOneDesk]) -> dict[str, str]:
        body = await json_object(request)
        if not isinstance(body.get("apiSecret"), str):
            raise PortOneError("INVALID_REQUEST", "apiSecret은 필수입니다.")
        return portone_desk.log_in(body["apiSecret"])

    @post("/token/refresh", status_code=200)
    async def log_in_again(self, request: Request, portone_desk: NamedDependency[PortOneDesk]) -> dict[str, str]:
        return portone_desk.log_in_again((await json_object(request)).get("refreshToken"))

    @post("/payments/{payment_id:str}/pre-register", status_code=200)
    async def pre_register(
        self, request: Request, portone_desk: NamedDependency[PortOneDesk], payment_id: FromPath[str]
    ) -> Response:
        body = await json_object(request)
        store = portone_desk.store(request, body.get("storeId"))
        return await portone_desk.move(
            request,
            store,
            "begin",
            payment_id,
            lambda error: portone_desk.portone.pre_register(store, payment_id, body, error),
        )

    @post("/payments/{payment_id:str}/confirm", status_code=200)
    async def confirm(
        self, request: Request, portone_desk: NamedDependency[PortOneDesk], payment_id: FromPath[str]
    ) -> Response:
        body = await json_object(request)
        store = portone_desk.store(request, body.get("storeId"))
        return await portone_desk.move(
            request,
            store,
            "confirm",
            payment_id,
            lambda error: portone_desk.portone.confirm(store, payment_id, body, error),
        )

    @post("/payments/{payment_id:str}/cancel", status_code=200)
    async def cancel(
        self,
        request: Request,
        portone_desk: NamedDependency[PortOneDesk],
        portone_cancels: NamedDependency[PortOneCancels],
        payment_id: FromPath[str],
    ) -> Response:
        body = await json_object(request)
        store = portone_desk.store(request, body.get("storeId"))
        return await portone_desk.move(
            request,
            store,
            "cancel",
            payment_id,
            lambda error: portone_cancels.cancel(store, payment_id, body, error),
        )

    @post("/payments/{payment_id:str}/cancellations/{cancellation_id:str}/stop", status_code=200)
    async def stop(
        self,
        request: Request,
        portone_desk: NamedDependency[PortOneDesk],
        portone_cancels: NamedDependency[PortOneCancels],
        payment_id: FromPath[str],
        cancellation_id: FromPath[str],
    ) -> Response:
        store = portone_desk.store(request, (await json_object(request)).get("storeId"))
        return await portone_desk.move(
            request,
            store,
            "cancel",
            payment_id,
            lambda error: portone_cancels.stop(store, payment_id, cancellation_id, error),
        )

    @post("/payments/{payment_id:str}/virtual-account/close", status_code=200)
    async def close(
        self, request: Request, portone_desk: NamedDependency[PortOneDesk], payment_id: FromPath[str]
    ) -> Response:
        store = portone_desk.store(request, request.query_params.get("storeId"))
        return await portone_desk.move(
            request,
            store,
            "close",
            payment_id,
            lambda error: portone_desk.portone.close(store, payment_id, error),
        )

    @post("/payments/{payment_id:str}/resend-webhook", status_code=200)
    async def resend(
        self,
        request: Request,
        portone_desk: NamedDependency[PortOneDesk],
        portone_records: NamedDependency[PortOneRecords],
        payment_id: FromPath[str],
    ) -> Response:
        body = await json_object(request)
        store = portone_desk.store(request, body.get("storeId"))
        return await portone_desk.move(
            request, store, None, payment_id, lambda _: portone_records.resend(store, payment_id, body.get("webhookId"))
        )

    @get("/payments/{payment_id:str}")
    async def look_up(
        self,
        request: Request,
        portone_desk: NamedDependency[PortOneDesk],
        portone_records: NamedDependency[PortOneRecords],
        payment_id: FromPath[str],
    ) -> Response:
        store = portone_desk.store(request, request.query_params.get("storeId"))
        return await portone_desk.look(
            payment_id, lambda: portone_records.shown(portone_desk.portone.current(store, payment_id), origin(request))
        )

    @get("/payments/{payment_id:str}/transactions")
    async def attempts(
        self,
        request: Request,
        portone_desk: NamedDependency[PortOneDesk],
        portone_records: NamedDependency[PortOneRecords],
        payment_id: FromPath[str],
    ) -> Response:
        store = portone_desk.store(request, request.query_params.get("storeId"))
        return await portone_desk.look(payment_id, lambda: portone_records.attempts(store, payment_id, origin(request)))

    @get("/payments")
    async def by_page(
        self,
        request: Request,
        portone_desk: NamedDependency[PortOneDesk],
        portone_lists: NamedDependency[PortOneLists],
        portone_records: NamedDependency[PortOneRecords],
    ) -> Response:
        body = await _asked(request)
        wanted = body.get("filter")
        store = portone_desk.store(request, wanted.get("storeId") if isinstance(wanted, dict) else None)

        def find() -> dict[str, Any]:
            payments, page = portone_lists.by_page(store, body)
            return {"items": [portone_records.shown(each, origin(request)) for each in payments], "page": page}

        return await portone_desk.look(None, find)

    @get("/payments-by-cursor")
    async def by_cursor(
        self,
        request: Request,
        portone_desk: NamedDependency[PortOneDesk],
        portone_lists: NamedDependency[PortOneLists],
        portone_records: NamedDependency[PortOneRecords],
    ) -> Response:
        body = await _asked(request)
        store = portone_desk.store(request, body.get("storeId"))

        def find() -> dict[str, Any]:
            rows = portone_lists.by_cursor(store, body)
            items = [
                {"payment": portone_records.shown(payment, origin(request)), "cursor": cursor}
                for payment, cursor in rows
            ]
            return {"items": items}

        return await portone_desk.look(None, find)


async def _asked(request: Request) -> dict[str, Any]:
    """What a list is asked for: JSON in the query, or as the body of the GET."""
    text = request.query_params.get("requestBody")
    return read_object(text) if text else await json_object(request)
