"""Which incident an alert belongs to, and when one is opened, reopened, merged and resolved (the rules of ingest)."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from backends import alertmanager as backend
from django.contrib.auth.models import User
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from incidents import actions, ingest, webhook
from incidents.models import Alert, Incident

from tests.incidents.conftest import alert, delivery, resolved, the_incident

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def receive(*alerts: Any, at: datetime, known: Iterable[Any] | None = None) -> None:
    """Process a notification at the given time, then reconcile with `known`, what Alertmanager has then."""
    notices = webhook.parse(json.dumps(delivery(*alerts)).encode())
    ingest.take_in(notices, now=at)
    if known is not None:
        ingest.reconcile(list(known), now=at)


def known(item: dict[str, Any], *, by: dict[str, Any] | None = None) -> backend.Alert:
    """Build an alert as Alertmanager's API returns it."""
    return backend.Alert(
        fingerprint=item["fingerprint"],
        labels=item["labels"],
        annotations=item["annotations"],
        starts_at=datetime.fromisoformat(item["startsAt"]),
        state="suppressed" if by else "active",
        inhibited_by=(by["fingerprint"],) if by else (),
    )


def kinds(incident: Incident) -> list[str]:
    return [entry.kind for entry in incident.timeline.order_by("id")]


pytestmark = pytest.mark.django_db


def test_a_repeated_notification_creates_one_incident() -> None:
    first = alert(starts_at=NOW)
    receive(first, at=NOW + MINUTE)
    receive(first, at=NOW + 2 * MINUTE)
    incident = the_incident()
    assert incident.alerts.count() == 1
    assert kinds(incident) == ["opened", "fired"]


def test_alerts_of_one_cause_are_one_incident() -> None:
    receive(alert("EdgeErrors", service="orders", starts_at=NOW), at=NOW)
    receive(alert("ServiceDown", service="payments", dependency=None, starts_at=NOW), at=NOW + MINUTE)
    incident = the_incident()
    assert incident.alerts.count() == 2
    assert incident.title.startswith("EdgeErrors")


def test_two_causes_are_two_incidents() -> None:
    receive(alert(root_service="payments", starts_at=NOW), alert(root_service="users", starts_at=NOW), at=NOW)
    assert set(Incident.objects.values_list("root_service", flat=True)) == {"payments", "users"}


def test_missing_telemetry_of_a_service_is_another_cause_than_the_service() -> None:
    receive(alert(root_service="orders", starts_at=NOW), at=NOW)
    receive(alert("SpansMissing", root_service="orders", layer="telemetry", severity="ticket", starts_at=NOW), at=NOW)
    assert set(Incident.objects.values_list("cause", flat=True)) == {"orders", "telemetry/orders"}


def test_the_worst_severity_and_the_cause_layer_determine_the_title() -> None:
    symptom = alert("ErrorBudgetBurnsFast", layer="symptom", dependency=None, starts_at=NOW)
    receive(symptom, alert("DeadLetters", severity="ticket", dependency=None, starts_at=NOW), at=NOW)
    assert the_incident().title.startswith("ErrorBudgetBurnsFast")
    receive(alert("EdgeTimeouts", starts_at=NOW + MINUTE), at=NOW + MINUTE)
    assert the_incident().title.startswith("EdgeTimeouts")
    assert the_incident().started_at == NOW


def test_an_incident_resolves_when_its_last_alert_has_ended() -> None:
    one, other = alert("EdgeErrors", starts_at=NOW), alert("EdgeTimeouts", starts_at=NOW)
    receive(one, other, at=NOW)
    receive(resolved(one, NOW + 3 * MINUTE), other, at=NOW + 4 * MINUTE)
    assert the_incident().status == "open"
    receive(resolved(other, NOW + 5 * MINUTE), at=NOW + 6 * MINUTE)
    incident = the_incident()
    assert incident.status == "resolved"
    assert incident.ended_at == NOW + 5 * MINUTE
    assert incident.resolved_by is None
    assert kinds(incident)[-1] == "resolved"


