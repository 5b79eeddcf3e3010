"""State of services and edges, as recorded by Prometheus over a time range."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backends.prometheus import Prometheus, Sample, quote, regex_quote

from topology.graph import EVENTS, Edge, Graph

# An error ratio of a hundredth marks an edge; from a tenth the alert EdgeErrors fires.
WARN_RATIO = 0.01
CRITICAL_RATIO = 0.1

# Recorded rates are those of one minute; the rules are evaluated every five seconds.
MINUTE = 60.0
_EVERY = 5.0
_EDGE_P95 = "edge:duration_seconds:p95_1m"
_SERVICE_P95 = "service:http_duration_seconds:p95_1m"
_SERVICE_ERRORS = 'service:http_responses:rate1m{status=~"5.."}'

OK, WARN, CRITICAL, IDLE = "ok", "warn", "crit", "idle"


@dataclass(frozen=True)
class Flow:
    """Calls over a time range: per second, error ratio, highest 95th percentile in seconds. None: no calls."""

    rate: float | None = None
    failed: float | None = None
    p95: float | None = None

    @property
    def state(self) -> str:
        """Return ok, warn, crit, or idle without calls."""
        if not self.rate:
            return IDLE
        if self.failed is None or self.failed < WARN_RATIO:
            return OK
        return WARN if self.failed < CRITICAL_RATIO else CRITICAL


@dataclass(frozen=True)
class Alert:
    """A firing alert."""

    name: str
    severity: str
    layer: str
    service: str
    dependency: str
    root_service: str


@dataclass(frozen=True)
class Replica:
    """A process: whether Prometheus can scrape it, its version, its start time, its resource usage."""

    process: str
    instance: str
    up: bool
    version: str
    uptime: float | None
    memory_bytes: float | None
    cpu_cores: float | None


@dataclass(frozen=True)
class Budget:
    """The remaining share of an objective's error budget; None where nothing was measured."""

    journey: str
    slo: str
    objective: float | None
    left: float | None


NO_CALLS = Flow()


def edges(
    prometheus: Prometheus, graph: Graph, at: float | None = None, seconds: float = MINUTE
) -> dict[tuple[str, str, str], Flow]:
    """Return the flow over every edge of the graph in the `seconds` before a time (epoch seconds, default: now)."""
    by = ("service", "dependency", "protocol")

    def mean(metric: str, *labels: str) -> dict[tuple[str, ...], float]:
        return _by(prometheus.query(f"sum by ({', '.join(labels)}) ({_mean(metric, seconds)})", at=at), labels)

    rates = mean("edge:calls:rate1m", *by)
    failures = mean('edge:calls_by_outcome:rate1m{outcome!="ok"}', *by)
    failed = {key: failures.get(key, 0.0) / rate for key, rate in rates.items() if rate}
    p95 = _by(prometheus.query(f"max by ({', '.join(by)}) ({_highest(_EDGE_P95, seconds)})", at=at), by)
    handled = mean("queue:messages_handled:rate1m", "queue")
    unhandled = mean('queue:messages_handled:rate1m{outcome!="ok"}', "queue")
    return {
        edge.key: _events(edge, handled, unhandled)
        if edge.protocol == EVENTS
        else _flow(rates.get(edge.key), failed.get(edge.key), p95.get(edge.key))
        for edge in graph.edges
    }


def services(prometheus: Prometheus, at: float | None = None, seconds: float = MINUTE) -> dict[str, Flow]:
    """Return the HTTP traffic of each service in the `seconds` before a time. `failed`: the share of 5xx responses."""
    by = ("service",)
    mean = f"sum by (service) ({_mean('service:http_requests:rate1m', seconds)})"
    rates = _by(prometheus.query(mean, at=at), by)
    mean_errors = f"sum by (service) ({_mean(_SERVICE_ERRORS, seconds)})"
    errors = _by(prometheus.query(mean_errors, at=at), by)
    failed = {key: errors.get(key, 0.0) / rate for key, rate in rates.items() if rate}
    p95 = _by(prometheus.query(f"max by (service) ({_highest(_SERVICE_P95, seconds)})", at=at), by)
    return {key[0]: _flow(rate, failed.get(key), p95.get(key)) for key, rate in rates.items()}


