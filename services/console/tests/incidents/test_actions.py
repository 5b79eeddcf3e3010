"""The actions of responders on an incident, which other users can't take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from incidents.models import Incident, Silence

from tests.incidents.conftest import AlertmanagerStub, Deliverer, alert, the_incident

ACTIONS = ("acknowledge", "note", "resolve", "reopen", "silence", "silences/x/end")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def incident(deliverer: Deliverer) -> Incident:
    """An open incident with an edge's alert and one of the service itself."""
    deliverer.send(alert("EdgeErrors"), alert("ServiceErrors", service="payments", dependency=None))
    return the_incident()


def act(client: Client, incident: Incident, action: str, **data: Any) -> Any:
    """Post an action as the page does."""
    return client.post(f"/incidents/{incident.uid}/{action}", data, headers=HTMX)


def silence_data(**changes: Any) -> dict[str, Any]:
    return {"scope": "cause", "minutes": "60", "until": "", "reason": "the provider is being moved", **changes}


def last(incident: Incident) -> tuple[str, str, str]:
    """Return the last timeline entry as (kind, text, actor)."""
    entry = incident.timeline.order_by("-id")[0]
    return entry.kind, entry.text, entry.actor_name


@pytest.mark.parametrize("action", ACTIONS)
def test_viewers_may_not_act(viewer_client: Client, incident: Incident, action: str) -> None:
    before = incident.timeline.count()
    assert act(viewer_client, incident, action, text="x").status_code == 403
    assert incident.timeline.count() == before


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_must_be_posted(responder_client: Client, incident: Incident, action: str) -> None:
    assert responder_client.get(f"/incidents/{incident.uid}/{action}").status_code == 405


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_require_the_csrf_token(responder: User, incident: Incident, action: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(responder, backend="django.contrib.auth.backends.ModelBackend")
    assert act(strict, incident, action, text="x").status_code == 403


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_require_a_login(incident: Incident, action: str) -> None:
    response = Client().post(f"/incidents/{incident.uid}/{action}")
    assert response.status_code == 302
    assert response["Location"].startswith("/login")


def test_viewers_see_no_forms(viewer_client: Client, responder_client: Client, incident: Incident) -> None:
    path = f"/incidents/{incident.uid}/"
    assert "/acknowledge" not in viewer_client.get(path).content.decode()
    assert "/acknowledge" in responder_client.get(path).content.decode()


def test_an_incident_can_be_acknowledged(responder_client: Client, responder: User, incident: Incident) -> None:
    response = act(responder_client, incident, "acknowledge")
    assert response.status_code == 200
    assert "incident-changed" in response["HX-Trigger"]
    incident.refresh_from_db()
    assert (incident.status, incident.acknowledged_by) == ("acknowledged", responder)
    assert last(incident) == ("acknowledged", "Acknowledged.", responder.username)


def test_acknowledging_twice_has_one_effect(responder_client: Client, incident: Incident) -> None:
    act(responder_client, incident, "acknowledge")
    act(responder_client, incident, "acknowledge")
    assert incident.timeline.filter(kind="acknowledged").count() == 1


def test_another_responder_takes_over(responder_client: Client, responder: User, incident: Incident) -> None:
    first = User.objects.create_user("first")
    Incident.objects.update(status="acknowledged", acknowledged_by=first, acknowledged_at=datetime.now(UTC))
    assert act(responder_client, incident, "acknowledge").status_code == 200
    incident.refresh_from_db()
    assert incident.acknowledged_by == responder
    assert "Taken over from first" in last(incident)[1]


def test_a_note_is_added(responder_client: Client, responder: User, incident: Incident) -> None:
    assert act(responder_client, incident, "note", text="Rolled back\nto 1.3").status_code == 200
    assert last(incident) == ("note", "Rolled back\nto 1.3", responder.username)


@pytest.mark.parametrize("text", ["", "   ", "x" * 10_001, "a\x00b"])
def test_an_invalid_note_is_refused(responder_client: Client, incident: Incident, text: str) -> None:
    response = act(responder_client, incident, "note", text=text)
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()
    assert not incident.timeline.filter(kind="note").exists()


def test_a_note_keeps_its_author_after_the_account_is_deleted(
    responder_client: Client, responder: User, incident: Incident
) -> None:
    act(responder_client, incident, "note", text="seen")
    name = responder.username
    responder.delete()
    assert last(incident)[2] == name


def test_resolving_while_alerts_fire_requires_a_reason(responder_client: Client, incident: Incident) -> None:
    response = act(responder_client, incident, "resolve", comment="")
    assert response.status_code == 409
    assert "Alerts still fire (EdgeErrors, ServiceErrors)" in response.content.decode()
    assert act(responder_client, incident, "resolve", comment="a planned test").status_code == 200
    incident.refresh_from_db()
    assert incident.status == "resolved"
    assert last(incident)[:2] == ("resolved", "a planned test")


def test_resolving_twice_is_refused(responder_client: Client, incident: Incident) -> None:
    act(responder_client, incident, "resolve", comment="over")
    response = act(responder_client, incident, "resolve", comment="over")
    assert response.status_code == 409
    assert "resolved already" in response.content.decode()
    assert act(responder_client, incident, "acknowledge").status_code == 409


def test_resolving_can_be_undone(responder_client: Client, incident: Incident) -> None:
    act(responder_client, incident, "resolve", comment="over")
    assert act(responder_client, incident, "reopen").status_code == 200
    incident.refresh_from_db()
    assert (incident.status, incident.resolved_at, incident.ended_at) == ("open", None, None)
    assert act(responder_client, incident, "reopen").status_code == 409


def test_an_old_incident_is_not_reopened_while_a_new_one_is_open(responder_client: Client, incident: Incident) -> None:
    act(responder_client, incident, "resolve", comment="over")
    Incident.objects.create(
        cause=incident.cause, root_service="payments", title="new", severity="page", started_at=datetime.now(UTC)
    )
    response = act(responder_client, incident, "reopen")
    assert response.status_code == 409
    assert "newer open incident" in response.content.decode()


def test_the_cause_can_be_silenced(
    responder_client: Client, responder: User, incident: Incident, alertmanager: AlertmanagerStub
) -> None:
    assert act(responder_client, incident, "silence", **silence_data()).status_code == 200
    (made,) = alertmanager.silences.values()
    assert made["createdBy"] == responder.username
    assert made["comment"] == f"the provider is being moved (incident #{incident.number})"
    assert {(item["name"], item["value"], item["isEqual"], item["isRegex"]) for item in made["matchers"]} == {
        ("root_service", "payments", True, False),
        ("layer", "telemetry", False, False),
    }
    lasts = datetime.fromisoformat(made["endsAt"]) - datetime.fromisoformat(made["startsAt"])
    assert lasts == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=5))
    kind, text, actor = last(incident)
    assert (kind, actor) == ("silenced", responder.username)
    assert "the provider is being moved" in text


