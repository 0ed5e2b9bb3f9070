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
    begins_again: bool = False,
) -> bool:
    """Adds one matter to the shop's list and a mail to its owner, in the caller's transaction; True when it is new.

    `key` names the matter: the same one again, however often it is noticed, is no further alert while it is open. One
    that had closed by itself is open again, with another mail. One that a person has closed stays closed, unless the
    matter was over and has begun anew (`begins_again`).
    """
    require_transaction()
    alert = Alert(
        shop=shop_id,
        kind=kind,
        alert_key=f"{kind}:{key}",
        order=order.id if order else None,
        payment=payment.id if payment else None,
        evidence=json.dumps(dict(evidence or {}), ensure_ascii=False, default=str),
        raised_at=clock.now(),
    )
    won = await Alert.insert(alert).on_conflict(target=Alert.alert_key, action="DO NOTHING").returning(Alert.id)
    if won:
        await enqueue("alert", {"alert": str(alert.id)}, f"alert:{alert.id}")
        return True
    return await _reopen(alert, begins_again)


async def _reopen(alert: Alert, begins_again: bool) -> bool:
    """True when the matter under this key was closed and may be open again, as it stands now."""
    is_closed = (Alert.alert_key == alert.alert_key) & Alert.closed_at.is_not_null()
    now = {
        Alert.evidence: alert.evidence,
        Alert.raised_at: alert.raised_at,
        Alert.closed_at: None,
        Alert.closed_by: None,
        Alert.note: "",
    }
    may_reopen = is_closed if begins_again else is_closed & Alert.closed_by.is_null()
    won = await Alert.update(now).where(may_reopen).returning(Alert.id)
    if won:
        number = str(won[0]["id"])
        mail = f"alert:{number}:{clock.new_id()}"
        await enqueue("alert", {"alert": number, "mail": mail}, mail)
    return bool(won)


async def close_alerts(kinds: Collection[AlertKind], order: Order, payment: Payment, note: str) -> None:
    """The same by itself for every matter of these kinds about one payment, under whatever key it stands."""
    require_transaction()
    closed = {Alert.closed_at: clock.now(), Alert.note: note}
    about = (Alert.order == order.id) & (Alert.payment == payment.id) & Alert.kind.is_in(list(kinds))
    await Alert.update(closed).where(about & Alert.closed_at.is_null())


async def close_alert(kind: AlertKind, key: str, note: str = "", closed_by: str | None = None) -> bool:
    """The matter is settled, by a person or (without `closed_by`) by itself; True when this call closed it."""
    require_transaction()
    closed = {Alert.closed_at: clock.now(), Alert.closed_by: closed_by, Alert.note: note}
    is_open = (Alert.alert_key == f"{kind}:{key}") & Alert.closed_at.is_null()
    return bool(await Alert.update(closed).where(is_open).returning(Alert.id))
