"""Compares the results with the targets and renders them as a Markdown table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Mapping[str, Any]]

# The library's maximum overhead over bare, as a share of the stock packages' overhead with everything sampled.
ADDED = (("wsgi", "sampled", 1 / 10), ("wsgi", "unsampled", 1 / 25), ("asgi", "sampled", 1 / 8))
# Maximum CPU time of the service per request, as a multiple of bare.
SERVICE_RATIO = 1.08
# Maximum difference of the 99.9th percentile latency from that of bare, in ms.
SERVICE_P999_MS = 1.0


@dataclass(frozen=True)
class Verdict:
    """One target: the measured value, the allowed maximum, and the value of the stock packages."""

    what: str
    measured: float
    allowed: float
    detail: str

    @property
    def is_met(self) -> bool:
        return self.measured <= self.allowed


def in_process(rounds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The in-process results of one variant, from its values in µs of each round.

    A round's result is the lower quartile of its process's values: other load on the machine can only increase them,
    often for several seconds. The variant's result is the median of the rounds, since its processes differ as well.
    """
    quick = [_lower_quartile(measured) for measured in rounds]
    values = [value for measured in rounds for value in measured]
    return {"median_us": statistics.median(quick), "min_us": min(values), "max_us": max(values), "rounds_us": quick}


def _lower_quartile(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=4, method="inclusive")[0] if len(values) > 1 else values[0]


def _added(results: Results, name: str, bare: str) -> list[float]:
    """The overhead of a variant over bare in each round, in µs."""
    pairs = zip(results[name]["rounds_us"], results[bare]["rounds_us"], strict=True)
    return [mine - base for mine, base in pairs]


def verdicts(results: Results) -> list[Verdict]:
    """All targets for which there are results."""
    found = []
    for clock in ("request", "process"):
        for interface, sampled, allowed in ADDED:
            names = [
                f"{interface} {clock} {variant}"
                for variant in (f"ours-all {sampled}", "stock-all sampled", "bare sampled")
            ]
            if not set(names) <= set(results):
                continue
            # Compare per round, since the machine's speed changes between rounds.
            ours, stock = (_added(results, name, names[-1]) for name in names[:2])
            shares = sorted(mine / peer for mine, peer in zip(ours, stock, strict=True))
            found.append(
                Verdict(
                    f"{interface}, {sampled}, {'the request’s thread' if clock == 'request' else 'the whole process'}",
                    statistics.median(shares),
                    allowed,
                    f"adds {statistics.median(ours):.0f} µs to {results[names[-1]]['median_us']:.0f}, stock adds"
                    f" {statistics.median(stock):.0f}; rounds from {_ratio(shares[0], allowed)} to"
                    f" {_ratio(shares[-1], allowed)}",
                )
            )
    theirs = results.get("service stock-all sampled")
    for how in ("", " frozen"):
        base, mine = results.get(f"service bare sampled{how}"), results.get(f"service ours-all sampled{how}")
        if base is None or mine is None or theirs is None:
            continue
        found += [
            Verdict(
                f"service{how}, sampled, CPU of all threads",
                mine["ratio"],
                SERVICE_RATIO,
                f"{mine['cpu_ms']:.2f} ms, bare{how} {base['cpu_ms']:.2f}, stock {theirs['cpu_ms']:.2f}"
                f" ({theirs['ratio']:.2f} times bare)",
            ),
            Verdict(
                f"service{how}, p99.9 over bare{how} in ms",
                mine["p999_ms"] - base["p999_ms"],
                SERVICE_P999_MS,
                f"{mine['p999_ms']:.1f} ms, bare{how} {base['p999_ms']:.1f}, stock {theirs['p999_ms']:.1f}",
            ),
        ]
    return found


def markdown(document: Mapping[str, Any], targets: Sequence[Verdict]) -> str:
    """Render the targets, then all results, as Markdown."""
    results: Results = document["results"]
    where = "has one of its own" if document["processor_of_its_own"] else "shares them with its backends"
    lines = [
        "<!-- Written by `make bench`. -->",
        f"{document['at']}, Python {document['python']}, {document['processors']} processors, what is measured"
        f" {where}, load average before {document['load_average_before']:.1f}, collector: {document['collector']}.",
        "",
        "| target | allowed | measured | met | |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    for verdict in targets:
        measured, allowed = _ratio(verdict.measured, verdict.allowed), _ratio(verdict.allowed, verdict.allowed)
        lines.append(
            f"| {verdict.what} | {allowed} | {measured} | {'yes' if verdict.is_met else '**no**'} | {verdict.detail} |"
        )
    lines += ["", "| in process, CPU | µs | added | min | max |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, figures in results.items():
        if "median_us" in figures:
            bare = results[" ".join([*name.split()[:2], "bare sampled"])]["median_us"]
            columns = (figures["median_us"], figures["median_us"] - bare, figures["min_us"], figures["max_us"])
            lines.append(f"| {name} | " + " | ".join(f"{value:.0f}" for value in columns) + " |")
    lines += [
        "",
        "| gunicorn, PostgreSQL | CPU ms | times bare | from | to | p50 | p99 | p99.9 | requests |",
        "| --- |" + " ---: |" * 8,
    ]
    for name, figures in results.items():
        if "cpu_ms" in figures:
            shown = ("cpu_ms", "ratio", "ratio_min", "ratio_max", "p50_ms", "p99_ms", "p999_ms")
            cells = " | ".join(f"{figures[key]:.2f}" for key in shown)
            lines.append(f"| {name} | {cells} | {figures['requests']:.0f} |")
    lines += [
        "",
        "In process a round's figure is the lower quartile of a process's values, and a target's share the median of"
        " the rounds', each a process of every variant in random order; min and max are of all values."
        " Times bare: CPU time for each request over bare's in the same round, frozen over frozen, the median of"
        " all rounds, the lowest and the highest. Latencies in ms, of all rounds together. Frozen: what is loaded at"
        " the start is out of the garbage collector's sight (`django_telemetry.gunicorn.freeze`).",
    ]
    return "\n".join(lines) + "\n"


def _ratio(value: float, allowed: float) -> str:
    """Format as 1/n where the target is a share."""
    return f"1/{1 / value:.1f}" if allowed < 1 and value > 0 else f"{value:.2f}"
