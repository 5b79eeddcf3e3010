"""Forms of an incident's page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from backends.alertmanager import Matcher
from django import forms
from django.utils import timezone

from incidents import actions
from incidents.models import MAX_NOTE, Incident

DURATIONS = (
    ("30", "30 minutes"),
    ("60", "1 hour"),
    ("240", "4 hours"),
    ("720", "12 hours"),
    ("1440", "24 hours"),
    ("until", "until …"),
)
LONGEST_SILENCE = timedelta(days=14)
MAX_REASON = 500
CAUSE = "cause"


class NoteForm(forms.Form):
    """A note."""

    text = forms.CharField(
        label="Note",
        max_length=MAX_NOTE,
        widget=forms.Textarea(attrs={"class": "input", "rows": 3, "placeholder": "What did you see or do?"}),
    )


class ResolveForm(forms.Form):
    """Closing an incident."""

    comment = forms.CharField(
        label="What was it?",
        max_length=MAX_NOTE,
        required=False,
        widget=forms.Textarea(attrs={"class": "input", "rows": 2}),
    )


class SilenceForm(forms.Form):
    """What to silence, for how long, and why."""

    scope = forms.ChoiceField(label="What", widget=forms.Select(attrs={"class": "input"}))
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

    def __init__(self, incident: Incident, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scopes: dict[str, tuple[Matcher, ...]] = {}
        choices = []
        if of_cause := actions.matchers_of_cause(incident):
            self.scopes[CAUSE] = of_cause
            choices.append((CAUSE, f"everything caused by {incident.root_service}"))
        for alert in incident.alerts.all():
            if alert.is_firing:
                self.scopes[str(alert.pk)] = actions.matchers_of_alert(alert)
                choices.append((str(alert.pk), f"{alert.name} {alert.where}".strip()))
        self.fields["scope"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Turn the chosen end into `ends_at`, and the scope into `matchers`."""
        data: dict[str, Any] = super().clean() or {}
        add_end(self, data, timezone.now())
        if "scope" in data:
            data["matchers"] = self.scopes[data["scope"]]
        return data


def add_end(form: forms.Form, data: dict[str, Any], starts_at: datetime) -> None:
    """Turn the chosen end of a silence (`minutes`, `until`) into `ends_at`, or report why it is none."""
    ends_at: datetime | None = None
    if data.get("minutes") == "until":
        ends_at = data.get("until")
        if ends_at is None and "until" not in form.errors:
            form.add_error("until", "Say until when.")
    elif "minutes" in data:
        ends_at = starts_at + timedelta(minutes=int(data["minutes"]))
    if ends_at is not None:
        ends_at = ends_at.astimezone(UTC)
        if ends_at <= timezone.now():
            form.add_error("until", "This is in the past.")
        elif ends_at <= starts_at:
            form.add_error("until", "This is before the start.")
        elif ends_at - starts_at > LONGEST_SILENCE:
            form.add_error("until", f"At most {LONGEST_SILENCE.days} days.")
        data["ends_at"] = ends_at
