"""Pages and URLs of dashboards."""

from __future__ import annotations

from typing import Any

import pytest
from backends.prometheus import Sample, Series
from boards import definitions
from django.test import Client

from tests.boards.conftest import NOW, FakeElasticsearch, FakePrometheus

BOARD = "/d/platform-service"


def test_the_list_has_all_dashboards(viewer_client: Client) -> None:
    html = viewer_client.get("/dashboards/").content.decode()
    for board in definitions.load_all():
        assert f'href="/d/{board.uid}"' in html


def test_a_dashboards_page_has_a_place_for_every_panel_and_calls_no_backend(
    viewer_client: Client, metrics: FakePrometheus, lines: FakeElasticsearch
) -> None:
    for board in definitions.load_all():
        html = viewer_client.get(f"/d/{board.uid}").content.decode()
        assert html.count('aria-busy="true" data-panel') + html.count("data-panel=") >= len(list(board.panels))
        for panel in board.panels:
            assert f'data-url="/d/{board.uid}/panels/{panel.id}"' in html
    assert metrics.asked == []
    assert lines.asked == []


def test_a_page_has_no_inline_script_or_style(viewer_client: Client) -> None:
    html = viewer_client.get(BOARD).content.decode()
    assert "<style" not in html
    assert " style=" not in html
    assert "onclick" not in html
    assert html.count("<script") == html.count("<script src=")


def test_every_url_of_a_dashboard_opens_it(viewer_client: Client) -> None:
    for path in (BOARD, "/dashboards/platform-service", f"{BOARD}/platform-service"):
        assert "Platform / Service" in viewer_client.get(path).content.decode()


def test_an_unknown_dashboard_or_panel_is_404(viewer_client: Client, metrics: FakePrometheus) -> None:
    for path in ("/d/nothing", "/dashboards/nothing", "/d/nothing/controls"):
        assert viewer_client.get(path).status_code == 404
    for path in ("/d/nothing/panels/1", f"{BOARD}/panels/9999", "/d/nothing/annotations"):
        answer = viewer_client.get(path)
        assert answer.status_code == 404
        assert "error" in answer.json()


def test_dashboards_require_login(db: None) -> None:
    assert Client().get(BOARD).status_code == 302
    assert Client().get(f"{BOARD}/panels/2", headers={"Accept": "application/json"}).status_code == 401


def test_dashboards_are_read_only(viewer_client: Client) -> None:
    for path in ("/dashboards/", BOARD, f"{BOARD}/controls", f"{BOARD}/panels/2", f"{BOARD}/annotations"):
        assert viewer_client.post(path).status_code == 405


def test_a_panels_data_has_the_chosen_service_escaped(viewer_client: Client, metrics: FakePrometheus) -> None:
    metrics.samples = [Sample({"service": "orders"}, 1.0, NOW)]
    answer = viewer_client.get(f"{BOARD}/panels/2", {"var-service": 'orders"} or vector(1) #', "width": "600"})
    assert answer.status_code == 200
    assert answer.json()["values"][0]["value"] == 1.0
    assert "no-store" in answer.headers["Cache-Control"]
    for expr in metrics.expressions():
        assert r"orders\\x22\\} or vector\\(1\\) #" in expr


def test_an_unavailable_backend_is_reported_on_the_panel(viewer_client: Client, metrics: FakePrometheus) -> None:
    metrics.is_down = True
    answer = viewer_client.get("/d/platform-overview/panels/2")
    assert answer.status_code == 200
    assert answer.json() == {
        "error": {"backend": "prometheus", "reason": "no answer within 5 s", "rejected": False},
    }


@pytest.mark.parametrize("value", ["x" * 201, "a\x00b"])
def test_an_invalid_variable_is_400_on_the_panel_and_a_note_on_the_page(
    value: str, viewer_client: Client, metrics: FakePrometheus
) -> None:
    assert viewer_client.get(f"{BOARD}/panels/2", {"var-service": value}).status_code == 400
    controls = viewer_client.get(f"{BOARD}/controls", {"var-service": value})
    assert controls.status_code == 200
    assert "note-warn" in controls.content.decode()
    assert viewer_client.get(BOARD, {"var-service": value}).status_code == 200


@pytest.mark.parametrize("width", ["", "abc", "-1", "9" * 40, "1e3"])
def test_any_width_is_accepted(width: str, viewer_client: Client, metrics: FakePrometheus) -> None:
    assert viewer_client.get(f"{BOARD}/panels/2", {"width": width}).status_code == 200


def test_choices_show_the_options_and_the_chosen_values(viewer_client: Client, metrics: FakePrometheus) -> None:
    metrics.labels = {"service": ["orders", "<b>users</b>"]}
    html = viewer_client.get(f"{BOARD}/controls", {"var-service": "orders", "from": "now-3h"}).content.decode()
    assert 'value="orders" checked' in html
    assert "&lt;b&gt;users&lt;/b&gt;" in html
    assert '<input type="hidden" name="from" value="now-3h">' in html
    assert "console_url" not in html


def test_without_prometheus_the_choices_are_a_note(viewer_client: Client, metrics: FakePrometheus) -> None:
    metrics.is_down = True
    answer = viewer_client.get(f"{BOARD}/controls")
    assert answer.status_code == 200
    assert 'data-backend-down="prometheus"' in answer.content.decode()


def test_one_unavailable_backend_leaves_the_other_annotations(
    viewer_client: Client, metrics: FakePrometheus, lines: FakeElasticsearch
) -> None:
    lines.is_down = True
    metrics.series = [Series({"alertname": "X", "process": "p"}, [(NOW, 1.0)])]
    answer: dict[str, Any] = viewer_client.get("/d/platform-overview/annotations").json()
    assert [kind["name"] for kind in answer["annotations"]] == ["Deploys and restarts", "Alerts firing"]
    assert answer["errors"] == ["Drills and load: elasticsearch: no connection (refused)"]


def test_another_dashboard_keeps_time_and_choices(viewer_client: Client) -> None:
    html = viewer_client.get(BOARD, {"var-service": "orders", "from": "now-3h", "to": "now"}).content.decode()
    assert 'href="/d/platform-edges?var-service=orders&amp;from=now-3h&amp;to=now"' in html
    assert 'href="/d/platform-overview?from=now-3h&amp;to=now"' in html


def test_with_grafana_configured_there_is_a_link_to_it(viewer_client: Client, settings: Any) -> None:
    assert "In Grafana" not in viewer_client.get(BOARD).content.decode()
    settings.GRAFANA_URL = "https://grafana.example"
    html = viewer_client.get(BOARD, {"var-service": "a b", "from": "now-3h"}).content.decode()
    assert 'href="https://grafana.example/d/platform-service?from=now-3h&amp;to=now&amp;var-service=a+b"' in html
