"""The pipelines that alerts, dashboards, traces and logs stand on."""

from __future__ import annotations

from catalogue import Catalogue

from alerts.generator.describe import Describer, Subject
from alerts.generator.model import Alert, Group, Record, Severity
from alerts.generator.thresholds import Thresholds

WATCHDOG = "Watchdog"
JUST_STARTED = "AlertingJustStarted"
PLATFORM = "platform"
SEVERITIES: dict[str, Severity] = {"ScrapingBroken": "page", JUST_STARTED: "info"}
KEPT = {
    # What they explain at the services is judged over a minute, and outlasts their end.
    **dict.fromkeys(("ElasticsearchDown", "ElasticsearchReadOnly", "JaegerDown"), "90s"),
    # What it holds back fires for 75 s longer than it is true.
    JUST_STARTED: "80s",
}


def recorded() -> Group:
    """What each service made of spans and lines, and what arrived."""
    rules = (
        Record(
            "service:telemetry_items:rate1m",
            "sum by (service, signal, result, reason) (rate(telemetry_items_total[1m]))",
        ),
        Record(
            "service:spans_received:rate2m",
            "sum by (service) (\n"
            '  label_replace(rate(traces_span_metrics_calls_total[2m]), "service", "$1", "service_name", "(.*)"))',
        ),
        Record(
            "service:log_lag_seconds",
            "time() - max by (service) (log_pipeline_newest_timestamp_seconds)",
        ),
        Record(
            "family:series:max",
            "max by (service, process) (\n"
            '  count by (service, process, __name__) ({job="django", __name__=~".+_(count|total)"}))',
        ),
    )
    return Group("telemetry-recorded", rules, interval="10s")


