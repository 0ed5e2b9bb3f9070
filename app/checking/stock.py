"""Stock: what is held is held for an order that may be paid or is, and holds end."""

from datetime import timedelta

from app.checking.invariant import Invariant, quoted
from app.orders.states import CAPTURED

# The sweep gives an order that is being decided some minutes more, again and again.
GRACE = timedelta(hours=1)

HOLD_OVER = f"""
    SELECT 'order ' || CAST(o.id AS TEXT), 'is ' || o.status || ' and its time is over, but it holds its stock'
    FROM orders o
    WHERE o.holds_stock AND o.status NOT IN ({quoted(CAPTURED)}) AND (o.status = 'expired' OR o.expires_at < {{}})
"""

INVARIANTS = (
    Invariant(
        "stock",
        """
        SELECT 'product ' || CAST(p.id AS TEXT), 'has ' || p.stock || ' pieces left: more was sold than there was'
        FROM products p WHERE p.stock < 0
        """,
    ),
    Invariant("hold_over", HOLD_OVER, (GRACE,)),
    Invariant(
        # What a refund has put on sale again is told by the items: the order goes on holding the rest, if only nothing.
        "sold_unheld",
        f"""
        SELECT 'order ' || CAST(o.id AS TEXT), 'is ' || o.status || ', but its pieces are on sale again'
        FROM orders o WHERE NOT o.holds_stock AND o.status IN ({quoted(CAPTURED)})
        """,
    ),
    Invariant(
        "restocked",
        """
        SELECT 'order ' || CAST(o.id AS TEXT), 'put ' || s.restocked || ' of its ' || s.quantity || ' pieces on sale '
            || 'again, but its refunds ask for ' || s.asked
        FROM orders o JOIN (
            SELECT i."order", SUM(i.restocked) AS restocked, SUM(i.quantity) AS quantity, MIN(i.restocked) AS least,
                MAX(i.restocked - i.quantity) AS most, COALESCE((
                    SELECT SUM(r.restock) FROM refunds r JOIN payments p ON p.id = r.payment
                    WHERE p."order" = i."order"), 0) AS asked
            FROM order_items i WHERE i.restocked <> 0 GROUP BY i."order"
        ) s ON s."order" = o.id
        WHERE s.least < 0 OR s.most > 0 OR s.restocked > s.asked
        """,
    ),
)
