"""Prometheus's HTTP API: queries, exemplars, label values and rules, as typed values.

Times are seconds since the epoch, durations seconds. Every call raises BackendDown when Prometheus doesn't answer in
time and BackendRejected when it rejects the query.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.conf import settings

from backends.errors import BackendDown
from backends.http import get_json

NAME = "prometheus"
# A step of a millisecond or less is never intended; Prometheus itself rejects zero.
_SMALLEST_STEP = 0.001
_REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at one time."""

    labels: dict[str, str]
    value: float
    time: float


@dataclass(frozen=True, slots=True)
class Series:
    """One series over a range: (time, value) in order of time. Steps without a sample are omitted."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A single measured request attached to a metric. ``trace_id`` is empty if it has none."""

    labels: dict[str, str]
    trace_id: str
    value: float
    time: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording or alerting rule as loaded. ``state`` is inactive, pending or firing; empty for a recording rule.

    ``hold_seconds`` is the rule's ``for``.
    """

    group: str
    name: str
    kind: str
    query: str
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    state: str = ""
    hold_seconds: float = 0.0
    health: str = ""
    last_error: str = ""


def quote(value: str) -> str:
    """Make a PromQL string literal, quotes included: ``f"up{{job={quote(job)}}}"``."""
    # PromQL uses Go's escapes; JSON's are a subset of them.
    return json.dumps(value, ensure_ascii=False)


def regex_quote(*values: str) -> str:
    r"""Make a PromQL string literal, quotes included, of a regular expression that matches exactly these values.

    ``f"up{{job=~{regex_quote('a', 'b.c')}}}"`` is ``up{job=~"a|b\\.c"}``.
    """
    return quote("|".join(regex_escape(value) for value in values))


def regex_escape(value: str) -> str:
    """Escape the RE2 metacharacters, so that the value matches itself. Not yet a string literal: see quote()."""
    return _REGEX_SPECIAL.sub(r"\\\g<0>", value)


class Prometheus:
    """A client of one Prometheus. Thread-safe."""

    def __init__(self, base_url: str, timeout: float) -> None:
        self._base_url = base_url
        self._timeout = timeout
        # Prometheus aborts the query when this client stops waiting; its durations have no fractions.
        self._limit = f"{round(timeout * 1000)}ms"

    def query(self, expr: str, *, at: float | None = None) -> list[Sample]:
        """Evaluate at one time (default: now). A scalar is a sample without labels."""
        params: dict[str, Any] = {"query": expr, "timeout": self._limit}
        if at is not None:
            params["time"] = _time(at)
        data = self._get("/api/v1/query", params)
        kind, result = data["resultType"], data["result"]
        if kind in ("scalar", "string"):
            return [Sample({}, _number(result[1]), float(result[0]))] if kind == "scalar" else []
        if kind == "matrix":
            return [
                Sample(row["metric"], _number(row["values"][-1][1]), float(row["values"][-1][0]))
                for row in result
                if row.get("values")
            ]
        return [
            Sample(row["metric"], _number(row["value"][1]), float(row["value"][0])) for row in result if "value" in row
        ]

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """Evaluate at start, start + step, … up to end. Prometheus rejects more than 11,000 steps."""
        data = self._get(
            "/api/v1/query_range",
            {
                "query": expr,
                "start": _time(start),
                "end": _time(end),
                "step": f"{max(step, _SMALLEST_STEP):g}",
                "timeout": self._limit,
            },
        )
        return [
            Series(row["metric"], [(float(time), _number(value)) for time, value in row["values"]])
            for row in data["result"]
            if row.get("values")
        ]

    def exemplars(self, expr: str, start: float, end: float) -> list[Exemplar]:
        """Return exemplars of the series that the expression selects, in order of time."""
        data = self._get("/api/v1/query_exemplars", {"query": expr, "start": _time(start), "end": _time(end)})
        found = [
            Exemplar(
                labels={**row.get("seriesLabels", {}), **item.get("labels", {})},
                trace_id=_trace_id(item.get("labels", {})),
                value=_number(item["value"]),
                time=float(item["timestamp"]),
            )
            for row in data
            for item in row.get("exemplars", ())
        ]
        return sorted(found, key=lambda exemplar: exemplar.time)

    def series(self, match: str | Sequence[str], start: float, end: float) -> list[dict[str, str]]:
        """Return the label sets of the selected series that had samples between start and end."""
        selectors = [match] if isinstance(match, str) else list(match)
        data = self._get("/api/v1/series", {"match[]": selectors, "start": _time(start), "end": _time(end)})
        return [dict(labels) for labels in data]

    def label_values(
        self,
        label: str,
        match: str | Sequence[str] | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> list[str]:
        """Return the values of a label, sorted; only of the series selected by ``match``, if given."""
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", label):
            raise ValueError(f"no label name: {label!r}")
        params: dict[str, Any] = {}
        if match:
            params["match[]"] = [match] if isinstance(match, str) else list(match)
        if start is not None:
            params["start"] = _time(start)
        if end is not None:
            params["end"] = _time(end)
        return sorted(str(value) for value in self._get("/api/v1/label/{label}/values", params, label=label))

    def rules(self) -> list[Rule]:
        """Return all recording and alerting rules, in the order of their groups."""
        return [
            Rule(
                group=group["name"],
                name=rule["name"],
                kind=rule["type"],
                query=rule["query"],
                labels=rule.get("labels") or {},
                annotations=rule.get("annotations") or {},
                state=rule.get("state", ""),
                hold_seconds=float(rule.get("duration", 0.0)),
                health=rule.get("health", ""),
                last_error=rule.get("lastError", ""),
            )
            for group in self._get("/api/v1/rules", {})["groups"]
            for rule in group["rules"]
        ]

    def _get(self, path: str, params: Mapping[str, Any], **path_params: str) -> Any:
        answer = get_json(NAME, self._base_url, path, params=params, path_params=path_params, timeout=self._timeout)
        if not isinstance(answer, dict) or answer.get("status") != "success" or "data" not in answer:
            raise BackendDown(NAME, "the answer is not one of Prometheus's API")
        return answer["data"]


@cache
def _client(base_url: str, timeout: float) -> Prometheus:
    return Prometheus(base_url, timeout)


def client() -> Prometheus:
    """Return the client for the Prometheus in the settings (PROMETHEUS_URL, BACKEND_TIMEOUT_SECONDS)."""
    return _client(settings.PROMETHEUS_URL, settings.BACKEND_TIMEOUT_SECONDS)


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"


def _number(text: str) -> float:
    # float() parses NaN, +Inf and -Inf as Prometheus writes them.
    return float(text)


def _trace_id(labels: Mapping[str, str]) -> str:
    return labels.get("trace_id") or labels.get("traceID") or ""
