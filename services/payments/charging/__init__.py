"""Charges: money taken for an order, at most once, and refunded when the order is cancelled."""
