"""The shopper's browser comes back: nothing that it says is believed, and nothing that it repeats is done twice."""

import asyncio
import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from app.orders.states import OrderStatus
from app.payments.states import PaymentStatus
from app.payments.tables import Payment, PaymentEvent
from tests.shopping import BASE, Market, Shopper

RAW_MESSAGE = "카드 정보에 문제가 있습니다. 카드사에 확인해주세요."


def forged(url: str, **changes: str | None) -> str:
    """The same return with other parameters; None takes one away."""
    parts = urlsplit(url)
    fields = {**dict(parse_qsl(parts.query)), **changes}
    kept = {name: value for name, value in fields.items() if value is not None}
    return parts._replace(query=urlencode(kept)).geturl()


def failed(return_url: str, code: str, **more: str) -> str:
    """A return to failUrl for the payment of `return_url`."""
    gone = dict.fromkeys(("paymentType", "orderId", "paymentKey", "amount"))
    return forged(return_url, **{**gone, "code": code, "message": RAW_MESSAGE, **more})


async def captured(market: Market) -> list[int]:
    return sorted(entry["captured"] for entry in await market.ledger())


async def nothing_happened(market: Market) -> None:
    order, payment = await market.only_order(), await market.only_payment()
    assert market.confirms == []
    assert not any(path.endswith("/cancel") for _, path, _ in market.pg.transport.calls)
    assert await captured(market) == [0]
    assert (order.status, order.paid_by) == (OrderStatus.PENDING, None)
    assert (payment.status, payment.claim) == (PaymentStatus.CREATED, None)


FORGERIES = [
    ({"amount": "25999"}, "other_amount"),
    ({"amount": "0"}, "other_amount"),
    ({"amount": "-26000"}, "other_amount"),
    ({"amount": "2600000"}, "other_amount"),
    ({"amount": "abc"}, "unreadable"),
    ({"amount": "26000.0"}, "unreadable"),
    ({"amount": ""}, "unreadable"),
    ({"amount": None}, "unreadable"),
    ({"orderId": "00000000000000000000000000"}, "other_order"),
    ({"orderId": None}, "unreadable"),
    ({"paymentKey": "tharu20260101000000Abcdefgh"}, "other_payment"),
    ({"paymentKey": ""}, "unreadable"),
    ({"paymentKey": ".."}, "unreadable"),
    ({"paymentKey": "orders/1"}, "unreadable"),
    ({"paymentKey": "a" * 300}, "unreadable"),
    ({"paymentKey": None}, "unreadable"),
    ({"paymentType": None, "orderId": None, "paymentKey": None, "amount": None}, "unreadable"),
    ({"paymentKey": None, "code": "PAY_PROCESS_ABORTED", "orderId": "SOMEBODY-ELSE"}, "other_order"),
]


@pytest.mark.parametrize(("changes", "why"), FORGERIES, ids=[str(changes) for changes, _ in FORGERIES])
async def test_a_forged_return_moves_nothing_and_the_true_one_still_succeeds(
    market: Market, shopper: Shopper, changes: dict[str, str | None], why: str
) -> None:
    true_url = await shopper.approve(market.mug)

    page = await shopper.come_back(forged(true_url, **changes))

    assert page.status_code == 400
    assert "돈이 빠져나가지 않았습니다" in page.text
    assert "다시 결제해 주세요" in page.text
    await nothing_happened(market)
    assert await market.refusals() == [why]

    paid = await shopper.come_back(true_url)
    assert "결제가 끝났어요" in paid.text
    assert (await market.only_order()).status == OrderStatus.PAID
    assert await captured(market) == [26_000]


async def test_a_refused_return_leaves_its_evidence(market: Market, shopper: Shopper) -> None:
    await shopper.come_back(forged(await shopper.approve(market.mug), amount="1000"))
    [event] = await PaymentEvent.objects().where(PaymentEvent.subject == "refused")
    assert json.loads(event.evidence) == {"why": "other_amount", "claimed": 1000, "amount": 26_000}
    assert (event.payment, event.cause) == ((await market.only_payment()).id, "return")


async def test_the_page_of_a_refused_return_leads_back_to_the_pg(market: Market, shopper: Shopper) -> None:
    page = await shopper.come_back(forged(await shopper.approve(market.mug), amount="1"))
    again = await shopper.press(page)
    assert again.status_code == 303
    await shopper.open_window(again.headers["location"])
    paid = await shopper.come_back(await market.pg.buyer.approve())
    assert "결제가 끝났어요" in paid.text
    assert await captured(market) == [0, 26_000]


