"""The landing page and an incident's page: what they show at a glance, and to which users."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from backends import prometheus
from backends.prometheus import Sample
from django.test import Client
from incidents.models import Episode, Incident
from incidents.views import PAGE_SIZE
from pytest_django import DjangoAssertNumQueries, Settings

from tests.incidents.conftest import AlertmanagerStub, Deliverer, alert, resolved, the_incident
from tests.incidents.fakes import FakePrometheus

HOUR = timedelta(hours=1)


def page(client: Client, path: str = "/") -> str:
    """Return a page's HTML; its status must be 200."""
    response = client.get(path)
    assert response.status_code == 200, f"{path}: {response.status_code}"
    return response.content.decode()


def past_incidents(count: int) -> None:
    """Ended incidents, the newest last."""
    now = datetime.now(UTC)
    incidents = Incident.objects.bulk_create(
        Incident(
            cause=f"cause-{number}",
            root_service=f"cause-{number}",
            title=f"Past trouble {number:03}",
            severity="page",
            status="resolved",
            started_at=now - (count - number + 1) * HOUR,
            resolved_at=now - (count - number) * HOUR,
            ended_at=now - (count - number) * HOUR,
        )
        for number in range(count)
    )
    Episode.objects.bulk_create(
        Episode(incident=item, title=item.title, started_at=item.started_at, ended_at=item.ended_at)
        for item in incidents
    )


def test_pages_require_login(deliverer: Deliverer) -> None:
    deliverer.send(alert())
    uid = the_incident().uid
    for path in ("/", f"/incidents/{uid}/", f"/incidents/{uid}/export.md", "/incidents/now", "/incidents/alertmanager"):
        response = Client().get(path)
        assert response.status_code == 302, path
        assert response["Location"].startswith("/login"), path


def test_a_platform_without_any_incident_is_shown_as_healthy(viewer_client: Client) -> None:
    html = page(viewer_client)
    assert "No open incidents" in html
    assert "There has been no incident yet." in html


def test_a_healthy_platform_shows_when_the_last_incident_ended(viewer_client: Client) -> None:
    past_incidents(1)
    Incident.objects.update(ended_at=datetime.now(UTC) - 3 * HOUR)
    html = page(viewer_client)
    assert 'data-state="ok"' in html
    assert re.search(r"No incident for <strong>3 h", html)


def test_a_paging_incident_is_visible_at_a_glance(viewer_client: Client, deliverer: Deliverer) -> None:
    deliverer.send(alert("EdgeErrors"), alert("DeadLetters", severity="ticket", root_service="notifications"))
    html = page(viewer_client)
    assert 'data-state="crit"' in html
    assert "1 incident to act on, 1 that can wait" in html
    assert "2 alerts firing, 0 muted beneath" in html
    assert "<title>(2) Incidents" in html
    assert html.index("EdgeErrors summary") < html.index("DeadLetters summary"), "pages come before tickets"


def test_a_ticket_does_not_look_like_a_page(viewer_client: Client, deliverer: Deliverer) -> None:
    deliverer.send(alert("DeadLetters", severity="ticket"))
    html = page(viewer_client)
    assert 'data-state="warn"' in html
    assert "Nothing pages; 1 that can wait" in html


def test_the_history_is_paged(viewer_client: Client) -> None:
    past_incidents(2 * PAGE_SIZE + 1)
    first, last = page(viewer_client), page(viewer_client, "/?page=3")
    assert first.count("Past trouble") == PAGE_SIZE + 1, "a page of them, and the last one at the top"
    assert f"Past trouble {2 * PAGE_SIZE:03}" in first
    assert "Past trouble 000" in last
    assert 'rel="next"' in first
    assert 'rel="next"' not in last


@pytest.mark.parametrize("number", ["0", "999", "x", "-1", ""])
def test_an_invalid_page_number_shows_a_valid_page(viewer_client: Client, number: str) -> None:
    past_incidents(PAGE_SIZE + 1)
    assert "Past trouble" in page(viewer_client, f"/?page={number}")


def test_a_merged_incident_is_not_in_the_history_but_links_to_its_target(
    viewer_client: Client, deliverer: Deliverer
) -> None:
    past_incidents(1)
    deliverer.send(alert())
    merged, home = Incident.objects.get(status="resolved"), Incident.objects.get(status="open")
    Incident.objects.filter(pk=merged.pk).update(merged_into=home)
    assert "Past trouble" not in page(viewer_client)
    assert f"/incidents/{home.uid}/" in page(viewer_client, f"/incidents/{merged.uid}/")


