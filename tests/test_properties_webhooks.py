"""What the providers hear: any bytes and headers are one of five things, and a signature holds for every byte."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import clock
from app.payments.provider import Account, Delivery, Forged, Heard, NotSetUp, Provider, Unreadable
from app.payments.providers.portone import PortOne
from app.payments.providers.stripe import Stripe
from app.payments.providers.toss import Toss
from tests import portone_pg, stripe_pg
from tests.properties import VALUES, repeatable

NOW = datetime(2026, 9, 10, 6, 31, tzinfo=UTC)
SENT_AT = str(int(NOW.timestamp()))
REFERENCE = portone_pg.REFERENCE
# Nothing is asked here.
NOBODY = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(500)))
TOSS = Account("toss", "test", "haru01", {"client_key": "test_ck_haru", "secret_key": "test_sk_haru"})


@pytest.fixture(autouse=True, scope="module")
def _now() -> Any:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(clock, "now", lambda: NOW)
        yield


def sign_portone(body: bytes) -> dict[str, str]:
    key = base64.b64decode(portone_pg.KEYS["webhook_secret"].removeprefix("whsec_"))
    digest = hmac.digest(key, f"msg_1.{SENT_AT}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": "msg_1", "webhook-timestamp": SENT_AT, "webhook-signature": signature}


def sign_stripe(body: bytes) -> dict[str, str]:
    signature = hmac.new(stripe_pg.SECRET.encode(), f"{SENT_AT}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={SENT_AT},v1={signature}"}


def sign_toss(body: bytes) -> dict[str, str]:
    return {"tosspayments-webhook-transmission-id": "whtrans_1"}


@dataclass(frozen=True)
class Pg:
    """A provider with its account, the headers that this PG sends with a body, and an event about a payment of ours."""

    account: Account
    provider: type[Provider]
    sign: Callable[[bytes], dict[str, str]]
    event: dict[str, Any]

    def hear(self, headers: dict[str, str], body: bytes) -> Heard | type[Exception] | None:
        """What is heard, or what is raised; anything else is an error of ours."""
        try:
            return self.provider(self.account, NOBODY).hear(Delivery(headers, body))
        except (NotSetUp, Forged, Unreadable) as error:
            return type(error)


ABOUT = {"orderId": REFERENCE, "status": "DONE", "paymentKey": "tviva20260910"}
PAID = {"storeId": portone_pg.STORE, "paymentId": REFERENCE, "transactionId": "0199338a"}
INTENT = {"id": "evt_1", "object": "event", "livemode": False, "type": "payment_intent.succeeded"}
PGS = {
    "toss": Pg(TOSS, Toss, sign_toss, {"eventType": "PAYMENT_STATUS_CHANGED", "data": ABOUT}),
    "portone": Pg(portone_pg.ACCOUNT, PortOne, sign_portone, {"type": "Transaction.Paid", "data": PAID}),
    "stripe": Pg(stripe_pg.ACCOUNT, Stripe, sign_stripe, {**INTENT, "data": {"object": stripe_pg.intent()}}),
}
everyone = pytest.mark.parametrize("pg", PGS.values(), ids=PGS)
who_sign = pytest.mark.parametrize("pg", [PGS["portone"], PGS["stripe"]], ids=["portone", "stripe"])

# As a server decodes them.
texts = st.text(st.characters(max_codepoint=255), max_size=60)
NAMES = [name for pg in PGS.values() for name in pg.sign(b"")]
headers = st.dictionaries(
    st.sampled_from(NAMES), texts | st.sampled_from([SENT_AT, "msg_1", f"t={SENT_AT},v1=", "v1,"])
)


@st.composite
def bodies(draw: st.DrawFn, event: dict[str, Any]) -> bytes:
    """An event in which anything may stand anywhere; or any JSON; or any bytes."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
    changed = json.loads(json.dumps(event))
    for _ in range(draw(st.integers(0, 3))):
        place = changed
        while isinstance(inner := place[name := draw(st.sampled_from(sorted(place)))], dict) and inner:
            if draw(st.booleans()):
                break
            place = inner
        if draw(st.booleans()):
            place[name] = draw(VALUES)
        elif len(place) > 1:
            del place[name]
    return json.dumps(changed).encode()


@everyone
@repeatable
@given(data=st.data())
def test_any_bytes_with_any_headers_are_one_of_five_things(pg: Pg, data: st.DataObject) -> None:
    heard = pg.hear(data.draw(headers), data.draw(bodies(pg.event)))
    assert isinstance(heard, Heard | None) or heard in (NotSetUp, Forged, Unreadable)


@everyone
@repeatable
@given(data=st.data())
def test_whatever_the_pg_sends_is_heard_passed_over_or_unreadable(pg: Pg, data: st.DataObject) -> None:
    body = data.draw(bodies(pg.event))
    heard = pg.hear(pg.sign(body), body)
    assert isinstance(heard, Heard | None) or heard is Unreadable
    if isinstance(heard, Heard):
        assert heard.reference in (None, REFERENCE)
        assert heard.reference or heard.pg_payment_id
        assert heard.delivery
        assert isinstance(heard.pg_payment_id, str | None)


@everyone
def test_an_event_of_the_pgs_is_heard(pg: Pg) -> None:
    body = json.dumps(pg.event).encode()
    heard = pg.hear(pg.sign(body), body)
    assert isinstance(heard, Heard)
    assert heard.reference == REFERENCE


@who_sign
@repeatable
@given(data=st.data())
def test_a_signed_body_with_one_byte_changed_is_forged(pg: Pg, data: st.DataObject) -> None:
    body = json.dumps(pg.event).encode()
    place, by = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(1, 255))
    changed = bytearray(body)
    changed[place] ^= by
    assert pg.hear(pg.sign(body), bytes(changed)) is Forged


@who_sign
@repeatable
@given(data=st.data())
def test_a_signed_body_that_is_cut_or_grown_is_forged(pg: Pg, data: st.DataObject) -> None:
    body = json.dumps(pg.event).encode()
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    assert pg.hear(pg.sign(body), cut) is Forged
    assert pg.hear(pg.sign(body), body + data.draw(st.binary(min_size=1, max_size=5))) is Forged


@who_sign
@repeatable
@given(data=st.data())
def test_with_any_header_changed_it_is_forged(pg: Pg, data: st.DataObject) -> None:
    body = json.dumps(pg.event).encode()
    signed = pg.sign(body)
    name = data.draw(st.sampled_from(sorted(signed)))
    place, other = data.draw(st.integers(0, len(signed[name]) - 1)), data.draw(st.sampled_from("0az,=. "))
    changed = signed[name][:place] + other + signed[name][place + 1 :]
    heard = pg.hear({**signed, name: changed}, body)
    assert heard is Forged or changed == signed[name]


@who_sign
@repeatable
@given(data=st.data())
def test_without_a_secret_nothing_is_authentic(pg: Pg, data: st.DataObject) -> None:
    body, empty = data.draw(bodies(pg.event)), data.draw(st.sampled_from(["", " ", ",", ", ,"]))
    nobody = replace(pg, account=replace(pg.account, credentials={**pg.account.credentials, "webhook_secret": empty}))
    assert nobody.hear(pg.sign(body), body) is NotSetUp
