"""Handing the shopper over to the PG: the only place that knows how the two sides meet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from markupsafe import Markup

from app.payments.accounts import Gateways, attempt_of
from app.payments.provider import Account, Traits, Urls
from app.payments.starting import hold_for_window
from app.payments.tables import Payment


@dataclass(frozen=True, slots=True)
class Handover:
    """What the pay page needs: its PG-specific part, the script's parameters, and the hosts its CSP must allow."""

    template: str
    sdk_url: str
    handoff_json: Markup
    csp: Mapping[str, tuple[str, ...]]
    label: str
    way_label: str


async def hand_over(
    gateways: Gateways, payment: Payment, order_name: str, customer_email: str, return_url: str
) -> Handover:
    """Begins the payment at its PG and holds the order's stock while the PG's window may be open. Safe to repeat."""
    account = await gateways.account_of(payment)
    provider = gateways.provider(account)
    widget = await provider.begin(attempt_of(payment, order_name, customer_email), Urls(return_url, return_url))
    await hold_for_window(payment)
    return Handover(
        template=widget.template,
        sdk_url=widget.sdk_url,
        handoff_json=_for_script(widget.params),
        csp=_hosts(provider.traits, account),
        label=provider.traits.label,
        way_label=provider.traits.ways[payment.way].label,
    )


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
