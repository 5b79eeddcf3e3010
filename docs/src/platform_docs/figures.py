"""Figures in prose, each between two comments with its name: <!--figure drills.recall-->0.958<!--/figure-->.

`make generate` writes the values, a test fails while one is not current.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Mapping

from platform_docs import results

_FIGURE = re.compile(r"(?P<open><!--figure (?P<name>[\w.-]+)-->)(?P<value>.*?)(?P<close><!--/figure-->)", re.DOTALL)


class UnknownFigure(LookupError):
    """No results file has a figure of that name."""


def known() -> dict[str, str]:
    """Name → text of every figure."""
    return dict([*_drills(), *_benchmark(), *_platform(), *_distributions()])


def _drills() -> Iterator[tuple[str, str]]:
    states = results.drill_states()
    for prefix, state in (("drills", results.complete_state(states)), ("newest-drills", states[-1])):
        for name, value in state.figures.items():
            yield f"{prefix}.{name}", "–" if value is None else f"{value:g}"
        yield f"{prefix}.date", f"{state.ended:%Y-%m-%d}"
        yield f"{prefix}.state", state.digest


def _benchmark() -> Iterator[tuple[str, str]]:
    document = results.benchmark()
    for verdict in document["verdicts"]:
        yield f"cost.{_name(verdict['what'])}", ratio(verdict["measured"], verdict["allowed"])
    for variant, measured in document["results"].items():
        for unit in ("median_us", "cpu_ms", "p999_ms", "ratio"):
            if unit in measured:
                digits = 0 if unit == "median_us" else 2
                yield f"cost.{_name(variant)}.{unit}", f"{measured[unit]:.{digits}f}"
        bare = document["results"].get(" ".join([*variant.split()[:2], "bare sampled"]))
        if bare is not None and "rounds_us" in measured:
            rounds = zip(measured["rounds_us"], bare["rounds_us"], strict=True)
            yield f"cost.{_name(variant)}.added_us", f"{statistics.median(mine - base for mine, base in rounds):.0f}"
    yield "cost.date", document["at"][:10]


def ratio(value: float, allowed: float) -> str:
    """As 1/n where the goal is a share."""
    return f"1/{1 / value:.1f}" if allowed < 1 and value > 0 else f"{value:.3f}"


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _platform() -> Iterator[tuple[str, str]]:
    for figure in results.platform()["figures"]:
        yield f"platform.{figure['name']}", str(figure["measured"])


def _distributions() -> Iterator[tuple[str, str]]:
    for code_name, release in results.distributions().items():
        for name in ("first_up_seconds", "second_clone_up_seconds", "up_seconds"):
            if name in release:
                yield f"distributions.{code_name}.{name}", str(release[name])


def used(markdown: str) -> Iterator[str]:
    """The names of a text's figures."""
    return (found["name"] for found in _FIGURE.finditer(markdown))


def filled(markdown: str, values: Mapping[str, str]) -> str:
    """The text with every figure's current value. Raises UnknownFigure."""

    def value(found: re.Match[str]) -> str:
        if found["name"] not in values:
            raise UnknownFigure(f"no results file has the figure {found['name']}")
        return f"{found['open']}{values[found['name']]}{found['close']}"

    return _FIGURE.sub(value, markdown)


def without(markdown: str) -> str:
    """The text without figures, to find numbers that no results file has."""
    return _FIGURE.sub("", markdown)
