"""Traces: search, waterfall and flame view, comparison of two."""
