"""Business metrics of this service."""

from __future__ import annotations

from django_telemetry import metrics

OUTCOMES = (
    "held",
    "repeated",
    "committed",
    "released",
    "expired",
    "out_of_stock",
    "unknown_product",
    "busy",
    "deadline_exceeded",
)
LOW_STOCK = 10

reservations_total = metrics.counter("reservations_total", "What became of reservations.", ["outcome"])
stock_outs_total = metrics.counter("stock_outs_total", "Order lines for which there was not enough stock.")
stock_products = metrics.gauge(
    "stock_products",
    f"Products by what is left: out is 0, low is under {LOW_STOCK}. Known to the gRPC process.",
    ["level"],
)
metrics.start_at_zero(reservations_total, OUTCOMES)
