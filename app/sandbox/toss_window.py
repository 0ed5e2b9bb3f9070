"""Toss's browser side: the SDK stand-in, the payment window, and the receipt."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from litestar import Controller, HttpMethod, Request, Response, post, route
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import FromPath
from litestar.response import Redirect, Template
from litestar.types import ExceptionHandlersMap

from app.sandbox.book import Payment
from app.sandbox.faults import Faults
from app.sandbox.toss_deposits import TossDeposits, possible
from app.sandbox.toss_desk import json_object, origin
from app.sandbox.toss_errors import ERRORS, TossError
from app.sandbox.toss_payments import PROVIDER, TossPayments
from app.sandbox.toss_request import WALLETS, from_form, read_request
from app.sandbox.toss_virtual_account import BANKS, ISSUERS

SDK = Path(__file__).parents[2] / "templates" / "sandbox" / "toss_sdk.js"
READ = [HttpMethod.GET, HttpMethod.HEAD]
# The shop's page calls from another origin.
CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "content-type",
}
CHOICES = {"CARD": "카드", **WALLETS, "TRANSFER": "계좌이체", "VIRTUAL_ACCOUNT": "가상계좌"}
DEPOSITOR = "홍길동"
VERBS = {
    "deposit": TossDeposits.deposit,
    "reverse": TossDeposits.reverse,
    "complete": TossDeposits.complete_refund,
}
# The window itself sends the buyer back with these; every other code of DECLINES comes from the confirm.
AT_THE_WINDOW = {
    "REJECT_CARD_COMPANY": "카드 정보에 문제가 있습니다. 카드사에 확인해주세요.",
    "PAY_PROCESS_ABORTED": "결제 진행 중 오류가 발생했습니다.",
}
DECLINES = {
    "REJECT_CARD_COMPANY": "결제창에서: 카드사 거절",
    "PAY_PROCESS_ABORTED": "결제창에서: 진행 중 오류",
    "REJECT_CARD_PAYMENT": "승인할 때: 한도 초과 또는 잔액 부족",
    "REJECT_ACCOUNT_PAYMENT": "승인할 때: 계좌 잔액 부족",
    "INVALID_STOPPED_CARD": "승인할 때: 정지된 카드",
    "INVALID_CARD_EXPIRATION": "승인할 때: 유효기간 오류",
    "EXCEED_MAX_DAILY_PAYMENT_COUNT": "승인할 때: 하루 결제 횟수 초과",
}
WEBHOOK_FAULTS = {
    "webhook_dropped": "웹훅이 오지 않음",
    "webhook_doubled": "웹훅이 두 번 옴",
    "webhook_late": "웹훅이 늦게 옴",
}
FAULTS = {
    "answer_lost_after": "답이 사라짐 (돈은 빠져나감)",
    "answer_lost_before": "연결이 끊김 (돈은 그대로)",
    "slow": "답이 30초 늦음 (돈은 빠져나감)",
    "server_error": "500 오류 (돈은 그대로)",
    "server_error_after": "500 오류 (돈은 빠져나감)",
    **WEBHOOK_FAULTS,
}


def refused_page(_: Request, error: TossError) -> Template:
    """A window that Toss would not open, said in a sentence."""
    return Template("sandbox/refused.html", context={"error": error}, status_code=error.status)


class TossSdk(Controller):
    path = "/sdk/toss"
    # They also stand on the answer to the browser's OPTIONS, which the framework gives.
    response_headers: ClassVar[Mapping[str, str]] = CORS

    @route("/v2/standard", http_method=READ)
    async def script(self) -> Response:
        return Response(SDK.read_text("utf-8"), media_type="text/javascript")

    @post("/payments", status_code=200)
    async def open(self, request: Request, toss: NamedDependency[TossPayments]) -> Response:
        try:
            payment = toss.open(read_request(await json_object(request)), origin(request))
        except TossError as error:
            return Response(error.body, status_code=error.status)
        return Response({"checkout_url": f"{origin(request)}/window/toss/{payment.pg_id}"})


class TossWindow(Controller):
    exception_handlers: ClassVar[ExceptionHandlersMap] = {TossError: refused_page}

    @post("/window/toss", status_code=200)
    async def open(self, request: Request, toss: NamedDependency[TossPayments]) -> Template:
        """The door for a buyer without JavaScript: the same request, posted, and the window as the answer."""
        payment = toss.open(read_request(await _posted_request(request)), origin(request))
        return _window(toss, payment)

    @route("/window/toss/{payment_key:str}", http_method=READ)
    async def show(self, toss: NamedDependency[TossPayments], payment_key: FromPath[str]) -> Template:
        return _window(toss, toss.known(payment_key))

    @post("/window/toss/{payment_key:str}")
    async def act(
        self,
        request: Request,
        toss: NamedDependency[TossPayments],
        faults: NamedDependency[Faults],
        payment_key: FromPath[str],
    ) -> Redirect | Template:
        payment, form = toss.known(payment_key), await request.form()
        action, choice = form.get("action"), _choice(payment, form)
        decline, chosen = form.get("decline_code", "REJECT_CARD_COMPANY"), form.getall("fault", [])
        if action not in ("approve", "decline", "cancel"):
            raise TossError("INVALID_REQUEST", "action은 approve, decline, cancel 가운데 하나여야 합니다.")
        if decline not in DECLINES or not set(chosen) <= set(FAULTS):
            raise TossError("INVALID_REQUEST", "거절 코드 또는 고장의 이름이 올바르지 않습니다.")
        # A button pressed twice leads to the same place.
        if action == "approve" and payment.status == "IN_PROGRESS":
            return _back_with_success(payment)
        if payment.status != "READY":
            return _window(toss, payment, status_code=409)
        if action == "cancel":
            return _back_with_failure(payment, "PAY_PROCESS_CANCELED", "사용자에 의해 결제가 취소되었습니다.")
        for kind in chosen:
            faults.arm({"provider": PROVIDER, "kind": kind, "reference": payment.reference})
        if action == "decline" and decline in AT_THE_WINDOW:
            # [U] The payment stays READY: the buyer might have taken another card.
            return _back_with_failure(payment, decline, AT_THE_WINDOW[decline], payment.reference)
        toss.authenticate(payment, choice, decline if action == "decline" else None)
        return _back_with_success(payment)

    @post("/window/toss/{payment_key:str}/account")
    async def move_money(
        self,
        request: Request,
        toss: NamedDependency[TossPayments],
        deposits: NamedDependency[TossDeposits],
        faults: NamedDependency[Faults],
        payment_key: FromPath[str],
    ) -> Redirect:
        """A button of the page of a virtual account. One that is out of date does nothing."""
        payment, form = toss.known(payment_key), await request.form()
        action, chosen = form.get("action"), form.getall("fault", [])
        if action not in VERBS or not set(chosen) <= set(WEBHOOK_FAULTS):
            raise TossError("INVALID_REQUEST", "버튼 또는 고장의 이름이 올바르지 않습니다.")
        if action in possible(payment):
            for kind in chosen:
                faults.arm({"provider": PROVIDER, "kind": kind, "reference": payment.reference})
            VERBS[action](deposits, payment)
        return Redirect(f"/window/toss/{payment.pg_id}", status_code=303)

    @route("/receipts/toss/{payment_key:str}", http_method=READ)
    async def receipt(self, toss: NamedDependency[TossPayments], payment_key: FromPath[str]) -> Template:
        payment = toss.known(payment_key)
        if not payment.captured:
            raise TossError("NOT_FOUND_PAYMENT")
        context = {
            "payment": payment,
            "account": toss.account(payment),
            "method": CHOICES[payment.facts["way"]],
        }
        return Template("sandbox/receipt.html", context=context)


def _choice(payment: Payment, form: Mapping[str, Any]) -> dict[str, str]:
    """The buyer's way to pay among those offered; with an account also the bank, and who will send the money."""
    way, bank = form.get("way", payment.facts["way"]), form.get("bank", ISSUERS[0])
    depositor = form.get("depositor") or payment.facts["customer_name"] or DEPOSITOR
    if way not in payment.facts["offers"] or bank not in ISSUERS:
        raise TossError("INVALID_REQUEST", "결제 수단 또는 은행이 올바르지 않습니다.")
    if not isinstance(depositor, str) or len(depositor) > 100:
        raise TossError("INVALID_REQUEST", "입금자명은 100자 이하여야 합니다.")
    return {"way": way, "bank": bank, "depositor": depositor}


