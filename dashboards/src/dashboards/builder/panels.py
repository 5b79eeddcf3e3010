"""Panels. Title, description (how to read the panel), unit and links are required for all of them."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple, Required, TypedDict, Unpack

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    gauge,
    heatmap,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.builders import logs as logs_panel
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LogsSortOrder,
    ScaleDistribution,
    SortOrder,
    StackingMode,
    TableColoredBackgroundCellOptions,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Panel,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.text import TextMode

from dashboards.builder.links import Link
from dashboards.builder.queries import LOGS, PROMETHEUS, AnyQuery, Query
from dashboards.builder.thresholds import NONE, Steps

AnyPanel = Builder[Panel]
_LEGEND_VALUES = ["lastNotNull", "mean", "max"]


class Size(NamedTuple):
    """A size in columns (of Grafana's 24) and rows of the grid."""

    width: int
    height: int


class Options(TypedDict, total=False):
    """Options of every panel with data. Without `width` or `height`, the panel has the default size of its kind.

    `on_click` are the links of a point or value, which may use the labels of its series.
    """

    links: Required[Sequence[Link]]
    on_click: Sequence[Link]
    width: int
    height: int


class Measured(Options, total=False):
    """Options of panels whose values have a unit."""

    unit: Required[str]
    thresholds: Steps


def series(
    title: str,
    description: str,
    queries: Sequence[AnyQuery],
    *,
    stacked: bool = False,
    minimum: float | None = 0,
    maximum: float | None = None,
    logarithmic: bool = False,
    dashed: str = "",
    **options: Unpack[Measured],
) -> AnyPanel:
    """A time series panel. Series whose name matches the regular expression `dashed` are drawn dashed."""
    panel = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(60 if stacked else 8)
        .show_points(VisibilityMode.NEVER)
        .span_nulls(False)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .calcs(_LEGEND_VALUES)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if options.get("thresholds", NONE).steps:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    if logarithmic:
        panel.scale_distribution(common.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10))
    if dashed:
        panel.override_by_regexp(
            dashed,
            [
                DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}),
                DynamicConfigValue("custom.fillOpacity", 0),
            ],
        )
    if minimum is not None and not logarithmic:
        panel.min(minimum)
    if maximum is not None:
        panel.max(maximum)
    _describe(panel, title, description, queries, Size(12, 8), options)
    _measure(panel, options["unit"], options.get("thresholds", NONE))
    return panel


def number(
    title: str,
    description: str,
    queries: Sequence[AnyQuery],
    *,
    decimals: int | None = None,
    sparkline: bool = False,
    reduce: str = "lastNotNull",
    names: Mapping[str, str] | None = None,
    **options: Unpack[Measured],
) -> AnyPanel:
    """A stat panel: one number per series, coloured by the thresholds. `names` maps values to texts."""
    panel = (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs([reduce]).values(False))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.AREA if sparkline else BigValueGraphMode.NONE)
    )
    if names:
        panel.mappings([_words(names)])
    if decimals is not None:
        panel.decimals(decimals)
    _describe(panel, title, description, queries, Size(4, 4), options)
    _measure(panel, options["unit"], options.get("thresholds", NONE))
    return panel


def dial(
    title: str,
    description: str,
    queries: Sequence[AnyQuery],
    *,
    minimum: float = 0,
    maximum: float = 1,
    **options: Unpack[Measured],
) -> AnyPanel:
    """A gauge per series, from `minimum` to `maximum`."""
    panel = (
        gauge.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .show_threshold_markers(True)
        .show_threshold_labels(False)
        .min(minimum)
        .max(maximum)
    )
    _describe(panel, title, description, queries, Size(6, 6), options)
    _measure(panel, options["unit"], options.get("thresholds", NONE))
    return panel


def bars(
    title: str,
    description: str,
    queries: Sequence[AnyQuery],
    *,
    maximum: float | None = None,
    **options: Unpack[Measured],
) -> AnyPanel:
    """A bar gauge: one horizontal bar per series."""
    panel = (
        bargauge.Panel()
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.GRADIENT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .min(0)
    )
    if maximum is not None:
        panel.max(maximum)
    _describe(panel, title, description, queries, Size(8, 8), options)
    _measure(panel, options["unit"], options.get("thresholds", NONE))
    return panel


def states(
    title: str,
    description: str,
    queries: Sequence[AnyQuery],
    *,
    names: Mapping[str, tuple[str, str]],
    **options: Unpack[Options],
) -> AnyPanel:
    """A state timeline: the state of each series over time. `names` maps each value to a text and a colour."""
    words = {value: ValueMappingResult(text=word, color=color) for value, (word, color) in names.items()}
    panel = (
        statetimeline.Panel()
        .merge_values(True)
        .show_value(VisibilityMode.NEVER)
        .row_height(0.8)
        .fill_opacity(80)
        .mappings([ValueMap(options=words)])
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .calcs([])
        )
    )
    _describe(panel, title, description, queries, Size(24, 8), options)
    _measure(panel, "none")
    return panel


