"""The console behind a real Alertmanager with the platform's own inhibitions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from backends import alertmanager as backend
from django.contrib.auth.models import User
from incidents import actions
from incidents.models import Alert, Incident
from incidents.reconciler import Reconciler
from platform_testing.polling import eventually
from pytest_django.live_server_helper import LiveServer

from tests.incidents.conftest import TOKEN

RULES = Path(__file__).resolve().parents[4] / "alerts" / "alertmanager.yml"


def configuration(hook: str) -> str:
    """The platform's inhibitions, and the console as the only receiver."""
    inhibitions = yaml.safe_load(RULES.read_text())["inhibit_rules"]
    return yaml.safe_dump(
        {
            "route": {
                "receiver": "console",
                "group_by": ["root_service"],
                "group_wait": "200ms",
                "group_interval": "1s",
                "repeat_interval": "1h",
            },
            "receivers": [
                {
                    "name": "console",
                    "webhook_configs": [
                        {
                            "url": hook,
                            "send_resolved": True,
                            "http_config": {"authorization": {"type": "Bearer", "credentials": TOKEN}},
                        }
                    ],
                }
            ],
            "inhibit_rules": inhibitions,
        }
    )


def fire(url: str, *alerts: dict[str, str], ends_in: float = 300) -> None:
    """Post alerts as Prometheus does."""
    now = datetime.now(UTC)
    body = [
        {
            "labels": labels,
            "annotations": {"summary": "s", "description": "d"},
            "startsAt": (now - timedelta(seconds=5)).isoformat() if ends_in > 0 else None,
            "endsAt": (now + timedelta(seconds=ends_in)).isoformat(),
        }
        for labels in alerts
    ]
    answer = requests.post(f"{url}/api/v2/alerts", json=[{k: v for k, v in a.items() if v} for a in body], timeout=5)
    assert answer.ok, answer.text


@pytest.mark.django_db(transaction=True)
def test_from_firing_to_resolved(
    live_server: LiveServer,
    start_alertmanager: Callable[[str], str],
    settings: Any,
) -> None:
    responder = User.objects.create_user("responder")
    settings.ALERT_WEBHOOK_TOKEN = TOKEN
    url = start_alertmanager(configuration(f"{live_server.url}/hooks/alertmanager"))
    settings.ALERTMANAGER_URL = url
    base = {"layer": "cause", "severity": "page", "team": "checkout", "root_service": "payments"}
    cause = {**base, "alertname": "ServiceDown", "service": "payments"}
    echo = {**base, "alertname": "EdgeRefused", "service": "orders", "dependency": "payments"}
    fire(url, cause, echo)

    reconciler = Reconciler(threading.Event())
    incident = eventually(lambda: Incident.objects.first(), "the incident")

    def alerts() -> int:
        reconciler.round()
        return incident.alerts.count()

    eventually(alerts, "the alert and what it mutes", accept=lambda actual: actual == 2)
    assert {row.name: row.is_muted for row in incident.alerts.all()} == {"ServiceDown": False, "EdgeRefused": True}

    (matchers,) = {actions.matchers_of_cause(incident)}
    made = actions.silence(incident.uid, responder, matchers, datetime.now(UTC) + timedelta(hours=1), "a test")
    silenced = [alert for alert in backend.client().alerts() if alert.labels["alertname"] == "ServiceDown"]
    assert silenced[0].silenced_by == (made.id,)
    assert {str(item) for item in backend.client().silences()[0].matchers} == set(made.matchers)
    actions.end_silence(incident.uid, made.id, responder)
    assert [item.state for item in backend.client().silences()] == ["expired"]

    fire(url, cause, echo, ends_in=-1)

    def is_resolved() -> bool:
        reconciler.round()
        return Incident.objects.filter(pk=incident.pk, status="resolved").exists()

    eventually(is_resolved, "the incident to be resolved", timeout=15)
    incident.refresh_from_db()
    assert incident.resolved_by is None
    assert Incident.objects.count() == 1
    assert Alert.objects.filter(muted_by=[], ends_at=None).count() == 0
