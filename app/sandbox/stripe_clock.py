"""What time does to payments at Stripe. Stripe has timers; here it happens on each access."""

from app.sandbox.stripe_captures import StripeCaptures
from app.sandbox.stripe_cases import AUTHORIZATION_LASTS, StripeCases
from app.sandbox.stripe_objects import seconds
from app.sandbox.stripe_refunds import StripeRefunds
from app.sandbox.stripe_sessions import StripeSessions
from app.sandbox.world import World


class StripeClock:
    """Sessions expire, authorisations lapse, and refunds arrive."""

    def __init__(
        self,
        cases: StripeCases,
        sessions: StripeSessions,
        captures: StripeCaptures,
        refunds: StripeRefunds,
        world: World,
    ) -> None:
        self.cases, self.sessions, self.captures, self.refunds = cases, sessions, captures, refunds
        self.world = world

    def tick(self) -> None:
        """Bring everything up to now."""
        for pg_id in self.cases.store.due(self.world.now()):
            # The account may be missing since a restart.
            if self.cases.is_known(pg_id):
                self._grow_older(pg_id)

    def _grow_older(self, pg_id: str) -> None:
        now = seconds(self.world)
        with self.cases.keeping(self.cases.load(pg_id)) as case:
            session, charge = case.session, case.charge
            if session and session["status"] == "open" and now >= session["expires_at"]:
                self.sessions.expire(case)
            if case.is_authorized and charge and now >= charge["created"] + AUTHORIZATION_LASTS:
                self.captures.cancel(case, "automatic")
            self.refunds.grow_older(case, now)
