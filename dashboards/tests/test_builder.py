"""The JSON that the builder makes of panels, queries, links and thresholds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alerts.generator import thresholds as alert_thresholds
from dashboards.builder import links, panels, queries, thresholds
from dashboards.builder.board import COLUMNS, Board, Section


def panel(title: str, width: int, height: int = 4, **options: Any) -> panels.AnyPanel:
    return panels.series(
        title, "A panel.", [queries.promql("up")], unit="short", links=[], width=width, height=height, **options
    )


def built(*sections: Section) -> list[dict[str, Any]]:
    """The panels of a dashboard with these sections, as in its file."""
    return list(json.loads(Board("platform-x", "X", "X.", sections).render())["panels"])


def test_panels_are_placed_side_by_side_until_a_line_is_full() -> None:
    found = built(Section("One", [panel("a", 16, 4), panel("b", 8, 6), panel("c", 12), panel("d", 16)]))
    places = {body["title"]: body["gridPos"] for body in found}
    assert places["One"] == {"x": 0, "y": 0, "w": COLUMNS, "h": 1}
    assert places["a"] == {"x": 0, "y": 1, "w": 16, "h": 4}
    assert places["b"] == {"x": 16, "y": 1, "w": 8, "h": 6}
    # Below the taller of the two above. The next panel doesn't fit next to it.
    assert places["c"] == {"x": 0, "y": 7, "w": 12, "h": 4}
    assert places["d"] == {"x": 0, "y": 11, "w": 16, "h": 4}


def test_a_section_begins_below_the_one_before() -> None:
    found = built(Section("One", [panel("a", 8, 5)]), Section("Two", [panel("b", 8)]))
    places = {body["title"]: body["gridPos"]["y"] for body in found}
    assert places == {"One": 0, "a": 1, "Two": 6, "b": 7}
    assert [body["id"] for body in found] == [1, 2, 3, 4]


def test_a_threshold_is_the_number_of_the_alerts() -> None:
    value = alert_thresholds.load().entries["service_error_ratio"].value
    assert thresholds.above("service_error_ratio").steps == ((value, "red"),)
    coloured = panel("a", 8, thresholds=thresholds.above("service_error_ratio"))
    body = built(Section("s", [coloured]))[1]
    assert [step["value"] for step in body["fieldConfig"]["defaults"]["thresholds"]["steps"]] == [None, value]


def test_an_unknown_threshold_is_refused_with_the_known_names() -> None:
    with pytest.raises(
        KeyError, match=r"service_error_ration is not in thresholds[.]yaml; known: .*service_error_ratio"
    ):
        thresholds.above("service_error_ration")


def test_only_the_highest_quantile_has_exemplars() -> None:
    found = queries.quantiles("x_seconds", 'job="django"', ["service"], (0.5, 0.99))
    assert [query.exemplar for query in found] == [False, True]
    assert found[1].expr == (
        'histogram_quantile(0.99, sum by (le, service) (rate(x_seconds_bucket{job="django"}[$__rate_interval])))'
    )
    assert found[1].legend == "{{service}} p99"


def test_a_counters_rate_is_summed_or_split_by_labels() -> None:
    assert queries.per_second("x_total") == "sum(rate(x_total[$__rate_interval]))"
    assert queries.per_second("x_total", 'a="b"', "c", queries.RANGE) == 'sum by (c) (rate(x_total{a="b"}[$__range]))'


def test_a_link_to_log_lines_keeps_variables_and_escapes_the_rest() -> None:
    url = links.logs('service.name:(${service:lucene}) and message:"it\'s"').url
    assert "${service:lucene}" in url
    assert "%20and%20" in url
    assert "it!'s" in url


def test_a_table_shows_its_columns_in_order_and_no_other() -> None:
    table = panels.grid(
        "a",
        "A table.",
        [queries.rows("sum by (x) (up)"), queries.rows("max by (x) (up)")],
        [panels.Column("x", "Name"), panels.Column("Value #A", "Sum", unit="ops"), panels.Column("Value #B", "Most")],
        links=[],
        sort_by="Sum",
    )
    body = built(Section("s", [table]))[1]
    merge, chosen, order = body["transformations"]
    assert merge["id"] == "merge"
    assert chosen["options"]["include"]["names"] == ["x", "Value #A", "Value #B"]
    assert order["options"]["indexByName"] == {"x": 0, "Value #A": 1, "Value #B": 2}
    assert order["options"]["renameByName"] == {"x": "Name", "Value #A": "Sum", "Value #B": "Most"}
    assert body["fieldConfig"]["overrides"][0]["properties"] == [{"id": "unit", "value": "ops"}]
