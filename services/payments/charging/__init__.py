"""Charges: money taken for an order, at most once, and given back."""
