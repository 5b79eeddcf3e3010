"""The health of telemetry: spans, log lines, samples and errors that services produced, and those that arrived."""

from __future__ import annotations

from dashboards.builder import links, variables
from dashboards.builder.board import Board, Section
from dashboards.builder.panels import AnyPanel, Column, bars, grid, number, series
from dashboards.builder.queries import RANGE, LogCount, now, per_second, promql, rows
from dashboards.builder.thresholds import ANY, UP, above, limit

UID = "platform-telemetry"

CHOSEN = 'job="django", service=~"$service"'
ITEMS = "telemetry_items_total"

LOGS = links.logs("service.name:(${service:lucene})")
SERVICE = links.board("platform-service", "Service", "service")
JAEGER_LOGS = links.logs('process.name:"jaeger"', "Logs of Jaeger")
SHIPPER_LOGS = links.logs('process.name:"rsyslog"', "Logs of the log shipper")
ELASTICSEARCH_LOGS = links.logs('process.name:"elasticsearch"', "Logs of Elasticsearch")
PROMETHEUS_LOGS = links.logs('process.name:"prometheus"', "Logs of Prometheus")
ALERTMANAGER_LOGS = links.logs('process.name:"alertmanager"', "Logs of Alertmanager")
OF_SERIES = [
    links.traces(),
    links.logs_of_series(),
    links.board("platform-service", "Service", service=links.SERVICE_OF_SERIES),
]


def board() -> Board:
    return Board(
        uid=UID,
        title="Platform / Telemetry health",
        description="Spans, log lines, samples and errors that services produced, delivered and lost, with the reason.",
        variables=[variables.service()],
        sections=[
            Section("Current state", _now()),
            Section("Delivery", _items()),
            Section("Spans", _spans()),
            Section("Log lines", _lines()),
            Section("Errors", _errors()),
            Section("Metrics", _metrics()),
            Section("Alerting", _alerting()),
            Section("Cost of telemetry", _cost()),
        ],
    )


def _now() -> list[AnyPanel]:
    up = {"0": "down", "1": "up"}
    return [
        number(
            "Targets down",
            "Targets that did not respond to Prometheus's last scrape.",
            [now("count(up == 0) or vector(0)", "down")],
            unit="short",
            links=[links.runbook("ScrapeFailing"), links.runbook("ScrapingBroken"), PROMETHEUS_LOGS],
            thresholds=ANY,
        ),
        number(
            "Jaeger status",
            "Whether Jaeger responded to the last metrics scrape.",
            [now('min(up{job="jaeger"})', "Jaeger")],
            unit="bool_on_off",
            links=[links.runbook("JaegerDown"), JAEGER_LOGS],
            thresholds=UP,
            names=up,
        ),
        number(
            "Elasticsearch status",
            "Whether Elasticsearch, which stores traces and logs, responded to its exporter.",
            [now("min(elasticsearch_up)", "Elasticsearch")],
            unit="bool_on_off",
            links=[links.runbook("ElasticsearchDown"), ELASTICSEARCH_LOGS],
            thresholds=UP,
            names=up,
        ),
        number(
            "Log lag",
            "Age of the newest searchable log line of the service that lags most. "
            "Even idle services log their health checks.",
            [now('max(service:log_lag_seconds{service=~"$service"})', "worst")],
            unit="s",
            links=[links.runbook("LogLag"), SHIPPER_LOGS],
            thresholds=above("log_lag_seconds"),
        ),
        number(
            "Telemetry lost",
            "Spans, log lines and errors that services dropped in the time range, for any reason. Normally zero.",
            [now(f'sum(increase({ITEMS}{{{CHOSEN}, result="lost"}}[$__range])) or vector(0)', "items")],
            unit="short",
            links=[links.runbook("TelemetryLost"), LOGS],
            thresholds=ANY,
            decimals=0,
        ),
        number(
            "Watchdog heartbeat age",
            "Seconds since Alertmanager's last heartbeat. Above the threshold the watchdog raises its own "
            "notification.",
            [now("max(watchdog_heartbeat_age_seconds)", "heartbeat")],
            unit="s",
            links=[links.runbook("Watchdog"), ALERTMANAGER_LOGS],
            thresholds=above("watchdog_silence_seconds"),
        ),
    ]