async def test_the_key_of_another_payment_of_the_same_shop_is_refused(market: Market, shopper: Shopper) -> None:
    theirs = await market.shopper().approve(market.mug)
    their_key = dict(parse_qsl(urlsplit(theirs).query))["paymentKey"]
    mine = await shopper.approve(market.mug)

    page = await shopper.come_back(forged(mine, paymentKey=their_key))

    assert page.status_code == 400
    assert market.confirms == []
    assert await market.refusals() == ["other_payment"]
    assert "결제가 끝났어요" in (await shopper.come_back(mine)).text
    assert "결제가 끝났어요" in (await market.shopper().come_back(theirs)).text
    assert await captured(market) == [26_000, 26_000]


async def test_the_whole_return_of_another_payment_is_refused_under_my_token(market: Market, shopper: Shopper) -> None:
    theirs = dict(parse_qsl(urlsplit(await market.shopper().approve(market.mug)).query))
    mine = await shopper.approve(market.mug)
    page = await shopper.come_back(forged(mine, paymentKey=theirs["paymentKey"], orderId=theirs["orderId"]))
    assert page.status_code == 400
    assert await market.refusals() == ["other_order"]
    assert await captured(market) == [0, 0]


async def test_the_key_of_another_shops_payment_is_refused(market: Market, shopper: Shopper) -> None:
    theirs = await market.shopper().approve(market.spoon)
    mine = await shopper.approve(market.mug)
    page = await shopper.come_back(forged(mine, paymentKey=dict(parse_qsl(urlsplit(theirs).query))["paymentKey"]))
    assert page.status_code == 400
    assert await market.refusals() == ["other_payment"]
    assert "결제가 끝났어요" in (await market.shopper().come_back(theirs)).text
    assert await captured(market) == [0, 16_000]


@pytest.mark.parametrize("token", ["", "AAAAAAAAAAAAAAAAAAAAAA", "\0", "x" * 5000, "' OR 1=1 --"])
async def test_an_unknown_token_is_404(market: Market, shopper: Shopper, token: str) -> None:
    url = await shopper.approve(market.mug)
    answer = await shopper.http.get(forged(url, payment=token))
    assert answer.status_code == 404
    await nothing_happened(market)
    assert await market.refusals() == []


