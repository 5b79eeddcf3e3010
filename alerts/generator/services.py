"""Services: recorded RED figures, and alerts on their own health."""

from __future__ import annotations

from contracts.catalogue import Catalogue

from alerts.generator.describe import Describer
from alerts.generator.model import Group, Record
from alerts.generator.thresholds import Thresholds

RESPONSES = "django_http_responses_total_by_status_view_method_total"
LATENCY = "django_http_requests_latency_seconds_by_view_method"
# Health checks say nothing of what users get.
USERS_VIEWS = 'view!~"contracts[.]api[.]health.*|.*livez|.*readyz"'
# What a service answers when a dependency fails it; the edge's alert is about that.
FOR_A_DEPENDENCY = "50[234]"


def recorded() -> Group:
    """Rates, error ratios, durations and use of resources of every service."""
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
            "process:cpu_cores:rate1m", 'sum by (service, process) (rate(process_cpu_seconds_total{job="django"}[1m]))'
        ),
        Record(
            "service_version:http_requests:rate2m",
            f"sum by (service, version) (rate({RESPONSES}{{{USERS_VIEWS}}}[2m])\n"
            '  * on (instance) group_left (version) max by (instance, version) (service_build_info{job="django"}))',
        ),
        Record(
            "service_version:http_errors:ratio_rate2m",
            f'sum by (service, version) (rate({RESPONSES}{{{USERS_VIEWS}, status=~"5.."}}[2m])\n'
            '  * on (instance) group_left (version) max by (instance, version) (service_build_info{job="django"}))\n'
            "  / (service_version:http_requests:rate2m > 0)",
        ),
    )
    return Group("services-recorded", rules)


