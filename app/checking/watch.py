"""The watch: nothing that is undecided rests without a next look, a job, or a person who was told."""

from datetime import timedelta

from app.checking.invariant import Invariant, quoted
from app.jobs.queue import MOST_TRIES
from app.payments.states import OPEN, AlertKind

# When an owner is told of a confirm without an answer, and of what the PG itself calls "processing"; the sweep that
# does it comes some minutes later.
TOLD_AFTER = timedelta(minutes=75)
PROCESSING_TOLD_AFTER = timedelta(days=3, minutes=5)

INVARIANTS = (
    Invariant(
        "next_look",
        """
        SELECT 'payment ' || CAST(p.id AS TEXT), 'is ' || p.status || ' and not closed, but nobody will look at it'
        FROM payments p WHERE p.closed_at IS NULL AND p.next_check_at IS NULL
        """,
    ),
    Invariant(
        "closed_undecided",
        f"""
        SELECT 'payment ' || CAST(p.id AS TEXT), 'is closed, but still ' || p.status
        FROM payments p WHERE p.closed_at IS NOT NULL AND p.status IN ({quoted(OPEN)})
        """,
    ),
    Invariant(
        "stuck",
        f"""
        SELECT 'payment ' || CAST(s.id AS TEXT), 'has been on its way for too long, and no alert says so'
        FROM (
            SELECT p.id AS id, p.claim AS claim, (
                SELECT MAX(e.at) FROM payment_events e
                WHERE e.payment = p.id AND e.subject = 'payment' AND e.to_status = 'confirming') AS since
            FROM payments p WHERE p.status = 'confirming' AND p.closed_at IS NULL
        ) s
        WHERE (s.since < {{}} OR (s.claim IS NOT NULL AND s.since < {{}})) AND NOT EXISTS (
            SELECT 1 FROM alerts a
            WHERE a.payment = s.id AND a.kind = '{AlertKind.STUCK}' AND a.raised_at >= s.since)
        """,
        (PROCESSING_TOLD_AFTER, TOLD_AFTER),
    ),
    Invariant(
        "webhook_forgotten",
        """
        SELECT 'inbox_event ' || CAST(i.id AS TEXT), 'is not handled, but no job will do it'
        FROM inbox_events i LEFT JOIN jobs j ON j.dedupe_key = 'inbox:' || CAST(i.id AS TEXT)
        WHERE i.handled_at IS NULL AND (j.id IS NULL OR j.done_at IS NOT NULL)
        """,
    ),
    Invariant(
        # The mail of an alert is the one piece of work whose failure raises none: that would raise alerts for ever.
        "poison_job",
        f"""
        SELECT 'job ' || j.dedupe_key, 'has failed ' || j.tries || ' times and is not tried again, and no alert says so'
        FROM jobs j LEFT JOIN alerts a ON a.alert_key = '{AlertKind.POISON_JOB}:' || CAST(j.id AS TEXT)
        WHERE j.done_at IS NULL AND j.tries >= {MOST_TRIES} AND (j.lease_until IS NULL OR j.lease_until < {{}})
        AND a.id IS NULL AND j.kind <> 'alert' AND NOT EXISTS (
            SELECT 1 FROM messages m
            WHERE m.dedupe_key LIKE 'alert:%' AND j.dedupe_key = 'deliver:' || CAST(m.id AS TEXT))
        """,
        (timedelta(),),
    ),
    Invariant(
        "dispute_untold",
        f"""
        SELECT 'dispute ' || CAST(d.id AS TEXT), 'of ' || d.amount || ' is open, and no alert has told the owner'
        FROM disputes d LEFT JOIN alerts a ON a.alert_key = '{AlertKind.DISPUTE}:' || CAST(d.id AS TEXT)
        WHERE d.is_open AND a.id IS NULL
        """,
    ),
)
