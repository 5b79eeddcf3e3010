"""All dashboards of the repository can be drawn, and features that can't be drawn are reported."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from boards import definitions, interpolation
from boards.definitions import COLUMNS, DashboardNotFound, Panel, Section, parse
from boards.elasticsearch_queries import UnsupportedQuery, _groupings, _metric
from boards.reducers import NAMES
from django.conf import settings

from tests.boards.conftest import panel, promql_target

FILES = sorted(Path(settings.DASHBOARDS_DIR).glob("*.json"))
BOARDS = [parse(json.loads(path.read_text())) for path in FILES]
PANELS = [pytest.param(one, id=f"{board.uid}: {one.title}") for board in BOARDS for one in board.panels]
SECTIONS = [pytest.param(section, id=f"{board.uid}: {section.title}") for board in BOARDS for section in board.sections]
_STATIC = Path(__file__).parents[2] / "boards" / "static" / "boards"
UNITS = set(re.findall(r"^  (\w+): ", (_STATIC / "units.js").read_text(), re.MULTILINE)) | {
    "percent",
    "short",
    "none",
    "bytes",
}


def test_all_eight_dashboards_are_there() -> None:
    assert len(BOARDS) == 8
    assert {board.uid for board in definitions.load_all()} == {board.uid for board in BOARDS}


@pytest.mark.parametrize("one", PANELS)
def test_every_panel_is_drawn_completely(one: Panel) -> None:
    assert one.unsupported == ()
    assert one.targets or one.type == "text"


@pytest.mark.parametrize("one", PANELS)
def test_every_unit_and_calculation_is_supported(one: Panel) -> None:
    """Some aren't units of Grafana, such as `cores`: Grafana and this console append them to the number."""
    units = {one.defaults.get("unit", "short")}
    for override in one.overrides:
        units |= {item["value"] for item in override["properties"] if item["id"] == "unit"}
    assert units <= UNITS | {"cores", "threads", "orders/s", "charges/s", "e-mails/s"}
    calculations = (one.options.get("legend") or {}).get("calcs") or []
    calculations = [*calculations, *((one.options.get("reduceOptions") or {}).get("calcs") or [])]
    assert set(calculations) <= set(NAMES)


@pytest.mark.parametrize("one", PANELS)
def test_every_elasticsearch_query_is_of_a_supported_kind(one: Panel) -> None:
    for target in one.targets:
        if target.datasource == definitions.ELASTICSEARCH:
            try:
                _metric(target)
                _groupings(target)
            except UnsupportedQuery as error:
                pytest.fail(str(error))


@pytest.mark.parametrize("one", PANELS)
def test_variables_appear_only_inside_strings_of_promql(one: Panel) -> None:
    """Escaping is for strings: a variable elsewhere in a query could change its meaning."""
    for target in one.targets:
        outside = re.sub(r'"(?:[^"\\]|\\.)*"', '""', target.expr)
        assert interpolation.names(outside) == set(), target.expr
        assert "`" not in target.expr


@pytest.mark.parametrize("section", SECTIONS)
def test_flowing_panels_are_placed_as_in_grafana(section: Section) -> None:
    """The page sets only widths and heights; the browser's grid must place the panels as the file does."""
    top = min(one.y for one in section.panels)
    taken: set[tuple[int, int]] = set()
    cursor = (0, 0)
    for one in section.panels:
        cursor = _flow(one, taken, cursor)
        assert cursor == (one.y - top, one.x), one.title
        taken |= {(cursor[0] + row, cursor[1] + column) for row in range(one.height) for column in range(one.width)}


def _flow(one: Panel, taken: set[tuple[int, int]], cursor: tuple[int, int]) -> tuple[int, int]:
    """Return where CSS's automatic placement puts a panel: the first free place at or after the previous one's."""
    row, column = cursor
    while True:
        for start in range(column, COLUMNS - one.width + 1):
            if all(
                (row + down, start + right) not in taken for down in range(one.height) for right in range(one.width)
            ):
                return row, start
        row, column = row + 1, 0


def test_every_width_and_height_has_its_class() -> None:
    css = (_STATIC / "boards.css").read_text()
    for board in BOARDS:
        for one in board.panels:
            assert f".board-w-{one.width} {{" in css
            assert f".board-h-{one.height} {{" in css


def test_an_unknown_dashboard_is_not_found() -> None:
    for uid in ("nothing", "../platform-overview", "platform-overview.json", "x" * 200, ""):
        with pytest.raises(DashboardNotFound):
            definitions.load(uid)


def test_an_unknown_panel_is_not_found() -> None:
    with pytest.raises(DashboardNotFound):
        definitions.load("platform-overview").panel(9999)


def test_a_file_that_is_not_a_dashboard_is_skipped(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "good.json").write_text(FILES[0].read_text())
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"title": "no panels"}')
    settings.DASHBOARDS_DIR = tmp_path
    assert [board.uid for board in definitions.load_all()] == [BOARDS[0].uid]


def test_a_changed_file_is_read_again(tmp_path: Path, settings: Any) -> None:
    document = json.loads(FILES[0].read_text())
    path = tmp_path / "board.json"
    path.write_text(json.dumps(document))
    settings.DASHBOARDS_DIR = tmp_path
    assert definitions.load(document["uid"]).title == document["title"]
    path.write_text(json.dumps({**document, "title": "Renamed"}))
    assert definitions.load(document["uid"]).title == "Renamed"


def test_panels_of_a_collapsed_row_are_inside_it_and_those_of_an_open_one_follow_it() -> None:
    place = {"x": 0, "y": 0, "w": 24, "h": 1}
    inner = {"id": 3, "type": "text", "title": "hidden", "gridPos": {**place, "y": 3}}
    board = parse(
        {
            "uid": "rows",
            "title": "Rows",
            "panels": [
                {"id": 1, "type": "row", "title": "Open", "gridPos": place},
                {"id": 2, "type": "text", "title": "below", "gridPos": {**place, "y": 1}},
                {
                    "id": 4,
                    "type": "row",
                    "title": "Closed",
                    "collapsed": True,
                    "gridPos": {**place, "y": 2},
                    "panels": [inner],
                },
            ],
        }
    )
    found = [(section.title, section.collapsed, [one.id for one in section.panels]) for section in board.sections]
    assert found == [("Open", False, [2]), ("Closed", True, [3])]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (panel("piechart"), "Panels of type “piechart” are not drawn here."),
        (panel(transformations=[{"id": "reduce", "options": {}}]), "The transformation “reduce” is left out."),
        (panel(targets=[{"refId": "B", "datasource": {"type": "loki"}}]), "data source “loki”"),
        (panel(repeat="service"), "Grafana repeats this panel for each service"),
        (panel(timeFrom="1h"), "Its own time (timeFrom: 1h) is left out."),
        (
            panel(fieldConfig={"overrides": [{"matcher": {"id": "byType", "options": "number"}, "properties": []}]}),
            "An override by “byType” is left out.",
        ),
    ],
)
def test_unsupported_features_are_reported(one: Panel, said: str) -> None:
    assert any(said in note for note in one.unsupported), one.unsupported


def test_a_hidden_query_is_not_run() -> None:
    one = panel(targets=[promql_target("up", hide=True), promql_target("down", refId="B")])
    assert [target.ref_id for target in one.targets] == ["B"]
