"""PortOne as the sandbox's console sees it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from app.sandbox.book import Book, Payment
from app.sandbox.faults import Faults
from app.sandbox.portone import PortOneApi
from app.sandbox.portone_bank import PortOneBank, possible
from app.sandbox.portone_book import PROVIDER, PortOneBook
from app.sandbox.portone_cancels import PortOneCancels
from app.sandbox.portone_desk import PortOneDesk
from app.sandbox.portone_errors import CODES
from app.sandbox.portone_lists import PortOneLists
from app.sandbox.portone_moves import PortOneMoves
from app.sandbox.portone_opening import PortOneOpening
from app.sandbox.portone_payments import PortOneAccount, PortOnePayments, how_far
from app.sandbox.portone_records import PortOneRecords
from app.sandbox.portone_webhooks import PortOneWebhooks, portone_manner, read_secret
from app.sandbox.portone_window import PortOneSdk, PortOneWindow
from app.sandbox.webhooks import Manner, Webhooks
from app.sandbox.world import World

MOST_SECRETS = 2


class PortOneGateway:
    provider = PROVIDER
    codes = CODES
    handlers: ClassVar = [PortOneApi, PortOneSdk, PortOneWindow]

    @staticmethod
    def read_account(raw: Mapping[str, Any]) -> PortOneAccount:
        """PortOne's keys do not show whether they are live; its channels do. One of the type LIVE plays what a page
        that was tampered with may pay through, or may not.
        """
        secrets = tuple(raw.get("webhook_secrets") or filter(None, [raw.get("webhook_secret")]))
        for secret in secrets:
            read_secret(secret)
        if len(secrets) > MOST_SECRETS or bool(raw.get("webhook_url")) > bool(secrets):
            raise ValueError(f"a webhook_url needs a webhook_secret, or {MOST_SECRETS} at most")
        approval, channel_type = raw.get("approval", "automatic"), raw.get("channel_type", "TEST")
        if approval not in ("automatic", "manual") or channel_type not in ("TEST", "LIVE"):
            raise ValueError("approval is automatic or manual, channel_type is TEST or LIVE")
        if raw.get("merchant", raw["store_id"]) != raw["store_id"]:
            raise ValueError("the merchant of a PortOne account is its store_id")
        names = ("store_id", "channel_key", "api_secret", "shop_name")
        return PortOneAccount(*(raw[name] for name in names), raw.get("webhook_url"), secrets, approval, channel_type)

    @staticmethod
    def manner(accounts: Sequence[PortOneAccount]) -> Manner:
        return portone_manner(accounts)

    def __init__(
        self, accounts: Sequence[PortOneAccount], book: Book, faults: Faults, webhooks: Webhooks, world: World
    ) -> None:
        self.moves = PortOneMoves(book, world, PortOneWebhooks(accounts, webhooks, faults, world).tell)
        self.portone = PortOnePayments(accounts, PortOneBook(book), self.moves)
        self.cancels = PortOneCancels(self.portone, self.moves)
        self.bank = PortOneBank(self.moves, self.cancels)
        self.desk = PortOneDesk(self.portone, faults)
        self.records = PortOneRecords(self.portone, webhooks)

    @property
    def parts(self) -> Mapping[str, Any]:
        return {
            "portone_opening": PortOneOpening(self.portone),
            "portone_cancels": self.cancels,
            "portone_bank": self.bank,
            "portone_desk": self.desk,
            "portone_lists": PortOneLists(self.portone),
            "portone_records": self.records,
        }

    def refresh(self, payment: Payment) -> Payment:
        return self.moves.refresh(payment)

    def how_far(self, payment: Payment) -> int:
        return how_far(payment)

    def refund(self, payment: Payment, amount: int | None) -> None:
        self.bank.refund(payment, amount)

    def verbs(self, payment: Payment) -> Mapping[str, str]:
        return possible(payment)

    def act(self, verb: str, payment: Payment) -> None:
        self.bank.act(verb, payment)
