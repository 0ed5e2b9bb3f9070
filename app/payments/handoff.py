"""Handing the shopper over to the PG: the only place that knows how the two sides meet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from markupsafe import Markup

from app.database import write_transaction
from app.orders.tables import Order
from app.payments.accounts import Gateways, attempt_of
from app.payments.following import shut_later
from app.payments.provider import Account, Handoff, Over, Redirect, StoredError, Traits, Urls
from app.payments.starting import hold_for_window
from app.payments.states import PaymentStatus
from app.payments.tables import Payment


@dataclass(frozen=True, slots=True)
class Handover:
    """What the pay page needs: its PG-specific part, the script's parameters, and the hosts its CSP must allow.

    `url` is the PG's own page (method A); without one, `sdk_url` is the script that opens its window (method B).
    """

    template: str
    url: str | None
    sdk_url: str
    handoff_json: Markup
    csp: Mapping[str, tuple[str, ...]]
    label: str
    way_label: str
    is_test: bool


async def hand_over(
    gateways: Gateways,
    payment: Payment,
    order: Order,
    order_name: str,
    return_url: str,
    locale: Literal["ko", "en"],
) -> Handover:
    """Begins the payment at its PG and holds the order's stock while the PG's window may be open. Safe to repeat.

    What the PG made is committed before the shopper is sent on. Raises Over, Unreachable, Misconfigured.
    """
    account = await gateways.account_of(payment)
    provider = gateways.provider(account)
    urls = Urls(return_url, return_url)
    try:
        handoff = await provider.begin(attempt_of(payment, order_name, order.customer_email, locale), urls)
    except StoredError:
        await Payment.update({Payment.begin_tries: payment.begin_tries + 1}).where(Payment.id == payment.id)
        raise
    if handoff.session_id and not await _keep_session(payment, handoff.session_id):
        # Another tab was faster, with another key: only what stands in our row is ever looked up.
        known = await Payment.objects().get(Payment.id == payment.id)
        handoff = await provider.begin(attempt_of(known, order_name, order.customer_email, locale), urls)
    await hold_for_window(payment, order)
    return Handover(
        **_side_of(handoff),
        csp={} if isinstance(handoff, Redirect) else _hosts(provider.traits, account),
        label=provider.traits.label,
        way_label=provider.traits.ways[payment.way].label,
        is_test=account.mode == "test",
    )


async def _keep_session(payment: Payment, session_id: str) -> bool:
    """Whether this is the payment's session: the first one that was made for it. Raises Over where it has ended."""
    if payment.pg_session_id == session_id:
        return True
    won = (
        await Payment.update({Payment.pg_session_id: session_id})
        .where((Payment.id == payment.id) & (Payment.pg_session_id.is_null() | (Payment.pg_session_id == session_id)))
        .returning(Payment.status)
    )
    if won and won[0]["status"] != PaymentStatus.CREATED:
        # Ended in another tab while the PG was asked: what was made since then is closed there.
        async with write_transaction():
            await shut_later(payment)
        raise Over(payment.reference)
    return bool(won)


def _side_of(handoff: Handoff) -> dict[str, Any]:
    if isinstance(handoff, Redirect):
        params = {"redirectUrl": handoff.url}
        return {"template": "pay.html", "url": handoff.url, "sdk_url": "", "handoff_json": _for_script(params)}
    return {
        "template": handoff.template,
        "url": None,
        "sdk_url": handoff.sdk_url,
        "handoff_json": _for_script(handoff.params),
    }


def _for_script(params: Mapping[str, object]) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(params, ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _hosts(traits: Traits, account: Account) -> dict[str, tuple[str, ...]]:
    """The PG's own hosts, and where the settings point it to."""
    sdk = _origin(account.sdk_url)
    return {
        "script-src": (*traits.script_hosts, sdk),
        "connect-src": (*traits.connect_hosts, sdk, _origin(account.api_base)),
        "frame-src": (*traits.frame_hosts, sdk),
        # A PG's script draws its own frame around its window.
        "style-src": ("'self'", "'unsafe-inline'"),
    }


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
