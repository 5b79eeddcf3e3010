"""What the webhook accepts, what it refuses, and how."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from incidents import webhook
from incidents.models import Alert, Incident

from tests.incidents.conftest import TOKEN, AlertmanagerStub, Deliverer, alert, delivery, the_incident


def refused(response: Any, status: int, code: str) -> dict[str, Any]:
    """Return the problem of a response; nothing was stored."""
    assert response.status_code == status, f"expected {status}, got {response.status_code}: {response.content!r}"
    assert response["Content-Type"].startswith("application/problem+json")
    problem: dict[str, Any] = json.loads(response.content)
    assert problem["code"] == code
    assert problem["status"] == status
    assert not Incident.objects.exists(), "a refused delivery made an incident"
    return problem


def test_a_notification_opens_an_incident(deliverer: Deliverer) -> None:
    deliverer.send(alert("EdgeErrors"))
    incident = the_incident()
    assert (incident.root_service, incident.severity, incident.team) == ("payments", "page", "checkout")
    assert incident.title == "EdgeErrors summary: orders → payments"
    assert [entry.kind for entry in incident.timeline.all()] == ["fired", "opened"]


@pytest.mark.parametrize("header", ["", "Bearer wrong", f"Basic {TOKEN}", "Bearer", TOKEN])
def test_without_the_token_nothing_is_accepted(deliverer: Deliverer, header: str) -> None:
    client = Client(headers={"authorization": header} if header else {})
    response = client.post("/hooks/alertmanager", delivery(alert()), content_type="application/json")
    refused(response, 401, "token_invalid")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_token_that_is_not_ascii_is_refused(deliverer: Deliverer) -> None:
    client = Client(headers={"authorization": "Bearer tökén"})
    refused(client.post("/hooks/alertmanager", "{}", content_type="application/json"), 401, "token_invalid")


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_only_post_is_accepted(deliverer: Deliverer, method: str) -> None:
    client = Client(headers={"authorization": f"Bearer {TOKEN}"})
    response = getattr(client, method)("/hooks/alertmanager")
    refused(response, 405, "method_not_allowed")
    assert response["Allow"] == "POST"


def test_unknown_fields_of_alertmanager_are_ignored(deliverer: Deliverer) -> None:
    body = delivery({**alert(), "newInAlert": [1]}, newInDelivery={"a": None}, notificationReason="whatever")
    assert deliverer.post(body).status_code == 204
    assert the_incident().alerts.count() == 1


def test_a_notification_needs_only_the_used_fields(deliverer: Deliverer) -> None:
    bare = {
        "status": "firing",
        "labels": {"alertname": "Anything"},
        "startsAt": "2026-11-22T13:31:51.383123456Z",
        "fingerprint": "ac0e5e5f6bbe3887",
    }
    assert deliverer.post({"version": "4", "alerts": [bare]}).status_code == 204
    incident = the_incident()
    assert (incident.cause, incident.severity) == ("Anything", "info")
    assert incident.started_at == datetime(2026, 11, 22, 13, 31, 51, 383000, tzinfo=UTC)


def test_a_notification_without_alerts_is_accepted(deliverer: Deliverer) -> None:
    assert deliverer.post(delivery()).status_code == 204
    assert not Incident.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b" ", 400, "malformed"),
        (b"{", 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b"[" * 100_000, 400, "malformed"),
        (b"[]", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b"{}", 422, "invalid"),
        (json.dumps({"version": "5", "alerts": []}).encode(), 422, "unsupported_version"),
        (json.dumps({"version": 4, "alerts": []}).encode(), 422, "invalid"),
        (json.dumps({"version": "4", "alerts": {}}).encode(), 422, "invalid"),
    ],
)
def test_an_invalid_body_is_refused(deliverer: Deliverer, body: bytes, status: int, code: str) -> None:
    refused(deliverer.post(body), status, code)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "pending"}, "alerts.0.status"),
        ({"labels": {}}, "alerts.0.labels"),
        ({"labels": {"alertname": ""}}, "alerts.0.labels.alertname"),
        ({"labels": {"alertname": "x" * 201}}, "alerts.0.labels.alertname"),
        ({"labels": {"alertname": "A", "service": 7}}, "alerts.0.labels.service"),
        ({"labels": {"alertname": "A", "service": "a\x00b"}}, "alerts.0.labels.service"),
        ({"labels": {"alertname": "A", "a\x00b": "x"}}, "alerts.0.labels"),
        ({"labels": {"alertname": "A", "service": "\ud800"}}, "alerts.0.labels"),
        ({"annotations": {"summary": "x" * 9000}}, "alerts.0.annotations.summary"),
        ({"startsAt": "yesterday"}, "alerts.0.startsAt"),
        ({"startsAt": "2026-11-22T10:00:00"}, "alerts.0.startsAt"),
        ({"startsAt": "0001-01-01T00:00:00+14:00"}, "alerts.0.startsAt"),
        ({"endsAt": 7}, "alerts.0.endsAt"),
        ({"fingerprint": ""}, "alerts.0.fingerprint"),
        ({"fingerprint": "../x"}, "alerts.0.fingerprint"),
    ],
)
def test_an_invalid_field_of_an_alert_is_named(deliverer: Deliverer, changes: dict[str, Any], field: str) -> None:
    problem = refused(deliverer.post(json.dumps(delivery({**alert(), **changes})).encode()), 422, "invalid")
    assert [error["field"] for error in problem["errors"]] == [field]


def test_one_invalid_alert_refuses_the_whole_notification(deliverer: Deliverer) -> None:
    refused(deliverer.post(delivery(alert(), {**alert(), "status": "odd"})), 422, "invalid")


def test_a_body_over_the_limit_is_refused_unread(deliverer: Deliverer) -> None:
    refused(deliverer.post(b" " * (webhook.MAX_BODY_BYTES + 1)), 413, "payload_too_large")


def test_a_body_at_the_limit_is_accepted(deliverer: Deliverer) -> None:
    body = json.dumps(delivery(alert())).encode()
    assert deliverer.post(body.ljust(webhook.MAX_BODY_BYTES)).status_code == 204


def test_a_wrong_content_length_is_refused(deliverer: Deliverer) -> None:
    refused(deliverer.post(b"{}", headers={"content-length": "9" * 30}), 413, "payload_too_large")
    refused(deliverer.post(b"{}", headers={"content-length": "x"}), 411, "length_required")


def test_another_media_type_is_refused(deliverer: Deliverer) -> None:
    refused(deliverer.post(b"a=b", content_type="application/x-www-form-urlencoded"), 415, "unsupported_media_type")


def test_an_incident_is_opened_while_alertmanager_is_down(deliverer: Deliverer, alertmanager: AlertmanagerStub) -> None:
    alertmanager.status = 500
    deliverer.send(alert())
    assert Alert.objects.count() == 1


def test_hundreds_of_alerts_at_once_are_accepted(deliverer: Deliverer) -> None:
    deliverer.send(*(alert(service=f"service-{number}") for number in range(300)))
    assert the_incident().alerts.count() == 300
