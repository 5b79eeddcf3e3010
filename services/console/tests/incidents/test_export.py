"""The incident as Markdown."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from backends import elasticsearch, error_store, jaeger, prometheus
from django.contrib.auth.models import User
from django.test import Client
from incidents import actions
from incidents.evidence import errors
from incidents.export import code, escape
from incidents.reconciler import Reconciler
from markdown_it import MarkdownIt

from tests.incidents.conftest import AlertmanagerStub, Deliverer, alert, the_incident
from tests.incidents.fakes import Dead


@pytest.fixture(autouse=True)
def dead_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """All backends are down: the export has to work during the worst outage."""
    for module in (prometheus, jaeger, elasticsearch, error_store):
        monkeypatch.setattr(module, "client", lambda module=module: Dead(module.NAME))


def exported(client: Client) -> str:
    response = client.get(f"/incidents/{the_incident().uid}/export.md")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="incident-{the_incident().number}.md"'
    return response.content.decode()


def test_the_export_shows_control_and_bidirectional_characters_as_escapes(
    viewer_client: Client, deliverer: Deliverer
) -> None:
    deliverer.send(alert(annotations={"summary": "red \x1b[31m", "description": "turned \u202e around\u2066"}))
    text = exported(viewer_client)
    assert not {"\x1b", "\u202e", "\u2066"} & set(text)
    assert "turned" in text


def test_the_export_contains_the_whole_incident(
    viewer_client: Client, responder: User, deliverer: Deliverer, alertmanager: AlertmanagerStub
) -> None:
    cause, echo = alert("ServiceDown", service="payments", dependency=None), alert("EdgeRefused")
    alertmanager.has(cause)
    alertmanager.has(echo, by=cause)
    deliverer.send(cause)
    Reconciler(threading.Event()).round()
    uid = the_incident().uid
    actions.acknowledge(uid, responder)
    actions.add_note(uid, responder, "Rolled back to 1.3")
    actions.resolve(uid, responder, "bad release")
    text = exported(viewer_client)
    for expected in (
        f"# Incident #{the_incident().number}: ServiceDown summary: payments",
        "- Status: Resolved",
        "- Place an order: orders → payments",
        "| ServiceDown | payments | page |",
        "Muted by inhibition:",
        "| EdgeRefused | orders → payments | page |",
        f"**Acknowledged** ({responder.username})",
        f"**Note** ({responder.username}): Rolled back to 1.3",
        f"**Resolved** ({responder.username}): bad release",
        "Not known: prometheus: no connection",
        "## Root cause",
        f"http://testserver/incidents/{uid}/",
    ):
        assert expected in text, f"{expected!r} is not in the export:\n{text}"


def test_the_export_names_errors_with_their_place_and_trace(
    monkeypatch: pytest.MonkeyPatch, viewer_client: Client, deliverer: Deliverer
) -> None:
    latest = error_store.event(
        {
            "service": {"name": "orders"},
            "error": {"type": "KeyError", "grouping_name": "KeyError: no sku", "culprit": "ordering.prices in total"},
            "trace": {"id": "a" * 32},
        }
    )
    found = errors.Errors((errors.Group(before=0, after=3, latest=latest),), 0)
    monkeypatch.setattr(errors, "find", lambda scene: found)
    deliverer.send(alert("ServiceErrors", service="orders", dependency=None))
    (line,) = [line for line in exported(viewer_client).splitlines() if "KeyError" in line]
    assert line.startswith("- orders: `KeyError")
    assert line.endswith(f"in `ordering.prices in total`: new, 3 since ([trace](http://testserver/traces/{'a' * 32}))")


def test_text_from_users_and_alerts_stays_text(viewer_client: Client, responder: User, deliverer: Deliverer) -> None:
    hostile = "x | y\n# heading\n<script>alert(1)</script> [a](javascript:b) **bold** `code`"
    deliverer.send(alert(annotations={"summary": "s", "description": hostile}))
    actions.add_note(the_incident().uid, responder, hostile)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(exported(viewer_client))
    assert "<script>" not in html
    assert "javascript:" not in re.sub(r">[^<]*<", "><", html), "no link or attribute has it"
    assert html.count("<h1>") == 1
    row = next(line for line in html.split("<tr>") if "EdgeErrors" in line)
    assert row.count("<td>") == 6, "a | in a text makes no cell"


@pytest.mark.parametrize("text", ["plain", "a`b", "``", "a ``` b", "x|y"])
def test_code_stays_code(text: str) -> None:
    html = MarkdownIt().render(f"a {code(text)} b")
    assert html.count("<code>") == 1


@pytest.mark.parametrize("text", ["*a*", "_a_", "[x](y)", "<b>", "a\n\n# b", "\\", "|", "~~a~~"])
def test_escaped_text_renders_as_the_original(text: str) -> None:
    html: Any = MarkdownIt("commonmark", {"html": True}).enable("strikethrough").render(f"a {escape(text)}")
    plain = re.sub(r"</?p>", "", html).strip().replace("&lt;", "<").replace("&gt;", ">")
    assert plain == f"a {' '.join(text.split())}"
