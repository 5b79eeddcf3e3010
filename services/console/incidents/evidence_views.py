"""The parts of an incident's page that query backends; each loads separately."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe
from shell.fragments import fragment
from shell.timerange import TimeRange

from incidents.evidence import changes as found_changes
from incidents.evidence import charts as found_charts
from incidents.evidence import errors as found_errors
from incidents.evidence import journeys as found_journeys
from incidents.evidence import logs as found_logs
from incidents.evidence import traces as found_traces
from incidents.evidence.scene import Scene
from incidents.models import Episode, Incident


@require_safe
@fragment("lost error budget")
def journeys(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """The affected journeys and the loss of their error budgets."""
    scene = scene_of(request, _incident(uid))
    return render(request, "incidents/_journeys.html", {"scene": scene, "losses": found_journeys.losses(scene)})


@require_safe
@fragment("charts")
def charts(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """The charts around the start; the page's script draws them from the JSON next to them."""
    scene = scene_of(request, _incident(uid))
    drawn = [(chart, chart.document()) for chart in found_charts.charts(scene)]
    context = {"scene": scene, "charts": drawn, "timerange": TimeRange.between(*scene.window)}
    return render(request, "incidents/_charts.html", context)


@require_safe
@fragment("example traces")
def traces(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """Failed requests."""
    scene = scene_of(request, _incident(uid))
    context = {
        "scene": scene,
        "examples": found_traces.examples(scene),
        "timerange": TimeRange.between(*scene.window),
        "service": scene.root if scene.root in scene.catalogue.services else next(iter(scene.services), ""),
    }
    return render(request, "incidents/_traces.html", context)


@require_safe
@fragment("log patterns")
def logs(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """Log patterns that are new or increased."""
    scene = scene_of(request, _incident(uid))
    context = {
        "scene": scene,
        "comparison": found_logs.compare(scene),
        "timerange": TimeRange.between(*scene.window),
    }
    return render(request, "incidents/_logs.html", context)


@require_safe
@fragment("errors")
def errors(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """Stored errors, by group."""
    scene = scene_of(request, _incident(uid))
    return render(request, "incidents/_errors.html", {"scene": scene, "errors": found_errors.find(scene)})


@require_safe
@fragment("deploys and restarts")
def starts(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """Started processes."""
    scene = scene_of(request, _incident(uid))
    return render(request, "incidents/_starts.html", {"scene": scene, "starts": found_changes.starts(scene)})


@require_safe
@fragment("drills and load runs")
def marks(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """Drills, load runs, and other marks on the time line."""
    scene = scene_of(request, _incident(uid))
    return render(request, "incidents/_marks.html", {"scene": scene, "marks": found_changes.marks(scene)})


def scene_of(request: HttpRequest, incident: Incident) -> Scene:
    """Return the scene of the episode in the URL (`episode`, from 1); default: the newest. Http404 if it has none."""
    number = request.GET.get("episode", "")
    if number and not (number.isascii() and number.isdigit() and len(number) < 7):
        raise Http404("An episode is a number.")
    try:
        return Scene.of(incident, int(number) if number else None)
    except Episode.DoesNotExist as error:
        raise Http404(str(error)) from None


def _incident(uid: uuid.UUID) -> Incident:
    return get_object_or_404(Incident, uid=uid)
