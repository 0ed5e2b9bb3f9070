"""The mail server of a world: takes mails, or does not, or takes them and does not say so."""

import asyncio
from collections import Counter

import aiosmtplib

from app.messages.delivering import compose
from app.messages.tables import Message
from app.settings import MailServer, Settings
from app.simulation.world import World


class PostOffice:
    """`taken` counts each Message-ID: a second copy can be known for one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.taken: Counter[str] = Counter()

    async def take(self, server: MailServer, settings: Settings, message: Message) -> None:
        """In place of `delivering.send`."""
        mail = compose(settings, message)
        await asyncio.sleep(self._world.noise.uniform(0.01, 1))
        lost = self._world.noise.random() < self._world.rates.lost_mails
        if not lost or self._world.noise.random() < 0.5:
            self.taken[mail["Message-ID"]] += 1
        if lost:
            self._world.count("mail lost")
            raise aiosmtplib.SMTPServerDisconnected("gone")
