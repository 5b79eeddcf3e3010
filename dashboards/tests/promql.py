"""The metric names that a PromQL expression selects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import grafana
import promql_parser

_CHILDREN = ("lhs", "rhs", "expr", "args", "param", "vector_selector")
_SUFFIXES = re.compile(r"_(bucket|count|sum|total|created)$")


def selected(expr: str) -> set[str]:
    """The metric names that `expr` selects; for a name matched by a pattern, the pattern. Variables are allowed."""
    return {name for name in map(_name, _selectors(parse(expr))) if name}


def parse(expr: str) -> Any:
    """The syntax tree of the expression. Raises ValueError if it is not valid PromQL."""
    names = grafana.used_variables(expr)
    return promql_parser.parse(grafana.fill_promql(expr, {name: ["x"] for name in names}))


def family(name: str) -> str:
    """The family of a sample: its name without the suffix of a histogram, summary or counter."""
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
