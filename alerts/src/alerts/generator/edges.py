"""Edges as measured by the caller: recorded metrics, and one alert per failure mode."""

from __future__ import annotations

from collections.abc import Iterator

from catalogue import Catalogue

from alerts.generator.describe import KEEP_OF_BACKENDS, Describer, Subject
from alerts.generator.model import Group, Record
from alerts.generator.selectors import customer_services
from alerts.generator.thresholds import Thresholds

CALLS = "dependency_call_duration_seconds"
BY = "service, dependency, protocol"
CALLEE = "{{ $labels.dependency }}"
EDGE = "{{ $labels.service }} → {{ $labels.dependency }}"
# Callees that wait for the card provider, which is slow even when healthy.
SLOW_BY_NATURE = "card-provider|payments"
# Suppresses the caller's alert while one on the callee's own dependency is pending or firing. Inhibition alone is too
# late if the caller's alert fires first.
UNLESS_DEEPER = (
    'unless on (dependency) label_replace(ALERTS{severity="page", dependency!=""}, '
    '"dependency", "$1", "service", "(.*)")'
)
# The same within one service.
UNLESS_EXPLAINED = 'unless on (service) ALERTS{severity="page", dependency!=""}'
CONTENTION = "platform:scrape_seconds:median30s"


def contended(t: Thresholds) -> str:
    """An expression that is true while everything is slow at once, and for a minute afterwards."""
    return f"max_over_time({CONTENTION}[1m]) > {t['contended_scrape_seconds']}"


def unless_contended(t: Thresholds) -> str:
    """A clause that excludes slowness while everything is slow at once: no single service is the cause."""
    return f"unless on () {contended(t)}"


def recorded(thresholds: Thresholds) -> Group:
    """Call rates, failure ratios and durations of every edge."""
    rules = [
        Record("edge:calls:rate1m", f"sum by ({BY}) (rate({CALLS}_count[1m]))"),
        *(
            Record(f"edge:calls_by_outcome:rate{window}", f"sum by ({BY}, outcome) (rate({CALLS}_count[{window}]))")
            for window in ("15s", "1m")
        ),
        Record(
            "edge:calls_by_outcome:ratio_rate1m",
            "edge:calls_by_outcome:rate1m / ignoring (outcome) group_left () (edge:calls:rate1m > 0)",
        ),
        Record("edge:retries:rate1m", f"sum by ({BY}) (rate(dependency_retries_total[1m]))"),
        Record(
            "edge:retries:ratio_rate1m",
            # Retries count as calls too: the ratio is retries per call that would have been made without them.
            "edge:retries:rate1m / ((edge:calls:rate1m - edge:retries:rate1m) > 0)",
        ),
        *(
            Record(
                "edge:duration_seconds:" + name,
                f"histogram_quantile({quantile}, sum by ({BY}, le) (rate({CALLS}_bucket[1m])))",
            )
            for name, quantile in (("p50_1m", 0.5), ("p95_1m", 0.95), ("p99_1m", 0.99))
        ),
        Record("edge:slow_calls:ratio_rate1m", "\nor\n".join(_slow_ratios(thresholds))),
        Record(
            "edge:slow_calls:rate1m",
            "edge:slow_calls:ratio_rate1m * on (service, dependency, protocol) "
            'sum by (service, dependency, protocol) (edge:calls_by_outcome:rate1m{outcome="ok"})',
        ),
        # By operation: one slow statement among many fast ones doesn't show in the edge's total.
        Record("edge_operation:slow_calls:ratio_rate1m", "\nor\n".join(_slow_ratios(thresholds, f"{BY}, operation"))),
        Record(
            "edge_operation:slow_calls:rate1m",
            f"edge_operation:slow_calls:ratio_rate1m * on ({BY}, operation) "
            f'sum by ({BY}, operation) (rate({CALLS}_count{{outcome="ok"}}[1m]))',
        ),
    ]
    return Group("edges-recorded", tuple(rules))


def _slow_ratios(thresholds: Thresholds, by: str = BY) -> Iterator[str]:
    """The share of successful calls that took longer than the limit, one expression per limit."""
    classes = [
        (f'protocol="{protocol}"', f'dependency!~"{SLOW_BY_NATURE}"', f"edge_slow_seconds_{protocol}")
        for protocol in ("http", "grpc", "sql", "amqp")
    ]
    classes.append(('protocol="http"', f'dependency=~"{SLOW_BY_NATURE}"', "edge_slow_seconds_charge"))
    for protocol, which, limit in classes:
        selector = f'{protocol}, {which}, outcome="ok"'
        yield (
            f'1 - sum by ({by}) (rate({CALLS}_bucket{{{selector}, le="{thresholds.bucket(limit)}"}}[1m]))\n'
            f"  / (sum by ({by}) (rate({CALLS}_count{{{selector}}}[1m])) > 0)"
        )


