"""Edges as the caller sees them: recorded figures, and alerts by what goes wrong."""

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
# Callees that wait for the card provider, whose answers take long in health too.
SLOW_BY_NATURE = "card-provider|payments"
# While an edge or database of the callee itself is about to be told of, that is the cause. Inhibition alone would come
# too late where the caller's alert is a moment faster.
UNLESS_DEEPER = (
    'unless on (dependency) label_replace(ALERTS{severity="page", dependency!=""}, '
    '"dependency", "$1", "service", "(.*)")'
)
# The same within one service.
UNLESS_EXPLAINED = 'unless on (service) ALERTS{severity="page", dependency!=""}'
CONTENTION = "platform:scrape_seconds:median30s"


def contended(t: Thresholds) -> str:
    """Holds while, and a minute after, everything is slow at once."""
    return f"max_over_time({CONTENTION}[1m]) > {t['contended_scrape_seconds']}"


def unless_contended(t: Thresholds) -> str:
    """Leaves out what is slow together with everything else: no service in particular is the cause."""
    return f"unless on () {contended(t)}"


def recorded(thresholds: Thresholds) -> Group:
    """Rates, failure ratios and durations of every edge."""
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
            # Retries are calls too: what counts is how many there are for one that would have been made anyway.
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
        # By operation, since one slow statement among many quick ones is lost in the edge's figure.
        Record("edge_operation:slow_calls:ratio_rate1m", "\nor\n".join(_slow_ratios(thresholds, f"{BY}, operation"))),
        Record(
            "edge_operation:slow_calls:rate1m",
            f"edge_operation:slow_calls:ratio_rate1m * on ({BY}, operation) "
            f'sum by ({BY}, operation) (rate({CALLS}_count{{outcome="ok"}}[1m]))',
        ),
    ]
    return Group("edges-recorded", tuple(rules))


def _slow_ratios(thresholds: Thresholds, by: str = BY) -> Iterator[str]:
    """The share of successful calls over the limit, one expression for each limit."""
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
    """One alert for each way an edge fails."""
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
                ("EdgeErrors", "error", "A dependency answers with errors", "were answered with an error", ""),
                ("EdgeTimeouts", "timeout", "A dependency doesn't answer in time", "got no answer in time", ""),
                (
                    "EdgeRefused",
                    "refused",
                    "A dependency can't be reached",
                    "found no connection, or it broke",
                    # Nobody is woken for a restart that is over.
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
            # Shorter than the others: where a slow backend makes calls to its service time out, it has to be first.
            lasting="10s",
            layer="cause",
            severity="page",
            summary="A dependency answers slowly",
            description=f"{EDGE}: {{{{ $value | humanizePercentage }}}} of the successful calls in the last "
            "minute took longer "
            "than the edge's limit.",
            about=Subject("edges", root=CALLEE),
        ),
        describer.alert(
            "EdgeProxyDown",
            'up{job="toxiproxy"} == 0',
            lasting="5s",
            layer="cause",
            severity="page",
            summary="The proxy between the services is down",
            description="Toxiproxy doesn't answer: no service reaches another, each of which may well be healthy.",
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
            description=f"{EDGE}: {{{{ $value | humanizePercentage }}}} more calls than needed, all of them retries.",
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
            summary="Requests run out of time before a dependency is even called",
            description=f"{EDGE}: {{{{ $value | humanizePercentage }}}} of the calls were not made: the deadline "
            "had passed.",
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
            summary="A seldom used dependency has not answered once",
            description=f"{EDGE}: every call of the last ten minutes failed ({{{{ $value | humanize }}}} of them).",
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
            # Longer than what lies below takes to be told: locks show in half a minute of samples.
            lasting="35s",
            layer="cause",
            severity="page",
            summary="A gRPC method fails on the server",
            description="{{ $labels.service }}: {{ $value | humanizePercentage }} of {{ $labels.grpc_method }} "
            "ended with "
            "{{ $labels.grpc_code }}.",
            about=Subject("edges"),
        ),
    ]
    return Group("edges", tuple(rules))


# Codes that are the server's fault. NOT_FOUND, INVALID_ARGUMENT, FAILED_PRECONDITION and the like are answers.
GRPC_FAULTS = "UNKNOWN|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|ABORTED|INTERNAL|UNAVAILABLE|DATA_LOSS"


def _just_restarted(t: Thresholds) -> str:
    """Leaves out callees that came up moments ago: what they refused meanwhile is over."""
    return (
        "unless on (dependency) label_replace(time() - max by (service) "
        '(process_start_time_seconds{job="django"}) '
        f'< {t["edge_restart_grace_seconds"]}, "dependency", "$1", "service", "(.*)")'
    )
