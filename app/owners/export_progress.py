"""How far a file of orders has come: a row that its stream writes, and the page beside it reads, in whichever process
each of them is.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app import clock
from app.owners.tables import Export
from app.shops.tables import Shop

# Without a sign of life for so long, its browser has gone.
SILENT = timedelta(seconds=30)
# How often a page asks for a file that has not begun. One that never begins was refused.
PATIENCE = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """`state` is "new", "waiting", "running", "ended" or "broken"; the numbers are orders."""

    state: str
    written: int = 0
    total: int = 0

    @property
    def is_moving(self) -> bool:
        return self.state in ("waiting", "running")


async def follow(
    shop: Shop, export_id: UUID, total: int, pieces: AsyncIterator[tuple[int, bytes]]
) -> AsyncIterator[bytes]:
    """The pieces, each with how many orders are written by then, noted as they go out. The same name again, of the same
    shop, begins anew.
    """
    begun = Export(id=export_id, shop=shop.id, total=total, written=0, seen_at=clock.now())
    columns = (Export.total, Export.written, Export.seen_at, Export.ended_at)
    await Export.insert(begun).on_conflict(
        target=Export.id, action="DO UPDATE", values=columns, where=Export.shop == shop.id
    )
    ours = (Export.id == export_id) & (Export.shop == shop.id)
    async for written, piece in pieces:
        await Export.update({Export.written: written, Export.seen_at: clock.now()}).where(ours)
        yield piece
    await Export.update({Export.ended_at: clock.now()}).where(ours)


async def progress_of(shop: Shop, export_id: UUID, asked: int) -> Progress:
    """As the page shows it that has `asked` so many times."""
    row = await Export.objects().where(Export.id == export_id, Export.shop == shop.id).first()
    if row is None:
        return Progress("waiting" if asked < PATIENCE else "broken")
    if row.ended_at is not None:
        return Progress("ended", row.written, row.total)
    is_alive = clock.now() - row.seen_at < SILENT
    return Progress("running" if is_alive else "broken", row.written, row.total)
