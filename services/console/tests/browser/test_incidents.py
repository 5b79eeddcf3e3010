"""An alert arrives, and a responder works the incident up to its export. On the running platform."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext, Visitor

ALERTMANAGER_URL = os.environ.get("TEST_ALERTMANAGER_URL", "http://127.0.0.1:9093").rstrip("/")
# Tickets are grouped for half a minute; then the page polls for updates every 15 s.
DELIVERED_MS = 90_000
TIMEOUT_SECONDS = 10
PANELS = ("journeys", "charts", "traces", "logs", "errors", "changes")


@dataclass
class Fault:
    """An alert with its own cause, about an existing edge; a ticket, so that no on-call engineer is paged by a test."""

    name: str = field(default_factory=lambda: f"console-test-{secrets.token_hex(4)}")

    @property
    def summary(self) -> str:
        return f"A test of the console {self.name}"

    def fire(self, ends_at: datetime) -> None:
        """Send alerts to Alertmanager, as Prometheus does; an end in the past resolves it."""
        now = datetime.now(UTC)
        body = {
            "labels": {
                "alertname": "EdgeErrors",
                "layer": "cause",
                "severity": "ticket",
                "team": "platform",
                "service": "orders",
                "dependency": "payments",
                "root_service": self.name,
            },
            "annotations": {
                "summary": self.summary,
                "description": "orders → payments: none of the calls failed, this is a test.",
                "runbook_url": "http://127.0.0.1:8000/runbooks/EdgeErrors",
                "dashboard_url": "http://127.0.0.1:8000/dashboards/platform-edges?var-service=orders",
                "traces_url": "http://127.0.0.1:8000/traces?service=orders",
                "logs_url": "http://127.0.0.1:8000/logs?query=service.name:%22orders%22",
            },
            "startsAt": min(now - timedelta(seconds=5), ends_at - timedelta(seconds=5)).isoformat(),
            "endsAt": ends_at.isoformat(),
            "generatorURL": "http://prometheus/graph?g0.expr=up%3D%3D0",
        }
        answer = requests.post(f"{ALERTMANAGER_URL}/api/v2/alerts", json=[body], timeout=TIMEOUT_SECONDS)
        assert answer.ok, answer.text

    def silences(self) -> list[dict[str, Any]]:
        """Return its active silences."""
        found: list[dict[str, Any]] = requests.get(
            f"{ALERTMANAGER_URL}/api/v2/silences", timeout=TIMEOUT_SECONDS
        ).json()
        return [
            silence
            for silence in found
            if silence["status"]["state"] == "active"
            and any(matcher["value"] == self.name for matcher in silence["matchers"])
        ]


@pytest.fixture
def fault() -> Iterator[Fault]:
    """An alert that fires for as long as the test runs."""
    found = Fault()
    found.fire(datetime.now(UTC) + timedelta(minutes=10))
    yield found
    found.fire(datetime.now(UTC))
    for silence in found.silences():
        requests.delete(f"{ALERTMANAGER_URL}/api/v2/silence/{silence['id']}", timeout=TIMEOUT_SECONDS)


def test_an_alert_is_received_and_the_incident_worked_to_its_export(
    page: Page, visit: Visitor, fault: Fault, credentials: tuple[str, str], tmp_path: Path
) -> None:
    visit("/")
    link = page.get_by_role("link", name=fault.summary)
    expect(link, "Alertmanager delivers to the console, and the page shows it by itself").to_be_visible(
        timeout=DELIVERED_MS
    )
    expect(page.locator(".state")).not_to_have_attribute("data-state", "ok")
    visit.screenshot("incidents")
    visit.check()

    link.click()
    page.wait_for_url(re.compile("/incidents/"))
    visit.settle()
    visit.screenshot("incident")
    visit.check()
    expect(page.get_by_role("heading", level=1)).to_contain_text(fault.summary)
    for name in PANELS:
        panel = page.locator(f"section[aria-labelledby='{name}-title']")
        expect(panel.locator("[data-backend-down]"), f"the backend of {name} answers").to_have_count(0)
        expect(panel.locator(".slot").first).not_to_be_empty()
    expect(page.locator(".chart canvas").first).to_be_visible()
    expect(page.locator("#runbook-title + .runbook")).to_contain_text("Mitigation")

    _work(page, fault, credentials[0])

    with page.expect_download() as download:
        page.get_by_role("link", name="Export as Markdown").click()
    exported = tmp_path / "incident.md"
    download.value.save_as(exported)
    text = exported.read_text()
    for expected in (
        fault.summary,
        "Rolled back the release",
        "it was only a test",
        f"({credentials[0]})",
        "## Alerts",
    ):
        assert expected.replace("-", "") in text.replace("\\", "").replace("-", ""), f"{expected} is not in:\n{text}"

    visit("/")
    expect(page.locator("#history").get_by_role("link", name=fault.summary)).to_be_visible()


def _work(page: Page, fault: Fault, user: str) -> None:
    """Acknowledge, note, silence, end the silence, resolve: all without leaving the page."""
    timeline = page.locator("#timeline")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#head")).to_contain_text(f"Acknowledged by {user}")

    page.get_by_label("Note").fill("Rolled back the release")
    page.get_by_role("button", name="Add note").click()
    expect(timeline).to_contain_text("Rolled back the release")

    page.get_by_text("Silence …").click()
    page.get_by_role("button", name="Silence", exact=True).click()
    assert not fault.silences(), "a silence needs a reason"
    page.get_by_label("How long").select_option("30")
    page.get_by_label("Why").fill("the fix is on its way")
    page.get_by_role("button", name="Silence", exact=True).click()
    expect(timeline).to_contain_text("the fix is on its way")
    (silence,) = fault.silences()
    assert silence["createdBy"] == user

    page.get_by_role("button", name="End silence").click()
    expect(timeline.locator("[data-kind=unsilenced]")).to_have_count(1)
    assert not fault.silences()

    page.get_by_text("Resolve …").click()
    page.get_by_label("What was it?").fill("it was only a test")
    page.get_by_role("button", name="Resolve", exact=True).click()
    expect(page.locator("#head [data-status]")).to_have_attribute("data-status", "resolved")


def test_the_pages_fit_a_phone_in_the_dark_theme(new_context: NewContext) -> None:
    page = new_context(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page()
    visit = Visitor(page)
    visit("/", name="incidents-phone")
    first = page.locator("a[href^='/incidents/']").first
    # A platform that never had an incident has none to open.
    if first.count():
        visit(str(first.get_attribute("href")), name="incident-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing sticks out"
