"""Sealing: what the database holds opens with the ring's keys, for its own purpose, and in no other way."""

import base64

import pytest

from app.payments.tables import Payment, ProviderAccount
from app.sealing import Ring, Unsealable
from tests.shopping import Market, Shopper

OLD, NEW = bytes(32), bytes(range(32))


def test_it_opens_what_it_sealed() -> None:
    ring = Ring((NEW,))
    assert ring.open(ring.seal("시크릿 키", "account"), "account") == "시크릿 키"


def test_the_same_text_is_sealed_differently_each_time() -> None:
    ring = Ring((NEW,))
    assert ring.seal("key", "account") != ring.seal("key", "account")


def test_an_older_key_still_opens_and_the_newest_seals() -> None:
    sealed = Ring((OLD,)).seal("key", "account")
    turned = Ring((NEW, OLD))
    assert turned.open(sealed, "account") == "key"
    assert Ring((NEW,)).open(turned.seal("key", "account"), "account") == "key"


def test_a_key_that_is_gone_opens_nothing() -> None:
    with pytest.raises(Unsealable):
        Ring((NEW,)).open(Ring((OLD,)).seal("key", "account"), "account")


def test_another_purpose_opens_nothing() -> None:
    ring = Ring((NEW,))
    with pytest.raises(Unsealable):
        ring.open(ring.seal("key", "account"), "claim")


def test_a_changed_text_opens_nothing() -> None:
    ring = Ring((NEW,))
    raw = bytearray(base64.b64decode(ring.seal("key", "account")))
    for place in range(len(raw)):
        changed = bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
        with pytest.raises(Unsealable):
            ring.open(base64.b64encode(changed).decode(), "account")


@pytest.mark.parametrize("text", ["", "x", "test_sk_plain", "AAAA", "한글", "=" * 40])
def test_what_was_never_sealed_is_unsealable(text: str) -> None:
    with pytest.raises(Unsealable):
        Ring((NEW,)).open(text, "account")


async def test_neither_keys_nor_claims_stand_in_the_database_in_the_clear(market: Market, shopper: Shopper) -> None:
    url = await shopper.approve(market.mug)
    await market.fault("answer_lost_before", call="confirm", percent=100)
    await shopper.http.get(url)
    for account in await ProviderAccount.objects():
        assert "test_sk" not in account.credentials
    payment = await market.only_payment()
    assert payment.claim
    key = market.pg.buyer.payment_key
    for row in await Payment.select():
        assert key not in str(row)