def test_one_alert_can_be_silenced(
    responder_client: Client, incident: Incident, alertmanager: AlertmanagerStub
) -> None:
    scope = str(incident.alerts.get(name="EdgeErrors").pk)
    assert act(responder_client, incident, "silence", **silence_data(scope=scope)).status_code == 200
    (made,) = alertmanager.silences.values()
    assert {item["name"]: item["value"] for item in made["matchers"]} == {
        "alertname": "EdgeErrors",
        "root_service": "payments",
        "service": "orders",
        "dependency": "payments",
    }


def test_a_silence_can_end_at_a_given_time(
    responder_client: Client, incident: Incident, alertmanager: AlertmanagerStub
) -> None:
    until = (datetime.now(UTC) + timedelta(days=2)).replace(second=0, microsecond=0)
    data = silence_data(minutes="until", until=until.strftime("%Y-%m-%dT%H:%M"))
    assert act(responder_client, incident, "silence", **data).status_code == 200
    (made,) = alertmanager.silences.values()
    assert datetime.fromisoformat(made["endsAt"]) == until


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": ""},
        {"reason": "x"},
        {"reason": "x" * 501},
        {"minutes": "7"},
        {"minutes": "until"},
        {"minutes": "until", "until": "2020-01-01T00:00"},
        {"minutes": "until", "until": "2199-01-01T00:00"},
        {"minutes": "until", "until": "tomorrow"},
        {"scope": "999999"},
        {"scope": ""},
    ],
)
def test_an_invalid_silence_is_refused(
    responder_client: Client, incident: Incident, alertmanager: AlertmanagerStub, changes: dict[str, str]
) -> None:
    response = act(responder_client, incident, "silence", **silence_data(**changes))
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()
    assert not alertmanager.silences


def test_nothing_is_recorded_when_alertmanager_does_not_silence(
    responder_client: Client, incident: Incident, alertmanager: AlertmanagerStub
) -> None:
    alertmanager.status = 500
    response = act(responder_client, incident, "silence", **silence_data())
    assert response.status_code == 502
    assert "alertmanager didn&#x27;t do it" in response.content.decode()
    assert not Silence.objects.exists()
    assert not incident.timeline.filter(kind="silenced").exists()


def test_a_silence_can_be_ended(responder_client: Client, incident: Incident, alertmanager: AlertmanagerStub) -> None:
    act(responder_client, incident, "silence", **silence_data())
    made = Silence.objects.get()
    assert act(responder_client, incident, f"silences/{made.pk}/end").status_code == 200
    assert not alertmanager.silences
    assert last(incident)[0] == "unsilenced"
    assert act(responder_client, incident, f"silences/{made.pk}/end").status_code == 409


def test_a_silence_of_another_incident_is_not_ended(
    responder_client: Client, incident: Incident, alertmanager: AlertmanagerStub
) -> None:
    act(responder_client, incident, "silence", **silence_data())
    other = Incident.objects.create(
        cause="users", root_service="users", title="t", severity="page", started_at=datetime.now(UTC)
    )
    response = act(responder_client, other, f"silences/{Silence.objects.get().pk}/end")
    assert response.status_code == 404
    assert alertmanager.silences


def test_a_silence_unknown_to_alertmanager_is_ended_anyway(
    responder_client: Client, incident: Incident, alertmanager: AlertmanagerStub
) -> None:
    act(responder_client, incident, "silence", **silence_data())
    alertmanager.silences.clear()
    assert act(responder_client, incident, f"silences/{Silence.objects.get().pk}/end").status_code == 200


def test_without_scripts_the_page_is_returned_with_the_errors(responder_client: Client, incident: Incident) -> None:
    response = responder_client.post(f"/incidents/{incident.uid}/resolve", {"comment": ""}, follow=True)
    assert response.redirect_chain == [(f"/incidents/{incident.uid}/", 302)]
    assert "Alerts still fire" in response.content.decode()


def test_the_cause_of_alerts_without_its_label_is_not_offered_for_silence(
    responder_client: Client, deliverer: Deliverer
) -> None:
    deliverer.send(alert("Foreign", root_service=None, layer=None, service="legacy"))
    response = act(responder_client, the_incident(), "silence", **silence_data())
    assert response.status_code == 422
