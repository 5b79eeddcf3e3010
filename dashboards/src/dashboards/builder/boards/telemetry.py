"""Whether our own eyes are open: what each service made of spans, lines, samples and errors, and what arrived."""

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
JAEGER_LOGS = links.logs('process.name:"jaeger"', "Lines of Jaeger")
SHIPPER_LOGS = links.logs('process.name:"rsyslog"', "Lines of the shipper")
ELASTICSEARCH_LOGS = links.logs('process.name:"elasticsearch"', "Lines of Elasticsearch")
PROMETHEUS_LOGS = links.logs('process.name:"prometheus"', "Lines of Prometheus")
ALERTMANAGER_LOGS = links.logs('process.name:"alertmanager"', "Lines of Alertmanager")
OF_SERIES = [
    links.traces(),
    links.logs_of_series(),
    links.board("platform-service", "Service", service=links.SERVICE_OF_SERIES),
]


def board() -> Board:
    """The dashboard."""
    return Board(
        uid=UID,
        title="Platform / Telemetry health",
        description="What each service made of spans, log lines, samples and errors, what arrived, what was lost and"
        " why.",
        variables=[variables.service()],
        sections=[
            Section("Now", _now()),
            Section("Made, delivered, lost", _items()),
            Section("Spans", _spans()),
            Section("Log lines", _lines()),
            Section("Metrics", _metrics()),
            Section("Alerting", _alerting()),
            Section("What telemetry itself costs", _cost()),
        ],
    )


