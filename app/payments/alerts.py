"""Alerts: what only a person can settle, noticed once, told to the owner, and closed by whoever settles it."""

import json
from collections.abc import Collection, Mapping

from app import clock
from app.database import require_transaction
from app.jobs.queue import enqueue
from app.orders.tables import Order
from app.payments.states import AlertKind
from app.payments.tables import Alert, Payment


async def raise_alert(
    kind: AlertKind,
    key: str,
    shop_id: object | None,
    order: Order | None = None,
    payment: Payment | None = None,
    evidence: Mapping[str, object] | None = None,
) -> bool:
    """Adds one matter to the shop's list and a mail to its owner, in the caller's transaction; True when it is new.

    `key` names the matter: the same one again, however often it is noticed, is no further alert.
    """
    require_transaction()
    alert = Alert(
        shop=shop_id,
        kind=kind,
        alert_key=f"{kind}:{key}",
        order=order.id if order else None,
        payment=payment.id if payment else None,
        evidence=json.dumps(dict(evidence or {}), ensure_ascii=False, default=str),
    )
    won = await Alert.insert(alert).on_conflict(target=Alert.alert_key, action="DO NOTHING").returning(Alert.id)
    if won:
        await enqueue("alert", {"alert": str(alert.id)}, f"alert:{alert.id}")
    return bool(won)


async def close_alerts(kinds: Collection[AlertKind], order: Order, payment: Payment, note: str) -> None:
    """The same by itself for every matter of these kinds about one payment, under whatever key it stands."""
    require_transaction()
    closed = {Alert.closed_at: clock.now(), Alert.note: note}
    about = (Alert.order == order.id) & (Alert.payment == payment.id) & Alert.kind.is_in(list(kinds))
    await Alert.update(closed).where(about & Alert.closed_at.is_null())


async def close_alert(kind: AlertKind, key: str, note: str = "", closed_by: str | None = None) -> None:
    """The matter is settled, by a person or (without `closed_by`) by itself. Nothing when it was or is none."""
    require_transaction()
    closed = {Alert.closed_at: clock.now(), Alert.closed_by: closed_by, Alert.note: note}
    await Alert.update(closed).where(Alert.alert_key == f"{kind}:{key}", Alert.closed_at.is_null())
