"""The sandbox's reading of Toss's server API: who may call, confirm, look-up, and the time that both have."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox_wire import (
    KEY,
    NAMU,
    ORIGIN,
    Practice,
    authenticated,
    confirm,
    handoff,
    look,
    practice,
    refused,
)

STRANGER = (NAMU["secret_key"], "")
FIELDS = """
mId version lastTransactionKey paymentKey orderId orderName currency method type status totalAmount
balanceAmount suppliedAmount vat taxFreeAmount taxExemptionAmount requestedAt approvedAt useEscrow
cultureExpense isPartialCancelable country card virtualAccount transfer mobilePhone giftCertificate
easyPay cashReceipt cashReceipts discount cancels failure metadata secret receipt checkout
"""


@pytest.fixture
async def sandbox() -> AsyncIterator[Practice]:
    async with practice() as opened:
        yield opened


async def test_a_confirm_takes_the_money_and_answers_the_whole_payment(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)

    answer = await confirm(sandbox.wire, claim)

    payment = answer.json()
    assert answer.status_code == 200
    assert list(payment) == [
        "mId",
        "version",
        "lastTransactionKey",
        "paymentKey",
        "orderId",
        "orderName",
        "currency",
        "method",
        "type",
        "status",
        "totalAmount",
        "balanceAmount",
        "suppliedAmount",
        "vat",
        "taxFreeAmount",
        "taxExemptionAmount",
        "requestedAt",
        "approvedAt",
        "useEscrow",
        "cultureExpense",
        "isPartialCancelable",
        "country",
        "card",
        "virtualAccount",
        "transfer",
        "mobilePhone",
        "giftCertificate",
        "easyPay",
        "cashReceipt",
        "cashReceipts",
        "discount",
        "cancels",
        "failure",
        "metadata",
        "secret",
        "receipt",
        "checkout",
    ]
    assert (payment["paymentKey"], payment["orderId"]) == (claim["paymentKey"], claim["orderId"])
    assert (payment["mId"], payment["status"], payment["method"]) == ("haru01", "DONE", "카드")
    assert (payment["totalAmount"], payment["balanceAmount"]) == (15000, 15000)
    assert (payment["vat"], payment["suppliedAmount"]) == (1364, 13636)
    assert payment["requestedAt"] == payment["approvedAt"] == "2026-09-10T15:30:12+09:00"
    assert payment["card"]["amount"] == 15000
    assert payment["easyPay"] is None
    assert payment["cancels"] is None


async def test_a_wallet_pays_from_its_own_balance(sandbox: Practice) -> None:
    payment = (await confirm(sandbox.wire, await authenticated(sandbox.wire, way="TOSSPAY"))).json()

    assert payment["method"] == "간편결제"
    assert payment["easyPay"] == {"provider": "토스페이", "amount": 15000, "discountAmount": 0}
    assert payment["card"] is None


async def test_a_wallet_pays_with_a_card_inside_it(sandbox: Practice) -> None:
    payment = (await confirm(sandbox.wire, await authenticated(sandbox.wire, way="KAKAOPAY"))).json()

    assert payment["method"] == "간편결제"
    assert payment["easyPay"] == {"provider": "카카오페이", "amount": 0, "discountAmount": 0}
    assert payment["card"]["amount"] == 15000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (401, "UNAUTHORIZED_KEY")),
        ("Bearer test_sk_haru", (400, "INCORRECT_BASIC_AUTH_FORMAT")),
        ("Basic " + base64.b64encode(b"test_sk_haru").decode(), (400, "INCORRECT_BASIC_AUTH_FORMAT")),
        ("Basic " + base64.b64encode(b"test_sk_haru:pw").decode(), (400, "INCORRECT_BASIC_AUTH_FORMAT")),
        (
            "Basic " + base64.b64encode(b"test_sk_haru:").decode().rstrip("="),
            (400, "INCORRECT_BASIC_AUTH_FORMAT"),
        ),
        ("Basic " + base64.b64encode(b"test_sk_nobody:").decode(), (401, "UNAUTHORIZED_KEY")),
        ("Basic " + base64.b64encode(b"test_ck_haru:").decode(), (400, "INVALID_API_KEY")),
    ],
)
async def test_it_refuses_a_wrong_key(sandbox: Practice, header: str | None, expected: tuple[int, str]) -> None:
    claim = await authenticated(sandbox.wire)
    headers = {"Authorization": header} if header else {}

    for answer in (
        await confirm(sandbox.wire, claim, auth=None, headers=headers),
        await sandbox.wire.get(f"/v1/payments/{claim['paymentKey']}", headers=headers),
        await sandbox.wire.post(f"/v1/payments/{claim['paymentKey']}/cancel", json={}, headers=headers),
    ):
        assert refused(answer) == expected


async def test_a_merchant_never_sees_the_payment_of_another(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    key = claim["paymentKey"]

    assert refused(await confirm(sandbox.wire, claim, auth=STRANGER)) == (404, "NOT_FOUND_PAYMENT_SESSION")
    assert refused(await look(sandbox.wire, key, STRANGER)) == (404, "NOT_FOUND_PAYMENT")
    assert refused(await look(sandbox.wire, f"orders/{claim['orderId']}", STRANGER)) == (404, "NOT_FOUND_PAYMENT")
    stolen = await sandbox.wire.post(f"/v1/payments/{key}/cancel", json={"cancelReason": "x"}, auth=STRANGER)
    assert refused(stolen) == (404, "NOT_FOUND_PAYMENT")
    assert (await look(sandbox.wire, key)).json()["status"] == "IN_PROGRESS"


async def test_a_payment_is_ready_then_in_progress_then_done(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())
    ready = (await look(sandbox.wire, key)).json()
    await sandbox.buyer.approve()
    in_progress = (await look(sandbox.wire, key)).json()

    assert (ready["status"], ready["method"], ready["approvedAt"]) == ("READY", None, None)
    assert (in_progress["status"], in_progress["method"], in_progress["receipt"]) == (
        "IN_PROGRESS",
        "카드",
        None,
    )


async def test_it_refuses_to_confirm_what_the_buyer_has_not_approved(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())
    claim = {"paymentKey": key, "orderId": "ORDER0001", "amount": 15000}

    assert refused(await confirm(sandbox.wire, claim)) == (404, "NOT_FOUND_PAYMENT_SESSION")


@pytest.mark.parametrize(("seconds", "status"), [(1799, "READY"), (1800, "EXPIRED")])
async def test_a_window_lives_for_30_minutes(sandbox: Practice, seconds: int, status: str) -> None:
    key = await sandbox.buyer.open(handoff())
    sandbox.clock.go_on(seconds=seconds)

    assert (await look(sandbox.wire, key)).json()["status"] == status


@pytest.mark.parametrize(("seconds", "status"), [(599, "DONE"), (600, "EXPIRED")])
async def test_an_approval_can_be_confirmed_for_10_minutes(sandbox: Practice, seconds: int, status: str) -> None:
    claim = await authenticated(sandbox.wire)
    sandbox.clock.go_on(seconds=seconds)

    answer = await confirm(sandbox.wire, claim)

    assert (await look(sandbox.wire, claim["paymentKey"])).json()["status"] == status
    assert answer.status_code == (200 if status == "DONE" else 404)


async def test_a_second_confirm_is_already_processed(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    await confirm(sandbox.wire, claim)

    assert refused(await confirm(sandbox.wire, claim)) == (400, "ALREADY_PROCESSED_PAYMENT")


@pytest.mark.parametrize(
    "wrong",
    [{"amount": 14999}, {"orderId": "ORDER0002"}, {"amount": "15000"}, {"amount": None}, {"paymentKey": 7}],
)
async def test_a_confirm_that_names_other_facts_moves_nothing(sandbox: Practice, wrong: dict[str, Any]) -> None:
    claim = await authenticated(sandbox.wire)

    assert refused(await confirm(sandbox.wire, claim | wrong)) == (400, "INVALID_REQUEST")
    assert (await confirm(sandbox.wire, claim)).json()["status"] == "DONE"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"paymentKey=1"])
async def test_a_confirm_that_is_no_json_object_is_invalid(sandbox: Practice, body: bytes) -> None:
    answer = await sandbox.wire.post("/v1/payments/confirm", content=body, auth=KEY)

    assert refused(answer) == (400, "INVALID_REQUEST")


async def test_a_refused_confirm_ends_the_payment(sandbox: Practice) -> None:
    key = await sandbox.buyer.open(handoff())
    await sandbox.buyer.decline("REJECT_CARD_PAYMENT")
    claim = {"paymentKey": key, "orderId": "ORDER0001", "amount": 15000}

    assert refused(await confirm(sandbox.wire, claim)) == (403, "REJECT_CARD_PAYMENT")
    payment = (await look(sandbox.wire, key)).json()
    assert (payment["status"], payment["failure"]["code"]) == ("ABORTED", "REJECT_CARD_PAYMENT")
    assert refused(await confirm(sandbox.wire, claim)) == (400, "ALREADY_PROCESSED_PAYMENT")


async def test_an_order_is_paid_in_one_of_its_windows_only(sandbox: Practice) -> None:
    first, second = await authenticated(sandbox.wire), await authenticated(sandbox.wire)
    await confirm(sandbox.wire, first)

    assert first["paymentKey"] != second["paymentKey"]
    assert refused(await confirm(sandbox.wire, second)) == (400, "ALREADY_PROCESSED_PAYMENT")
    found = (await look(sandbox.wire, "orders/ORDER0001")).json()
    assert (found["paymentKey"], found["status"]) == (first["paymentKey"], "DONE")


async def test_of_two_windows_the_newer_is_found_unless_the_older_got_further(sandbox: Practice) -> None:
    older = await sandbox.buyer.open(handoff())
    newer = await sandbox.buyer.open(handoff())
    assert (await look(sandbox.wire, "orders/ORDER0001")).json()["paymentKey"] == newer

    sandbox.buyer.payment_key = older
    await sandbox.buyer.approve()
    assert (await look(sandbox.wire, "orders/ORDER0001")).json()["paymentKey"] == older


async def test_the_links_in_a_payment_lead_to_pages_that_exist(sandbox: Practice) -> None:
    payment = (await confirm(sandbox.wire, await authenticated(sandbox.wire))).json()

    for link in (payment["receipt"]["url"], payment["checkout"]["url"]):
        assert link.startswith(ORIGIN)
        assert (await sandbox.wire.get(link)).status_code == 200


async def test_a_look_up_finds_the_payment_by_its_key_and_by_its_order(sandbox: Practice) -> None:
    claim = await authenticated(sandbox.wire)
    done = (await confirm(sandbox.wire, claim)).json()

    assert (await look(sandbox.wire, claim["paymentKey"])).json() == done
    assert (await look(sandbox.wire, f"orders/{claim['orderId']}")).json() == done
    assert refused(await look(sandbox.wire, "orders/UNKNOWN01")) == (404, "NOT_FOUND_PAYMENT")
    assert refused(await look(sandbox.wire, "unknown")) == (404, "NOT_FOUND_PAYMENT")
