"""Incidents, their alerts, and their timeline."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

MAX_NAME = 200
MAX_FINGERPRINT = 64
MAX_NOTE = 10_000


class Status(models.TextChoices):
    """The status of an incident. A resolved one is reopened when the same fault soon occurs again."""

    OPEN = "open", "Open"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    RESOLVED = "resolved", "Resolved"


class Severity(models.TextChoices):
    """The worst severity among the alerts, as the rules name it."""

    PAGE = "page", "Page"
    TICKET = "ticket", "Ticket"
    INFO = "info", "Info"

    @property
    def rank(self) -> int:
        """Return the rank; 0 is the worst."""
        return list(Severity).index(self)


class Kind(models.TextChoices):
    """The kind of a timeline entry."""

    OPENED = "opened", "Opened"
    REOPENED = "reopened", "Reopened"
    FIRED = "fired", "Alert fired"
    ENDED = "ended", "Alert resolved"
    MUTED = "muted", "Alert muted"
    MERGED = "merged", "Merged"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    SILENCED = "silenced", "Silenced"
    UNSILENCED = "unsilenced", "Silence ended"
    NOTE = "note", "Note"
    RESOLVED = "resolved", "Resolved"


class Incident(models.Model):
    """All alerts of one fault of one cause. It consists of episodes: the fault may end and soon occur again."""

    number = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    cause = models.CharField(
        max_length=MAX_NAME, help_text="What alerts are grouped by: the root service; telemetry/<root> for pipelines."
    )
    root_service = models.CharField(max_length=MAX_NAME)
    title = models.CharField(max_length=500)
    severity = models.CharField(max_length=16, choices=Severity.choices)
    team = models.CharField(max_length=MAX_NAME, blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN.value)
    started_at = models.DateTimeField(help_text="When the first alert of its first episode fired.")
    opened_at = models.DateTimeField(default=timezone.now)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    # When it was resolved, which alone decides whether a new alert reopens it; `ended_at` is when the fault ended.
    resolved_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    merged_into = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="merged")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="incident_status_known"),
            models.CheckConstraint(condition=Q(severity__in=Severity.values), name="incident_severity_known"),
            models.CheckConstraint(
                condition=Q(status=Status.RESOLVED, resolved_at__isnull=False, ended_at__isnull=False)
                | (~Q(status=Status.RESOLVED) & Q(resolved_at__isnull=True, ended_at__isnull=True)),
                name="incident_end_iff_resolved",
            ),
            # Even with concurrent notifications, one cause has one incident at a time.
            models.UniqueConstraint(
                fields=["cause"], condition=~Q(status=Status.RESOLVED), name="incident_one_open_for_a_cause"
            ),
        ]
        indexes = [
            models.Index(
                F("ended_at").desc(), F("number").desc(), condition=Q(status=Status.RESOLVED), name="incident_history"
            ),
            models.Index(F("cause"), F("resolved_at").desc(), name="incident_of_cause"),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.root_service}: {self.title}"

    @property
    def is_open(self) -> bool:
        """Return whether it isn't resolved."""
        return self.status != Status.RESOLVED

    def duration(self, now: datetime | None = None) -> timedelta:
        """Return how long the fault lasted, or has lasted so far. Time between two episodes does not count."""
        return sum((episode.duration(now) for episode in self.episodes.all()), timedelta())


class Episode(models.Model):
    """One occurrence of an incident's fault, with its own alerts: what evidence is collected for."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="episodes")
    title = models.CharField(max_length=500)
    started_at = models.DateTimeField(help_text="When the first of its alerts fired.")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["incident"], condition=Q(ended_at__isnull=True), name="episode_one_open_for_an_incident"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} at {self.started_at:%Y-%m-%d %H:%M:%S}"

    def duration(self, now: datetime | None = None) -> timedelta:
        """Return how long it lasted, or has lasted so far."""
        return (self.ended_at or now or timezone.now()) - self.started_at


class Alert(models.Model):
    """One firing of one alert. A later firing is a new row with its own start."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="alerts")
    episode = models.ForeignKey(Episode, on_delete=models.CASCADE, related_name="alerts")
    fingerprint = models.CharField(max_length=MAX_FINGERPRINT)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    # When the end was received: a late repetition of "firing" must not undo it.
    ended_seen_at = models.DateTimeField(null=True)
    name = models.CharField(max_length=MAX_NAME)
    severity = models.CharField(max_length=MAX_NAME, blank=True)
    layer = models.CharField(max_length=MAX_NAME, blank=True)
    service = models.CharField(max_length=MAX_NAME, blank=True)
    dependency = models.CharField(max_length=MAX_NAME, blank=True)
    labels = models.JSONField(default=dict)
    annotations = models.JSONField(default=dict)
    generator_url = models.TextField(blank=True)
    # Alertmanager no longer lists it and sent no resolved notification; after a while it counts as ended.
    missing_since = models.DateTimeField(null=True)
    # Inhibition mutes it, because of the alerts with these fingerprints.
    muted_by = models.JSONField(default=list)

    class Meta:
        ordering = ["starts_at", "id"]
        constraints = [
            # A repeated webhook request creates only one row.
            models.UniqueConstraint(fields=["incident", "fingerprint", "starts_at"], name="alert_once"),
        ]
        indexes = [
            models.Index(fields=["fingerprint", "starts_at"], name="alert_firing_of"),
            models.Index(fields=["incident"], condition=Q(ends_at__isnull=True), name="alert_firing"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.where})"

    @property
    def is_firing(self) -> bool:
        """Return whether it hasn't ended yet."""
        return self.ends_at is None

    @property
    def is_muted(self) -> bool:
        """Return whether inhibition muted it."""
        return bool(self.muted_by)

    @property
    def where(self) -> str:
        """Return the edge or the service that it is about."""
        return f"{self.service} → {self.dependency}" if self.dependency else self.service

    @property
    def summary(self) -> str:
        """Return the rule's summary, the same for each firing."""
        return str(self.annotations.get("summary") or self.name)

    @property
    def description(self) -> str:
        """Return the rule's description of this firing, with its values."""
        return str(self.annotations.get("description") or "")


class Silence(models.Model):
    """A silence created from an incident. Alertmanager stores the silence itself."""

    id = models.CharField(max_length=64, primary_key=True, help_text="Alertmanager's id of it.")
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="silences")
    matchers = models.JSONField(help_text='As text: alertname="EdgeErrors".')
    reason = models.TextField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["starts_at"]

    def __str__(self) -> str:
        return f"{', '.join(self.matchers)} until {self.ends_at:%Y-%m-%d %H:%M}"

    def is_active(self, now: datetime | None = None) -> bool:
        """Return whether it hasn't ended yet."""
        return self.ends_at > (now or timezone.now())


class Entry(models.Model):
    """One line of an incident's timeline. Written once, never changed."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="timeline")
    at = models.DateTimeField(help_text="When it happened.")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    text = models.TextField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    # Stored beside the key: the timeline still names the user after the account is deleted.
    actor_name = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["incident", "at", "id"], name="entry_of_incident")]
        constraints = [models.CheckConstraint(condition=Q(kind__in=Kind.values), name="entry_kind_known")]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.text}"
