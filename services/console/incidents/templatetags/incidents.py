"""Filters for the incidents' pages: `{% load incidents %}`."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django import template
from django.conf import settings
from django.utils import timezone
from shell.templatetags.shell import duration
from shell.timerange import TimeRange

from incidents.models import Alert, Episode, Incident, Kind, Severity, Status

register = template.Library()

_KINDS = {
    Kind.OPENED: "crit",
    Kind.REOPENED: "crit",
    Kind.FIRED: "crit",
    Kind.ENDED: "ok",
    Kind.RESOLVED: "ok",
    Kind.ACKNOWLEDGED: "warn",
    Kind.SILENCED: "warn",
}
# Annotation, link title, and path of the corresponding page of this console.
_LINKS = (
    ("runbook_url", "runbook", "/runbooks/"),
    ("dashboard_url", "dashboard", "/dashboards/"),
    ("traces_url", "traces", "/traces"),
    ("logs_url", "logs", "/logs"),
)
_AROUND_SECONDS = 900.0
_SEVERITIES = {Severity.PAGE: "badge-crit", Severity.TICKET: "badge-warn"}


@register.filter
def lasting(value: timedelta | Incident | Episode) -> str:
    """Format a time span, or how long an incident or an episode lasted: 4 min 10 s."""
    span = value if isinstance(value, timedelta) else value.duration()
    return duration(float(round(max(span.total_seconds(), 0))))


@register.filter
def ago(moment: datetime | None) -> str:
    """Format the time since a moment: 3 h 5 min."""
    return lasting(timezone.now() - moment) if moment is not None else "–"


@register.filter
def severity_class(severity: str) -> str:
    """Return the CSS class of the badge."""
    return _SEVERITIES.get(Severity(severity), "") if severity in Severity.values else ""


@register.filter
def status_class(status: str) -> str:
    """Return the CSS class of the badge."""
    return {Status.OPEN: "badge-crit", Status.ACKNOWLEDGED: "badge-warn"}.get(Status(status), "badge-ok")


@register.filter
def kind_class(kind: str) -> str:
    """Return the CSS class of the timeline's dot."""
    return _KINDS.get(Kind(kind), "")


@register.filter
def alert_links(alert: Alert) -> list[tuple[str, str]]:
    """Return (title, URL) of an alert's links, at the time when it fired.

    Links to a console point to this one, regardless of the host in the rule. Others are kept if they lead to a
    program of this installation or to a host of ALERT_LINK_ORIGINS: any client of Alertmanager chooses their text.
    """
    found = []
    around = TimeRange.around(alert.starts_at.timestamp(), _AROUND_SECONDS, _AROUND_SECONDS)
    for name, title, prefix in _LINKS:
        try:
            parts = urlsplit(str(alert.annotations.get(name, "")))
        except ValueError:
            continue
        if parts.scheme not in ("http", "https"):
            continue
        if not parts.path.startswith(prefix):
            if f"{parts.scheme}://{parts.netloc}" in settings.ALERT_LINK_ORIGINS:
                found.append((title, parts.geturl()))
        elif name == "runbook_url":
            found.append((title, parts.path))
        else:
            found.append(
                (
                    title,
                    f"{parts.path}?{parts.query}&{around.query()}" if parts.query else f"{parts.path}?{around.query()}",
                )
            )
    return found
