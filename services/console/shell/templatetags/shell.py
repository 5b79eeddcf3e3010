"""Tags and filters for all pages: `{% load shell %}`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import template
from django.http import HttpRequest

from shell import links
from shell.timerange import PRESETS, TimeRange

register = template.Library()


@register.inclusion_tag("shell/_slot.html")
def fragment_slot(url: str, height: str = "m", refresh: int = 0, id: str = "") -> dict[str, Any]:
    """Render a slot for a fragment. `height` (s, m, l) sizes the skeleton; `refresh` is in seconds, 0 for never."""
    return {"url": url, "height": height, "refresh": refresh, "id": id}


@register.inclusion_tag("shell/_timerange.html", takes_context=True)
def timerange_picker(context: template.RequestContext, timerange: TimeRange) -> dict[str, Any]:
    """Render the time picker, which keeps all other parameters of the URL."""
    request: HttpRequest = context["request"]
    others = [(name, value) for name, values in request.GET.lists() for value in values if name not in ("from", "to")]
    return {"timerange": timerange, "presets": PRESETS, "others": others, "path": request.path}


@register.filter
def moment(epoch_seconds: float) -> datetime:
    """Convert epoch seconds to a datetime in UTC."""
    return datetime.fromtimestamp(epoch_seconds, UTC)


@register.filter
def duration(seconds: float | None) -> str:
    """Format a duration: 840 µs, 12.5 ms, 3.2 s, 4 min 10 s, 2 h 5 min, 3 d 4 h."""
    if seconds is None:
        return "–"
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for unit, size, smaller, small in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


@register.filter
def percent(share: float | None) -> str:
    """Format a share (0.0123) as 1.23 %; a dash for None."""
    if share is None:
        return "–"
    value = share * 100
    return f"{value:.0f} %" if value == 0 or abs(value) >= 100 else f"{value:.3g} %"


@register.filter
def rate(per_second: float | None) -> str:
    """Format a rate: 12.3/s, or per minute if it is small."""
    if per_second is None:
        return "–"
    if 0 < per_second < 0.1:
        return f"{per_second * 60:.2g}/min"
    return f"{per_second:.3g}/s"


@register.simple_tag
def link(name: str, *args: Any, **kwargs: Any) -> str:
    """Return a URL of shell.links: `{% link "service" name %}`."""
    if name.startswith("_") or name not in ADDRESSES:
        raise template.TemplateSyntaxError(f"shell.links has no {name}")
    return str(ADDRESSES[name](*args, **kwargs))


ADDRESSES = {
    function.__name__: function
    for function in (
        links.trace,
        links.compare,
        links.traces,
        links.logs,
        links.logs_of_service,
        links.logs_of_trace,
        links.service,
        links.services,
        links.board,
        links.boards,
        links.runbook,
        links.incident,
        links.incidents,
    )
}
