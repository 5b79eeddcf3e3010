"""The incidents' pages, and the actions of responders."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from backends import alertmanager, prometheus
from backends.errors import BackendDown
from catalogue import load
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.middleware import HtmxDetails
from shell import links, runbooks
from shell.fragments import fragment
from shell.roles import is_responder, responder_required
from topology import health

from incidents import actions, ingest, reading
from incidents import export as markdown
from incidents.evidence import cause
from incidents.evidence.scene import Scene
from incidents.evidence_views import scene_of
from incidents.forms import NoteForm, ResolveForm, SilenceForm
from incidents.models import Incident, Severity, Silence

logger = logging.getLogger(__name__)

PAGE_SIZE = 25
# An alert reaches the webhook within group_wait and delivery time; after this it counts as missing.
DELIVERED_WITHIN = timedelta(minutes=2)
CHANGED = "incident-changed"
WATCHDOG = "Watchdog"

View = Callable[..., HttpResponseBase]


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponseBase:
    """The landing page: open incidents, and past ones."""
    pages = Paginator(reading.history(), PAGE_SIZE)
    page = pages.get_page(request.GET.get("page"))
    context = {
        "nav": "incidents",
        "now": reading.now(),
        "history": page,
        "pages": pages.get_elided_page_range(page.number),
    }
    return render(request, "incidents/index.html", context)


@require_safe
@fragment("incidents")
def now(request: HttpRequest) -> HttpResponseBase:
    """The open incidents, polled by the page."""
    return render(request, "incidents/_now.html", {"now": reading.now()})


@require_safe
@fragment("what Alertmanager has")
def alertmanager_now(request: HttpRequest) -> HttpResponseBase:
    """Alertmanager's current alerts, and whether the console has received all of them."""
    known = alertmanager.client().alerts()
    # The Watchdog always fires: that it does is no news.
    shown = [
        alert
        for alert in known
        if alert.labels.get("severity") in Severity.values and alert.labels.get("alertname") != WATCHDOG
    ]
    context = {
        "firing": sum(alert.state == "active" for alert in shown),
        "muted": sum(alert.muted for alert in shown),
        "silenced": sum(bool(alert.silenced_by) and not alert.muted for alert in shown),
        "unknown": ingest.unknown(shown, timezone.now() - DELIVERED_WITHIN),
    }
    return render(request, "incidents/_alertmanager.html", context)


@require_safe
@fragment("error budgets")
def budgets(request: HttpRequest) -> HttpResponseBase:
    """The objectives whose error budget is used up: something may be wrong although no alert fires."""
    journeys = load().journeys
    left = health.budgets(prometheus.client(), journeys)
    exhausted = [(journeys[item.journey], item) for item in left if item.left is not None and item.left <= 0]
    return render(request, "incidents/_budgets.html", {"exhausted": exhausted, "known": bool(left)})


