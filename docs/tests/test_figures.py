"""Figures in texts come from results files, and generated texts are current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from platform_docs import committed, fences, figures, results
from platform_docs.repository import ROOT, tracked

# Where people read what was measured. Reference pages and READMEs of folders state limits and settings.
PROSE = [
    path for path in tracked("README.md", "docs/*.md") if path != committed.MEASUREMENTS and "library" not in path.parts
]
# A number with a unit, or a share as the benchmark writes it.
_UNITS = "µs|ms|s|min|seconds|minutes|hours|%|MiB|GiB|MB|GB|runs|mutants"
_FIGURE = re.compile(rf"\b1/\d+(?:\.\d+)?\b|\b\d[\d.,]*\s?(?:{_UNITS})(?![\w/])")
# Limits, settings and requirements: chosen, not measured.
CHOSEN = {
    "README.md": {"4 GiB", "60 s", "120 s", "1/25"},
    "docs/tutorials/follow-one-order.md": {"4 GiB"},
    "docs/how-to/adopt-the-alerts.md": {"5 seconds"},
    "docs/how-to/run-with-docker-compose.md": {"7.5 GiB", "4.5 GiB", "8 GB"},
}


def test_generated_texts_are_current() -> None:
    assert not list(committed.stale()), "make generate"


@pytest.mark.parametrize("path", PROSE, ids=str)
def test_a_measured_figure_comes_from_a_results_file(path: Path) -> None:
    text = figures.without(fences.without((ROOT / path).read_text()))
    text = re.sub(r"`[^`\n]*`", "", text)
    found = {match[0] for match in _FIGURE.finditer(text)} - CHOSEN.get(path.as_posix(), set())
    assert not found, "write <!--figure NAME--><!--/figure--> and `make generate`, or add it to CHOSEN if it is a limit"


def test_an_unknown_figure_is_refused() -> None:
    with pytest.raises(figures.UnknownFigure, match=r"drills\.nothing"):
        figures.filled("<!--figure drills.nothing-->1<!--/figure-->", figures.known())


def test_readme_and_measurements_show_the_same_drills() -> None:
    """Both sum up the newest complete state."""
    known, state = figures.known(), results.complete_state(results.drill_states())
    page = (ROOT / committed.MEASUREMENTS).read_text()
    assert state.digest in page
    assert {"drills.recall", "drills.precision"} <= set(figures.used((ROOT / "README.md").read_text()))
    for name in ("recall", "precision"):
        assert known[f"drills.{name}"] == f"{state.figures[name]:g}"


def test_missed_goals_are_published() -> None:
    document, page = results.benchmark(), (ROOT / committed.MEASUREMENTS).read_text()
    missed = sum(verdict["measured"] > verdict["allowed"] for verdict in document["verdicts"])
    missed += sum(figure["met"] is False for figure in results.platform()["figures"])
    assert missed
    assert page.count("| **no** |") >= missed


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
