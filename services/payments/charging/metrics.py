"""Business metrics: results of payments and voids. Every series starts at 0."""

from django_telemetry import edges, metrics

from charging.clients import DEPENDENCY, OPERATIONS

# Counted once per answer of the provider, or its absence; not for repetitions answered from our own table.
PAYMENT_OUTCOMES = ("captured", "declined", "failed", "cancelled", "unavailable")
VOID_OUTCOMES = ("refunded", "cancelled", "nothing_taken", "recorded", "repeated", "refused", "unavailable")
# The known decline codes of the provider, and `other` for future ones.
DECLINE_CODES = ("card_declined", "insufficient_funds", "invalid_source", "other")

payments_total = metrics.counter("payments_total", "Charges by what became of them.", ["outcome"])
voids_total = metrics.counter("voids_total", "Voids by outcome.", ["outcome"])
declines_total = metrics.counter("card_provider_declines_total", "Charges that the card provider declined.", ["code"])

metrics.start_at_zero(payments_total, PAYMENT_OUTCOMES)
metrics.start_at_zero(voids_total, VOID_OUTCOMES)
metrics.start_at_zero(declines_total, DECLINE_CODES)
edges.declare(DEPENDENCY, "http", *OPERATIONS)


def count_decline(code: str) -> None:
    """Count a decline under its code, or under `other`."""
    declines_total.labels(code if code in DECLINE_CODES else "other").inc()
