"""Money: an order is paid by exactly one payment of exactly its amount, and whatever else came goes back."""

from app.checking.invariant import Invariant, quoted
from app.orders.states import CAPTURED as CAPTURED_ORDER
from app.payments.booking import GONE_ALREADY
from app.payments.states import CAPTURED, PAYS_NOTHING, AlertKind, RefundKind, RefundStatus

# A refund that still goes on: by its job, or by the shopper who is asked for a bank account.
WAITING = quoted((RefundStatus.REQUESTED, RefundStatus.NEEDS_ACCOUNT))
ALIVE = quoted((RefundStatus.REQUESTED, RefundStatus.NEEDS_ACCOUNT, RefundStatus.PENDING))
# What tells an owner of money that no order can take.
TOLD = quoted((AlertKind.MISMATCH, AlertKind.SURPLUS, AlertKind.REFUND_FAILED))

# Which PGs have a refund in a payment's sum while it is on its way, which also after its bank has sent it back, and at
# which the sum may hold a discount beside the refunds.
COUNT_UNDER_WAY = "'stripe', 'toss'"
COUNT_RETURNED = "'toss'"
COUNT_DISCOUNTS = "'portone'"

BY_AMOUNTS = """
    CASE WHEN p.refunded_amount = 0 THEN 'paid' WHEN p.refunded_amount >= p.captured_amount THEN 'refunded'
    ELSE 'partially_refunded' END
"""

# Money that was taken, kept, and pays no order. An alert that a person has closed is their word that it is settled.
KEPT_BESIDE = f"""
    SELECT 'payment ' || CAST(p.id AS TEXT),
        'holds ' || (p.captured_amount - p.refunded_amount) || ' that pays no order, is not on its way back, '
        || 'and stands on nobody''s list'
    FROM payments p JOIN orders o ON o.id = p."order"
    WHERE p.captured_amount > p.refunded_amount AND (o.paid_by IS NULL OR o.paid_by <> p.id)
    AND p.captured_amount - p.refunded_amount > COALESCE(
        (SELECT SUM(r.amount) FROM refunds r WHERE r.payment = p.id AND r.status IN ({ALIVE})), 0)
    AND NOT EXISTS (
        SELECT 1 FROM alerts a
        WHERE a.payment = p.id AND (a.closed_at IS NULL OR a.closed_by IS NOT NULL) AND a.kind IN ({TOLD}))
"""

# For each payment: what its refunds say has gone, what may be in its sum or not, and what is still to go.
REFUNDS = f"""
    SELECT q.id AS payment,
        SUM(CASE WHEN r.status = 'succeeded' OR (r.status = 'pending' AND q.provider IN ({COUNT_UNDER_WAY}))
            THEN r.amount ELSE 0 END) AS gone,
        SUM(CASE WHEN r.status IN ('failed', {WAITING}) AND r.pg_refund_id IS NOT NULL
            AND q.provider IN ({COUNT_RETURNED}) THEN r.amount ELSE 0 END) AS returned,
        SUM(CASE WHEN r.kind <> '{RefundKind.OUTSIDE}' AND (
            (r.status IN ({WAITING}) AND (r.pg_refund_id IS NULL OR q.provider NOT IN ({COUNT_RETURNED})))
            OR (r.status = 'pending' AND q.provider NOT IN ({COUNT_UNDER_WAY}))) THEN r.amount ELSE 0 END) AS to_go,
        SUM(CASE WHEN r.kind = '{RefundKind.OUTSIDE}' THEN r.amount ELSE 0 END) AS outside
    FROM refunds r JOIN payments q ON q.id = r.payment GROUP BY q.id
"""

