"""The list of dashboards, a dashboard's page, and the data of its panels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from backends.errors import BackendDown, BackendRejected
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from shell import links as console
from shell.fragments import fragment
from shell.timerange import TimeRange

from boards import annotate, definitions, variables
from boards.definitions import Dashboard, DashboardNotFound
from boards.documents import document
from boards.links import Scope, build
from boards.variables import BadVariable

logger = logging.getLogger(__name__)

REFRESHES = (("", "off"), ("10s", "10 s"), ("30s", "30 s"), ("1m", "1 min"), ("5m", "5 min"))
_DEFAULT_WIDTH = 600


def _data(view: Callable[..., JsonResponse]) -> Callable[..., HttpResponseBase]:
    """A view that answers in JSON. A failure is reported in `error`, which the panel displays.

    An unavailable backend is not a failure of this service: the status is 200.
    """

    @require_safe
    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except BackendDown as error:
            logger.warning("A panel has no data: %s", error)
            return JsonResponse(
                {
                    "error": {
                        "backend": error.backend,
                        "reason": error.reason,
                        "rejected": isinstance(error, BackendRejected),
                    }
                }
            )
        except BadVariable as error:
            return JsonResponse({"error": {"backend": "", "reason": str(error), "rejected": True}}, status=400)
        except DashboardNotFound as error:
            return JsonResponse({"error": {"backend": "", "reason": str(error), "rejected": True}}, status=404)

    return guarded


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All dashboards."""
    boards = [
        {
            "title": board.title,
            "text": board.description.split("\n\n")[0],
            "url": console.board(board.uid),
            "panels": sum(1 for _ in board.panels),
            "rows": [section.title for section in board.sections if section.title],
        }
        for board in definitions.load_all()
    ]
    return render(request, "boards/index.html", {"nav": "dashboards", "boards": boards})


@require_safe
@never_cache
def board(request: HttpRequest, uid: str, name: str = "") -> HttpResponse:
    """A dashboard's page: headings and empty panels, which load separately."""
    dashboard = _found(uid)
    timerange = TimeRange.from_request(request, dashboard.time_from)
    query = request.GET.urlencode()
    refresh = request.GET.get("refresh", dashboard.refresh)
    context = {
        "nav": "dashboards",
        "dashboard": dashboard,
        "text": dashboard.description.split("\n\n")[0],
        "timerange": timerange,
        "sections": dashboard.sections,
        "controls_url": f"{reverse('board-controls', args=[uid])}?{query}",
        "has_controls": any(not variable.hidden for variable in dashboard.variables),
        "others": _others(request, dashboard, timerange),
        "refreshes": REFRESHES,
        "refresh": refresh if refresh in dict(REFRESHES) else "",
        "annotations": dashboard.annotations,
        "grafana_url": _in_grafana(request, dashboard, timerange),
    }
    return render(request, "boards/board.html", context)


@require_safe
@fragment("choices of this dashboard")
def controls(request: HttpRequest, uid: str) -> HttpResponse:
    """The controls of a dashboard: its variables with all their options."""
    dashboard = _found(uid)
    timerange = TimeRange.from_request(request, dashboard.time_from)
    bad = ""
    try:
        resolved = variables.resolve(dashboard, request.GET, timerange)
    except BadVariable as error:
        bad, resolved = str(error), {}
    kept = [
        (name, value)
        for name, found in request.GET.lists()
        for value in found
        if not name.startswith("var-") and name != "width"
    ]
    context = {
        "dashboard": dashboard,
        "page_url": console.board(uid),
        "resolved": [item for item in resolved.values() if not item.variable.hidden],
        "kept": kept,
        "bad": bad,
    }
    return render(request, "boards/_controls.html", context)


@_data
def panel(request: HttpRequest, uid: str, panel_id: int) -> JsonResponse:
    """One panel's data and display configuration."""
    dashboard = definitions.load(uid)
    found = dashboard.panel(panel_id)
    timerange = TimeRange.from_request(request, dashboard.time_from)
    values = variables.values_of(variables.resolve(dashboard, request.GET, timerange))
    made = document(found, timerange, values, _width(request))
    made["panel_links"] = [link.as_json() for link in build(found.links, Scope(timerange, values))]
    return JsonResponse(made)


@_data
def annotation_events(request: HttpRequest, uid: str) -> JsonResponse:
    """Annotations of the window. If a backend is unavailable, only its own annotations are missing."""
    dashboard = definitions.load(uid)
    timerange = TimeRange.from_request(request, dashboard.time_from)
    values = variables.values_of(variables.resolve(dashboard, request.GET, timerange))
    found, errors = [], []
    for annotation in dashboard.annotations:
        try:
            events = annotate.events(annotation, timerange, values)
        except BackendDown as error:
            logger.warning("No annotations %s: %s", annotation.name, error)
            errors.append(f"{annotation.name}: {error}")
            continue
        found.append(
            {"name": annotation.name, "color": annotation.color, "events": [event.as_json() for event in events]}
        )
    return JsonResponse({"annotations": found, "errors": errors})


def _found(uid: str) -> Dashboard:
    try:
        return definitions.load(uid)
    except DashboardNotFound:
        raise Http404(f"There is no dashboard {uid}.") from None


def _others(request: HttpRequest, dashboard: Dashboard, timerange: TimeRange) -> list[dict[str, Any]]:
    """Return the other dashboards at the same time, with the same choices where they have them."""
    found = []
    for other in definitions.load_all():
        names = {variable.name for variable in other.variables if not variable.hidden}
        carried = {name: request.GET.getlist(f"var-{name}") for name in names}
        found.append(
            {
                "title": other.title,
                "url": console.board(other.uid, carried, timerange),
                "is_this": other.uid == dashboard.uid,
            }
        )
    return found


def _in_grafana(request: HttpRequest, dashboard: Dashboard, timerange: TimeRange) -> str:
    if not settings.GRAFANA_URL:
        return ""
    chosen = [(name, value) for name, values in request.GET.lists() for value in values if name.startswith("var-")]
    query = "&".join(part for part in (timerange.query(), urlencode(chosen)) if part)
    return f"{settings.GRAFANA_URL}/d/{dashboard.uid}?{query}"


def _width(request: HttpRequest) -> int:
    """Return the panel's width in pixels; an invalid number counts as none."""
    text = request.GET.get("width", "")
    return int(text) if text.isdecimal() and len(text) <= 5 else _DEFAULT_WIDTH
