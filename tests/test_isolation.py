"""Two shops: nothing of one is reached through the other, and each is paid into its own contract."""

import base64
import json

import httpx
import pytest

from app.orders.states import OrderStatus
from app.orders.tables import Order
from app.payments.states import PaymentStatus
from app.payments.tables import Payment, ProviderAccount
from tests.shopping import Market, Shopper, fields_of


@pytest.fixture
def secrets(market: Market, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The secret keys that the shops signed their calls with."""
    used: set[str] = set()
    carry = market.pg.transport.handle_async_request

    async def watched(request: httpx.Request) -> httpx.Response:
        if "authorization" in request.headers:
            used.add(base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode())
        return await carry(request)

    monkeypatch.setattr(market.pg.transport, "handle_async_request", watched)
    return used


async def account_of(market: Market, shop: object) -> ProviderAccount:
    return await ProviderAccount.objects().get(ProviderAccount.shop == shop.id)


async def test_each_shop_is_paid_into_its_own_contract(market: Market, shopper: Shopper, secrets: set[str]) -> None:
    await shopper.buy(market.spoon)
    assert secrets == {"test_sk_namu:"}
    secrets.clear()
    await shopper.buy(market.mug)
    assert secrets == {"test_sk_haru:"}
    for order in await Order.objects():
        [payment] = await Payment.objects().where(Payment.order == order.id)
        assert (await ProviderAccount.objects().get(ProviderAccount.id == payment.account)).shop == order.shop


async def test_another_shops_way_to_pay_is_refused_by_the_form(market: Market, shopper: Shopper) -> None:
    foreign = await account_of(market, market.namu)
    answer = await shopper.submit(market.mug, pay=f"{foreign.id}:card")
    assert answer.status_code == 422
    assert await Order.count() == await Payment.count() == 0


async def test_nothing_of_an_order_is_shown_under_another_shops_path(market: Market, shopper: Shopper) -> None:
    pay_url = await shopper.order(market.mug)
    order = await market.only_order()
    paths = [
        pay_url,
        f"/haru/orders/{order.token}",
        f"/haru/orders/{order.token}/status",
        *(f"/haru/checkout/{page}?order={order.token}" for page in ("success", "fail", "cancel")),
    ]
    for path in paths:
        answer = await shopper.http.get(path.replace("/haru/", "/namu/"))
        assert answer.status_code == 404, path
        assert order.number not in answer.text
        assert "머그" not in answer.text


async def test_an_order_is_not_paid_under_another_shops_path(market: Market, shopper: Shopper) -> None:
    await shopper.open_window(await shopper.order(market.mug))
    page = await shopper.come_back(await market.pg.buyer.cancel())
    action = f"/namu/orders/{(await market.only_order()).token}/payments"
    answer = await shopper.http.post(action, data=fields_of(page.text))
    assert answer.status_code == 404
    assert await Payment.count() == 1


async def test_one_shops_return_under_anothers_token_moves_neither(market: Market, shopper: Shopper) -> None:
    haru_url = await shopper.approve(market.mug)
    namu_url = await market.shopper().approve(market.spoon)
    haru_token, namu_token = (httpx.URL(url).params["payment"] for url in (haru_url, namu_url))
    for url in (haru_url.replace(haru_token, namu_token), namu_url.replace(namu_token, haru_token)):
        assert (await shopper.http.get(url)).status_code == 404
    assert market.confirms == []
    assert {payment.status for payment in await Payment.objects()} == {PaymentStatus.CREATED}


async def test_a_shop_whose_keys_are_lost_stops_no_other(market: Market, shopper: Shopper) -> None:
    """Also where many payments of the broken one are due first."""
    for _ in range(25):
        await market.shopper().order(market.spoon)
    await shopper.approve(market.mug)
    mine = await Payment.objects().where(Payment.order.shop == market.haru.id).first()
    claim = {"paymentKey": market.pg.buyer.payment_key, "orderId": mine.reference, "amount": 26_000}
    await market.pg.wire.post("/v1/payments/confirm", json=claim, auth=("test_sk_haru", ""))
    broken = await account_of(market, market.namu)
    await ProviderAccount.update({ProviderAccount.credentials: "lost"}).where(ProviderAccount.id == broken.id)
    await Payment.update({Payment.next_check_at: market.time()}).where(Payment.order.shop == market.namu.id)
    await Payment.update({Payment.next_check_at: market.time()}).where(Payment.id == mine.id)
    market.time.go_on(seconds=1)
    for _ in range(3):
        await market.work()
    paid = await Order.objects().get(Order.shop == market.haru.id)
    assert paid.status == OrderStatus.PAID


async def test_shops_with_one_contract_keep_their_payments_apart(market: Market, shopper: Shopper) -> None:
    """The environment's keys are every shop's; then any shop's key finds any shop's payment at the PG."""
    haru = await account_of(market, market.haru)
    shared = {ProviderAccount.credentials: haru.credentials, ProviderAccount.merchant: haru.merchant}
    await ProviderAccount.update(shared).where(ProviderAccount.shop == market.namu.id)
    spoon_url = await market.shopper().approve(market.spoon)
    mug_url = await shopper.approve(market.mug)
    key = httpx.URL(spoon_url).params["paymentKey"]

    page = await shopper.come_back(str(httpx.URL(mug_url).copy_set_param("paymentKey", key)))

    assert page.status_code == 400
    assert await market.refusals() == ["other_payment"]
    assert market.confirms == []


async def test_what_the_pg_is_told_names_only_the_shops_own_key(market: Market, shopper: Shopper) -> None:
    handoff = await shopper.handoff(await shopper.order(market.spoon))
    assert handoff["clientKey"] == "test_ck_namu"
    assert "haru" not in json.dumps(handoff)
    assert "_sk_" not in json.dumps(handoff)
