"""Business metrics: mails sent, mails failed, and delay. Every series starts at 0."""

from django_telemetry import edges, metrics

from mailing.clients import DEPENDENCY, KEY_SET
from mailing.mails import REFUSALS
from mailing.models import Kind

# `unavailable` counts attempts, which are retried; the other reasons count dead-lettered messages.
FAILURES = ("invalid_event", *REFUSALS, "unavailable")

mails_sent_total = metrics.counter("mails_sent_total", "Mails handed over, by what they are about.", ["kind"])
mails_failed_total = metrics.counter("mails_failed_total", "Mails that could not be handed over, by why.", ["reason"])
order_mail_delay_seconds = metrics.histogram(
    "order_mail_delay_seconds",
    "From the order's event to its mail handed over.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 900, 3600),
)

metrics.start_at_zero(mails_sent_total, Kind.values)
metrics.start_at_zero(mails_failed_total, FAILURES)
edges.declare(DEPENDENCY, "http", f"GET {KEY_SET}")
