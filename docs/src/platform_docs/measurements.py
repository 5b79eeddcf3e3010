"""docs/measurements.md, from results files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from load.drills import score
from platform_docs import figures, results
from platform_docs.reference.tables import code, table
from platform_docs.results import State

_HEAD = """\
<!-- Generated from results files by `make generate`. Don't edit. -->
# Measurements

Goals that are missed are published like those that are met. Every figure here and in the README comes from a results
file in the repository; each table names its file.
"""
_DRILLS = """\
## Alerting: drills

From `load/drills/results/*.json`. A drill breaks one thing on the running platform under load and waits for the
notification ([how](how-to/run-drills.md), [which drills](reference/drills.md)). Results are summed up as long as the
code that decides them is the same: services, library, rules, backends' configuration and drills. A digest of it names
the state.
"""
_COST = """\
## What telemetry costs

From `observability/django_telemetry/benchmarks/results.json`, written by `make bench`. CPU time that all four signals
add to a request, as a share of what the stock packages add. Why goals are missed, and how it is measured: [how
telemetry costs so little](explanation/telemetry-cost.md).
"""
_PLATFORM = """\
## The platform

From `docs/results/platform.yaml`.
"""
_DISTRIBUTIONS = """\
## Distributions

From `docs/results/distributions.yaml`, written by `make test-distributions`: each release on a new machine that has no
locale, no git identity and a /tmp of 16 MB. Builds and downloads were present, packages were not.
"""


def page() -> str:
    """The page."""
    return "\n".join([_HEAD, *_drills(), *_cost(), *_platform(), *_distributions()])


def _drills() -> Iterator[str]:
    states = results.drill_states()
    complete, newest = results.complete_state(states), states[-1]
    yield _DRILLS
    yield f"### The newest complete set: {complete.ended:%Y-%m-%d}\n"
    yield _about(complete) + "\n"
    yield _judged(complete)
    if newest is not complete:
        yield f"### The newest state: {newest.ended:%Y-%m-%d}\n"
        yield _about(newest) + " It is not a complete set.\n"
        yield _judged(newest)
    yield "### All states\n"
    yield table(
        ("state", "date", "fault runs", "kinds", "control runs", "noticed", "precision", "median", "95th percentile"),
        map(_row, reversed(states)),
    )
    yield "### Every run of these states\n"
    for state in (complete, *([newest] if newest is not complete else [])):
        yield f"State {code(state.digest)}, {state.ended:%Y-%m-%d}:\n"
        yield _runs(state)


def _about(state: State) -> str:
    found = state.figures
    return (
        f"State {code(state.digest)}, commit {code(state.commit)}: {found['faults']} runs of {found['drills']} faults, "
        f"{found['controls']} runs of {found['control_drills']} controls."
    )


def _judged(state: State) -> str:
    found, rows = state.figures, []
    for goal in results.goals()["goals"]:
        value = found[goal["figure"]]
        unit = f" {goal['unit']}" if "unit" in goal else ""
        wanted = next(
            (f"{bound.replace('_', ' ')} {goal[bound]:g}{unit}" for bound in ("at_least", "at_most") if bound in goal),
            "",
        )
        of = f"{found[goal['of']]} {goal['of'].replace('_', ' ')}"
        rows.append(
            (goal["what"], wanted, "–" if value is None else f"{value:g}{unit}", _met(_is_met(goal, value)), of)
        )
    return table(("", "goal", "measured", "met", "of"), rows)


def _is_met(goal: Mapping[str, Any], value: float | None) -> bool | None:
    if value is None or not {"at_least", "at_most"} & set(goal):
        return None
    return goal.get("at_least", value) <= value <= goal.get("at_most", value)


def _met(is_met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: ""}[is_met]


def _row(state: State) -> tuple[str, ...]:
    found = state.figures

    def text(name: str) -> str:
        return "–" if found[name] is None else f"{found[name]:g}"

    counts = (text("faults"), text("kinds"), text("controls"))
    times = tuple(text(name) + " s" for name in ("seconds_median", "seconds_p95"))
    return (code(state.digest), f"{state.ended:%Y-%m-%d}", *counts, text("recall"), text("precision"), *times)


def _runs(state: State) -> str:
    """The runs' table of `python -m load.drills table`, without its summary."""
    return score.table(state.results).split("\n\n", 1)[1]


def _cost() -> Iterator[str]:
    document = results.benchmark()
    apart = "has a processor of its own" if document["processor_of_its_own"] else "shares processors with the backends"
    yield _COST
    yield (
        f"Measured {document['at'][:10]} on {document['processors']} processors with Python {document['python']}; what"
        f" is measured {apart}; load average before {document['load_average_before']:.1f}.\n"
    )
    yield table(
        ("", "goal", "measured", "met", ""),
        (
            (
                verdict["what"],
                f"at most {figures.ratio(verdict['allowed'], verdict['allowed'])}",
                figures.ratio(verdict["measured"], verdict["allowed"]),
                _met(verdict["measured"] <= verdict["allowed"]),
                verdict["detail"],
            )
            for verdict in document["verdicts"]
        ),
    )


def _platform() -> Iterator[str]:
    document = results.platform()
    yield _PLATFORM
    yield f"Machine: {document['machine']}.\n"
    yield table(
        ("", "goal", "measured", "met", "by", "date", ""),
        (
            (
                figure["what"],
                str(figure["goal"]),
                str(figure["measured"]),
                _met(figure["met"]),
                code(figure["command"]),
                str(figure["date"]),
                figure.get("note", ""),
            )
            for figure in document["figures"]
        ),
    )


def _distributions() -> Iterator[str]:
    releases = results.distributions().values()
    yield _DISTRIBUTIONS
    headings = ("", *(f"{release['name']}, {release['date']}" for release in releases))
    seconds = (
        ("first_up_seconds", "first `make up`, packages included, ready and probed"),
        ("second_clone_up_seconds", "`make up` in a second clone"),
        ("up_seconds", "`make up` again, without registries and IPv6"),
    )
    rows = [(what, *(_seconds(release.get(name)) for release in releases)) for name, what in seconds]
    rows += [(f"tests of {suite}", *(_tests(release, suite) for release in releases)) for suite in _suites(releases)]
    verdicts = dict.fromkeys(title for release in releases for title in release["verdicts"])
    rows += [("note", *(str(release.get("note", "")) for release in releases))]
    rows += [(title, *(_met(release["verdicts"].get(title)) for release in releases)) for title in verdicts]
    packages = dict.fromkeys(name for release in releases for name in release["packages"])
    rows += [(code(name), *(str(release["packages"].get(name, "–")) for release in releases)) for name in packages]
    yield table(headings, rows)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:g} s"


def _suites(releases: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(suite for release in releases for suite in release.get("tests", {})))


def _tests(release: Mapping[str, Any], suite: str) -> str:
    found = release.get("tests", {}).get(suite)
    if found is None:
        return "–"
    return f"{found['passed']} passed" + (f", **{found['failed']} failed**" if found["failed"] else "")
