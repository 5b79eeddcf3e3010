"""Business metrics: orders placed, orders failed by reason, and their value."""

from django_telemetry.metrics import counter, histogram, start_at_zero

from ordering.models import Reason

UNKNOWN_PRODUCT = "unknown_product"
ACCOUNT_INACTIVE = "account_inactive"

orders_placed_total = counter("orders_placed_total", "Orders confirmed.")
orders_failed_total = counter(
    "orders_failed_total", "Orders that were cancelled, or refused after they had been taken in, by reason.", ["reason"]
)
order_value = histogram(
    "order_value",
    "Totals of confirmed orders, in units of the shop's currency.",
    buckets=(5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000),
)

start_at_zero(orders_failed_total, [*Reason.values, UNKNOWN_PRODUCT, ACCOUNT_INACTIVE])