def _items() -> list[AnyPanel]:
    by = "service, signal"
    return [
        grid(
            "Items produced, delivered and lost",
            "Items produced and delivered per second, and items lost, over the time range. "
            "Produced equals delivered plus lost plus queued.",
            [
                rows(per_second(ITEMS, f'{CHOSEN}, result="made"', by, RANGE)),
                rows(per_second(ITEMS, f'{CHOSEN}, result="delivered"', by, RANGE)),
                rows(f'sum by ({by}) (increase({ITEMS}{{{CHOSEN}, result="lost"}}[$__range]))'),
            ],
            [
                Column("service", "Service", links=[links.traces("${__value.text}")]),
                Column("signal", "Signal"),
                Column("Value #A", "Produced", unit="ops", decimals=2),
                Column("Value #B", "Delivered", unit="ops", decimals=2),
                Column("Value #C", "Lost", decimals=0, thresholds=ANY),
            ],
            links=[links.runbook("TelemetryLost"), SERVICE],
            sort_by="Lost",
            width=12,
        ),
        series(
            "Loss rate by reason",
            "Items lost per second. queue_full: more than could be sent; export_failed: "
            "the backend did not accept it; shutdown: not sent within the last two seconds of a process; "
            "internal_error: a fault of the library, whose stack trace is in the service's log.",
            [
                promql(
                    per_second(ITEMS, f'{CHOSEN}, result="lost"', "service, signal, reason"),
                    "{{service}} {{signal}} {{reason}}",
                )
            ],
            unit="ops",
            links=[links.runbook("TelemetryLost"), LOGS],
            on_click=OF_SERIES,
            width=12,
            height=9,
        ),
        series(
            "Items produced by signal",
            "Items produced per second, for all selected services together.",
            [promql(per_second(ITEMS, f'{CHOSEN}, result="made"', "signal"), "{{signal}}")],
            unit="ops",
            links=[LOGS, SERVICE],
            width=12,
            height=7,
        ),
        series(
            "Export queue length",
            "Items that wait to be sent, per process. A growing queue means that a backend is slow or down.",
            [
                promql(
                    f"sum by (service, process, signal) (telemetry_queue_items{{{CHOSEN}}})", "{{process}} {{signal}}"
                )
            ],
            unit="short",
            links=[links.runbook("TelemetryLost"), LOGS],
            on_click=OF_SERIES,
            width=12,
            height=7,
        ),
    ]


