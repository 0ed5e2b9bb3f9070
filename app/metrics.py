"""What this process counts for its operator. Several processes count each for themselves."""

from prometheus_client import CollectorRegistry, Counter, generate_latest


class Metrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "sellog_requests", "Requests by path template and status", ["path", "status"], registry=self._registry
        )
        self.unknown_returns = Counter(
            "sellog_unknown_returns", "Returns with a token that belongs to no payment", registry=self._registry
        )
        self.forged_webhooks = Counter(
            "sellog_forged_webhooks", "Webhooks that did not prove where they came from", registry=self._registry
        )
        self.unreadable_webhooks = Counter(
            "sellog_unreadable_webhooks", "Webhooks that were no webhooks", registry=self._registry
        )

    def text(self) -> bytes:
        """In the text format of Prometheus."""
        return generate_latest(self._registry)
