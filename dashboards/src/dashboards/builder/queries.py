"""Queries of panels: PromQL, and Elasticsearch searches over the log lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from grafana_foundation_sdk.builders import elasticsearch as es
from grafana_foundation_sdk.builders import prometheus as prom
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.elasticsearch import TermsOrder
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

# Data sources are variables, so that the files work in any Grafana.
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${datasource}")
# The dashboard's time range, as a PromQL range.
RANGE = "$__range"
LOGS = DataSourceRef(type_val="elasticsearch", uid="${logs}")
# The documents that load/marks.py stores next to the log lines.
MARKS = 'event.dataset:"platform.marks"'


@dataclass(frozen=True)
class Query:
    """A PromQL query of a panel. `kind` is the form of its result: range, instant, table or heatmap."""

    expr: str
    legend: str = ""
    kind: str = "range"
    exemplar: bool = False

    def build(self, ref_id: str) -> Builder[Dataquery]:
        query = prom.Dataquery().expr(self.expr).ref_id(ref_id).datasource(PROMETHEUS)
        if self.kind == "table":
            return query.instant().format(PromQueryFormat.TABLE)
        query.legend_format(self.legend or "__auto")
        if self.kind == "instant":
            return query.instant()
        if self.kind == "heatmap":
            query.format(PromQueryFormat.HEATMAP).legend_format("{{le}}")
        return query.range().exemplar(self.exemplar)


def promql(expr: str, legend: str = "") -> Query:
    """A range query. In `expr` use $__rate_interval; `legend` may use {{label}}."""
    return Query(_compact(expr), legend)


def now(expr: str, legend: str = "") -> Query:
    """An instant query at the end of the time range. In `expr`, $__range is the length of the time range."""
    return Query(_compact(expr), legend, kind="instant")


def rows(expr: str) -> Query:
    """An instant query whose series are the rows of a table."""
    return Query(_compact(expr), kind="table")


def buckets(expr: str) -> Query:
    """A histogram's buckets over time, for a heat map."""
    return Query(_compact(expr), kind="heatmap", exemplar=True)


def per_second(family: str, selector: str = "", by: str = "", window: str = "$__rate_interval") -> str:
    """The expression for a counter's rate per second, summed, or split by the comma-separated labels in `by`."""
    grouped = f"sum by ({by}) " if by else "sum"
    chosen = f"{{{selector}}}" if selector else ""
    return f"{grouped}(rate({family}{chosen}[{window}]))"


def with_exemplars(query: Query) -> Query:
    """The same query with exemplars: points that link to a trace."""
    return replace(query, exemplar=True)


def quantiles(
    family: str,
    selector: str,
    by: Sequence[str] = (),
    levels: Sequence[float] = (0.5, 0.95, 0.99),
    *,
    exemplars: bool = True,
) -> list[Query]:
    """Quantiles of a histogram, one query each, split by labels. Exemplars belong to the last (highest) quantile."""
    groups = ", ".join(["le", *by])
    names = " ".join(f"{{{{{label}}}}}" for label in by)
    queries = [
        promql(
            f"histogram_quantile({level}, sum by ({groups}) (rate({family}_bucket{{{selector}}}[$__rate_interval])))",
            f"{names} p{level * 100:g}".strip(),
        )
        for level in levels
    ]
    return [*queries[:-1], with_exemplars(queries[-1])] if exemplars else queries


def _compact(expr: str) -> str:
    return " ".join(expr.split())


@dataclass(frozen=True)
class LogCount:
    """The number of log lines that match a Lucene query: over time, or as the largest groups by one or more fields."""

    lucene: str
    legend: str = ""
    by: tuple[str, ...] = ()
    over_time: bool = True
    size: int = 10

    def build(self, ref_id: str) -> Builder[Dataquery]:
        aggregations: list[Builder[Any]] = [
            es.Terms()
            .id(str(number + 2))
            .field(field)
            .settings(
                es.ElasticsearchTermsSettings()
                .size(str(self.size))
                .order(TermsOrder.DESC)
                .order_by("_count")
                .min_doc_count("1")
            )
            for number, field in enumerate(self.by)
        ]
        if self.over_time:
            aggregations.append(
                es.DateHistogram()
                .id("10")
                .field("@timestamp")
                .settings(es.ElasticsearchDateHistogramSettings().interval("auto").min_doc_count("0"))
            )
        return (
            es.Dataquery()
            .ref_id(ref_id)
            .datasource(LOGS)
            .query(self.lucene)
            .alias(self.legend)
            .time_field("@timestamp")
            .metrics([es.Count().id("1")])
            .bucket_aggs(aggregations)
        )


@dataclass(frozen=True)
class LogLines:
    """The newest log lines that match a Lucene query. With `raw`, one column per field, for tables."""

    lucene: str
    limit: int = 200
    raw: bool = False

    def build(self, ref_id: str) -> Builder[Dataquery]:
        metric: Builder[Any] = (
            es.RawData().id("1").settings(es.ElasticsearchRawDataSettings().size(str(self.limit)))
            if self.raw
            else es.Logs().id("1").settings(es.ElasticsearchLogsSettings().limit(str(self.limit)))
        )
        return (
            es.Dataquery()
            .ref_id(ref_id)
            .datasource(LOGS)
            .query(self.lucene)
            .time_field("@timestamp")
            .metrics([metric])
            .bucket_aggs([])
        )


AnyQuery = Query | LogCount | LogLines
