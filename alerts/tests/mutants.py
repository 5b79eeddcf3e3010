"""Mutants of rules: copies with one small change each, of the kinds that a review overlooks."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from promtool import Rule

_STRING = r'"(?:[^"\\]|\\.)*"'
# Strings and selectors are skipped: operators in them compare labels.
_OPERATOR = re.compile(rf"{_STRING}|\{{[^{{}}]*\}}|(>=|<=|==|!=|>|<)")
_NUMBER = re.compile(rf"{_STRING}|(?<=[<>=] )(-?\d+(?:\.\d+)?)\b(?![a-z\[])")
_MATCHER = re.compile(r"(?<=[{,])\s*([a-z_]+(?:=~|!~|!=|=)" + _STRING + r")\s*(?=[,}])")
_FLIPPED = {">": "<", "<": ">", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}


@dataclass(frozen=True)
class Mutant:
    """Rules of which one is changed, with a description of the change."""

    alert: str
    change: str
    rules: Sequence[Rule]
    index: int = -1

    @property
    def changed(self) -> Rule:
        return self.rules[self.index]


# Mutants that behave like the rule for any series: (alert, change) → reason.
EQUIVALENT: Mapping[tuple[str, str], str] = {}


def of(alert: str, rules: Sequence[Rule]) -> Iterator[Mutant]:
    """The mutants of the alert's own rules. The recording rules that it uses stay unchanged."""
    for index, rule in enumerate(rules):
        if rule.get("alert") != alert:
            continue
        for change, expr in _expressions(rule["expr"]):
            yield Mutant(alert, change, _with(rules, index, {"expr": expr}), index)
        if "for" in rule:
            yield Mutant(alert, "`for` removed", _with(rules, index, {"for": "0s"}), index)


def _with(rules: Sequence[Rule], index: int, change: Rule) -> list[Rule]:
    found = copy.deepcopy(list(rules))
    found[index] |= change
    return found


def _expressions(expr: str) -> Iterator[tuple[str, str]]:
    for match in _OPERATOR.finditer(expr):
        operator = match[1]
        if operator in _FLIPPED:
            flipped = expr[: match.start(1)] + _FLIPPED[operator] + expr[match.end(1) :]
            yield f"{operator} flipped at {match.start()}", flipped
    for match in _NUMBER.finditer(expr):
        if match[1] and float(match[1]):
            for factor in (10.0, 0.1):
                value = f"{float(match[1]) * factor:.10g}"
                yield f"{match[1]} became {value}", expr[: match.start(1)] + value + expr[match.end(1) :]
    for match in _MATCHER.finditer(expr):
        before, after = expr[: match.start()], expr[match.end() :]
        if before.endswith(","):
            before = before[:-1]
        elif after.startswith(","):
            after = after[1:]
        if before.endswith("{") and after.startswith("}") and not re.search(r"[\w:]\{$", before):
            continue
        yield f"{match[1]} dropped", before + after
