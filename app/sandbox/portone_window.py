"""PortOne's browser side: the SDK stand-in, the payment window, the page of what became of it, and the receipt."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from litestar import Controller, HttpMethod, Request, Response, post, route
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import FromPath
from litestar.response import Redirect, Template
from litestar.types import ExceptionHandlersMap

from app.sandbox.book import Payment
from app.sandbox.faults import Faults
from app.sandbox.portone_bank import PortOneBank, possible
from app.sandbox.portone_book import PROVIDER
from app.sandbox.portone_desk import AT_THE_WINDOW, origin
from app.sandbox.portone_errors import DECLINES, PG_CODES, NotOpened, SentBack
from app.sandbox.portone_opening import PortOneOpening
from app.sandbox.portone_request import WALLETS, read_request
from app.sandbox.portone_time import read_stamp
from app.sandbox.portone_virtual_account import BANKS, ISSUERS

SDK = Path(__file__).parents[2] / "templates" / "sandbox" / "portone_sdk.js"
READ = [HttpMethod.GET, HttpMethod.HEAD]
# The shop's page calls from another origin.
CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "content-type",
}
CHOICES = {"CARD": "카드", **WALLETS, "TRANSFER": "계좌이체", "VIRTUAL_ACCOUNT": "가상계좌"}
APPROVALS = {"now": "바로 승인됨", "later": "나중에 승인됨 (PAY_PENDING)"}
REFUNDS = {
    "now": "취소하면 바로 환불됨",
    "later": "취소하면 나중에 환불됨 (REQUESTED)",
    "failed": "처음 취소는 실패함 (FAILED)",
}
DEPOSITOR = "홍길동"
# What an amount that the window changes grows by, in minor units.
SURPLUS = 1000
WEBHOOK_FAULTS = {
    "webhook_dropped": "웹훅이 오지 않음",
    "webhook_doubled": "웹훅이 두 번 옴",
    "webhook_late": "웹훅이 늦게 옴",
    "webhook_out_of_order": "웹훅의 순서가 바뀜",
    "webhook_forged": "위조된 웹훅이 옴",
}
FAULTS = {
    "answer_lost_after": "다음 승인·취소의 답이 사라짐 (돈은 움직임)",
    "answer_lost_before": "다음 승인·취소의 연결이 끊김 (돈은 그대로)",
    "slow": "다음 승인·취소의 답이 30초 늦음 (돈은 움직임)",
    "server_error": "다음 승인·취소에 500 오류 (돈은 그대로)",
    "server_error_after": "다음 승인·취소에 500 오류 (돈은 움직임)",
    "amount_changed": f"결제창이 {SURPLUS:,} 더 받음",
    **WEBHOOK_FAULTS,
}


def refused_page(_: Request, error: NotOpened) -> Template:
    """A window that PortOne would not open, said in a sentence."""
    return Template("sandbox/refused.html", context={"error": error}, status_code=error.status)


def sent_back(_: Request, error: SentBack) -> Redirect:
    return Redirect(error.url, status_code=303)


class PortOneSdk(Controller):
    path = "/sdk/portone"
    # They also stand on the answer to the browser's OPTIONS, which the framework gives.
    response_headers: ClassVar[Mapping[str, str]] = CORS

    @route("/v2/browser-sdk.js", http_method=READ)
    async def script(self) -> Response:
        return Response(SDK.read_text("utf-8"), media_type="text/javascript")

    @post("/payments", status_code=200)
    async def open(self, request: Request, portone_opening: NamedDependency[PortOneOpening]) -> Response:
        try:
            payment = portone_opening.open(read_request(await _json(request)), _browser(request))
        except NotOpened as error:
            return Response({"code": error.code, "message": error.message}, status_code=error.status)
        except SentBack as back:
            return Response({"url": back.url})
        return Response({"url": f"{origin(request)}/window/portone/{payment.pg_id}"})


class PortOneWindow(Controller):
    exception_handlers: ClassVar[ExceptionHandlersMap] = {NotOpened: refused_page, SentBack: sent_back}

    @post("/window/portone", status_code=200)
    async def open(self, request: Request, portone_opening: NamedDependency[PortOneOpening]) -> Template:
        """The door for a buyer without JavaScript: the same request, posted, and the window as the answer."""
        payment = portone_opening.open(read_request(await _posted_request(request)), _browser(request))
        return _page(portone_opening, payment)

    @route("/window/portone/{transaction_id:str}", http_method=READ)
    async def show(self, portone_opening: NamedDependency[PortOneOpening], transaction_id: FromPath[str]) -> Template:
        return _page(portone_opening, portone_opening.portone.known(transaction_id))

    @post("/window/portone/{transaction_id:str}")
    async def act(
        self,
        request: Request,
        portone_opening: NamedDependency[PortOneOpening],
        faults: NamedDependency[Faults],
        transaction_id: FromPath[str],
    ) -> Redirect | Template:
        payment, form = portone_opening.portone.known(transaction_id), await request.form()
        action, choice = form.get("action"), _choice(payment, form)
        decline, chosen = form.get("decline_code", DECLINES[0]), form.getall("fault", [])
        if action not in ("approve", "decline", "cancel"):
            raise _wrong("action은 approve, decline, cancel 가운데 하나여야 합니다.")
        if decline not in DECLINES or not set(chosen) <= set(FAULTS):
            raise _wrong("거절 코드 또는 고장의 이름이 올바르지 않습니다.")
        # A button pressed twice leads to the same place.
        if "pressed" in payment.facts:
            before, url = payment.facts["pressed"]
            return (
                Redirect(url, status_code=303) if before == action else _page(portone_opening, payment, status_code=409)
            )
        for kind in chosen:
            faults.arm({"provider": PROVIDER, "kind": kind, "reference": payment.reference})
        if action == "cancel":
            url = portone_opening.leave(payment)
        else:
            is_changed = faults.strike(PROVIDER, "begin", payment.reference, AT_THE_WINDOW)
            url = portone_opening.approve(
                payment,
                choice,
                refuse_with=decline if action == "decline" else None,
                surplus=SURPLUS if is_changed else 0,
            )
        payment.facts["pressed"] = (action, url)
        portone_opening.portone.moves.keep(payment)
        return Redirect(url, status_code=303)

    @post("/window/portone/{transaction_id:str}/account")
    async def move_money(
        self,
        request: Request,
        portone_opening: NamedDependency[PortOneOpening],
        portone_bank: NamedDependency[PortOneBank],
        faults: NamedDependency[Faults],
        transaction_id: FromPath[str],
    ) -> Redirect:
        """A button of the bank or the console. One that is out of date does nothing."""
        payment, form = portone_opening.portone.known(transaction_id), await request.form()
        action, chosen = form.get("action"), form.getall("fault", [])
        if action not in portone_bank.verbs or not set(chosen) <= set(WEBHOOK_FAULTS):
            raise _wrong("버튼 또는 고장의 이름이 올바르지 않습니다.")
        if action in possible(payment):
            for kind in chosen:
                faults.arm({"provider": PROVIDER, "kind": kind, "reference": payment.reference})
            portone_bank.act(action, payment)
        return Redirect(f"/window/portone/{payment.pg_id}", status_code=303)

    @route("/receipts/portone/{transaction_id:str}", http_method=READ)
    async def receipt(
        self, portone_opening: NamedDependency[PortOneOpening], transaction_id: FromPath[str]
    ) -> Template:
        payment = portone_opening.portone.known(transaction_id)
        if not payment.captured:
            raise NotOpened("TransactionNotFound", "결제가 완료되지 않아 영수증이 없습니다.", 404)
        return Template("sandbox/portone_receipt.html", context=_context(portone_opening, payment))


def _choice(payment: Payment, form: Mapping[str, Any]) -> dict[str, str]:
    """The buyer's way to pay among those offered, with a bank also which, and who will send the money; and how the
    PG behind it is to behave.
    """
    way, bank = form.get("way", payment.facts["way"]), form.get("bank", ISSUERS[0])
    approval, refund = form.get("approval", "now"), form.get("refund", "now")
    depositor = form.get("depositor") or payment.facts["customer"].get("name") or DEPOSITOR
    if way not in payment.facts["offers"] or bank not in ISSUERS:
        raise _wrong("결제 수단 또는 은행이 올바르지 않습니다.")
    if approval not in APPROVALS or refund not in REFUNDS:
        raise _wrong("승인 또는 환불의 방식이 올바르지 않습니다.")
    if not isinstance(depositor, str) or len(depositor) > 100:
        raise _wrong("입금자명은 100자 이하여야 합니다.")
    return {"way": way, "bank": bank, "depositor": depositor, "approval": approval, "refund": refund}


async def _posted_request(request: Request) -> Any:
    """A JSON body, or a form field `handoff` that holds JSON."""
    forms = (RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART)
    if request.content_type[0] not in forms:
        return await _json(request)
    try:
        return json.loads((await request.form()).get("handoff", ""))
    except ValueError:
        raise _wrong("handoff는 JSON이어야 합니다.") from None


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise _wrong("결제 요청은 JSON이어야 합니다.") from None


def _browser(request: Request) -> dict[str, str]:
    """Where the payment was begun, as PortOne notes it."""
    return {
        "platformType": "PC",
        "userAgent": request.headers.get("user-agent", ""),
        "url": request.headers.get("referer", ""),
        "ipAddress": request.client.host if request.client else "",
    }


def _page(opening: PortOneOpening, payment: Payment, status_code: int = 200) -> Template:
    """The window, or what has become of the attempt."""
    is_open = payment.status == "READY" and "pressed" not in payment.facts
    name = "sandbox/portone_window.html" if is_open else "sandbox/portone_status.html"
    return Template(name, context=_context(opening, payment), status_code=status_code)


def _context(opening: PortOneOpening, payment: Payment) -> dict[str, Any]:
    return {
        "payment": payment,
        "account": opening.portone.account_of(payment),
        "choices": {way: CHOICES[way] for way in payment.facts["offers"]},
        "banks": BANKS,
        "issuers": {bank: BANKS[bank] for bank in ISSUERS},
        "depositor": payment.facts["customer"].get("name") or DEPOSITOR,
        "approvals": APPROVALS,
        "refunds": REFUNDS,
        "declines": {code: PG_CODES[code] for code in DECLINES},
        "verbs": possible(payment),
        "due": read_stamp((payment.facts["virtual_account"] or {}).get("expiredAt")),
        "paid_at": read_stamp(payment.facts.get("paid_at")),
        "faults": FAULTS,
        "webhook_faults": WEBHOOK_FAULTS,
        "way_back": payment.facts.get("pressed", (None, None))[1],
    }


def _wrong(message: str) -> NotOpened:
    return NotOpened("RequestParseFailed", message)
