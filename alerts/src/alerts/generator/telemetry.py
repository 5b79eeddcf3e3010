"""The pipelines that alerts, dashboards, traces and logs depend on."""

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
    # The alerts on services that they explain look back a minute, and so end later.
    **dict.fromkeys(("ElasticsearchDown", "ElasticsearchReadOnly", "JaegerDown"), "90s"),
    # The alerts that it inhibits keep firing for 75 s.
    JUST_STARTED: "80s",
}


def recorded() -> Group:
    """Spans and log lines that each service produced, and those that arrived."""
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
    """Dead or lossy pipelines: tickets, since users are not affected. ScrapingBroken pages, since alerting is blind."""

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
        # When the expression has a series per service, overwriting the label would merge them.
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
                "summary": "Always firing: its absence is the alert",
                "description": "Sent to the watchdog continuously, which raises a notification of its own "
                "when it stops.",
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
            "Prometheus started {{ $value | humanizeDuration }} ago. Targets that haven't been up yet may still be "
            "starting: notifications that they are down are held back for now.",
            root="prometheus",
        ),
        telemetry(
            "ScrapingBroken",
            'avg(up{job!="prometheus"}) < 0.1',
            "20s",
            "Prometheus can reach almost no targets",
            "{{ $value | humanizePercentage }} of the targets respond. "
            "Either everything is down or Prometheus is cut off; other alerts can't be trusted.",
            root="prometheus",
        ),
        telemetry(
            "ScrapeFailing",
            'up{job!~"django|rabbitmq|jaeger|toxiproxy|errors"} == 0',
            "1m",
            "A target can't be scraped",
            "{{ $labels.job }} at {{ $labels.instance }} doesn't respond.",
            root="prometheus",
        ),
        telemetry(
            "ServiceScrapeFailing",
            """
            up{job="django"} == 0
            and on (service, process) process:served_spans:increase15s > 0
            """,
            "30s",
            "A service responds but its metrics can't be scraped",
            "{{ $labels.process }} of {{ $labels.service }} serves requests, but its metrics are missing, "
            "and with them every alert that is based on them.",
            root=own,
            logs=own_logs,
        ),
        telemetry(
            "TargetMissing",
            f'count(up{{job="django", process=~"{processes}"}}) < {len(list(catalogue.processes()))}',
            "1m",
            "A process of the catalogue isn't scraped",
            "Prometheus has {{ $value }} targets for the catalogue's "
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
            "A service serves requests but none of its spans arrive",
            "{{ $labels.service }}: {{ $value | humanize }} requests per second, but no span for two minutes.",
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
            "A service serves requests but writes no log lines",
            "{{ $labels.service }}: {{ $value | humanize }} requests per second, but no log line for a minute.",
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
            "{{ $labels.service }} loses {{ $value | humanize }} {{ $labels.signal }} per minute, "
            "reason: {{ $labels.reason }}.",
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
            "A service's log lines don't reach Elasticsearch",
            "{{ $labels.service }} writes log lines, but the newest one in Elasticsearch "
            "is {{ $value | humanizeDuration }} old.",
            root="rsyslog",
            each_service=True,
        ),
        telemetry(
            "LogShipperQueue",
            "max by (job) (log_shipper_queue_size) > 1000",
            "1m",
            "The log shipper's queue is filling up",
            "{{ $value }} log lines wait to be shipped.",
            root="rsyslog",
        ),
        # Without a drill: where lines arrived before, LogLag is first and inhibits it. It is for those that never did.
        telemetry(
            "LogsNotShipped",
            f"""
            sum(service:telemetry_items:rate1m{{signal="logs", result="made"}}) > 0
            unless on () sum(rate(log_shipper_delivered_total[{t["logs_not_shipped_seconds"]}s])) > 0
            unless on () up{{job="log-pipeline"}} == 0
            """,
            "1m",
            "The log shipper delivers nothing",
            "Services write {{ $value | humanize }} log lines per second, and the shipper has delivered none "
            "for 2 minutes.",
            root="rsyslog",
        ),
        telemetry(
            "ElasticsearchDown",
            "elasticsearch_up == 0",
            "20s",
            "Elasticsearch is down",
            "Elasticsearch doesn't respond: log lines queue at the shipper, spans are lost, search is unavailable.",
            root="elasticsearch",
        ),
        telemetry(
            "ElasticsearchReadOnly",
            "elasticsearch_read_only_indices > 0",
            "20s",
            "Elasticsearch rejects writes",
            "{{ $value }} indices are read-only: the disk was too full, or an operator blocked writes.",
            root="elasticsearch",
        ),
        telemetry(
            "ElasticsearchDiskFull",
            f"elasticsearch_disk_used_ratio > {t['elasticsearch_disk_ratio']}",
            "1m",
            "Elasticsearch's disk is nearly full",
            "{{ $value | humanizePercentage }} of Elasticsearch's disk is in use.",
            root="elasticsearch",
        ),
        telemetry(
            "JaegerDown",
            'up{job="jaeger"} == 0',
            "20s",
            "Jaeger is down",
            "Jaeger doesn't respond: services buffer spans for a while, then drop them.",
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
            "{{ $value | humanize }} spans per second are refused or can't be stored.",
            root="jaeger",
        ),
        telemetry(
            "ErrorReceiverDown",
            'up{job="errors"} == 0',
            "30s",
            "The receiver of errors is down",
            "The receiver of errors doesn't respond: services keep a few errors, then drop them.",
            root="error-receiver",
        ),
        telemetry(
            "ErrorsLost",
            "sum by (job, reason) (increase(error_events_lost_total[5m])) > 0",
            "0s",
            "Errors are lost on their way into the store",
            "{{ $value | humanize }} error events of the last five minutes are not stored, "
            "reason: {{ $labels.reason }}.",
            root="error-receiver",
        ),
        telemetry(
            "CardinalityNearCap",
            f"family:series:max > {t['cardinality_ratio']} * {t['series_limit']}",
            "1m",
            "A metric family is close to its series limit",
            "{{ $labels.process }}: a metric family has {{ $value }} of at most " + t["series_limit"] + " series.",
            root=own,
            logs=own_logs,
        ),
        telemetry(
            "RuleEvaluationFailing",
            "sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[5m])) > 0",
            "0s",
            "An alerting or recording rule can't be evaluated",
            "{{ $labels.rule_group }}: {{ $value | humanize }} failed evaluations in the last five minutes.",
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
            "Notifications can't be delivered",
            "{{ $value | humanize }} notifications failed in the last five minutes ({{ $labels.integration }}).",
            root="alertmanager",
        ),
        telemetry(
            "ConfigurationRejected",
            "prometheus_config_last_reload_successful == 0 or alertmanager_config_last_reload_successful == 0",
            "30s",
            "Prometheus or Alertmanager rejected its configuration",
            "{{ $labels.job }} still runs an older configuration than the one on disk.",
            root="prometheus",
        ),
    ]
    return Group("telemetry", tuple(rules))