async def _posted_request(request: Request) -> Any:
    """A JSON body, a form field `handoff` that holds JSON, or flat form fields."""
    forms = (RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART)
    if request.content_type[0] not in forms:
        return await json_object(request)
    form = await request.form()
    if "handoff" not in form:
        return from_form(form)
    try:
        return json.loads(form["handoff"])
    except ValueError:
        raise TossError("INVALID_REQUEST", "handoff는 JSON이어야 합니다.") from None


def _window(toss: TossPayments, payment: Payment, status_code: int = 200) -> Template:
    """The window, or the page of the virtual account that it has led to."""
    if "virtual_account" in payment.facts:
        return _account(toss, payment, status_code)
    context = {
        "payment": payment,
        "account": toss.account(payment),
        # A payment from before there were other ways knows of no offer, and its window is over.
        "choices": {way: CHOICES[way] for way in payment.facts.get("offers", ())},
        "banks": {code: BANKS[code] for code in ISSUERS},
        "depositor": payment.facts.get("customer_name") or DEPOSITOR,
        "declines": DECLINES,
        "faults": FAULTS,
        "way_back": _failure_url(payment, "PAY_PROCESS_ABORTED", ERRORS["NOT_FOUND_PAYMENT_SESSION"][1]),
    }
    return Template("sandbox/window.html", context=context, status_code=status_code)


def _account(toss: TossPayments, payment: Payment, status_code: int) -> Template:
    context = {
        "payment": payment,
        "account": toss.account(payment),
        "virtual": payment.facts["virtual_account"],
        "banks": BANKS,
        "verbs": possible(payment),
        "faults": WEBHOOK_FAULTS,
    }
    return Template("sandbox/account.html", context=context, status_code=status_code)


def _back_with_success(payment: Payment) -> Redirect:
    answer = {
        "paymentType": "NORMAL",
        "orderId": payment.reference,
        "paymentKey": payment.pg_id,
        "amount": str(payment.amount),
    }
    return Redirect(_with_query(payment.facts["success_url"], answer), status_code=303)


def _back_with_failure(payment: Payment, code: str, message: str, order_id: str | None = None) -> Redirect:
    return Redirect(_failure_url(payment, code, message, order_id), status_code=303)


def _failure_url(payment: Payment, code: str, message: str, order_id: str | None = None) -> str:
    """The shop's failUrl with the reason; a buyer who closes the window brings back no orderId."""
    answer = {"code": code, "message": message} | ({"orderId": order_id} if order_id else {})
    return _with_query(payment.facts["fail_url"], answer)


def _with_query(url: str, answer: dict[str, str]) -> str:
    """The shop's URL with its own query kept and ours behind it."""
    parts = urlsplit(url)
    own = f"{parts.query}&" if parts.query else ""
    return parts._replace(query=own + urlencode(answer, quote_via=quote)).geturl()
