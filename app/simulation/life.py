"""What goes on around the shoppers: processes that die and start again, owners, banks, PGs' troubles, the hours."""

import asyncio
import sqlite3
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from app.jobs import worker
from app.jobs.queue import MOST_TRIES
from app.main import handlers_of, sweeps_of
from app.orders.tables import Order
from app.payments.asking import BalanceChanged, NotRefundable, ask_refund, refundable_of
from app.payments.tables import Payment as Payments
from app.sandbox.book import Payment
from app.simulation.process import Process

if TYPE_CHECKING:
    from app.simulation.stage import Stage

# A real worker looks every two seconds. Here it is woken when a row's time has come, which is the same to the rows.
NEVER = 10**9
SWEEPS_REST = {"deliver": 600.0, "stuck": 1800.0, "waiting": 1800.0, "poison": 6 * 3600.0}
# Seconds that it takes to look again, while nothing goes wrong any more.
CALM_PACE = 240.0
DUE = (
    f"SELECT min(max(run_at, coalesce(lease_until, run_at))) FROM jobs WHERE done_at IS NULL AND tries < {MOST_TRIES}",
    "SELECT min(max(next_check_at, coalesce(lease_until, next_check_at))) FROM payments WHERE closed_at IS NULL",
    "SELECT min(expires_at) FROM orders WHERE holds_stock"
    " AND status IN ('pending', 'awaiting_deposit', 'failed', 'cancelled')",
)