def test_a_resolved_notification_of_an_unknown_alert_creates_nothing() -> None:
    receive(resolved(alert(starts_at=NOW), NOW + MINUTE), at=NOW + MINUTE)
    assert not Incident.objects.exists()


def test_a_late_repetition_of_firing_does_not_undo_the_end() -> None:
    first = alert(starts_at=NOW)
    receive(first, at=NOW)
    receive(resolved(first, NOW + MINUTE), at=NOW + MINUTE)
    receive(first, at=NOW + MINUTE + ingest.LATE_DELIVERY / 2)
    assert the_incident().status == "resolved"


def test_an_alert_that_fires_again_with_the_same_start_reopens() -> None:
    first = alert(starts_at=NOW)
    receive(first, at=NOW)
    receive(resolved(first, NOW + MINUTE), at=NOW + MINUTE)
    receive(first, at=NOW + MINUTE + ingest.LATE_DELIVERY + MINUTE)
    incident = the_incident()
    assert incident.status == "open"
    assert incident.alerts.get().is_firing
    assert "reopened" in kinds(incident)


def test_the_same_fault_soon_after_is_a_new_episode_without_the_acknowledgement(responder: User) -> None:
    first = alert(starts_at=NOW)
    receive(first, at=NOW)
    actions.acknowledge(the_incident().uid, responder)
    receive(resolved(first, NOW + MINUTE), at=NOW + MINUTE)
    receive(alert(starts_at=NOW + 10 * MINUTE), at=NOW + 10 * MINUTE)
    incident = the_incident()
    assert incident.status == "open"
    assert incident.acknowledged_by is None
    assert incident.ended_at is None
    one, other = incident.episodes.all()
    assert (one.started_at, one.ended_at) == (NOW, NOW + MINUTE)
    assert (other.started_at, other.ended_at) == (NOW + 10 * MINUTE, None)
    assert [episode.alerts.count() for episode in (one, other)] == [1, 1]


def test_the_time_between_two_episodes_is_not_counted_as_duration() -> None:
    first, again = alert(starts_at=NOW), alert(starts_at=NOW + 25 * MINUTE)
    receive(first, at=NOW)
    receive(resolved(first, NOW + MINUTE), at=NOW + MINUTE)
    receive(again, at=NOW + 25 * MINUTE)
    assert the_incident().duration(NOW + 27 * MINUTE) == 3 * MINUTE
    receive(resolved(again, NOW + 28 * MINUTE), at=NOW + 28 * MINUTE)
    assert the_incident().duration() == 4 * MINUTE


def test_a_different_fault_of_the_same_cause_soon_after_is_a_new_incident() -> None:
    slow = alert("EdgeSlow", starts_at=NOW)
    receive(slow, at=NOW)
    receive(resolved(slow, NOW + MINUTE), at=NOW + MINUTE)
    receive(alert("EdgeTimeouts", starts_at=NOW + 10 * MINUTE), at=NOW + 10 * MINUTE)
    old, new = Incident.objects.order_by("number")
    assert (old.status, new.status) == ("resolved", "open")
    assert new.title.startswith("EdgeTimeouts")
    assert new.started_at == NOW + 10 * MINUTE
    assert old.duration() == MINUTE


def test_the_first_fault_again_after_a_different_one_is_an_episode_of_the_first() -> None:
    for minute, name in ((0, "EdgeSlow"), (5, "EdgeTimeouts"), (10, "EdgeSlow")):
        fault = alert(name, starts_at=NOW + minute * MINUTE)
        receive(fault, at=NOW + minute * MINUTE)
        receive(resolved(fault, NOW + (minute + 1) * MINUTE), at=NOW + (minute + 1) * MINUTE)
    counts = {incident.title.split()[0]: incident.episodes.count() for incident in Incident.objects.all()}
    assert counts == {"EdgeSlow": 2, "EdgeTimeouts": 1}


