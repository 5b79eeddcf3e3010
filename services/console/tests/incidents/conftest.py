"""Alertmanager around the console: one that sends notifications, one that the console queries, and a real one."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client
from incidents.models import Incident
from platform_testing.http import StubServer, json_response
from platform_testing.polling import eventually
from werkzeug import Request, Response

TOKEN = "the webhook's token in tests"
_fingerprints = itertools.count(1)


def alert(name: str = "EdgeErrors", **changes: Any) -> dict[str, Any]:
    """Build an alert as in a notification. Keywords: labels, `starts_at`, `ends_at`, `annotations`, `fingerprint`."""
    starts_at: datetime = changes.pop("starts_at", datetime.now(UTC) - timedelta(seconds=30))
    ends_at: datetime | None = changes.pop("ends_at", None)
    annotations = changes.pop("annotations", {"summary": f"{name} summary", "description": f"{name} description"})
    fingerprint = changes.pop("fingerprint", None) or f"{next(_fingerprints):016x}"
    labels = {
        "alertname": name,
        "layer": "cause",
        "severity": "page",
        "team": "checkout",
        "service": "orders",
        "dependency": "payments",
        "root_service": "payments",
        **changes,
    }
    return {
        "status": "resolved" if ends_at else "firing",
        "labels": {key: value for key, value in labels.items() if value is not None},
        "annotations": annotations,
        "startsAt": starts_at.isoformat(timespec="milliseconds"),
        "endsAt": ends_at.isoformat(timespec="milliseconds") if ends_at else "0001-01-01T00:00:00Z",
        "generatorURL": "http://127.0.0.1:9090/graph?g0.expr=up",
        "fingerprint": fingerprint,
    }


def resolved(firing: Mapping[str, Any], at: datetime | None = None) -> dict[str, Any]:
    """Return the same alert, resolved."""
    return {**firing, "status": "resolved", "endsAt": (at or datetime.now(UTC)).isoformat(timespec="milliseconds")}


def delivery(*alerts: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Build the body of a webhook notification, version 4."""
    return {
        "receiver": "checkout-page",
        "status": "firing",
        "alerts": list(alerts),
        "groupLabels": {"root_service": "payments"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "version": "4",
        "groupKey": '{}:{root_service="payments"}',
        "truncatedAlerts": 0,
        **changes,
    }


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """Every test creates a user; production's password hashing would take longer than the test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


class Deliverer:
    """Posts notifications with the token."""

    def __init__(self) -> None:
        self._client = Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {TOKEN}"})

    def send(self, *alerts: Mapping[str, Any], **changes: Any) -> Any:
        """Post a notification, which must be accepted."""
        response = self.post(delivery(*alerts, **changes))
        assert response.status_code == 204, f"expected 204, got {response.status_code}: {response.content!r}"
        return response

    def post(self, body: Any, **options: Any) -> Any:
        """Post any body."""
        content_type = options.pop("content_type", "application/json")
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._client.generic("POST", "/hooks/alertmanager", content, content_type=content_type, **options)


@dataclass
class AlertmanagerStub:
    """An Alertmanager with the alerts that a test adds."""

    url: str = ""
    alerts: list[dict[str, Any]] = field(default_factory=list)
    silences: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200

    def has(self, item: Mapping[str, Any], *, by: Mapping[str, Any] | None = None) -> None:
        """Add a firing alert; muted by `by`, if given."""
        self.alerts.append(
            {
                **{key: item[key] for key in ("labels", "annotations", "startsAt", "fingerprint", "generatorURL")},
                "endsAt": datetime.now(UTC).isoformat(),
                "receivers": [{"name": "checkout-page"}],
                "status": {
                    "state": "suppressed" if by else "active",
                    "inhibitedBy": [by["fingerprint"]] if by else [],
                    "silencedBy": [],
                },
            }
        )

    def respond(self, request: Request) -> Response:
        self.requests.append((request.method, request.path))
        if self.status != 200:
            return json_response("out of order", self.status)
        if (request.method, request.path) == ("GET", "/api/v2/alerts"):
            return json_response(self.alerts)
        if (request.method, request.path) == ("GET", "/api/v2/silences"):
            return json_response(
                [{"id": key, "status": {"state": "active"}, **made} for key, made in self.silences.items()]
            )
        if (request.method, request.path) == ("POST", "/api/v2/silences"):
            silence_id = f"silence-{len(self.silences) + 1}"
            self.silences[silence_id] = request.get_json()
            return json_response({"silenceID": silence_id})
        silence_id = request.path.removeprefix("/api/v2/silence/")
        if request.method == "DELETE" and silence_id in self.silences:
            del self.silences[silence_id]
            return Response()
        return json_response(f"no {request.method} {request.path}", 404)


@pytest.fixture
def alertmanager(settings: Any) -> Iterator[AlertmanagerStub]:
    """The Alertmanager that the console queries, empty at first."""
    stub = AlertmanagerStub()
    with StubServer(stub.respond) as server:
        stub.url = settings.ALERTMANAGER_URL = server.url
        yield stub


@pytest.fixture
def deliverer(db: None, settings: Any, alertmanager: AlertmanagerStub) -> Deliverer:
    """A client that knows the webhook's token."""
    settings.ALERT_WEBHOOK_TOKEN = TOKEN
    return Deliverer()


@pytest.fixture
def start_alertmanager(tmp_path: Path) -> Iterator[Any]:
    """Start Alertmanager with the text of a configuration; returns its address once it responds."""
    started: list[subprocess.Popen[bytes]] = []

    def start(config: str) -> str:
        (tmp_path / "alertmanager.yml").write_text(config)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        with (tmp_path / "log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [
                        "prometheus-alertmanager",
                        f"--config.file={tmp_path / 'alertmanager.yml'}",
                        f"--storage.path={tmp_path / 'data'}",
                        f"--web.listen-address=127.0.0.1:{port}",
                        "--cluster.listen-address=",
                    ],
                    stdout=log,
                    stderr=log,
                )
            )

        eventually(
            lambda: requests.get(f"{url}/-/ready", timeout=1).ok,
            "Alertmanager to be ready",
            retry_on=requests.RequestException,
            look_at=tmp_path / "log",
        )
        return url

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=10)


def the_incident() -> Incident:
    """Return the only incident."""
    return Incident.objects.get()