INVARIANTS = (
    Invariant(
        "paid_by",
        f"""
        SELECT 'order ' || CAST(o.id AS TEXT),
            'is ' || o.status || CASE WHEN o.paid_by IS NULL THEN ', but no payment pays it'
            WHEN p.id IS NULL THEN ', but what pays it is no payment of its own' ELSE ', but a payment pays it' END
        FROM orders o LEFT JOIN payments p ON p.id = o.paid_by AND p."order" = o.id
        WHERE (o.status IN ({quoted(CAPTURED_ORDER)})) <> (p.id IS NOT NULL)
        OR (o.paid_by IS NOT NULL AND p.id IS NULL)
        """,
    ),
    Invariant(
        "paid_exactly",
        """
        SELECT 'payment ' || CAST(p.id AS TEXT), 'asked for ' || p.amount || ', but ' || p.captured_amount
            || ' was captured, and it is no mismatch'
        FROM payments p WHERE p.captured_amount > 0 AND p.captured_amount <> p.amount AND p.status <> 'mismatch'
        """,
    ),
    Invariant(
        "order_state",
        """
        SELECT 'order ' || CAST(o.id AS TEXT), 'is ' || o.status || ', but the payment that pays it is ' || p.status
        FROM orders o JOIN payments p ON p.id = o.paid_by AND p."order" = o.id WHERE o.status <> p.status
        """,
    ),
    Invariant(
        "order_refunded",
        """
        SELECT 'order ' || CAST(o.id AS TEXT), 'says that ' || o.refunded_amount || ' went back, but of its payment '
            || COALESCE(p.refunded_amount, 0) || ' did'
        FROM orders o LEFT JOIN payments p ON p.id = o.paid_by AND p."order" = o.id
        WHERE o.refunded_amount <> COALESCE(p.refunded_amount, 0)
        """,
    ),
    Invariant(
        "payment_state",
        f"""
        SELECT 'payment ' || CAST(p.id AS TEXT), 'is ' || p.status || ', but the PG captured ' || p.captured_amount
            || ' and refunded ' || p.refunded_amount
        FROM payments p WHERE p.status <> 'mismatch' AND (
            (p.captured_amount > 0) <> (p.status IN ({quoted(CAPTURED)}))
            OR (p.captured_amount > 0 AND p.status <> {BY_AMOUNTS}))
        """,
    ),
    Invariant("surplus", KEPT_BESIDE + " AND p.status <> 'mismatch'"),
    Invariant("mismatch", KEPT_BESIDE + " AND p.status = 'mismatch'"),
    Invariant(
        "refund_sum",
        f"""
        SELECT 'payment ' || CAST(p.id AS TEXT), 'says that ' || p.refunded_amount || ' went back, its refunds say '
            || COALESCE(s.gone, 0)
        FROM payments p LEFT JOIN ({REFUNDS}) s ON s.payment = p.id
        WHERE (p.refunded_amount > 0 OR s.payment IS NOT NULL) AND (
            p.refunded_amount < COALESCE(s.gone, 0)
            OR (p.refunded_amount > COALESCE(s.gone, 0) + COALESCE(s.returned, 0)
                AND NOT (p.provider IN ({COUNT_DISCOUNTS}) AND p.refunded_amount = p.captured_amount)))
        """,
    ),
    Invariant(
        # What a person sends back at the PG is not ours to bound; and of a deposit that its bank has taken back, the
        # refund that was under way finds nothing to send.
        "refund_balance",
        f"""
        SELECT 'payment ' || CAST(p.id AS TEXT), 'captured ' || p.captured_amount || ' and refunded '
            || p.refunded_amount || ', but ' || s.to_go || ' more is to go back'
        FROM payments p JOIN ({REFUNDS}) s ON s.payment = p.id
        WHERE p.refunded_amount + s.to_go > p.captured_amount + s.outside
        AND NOT (p.captured_amount = 0 AND p.deposit_due_at IS NOT NULL)
        """,
    ),
    Invariant(
        "refund_failed",
        f"""
        SELECT 'refund ' || CAST(r.id AS TEXT), 'of ' || r.amount || ' failed, and no alert has told the owner'
        FROM refunds r LEFT JOIN alerts a ON a.alert_key = '{AlertKind.REFUND_FAILED}:' || CAST(r.id AS TEXT)
        WHERE r.status = 'failed' AND r.kind <> '{RefundKind.OUTSIDE}'
        AND COALESCE(r.failure_code, '') <> '{GONE_ALREADY}' AND a.id IS NULL
        """,
    ),
    Invariant(
        "account_wanted",
        f"""
        SELECT 'refund ' || CAST(r.id AS TEXT), 'of ' || r.amount || ' waits for the shopper''s bank account, and no '
            || 'alert has told the owner'
        FROM refunds r
        WHERE r.status = 'needs_account' AND r.kind IN ({quoted(PAYS_NOTHING)})
        AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.payment = r.payment AND a.kind IN ({TOLD}))
        """,
    ),
    Invariant(
        # One that a person made at the PG's console has no job: the PG tells of it.
        "refund_forgotten",
        f"""
        SELECT 'refund ' || CAST(r.id AS TEXT), 'of ' || r.amount || ' is ' || r.status || ', but no job asks for it'
        FROM refunds r
        WHERE r.status IN ('requested', 'pending') AND r.kind <> '{RefundKind.OUTSIDE}'
        AND CAST(r.id AS TEXT) NOT IN (
            SELECT SUBSTR(j.dedupe_key, 8, 36) FROM jobs j WHERE j.kind = 'refund' AND j.done_at IS NULL)
        """,
    ),
)
