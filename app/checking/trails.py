"""The trail: every change of state left one event, every step of it is allowed, and its end is what the row says."""

from app.checking.invariant import Invariant, quoted
from app.orders.states import CAPTURED
from app.orders.states import NEXT as ORDER_NEXT
from app.payments.states import NEXT, REFUND_NEXT, RefundStatus

# A refund begins where the PG or we first saw it.
REFUND_BEGINS = (RefundStatus.REQUESTED, RefundStatus.PENDING, RefundStatus.SUCCEEDED, RefundStatus.FAILED)
ALLOWED = sorted(
    [
        *(f"order {before} {after}" for before, afters in ORDER_NEXT.items() for after in afters),
        *(f"payment {before} {after}" for before, afters in NEXT.items() for after in afters),
        *(f"refund {before} {after}" for before, afters in REFUND_NEXT.items() for after in afters),
        *(f"refund none {after}" for after in REFUND_BEGINS),
    ]
)

# What the payload of a mail says that tells a shopper that the order is paid.
PAID_MAILS = " OR ".join(f"""CAST(j.payload AS TEXT) LIKE '%"mail": "{mail}"%'""" for mail in ("paid",))

# Whose state moved, and each time how often a state was entered (1) or left (-1). Two events of one moment have no
# order, so the trail is not read along: where it was unbroken, every state but the last was left as often as entered.
MOVES = """
    SELECT e.subject AS subject, CASE e.subject WHEN 'order' THEN e."order" ELSE e.payment END AS whose,
        e.to_status AS state, 1 AS entered
    FROM payment_events e WHERE e.subject IN ('order', 'payment', 'refund', 'dispute')
    UNION ALL
    SELECT e.subject, CASE e.subject WHEN 'order' THEN e."order" ELSE e.payment END, e.from_status, -1
    FROM payment_events e
    WHERE e.subject IN ('order', 'payment', 'refund', 'dispute') AND e.from_status IS NOT NULL
    UNION ALL SELECT 'order', o.id, 'pending', 1 FROM orders o
    UNION ALL SELECT 'order', o.id, o.status, -1 FROM orders o
    UNION ALL SELECT 'payment', p.id, 'created', 1 FROM payments p
    UNION ALL SELECT 'payment', p.id, p.status, -1 FROM payments p
    UNION ALL SELECT 'refund', r.payment, r.status, -1 FROM refunds r
    UNION ALL SELECT 'dispute', d.payment, d.status, -1 FROM disputes d
"""

INVARIANTS = (
    Invariant(
        "trail",
        f"""
        SELECT CASE m.subject WHEN 'order' THEN 'order ' WHEN 'payment' THEN 'payment '
            ELSE m.subject || ' of payment ' END || CAST(m.whose AS TEXT),
            CASE WHEN SUM(m.entered) > 0 THEN 'came to be ' || m.state || ', and no event tells how it left that'
            ELSE 'is or was ' || m.state || ', and no event tells how it came to that' END
        FROM ({MOVES}) m GROUP BY m.subject, m.whose, m.state HAVING SUM(m.entered) <> 0
        """,
    ),
    Invariant(
        "step",
        f"""
        SELECT 'event ' || CAST(e.id AS TEXT),
            'moves a ' || e.subject || ' from ' || COALESCE(e.from_status, 'nothing') || ' to '
            || COALESCE(e.to_status, 'nothing') || ', which no table of states allows'
        FROM payment_events e WHERE e.subject IN ('order', 'payment', 'refund')
        AND e.subject || ' ' || COALESCE(e.from_status, 'none') || ' ' || COALESCE(e.to_status, 'none') NOT IN
            ({", ".join(f"'{step}'" for step in ALLOWED)})
        """,
    ),
    Invariant(
        "paid_mail",
        f"""
        SELECT 'job ' || m.dedupe_key, CASE WHEN SUM(m.wanted) > 0 THEN 'is missing: nothing tells the shopper that '
            || 'the order is paid' ELSE 'tells the shopper of a payment that no event tells of' END
        FROM (
            SELECT 'mail:' || CAST(e.id AS TEXT) AS dedupe_key, 1 AS wanted FROM payment_events e
            WHERE e.subject = 'order' AND e.to_status IN ({quoted(CAPTURED)})
            AND e.from_status NOT IN ({quoted(CAPTURED)})
            UNION ALL
            SELECT j.dedupe_key, -1 FROM jobs j WHERE j.kind = 'mail' AND ({PAID_MAILS})
        ) m GROUP BY m.dedupe_key HAVING SUM(m.wanted) <> 0
        """,
    ),
)
