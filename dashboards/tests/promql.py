"""What a PromQL expression asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import grafana
import promql_parser

_CHILDREN = ("lhs", "rhs", "expr", "args", "param", "vector_selector")
_SUFFIXES = re.compile(r"_(bucket|count|sum|total|created)$")


def selected(expr: str) -> set[str]:
    """The metric names that `expr` selects. Variables may stand in it; a name by pattern is given as the pattern."""
    return {name for name in map(_name, _selectors(parse(expr))) if name}


def parse(expr: str) -> Any:
    """The expression's tree. Raises ValueError for one that Prometheus wouldn't take."""
    names = grafana.used_variables(expr)
    return promql_parser.parse(grafana.fill_promql(expr, {name: ["x"] for name in names}))


def family(name: str) -> str:
    """The family that a sample's name belongs to: without what histograms, summaries and counters add."""
    return _SUFFIXES.sub("", name)


def _selectors(node: Any) -> Iterator[Any]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
        return
    for attribute in _CHILDREN:
        child = getattr(node, attribute, None)
        for item in child if isinstance(child, list) else [child]:
            if item is not None:
                yield from _selectors(item)


def _name(selector: Any) -> str | None:
    if selector.name:
        return str(selector.name)
    by_label = [matcher.value for matcher in selector.matchers.matchers if matcher.name == "__name__"]
    return by_label[0] if by_label else None
