"""The receiver's Prometheus metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

REFUSALS = ("web_page", "key", "too_large", "encoding", "broken", "queue_full")
LOSSES = ("queue_full", "refused", "shutdown")
FORWARD_OUTCOMES = ("accepted", "refused", "failed", "queue_full")
# Sentry's other kinds of items; anything else is counted as `other`.
IGNORED = ("transaction", "session", "sessions", "attachment", "client_report", "check_in", "log", "profile", "other")


class Counters:
    """Every counter, created with all label values so that rates see the first increase."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.received = Counter("error_events_received", "Error events in accepted requests.", registry=registry)
        self.stored = Counter("error_events_stored", "Error events that Elasticsearch has stored.", registry=registry)
        self.duplicates = Counter(
            "error_events_duplicate", "Error events whose id was stored before.", registry=registry
        )
        self.lost = Counter("error_events_lost", "Error events that are not stored.", ["reason"], registry=registry)
        self.refusals = Counter(
            "error_requests_refused", "Requests that were not accepted.", ["reason"], registry=registry
        )
        self.ignored = Counter(
            "error_items_ignored", "Items of envelopes other than error events.", ["kind"], registry=registry
        )
        self.forwarded = Counter(
            "error_envelopes_forwarded", "Envelopes sent to the other Sentry.", ["outcome"], registry=registry
        )
        for counter, values in (
            (self.lost, LOSSES),
            (self.refusals, REFUSALS),
            (self.ignored, IGNORED),
            (self.forwarded, FORWARD_OUTCOMES),
        ):
            for value in values:
                counter.labels(value)

    def ignore(self, kind: str | None) -> None:
        """Count an item that is not an error event."""
        self.ignored.labels(kind if kind in IGNORED else "other").inc()