def _now() -> list[AnyPanel]:
    up = {"0": "down", "1": "up"}
    return [
        number(
            "Can everything be scraped?",
            "Targets that did not answer Prometheus at the last try.",
            [now("count(up == 0) or vector(0)", "down")],
            unit="short",
            links=[links.runbook("ScrapeFailing"), links.runbook("ScrapingBroken"), PROMETHEUS_LOGS],
            thresholds=ANY,
        ),
        number(
            "Is Jaeger there?",
            "Whether Jaeger's own metrics could be scraped.",
            [now('min(up{job="jaeger"})', "Jaeger")],
            unit="bool_on_off",
            links=[links.runbook("JaegerDown"), JAEGER_LOGS],
            thresholds=UP,
            names=up,
        ),
        number(
            "Is Elasticsearch there?",
            "Whether Elasticsearch answered the exporter; it keeps traces and logs.",
            [now("min(elasticsearch_up)", "Elasticsearch")],
            unit="bool_on_off",
            links=[links.runbook("ElasticsearchDown"), ELASTICSEARCH_LOGS],
            thresholds=UP,
            names=up,
        ),
        number(
            "How old is the newest log line?",
            "Age of the newest line that a search finds, for the service that is worst off. Services write all the"
            " time, if"
            " only since they are probed.",
            [now('max(service:log_lag_seconds{service=~"$service"})', "worst")],
            unit="s",
            links=[links.runbook("LogLag"), SHIPPER_LOGS],
            thresholds=above("log_lag_seconds"),
        ),
        number(
            "How much telemetry was lost?",
            "Spans, lines and errors that services dropped within the window, all reasons. None in health.",
            [now(f'sum(increase({ITEMS}{{{CHOSEN}, result="lost"}}[$__range])) or vector(0)', "items")],
            unit="short",
            links=[links.runbook("TelemetryLost"), LOGS],
            thresholds=ANY,
            decimals=0,
        ),
        number(
            "When did the Watchdog last hear of us?",
            "Seconds since the last heartbeat from Alertmanager. Beyond the threshold the watchdog raises an alarm of"
            " its own.",
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
            "What did each service make, deliver and lose?",
            "Items in a second over the window, by signal. Made is delivered plus lost plus what waits in the queue.",
            [
                rows(per_second(ITEMS, f'{CHOSEN}, result="made"', by, RANGE)),
                rows(per_second(ITEMS, f'{CHOSEN}, result="delivered"', by, RANGE)),
                rows(f'sum by ({by}) (increase({ITEMS}{{{CHOSEN}, result="lost"}}[$__range]))'),
            ],
            [
                Column("service", "Service", links=[links.traces("${__value.text}")]),
                Column("signal", "Signal"),
                Column("Value #A", "Made", unit="ops", decimals=2),
                Column("Value #B", "Delivered", unit="ops", decimals=2),
                Column("Value #C", "Lost", decimals=0, thresholds=ANY),
            ],
            links=[links.runbook("TelemetryLost"), SERVICE],
            sort_by="Lost",
            width=12,
        ),
        series(
            "What is lost, and why?",
            "Items lost in a second by signal and reason: queue_full is more than could be sent, export_failed a"
            " backend that"
            " did not take it, shutdown what a process could not send in its last two seconds.",
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
            "How many spans, lines and errors are made?",
            "Items made in a second by signal, all chosen services together.",
            [promql(per_second(ITEMS, f'{CHOSEN}, result="made"', "signal"), "{{signal}}")],
            unit="ops",
            links=[LOGS, SERVICE],
            width=12,
            height=7,
        ),
        series(
            "How full are the queues to the backends?",
            "Items that wait to be sent, in each process. A queue that grows is a backend that is slow or gone.",
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
            "Do a service's spans arrive?",
            "Spans in a second that services delivered, and that Jaeger derived metrics from (dashed). They run"
            " together;"
            " delivered without derived is Jaeger.",
            [
                promql(
                    'sum by (service) (service:telemetry_items:rate1m{service=~"$service", signal="traces",'
                    ' result="delivered"})',
                    "{{service}} delivered",
                ),
                promql('service:spans_received:rate2m{service=~"$service"}', "{{service}} seen by Jaeger"),
            ],
            unit="ops",
            links=[links.runbook("SpansMissing"), JAEGER_LOGS],
            on_click=OF_SERIES,
            dashed=".* seen by Jaeger",
            width=8,
        ),
        series(
            "How many spans does a request make?",
            "Spans made for each HTTP request. Many more than before is a loop, or instrumentation that doubled.",
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
            "What does Jaeger do with spans?",
            "Spans in a second that Jaeger accepted, refused, handed to storage or lost, and documents (spans, names"
            " of services and operations) that Elasticsearch stored or did not store (dashed).",
            [
                promql(per_second("otelcol_receiver_accepted_spans_total"), "accepted"),
                promql(per_second("otelcol_receiver_refused_spans_total") + " or vector(0)", "refused"),
                promql(per_second("otelcol_exporter_sent_spans_total"), "handed over"),
                promql(per_second("otelcol_exporter_send_failed_spans_total") + " or vector(0)", "lost"),
                promql(per_second("jaeger_storage_bulk_index_inserts_total"), "documents stored"),
                promql(per_second("jaeger_storage_bulk_index_errors_total"), "documents not stored"),
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
            "Do a service's lines arrive?",
            "Lines in a second that services wrote, and that a search finds of the last minute (dashed). They run"
            " together.",
            [
                promql(made, "{{service}} written"),
                promql('sum by (service) (log_pipeline_recent_lines{service=~"$service"}) / 60', "{{service}} found"),
            ],
            unit="ops",
            links=[links.runbook("LogLinesMissing"), LOGS],
            on_click=OF_SERIES,
            dashed=".* found",
            width=8,
        ),
        series(
            "How old is the newest line of each service?",
            "Seconds from a line's writing to its being found, at best. The dashed line is where the alert fires.",
            [promql('service:log_lag_seconds{service=~"$service"}', "{{service}}")],
            unit="s",
            links=[links.runbook("LogLag"), SHIPPER_LOGS],
            on_click=OF_SERIES,
            thresholds=above("log_lag_seconds"),
            width=8,
        ),
        series(
            "How many lines wait at the shipper?",
            "Length of the shipper's queues. It grows while Elasticsearch is away, and goes to disk before anything"
            " is lost.",
            [promql("max by (queue) (log_shipper_queue_size)", "{{queue}}")],
            unit="short",
            links=[links.runbook("LogShipperQueue"), SHIPPER_LOGS],
            width=8,
        ),
        series(
            "What does the shipper do with lines?",
            "Lines in a second that its actions processed, and that failed (dashed).",
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
            "How many lines does Elasticsearch hold, by service?",
            "Lines found in the window, by the service that wrote them.",
            [LogCount("service.name:*", by=("service.name",))],
            unit="short",
            links=[links.logs("service.name:*", "All lines"), ELASTICSEARCH_LOGS],
            stacked=True,
            width=8,
        ),
        series(
            "Has Elasticsearch room, and does it take writes?",
            "Share of its disk in use, and the number of indices that refuse writes (dashed). The dashed line is"
            " where the"
            " alert fires; at 95 % it turns read-only.",
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


def _metrics() -> list[AnyPanel]:
    return [
        series(
            "How near is a family to its limit of series?",
            f"Series of the largest family of each process; beyond {limit('series_limit'):g} further ones share one."
            " The dashed line is where the alert fires.",
            [promql('family:series:max{service=~"$service"}', "{{process}}")],
            unit="short",
            links=[links.runbook("CardinalityNearCap"), SERVICE],
            on_click=OF_SERIES,
            thresholds=above("cardinality_ratio", factor=limit("series_limit")),
            width=8,
        ),
        series(
            "How many series does each service have?",
            "Samples of each scrape, summed over the service's processes. One that climbs has a label with too many"
            " values.",
            [promql(f"sum by (service) (scrape_samples_scraped{{{CHOSEN}}})", "{{service}}")],
            unit="short",
            links=[links.runbook("CardinalityNearCap"), SERVICE],
            on_click=OF_SERIES,
            stacked=True,
            width=8,
        ),
        series(
            "Which observations went to an overflow series?",
            "Observations in a second that found their family full, by family. Its figures are no longer to be"
            " trusted.",
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
            "How long do scrapes take?",
            "Time to fetch each target's metrics. At the timeout (4 s) the target counts as down.",
            [promql("max by (job, process) (scrape_duration_seconds)", "{{job}} {{process}}")],
            unit="s",
            links=[links.runbook("ScrapeFailing"), PROMETHEUS_LOGS],
            width=8,
        ),
        series(
            "How much does Prometheus hold and take in?",
            "Series in memory, and samples and exemplars appended in a second.",
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
            "Are rules evaluated in time?",
            "Time that each rule group took at its last evaluation. Groups that watch fast run every 5 s: they must"
            " be far below.",
            [promql(_by_group("topk(10, prometheus_rule_group_last_duration_seconds)"), "{{group}}")],
            unit="s",
            links=[links.runbook("RuleEvaluationFailing"), PROMETHEUS_LOGS],
            width=8,
        ),
    ]


def _by_group(expr: str) -> str:
    """Prometheus names a group by its file's path as well; its own name is enough."""
    return f'label_replace({expr}, "group", "$1", "rule_group", ".*;(.*)")'


def _alerting() -> list[AnyPanel]:
    return [
        series(
            "Do rules fail?",
            "Failed evaluations in a second by group. A rule that fails watches nothing.",
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
            "Do notifications get out?",
            "Notifications in a second by way, and failed ones (dashed).",
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
            "Does the heartbeat come?",
            "Seconds since the watchdog last heard from Alertmanager: a saw tooth in health. Beyond the dashed line"
            " it raises"
            " its own alarm, whichever of Prometheus, Alertmanager or the way between died.",
            [promql("max(watchdog_heartbeat_age_seconds)", "since the last heartbeat")],
            unit="s",
            links=[links.runbook("Watchdog"), ALERTMANAGER_LOGS],
            thresholds=above("watchdog_silence_seconds"),
            width=8,
        ),
    ]


def _cost() -> list[AnyPanel]:
    backends = 'job=~"prometheus|alertmanager|postgres|toxiproxy|log-pipeline|watchdog"'
    return [
        series(
            "How much CPU do the telemetry backends use?",
            "Cores in use by Jaeger and by each backend that says so of itself.",
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
            "How much memory do the telemetry backends use?",
            "Resident memory of Jaeger and of each backend that says so of itself.",
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
            "How much telemetry does a request make?",
            "Spans and log lines made for each HTTP request of the window, with what workers make beside.",
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