def test_a_page_after_a_calm_period_is_a_new_episode_although_a_ticket_kept_the_incident_open() -> None:
    page, ticket = alert("EdgeSlow", starts_at=NOW), alert("DeadLetters", severity="ticket", starts_at=NOW)
    receive(page, ticket, at=NOW)
    receive(resolved(page, NOW + MINUTE), ticket, at=NOW + MINUTE)
    later = NOW + 20 * MINUTE
    again = alert("EdgeTimeouts", starts_at=later)
    receive(again, at=later)
    incident = the_incident()
    assert incident.title.startswith("EdgeTimeouts")
    one, other = incident.episodes.all()
    assert (one.title.split()[0], one.ended_at) == ("EdgeSlow", NOW + MINUTE)
    assert other.started_at == later
    receive(resolved(again, later + MINUTE), at=later + MINUTE)
    assert the_incident().status == "open", "the ticket still fires"
    receive(resolved(ticket, later + 5 * MINUTE), at=later + 5 * MINUTE)
    incident = the_incident()
    assert incident.status == "resolved"
    assert incident.duration() == 2 * MINUTE


def test_an_incident_with_an_earlier_episode_is_not_merged_as_a_whole() -> None:
    symptom = alert("ErrorBudgetBurnsFast", root_service="orders", layer="symptom", starts_at=NOW)
    receive(symptom, at=NOW)
    receive(resolved(symptom, NOW + MINUTE), at=NOW + MINUTE)
    again = alert("ErrorBudgetBurnsFast", root_service="orders", layer="symptom", starts_at=NOW + 10 * MINUTE)
    receive(again, at=NOW + 10 * MINUTE)
    cause = alert("ServiceDown", service="payments", starts_at=NOW + 10 * MINUTE)
    receive(cause, at=NOW + 11 * MINUTE, known=[known(cause), known(again, by=cause)])
    left, home = Incident.objects.order_by("number")
    assert (left.status, left.merged_into, left.ended_at) == ("resolved", None, NOW + MINUTE)
    assert left.episodes.get().alerts.count() == 1
    assert home.alerts.count() == 2


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["EdgeSlow", "EdgeTimeouts", "DeadLetters"]),
        st.integers(1, 40),
        st.sampled_from(["fires", "ends"]),
    ),
    max_size=25,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_STEPS)
def test_episodes_are_the_periods_in_which_alerts_fired(steps: list[tuple[str, int, str]]) -> None:
    """Whatever fires and ends in whichever order, no second of calm counts, and each alert is in one episode."""
    Incident.objects.all().delete()
    now, firing = NOW, {}
    fired: list[tuple[datetime, datetime]] = []
    for name, minutes, what in steps:
        now += minutes * MINUTE
        severity = "ticket" if name == "DeadLetters" else "page"
        if what == "fires" and name not in firing:
            firing[name] = alert(name, severity=severity, starts_at=now)
            receive(firing[name], at=now)
        elif what == "ends" and name in firing:
            ended = firing.pop(name)
            fired.append((datetime.fromisoformat(ended["startsAt"]), now))
            receive(resolved(ended, now), at=now)
    now += MINUTE
    fired += [(datetime.fromisoformat(item["startsAt"]), now) for item in firing.values()]
    assert bool(firing) == Incident.objects.exclude(status="resolved").exists()
    covered = timedelta()
    last = NOW
    for start, end in sorted(fired):
        covered += max(end, last) - max(start, last)
        last = max(end, last)
    assert sum((incident.duration(now) for incident in Incident.objects.all()), timedelta()) <= covered
    for incident in Incident.objects.all():
        episodes = list(incident.episodes.all())
        assert [episode.ended_at is None for episode in episodes[:-1]] == [False] * (len(episodes) - 1)
        assert incident.is_open == (episodes[-1].ended_at is None)
        for one, other in itertools.pairwise(episodes):
            assert one.ended_at is not None
            assert one.started_at <= one.ended_at <= other.started_at
        for row in incident.alerts.all():
            assert row.episode.incident_id == incident.pk
            assert row.starts_at >= row.episode.started_at


