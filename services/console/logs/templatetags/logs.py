"""Filters for the pages of logs: `{% load logs %}`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from backends.elasticsearch import Line
from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from shell.templatetags.shell import duration

from logs.search import moment_of

register = template.Library()

# A longer message is truncated in the table.
LONGEST = 600
_BADGES = {"critical": "badge-crit", "error": "badge-crit", "warning": "badge-warn"}


@register.filter
def marked(text: str, words: Sequence[str]) -> SafeString:
    """Return a text with the words of the query highlighted, truncated to fit a row."""
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    found = [re.escape(word) for word in words if len(word) > 1]
    if not found:
        return format_html("{}", shown)
    # With a group in the pattern split() also returns the separators: at the odd indexes.
    pieces = re.split(f"({'|'.join(found)})", shown, flags=re.IGNORECASE)
    return format_html_join(
        "", "{}", ((format_html("<mark>{}</mark>", piece) if at % 2 else piece,) for at, piece in enumerate(pieces))
    )


@register.filter
def cell(line: Line, name: str) -> str:
    """Format a field of a line for its column."""
    if name == "message":
        said = line.text("message")
        failure = ": ".join(text for part in ("error.type", "error.message") if (text := line.text(part)))
        took = line.fields.get("event.duration")
        # The message of an access line has no duration.
        if line.text("event.dataset") == "access" and isinstance(took, int):
            said = f"{said} in {duration(took / 1e9)}"
        return f"{said} — {failure}" if failure and failure not in said else said
    if name == "event.duration" and isinstance(line.fields.get(name), int):
        return duration(line.fields[name] / 1e9)
    return line.text(name)


@register.filter
def at(line: Line) -> int:
    """Return the line's time, in epoch milliseconds."""
    return moment_of(line)


@register.filter
def written(line: Line) -> datetime | None:
    """Return the line's time; None if it has none."""
    try:
        return datetime.fromisoformat(line.text("@timestamp"))
    except ValueError:
        return None


@register.filter
def milliseconds(moment: datetime) -> str:
    """Return the milliseconds of a time, three digits."""
    return f"{moment.microsecond // 1000:03d}"


@register.filter
def level_badge(level: str) -> str:
    """Return the CSS class of a level's badge."""
    return _BADGES.get(level, "")


@register.filter
def dictget(fields: dict[str, object], name: str) -> object:
    """Return a field whose name contains dots, which a template can't look up."""
    return fields.get(name) or ""


@register.filter
def thousands(number: int) -> str:
    """Format a number with commas: 12,345."""
    return f"{number:,}"
