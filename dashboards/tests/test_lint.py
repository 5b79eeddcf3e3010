"""Rules that every dashboard and panel follows, so that an on-call engineer can read it without help."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import grafana
import promql
import promql_parser
import pytest
from catalogue import load
from dashboards.builder.thresholds import allowed, limits
from grafana import Panel

# The console supports these too.
TYPES = {"timeseries", "stat", "gauge", "bargauge", "table", "state-timeline", "heatmap", "text", "logs"}
TRANSFORMATIONS = {"merge", "filterFieldsByName", "organize", "groupingToMatrix"}
# Labels that only Kubernetes or a particular deployment would add.
FOREIGN_LABELS = re.compile(r"\b(namespace|cluster|pod|container|node|kubernetes\w*)\s*(=|!=|=~|!~)")
# The e-mail delay is recorded outside of any request, and the remaining deadline is not a duration in a trace.
WITHOUT_TRACE = ("order_mail_delay", "deadline_remaining")
HARD_CODED_WINDOW = re.compile(r"\[\s*\d+[smhdw]")
QUESTION = re.compile(r"[?]$|^(Are|Can|Do|Does|How|Is|What|When|Where|Which|Who|Why)\b")
BOARDS = grafana.boards()
PANELS = grafana.panels()


def every_panel(rule: Callable[[Panel], None]) -> Callable[[], None]:
    """Decorate a rule for one panel: the test applies it to every panel and lists all that violate it."""

    def test() -> None:
        _report({panel.where: _broken(rule, panel) for panel in PANELS})

    return _named(test, rule)


def every_board(rule: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
    """Like every_panel, for dashboards."""

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
    lines = [f"{where} — {fault}" for where, fault in faults.items() if fault is not None]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def _named(test: Callable[[], None], rule: Callable[[Any], None]) -> Callable[[], None]:
    test.__name__ = rule.__name__
    return test


def expressions(panel: Panel) -> list[str]:
    return [target["expr"] for target in panel.targets() if "expr" in target]


@every_panel
def test_a_title_names_the_measurement_and_asks_no_question(panel: Panel) -> None:
    assert not QUESTION.search(panel.title), "use a standard title such as Request rate or Error ratio"


@every_panel
def test_a_description_explains_in_sentences_how_to_read_the_panel(panel: Panel) -> None:
    description = panel.body.get("description", "")
    assert len(description) >= 35, f"{description!r} does not explain how to read the panel"
    assert description.endswith("."), f"{description!r} is no sentence"


@every_panel
def test_the_console_supports_the_type_and_transformations_of_a_panel(panel: Panel) -> None:
    assert panel.body["type"] in TYPES
    assert {change["id"] for change in panel.body.get("transformations", [])} <= TRANSFORMATIONS


@every_panel
def test_a_panel_has_queries_with_unique_ids(panel: Panel) -> None:
    ids = [target["refId"] for target in panel.targets()]
    assert ids
    assert len(ids) == len(set(ids))


@every_panel
def test_values_have_a_unit(panel: Panel) -> None:
    assert panel.body["fieldConfig"]["defaults"].get("unit"), "a value without a unit is ambiguous"


@every_panel
def test_data_sources_are_variables(panel: Panel) -> None:
    for source in [panel.body["datasource"], *(target["datasource"] for target in panel.targets())]:
        assert source["uid"] in {"${datasource}", "${logs}"}, f"{source} works in one Grafana only"


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
    """Otherwise their rows would not join: a bare selector returns the metric's name and the target's labels too."""
    found = expressions(panel)
    if panel.body["type"] == "table" and len(found) > 1:
        for expr in found:
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
        assert target.get("legendFormat") != "__auto", f"{target['refId']}: a list of all labels is not a name"


@every_panel
def test_a_legend_is_shown_where_lines_are_drawn(panel: Panel) -> None:
    if panel.body["type"] == "timeseries":
        assert panel.body["options"]["legend"]["showLegend"]


@every_panel
def test_a_panel_has_links_to_the_next_step(panel: Panel) -> None:
    assert list(panel.links()), "add a link to a runbook, dashboard, traces or logs"


@every_panel
def test_thresholds_are_those_of_the_alerts(panel: Panel) -> None:
    alerts = limits()
    # The series alert uses a ratio of the limit; 0 and 1 stand for "none", "any" and "up".
    known = {*alerts.values(), alerts["cardinality_ratio"] * alerts["series_limit"], 0, 1}
    known |= {value for value, _ in allowed("service_error_ratio").steps}
    for value in panel.thresholds():
        assert value in known, f"{value} is no threshold of an alert: use dashboards.builder.thresholds"


@every_panel
def test_latency_panels_show_exemplars(panel: Panel) -> None:
    timed = [expr for expr in expressions(panel) if "histogram_quantile" in expr and "_seconds_bucket" in expr]
    if panel.body["type"] == "timeseries" and timed and not any(name in timed[0] for name in WITHOUT_TRACE):
        assert any(target.get("exemplar") for target in panel.targets()), (
            "show exemplars, so that a slow request's trace is one click away"
        )


@every_panel
def test_a_panel_uses_only_variable_formats_that_the_readme_lists(panel: Panel) -> None:
    """Other programs render these files too, so they have to know each format."""
    texts = [link["url"] for link in panel.links()] + expressions(panel)
    texts += [target["query"] for target in panel.targets() if "query" in target]
    readme = (grafana.FOLDER / "README.md").read_text()
    for form in re.findall(r"\$\{?__\w+(?:[.:\w]+)?\}?", " ".join(texts)):
        known = re.sub(r"labels\.\w+", "labels.x", form)
        assert known in readme, f"{form} is not in the README"
    assert set(re.findall(r"\$\{[a-z]\w*:(\w+)\}", " ".join(texts))) <= {"queryparam", "lucene"}


@every_panel
def test_a_search_is_of_a_kind_that_the_readme_lists(panel: Panel) -> None:
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
def test_a_dashboard_is_generated_read_only_and_fits_grafana_11_and_12(board: dict[str, Any]) -> None:
    assert re.fullmatch(r"platform-[a-z]+", board["uid"])
    assert "generated" in board["tags"]
    assert "Generated by" in board["description"]
    assert 39 <= board["schemaVersion"] <= 42
    assert board["editable"] is False
    assert "id" not in board or board["id"] is None


@every_board
def test_panels_have_unique_ids_and_do_not_overlap(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} overlaps {taken[x, y]}"
                taken[x, y] = panel["title"]


@every_board
def test_titles_within_a_dashboard_are_unique(board: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in board["panels"]]
    assert sorted(titles) == sorted(set(titles))


@every_board
def test_filter_variables_take_several_values_or_all(board: dict[str, Any]) -> None:
    for variable in grafana.variables(board).values():
        if variable["type"] == "query":
            assert variable["multi"], f"{variable['name']} takes one value only"
            assert variable["includeAll"], f"{variable['name']} has no option All"
            assert variable["datasource"]["uid"] == "${datasource}"
            assert variable["refresh"] == 2, f"{variable['name']} would not show new values"


@every_board
def test_a_variable_depends_only_on_those_before_it(board: dict[str, Any]) -> None:
    before: set[str] = set()
    for name, variable in grafana.variables(board).items():
        if variable["type"] == "query":
            assert grafana.used_variables(variable["query"]["query"]) <= before, f"{name} depends on a later variable"
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
def test_every_dashboard_links_to_every_other(board: dict[str, Any]) -> None:
    menu = next(link for link in board["links"] if link["type"] == "dashboards")
    assert set(menu["tags"]) <= set(board["tags"])
    assert menu["keepTime"]
    assert menu["includeVars"]


def test_the_watchdog_is_not_counted_among_firing_alerts() -> None:
    counted = [
        panel.where
        for panel in PANELS
        for target in panel.targets()
        if 'alertstate="firing"' in str(target.get("expr"))
        and "Watchdog" not in str(target["expr"])
        # The one that shows whether rules are evaluated at all.
        and panel.where != "platform-drills: Alert states"
    ]
    assert counted == []


def test_a_failure_ratio_above_every_objective_is_not_green() -> None:
    steps = allowed("service_error_ratio").steps
    assert [colour for _, colour in steps] == ["orange", "red"]
    availability = [
        slo.objective for journey in load().journeys.values() for slo in journey.slos if slo.kind == "availability"
    ]
    assert steps[0][0] == pytest.approx(1 - min(availability))
    (figure,) = (panel for panel in PANELS if panel.where == "platform-service: Error ratio")
    drawn = figure.body["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["color"] for step in drawn] == ["green", "orange", "red"]