def test_the_same_cause_much_later_is_a_new_incident() -> None:
    first = alert(starts_at=NOW)
    receive(first, at=NOW)
    receive(resolved(first, NOW + MINUTE), at=NOW + MINUTE)
    later = NOW + MINUTE + ingest.REOPEN_WITHIN + MINUTE
    receive(alert(starts_at=later), at=later)
    assert sorted(Incident.objects.values_list("status", flat=True)) == ["open", "resolved"]


def test_a_manually_resolved_incident_is_reopened_by_a_new_alert_but_not_by_a_repetition(responder: User) -> None:
    first = alert(starts_at=NOW)
    receive(first, at=NOW)
    incident = actions.resolve(the_incident().uid, responder, "a test of the card provider")
    Incident.objects.update(resolved_at=NOW + MINUTE, ended_at=NOW + MINUTE)
    receive(first, at=NOW + 5 * MINUTE)
    assert the_incident().status == "resolved"
    receive(alert(starts_at=NOW + 6 * MINUTE), at=NOW + 6 * MINUTE)
    assert Incident.objects.get(pk=incident.pk).status == "open"


def test_an_alert_still_firing_long_after_a_manual_resolution_opens_a_new_incident(responder: User) -> None:
    first = alert(starts_at=NOW)
    receive(first, at=NOW)
    actions.resolve(the_incident().uid, responder, "done")
    Incident.objects.update(resolved_at=NOW + MINUTE, ended_at=NOW + MINUTE)
    receive(first, at=NOW + MINUTE + ingest.REOPEN_WITHIN + MINUTE)
    old, new = Incident.objects.order_by("number")
    assert (old.status, new.status) == ("resolved", "open")
    assert new.alerts.get().is_firing
    assert not old.alerts.get().is_firing, "the old incident's record of the alert must end with it"


def test_a_muted_alert_is_listed_below_the_alert_that_mutes_it() -> None:
    cause = alert("ServiceDown", service="payments", dependency=None, starts_at=NOW)
    echo = alert("EdgeRefused", starts_at=NOW)
    receive(cause, at=NOW, known=[known(cause), known(echo, by=cause)])
    incident = the_incident()
    assert {row.name: row.is_muted for row in incident.alerts.all()} == {"ServiceDown": False, "EdgeRefused": True}
    receive(resolved(cause, NOW + MINUTE), at=NOW + MINUTE, known=[])
    assert the_incident().status == "resolved"
    assert not Alert.objects.filter(ends_at=None).exists(), "what was muted is over too"


def test_a_muted_alert_is_recorded_once() -> None:
    cause, echo = alert("ServiceDown", starts_at=NOW), alert("EdgeRefused", starts_at=NOW)
    for minutes in range(3):
        receive(cause, at=NOW + minutes * MINUTE, known=[known(cause), known(echo, by=cause)])
    assert kinds(the_incident()) == ["opened", "fired", "muted"]


def test_mutes_are_followed_over_several_steps() -> None:
    cause = alert("DatabaseLocks", root_service="postgresql", starts_at=NOW)
    middle = alert("EdgeSlow", root_service="inventory", starts_at=NOW)
    symptom = alert("ErrorBudgetBurnsFast", root_service="orders", layer="symptom", starts_at=NOW)
    receive(cause, at=NOW, known=[known(cause), known(middle, by=cause), known(symptom, by=middle)])
    assert the_incident().alerts.count() == 3


def test_a_cycle_of_mutes_terminates() -> None:
    one, other = alert("A", starts_at=NOW), alert("B", starts_at=NOW)
    receive(one, at=NOW, known=[known(one, by=other), known(other, by=one)])
    assert the_incident().alerts.count() == 1


