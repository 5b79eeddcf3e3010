"""Filters for the pages of traces: `{% load traces %}`."""

from __future__ import annotations

import json
from typing import Any

from django import template

register = template.Library()


@register.filter
def as_json(value: Any) -> str:
    """A value as JSON, for a data attribute (which the template escapes)."""
    return json.dumps(value, separators=(",", ":"))


@register.filter
def as_number(value: float) -> str:
    """A number as HTML's attributes take it, whatever the locale."""
    return f"{value:.6f}"


@register.filter
def absolute(value: float) -> float:
    """A number without its sign."""
    return abs(value)


@register.filter
def at_most(value: int, most: int) -> int:
    """The smaller of both."""
    return min(value, most)
