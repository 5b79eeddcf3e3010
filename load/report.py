"""The results of a run: figures per endpoint, and the slowest and failed requests with their traces."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

SLOWEST_KEPT = 5
# Enough to diagnose a fault; the counts are complete.
FAILURES_KEPT = 20


@dataclass(frozen=True)
class Sample:
    """One request to report. `milliseconds` is the latency seen by the client; `fault` is None on success."""

    endpoint: str
    milliseconds: float
    trace_id: str | None
    fault: str | None = None


@dataclass(frozen=True)
class EndpointFigures:
    """RED figures of one endpoint or of the whole run, with latencies in milliseconds."""

    endpoint: str
    requests: int
    failures: int
    requests_per_second: float
    p50: float
    p95: float
    p99: float
    maximum: float


@dataclass(frozen=True)
class Summary:
    """The results of a finished run."""

    shape: str
    users: int
    started_at: str
    seconds: float
    interrupted: bool
    total: EndpointFigures
    endpoints: tuple[EndpointFigures, ...]
    faults: Mapping[str, int]
    slowest: tuple[Sample, ...]
    failed: tuple[Sample, ...]

    @property
    def failure_ratio(self) -> float:
        """Failed requests of all; 1.0 without any request, because then nothing has been verified."""
        return self.total.failures / self.total.requests if self.total.requests else 1.0

    def as_json(self, trace_link: Callable[[str], str]) -> dict[str, Any]:
        """The summary as JSON, with a link for each trace."""
        document = asdict(self) | {"failure_ratio": round(self.failure_ratio, 6)}
        for sample in (*document["slowest"], *document["failed"]):
            sample["trace_url"] = trace_link(sample["trace_id"]) if sample["trace_id"] else None
        return document


class Recorder:
    """Keeps the slowest and the first failed requests. Its memory use doesn't grow with the run."""

    def __init__(self) -> None:
        self._slowest: list[tuple[float, int, Sample]] = []
        self._failed: list[Sample] = []
        self._faults: Counter[str] = Counter()
        # Breaks ties in the heap, so that samples are never compared.
        self._order = itertools.count()

    def add(self, sample: Sample) -> None:
        """Record one finished request."""
        entry = (sample.milliseconds, next(self._order), sample)
        if len(self._slowest) < SLOWEST_KEPT:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heappushpop(self._slowest, entry)
        if sample.fault is not None:
            self._faults[f"{sample.endpoint}: {sample.fault}"] += 1
            if len(self._failed) < FAILURES_KEPT:
                self._failed.append(sample)

    @property
    def slowest(self) -> tuple[Sample, ...]:
        """The slowest requests, slowest first."""
        return tuple(sample for _, _, sample in sorted(self._slowest, reverse=True))

    @property
    def failed(self) -> tuple[Sample, ...]:
        """The first failed requests."""
        return tuple(self._failed)

    @property
    def faults(self) -> dict[str, int]:
        """The number of occurrences of each fault, the most frequent first."""
        return dict(self._faults.most_common())


def progress_line(elapsed: float, duration: float, users: int, total: EndpointFigures) -> str:
    """The progress line of each second. The rate and the percentiles are those of the last seconds."""
    return (
        f"{elapsed:4.0f}/{duration:.0f} s  users {users:3d}  {total.requests_per_second:6.1f} req/s"
        f"  p50 {total.p50:5.0f} ms  p95 {total.p95:5.0f} ms  failed {total.failures} of {total.requests}"
    )


def render(summary: Summary, trace_link: Callable[[str], str]) -> str:
    """The summary as text."""
    ended = "interrupted after" if summary.interrupted else "in"
    lines = [
        "",
        f"{summary.shape}, {summary.users} users: {summary.total.requests} requests {ended} {summary.seconds:.0f} s, "
        f"{summary.total.requests_per_second:.1f}/s, {summary.total.failures} failed ({summary.failure_ratio:.2%})",
        "",
        *_table([*summary.endpoints, summary.total]),
    ]
    if summary.faults:
        lines += ["", "Failures", *(f"{count:6d}  {fault}" for fault, count in summary.faults.items())]
    lines += ["", "Slowest", *(_sample_line(sample, trace_link) for sample in summary.slowest)]
    if summary.failed:
        lines += ["", "Failed", *(_sample_line(sample, trace_link) for sample in summary.failed)]
        if summary.total.failures > len(summary.failed):
            lines.append(f"        and {summary.total.failures - len(summary.failed)} more")
    return "\n".join(lines)


def _table(rows: Sequence[EndpointFigures]) -> list[str]:
    width = max(len(row.endpoint) for row in rows)
    head = f"{'endpoint':{width}}  requests  failed   req/s     p50     p95     p99     max  (ms)"
    return [
        head,
        *(
            f"{row.endpoint:{width}}  {row.requests:8d}  {row.failures:6d}  {row.requests_per_second:6.1f}"
            f"  {row.p50:6.0f}  {row.p95:6.0f}  {row.p99:6.0f}  {row.maximum:6.0f}"
            for row in rows
        ),
    ]


def _sample_line(sample: Sample, trace_link: Callable[[str], str]) -> str:
    link = trace_link(sample.trace_id) if sample.trace_id else "no trace: nothing answered"
    fault = f"  {sample.fault}" if sample.fault else ""
    return f"{sample.milliseconds:6.0f} ms  {sample.endpoint}{fault}\n           {link}"
