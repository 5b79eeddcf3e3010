"""Business metrics. Every series starts at 0. metrics.yaml describes them."""

from django_telemetry import edges, metrics

from newapp.clients import KEY_SET, USERS

RECORDED, DUPLICATE = "recorded", "duplicate"

newservice_records_total = metrics.counter(
    "newservice_records_total", "Events about confirmed orders, by result.", ["result"]
)

metrics.start_at_zero(newservice_records_total, (RECORDED, DUPLICATE))
edges.declare(USERS, "http", f"GET {KEY_SET}")
