"""Posting: a mail's row and the job that delivers it, in the transaction of whoever wants it sent."""

from app import clock
from app.database import require_transaction
from app.jobs.queue import enqueue
from app.messages.tables import Message
from app.settings import Settings


async def post(
    settings: Settings, key: str, sender: str, recipient: str, subject: str, body: str, is_secret: bool = False
) -> None:
    """Queues a plain-text mail; nothing when one with this key was ever posted. `sender` is a name for people.

    The body of a secret one is kept until it was sent or cannot be, and no longer.
    """
    require_transaction()
    number = clock.new_id()
    message = Message(
        id=number,
        dedupe_key=key,
        sender=_line(sender, 80),
        recipient=recipient,
        subject=_line(subject, 250),
        body=body,
        is_secret=is_secret,
        message_id=f"<{number}@{settings.mail_host}>",
        created_at=clock.now(),
    )
    posted = (
        await Message.insert(message).on_conflict(target=Message.dedupe_key, action="DO NOTHING").returning(Message.id)
    )
    if posted:
        await enqueue("deliver", {"message": str(number)}, f"deliver:{number}")


def _line(text: str, most: int) -> str:
    """A header holds one line: whatever else stands in a shop's name becomes spaces."""
    return " ".join(text.split())[:most]