def distribution(
    title: str,
    description: str,
    query: Query,
    **options: Unpack[Measured],
) -> AnyPanel:
    """A heat map of a histogram's buckets over time, with exemplars as points."""
    panel = (
        heatmap.Panel()
        .calculate(False)
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Turbo").steps(64))
        .y_axis(heatmap.YAxisConfig().unit(options["unit"]))
        .exemplars_color("rgba(255,255,255,0.8)")
        .show_legend()
    )
    _describe(panel, title, description, [query], Size(12, 8), options)
    _measure(panel, options["unit"], options.get("thresholds", NONE))
    return panel


@dataclass(frozen=True)
class Column:
    """A table column: the label or query that it shows, its heading, and the format of its values."""

    source: str
    heading: str
    _: KW_ONLY
    unit: str = ""
    thresholds: Steps = NONE
    links: Sequence[Link] = ()
    decimals: int | None = None
    width: int | None = None

    def properties(self) -> list[DynamicConfigValue]:
        """The column's overrides in Grafana's format."""
        values: list[DynamicConfigValue] = []
        if self.unit:
            values.append(DynamicConfigValue("unit", self.unit))
        if self.decimals is not None:
            values.append(DynamicConfigValue("decimals", self.decimals))
        if self.width is not None:
            values.append(DynamicConfigValue("custom.width", self.width))
        if self.thresholds.steps:
            values.append(DynamicConfigValue("thresholds", _thresholds(self.thresholds).build()))
            values.append(DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
        if self.links:
            values.append(DynamicConfigValue("links", [link.build().build() for link in self.links]))
        return values


def grid(
    title: str,
    description: str,
    queries: Sequence[AnyQuery],
    columns: Sequence[Column],
    *,
    sort_by: str,
    unit: str = "short",
    **options: Unpack[Options],
) -> AnyPanel:
    """A table with exactly these columns, in this order. Rows of several queries are joined if all labels are equal."""
    names = {column.source: column.heading for column in columns}
    order = {column.source: place for place, column in enumerate(columns)}
    panel = (
        table.Panel()
        .sort_by([common.TableSortByFieldState().display_name(sort_by).desc(True)])
        .transformations(
            [
                *([DataTransformerConfig(id_val="merge", options={})] if len(queries) > 1 else []),
                # Only named fields are included, so that a new label doesn't add a column.
                DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(names)}}),
                DataTransformerConfig(
                    id_val="organize", options={"indexByName": order, "renameByName": names, "excludeByName": {}}
                ),
            ]
        )
    )
    for column in columns:
        properties = column.properties()
        if properties:
            panel.override_by_name(column.heading, properties)
    _describe(panel, title, description, queries, Size(24, 9), options)
    _measure(panel, unit)
    return panel


def matrix(
    title: str,
    description: str,
    query: Query,
    *,
    row: str,
    column: str,
    **options: Unpack[Measured],
) -> AnyPanel:
    """A table with one row per value of the label `row` and one column per value of the label `column`."""
    panel = (
        table.Panel()
        .transformations(
            [
                DataTransformerConfig(
                    id_val="groupingToMatrix",
                    options={"rowField": row, "columnField": column, "valueField": "Value", "emptyValue": "empty"},
                )
            ]
        )
        .cell_options(TableColoredBackgroundCellOptions())
    )
    _describe(panel, title, description, [query], Size(8, 8), options)
    _measure(panel, options["unit"], options.get("thresholds", NONE))
    return panel


def lines(
    title: str,
    description: str,
    query: AnyQuery,
    **options: Unpack[Options],
) -> AnyPanel:
    """A logs panel, newest lines first."""
    panel = (
        logs_panel.Panel()
        .show_time(True)
        .wrap_log_message(True)
        .enable_log_details(True)
        .sort_order(LogsSortOrder.DESCENDING)
    )
    _describe(panel, title, description, [query], Size(24, 10), options)
    _measure(panel, "none")
    return panel


def note(title: str, markdown: str, *, width: int = 24, height: int = 3) -> AnyPanel:
    """A text panel."""
    panel = text.Panel().title(title).mode(TextMode.MARKDOWN).content(markdown)
    return panel.span(width).height(height)


def _describe(
    panel: Any, title: str, description: str, queries: Sequence[AnyQuery], size: Size, options: Options
) -> None:
    """Set the options that all panels have. The SDK's panel builders share these methods but no base class."""
    panel.title(title).description(description)
    panel.span(options.get("width", size.width)).height(options.get("height", size.height))
    panel.datasource(PROMETHEUS if isinstance(queries[0], Query) else LOGS)
    panel.links([link.build() for link in options["links"]])
    panel.data_links([link.build() for link in options.get("on_click", ())])
    for ref_id, query in zip(string.ascii_uppercase, queries, strict=False):
        panel.with_target(query.build(ref_id))


def _measure(panel: Any, unit: str, thresholds: Steps = NONE) -> None:
    panel.unit(unit).thresholds(_thresholds(thresholds))


def _thresholds(steps: Steps) -> ThresholdsConfig:
    base = Threshold(value=None, color=steps.base)
    return (
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([base, *(Threshold(value=value, color=color) for value, color in steps.steps)])
    )


def _words(names: Mapping[str, str]) -> ValueMap:
    return ValueMap(options={value: ValueMappingResult(text=word) for value, word in names.items()})
