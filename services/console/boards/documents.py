"""A panel's data for the browser: runs its queries, transforms the answers and renders them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backends import elasticsearch, prometheus
from backends.elasticsearch import Line
from backends.errors import BackendDown
from backends.prometheus import Exemplar
from shell.timerange import TimeRange

from boards import elasticsearch_queries, prometheus_queries, steps, transformations
from boards.definitions import ELASTICSEARCH, PROMETHEUS, Panel, Target
from boards.frames import Frame
from boards.interpolation import Value, text
from boards.links import Scope
from boards.rendering import figures, graphs, tables, texts
from boards.rendering.common import Answers, Json, milliseconds

_RENDERERS: Mapping[str, Callable[[Answers], Json]] = {
    "timeseries": graphs.timeseries,
    "heatmap": graphs.heatmap,
    "state-timeline": graphs.state_timeline,
    "stat": figures.figures,
    "gauge": figures.figures,
    "bargauge": figures.figures,
    "table": tables.table,
}
SMALLEST_WIDTH, LARGEST_WIDTH = 50, 4000


def document(panel: Panel, timerange: TimeRange, values: Mapping[str, Value], width: int) -> Json:
    """Run a panel's queries and render the answers. ``width`` is the width of the drawing in pixels.

    Raises BackendDown if a required backend is unavailable. ``notes`` lists what cannot be displayed.
    """
    notes = list(panel.unsupported)
    points = int(panel.body.get("maxDataPoints") or 0) or min(max(width, SMALLEST_WIDTH), LARGEST_WIDTH)
    window = steps.window(timerange.start, timerange.end, points)
    made: Json = {}
    if panel.type == "text":
        made = texts.text(panel, _filled(str(panel.options.get("content") or ""), values))
    elif panel.type == "logs":
        made = texts.logs(panel, _lines(panel, window, values, notes))
    elif panel.is_supported:
        frames, exemplars = _ask(panel, timerange, values, points, notes)
        scope = Scope(timerange, values)
        made = _RENDERERS[panel.type](
            Answers(panel, transformations.apply(frames, panel.transformations), window, scope, exemplars)
        )
    return {
        "id": panel.id,
        "type": panel.type,
        "from": milliseconds(timerange.start),
        "to": milliseconds(timerange.end),
        "step": milliseconds(window.step),
        "notes": notes,
        **made,
    }


def _ask(
    panel: Panel, timerange: TimeRange, values: Mapping[str, Value], points: int, notes: list[str]
) -> tuple[list[Frame], list[Exemplar]]:
    frames: list[Frame] = []
    exemplars: list[Exemplar] = []
    in_table = sum(target.format == "table" for target in panel.targets if target.datasource == PROMETHEUS)
    for target in panel.targets:
        window = _window(target, timerange, points)
        if target.datasource == PROMETHEUS:
            asked = prometheus_queries.question(target, window, values)
            client = prometheus.client()
            frames += prometheus_queries.ask(client, asked, in_table)
            if target.body.get("exemplar") and not target.instant:
                try:
                    exemplars += prometheus_queries.exemplars(client, asked)
                except BackendDown as error:
                    # The graph is displayed anyway.
                    notes.append(f"Points of single requests are missing. {error}")
        elif target.datasource == ELASTICSEARCH:
            try:
                frames += elasticsearch_queries.ask(elasticsearch.client(), target, window, values)
            except elasticsearch_queries.UnsupportedQuery as error:
                notes.append(str(error))
    return frames, exemplars


def _lines(panel: Panel, window: steps.Window, values: Mapping[str, Value], notes: list[str]) -> list[Line]:
    found: list[Line] = []
    for target in panel.targets:
        if target.datasource != ELASTICSEARCH:
            continue
        try:
            size = elasticsearch_queries.wanted_lines(target)
        except elasticsearch_queries.UnsupportedQuery as error:
            notes.append(str(error))
            continue
        if size:
            found += elasticsearch_queries.lines(elasticsearch.client(), target, window, values, size)
    return found


def _window(target: Target, timerange: TimeRange, points: int) -> steps.Window:
    return steps.for_target(timerange.start, timerange.end, points, target.body)


def _filled(content: str, values: Mapping[str, Value]) -> str:
    def fill(name: str, _: str, __: str) -> str | None:
        value = values.get(name)
        return None if value is None else ", ".join(value.selected)

    return text(content, fill)