def alerts(catalogue: Catalogue, describer: Describer, t: Thresholds) -> Group:
    """Dead or lossy pipelines. None of them hurts users, so they are tickets, but for total blindness."""

    def telemetry(
        name: str,
        expr: str,
        lasting: str,
        summary: str,
        description: str,
        *,
        root: str,
        logs: str = "",
        each_service: bool = False,
    ) -> Alert:
        # Where the expression has a series for each service, overwriting that label would make them one.
        keeps_service = each_service or root.startswith("{{")
        alert = describer.alert(
            name,
            expr,
            lasting=lasting,
            layer="telemetry",
            severity=SEVERITIES.get(name, "ticket"),
            summary=summary,
            description=description,
            about=Subject(
                "telemetry",
                root=root,
                labels={} if keeps_service else {"service": root},
                logs=logs or f'process.name:"{root}"',
                traces="{{ $labels.service }}" if keeps_service else "orders",
            ),
        )
        return alert.kept(KEPT.get(name, ""))

    own = "{{ $labels.service }}"
    own_logs = 'service.name:"{{ $labels.service }}"'
    processes = "|".join(process.name for process in catalogue.processes())
    rules = [
        Alert(
            WATCHDOG,
            "vector(1)",
            "0s",
            labels={"layer": "telemetry", "severity": "info", "team": PLATFORM, "root_service": "prometheus"},
            annotations={
                "summary": "Always firing: its silence is the alert",
                "description": "Goes to the watchdog all the time, which raises an alarm of its own when it stops.",
                **{
                    key: value
                    for key, value in telemetry(
                        "Watchdog", "vector(1)", "0s", "", "", root="prometheus"
                    ).annotations.items()
                    if key.endswith("_url")
                },
            },
        ),
        telemetry(
            JUST_STARTED,
            f'time() - process_start_time_seconds{{job="prometheus"}} < {t["starting_grace_seconds"]}',
            "0s",
            "Prometheus has just started",
            "{{ $value | humanizeDuration }} ago. What has not been seen alive yet may be on its way up: that it is "
            "down is told of afterwards.",
            root="prometheus",
        ),
        telemetry(
            "ScrapingBroken",
            'avg(up{job!="prometheus"}) < 0.1',
            "20s",
            "Prometheus reaches nearly nothing",
            "{{ $value | humanizePercentage }} of the targets answer. Either everything is down or Prometheus is "
            "cut off; other alerts "
            "can't be trusted.",
            root="prometheus",
        ),
        telemetry(
            "ScrapeFailing",
            'up{job!~"django|rabbitmq|jaeger|toxiproxy"} == 0',
            "1m",
            "A target can't be scraped",
            "{{ $labels.job }} at {{ $labels.instance }} doesn't answer.",
            root="prometheus",
        ),
        telemetry(
            "ServiceScrapeFailing",
            """
            up{job="django"} == 0
            and on (service, process) process:served_spans:increase15s > 0
            """,
            "30s",
            "A service answers, and its metrics can't be scraped",
            "{{ $labels.process }} of {{ $labels.service }} serves requests: only its metrics are missing, and every "
            "alert that is made of them.",
            root=own,
            logs=own_logs,
        ),
        telemetry(
            "TargetMissing",
            f'count(up{{job="django", process=~"{processes}"}}) < {len(list(catalogue.processes()))}',
            "1m",
            "A process of the catalogue isn't scraped at all",
            "Prometheus has {{ $value }} targets of the catalogue's "
            + str(len(list(catalogue.processes())))
            + " processes.",
            root="prometheus",
        ),
        telemetry(
            "SpansMissing",
            f"""
            service:http_requests:rate1m > {t["telemetry_requests_per_second"]}
            unless on (service) service:spans_received:rate2m > 0
            """,
            "1m",
            "A service answers requests and no span of it arrives",
            "{{ $labels.service }}: {{ $value | humanize }} requests a second, no span for two minutes.",
            root=own,
            logs=own_logs,
        ),
        telemetry(
            "LogLinesMissing",
            f"""
            service:http_requests:rate1m > {t["telemetry_requests_per_second"]}
            unless on (service) sum by (service) (service:telemetry_items:rate1m{{signal="logs", result="made"}}) > 0
            """,
            "1m",
            "A service answers requests and writes no log lines",
            "{{ $labels.service }}: {{ $value | humanize }} requests a second, no line for a minute.",
            root=own,
            logs=own_logs,
        ),
        telemetry(
            "TelemetryLost",
            f"""
            sum by (service, signal, reason) (service:telemetry_items:rate1m{{result="lost"}}) * 60
              >= {t["telemetry_lost_items_per_minute"]}
            """,
            "30s",
            "A service drops telemetry",
            "{{ $labels.service }} loses {{ $value | humanize }} {{ $labels.signal }} a minute, reason: "
            "{{ $labels.reason }}.",
            root=own,
            logs=own_logs,
        ),
        telemetry(
            "LogLag",
            f"""
            service:log_lag_seconds > {t["log_lag_seconds"]}
            and on (service) sum by (service) (service:telemetry_items:rate1m{{signal="logs", result="made"}}) > 0
            """,
            "20s",
            "A service's log lines don't reach the search",
            "{{ $labels.service }}: the newest line is {{ $value | humanizeDuration }} old, while it goes on writing.",
            root="rsyslog",
            each_service=True,
        ),
        telemetry(
            "LogShipperQueue",
            "max by (job) (log_shipper_queue_size) > 1000",
            "1m",
            "The log shipper's queue fills",
            "{{ $value }} lines wait to be shipped.",
            root="rsyslog",
        ),
        telemetry(
            "ElasticsearchDown",
            "elasticsearch_up == 0",
            "20s",
            "Elasticsearch is down",
            "Elasticsearch doesn't answer: log lines queue at the shipper, spans are lost, nothing can be searched.",
            root="elasticsearch",
        ),
        telemetry(
            "ElasticsearchReadOnly",
            "elasticsearch_read_only_indices > 0",
            "20s",
            "Elasticsearch refuses writes",
            "{{ $value }} indices are read-only: the disk was too full, or somebody blocked them.",
            root="elasticsearch",
        ),
        telemetry(
            "ElasticsearchDiskFull",
            f"elasticsearch_disk_used_ratio > {t['elasticsearch_disk_ratio']}",
            "1m",
            "Elasticsearch's disk is nearly full",
            "{{ $value | humanizePercentage }} of the disk is used.",
            root="elasticsearch",
        ),
        telemetry(
            "JaegerDown",
            'up{job="jaeger"} == 0',
            "20s",
            "Jaeger is down",
            "Jaeger doesn't answer: services keep what they can of their spans for a while, then drop them.",
            root="jaeger",
        ),
        telemetry(
            "JaegerDropping",
            """
            sum by (job) (rate(otelcol_exporter_send_failed_spans_total[1m])
              or rate(otelcol_receiver_refused_spans_total[1m])
              or rate(jaeger_storage_bulk_index_errors_total[1m])) > 0
            """,
            "30s",
            "Jaeger drops spans",
            "{{ $value | humanize }} spans a second are refused or can't be stored.",
            root="jaeger",
        ),
        telemetry(
            "CardinalityNearCap",
            f"family:series:max > {t['cardinality_ratio']} * {t['series_limit']}",
            "1m",
            "A metric family is about to reach its limit of series",
            "{{ $labels.process }}: a family has {{ $value }} series of " + t["series_limit"] + ".",
            root=own,
            logs=own_logs,
        ),
        telemetry(
            "RuleEvaluationFailing",
            "sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[5m])) > 0",
            "0s",
            "An alerting or recording rule can't be evaluated",
            "{{ $labels.rule_group }}: {{ $value | humanize }} failures in five minutes.",
            root="prometheus",
        ),
        telemetry(
            "NotificationsFailing",
            f"""
            sum by (integration) (increase(alertmanager_notifications_failed_total[5m]))
              >= {t["notifications_failed_in_five_minutes"]}
            or sum by (integration) (increase(prometheus_notifications_dropped_total[5m]))
              >= {t["notifications_failed_in_five_minutes"]}
            """,
            "0s",
            "Notifications don't get out",
            "{{ $value | humanize }} notifications failed within five minutes ({{ $labels.integration }}).",
            root="alertmanager",
        ),
        telemetry(
            "ConfigurationRejected",
            "prometheus_config_last_reload_successful == 0 or alertmanager_config_last_reload_successful == 0",
            "30s",
            "Prometheus or Alertmanager refused its configuration",
            "{{ $labels.job }} runs with an older configuration than the one on disk.",
            root="prometheus",
        ),
    ]
    return Group("telemetry", tuple(rules))