def alerts(catalogue: Catalogue, describer: Describer, t: Thresholds) -> Group:
    """One alert per failure mode of an edge."""
    restarted = _just_restarted(t)
    product = customer_services(catalogue)
    slow = "edge_operation:slow_calls:ratio_rate1m"
    rules = [
        *(
            describer.alert(
                name,
                f"""
                edge:calls_by_outcome:ratio_rate1m{{outcome="{outcome}", {product}}} > {t["edge_failure_ratio"]}
                and edge:calls_by_outcome:rate1m * 60 >= {t["edge_failure_calls_per_minute"]}
                {still}
                {restarted}
                {UNLESS_DEEPER}
                """,
                lasting="20s",
                layer="cause",
                severity="page",
                summary=summary,
                description=f"{EDGE}: {{{{ $value | humanizePercentage }}}} of the calls in the last minute {what}.",
                about=Subject(
                    "edges", root=CALLEE, logs='service.name:"{{ $labels.service }}" and log.level:(warning or error)'
                ),
            )
            for name, outcome, summary, what, still in (
                ("EdgeErrors", "error", "A dependency returns errors", "returned an error", ""),
                ("EdgeTimeouts", "timeout", "A dependency doesn't respond in time", "timed out", ""),
                (
                    "EdgeRefused",
                    "refused",
                    "A dependency is unreachable",
                    "could not connect or lost the connection",
                    # A restart that has finished doesn't page.
                    "and edge:calls_by_outcome:rate15s > 0",
                ),
            )
        ),
        describer.alert(
            "EdgeSlow",
            f"""
            max by ({BY}) (
              (
                {slow}{{{product}}} > {t["edge_slow_ratio"]}
                or {slow}{{{product}, protocol="sql"}} > {t["edge_slow_ratio_sql"]}
              )
              and edge_operation:slow_calls:rate1m * 60 >= {t["edge_failure_calls_per_minute"]}
              unless {slow} <= {t["slow_times_own_past"]} * avg_over_time({slow}[2h] offset 10m)
            )
            {UNLESS_DEEPER}
            {unless_contended(t)}
            """,
            # Shorter than the others: it has to fire before the timeouts that a slow backend causes in its callers.
            lasting="10s",
            layer="cause",
            severity="page",
            summary="A dependency responds slowly",
            description=f"{EDGE}: {{{{ $value | humanizePercentage }}}} of the successful calls in the last minute "
            "took longer than the edge's limit.",
            about=Subject("edges", root=CALLEE),
        ),
        describer.alert(
            "EdgeProxyDown",
            'up{job="toxiproxy"} == 0',
            lasting="5s",
            layer="cause",
            severity="page",
            summary="The proxy between the services is down",
            description="Toxiproxy doesn't respond: services can't reach each other, even if each of them is healthy.",
            about=Subject.backend("edges", "toxiproxy"),
        ).kept(KEEP_OF_BACKENDS),
        describer.alert(
            "EdgeRetryAmplification",
            f"""
            edge:retries:ratio_rate1m > {t["edge_retry_ratio"]}
            and edge:retries:rate1m * 60 >= {t["edge_retries_per_minute"]}
            {restarted}
            {UNLESS_DEEPER}
            """,
            lasting="20s",
            layer="cause",
            severity="page",
            summary="Retries multiply the load on a dependency",
            description=f"{EDGE}: retries add {{{{ $value | humanizePercentage }}}} to the calls.",
            about=Subject("edges", root=CALLEE),
        ),
        describer.alert(
            "EdgeDeadlinesSpent",
            f"""
            edge:calls_by_outcome:ratio_rate1m{{outcome="rejected", {product}}} > {t["edge_failure_ratio"]}
            and edge:calls_by_outcome:rate1m * 60 >= {t["edge_failure_calls_per_minute"]}
            """,
            lasting="1m",
            layer="cause",
            severity="ticket",
            summary="Requests exceed their deadline before a dependency is called",
            description=f"{EDGE}: {{{{ $value | humanizePercentage }}}} of the calls were not made "
            "because the deadline had passed.",
            about=Subject("edges", root="{{ $labels.service }}"),
        ),
        describer.alert(
            "EdgeFailingUnnoticed",
            f"""
            sum by ({BY}) (increase({CALLS}_count{{{product}}}[10m])) >= {t["edge_low_traffic_failures"]}
            unless sum by ({BY}) (increase({CALLS}_count{{outcome="ok"}}[10m])) > 0
            """,
            lasting="1m",
            layer="cause",
            severity="ticket",
            summary="A rarely used dependency fails every call",
            description=f"{EDGE}: all {{{{ $value | humanize }}}} calls in the last ten minutes failed.",
            about=Subject("edges", root=CALLEE),
        ),
        describer.alert(
            "GrpcServerErrors",
            f"""
            sum by (service, grpc_method, grpc_code) (rate(grpc_server_handled_total{{grpc_code=~"{GRPC_FAULTS}"}}[1m]))
              / ignoring (grpc_code) group_left ()
              (sum by (service, grpc_method) (rate(grpc_server_handled_total[1m])) > 0)
              > {t["grpc_error_ratio"]}
            and sum by (service, grpc_method, grpc_code) (rate(grpc_server_handled_total[1m])) * 60
              >= {t["service_errors_per_minute"]}
            {UNLESS_EXPLAINED}
            """,
            # Longer than the alerts on its dependencies take to fire: locks need half a minute of samples.
            lasting="35s",
            layer="cause",
            severity="page",
            summary="A gRPC method fails on the server",
            description="{{ $labels.service }}: {{ $value | humanizePercentage }} of the {{ $labels.grpc_method }} "
            "calls ended with {{ $labels.grpc_code }}.",
            about=Subject("edges"),
        ),
    ]
    return Group("edges", tuple(rules))


# Codes that are the server's fault. NOT_FOUND, INVALID_ARGUMENT, FAILED_PRECONDITION etc. are regular responses.
GRPC_FAULTS = "UNKNOWN|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|ABORTED|INTERNAL|UNAVAILABLE|DATA_LOSS"


def _just_restarted(t: Thresholds) -> str:
    """A clause that excludes callees that have just restarted: what they refused while down has ended."""
    return (
        "unless on (dependency) label_replace(time() - max by (service) "
        '(process_start_time_seconds{job="django"}) '
        f'< {t["edge_restart_grace_seconds"]}, "dependency", "$1", "service", "(.*)")'
    )