def test_alertmanagers_counts_are_shown(
    viewer_client: Client, deliverer: Deliverer, alertmanager: AlertmanagerStub
) -> None:
    cause, echo = alert("ServiceDown", service="payments", dependency=None), alert("EdgeRefused")
    alertmanager.has(cause)
    alertmanager.has(echo, by=cause)
    deliverer.send(cause)
    html = page(viewer_client, "/incidents/alertmanager")
    assert "<strong data-firing>1</strong>" in html
    assert "<strong data-muted>1</strong>" in html
    assert "data-unknown" not in html


def test_the_watchdog_is_not_counted_as_firing(viewer_client: Client, alertmanager: AlertmanagerStub) -> None:
    alertmanager.has(alert("Watchdog", severity="info", layer="telemetry"))
    assert "<strong data-firing>0</strong>" in page(viewer_client, "/incidents/alertmanager")


def test_exhausted_error_budgets_are_shown_beside_the_state(
    viewer_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {"journey": "place-order", "slo": "availability", "service": "orders"}
    other = {"journey": "browse", "slo": "latency", "service": "inventory"}
    fake = FakePrometheus(
        samples={
            "slo:objective:ratio": [Sample(labels, 0.995, 0), Sample(other, 0.99, 0)],
            "slo:error_budget_left:ratio3d": [Sample(labels, -12.65, 0), Sample(other, 0.4, 0)],
        }
    )
    monkeypatch.setattr(prometheus, "client", lambda: fake)
    assert "/incidents/budgets" in page(viewer_client)
    shown = page(viewer_client, "/incidents/budgets")
    assert "1 error budget used up" in shown
    assert "Place an order" in shown
    assert "Browse products" not in shown


def test_an_unavailable_alertmanager_is_a_note_and_not_shown_as_healthy(
    viewer_client: Client, alertmanager: AlertmanagerStub
) -> None:
    alertmanager.status = 503
    html = page(viewer_client, "/incidents/alertmanager")
    assert 'data-backend-down="alertmanager"' in html


def test_a_server_that_is_not_alertmanager_is_a_note(viewer_client: Client, alertmanager: AlertmanagerStub) -> None:
    alertmanager.alerts = [{"labels": {}}]
    assert 'data-backend-down="alertmanager"' in page(viewer_client, "/incidents/alertmanager")


def test_alerts_that_fire_without_a_notification_are_reported(
    viewer_client: Client, alertmanager: AlertmanagerStub
) -> None:
    alertmanager.has(alert("ServiceDown", starts_at=datetime.now(UTC) - timedelta(minutes=5)))
    assert "1 alert fires without an incident" in page(viewer_client, "/incidents/alertmanager")


def test_an_alert_that_just_started_is_not_reported_as_missing(
    viewer_client: Client, alertmanager: AlertmanagerStub
) -> None:
    alertmanager.has(alert("ServiceDown", starts_at=datetime.now(UTC) - timedelta(seconds=20)))
    assert "data-unknown" not in page(viewer_client, "/incidents/alertmanager")


def test_an_incidents_page_names_cause_rules_and_path(viewer_client: Client, deliverer: Deliverer) -> None:
    deliverer.send(alert("EdgeErrors", service="payments", dependency="card-provider", root_service="card-provider"))
    html = page(viewer_client, f"/incidents/{the_incident().uid}/")
    assert "Card provider" in html
    assert "/runbooks/EdgeErrors" in html
    assert "Place an order" in html
    assert "payments, its only caller, sees its calls to card-provider fail" in html
    nodes = re.findall(r'<li class="node[^"]*"><a href="/services/([^"]+)">', html)
    assert nodes == ["orders", "payments", "card-provider"] or nodes[:3] == ["orders", "payments", "card-provider"]
    assert "<h2>Mitigation</h2>" in html, "the runbook is rendered"


def test_links_of_alerts_lead_to_this_console_at_the_time_of_the_alert(
    viewer_client: Client, deliverer: Deliverer, settings: Settings
) -> None:
    settings.ALERT_LINK_ORIGINS = frozenset({"https://kibana.example"})
    annotations = {
        "summary": "s",
        "runbook_url": "http://elsewhere:8000/runbooks/EdgeErrors",
        "dashboard_url": "http://elsewhere:8000/dashboards/platform-edges?var-service=orders",
        "traces_url": "javascript:alert(1)",
        "logs_url": "https://kibana.example/app/discover",
    }
    deliverer.send(alert(annotations=annotations))
    html = page(viewer_client, f"/incidents/{the_incident().uid}/")
    assert 'href="/runbooks/EdgeErrors"' in html
    assert re.search(r'href="/dashboards/platform-edges\?var-service=orders&amp;from=\d+&amp;to=\d+"', html)
    assert "javascript:" not in html
    assert "elsewhere" not in html
    assert 'href="https://kibana.example/app/discover"' in html


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/", "https://kibana.example.evil.example/", "https://kibana.example@evil.example/",
        "https://evil.example\\@kibana.example/", "//kibana.example/", "http://kibana.example/",
    ],
)  # fmt: skip
def test_a_link_of_an_alert_to_another_host_is_not_shown(
    viewer_client: Client, deliverer: Deliverer, settings: Settings, address: str
) -> None:
    settings.ALERT_LINK_ORIGINS = frozenset({"https://kibana.example"})
    deliverer.send(alert(annotations={"summary": "s", "traces_url": address}))
    html = page(viewer_client, f"/incidents/{the_incident().uid}/")
    assert "evil.example" not in html
    assert "//kibana.example" not in html