class Life:
    """Everything that happens by itself in one world."""

    def __init__(
        self, stage: "Stage", database: sqlite3.Connection, dies: tuple[str, int] | None, whole_refunds: float
    ) -> None:
        self._stage, self._world, self._database = stage, stage.world, database
        self._whole_refunds = whole_refunds
        # The process that is to die, and at which of its ticks.
        self._dies = dies
        self.is_rough = True

    async def run_process(self, name: str) -> None:
        """A process that is started again whenever it has died."""
        while True:
            dies_at = None
            if self._dies and self._dies[0] == name:
                dies_at, self._dies = self._dies[1], None
            try:
                process = await self._stage.start_process(name, dies_at)
                self._stage.processes.append(process)
                handlers, sweeps = handlers_of(self._stage.gateways), dict(sweeps_of(self._stage.gateways))
                # Days pass in a world, and each would compare all lists; the verdict does it once.
                del sweeps["compare"]
                # Nobody signs in there.
                del sweeps["forget"]
                await process.run(worker.run(handlers, sweeps, SWEEPS_REST, pause=NEVER, wake=process.wake))
            except ConnectionResetError:
                self._stage.processes = [living for living in self._stage.processes if not living.dead]
            await self._world.wait(0.1, 60)
            self._world.tell(name, "starts again")

    async def keep_time(self) -> None:
        """Wakes the workers when there is something to do."""
        while True:
            due = self.next_due()
            wait = NEVER if due is None else due - self._world.loop.now
            if wait > 0:
                self._world.stirred.clear()
                try:
                    async with asyncio.timeout(wait):
                        await self._world.stirred.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(self._world.rates.pace)
                continue
            for process in self._who_wakes():
                self._maybe_kill(process, 0.3)
                process.wake.set()
            await asyncio.sleep(self._world.rates.pace if self.is_rough else CALM_PACE)

    def _who_wakes(self) -> list[Process]:
        """Mostly one of the workers comes first by far; sometimes all come at once."""
        alive = self._stage.processes
        return (
            alive
            if len(alive) < 2 or self._world.happens(self._world.rates.races)
            else [self._world.chance.choice(alive)]
        )

    def next_due(self) -> float | None:
        """When the next row's time comes."""
        found = [row[0] for sql in DUE for row in self._database.execute(sql)]
        return min((datetime.fromisoformat(text).timestamp() for text in found if text), default=None)

    async def kill(self) -> None:
        """Somebody always pulls a plug."""
        while True:
            await self._world.wait(1, 300)
            for process in self._stage.processes:
                self._maybe_kill(process, 1.0)

    def _maybe_kill(self, process: Process, share: float) -> None:
        if self.is_rough and self._world.happens(self._world.rates.kills * share):
            process.dies_at = process.ticks + self._world.chance.randrange(1, 300)

    async def trouble_pgs(self) -> None:
        """Outages, one after the other."""
        for _ in range(self._world.rates.outages):
            await self._world.wait(10, 3 * 3600)
            provider = self._world.chance.choice(("toss", "portone", "stripe"))
            self._stage.pgs.go_away(provider)
            self._world.count("outage")
            await self._world.wait(10, 2 * 3600)
            self._stage.pgs.come_back(provider)

    def calm_down(self) -> None:
        """From now on nothing goes wrong any more."""
        self.is_rough = False
        rates = self._world.rates
        self._world.rates = replace(rates, slow_calls=0.0, late_calls=0.0, refused_calls=0.0, kills=0.0, lost_mails=0.0)
        self._stage.book.drop_faults()
        for provider in ("toss", "portone", "stripe"):
            self._stage.pgs.come_back(provider)
        for process in self._stage.processes:
            process.dies_at = None

    async def be_bank(self, busy: float) -> None:
        """Deposits arrive, refunds arrive or come back, people dispute: whatever can happen at the PGs."""
        while True:
            await self._world.wait(60, 3600)
            for payment in self._stage.pgs.payments():
                verbs = self._stage.pgs.verbs(payment)
                if verbs and self._world.happens(busy):
                    self._stage.pgs.act(self._world.chance.choice(verbs), payment.reference)

    async def be_hasty(self, share: float) -> None:
        """Of what has just been taken, before anybody here may know of it: a deposit that the bank takes back, a refund
        by hand at the PG's console.
        """
        world, pgs = self._world, self._stage.pgs
        taken: asyncio.Queue[str] = asyncio.Queue()
        pgs.on_capture = taken.put_nowait
        while True:
            reference = await taken.get()
            if not world.happens(share):
                continue
            await world.wait(0, 2)
            for payment in pgs.payments():
                if payment.reference == reference and payment.balance > 0:
                    is_reversed = "reverse" in pgs.verbs(payment) and world.happens(0.5)
                    if not (is_reversed and pgs.act("reverse", reference)):
                        pgs.refund(reference, self._part_of(payment.balance))

    async def be_owner(self, busy: float) -> None:
        """Refunds at the desk, and by hand at the PG's console."""
        while True:
            await self._world.wait(30, 3600)
            for payment in self._stage.pgs.payments():
                if payment.balance > 0 and self._world.happens(busy):
                    if self._world.happens(0.3):
                        self._stage.pgs.refund(payment.reference, self._part_of(payment.balance))
                    else:
                        with suppress(ConnectionResetError):
                            await self._refund_at_the_desk(payment)

    def _part_of(self, balance: int) -> int:
        return balance if self._world.happens(self._whole_refunds) else self._world.chance.randrange(1, balance + 1)

    async def _refund_at_the_desk(self, payment: Payment) -> None:
        """The page shows the balance; the owner types, and clicks, or clicks twice."""
        process = self._stage.any_process()
        if process is None:
            return
        order_id, balance = await process.run(_refundable(payment.reference))
        if not balance:
            return
        await self._world.wait(0, 60)
        amount = self._part_of(balance)
        times = 2 if self._world.happens(0.2) else 1
        self._world.tell("owner", f"refunds {amount} of {payment.reference[-4:]}" + ", twice" * (times - 1))
        for result in await asyncio.gather(*(self._ask(order_id, amount, balance) for _ in range(times))):
            self._world.count(f"owner: {result}")

    async def _ask(self, order_id: UUID, amount: int, balance: int) -> str:
        process = self._stage.any_process()
        if process is None:
            return "nobody answers"
        asking = ask_refund(order_id, amount, "고객 변심", seen_balance=balance, requested_by="owner@haru.test")
        try:
            await process.run(asking)
        except (ConnectionResetError, NotRefundable, BalanceChanged) as error:
            return type(error).__name__
        return "refund"


async def _refundable(reference: str) -> tuple[UUID, int] | tuple[None, int]:
    """The order that the payment pays, and what of it may go back."""
    payment = await Payments.objects().where(Payments.reference == reference).first()
    order = await Order.objects().where(Order.paid_by == payment.id).first() if payment else None
    return (order.id, await refundable_of(order)) if order else (None, 0)
