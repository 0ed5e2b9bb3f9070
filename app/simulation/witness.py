"""What shoppers were shown, held against what the PGs had done by then."""

from typing import TYPE_CHECKING

from app.simulation.browser import Page

if TYPE_CHECKING:
    from app.simulation.stage import Stage

NOTHING_TAKEN = "돈은 빠져나가지 않았습니다"


class Witness:
    """Remembers each page that says "nothing was taken", with the moment it was asked for."""

    def __init__(self, stage: "Stage") -> None:
        self._stage = stage
        self.denials: list[tuple[str, float, str]] = []

    def see(self, page: Page) -> None:
        world = self._stage.world
        world.tell("page", f"{page.status} {page.said or '-'} {page.url.partition('?')[0][:60]}")
        if page.status >= 500 and page.status != 503:
            world.breach(f"a shopper saw {page.status} at {page.url.partition('?')[0]}")
        says_nothing_taken = page.said in ("failed", "cancelled") and NOTHING_TAKEN in page.text
        if (says_nothing_taken or page.said == "expired") and page.order:
            self.denials.append((page.order, page.asked_at, page.said))