async def test_a_token_under_another_shops_path_is_404(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    answer = await shopper.http.get(url.replace("/haru/", "/namu/"))
    assert answer.status_code == 404
    await nothing_happened(market)


async def test_coming_back_again_shows_the_same_page_and_confirms_once(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    first, second = await shopper.come_back(url), await market.shopper().come_back(url)
    assert first.url == second.url
    assert "결제가 끝났어요" in second.text
    assert market.confirms == [200]
    assert await captured(market) == [26_000]


async def test_coming_back_in_many_tabs_at_once_confirms_once(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)

    answers = await asyncio.gather(*(market.shopper().http.get(url) for _ in range(8)))

    assert {answer.headers["location"] for answer in answers} == {answers[0].headers["location"]}
    assert "/checkout/success" in answers[0].headers["location"]
    assert market.confirms == [200]
    assert await captured(market) == [26_000]
    assert sorted(await market.moves("order")) == [(OrderStatus.PENDING, OrderStatus.PAID)]
    assert "결제가 끝났어요" in (await shopper.come_back(url)).text


async def test_a_return_by_post_needs_neither_cookie_nor_token(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    fields = dict(parse_qsl(urlsplit(url).query))
    bare = market.shopper()
    answer = await bare.http.post(f"/haru/checkout/callback?payment={fields.pop('payment')}", data=fields)
    assert answer.status_code == 303
    assert not bare.http.cookies
    assert "결제가 끝났어요" in (await bare.http.get(answer.headers["location"])).text


async def test_a_forged_post_is_believed_no_more_than_a_query(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    answer = await shopper.http.post(url, data={"amount": "1"}, follow_redirects=True)
    assert answer.status_code == 400
    await nothing_happened(market)


async def test_a_shopper_who_closes_the_window_comes_to_the_cancel_page(market: Market, shopper: Shopper) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    url = await market.pg.buyer.cancel()
    assert "orderId" not in url

    page = await shopper.come_back(url)

    assert page.url.path == "/haru/checkout/cancel"
    assert "결제를 그만두셨어요" in page.text
    assert "다시 결제하기" in page.text
    payment, order = await market.only_payment(), await market.only_order()
    assert (payment.status, payment.failure_code) == (PaymentStatus.CANCELLED, "PAY_PROCESS_CANCELED")
    assert payment.closed_at is not None
    assert order.status == OrderStatus.CANCELLED
    assert await captured(market) == [0]


async def test_a_declined_card_is_told_in_our_own_words(market: Market, shopper: Shopper) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    page = await shopper.come_back(await market.pg.buyer.decline("REJECT_CARD_COMPANY"))
    assert page.url.path == "/haru/checkout/fail"
    assert "카드사에서 결제를 승인하지 않았습니다" in page.text
    assert RAW_MESSAGE not in page.text
    assert "다시 결제하기" in page.text
    assert (await market.only_order()).status == OrderStatus.FAILED
    assert await captured(market) == [0]


@pytest.mark.parametrize("code", ["<script>alert(1)</script>", "가" * 500, "%FF"])
async def test_a_senseless_failure_code_is_a_failure_without_a_reason(
    market: Market, shopper: Shopper, code: str
) -> None:
    page = await shopper.come_back(failed(await shopper.approve(market.mug), code))
    assert page.status_code == 200
    assert "결제사에서 결제를 마치지 못했습니다" in page.text
    assert "<script>alert" not in page.text
    assert await captured(market) == [0]


@pytest.mark.parametrize("code", ["PAY_PROCESS_CANCELED", "REJECT_CARD_COMPANY"])
async def test_a_forged_failure_changes_nothing_of_a_paid_order(market: Market, shopper: Shopper, code: str) -> None:
    url = await shopper.approve(market.mug)
    await shopper.come_back(url)
    page = await shopper.come_back(failed(url, code))
    assert "결제가 끝났어요" in page.text
    assert (await market.only_payment()).status == PaymentStatus.PAID
    assert (await market.only_order()).status == OrderStatus.PAID


async def test_a_failure_return_while_confirming_changes_nothing(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    payment = await market.only_payment()
    await market.fault("answer_lost_after", call="confirm", reference=payment.reference)
    await shopper.http.get(url)

    answer = await shopper.http.get(failed(url, "PAY_PROCESS_CANCELED"))

    assert "/checkout/success" in answer.headers["location"]
    assert (await market.only_payment()).status == PaymentStatus.CONFIRMING
    assert "결제가 끝났어요" in (await shopper.come_back(url)).text


@pytest.mark.parametrize("code", ["PAY_PROCESS_CANCELED", "REJECT_CARD_COMPANY"])
async def test_a_failure_return_closes_the_payment_even_when_the_pg_is_down(
    market: Market, shopper: Shopper, code: str
) -> None:
    url = await shopper.approve(market.mug)
    await market.fault("server_error", call="lookup", percent=100)

    page = await shopper.come_back(failed(url, code))

    assert "돈은 빠져나가지 않았습니다" in page.text
    assert (await market.only_payment()).closed_at is not None
    await shopper.come_back(url)
    assert market.confirms == []
    assert await captured(market) == [0]


async def test_a_failure_return_that_finds_the_money_taken_is_a_success(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    fields = dict(parse_qsl(urlsplit(url).query))
    claim = {"paymentKey": fields["paymentKey"], "orderId": fields["orderId"], "amount": 26_000}
    await market.pg.wire.post("/v1/payments/confirm", json=claim, auth=("test_sk_haru", ""))

    page = await shopper.come_back(failed(url, "PAY_PROCESS_ABORTED"))

    assert "결제가 끝났어요" in page.text
    assert (await market.only_order()).paid_by == (await market.only_payment()).id


async def test_a_return_after_the_pgs_ten_minutes_says_so_and_can_be_paid_again(
    market: Market, shopper: Shopper
) -> None:
    url = await shopper.approve(market.mug)
    market.time.go_on(minutes=10)

    page = await shopper.come_back(url)

    assert page.url.path == "/haru/checkout/fail"
    assert "결제할 수 있는 시간이 지났습니다" in page.text
    assert "돈은 빠져나가지 않았습니다" in page.text
    assert market.confirms == []
    again = await shopper.press(page)
    await shopper.open_window(again.headers["location"])
    assert "결제가 끝났어요" in (await shopper.come_back(await market.pg.buyer.approve())).text


async def test_a_head_request_or_a_bot_without_parameters_ends_nothing(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    answer = await shopper.http.head(f"{BASE}/haru/checkout/callback?payment={(await market.only_payment()).token}")
    assert answer.status_code == 303
    await nothing_happened(market)
    assert "결제가 끝났어요" in (await shopper.come_back(url)).text


async def test_every_return_leads_to_an_address_without_the_payments_token(market: Market, shopper: Shopper) -> None:
    page = await shopper.buy(market.mug)
    [payment] = await Payment.objects()
    assert payment.token not in str(page.url)
    assert payment.token not in page.text
