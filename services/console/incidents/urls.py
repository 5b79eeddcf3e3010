"""URL patterns of the incidents app."""

from django.urls import path

from incidents import evidence_views, hook, silences, views

urlpatterns = [
    path("", views.index, name="incidents"),
    path("incidents/now", views.now, name="incidents-now"),
    path("incidents/alertmanager", views.alertmanager_now, name="incidents-alertmanager"),
    path("silences", silences.index, name="silences"),
    path("silences/list", silences.listed, name="silences-list"),
    path("silences/new", silences.add, name="silence-add"),
    path("silences/<str:silence_id>/end", silences.end, name="silence-end"),
    path("incidents/budgets", views.budgets, name="incidents-budgets"),
    path("incidents/<uuid:uid>/", views.detail, name="incident"),
    path("incidents/<uuid:uid>/head", views.head, name="incident-head"),
    path("incidents/<uuid:uid>/alerts", views.alerts, name="incident-alerts"),
    path("incidents/<uuid:uid>/timeline", views.timeline, name="incident-timeline"),
    path("incidents/<uuid:uid>/export.md", views.export, name="incident-export"),
    path("incidents/<uuid:uid>/acknowledge", views.acknowledge, name="incident-acknowledge"),
    path("incidents/<uuid:uid>/note", views.note, name="incident-note"),
    path("incidents/<uuid:uid>/resolve", views.resolve, name="incident-resolve"),
    path("incidents/<uuid:uid>/reopen", views.reopen, name="incident-reopen"),
    path("incidents/<uuid:uid>/silence", views.silence, name="incident-silence"),
    path("incidents/<uuid:uid>/silences/<str:silence_id>/end", views.end_silence, name="incident-end-silence"),
    path("incidents/<uuid:uid>/evidence/journeys", evidence_views.journeys, name="incident-journeys"),
    path("incidents/<uuid:uid>/evidence/charts", evidence_views.charts, name="incident-charts"),
    path("incidents/<uuid:uid>/evidence/traces", evidence_views.traces, name="incident-traces"),
    path("incidents/<uuid:uid>/evidence/logs", evidence_views.logs, name="incident-logs"),
    path("incidents/<uuid:uid>/evidence/errors", evidence_views.errors, name="incident-errors"),
    path("incidents/<uuid:uid>/evidence/starts", evidence_views.starts, name="incident-starts"),
    path("incidents/<uuid:uid>/evidence/marks", evidence_views.marks, name="incident-marks"),
    path("hooks/alertmanager", hook.alertmanager, name="alertmanager-hook"),
]