def test_text_of_alerts_is_escaped(viewer_client: Client, deliverer: Deliverer) -> None:
    hostile = "<script>alert(1)</script>"
    deliverer.send(alert(service=hostile, root_service=hostile, annotations={"summary": hostile}))
    for path in ("/", f"/incidents/{the_incident().uid}/"):
        assert "<script>alert" not in page(viewer_client, path)


def test_an_unknown_incident_is_not_found(viewer_client: Client) -> None:
    for part in ("", "head", "alerts", "timeline", "export.md", "evidence/logs"):
        assert viewer_client.get(f"/incidents/{uuid.uuid4()}/{part}").status_code == 404


def test_a_page_costs_few_queries(
    viewer_client: Client, deliverer: Deliverer, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    past_incidents(PAGE_SIZE)
    deliverer.send(*(alert(service=f"s{number}", root_service=f"s{number}") for number in range(20)))
    with django_assert_max_num_queries(10):
        page(viewer_client)


def test_earlier_incidents_with_the_same_cause_are_shown(viewer_client: Client, deliverer: Deliverer) -> None:
    past_incidents(1)
    Incident.objects.update(cause="payments")
    deliverer.send(alert())
    current = Incident.objects.get(status="open")
    assert current.title.startswith("EdgeErrors"), "much later it is a new one"
    assert "Past trouble" in page(viewer_client, f"/incidents/{current.uid}/")


def test_a_resolved_incident_shows_its_duration(viewer_client: Client, deliverer: Deliverer) -> None:
    begin = datetime.now(UTC) - timedelta(minutes=10)
    first = alert(starts_at=begin)
    deliverer.send(first)
    deliverer.send(resolved(first, begin + timedelta(minutes=4, seconds=10)))
    assert "4 min 10 s" in page(viewer_client, f"/incidents/{the_incident().uid}/")


def test_a_page_shows_the_newest_episode_and_leads_to_the_earlier_ones(
    viewer_client: Client, deliverer: Deliverer
) -> None:
    begin = datetime.now(UTC) - timedelta(minutes=20)
    first = alert(starts_at=begin, annotations={"summary": "before", "description": "first description"})
    deliverer.send(first)
    deliverer.send(resolved(first, begin + timedelta(minutes=2)))
    deliverer.send(alert(starts_at=begin + timedelta(minutes=15), annotations={"summary": "again"}))
    path = f"/incidents/{the_incident().uid}/"
    html = page(viewer_client, path)
    assert "<h1>again: orders → payments</h1>" in html
    assert "first description" not in html.split('id="timeline"')[0], "alerts and cause are those of the episode"
    assert "evidence/traces?episode=2" in html
    assert "in 2 episodes" in html
    earlier = page(viewer_client, f"{path}?episode=1")
    assert "<h1>before: orders → payments</h1>" in earlier
    assert "evidence/traces?episode=1" in earlier
    assert "data-newer" in earlier


@pytest.mark.parametrize("episode", ["0", "3", "x", "-1", "²", "9999999999"])
def test_an_unknown_episode_is_not_found(viewer_client: Client, deliverer: Deliverer, episode: str) -> None:
    deliverer.send(alert())
    for part in ("", "head", "evidence/charts"):
        assert viewer_client.get(f"/incidents/{the_incident().uid}/{part}?episode={episode}").status_code == 404


def test_a_cause_without_a_page_is_not_a_link(viewer_client: Client, deliverer: Deliverer) -> None:
    deliverer.send(alert(root_service="somewhere-else"), alert(root_service="payments"))
    known, unknown = (
        page(viewer_client, f"/incidents/{Incident.objects.get(cause=cause).uid}/head")
        for cause in ("payments", "somewhere-else")
    )
    assert 'href="/services/payments"' in known
    assert "/services/" not in unknown


def test_an_incidents_times_follow_the_chosen_zone(viewer_client: Client, deliverer: Deliverer) -> None:
    deliverer.send(alert(starts_at=datetime(2026, 11, 22, 12, 34, 56, tzinfo=UTC)))
    path = f"/incidents/{the_incident().uid}/head"
    assert re.search("2026-11-22 12:34:56</time> UTC", page(viewer_client, path))
    viewer_client.cookies["timezone"] = "Europe/Berlin"
    assert re.search("2026-11-22 13:34:56</time> CET", page(viewer_client, path))