def alerts(catalogue: Catalogue, describer: Describer, t: Thresholds) -> Group:
    """Down, not answering, restarting, failing, slow, saturated, growing, worse than the version before."""
    workers = "|".join(process.name for process in catalogue.processes() if process.kind == "worker")
    serving, working = f'job="django", process!~"{workers}"', f'job="django", process=~"{workers}"'
    second = t.bucket("service_slow_seconds")
    process_logs = 'process.name:"{{ $labels.process }}"'
    rules = [
        *(
            describer.alert(
                name,
                f"""
                up{{{selector}}} == 0
                and on (job, instance) scrape_duration_seconds {speed} 2
                """,
                lasting="20s",
                layer="cause",
                severity="page",
                summary=summary,
                description=description,
                dashboard="service",
                logs=process_logs,
            )
            for name, selector, speed, summary, description in (
                (
                    "ServiceDown",
                    serving,
                    "<",
                    "A service is down",
                    "{{ $labels.process }} of {{ $labels.service }} refuses connections: its process is not there.",
                ),
                (
                    "ServiceNotAnswering",
                    serving,
                    ">=",
                    "A service hangs: it accepts connections and doesn't answer",
                    "{{ $labels.process }} of {{ $labels.service }} is there and hasn't answered even the scrape.",
                ),
                (
                    "WorkerDown",
                    working,
                    "<",
                    "A worker is down",
                    "{{ $labels.process }} of {{ $labels.service }} is not there: what it would do waits.",
                ),
                (
                    "WorkerNotAnswering",
                    working,
                    ">=",
                    "A worker hangs",
                    "{{ $labels.process }} of {{ $labels.service }} is there and hasn't answered even the scrape.",
                ),
            )
        ),
        describer.alert(
            "ServiceRestarting",
            f'changes(process_start_time_seconds{{job="django"}}[4m]) >= {t["service_restarts"]}',
            lasting="0s",
            layer="cause",
            severity="page",
            summary="A service restarts again and again",
            description="{{ $labels.process }} of {{ $labels.service }} has started {{ $value }} times in four "
            "minutes.",
            dashboard="service",
            logs=process_logs,
        ),
        describer.alert(
            "ServiceErrors",
            f"""
            sum by (service) (service:http_responses:rate1m{{status=~"5..", status!~"{FOR_A_DEPENDENCY}"}})
              / (service:http_requests:rate1m > 0) > {t["service_error_ratio"]}
            and sum by (service) (service:http_responses:rate1m{{status=~"5..", status!~"{FOR_A_DEPENDENCY}"}}) * 60
              >= {t["service_errors_per_minute"]}
            """,
            lasting="20s",
            layer="cause",
            severity="page",
            summary="A service fails by itself",
            description="{{ $labels.service }}: {{ $value | humanizePercentage }} of the requests of the last "
            "minute ended in an "
            "error that no dependency caused.",
            dashboard="service",
            logs='service.name:"{{ $labels.service }}" and log.level:error',
        ),
        describer.alert(
            "ServiceSlow",
            f"""
            1 - sum by (service) (rate({LATENCY}_bucket{{{USERS_VIEWS}, le="{second}"}}[1m]))
              / (sum by (service) (rate({LATENCY}_count{{{USERS_VIEWS}}}[1m])) > 0) > {t["service_slow_ratio"]}
            and (sum by (service) (rate({LATENCY}_count{{{USERS_VIEWS}}}[1m]))
              - sum by (service) (rate({LATENCY}_bucket{{{USERS_VIEWS}, le="{second}"}}[1m]))) * 60
              >= {t["service_slow_requests_per_minute"]}
            """,
            lasting="30s",
            layer="cause",
            severity="page",
            summary="A service answers slowly",
            description="{{ $labels.service }}: {{ $value | humanizePercentage }} of the requests of the last "
            "minute took longer than "
            "the limit.",
            dashboard="service",
        ),
        describer.alert(
            "ServiceSaturated",
            f"process:cpu_cores:rate1m > {t['service_cpu_cores']}",
            lasting="30s",
            layer="cause",
            severity="page",
            summary="A service has no processor time left",
            description="{{ $labels.process }} of {{ $labels.service }} uses {{ $value | humanize }} cores; it "
            "can use one.",
            dashboard="service",
            logs=process_logs,
        ),
        describer.alert(
            "ServiceMemoryHigh",
            f'process_resident_memory_bytes{{job="django"}} > {t["service_memory_bytes"]}',
            lasting="30s",
            layer="cause",
            severity="page",
            summary="A service takes more memory than it is planned with",
            description="{{ $labels.process }} of {{ $labels.service }} takes {{ $value | humanize1024 }}B.",
            dashboard="service",
            logs=process_logs,
        ),
        describer.alert(
            "ServiceMemoryGrowing",
            f"""
            process_resident_memory_bytes{{job="django"}}
              - min_over_time(process_resident_memory_bytes{{job="django"}}[5m]) > {t["service_memory_growth_bytes"]}
            and on (job, instance) time() - process_start_time_seconds{{job="django"}} > 120
            and on (job, instance) delta(process_resident_memory_bytes{{job="django"}}[1m])
              > {t["service_memory_growth_bytes"]} / 10
            """,
            lasting="30s",
            layer="cause",
            severity="ticket",
            summary="A service's memory grows and grows",
            description="{{ $labels.process }} of {{ $labels.service }} has taken {{ $value | humanize1024 }}B "
            "more within five minutes.",
            dashboard="service",
            logs=process_logs,
        ),
        describer.alert(
            "ServiceVersionRegression",
            f"""
            service_version:http_errors:ratio_rate2m
              - on (service) group_left ()
                (max by (service) (service_version:http_errors:ratio_rate2m offset 10m)
                  or 0 * group by (service) (service_version:http_requests:rate2m offset 10m))
              > {t["version_error_ratio"]}
            and service_version:http_requests:rate2m * 120 * service_version:http_errors:ratio_rate2m
              >= {t["service_errors_per_minute"]}
            unless (service_version:http_requests:rate2m offset 10m)
            and on (service) (service_version:http_requests:rate2m offset 10m)
            """,
            lasting="15s",
            layer="cause",
            severity="page",
            summary="A new version fails more than the one before",
            description="{{ $labels.service }} {{ $labels.version }}: {{ $value | humanizePercentage }} more of "
            "its requests fail than "
            "did ten minutes ago with another version.",
            dashboard="service",
            logs='service.name:"{{ $labels.service }}" and service.version:"{{ $labels.version }}" and log.level:error',
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
            summary="A service refuses the access tokens it is shown",
            description="{{ $labels.service }} answered {{ $value | humanizePercentage }} of the requests with 401.",
            dashboard="service",
            root="users",
            logs='service.name:"{{ $labels.service }}" and http.response.status_code:401',
        ),
    ]
    return Group("services", tuple(rules))
