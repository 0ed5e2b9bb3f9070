"""Webhooks of every gateway: kept until they are sent, sent again until the shop answers 200."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import httpx

from app.sandbox.book import Book, Webhook
from app.sandbox.faults import ON_A_WEBHOOK, Fault, Faults
from app.sandbox.world import World

Post = Callable[[str, dict[str, str], bytes], Awaitable[int]]


@dataclass(frozen=True)
class Manner:
    """How a gateway sends: the pauses before it tries again, the headers of one attempt made now, the seconds that it
    waits for an answer, and the answers that it takes for "received".
    """

    retries: tuple[timedelta, ...]
    headers: Callable[[Webhook, datetime], dict[str, str]]
    limit: float = 10
    received: Collection[int] = (200,)


class Webhooks:
    """The outgoing webhooks, kept in the book. `post` sends one and answers the HTTP status; `manners` tell how
    each provider sends; `time_scale` stretches their pauses (1.0 is real time).
    """

    def __init__(
        self, book: Book, faults: Faults, world: World, post: Post, manners: Mapping[str, Manner], time_scale: float
    ) -> None:
        self.book, self.faults, self.world, self.post = book, faults, world, post
        self.manners, self.time_scale = manners, time_scale
        self.wake = asyncio.Event()

    def queue(self, webhooks: Sequence[Webhook]) -> None:
        """Let these go out, all about one change of one payment, unless a fault strikes the change."""
        provider, reference, now = webhooks[0].provider, webhooks[0].reference, self.world.now()
        fault = self.faults.strike(provider, "webhook", reference, ON_A_WEBHOOK)
        self.book.release_webhooks(provider, reference, now)
        for webhook in webhooks:
            for struck in _struck(webhook, fault, now):
                self.book.save_webhook(struck)
        self.wake.set()

    def queue_forged(self, webhook: Webhook) -> None:
        """Let one more go out, that no fault strikes."""
        self.book.save_webhook(replace(webhook, next_at=self.world.now()))
        self.wake.set()

    async def send_due(self) -> int:
        """Send what is due now, one after the other; how many were sent."""
        due = self.book.webhooks_due(self.world.now())
        for webhook in due:
            await self.send(webhook)
        return len(due)

    async def send(self, webhook: Webhook) -> Webhook:
        """Make one attempt at once. Anything but "received" in time is a failure, and tried again later."""
        now, manner = self.world.now(), self.manners[webhook.provider]
        headers, retries = {**webhook.headers, **manner.headers(webhook, now)}, manner.retries
        again = webhook.attempts < len(retries)
        # Written first: a sandbox that is killed now goes on with the next attempt.
        begun = replace(
            webhook,
            attempts=webhook.attempts + 1,
            next_at=now + retries[webhook.attempts] * self.time_scale if again else None,
        )
        self.book.save_webhook(begun)
        answer = await self._answer(webhook, headers, manner.limit)
        done = replace(begun, answer=answer, next_at=None if answer in manner.received else begun.next_at)
        self.book.save_webhook(done)
        return done

    async def run(self) -> None:
        """Send what is due, whenever it is, until cancelled."""
        while True:
            self.wake.clear()
            await self.send_due()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self.wake.wait()

    async def _answer(self, webhook: Webhook, headers: dict[str, str], limit: float) -> int | str:
        """The shop's HTTP status, or the name of what happened instead."""
        try:
            async with asyncio.timeout(limit):
                return await self.post(webhook.url, headers, webhook.body.encode())
        except Exception as error:
            return type(error).__name__

    def _pause(self) -> float | None:
        """Seconds until the next webhook is due; None when nothing is left to send."""
        next_at = self.book.next_webhook_at()
        return None if next_at is None else max((next_at - self.world.now()).total_seconds(), 0)


async def post_over_http(url: str, headers: dict[str, str], body: bytes) -> int:
    """Send straight to the address over a connection of its own, following no redirect."""
    # A shop under development signs its own certificate.
    async with httpx.AsyncClient(trust_env=False, timeout=None, verify=False) as client:
        return (await client.post(url, headers=headers, content=body)).status_code


def _struck(webhook: Webhook, fault: Fault | None, now: datetime) -> list[Webhook]:
    """What goes out of it, and when, with this fault or none."""
    kind = fault.kind if fault else None
    if kind == "webhook_dropped":
        return [replace(webhook, answer="dropped")]
    if fault and kind in ("webhook_late", "webhook_out_of_order"):
        later = now + timedelta(seconds=fault.seconds)
        return [replace(webhook, next_at=later, is_held=kind == "webhook_out_of_order")]
    return [replace(webhook, next_at=now)] * (2 if kind == "webhook_doubled" else 1)
