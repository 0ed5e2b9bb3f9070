"""What the PortOne provider reads without asking PortOne: the keys, and a shopper's return."""

import pytest

from app.payments.provider import Claim, Notice, Unreadable
from app.payments.providers.portone import PortOne
from tests.portone_pg import KEYS, REFERENCE, Pg

# A shopper's return

RETURN = {"paymentId": REFERENCE}


@pytest.mark.parametrize(
    ("query", "claim"),
    [
        (RETURN, Claim(REFERENCE)),
        ({**RETURN, "transactionType": "PAYMENT", "txId": "tx-1"}, Claim(REFERENCE)),
        ({**RETURN, "payment": "our-own-token"}, Claim(REFERENCE)),
        ({**RETURN, "paymentToken": "pt-1"}, Claim(REFERENCE, "pt-1")),
        ({**RETURN, "paymentToken": ""}, Claim(REFERENCE)),
        (
            {**RETURN, "code": "PGProviderError", "pgCode": "PAY_PROCESS_CANCELED"},
            Claim(REFERENCE, failure="PAY_PROCESS_CANCELED", left=True),
        ),
        ({**RETURN, "code": "Cancelled"}, Claim(REFERENCE, failure="Cancelled", left=True)),
        (
            {**RETURN, "code": "PGProviderError", "pgCode": "REJECT_CARD_COMPANY", "message": "x"},
            Claim(REFERENCE, failure="REJECT_CARD_COMPANY"),
        ),
        ({**RETURN, "code": "FAILURE_TYPE_PG"}, Claim(REFERENCE, failure="FAILURE_TYPE_PG")),
        ({"code": "AmountNotEqualToPredefined"}, Claim(None, failure="AmountNotEqualToPredefined")),
        # Its presence says that it failed, whatever else stands there.
        ({**RETURN, "code": "", "paymentToken": "pt-1"}, Claim(REFERENCE, failure="UnknownError")),
        ({**RETURN, "code": "x\0y"}, Claim(REFERENCE, failure="UnknownError")),
        ({**RETURN, "code": "x" * 200}, Claim(REFERENCE, failure="x" * 80)),
    ],
    ids=str,
)
def test_a_return_is_read(query: dict[str, str], claim: Claim) -> None:
    assert Pg().portone().read(Notice(query)) == claim


SENSELESS: list[dict[str, str]] = [
    {},
    {"paymentId": ""},
    {"message": "x"},
    {"paymentToken": "pt-1"},
    {"paymentId": "a\0b"},
    {"paymentId": "주문"},
    {**RETURN, "paymentToken": "a\nb"},
    {**RETURN, "paymentToken": "t" * 2_001},
    {**RETURN, "transactionType": "ISSUE_BILLING_KEY"},
    {"code": "Cancelled", "paymentId": "a b"},
]


@pytest.mark.parametrize("query", SENSELESS, ids=lambda query: str(query)[:60])
def test_a_senseless_return_is_unreadable(query: dict[str, str]) -> None:
    with pytest.raises(Unreadable):
        Pg().portone().read(Notice(query))


# Keys


@pytest.mark.parametrize(("mode", "expected"), [(None, "test"), ("", "test"), ("test", "test"), ("live", "live")])
def test_the_mode_is_said_beside_the_keys(mode: str | None, expected: str) -> None:
    assert PortOne.mode_of(KEYS if mode is None else {**KEYS, "mode": mode}) == expected


def test_a_shop_may_have_no_webhook_secret_yet_or_two() -> None:
    without = {name: value for name, value in KEYS.items() if name != "webhook_secret"}
    assert PortOne.mode_of(without) == "test"
    assert PortOne.mode_of({**KEYS, "webhook_secret": f"{KEYS['webhook_secret']}, whsec_b3RoZXI="}) == "test"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"store_id": KEYS["channel_key"]}, "The store id must begin with store-"),
        ({"store_id": "imp12345678"}, "The store id must begin with store-"),
        ({"channel_key": KEYS["store_id"]}, "The channel key must begin with channel-key-"),
        ({"channel_key": "test_ck_haru"}, "The channel key must begin with channel-key-"),
        ({"api_secret": ""}, "The API secret must be the V2 API secret"),
        ({"api_secret": "two words"}, "The API secret must be the V2 API secret"),
        ({"api_secret": "비밀"}, "The API secret must be the V2 API secret"),
        ({"api_secret": KEYS["store_id"]}, "The API secret must be the V2 API secret"),
        ({"api_secret": KEYS["webhook_secret"]}, "The API secret must be the V2 API secret"),
        ({"webhook_secret": "whsec_"}, "The webhook secret must be as PortOne shows it"),
        ({"webhook_secret": "whsec_비밀"}, "The webhook secret must be as PortOne shows it"),
        ({"webhook_secret": f"{KEYS['webhook_secret']} whsec_"}, "The webhook secret must be as PortOne shows it"),
        ({"mode": "TEST"}, "The mode must be test or live"),
    ],
    ids=str,
)
def test_wrong_keys_are_told_in_a_sentence(wrong: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        PortOne.mode_of({**KEYS, **wrong})


def test_the_keys_have_names_for_whoever_stores_them() -> None:
    traits = PortOne.traits
    assert {traits.public_key, *traits.secrets} < set(KEYS)
    assert traits.confirm_moves_money is False
    assert traits.banks["KAKAO"] == "카카오뱅크"