def _spans() -> list[AnyPanel]:
    return [
        series(
            "Spans delivered and received",
            "Spans per second that services delivered and that Jaeger received (dashed). Both should be equal; "
            "delivered but not received points to Jaeger.",
            [
                promql(
                    'sum by (service) (service:telemetry_items:rate1m{service=~"$service", signal="traces",'
                    ' result="delivered"})',
                    "{{service}} delivered",
                ),
                promql('service:spans_received:rate2m{service=~"$service"}', "{{service}} received by Jaeger"),
            ],
            unit="ops",
            links=[links.runbook("SpansMissing"), JAEGER_LOGS],
            on_click=OF_SERIES,
            dashed=".* received by Jaeger",
            width=8,
        ),
        series(
            "Spans per request",
            "Spans produced per HTTP request. A sudden increase is a loop or duplicate instrumentation.",
            [
                promql(
                    """sum by (service)
                    (service:telemetry_items:rate1m{service=~"$service", signal="traces", result="made"})
                    / (service:http_requests:rate1m{service=~"$service"} > 0)""",
                    "{{service}}",
                )
            ],
            unit="short",
            links=[SERVICE, JAEGER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Jaeger throughput",
            "Spans per second that Jaeger accepted, refused, exported to storage or lost, "
            "and documents (spans and names of services and operations) that Elasticsearch stored or rejected "
            "(dashed).",
            [
                promql(per_second("otelcol_receiver_accepted_spans_total"), "accepted"),
                promql(per_second("otelcol_receiver_refused_spans_total") + " or vector(0)", "refused"),
                promql(per_second("otelcol_exporter_sent_spans_total"), "exported"),
                promql(per_second("otelcol_exporter_send_failed_spans_total") + " or vector(0)", "lost"),
                promql(per_second("jaeger_storage_bulk_index_inserts_total"), "documents stored"),
                promql(per_second("jaeger_storage_bulk_index_errors_total"), "documents rejected"),
            ],
            dashed="documents .*",
            unit="ops",
            links=[links.runbook("JaegerDropping"), JAEGER_LOGS],
            width=8,
        ),
    ]


def _lines() -> list[AnyPanel]:
    made = 'sum by (service) (service:telemetry_items:rate1m{service=~"$service", signal="logs", result="made"})'
    return [
        series(
            "Log lines written and indexed",
            "Log lines per second that services wrote and that a search finds for the last minute (dashed). "
            "Both should be equal.",
            [
                promql(made, "{{service}} written"),
                promql('sum by (service) (log_pipeline_recent_lines{service=~"$service"}) / 60', "{{service}} indexed"),
            ],
            unit="ops",
            links=[links.runbook("LogLinesMissing"), LOGS],
            on_click=OF_SERIES,
            dashed=".* indexed",
            width=8,
        ),
        series(
            "Log lag by service",
            "Age of each service's newest searchable log line. The dashed line is the alert's threshold.",
            [promql('service:log_lag_seconds{service=~"$service"}', "{{service}}")],
            unit="s",
            links=[links.runbook("LogLag"), SHIPPER_LOGS],
            on_click=OF_SERIES,
            thresholds=above("log_lag_seconds"),
            width=8,
        ),
        series(
            "Log shipper queue length",
            "Lines in the shipper's queues. They grow while Elasticsearch is unavailable, "
            "and spill to disk before anything is lost.",
            [promql("max by (queue) (log_shipper_queue_size)", "{{queue}}")],
            unit="short",
            links=[links.runbook("LogShipperQueue"), SHIPPER_LOGS],
            width=8,
        ),
        series(
            "Log shipper throughput",
            "Lines per second processed by each of the shipper's actions, and failures (dashed).",
            [
                promql(per_second("log_shipper_processed_total", "", "action"), "{{action}}"),
                promql(per_second("log_shipper_failed_total", "", "action"), "{{action}} failed"),
            ],
            unit="ops",
            links=[links.runbook("LogShipperQueue"), SHIPPER_LOGS],
            dashed=".* failed",
            width=8,
        ),
        series(
            "Indexed log lines by service",
            "Log lines that Elasticsearch holds for the time range, by service.",
            [LogCount("service.name:*", by=("service.name",))],
            unit="short",
            links=[links.logs("service.name:*", "All log lines"), ELASTICSEARCH_LOGS],
            stacked=True,
            width=8,
        ),
        series(
            "Elasticsearch disk usage",
            "Share of the disk in use, and the number of read-only indices (dashed). "
            "The dashed threshold is the alert's; at 95 % Elasticsearch makes its indices read-only.",
            [
                promql("max(elasticsearch_disk_used_ratio)", "disk used"),
                promql("max(elasticsearch_read_only_indices)", "read-only indices"),
            ],
            unit="percentunit",
            links=[links.runbook("ElasticsearchDiskFull"), links.runbook("ElasticsearchReadOnly"), ELASTICSEARCH_LOGS],
            thresholds=above("elasticsearch_disk_ratio"),
            dashed="read-only indices",
            width=8,
        ),
    ]


def _errors() -> list[AnyPanel]:
    reported = 'sum(service:telemetry_items:rate1m{signal="errors", result="made"})'
    return [
        series(
            "Errors reported and stored",
            "Error events per second that services reported, that the receiver accepted, and that Elasticsearch stored "
            "(dashed).",
            [
                promql(f"{reported} or vector(0)", "reported"),
                promql(per_second("error_events_received_total"), "accepted"),
                promql(per_second("error_events_stored_total"), "stored"),
            ],
            unit="ops",
            links=[links.logs("error.type:*", "Log lines with an error"), ELASTICSEARCH_LOGS],
            dashed="stored",
            width=8,
        ),
        series(
            "Errors lost or refused",
            "Error events per second that the receiver could not store, and requests that it refused (dashed), "
            "by reason.",
            [
                promql(per_second("error_events_lost_total", "", "reason"), "{{reason}}"),
                promql(per_second("error_requests_refused_total", "", "reason"), "{{reason}} refused"),
            ],
            unit="ops",
            links=[links.runbook("ErrorsLost"), links.runbook("ErrorReceiverDown"), ELASTICSEARCH_LOGS],
            dashed=".* refused",
            width=8,
        ),
        series(
            "Errors waiting",
            "Error events in the receiver's queue. They wait while Elasticsearch is unavailable; "
            "when the queue is full, further errors are lost.",
            [promql("max(error_queue_events)", "waiting")],
            unit="short",
            links=[links.runbook("ElasticsearchDown"), ELASTICSEARCH_LOGS],
            width=8,
        ),
    ]


def _metrics() -> list[AnyPanel]:
    return [
        series(
            "Series of the largest metric family",
            f"Series of the largest family of each process. Beyond {limit('series_limit'):g}, "
            "new label values share one overflow series. The dashed line is the alert's threshold.",
            [promql('family:series:max{service=~"$service"}', "{{process}}")],
            unit="short",
            links=[links.runbook("CardinalityNearCap"), SERVICE],
            on_click=OF_SERIES,
            thresholds=above("cardinality_ratio", factor=limit("series_limit")),
            width=8,
        ),
        series(
            "Series by service",
            "Samples per scrape, summed over the service's processes. "
            "A service that only rises has a label with too many values.",
            [promql(f"sum by (service) (scrape_samples_scraped{{{CHOSEN}}})", "{{service}}")],
            unit="short",
            links=[links.runbook("CardinalityNearCap"), SERVICE],
            on_click=OF_SERIES,
            stacked=True,
            width=8,
        ),
        series(
            "Series overflow rate",
            "Observations per second that exceeded their family's series limit, by family. "
            "The family's metrics are no longer reliable.",
            [
                promql(
                    per_second("telemetry_series_overflow_total", CHOSEN, "service, family")
                    + f" or 0 * sum by (service) (up{{{CHOSEN}}})",
                    "{{service}} {{family}}",
                )
            ],
            unit="ops",
            links=[links.runbook("CardinalityNearCap"), SERVICE],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Scrape duration",
            "Time to fetch each target's metrics. At the timeout (4 s) the target counts as down.",
            [promql("max by (job, process) (scrape_duration_seconds)", "{{job}} {{process}}")],
            unit="s",
            links=[links.runbook("ScrapeFailing"), PROMETHEUS_LOGS],
            width=8,
        ),
        series(
            "Prometheus series and ingestion",
            "Series in memory, and samples and exemplars appended per second.",
            [
                promql("max(prometheus_tsdb_head_series)", "series"),
                promql(per_second("prometheus_tsdb_head_samples_appended_total"), "samples/s"),
                promql(per_second("prometheus_tsdb_exemplar_exemplars_appended_total"), "exemplars/s"),
            ],
            unit="short",
            links=[PROMETHEUS_LOGS, links.runbook("CardinalityNearCap")],
            logarithmic=True,
            width=8,
        ),
        series(
            "Rule evaluation duration",
            "Duration of each rule group's last evaluation. "
            "The fast groups run every 5 s and have to stay far below that.",
            [promql(_by_group("topk(10, prometheus_rule_group_last_duration_seconds)"), "{{group}}")],
            unit="s",
            links=[links.runbook("RuleEvaluationFailing"), PROMETHEUS_LOGS],
            width=8,
        ),
    ]


def _by_group(expr: str) -> str:
    """The expression with a `group` label: the rule group's name without the path of its file."""
    return f'label_replace({expr}, "group", "$1", "rule_group", ".*;(.*)")'


def _alerting() -> list[AnyPanel]:
    return [
        series(
            "Rule evaluation failures",
            "Failed evaluations per second, by group. A failing rule can't alert.",
            [
                promql(
                    _by_group(per_second("prometheus_rule_evaluation_failures_total", by="rule_group") + " > 0")
                    + " or "
                    + per_second("prometheus_rule_evaluation_failures_total"),
                    "{{group}}",
                )
            ],
            unit="ops",
            links=[links.runbook("RuleEvaluationFailing"), PROMETHEUS_LOGS],
            width=8,
        ),
        series(
            "Notifications sent and failed",
            "Notifications per second by integration, and failures (dashed).",
            [
                promql(
                    per_second("alertmanager_notifications_total", 'integration="webhook"', "integration"),
                    "{{integration}}",
                ),
                promql(
                    per_second("alertmanager_notifications_failed_total", 'integration="webhook"', "integration"),
                    "{{integration}} failed",
                ),
                promql(per_second("prometheus_notifications_dropped_total"), "dropped by Prometheus"),
            ],
            unit="ops",
            links=[links.runbook("NotificationsFailing"), ALERTMANAGER_LOGS],
            dashed=".* failed",
            width=8,
        ),
        series(
            "Watchdog heartbeat age over time",
            "Seconds since the last heartbeat from Alertmanager, normally a sawtooth. "
            "Above the dashed line the watchdog raises its own notification, whether Prometheus, "
            "Alertmanager or the network failed.",
            [promql("max(watchdog_heartbeat_age_seconds)", "since the last heartbeat")],
            unit="s",
            links=[links.runbook("Watchdog"), ALERTMANAGER_LOGS],
            thresholds=above("watchdog_silence_seconds"),
            width=8,
        ),
    ]


def _cost() -> list[AnyPanel]:
    backends = 'job=~"prometheus|alertmanager|postgres|toxiproxy|log-pipeline|watchdog|errors"'
    return [
        series(
            "CPU usage of the backends",
            "CPU cores in use by Jaeger and by each backend that exports this metric.",
            [
                promql(per_second("otelcol_process_cpu_seconds_total"), "jaeger"),
                promql(per_second("process_cpu_seconds_total", backends, "job"), "{{job}}"),
            ],
            unit="cores",
            links=[JAEGER_LOGS, PROMETHEUS_LOGS],
            stacked=True,
            width=8,
        ),
        series(
            "Memory usage of the backends",
            "Resident memory of Jaeger and of each backend that exports this metric.",
            [
                promql("max(otelcol_process_memory_rss_bytes)", "jaeger"),
                promql(f"sum by (job) (process_resident_memory_bytes{{{backends}}})", "{{job}}"),
            ],
            unit="bytes",
            links=[JAEGER_LOGS, PROMETHEUS_LOGS],
            stacked=True,
            width=8,
        ),
        bars(
            "Telemetry per request",
            "Spans and log lines per HTTP request in the time range, including those of the service's workers.",
            [
                now(
                    f"""sum by (service, signal)
                    (rate({ITEMS}{{{CHOSEN}, signal=~"traces|logs", result="made"}}[$__range]))
                    / on (service) group_left () (sum by (service)
                    (rate(django_http_requests_latency_seconds_by_view_method_count{{{CHOSEN}}}[$__range])) > 0)""",
                    "{{service}} {{signal}}",
                )
            ],
            unit="short",
            links=[SERVICE, LOGS],
            width=8,
        ),
    ]
