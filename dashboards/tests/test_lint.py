"""Every panel is one that an on-call engineer can read without asking."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import grafana
import promql
import promql_parser
import pytest
from dashboards.builder.thresholds import limits
from grafana import Panel

# What the console can draw as well.
TYPES = {"timeseries", "stat", "gauge", "bargauge", "table", "state-timeline", "heatmap", "text", "logs"}
TRANSFORMATIONS = {"merge", "filterFieldsByName", "organize", "groupingToMatrix"}
# Labels that only Kubernetes, or only a certain way of running, would give.
FOREIGN_LABELS = re.compile(r"\b(namespace|cluster|pod|container|node|kubernetes\w*)\s*(=|!=|=~|!~)")
# The mail's delay is counted outside of any request; time left is nothing that one looks for in a trace.
WITHOUT_TRACE = ("order_mail_delay", "deadline_remaining")
HARD_CODED_WINDOW = re.compile(r"\[\s*\d+[smhdw]")
BOARDS = grafana.boards()
PANELS = grafana.panels()


def every_panel(rule: Callable[[Panel], None]) -> Callable[[], None]:
    """A test that holds each panel against a rule and names all that break it."""

    def test() -> None:
        _report({panel.where: _broken(rule, panel) for panel in PANELS})

    return _named(test, rule)


def every_board(rule: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
    """As every_panel, for whole dashboards."""

    def test() -> None:
        _report({uid: _broken(rule, board) for uid, board in BOARDS.items()})

    return _named(test, rule)


def _broken(rule: Callable[[Any], None], subject: Any) -> str | None:
    try:
        rule(subject)
    except (AssertionError, ValueError) as fault:
        return str(fault).splitlines()[0]
    return None


def _report(faults: dict[str, str | None]) -> None:
    told = [f"{where} — {fault}" for where, fault in faults.items() if fault is not None]
    if told:
        pytest.fail("\n".join(told), pytrace=False)


def _named(test: Callable[[], None], rule: Callable[[Any], None]) -> Callable[[], None]:
    test.__name__ = rule.__name__
    return test


def expressions(panel: Panel) -> list[str]:
    return [target["expr"] for target in panel.targets() if "expr" in target]


@every_panel
def test_a_description_explains_in_sentences_how_to_read_the_panel(panel: Panel) -> None:
    description = panel.body.get("description", "")
    assert len(description) >= 35, f"{description!r} does not explain how to read the panel"
    assert description.endswith("."), f"{description!r} is no sentence"


@every_panel
def test_a_panel_is_of_a_type_and_has_transformations_that_the_console_draws(panel: Panel) -> None:
    assert panel.body["type"] in TYPES
    assert {change["id"] for change in panel.body.get("transformations", [])} <= TRANSFORMATIONS


@every_panel
def test_a_panel_has_queries_with_ids_of_their_own(panel: Panel) -> None:
    ids = [target["refId"] for target in panel.targets()]
    assert ids
    assert len(ids) == len(set(ids))


@every_panel
def test_values_have_a_unit(panel: Panel) -> None:
    assert panel.body["fieldConfig"]["defaults"].get("unit"), "a figure without a unit says nothing"


@every_panel
def test_data_sources_are_variables(panel: Panel) -> None:
    for source in [panel.body["datasource"], *(target["datasource"] for target in panel.targets())]:
        assert source["uid"] in {"${datasource}", "${logs}"}, f"{source} fits one Grafana only"


@every_panel
def test_queries_have_no_hard_coded_interval(panel: Panel) -> None:
    for expr in expressions(panel):
        assert not HARD_CODED_WINDOW.search(expr), f"{expr}: use $__rate_interval or $__range"


@every_panel
def test_queries_are_valid_promql(panel: Panel) -> None:
    for expr in expressions(panel):
        promql.parse(expr)


@every_panel
def test_queries_of_one_table_have_the_same_labels(panel: Panel) -> None:
    """Else their rows would not join: a bare selector brings the metric's name and the target's labels along."""
    asked = expressions(panel)
    if panel.body["type"] == "table" and len(asked) > 1:
        for expr in asked:
            assert not isinstance(promql.parse(expr), promql_parser.VectorSelector), f"{expr}: sum by (…) it"


@every_panel
def test_queries_need_no_label_that_only_kubernetes_has(panel: Panel) -> None:
    for expr in expressions(panel):
        assert not FOREIGN_LABELS.search(expr), expr


@every_panel
def test_several_lines_have_names(panel: Panel) -> None:
    if panel.body["type"] not in {"timeseries", "stat", "bargauge", "gauge", "state-timeline"}:
        return
    for target in panel.targets():
        assert target.get("legendFormat") or target.get("bucketAggs"), f"{target['refId']} has no legend"
        assert target.get("legendFormat") != "__auto", f"{target['refId']}: all labels are no name"


@every_panel
def test_a_legend_is_shown_where_lines_are_drawn(panel: Panel) -> None:
    if panel.body["type"] == "timeseries":
        assert panel.body["options"]["legend"]["showLegend"]


@every_panel
def test_a_panel_leads_on(panel: Panel) -> None:
    assert list(panel.links()), "what does one do who has read this panel? give it a link"


@every_panel
def test_thresholds_are_those_of_the_alerts(panel: Panel) -> None:
    alerts = limits()
    # A family's limit of series is the alert's ratio of it; 0 and 1 are "none", "any" and "up".
    known = {*alerts.values(), alerts["cardinality_ratio"] * alerts["series_limit"], 0, 1}
    for value in panel.thresholds():
        assert value in known, f"{value} is no threshold of an alert: use dashboards.builder.thresholds"


@every_panel
def test_latency_panels_show_exemplars(panel: Panel) -> None:
    timed = [expr for expr in expressions(panel) if "histogram_quantile" in expr and "_seconds_bucket" in expr]
    if panel.body["type"] == "timeseries" and timed and not any(name in timed[0] for name in WITHOUT_TRACE):
        assert any(target.get("exemplar") for target in panel.targets()), "which request was slow? show exemplars"


@every_panel
def test_a_panel_uses_only_forms_of_variables_that_the_readme_names(panel: Panel) -> None:
    """Other programs draw these files too: a form that is new here has to be known there."""
    texts = [link["url"] for link in panel.links()] + expressions(panel)
    texts += [target["query"] for target in panel.targets() if "query" in target]
    readme = (grafana.FOLDER / "README.md").read_text()
    for form in re.findall(r"\$\{?__\w+(?:[.:\w]+)?\}?", " ".join(texts)):
        known = re.sub(r"labels\.\w+", "labels.x", form)
        assert known in readme, f"{form} is not in the README"
    assert set(re.findall(r"\$\{[a-z]\w*:(\w+)\}", " ".join(texts))) <= {"queryparam", "lucene"}


@every_panel
def test_a_search_is_of_a_kind_that_the_readme_names(panel: Panel) -> None:
    for target in panel.targets():
        assert {metric["type"] for metric in target.get("metrics", [])} <= {"count", "raw_data", "logs"}
        assert {group["type"] for group in target.get("bucketAggs", [])} <= {"terms", "date_histogram"}


@every_panel
def test_a_panel_uses_only_variables_that_its_dashboard_has(panel: Panel) -> None:
    texts = [panel.title, panel.body.get("description", ""), *(link["url"] for link in panel.links())]
    texts += [str(target.get("expr") or target.get("query")) for target in panel.targets()]
    used = set().union(*map(grafana.used_variables, texts))
    assert used <= set(grafana.variables(BOARDS[panel.board]))


@every_board
def test_a_dashboard_is_stable_generated_and_fits_grafana_11_and_12(board: dict[str, Any]) -> None:
    assert re.fullmatch(r"platform-[a-z]+", board["uid"])
    assert "generated" in board["tags"]
    assert "Generated by" in board["description"]
    assert 39 <= board["schemaVersion"] <= 42
    assert board["editable"] is False
    assert "id" not in board or board["id"] is None


@every_board
def test_panels_have_ids_of_their_own_and_do_not_overlap(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]


@every_board
def test_titles_of_a_dashboard_differ(board: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in board["panels"]]
    assert sorted(titles) == sorted(set(titles))


@every_board
def test_variables_for_people_take_several_values_and_all(board: dict[str, Any]) -> None:
    for variable in grafana.variables(board).values():
        if variable["type"] == "query":
            assert variable["multi"], f"{variable['name']} takes one value only"
            assert variable["includeAll"], f"{variable['name']} can't be left open"
            assert variable["datasource"]["uid"] == "${datasource}"
            assert variable["refresh"] == 2, f"{variable['name']} would not learn of new values"


@every_board
def test_a_variable_depends_only_on_those_before_it(board: dict[str, Any]) -> None:
    before: set[str] = set()
    for name, variable in grafana.variables(board).items():
        if variable["type"] == "query":
            assert grafana.used_variables(variable["query"]["query"]) <= before, f"{name} depends on what comes later"
        before.add(name)


@every_board
def test_a_variable_that_takes_several_values_is_matched_by_pattern(board: dict[str, Any]) -> None:
    several = {name for name, body in grafana.variables(board).items() if body["multi"]}
    texts = [target.get("expr", "") for panel in board["panels"] for target in panel.get("targets", [])]
    texts += [body["query"]["query"] for body in grafana.variables(board).values() if body["type"] == "query"]
    for text in texts:
        for name in several:
            assert not re.search(rf'(?<![~])="\${{?{name}\b', text), f"{text}: {name} may have several values, use =~"


@every_board
def test_deploys_alerts_and_drills_are_annotations(board: dict[str, Any]) -> None:
    names = [annotation["name"] for annotation in board["annotations"]["list"]]
    assert names == ["Deploys and restarts", "Alerts firing", "Drills and load"]
    for annotation in board["annotations"]["list"]:
        assert annotation["enable"]
        assert annotation["datasource"]["uid"] in {"${datasource}", "${logs}"}


@every_board
def test_one_gets_from_every_dashboard_to_every_other(board: dict[str, Any]) -> None:
    menu = next(link for link in board["links"] if link["type"] == "dashboards")
    assert set(menu["tags"]) <= set(board["tags"])
    assert menu["keepTime"]
    assert menu["includeVars"]
