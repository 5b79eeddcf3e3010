"""Logs: query language, lines, histogram, live tail."""