def test_an_incident_whose_alerts_are_explained_by_another_is_merged_into_it() -> None:
    symptom = alert("ErrorBudgetBurnsFast", root_service="orders", layer="symptom", dependency=None, starts_at=NOW)
    receive(symptom, at=NOW, known=[known(symptom)])
    cause = alert("ServiceDown", service="payments", starts_at=NOW)
    receive(cause, at=NOW + MINUTE, known=[known(cause), known(symptom, by=cause)])
    merged, home = Incident.objects.order_by("number")
    assert merged.merged_into == home
    assert (merged.status, home.status) == ("resolved", "open")
    assert home.alerts.count() == 2
    assert kinds(merged)[-1] == "merged"
    assert "merged" in kinds(home)


def test_an_incident_with_an_unmuted_alert_is_not_merged() -> None:
    symptom = alert("ErrorBudgetBurnsFast", root_service="orders", layer="symptom", starts_at=NOW)
    own = alert("ServiceVersionRegression", root_service="orders", starts_at=NOW)
    receive(symptom, own, at=NOW, known=[known(symptom), known(own)])
    cause = alert("ServiceDown", service="payments", starts_at=NOW)
    receive(cause, at=NOW + MINUTE, known=[known(cause), known(own), known(symptom, by=cause)])
    assert Incident.objects.exclude(status="resolved").count() == 2
    assert Incident.objects.get(root_service="orders").alerts.get().name == "ServiceVersionRegression"


def test_an_alert_that_is_no_longer_muted_keeps_the_incident_open() -> None:
    cause = alert("ServiceDown", service="payments", starts_at=NOW)
    symptom = alert("ErrorBudgetBurnsFast", root_service="orders", layer="symptom", starts_at=NOW)
    receive(cause, at=NOW, known=[known(cause), known(symptom, by=cause)])
    receive(resolved(cause, NOW + MINUTE), at=NOW + MINUTE, known=[known(symptom)])
    incident = the_incident()
    assert incident.status == "open"
    receive(resolved(symptom, NOW + 3 * MINUTE), at=NOW + 3 * MINUTE, known=[])
    assert the_incident().status == "resolved"


def test_an_alert_whose_end_was_never_delivered_ends_after_a_while() -> None:
    receive(alert(starts_at=NOW), at=NOW)
    receive(at=NOW + MINUTE, known=[])
    assert the_incident().status == "open", "Alertmanager may just have restarted"
    receive(at=NOW + MINUTE + ingest.MISSING_FOR, known=[])
    incident = the_incident()
    assert incident.status == "resolved"
    assert incident.ended_at == NOW + MINUTE


def test_an_alert_that_alertmanager_reports_again_has_not_ended() -> None:
    first = alert(starts_at=NOW)
    receive(first, at=NOW)
    receive(at=NOW + MINUTE, known=[])
    receive(at=NOW + 2 * MINUTE, known=[known(first)])
    receive(at=NOW + 2 * MINUTE + ingest.MISSING_FOR, known=[])
    assert the_incident().status == "open"


@pytest.mark.django_db(transaction=True)
def test_concurrent_notifications_create_one_incident() -> None:
    body = json.dumps(delivery(*(alert(service=f"s{number}", starts_at=NOW) for number in range(5)))).encode()
    failures: list[BaseException] = []
    barrier = threading.Barrier(4)

    def take_in() -> None:
        try:
            barrier.wait(timeout=10)
            ingest.take_in(webhook.parse(body))
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=take_in) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not failures
    assert the_incident().alerts.count() == 5
    assert kinds(the_incident()) == ["opened", *["fired"] * 5]


def test_text_that_only_alertmanager_can_store_is_made_storable() -> None:
    cause, echo = alert("ServiceDown", starts_at=NOW), alert("EdgeRefused", starts_at=NOW, service="a\0b")
    receive(cause, at=NOW, known=[known(cause), known(echo, by=cause)])
    assert Alert.objects.get(name="EdgeRefused").service == "a�b"
