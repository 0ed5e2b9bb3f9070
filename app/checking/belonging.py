"""What belongs together: one shop's rows hang on that shop alone, and amounts are the same wherever they stand."""

from app.checking.invariant import Invariant

INVARIANTS = (
    Invariant(
        "payment_shop",
        """
        SELECT 'payment ' || CAST(p.id AS TEXT), 'goes to an account of another shop or PG than its order and itself'
        FROM payments p JOIN orders o ON o.id = p."order" JOIN provider_accounts a ON a.id = p.account
        WHERE a.shop <> o.shop OR a.provider <> p.provider
        """,
    ),
    Invariant(
        "item_shop",
        """
        SELECT 'order_item ' || CAST(i.id AS TEXT), 'is of a product of another shop than its order'
        FROM order_items i JOIN orders o ON o.id = i."order" JOIN products p ON p.id = i.product
        WHERE p.shop <> o.shop
        """,
    ),
    Invariant(
        "alert_shop",
        """
        SELECT 'alert ' || CAST(a.id AS TEXT), 'tells one shop of another one''s order or payment'
        FROM alerts a LEFT JOIN payments p ON p.id = a.payment
        JOIN orders o ON o.id = COALESCE(a."order", p."order")
        WHERE a.shop IS NULL OR a.shop <> o.shop OR p."order" <> o.id
        """,
    ),
    Invariant(
        "event_order",
        """
        SELECT 'event ' || CAST(e.id AS TEXT), 'tells of a payment of another order than its own'
        FROM payment_events e JOIN payments p ON p.id = e.payment WHERE p."order" <> e."order"
        """,
    ),
    Invariant(
        "order_total",
        """
        SELECT 'order ' || CAST(o.id AS TEXT), 'costs ' || o.total_amount || ', but its items cost '
            || COALESCE(s.total, 0)
        FROM orders o LEFT JOIN (
            SELECT i."order", SUM(i.unit_price * i.quantity) AS total FROM order_items i GROUP BY i."order"
        ) s ON s."order" = o.id
        WHERE o.total_amount <> COALESCE(s.total, 0)
        """,
    ),
    Invariant(
        "payment_amount",
        """
        SELECT 'payment ' || CAST(p.id AS TEXT), 'asks for ' || p.amount || ' ' || p.currency || ', but its order '
            || 'costs ' || o.total_amount || ' ' || o.currency
        FROM payments p JOIN orders o ON o.id = p."order"
        WHERE p.amount <> o.total_amount OR p.currency <> o.currency
        """,
    ),
    Invariant(
        # Older payments may wake up at their PG beside it; nobody begins a second one.
        "one_untouched",
        """
        SELECT 'order ' || CAST(p."order" AS TEXT), 'has ' || COUNT(*) || ' untouched payments: all but one should be '
            || 'ended'
        FROM payments p WHERE p.status = 'created' GROUP BY p."order" HAVING COUNT(*) > 1
        """,
    ),
)
