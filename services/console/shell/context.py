"""Template context shared by all pages."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from shell import links
from shell.roles import is_responder

THEMES = ("light", "dark")
# (the `nav` key set by pages, title, URL, the letter after g)
NAVIGATION = (
    ("incidents", "Incidents", links.incidents(), "i"),
    ("dashboards", "Dashboards", links.boards(), "d"),
    ("traces", "Traces", "/traces", "t"),
    ("logs", "Logs", "/logs", "l"),
    ("services", "Services", links.services(), "s"),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: navigation, theme, role, URLs of linked programs."""
    theme = request.COOKIES.get("theme", "")
    user = getattr(request, "user", None)
    deeper = (("Grafana", settings.GRAFANA_URL), ("Jaeger", settings.JAEGER_UI_URL), ("Kibana", settings.KIBANA_URL))
    return {
        "navigation": NAVIGATION,
        "theme": theme if theme in THEMES else "",
        # The name of the zone in which times are shown: UTC, CET.
        "zone": timezone.localtime().tzname(),
        "is_local": timezone.get_current_timezone_name() != "UTC",
        "is_responder": is_responder(user),
        "deeper": [(name, url) for name, url in deeper if url],
        "console_version": settings.ENV.service_version,
    }
