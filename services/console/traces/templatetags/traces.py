"""Filters for the pages of traces: `{% load traces %}`."""

from __future__ import annotations

import json
from typing import Any

from django import template

register = template.Library()


@register.filter
def as_json(value: Any) -> str:
    """Return a value as JSON, for a data attribute (which the template escapes)."""
    return json.dumps(value, separators=(",", ":"))


@register.filter
def as_number(value: float) -> str:
    """Format a number for HTML attributes, independent of the locale."""
    return f"{value:.6f}"


@register.filter
def absolute(value: float) -> float:
    """Return a number without its sign."""
    return abs(value)


@register.filter
def at_most(value: int, most: int) -> int:
    """Return the smaller of both."""
    return min(value, most)
