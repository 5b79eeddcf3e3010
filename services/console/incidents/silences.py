"""Silences for maintenance, independent of an incident: a list, new ones, and ending them early.

Alertmanager stores them; nothing is kept here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from backends import alertmanager
from backends.alertmanager import Matcher
from backends.errors import BackendDown
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from shell.fragments import fragment
from shell.roles import is_responder, responder_required

from incidents.forms import DURATIONS, MAX_REASON, add_end

logger = logging.getLogger(__name__)

MOST_MATCHERS = 20
# As Alertmanager writes them: service="orders", alertname=~"Edge.*".
_MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))')
_ESCAPED = re.compile(r"\\(.)")
_STATES = {"active": 0, "pending": 1}


def parse(text: str) -> tuple[Matcher, ...]:
    """Parse one matcher a line. Raises ValidationError with the line that is wrong."""
    found = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        match = _MATCHER.fullmatch(line)
        if match is None:
            raise forms.ValidationError(f'{line[:100]} is no matcher: write service="orders" or alertname=~"Edge.*".')
        name, operator, quoted, bare = match.groups()
        value = _ESCAPED.sub(r"\1", quoted) if quoted is not None else bare
        found.append(Matcher(name, value, is_regex="~" in operator, is_equal=not operator.startswith("!")))
    if len(found) > MOST_MATCHERS:
        raise forms.ValidationError(f"At most {MOST_MATCHERS} matchers.")
    if not any(item.is_equal and item.value and item.value not in (".*", ".+") for item in found):
        raise forms.ValidationError("One matcher at least has to name what is silenced.")
    return tuple(found)


class MaintenanceForm(forms.Form):
    """What to silence, from when and for how long, and why."""

    matchers = forms.CharField(
        label="Alerts with all of these labels, one a line",
        max_length=2000,
        widget=forms.Textarea(attrs={"class": "input mono", "rows": 3, "placeholder": 'service="orders"'}),
    )
    starts = forms.DateTimeField(
        label="From (UTC); empty: now",
        required=False,
        widget=forms.DateTimeInput(attrs={"class": "input", "type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    minutes = forms.ChoiceField(
        label="How long", choices=DURATIONS, initial="60", widget=forms.Select(attrs={"class": "input"})
    )
    until = forms.DateTimeField(
        label="Until (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"class": "input", "type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    reason = forms.CharField(
        label="Why",
        min_length=3,
        max_length=MAX_REASON,
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )

    def clean_matchers(self) -> tuple[Matcher, ...]:
        """Return the parsed matchers."""
        return parse(self.cleaned_data["matchers"])

    def clean(self) -> dict[str, Any]:
        """Add `starts_at` and `ends_at`."""
        data: dict[str, Any] = super().clean() or {}
        now = timezone.now()
        starts_at: datetime = max((data.get("starts") or now).astimezone(UTC), now)
        data["starts_at"] = starts_at
        add_end(self, data, starts_at)
        return data


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponseBase:
    """The page; the list loads separately."""
    form = MaintenanceForm() if is_responder(request.user) else None
    return render(request, "incidents/silences.html", {"nav": "incidents", "form": form})


@require_safe
@fragment("silences")
def listed(request: HttpRequest) -> HttpResponseBase:
    """Active and planned silences, the next to end first."""
    found = [item for item in alertmanager.client().silences() if item.state in _STATES]
    found.sort(key=lambda item: (_STATES[item.state], item.ends_at))
    return render(request, "incidents/_silences.html", {"silences": found})


def _action(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view that a responder posts to. A failure of Alertmanager becomes a message on the page."""

    @require_POST
    @responder_required
    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, **kwargs)
        except BackendDown as error:
            logger.warning("A silence was not changed: %s", error)
            messages.error(request, f"{error.backend} didn't do it: {error.reason}. Nothing was changed.")
            return redirect("silences")

    return guarded


@_action
def add(request: HttpRequest) -> HttpResponseBase:
    """Silence what the matchers match."""
    form = MaintenanceForm(request.POST)
    if not form.is_valid():
        return render(request, "incidents/silences.html", {"nav": "incidents", "form": form}, status=422)
    data = form.cleaned_data
    made = alertmanager.client().silence(
        data["matchers"], data["starts_at"], data["ends_at"], request.user.get_username(), data["reason"]
    )
    logger.info("Silence added", extra={"labels.silence": made})
    messages.success(request, "Silenced.")
    return redirect("silences")


@_action
def end(request: HttpRequest, silence_id: str) -> HttpResponseBase:
    """End a silence now."""
    alertmanager.client().expire(silence_id)
    logger.info("Silence ended", extra={"labels.silence": silence_id})
    messages.success(request, "The silence has ended.")
    return redirect("silences")
