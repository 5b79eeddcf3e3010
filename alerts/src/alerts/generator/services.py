"""Services: recorded RED metrics (rate, errors, duration) and alerts on their health."""

from __future__ import annotations

from collections.abc import Iterator

from catalogue import Catalogue

from alerts.generator.describe import Describer, Subject
from alerts.generator.edges import CONTENTION, UNLESS_EXPLAINED, contended, unless_contended
from alerts.generator.model import Group, Record
from alerts.generator.selectors import customer_services
from alerts.generator.thresholds import Thresholds

PROCESS = Subject("service", logs='process.name:"{{ $labels.process }}"')

RESPONSES = "django_http_responses_total_by_status_view_method_total"
LATENCY = "django_http_requests_latency_seconds_by_view_method"
# Health checks don't show what users experience.
USERS_VIEWS = 'view!~"contracts[.]api[.]health.*|.*livez|.*readyz"'
# At a scrape interval of 5 s. While the platform starts, some targets are not up at Prometheus's first scrape.
LOOKED_FOR_A_MINUTE = "count_over_time(up[1m]) > 9"
# Statuses that a service returns when a dependency fails; the edge's alert covers those.
FOR_A_DEPENDENCY = "50[234]"


def recorded(catalogue: Catalogue, t: Thresholds) -> Group:
    """Request rates, error ratios, durations and resource usage of every service."""
    second = t.bucket("service_slow_seconds")
    rules = (
        Record("service:http_requests:rate1m", f"sum by (service) (rate({RESPONSES}{{{USERS_VIEWS}}}[1m]))"),
        Record("service:http_requests:rate5m", f"sum by (service) (rate({RESPONSES}{{{USERS_VIEWS}}}[5m]))"),
        Record(
            "service:http_responses:rate1m",
            f"sum by (service, status) (rate({RESPONSES}{{{USERS_VIEWS}}}[1m]))",
        ),
        Record(
            "service:http_errors:ratio_rate1m",
            'sum by (service) (service:http_responses:rate1m{status=~"5.."}) / (service:http_requests:rate1m > 0)',
        ),
        *(
            Record(
                "service:http_duration_seconds:" + name,
                f"histogram_quantile({quantile}, sum by (service, le) (rate({LATENCY}_bucket{{{USERS_VIEWS}}}[1m])))",
            )
            for name, quantile in (("p50_1m", 0.5), ("p95_1m", 0.95), ("p99_1m", 0.99))
        ),
        Record(
            "service:slow_requests:ratio_rate1m",
            f'1 - sum by (service) (rate({LATENCY}_bucket{{{USERS_VIEWS}, le="{second}"}}[1m]))\n'
            f"  / (sum by (service) (rate({LATENCY}_count{{{USERS_VIEWS}}}[1m])) > 0)",
        ),
        *(
            Record(
                f"process:cpu_cores:rate{window}",
                f'sum by (service, process) (rate(process_cpu_seconds_total{{job="django"}}[{window}]))',
            )
            for window in ("30s", "1m")
        ),
        Record(
            CONTENTION,
            # The median over all processes: when it rises, the cause is something that they share.
            'quantile(0.5, avg_over_time(scrape_duration_seconds{job="django"}[30s]) < 4)',
        ),
        Record("process:served_spans:increase15s", "\nor\n".join(_served(catalogue))),
        Record(
            "service_version:http_requests:rate1m",
            f"sum by (service, version) (rate({RESPONSES}{{{USERS_VIEWS}}}[1m])\n"
            '  * on (instance) group_left (version) max by (instance, version) (service_build_info{job="django"}))',
        ),
        Record(
            "service_version:http_errors:ratio_rate1m",
            "sum by (service, version) "
            f'(rate({RESPONSES}{{{USERS_VIEWS}, status=~"5..", status!~"{FOR_A_DEPENDENCY}"}}[1m])\n'
            '  * on (instance) group_left (version) max by (instance, version) (service_build_info{job="django"}))\n'
            "  / (service_version:http_requests:rate1m > 0)",
        ),
    )
    return Group("services-recorded", rules)