@require_safe
@never_cache
def detail(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """One incident: stored data is rendered at once; the evidence loads separately."""
    incident = _incident(uid)
    scene = scene_of(request, incident)
    names = dict.fromkeys(alert.name for alert in scene.alerts if not alert.is_muted)
    found = [runbook for name in names if (runbook := runbooks.find(name)) is not None]
    context = {
        "nav": "incidents",
        "scene": scene,
        "cause": cause.find(scene),
        "runbooks": found,
        "before": reading.before(incident),
        **_live(scene),
        **_forms(request, incident),
    }
    return render(request, "incidents/detail.html", context)


@require_safe
@fragment("this incident")
def head(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """The head of an incident's page, for updates."""
    incident = _incident(uid)
    return render(request, "incidents/_head.html", _live(scene_of(request, incident)))


@require_safe
@fragment("alerts")
def alerts(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """The alerts, for updates."""
    incident = _incident(uid)
    return render(request, "incidents/_alerts.html", _live(scene_of(request, incident)))


@require_safe
@fragment("the timeline")
def timeline(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """The timeline, for updates."""
    incident = _incident(uid)
    return render(request, "incidents/_timeline.html", _live(scene_of(request, incident)))


@require_safe
@never_cache
def export(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """The incident as Markdown, for the post-mortem."""
    incident = _incident(uid)
    address = request.build_absolute_uri(links.incident(incident.uid))
    response = HttpResponse(markdown.document(incident, address), content_type="text/markdown; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="incident-{incident.number}.md"'
    return response


def _action(view: View) -> View:
    """A view that a responder posts to. NotPossible and BackendDown become a message next to the actions."""

    @require_POST
    @responder_required
    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, uid: uuid.UUID, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, uid, **kwargs)
        except Incident.DoesNotExist:
            raise Http404 from None
        except actions.NotPossible as error:
            return _done(request, uid, problem=str(error), status=409)
        except BackendDown as error:
            logger.warning("An action on an incident failed: %s", error)
            problem = f"{error.backend} didn't do it: {error.reason}. Nothing was changed."
            return _done(request, uid, problem=problem, status=502)

    return guarded


@_action
def acknowledge(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """Acknowledge the incident."""
    actions.acknowledge(uid, _user(request))
    return _done(request, uid)


@_action
def note(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """Add a note."""
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _done(request, uid, note_form=form, status=422)
    actions.add_note(uid, _user(request), form.cleaned_data["text"])
    return _done(request, uid)


@_action
def resolve(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """Resolve the incident."""
    form = ResolveForm(request.POST)
    if not form.is_valid():
        return _done(request, uid, resolve_form=form, status=422)
    actions.resolve(uid, _user(request), form.cleaned_data["comment"])
    return _done(request, uid)


@_action
def reopen(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """Reopen the incident."""
    actions.reopen(uid, _user(request))
    return _done(request, uid)


@_action
def silence(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """Silence its alerts, or one of them."""
    form = SilenceForm(_incident(uid), request.POST)
    if not form.is_valid():
        return _done(request, uid, silence_form=form, status=422)
    data = form.cleaned_data
    actions.silence(uid, _user(request), data["matchers"], data["ends_at"], data["reason"])
    return _done(request, uid)


@_action
def end_silence(request: HttpRequest, uid: uuid.UUID, silence_id: str) -> HttpResponseBase:
    """End a silence early."""
    try:
        actions.end_silence(uid, silence_id, _user(request))
    except Silence.DoesNotExist:
        raise Http404 from None
    return _done(request, uid)


def _done(
    request: HttpRequest, uid: uuid.UUID, *, problem: str = "", status: int = 200, **forms: Any
) -> HttpResponseBase:
    """Render the actions again: as a part for htmx; without it, the whole page."""
    incident = _incident(uid)
    if not HtmxDetails(request):
        if problem:
            messages.error(request, problem)
        for form in forms.values():
            for field, errors in form.errors.items():
                messages.error(request, f"{form[field].label if field in form.fields else ''}: {' '.join(errors)}")
        return redirect(links.incident(uid))
    context = {
        **_live(Scene.of(incident)),
        **_forms(request, incident),
        **forms,
        "problem": problem,
    }
    response = render(request, "incidents/_actions.html", context, status=status)
    if status == 200:
        response["HX-Trigger"] = json.dumps({CHANGED: {}})
    return response


def _incident(uid: uuid.UUID) -> Incident:
    related = Incident.objects.select_related("acknowledged_by", "resolved_by", "merged_into")
    return get_object_or_404(related, uid=uid)


def _live(scene: Scene) -> dict[str, Any]:
    """Return the parts of the page that change while it is open."""
    incident, alerts = scene.incident, scene.alerts
    return {
        "scene": scene,
        "incident": incident,
        "known": incident.root_service in {*load().services, *load().external},
        "own": [alert for alert in alerts if not alert.is_muted],
        "muted": [alert for alert in alerts if alert.is_muted],
        "firing": sum(alert.is_firing and not alert.is_muted for alert in alerts),
        "entries": incident.timeline.all(),
        "merged": incident.merged.all(),
        "at": timezone.now(),
    }


def _forms(request: HttpRequest, incident: Incident) -> dict[str, Any]:
    """Return empty forms, for users who may use them."""
    if not is_responder(request.user):
        return {}
    return {
        "note_form": NoteForm(auto_id="note_%s"),
        "resolve_form": ResolveForm(auto_id="resolve_%s"),
        "silence_form": SilenceForm(incident, auto_id="silence_%s"),
        "silences": [found for found in incident.silences.all() if found.is_active()],
    }


def _user(request: HttpRequest) -> User:
    user = request.user
    if not isinstance(user, User):
        raise TypeError("a view for responders was called without a user")
    return user