def replicas(prometheus: Prometheus, service: str | None = None, at: float | None = None) -> dict[str, list[Replica]]:
    """Return the processes of each service, or of one, by name."""
    only = f", service={quote(service)}" if service else ""
    target = f'job="django"{only}'
    by = ("service", "process", "instance")
    up = _by(prometheus.query(f"max by ({', '.join(by)}) (up{{{target}}})", at=at), by)
    started = _by(prometheus.query(f"time() - process_start_time_seconds{{{target}}}", at=at), by)
    memory = _by(prometheus.query(f"process_resident_memory_bytes{{{target}}}", at=at), by)
    cpu = _by(prometheus.query(f"rate(process_cpu_seconds_total{{{target}}}[1m])", at=at), by)
    versions = {
        _key(sample, by): sample.labels.get("version", "")
        for sample in prometheus.query(f"service_build_info{{{target}}}", at=at)
    }
    found: dict[str, list[Replica]] = {}
    for key in sorted(up):
        name, process, instance = key
        replica = Replica(
            process=process,
            instance=instance,
            up=up[key] == 1,
            version=versions.get(key, ""),
            uptime=started.get(key),
            memory_bytes=memory.get(key),
            cpu_cores=cpu.get(key),
        )
        found.setdefault(name, []).append(replica)
    return found


def alerts(prometheus: Prometheus, name: str | None = None, at: float | None = None) -> list[Alert]:
    """Return firing alerts, the worst first; with `name` those that blame this node or are about it."""
    samples = prometheus.query('ALERTS{alertstate="firing", alertname!="Watchdog"}', at=at)
    found = {
        Alert(
            name=sample.labels.get("alertname", ""),
            severity=sample.labels.get("severity", ""),
            layer=sample.labels.get("layer", ""),
            service=sample.labels.get("service", ""),
            dependency=sample.labels.get("dependency", ""),
            root_service=sample.labels.get("root_service", ""),
        )
        for sample in samples
    }
    order = {"page": 0, "ticket": 1}
    concerned = [alert for alert in found if name is None or name in (alert.root_service, alert.service)]
    return sorted(concerned, key=lambda alert: (order.get(alert.severity, 2), alert.name, alert.service))


def budgets(prometheus: Prometheus, journeys: Iterable[str], at: float | None = None) -> list[Budget]:
    """Return the objectives of these journeys and their remaining budgets over the retained data."""
    names = list(journeys)
    if not names:
        return []
    match = f"{{journey=~{regex_quote(*names)}}}"
    by = ("journey", "slo")
    objectives = _by(prometheus.query(f"slo:objective:ratio{match}", at=at), by)
    left = _by(prometheus.query(f"slo:error_budget_left:ratio3d{match}", at=at), by)
    return [Budget(key[0], key[1], objectives.get(key), left.get(key)) for key in sorted({*objectives, *left})]


def _mean(metric: str, seconds: float) -> str:
    """Return the expression for a recorded rate's mean over a time range; a range without samples counts as zero."""
    if seconds <= MINUTE:
        return metric
    return f"sum_over_time({metric}[{round(seconds)}s]) / {round(seconds / _EVERY)}"


def _highest(metric: str, seconds: float) -> str:
    return metric if seconds <= MINUTE else f"max_over_time({metric}[{round(seconds)}s])"


def worst(states: Iterable[str]) -> str:
    """Return the worst of some states; idle without any."""
    found = set(states)
    return next((state for state in (CRITICAL, WARN, OK) if state in found), IDLE)


def state_of(alert: Alert) -> str:
    """Return the state of a node that an alert blames: a page is critical, a ticket a warning."""
    return CRITICAL if alert.severity == "page" else WARN


def _flow(rate: float | None, failed: float | None, p95: float | None) -> Flow:
    # An edge that was never called has no series; one without calls in the last minute has a rate of 0.
    return Flow(rate, (failed or 0.0) if rate else None, p95) if rate is not None else NO_CALLS


def _events(edge: Edge, handled: Mapping[tuple[str, ...], float], unhandled: Mapping[tuple[str, ...], float]) -> Flow:
    rates = [handled[(queue,)] for queue in edge.queues if (queue,) in handled]
    if not rates:
        return NO_CALLS
    rate = sum(rates)
    return Flow(rate, sum(unhandled.get((queue,), 0.0) for queue in edge.queues) / rate if rate else None)


def _by(samples: Iterable[Sample], labels: tuple[str, ...]) -> dict[tuple[str, ...], float]:
    # A percentile of no calls is NaN.
    return {_key(sample, labels): sample.value for sample in samples if not math.isnan(sample.value)}


def _key(sample: Sample, labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sample.labels.get(label, "") for label in labels)