def _served(catalogue: Catalogue) -> Iterator[str]:
    """Requests that each process answered, by its server spans: they separate a broken scrape from a dead process."""
    for process in catalogue.processes():
        if process.kind in ("web", "grpc"):
            protocol = "http_request_method" if process.kind == "web" else "rpc_method"
            spans = f'service_name="{process.service}", span_kind="SPAN_KIND_SERVER", {protocol}!=""'
            yield (
                "label_replace(label_replace("
                f"sum(increase(traces_span_metrics_calls_total{{{spans}}}[15s])), "
                f'"service", "{process.service}", "", ""), "process", "{process.name}", "", "")'
            )


def alerts(catalogue: Catalogue, describer: Describer, t: Thresholds) -> Group:
    """Alerts for services and workers: availability, errors, latency, saturation, memory, version regressions."""
    workers = "|".join(process.name for process in catalogue.processes() if process.kind == "worker")
    serving, working = f'job="django", process!~"{workers}"', f'job="django", process=~"{workers}"'
    slow = "service:slow_requests:ratio_rate1m"
    rules = [
        *(
            describer.alert(
                name,
                expr,
                lasting=lasting,
                layer="cause",
                severity="page",
                summary=summary,
                description=description,
                about=PROCESS,
            )
            for name, expr, lasting, summary, description in (
                (
                    "ServiceDown",
                    # Not `for`: requests that were in flight when the process died are still counted for some seconds.
                    f"""
                    max_over_time(up{{{serving}}}[20s]) == 0
                    and {LOOKED_FOR_A_MINUTE}
                    and on (job, instance) scrape_duration_seconds < 2
                    unless on (service, process) process:served_spans:increase15s > 0
                    """,
                    "0s",
                    "A service is down",
                    "{{ $labels.process }} of {{ $labels.service }} refuses connections: the process is not running.",
                ),
                (
                    "ServiceNotAnswering",
                    f"""
                    up{{{serving}}} == 0
                    and {LOOKED_FOR_A_MINUTE}
                    and on (job, instance) scrape_duration_seconds >= 2
                    """,
                    "20s",
                    "A service hangs: it accepts connections but doesn't respond",
                    "{{ $labels.process }} of {{ $labels.service }} is running but doesn't respond, "
                    "not even to the metrics scrape.",
                ),
                (
                    "WorkerDown",
                    f"""
                    up{{{working}}} == 0
                    and {LOOKED_FOR_A_MINUTE}
                    and on (job, instance) scrape_duration_seconds < 2
                    """,
                    "20s",
                    "A worker is down",
                    "{{ $labels.process }} of {{ $labels.service }} is not running: its work is waiting.",
                ),
                (
                    "WorkerNotAnswering",
                    f"""
                    up{{{working}}} == 0
                    and {LOOKED_FOR_A_MINUTE}
                    and on (job, instance) scrape_duration_seconds >= 2
                    """,
                    "20s",
                    "A worker hangs",
                    "{{ $labels.process }} of {{ $labels.service }} is running but doesn't respond, "
                    "not even to the metrics scrape.",
                ),
            )
        ),
        describer.alert(
            "ServiceRestarting",
            f'changes(process_start_time_seconds{{job="django"}}[3m]) >= {t["service_restarts"]}',
            lasting="0s",
            layer="cause",
            severity="page",
            summary="A service keeps restarting",
            description="{{ $labels.process }} of {{ $labels.service }} has restarted {{ $value }} times "
            "in the last three minutes.",
            about=PROCESS,
        ),
        describer.alert(
            "ServiceErrors",
            f"""
            sum by (service) (service:http_responses:rate1m{{status=~"5..", status!~"{FOR_A_DEPENDENCY}"}})
              / (service:http_requests:rate1m > 0) > {t["service_error_ratio"]}
            and sum by (service) (service:http_responses:rate1m{{status=~"5..", status!~"{FOR_A_DEPENDENCY}"}}) * 60
              >= {t["service_errors_per_minute"]}
            {UNLESS_EXPLAINED}
            """,
            lasting="20s",
            layer="cause",
            severity="page",
            summary="A service returns errors that no dependency causes",
            description="{{ $labels.service }}: {{ $value | humanizePercentage }} of the requests in the last minute "
            "failed with an error that no dependency caused.",
            about=Subject("service", logs='service.name:"{{ $labels.service }}" and log.level:error'),
        ),
        describer.alert(
            "ServiceSlow",
            f"""
            {slow}{{{customer_services(catalogue)}}} > {t["service_slow_ratio"]}
            and {slow} * on (service) sum by (service) (rate({LATENCY}_count{{{USERS_VIEWS}}}[1m])) * 60
              >= {t["service_slow_requests_per_minute"]}
            unless {slow} <= {t["slow_times_own_past"]} * avg_over_time({slow}[2h] offset 10m)
            {UNLESS_EXPLAINED}
            {unless_contended(t)}
            """,
            lasting="30s",
            layer="cause",
            severity="page",
            summary="A service responds slowly",
            description="{{ $labels.service }}: {{ $value | humanizePercentage }} of the requests in the last minute "
            "took longer than the limit.",
            about=Subject("service"),
        ),
        describer.alert(
            "ServiceSaturated",
            f"process:cpu_cores:rate30s > {t['service_cpu_cores']}",
            lasting="15s",
            layer="cause",
            severity="page",
            summary="A service has no CPU time left",
            description="{{ $labels.process }} of {{ $labels.service }} uses {{ $value | humanize }} cores; "
            "a process can use one.",
            about=PROCESS,
        ),
        describer.alert(
            "MachineContended",
            contended(t),
            lasting="0s",
            layer="cause",
            severity="ticket",
            summary="Everything is slow at once: the machine is short of CPU or disk",
            description="The median scrape takes {{ $value | humanizeDuration }} instead of about 0.03 s. "
            "Until it recovers, this ticket replaces the alerts on latency and saturation.",
            about=Subject(
                "overview",
                root="platform",
                labels={"service": "platform"},
                logs="log.level:(warning or error)",
                traces="orders",
            ),
        ),
        describer.alert(
            "ServiceMemoryHigh",
            f'process_resident_memory_bytes{{job="django"}} > {t["service_memory_bytes"]}',
            lasting="30s",
            layer="cause",
            severity="page",
            summary="A service exceeds its planned memory",
            description="{{ $labels.process }} of {{ $labels.service }} uses {{ $value | humanize1024 }}B of memory.",
            about=PROCESS,
        ),
        describer.alert(
            "ServiceMemoryGrowing",
            f"""
            process_resident_memory_bytes{{job="django"}}
              - min_over_time(process_resident_memory_bytes[5m]) > {t["service_memory_growth_bytes"]}
            and on (job, instance) time() - process_start_time_seconds > 120
            and on (job, instance) delta(process_resident_memory_bytes[1m])
              > {t["service_memory_growth_bytes"]} / 10
            """,
            lasting="30s",
            layer="cause",
            severity="ticket",
            summary="A service's memory keeps growing",
            description="{{ $labels.process }} of {{ $labels.service }} uses {{ $value | humanize1024 }}B "
            "more than five minutes ago.",
            about=PROCESS,
        ),
        describer.alert(
            "ServiceVersionRegression",
            f"""
            service_version:http_errors:ratio_rate1m
              - on (service) group_left ()
                (max by (service) (service_version:http_errors:ratio_rate1m offset 5m)
                  or 0 * group by (service) (service_version:http_requests:rate1m offset 5m))
              > {t["version_error_ratio"]}
            and service_version:http_requests:rate1m * 60 * service_version:http_errors:ratio_rate1m
              >= {t["service_errors_per_minute"]}
            unless (service_version:http_requests:rate1m offset 5m)
            and on (service) (service_version:http_requests:rate1m offset 5m)
            """,
            lasting="15s",
            layer="cause",
            severity="page",
            summary="A new version fails more often than the previous one",
            description="{{ $labels.service }} {{ $labels.version }}: the error ratio is "
            "{{ $value | humanizePercentage }} above the previous version's five minutes ago.",
            about=Subject(
                "service",
                logs='service.name:"{{ $labels.service }}" and service.version:"{{ $labels.version }}" '
                "and log.level:error",
            ),
        ),
        describer.alert(
            "TokensRejected",
            f"""
            sum by (service) (service:http_responses:rate1m{{status="401"}}) / (service:http_requests:rate1m > 0)
              > {t["token_rejected_ratio"]}
            and sum by (service) (service:http_responses:rate1m{{status="401"}}) * 60
              >= {t["token_rejected_per_minute"]}
            """,
            lasting="20s",
            layer="cause",
            severity="page",
            summary="A service rejects access tokens",
            description="{{ $labels.service }} answered {{ $value | humanizePercentage }} of the requests "
            "in the last minute with 401.",
            about=Subject(
                "service", root="users", logs='service.name:"{{ $labels.service }}" and http.response.status_code:401'
            ),
        ),
    ]
    return Group("services", tuple(rules))
