"""Common to all pages: policy, theme, navigation, helpful errors."""

from __future__ import annotations

import re

import pytest
from django.core.management import call_command
from django.test import Client
from django_telemetry import context
from pytest_django import Settings


def policy(header: str) -> dict[str, str]:
    """Return a content security policy by directive."""
    return dict(part.strip().split(" ", 1) for part in header.split(";"))


def test_pages_load_only_our_own_files(viewer_client: Client) -> None:
    answer = viewer_client.get("/runbooks")
    found = policy(answer.headers["Content-Security-Policy"])
    assert found["default-src"] == "'none'"
    assert found["script-src"] == "'self'"
    assert found["style-src"] == "'self'"
    assert found["frame-ancestors"] == "'none'"
    html = answer.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", html), "inline script"
    assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:", html), "inline style or handler"


def test_errors_have_the_policy_too(viewer_client: Client) -> None:
    assert "Content-Security-Policy" in viewer_client.get("/nothing-here").headers


def test_the_checks_for_a_deployment_pass(settings: Settings) -> None:
    # As in production, which serves over HTTPS only.
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_HSTS_SECONDS = 31536000
    call_command("check", deploy=True, fail_level="WARNING")


def test_pages_cannot_be_framed(viewer_client: Client) -> None:
    assert viewer_client.get("/runbooks").headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(("cookie", "expected"), [("dark", 'data-theme="dark"'), ("light", 'data-theme="light"')])
def test_the_chosen_theme_is_set_in_the_html(viewer_client: Client, cookie: str, expected: str) -> None:
    viewer_client.cookies["theme"] = cookie
    assert expected in viewer_client.get("/runbooks").content.decode()


def test_a_theme_that_does_not_exist_is_ignored(viewer_client: Client) -> None:
    viewer_client.cookies["theme"] = "x onload=alert(1)"
    html = viewer_client.get("/runbooks").content.decode()
    assert "data-theme=" not in html.split(">", 2)[1]
    assert "onload" not in html


def test_an_unknown_page_is_reported(viewer_client: Client) -> None:
    answer = viewer_client.get("/nothing-here")
    assert answer.status_code == 404
    assert "There is no such page." in answer.content.decode()


def test_a_crash_links_to_its_trace(viewer_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash() -> list[str]:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("shell.runbooks.names", crash)
    viewer_client.raise_request_exception = False
    answer = viewer_client.get("/runbooks")
    assert answer.status_code == 500
    html = answer.content.decode()
    trace_id = answer.headers["traceresponse"].split("-")[1]
    assert f'href="/traces/{trace_id}"' in html
    assert "broken on purpose" not in html
    assert context.trace_ids() is None


def test_the_palette_lists_pages_services_dashboards_and_runbooks(viewer_client: Client) -> None:
    places = viewer_client.get("/palette").json()["places"]
    assert {"title": "Traces", "kind": "page", "url": "/traces"} in places
    assert {"title": "orders", "kind": "service", "url": "/services/orders"} in places
    assert {"title": "EdgeErrors", "kind": "runbook", "url": "/runbooks/EdgeErrors"} in places
    assert [place["url"] for place in places if place["url"] == "/d/platform-overview"]


def test_links_to_other_programs_are_shown_if_configured(viewer_client: Client, settings: Settings) -> None:
    assert "Grafana" not in viewer_client.get("/runbooks").content.decode()
    settings.GRAFANA_URL = "http://grafana.example:3000"
    assert 'href="http://grafana.example:3000"' in viewer_client.get("/runbooks").content.decode()


def test_times_are_in_utc_unless_the_reader_chose_the_local_zone(viewer_client: Client) -> None:
    assert 'data-zone-name="UTC"' in viewer_client.get("/runbooks").content.decode()
    viewer_client.cookies["timezone"] = "Asia/Tokyo"
    local = viewer_client.get("/runbooks").content.decode()
    assert 'data-zone="local" data-zone-name="JST"' in local


@pytest.mark.parametrize("name", ["Nowhere/City", "../../etc/passwd", "x" * 300, "é", "a\\0b"])
def test_an_unknown_zone_is_utc(viewer_client: Client, name: str) -> None:
    viewer_client.cookies["timezone"] = name
    assert 'data-zone-name="UTC"' in viewer_client.get("/runbooks").content.decode()
