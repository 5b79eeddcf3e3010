"""One service, or several side by side: request rate, errors, latency, dependencies, saturation and logs."""

from __future__ import annotations

from dashboards.builder import links, variables
from dashboards.builder.board import Board, Section
from dashboards.builder.panels import AnyPanel, Column, distribution, grid, lines, number, series
from dashboards.builder.queries import (
    RANGE,
    LogCount,
    LogLines,
    buckets,
    now,
    per_second,
    promql,
    quantiles,
    rows,
    with_exemplars,
)
from dashboards.builder.thresholds import UP, above, allowed

UID = "platform-service"

CALLED = 'job="django", dependency=~"$service"'
CHOSEN = 'job="django", service=~"$service", process=~"$process"'
# Health checks are not user traffic.
NOT_PROBES = 'view!~"contracts[.]api[.]health.*"'
REQUESTS = f"{CHOSEN}, {NOT_PROBES}"
LATENCY = "django_http_requests_latency_seconds_by_view_method"
RESPONSES = "django_http_responses_total_by_status_view_method_total"
EDGE = "dependency_call_duration_seconds"
LOG_FILTER = "service.name:(${service:lucene})"

LOGS = links.logs("service.name:(${service:lucene})")
ERROR_LOGS = links.logs('service.name:(${service:lucene}) and log.level:("error" or "critical")', "Error logs")
EDGES = links.board("platform-edges", "Edges", "service")
DATABASES = links.board("platform-databases", "Databases", "service")
MESSAGING = links.board("platform-messaging", "Messaging")
DJANGO = links.board("platform-django", "Django", "service", "process")
OF_SERIES = [links.traces(), links.failed_traces(), links.logs_of_series()]


def board() -> Board:
    return Board(
        uid=UID,
        title="Platform / Service",
        description="Request rate, errors, latency, dependencies, saturation and logs of one or more services.",
        variables=[variables.service(), variables.version(), variables.process()],
        sections=[
            Section("Summary of the time range", _now()),
            Section("Requests", _red()),
            Section("Dependencies", _dependencies()),
            Section("Saturation", _saturation()),
            Section("Comparison by version and with yesterday", _comparisons()),
            Section("Logs", _logs()),
        ],
    )


def _failing(status: str, window: str) -> str:
    """The share of responses with such a status by service; 0 for services with responses but none of these."""
    return f"""(sum by (service) (rate({RESPONSES}{{{REQUESTS}, {status}}}[{window}]))
        or 0 * sum by (service) (rate({RESPONSES}{{{REQUESTS}}}[{window}])))
        / (sum by (service) (rate({RESPONSES}{{{REQUESTS}}}[{window}])) > 0)"""


def _now() -> list[AnyPanel]:
    return [
        number(
            "Replicas up",
            "Share of the processes whose last scrape succeeded. Below 100 % a process is down or hangs.",
            [now(f"avg by (service) (up{{{CHOSEN}}})", "{{service}}")],
            unit="percentunit",
            links=[links.runbook("ServiceDown"), links.incidents()],
            on_click=OF_SERIES,
            thresholds=UP,
            width=6,
            height=6,
        ),
        number(
            "Throughput",
            "HTTP requests, RPCs and messages handled per second, averaged over the time range.",
            [
                now(
                    f"""sum by (service) (
                        rate({LATENCY}_count{{{REQUESTS}}}[$__range])
                        or rate(grpc_server_handled_total{{{CHOSEN}}}[$__range])
                        or rate(messaging_process_duration_seconds_count{{{CHOSEN}}}[$__range]))""",
                    "{{service}}",
                )
            ],
            unit="reqps",
            links=[EDGES, DJANGO],
            on_click=OF_SERIES,
            width=6,
            height=6,
        ),
        number(
            "Error ratio",
            "Share of responses with status 500 or above over the time range. "
            "Declined cards and invalid input are not errors.",
            [now(_failing('status=~"5.."', "$__range"), "{{service}}")],
            unit="percentunit",
            links=[links.runbook("ServiceErrors"), ERROR_LOGS],
            on_click=OF_SERIES,
            thresholds=allowed("service_error_ratio"),
            width=6,
            height=6,
        ),
        number(
            "Latency p95",
            "95th percentile of the duration of all HTTP requests in the time range.",
            [
                now(
                    f"histogram_quantile(0.95, sum by (service, le) (rate({LATENCY}_bucket{{{REQUESTS}}}[$__range])))",
                    "{{service}}",
                )
            ],
            unit="s",
            links=[LOGS],
            on_click=OF_SERIES,
            width=6,
            height=6,
        ),
    ]


def _red() -> list[AnyPanel]:
    return [
        series(
            "Request rate by status class",
            "HTTP requests per second. A drop in all classes is missing traffic; "
            "a rise in 4xx alone is a client problem or an API change; 5xx are errors of this service.",
            [
                promql(
                    f"""sum by (service, class) (label_replace(
                        rate({RESPONSES}{{{REQUESTS}}}[$__rate_interval]), "class", "${{1}}xx", "status", "(.).."))""",
                    "{{service}} {{class}}",
                )
            ],
            unit="reqps",
            links=[LOGS],
            on_click=OF_SERIES,
            stacked=True,
        ),
        series(
            "Error ratio by origin",
            "Status 500 is the service's own error; 502 to 504 are its responses when a dependency fails (dashed). "
            "The red line is the alert's threshold for own errors.",
            [
                promql(_failing('status=~"5..", status!~"50[234]"', "$__rate_interval"), "{{service}} own errors"),
                promql(_failing('status=~"50[234]"', "$__rate_interval"), "{{service}} dependency errors"),
            ],
            unit="percentunit",
            links=[links.runbook("ServiceErrors"), ERROR_LOGS, EDGES],
            on_click=OF_SERIES,
            thresholds=allowed("service_error_ratio"),
            dashed=".* dependency errors",
        ),
        series(
            "Latency p50, p95, p99",
            "Percentiles of the time from the first byte of the request to the last byte of the response. "
            "Points are exemplars: click one to open its trace.",
            quantiles(LATENCY, REQUESTS, ["service"]),
            unit="s",
            links=[LOGS],
            on_click=OF_SERIES,
        ),
        distribution(
            "Latency distribution",
            "Requests per second by duration. Two bands are two kinds of request, a rising band is saturation; "
            "percentiles hide both.",
            buckets(per_second(f"{LATENCY}_bucket", REQUESTS, "le")),
            unit="s",
            links=[LOGS],
        ),
        grid(
            "Routes",
            "Request rate, share of 5xx and p95 latency of each view and method over the time range.",
            [
                rows(per_second(RESPONSES, REQUESTS, "service, view, method", RANGE) + " > 0"),
                rows(
                    f"""sum by (service, view, method) (rate({RESPONSES}{{{REQUESTS}, status=~"5.."}}[$__range])
                    or 0 * rate({RESPONSES}{{{REQUESTS}}}[$__range]))
                    / (sum by (service, view, method) (rate({RESPONSES}{{{REQUESTS}}}[$__range])) > 0)"""
                ),
                rows(
                    f"""histogram_quantile(0.95, sum by (service, view, method, le)
                    (rate({LATENCY}_bucket{{{REQUESTS}}}[$__range])))"""
                ),
            ],
            [
                Column(
                    "service",
                    "Service",
                    links=[links.traces("${__value.text}"), links.failed_traces("${__value.text}")],
                ),
                Column("view", "View"),
                Column("method", "Method", width=90),
                Column("Value #A", "Rate", unit="reqps", decimals=2, width=110),
                Column(
                    "Value #B",
                    "Errors",
                    unit="percentunit",
                    thresholds=allowed("service_error_ratio"),
                    width=110,
                ),
                Column("Value #C", "p95", unit="s", width=110),
            ],
            links=[DJANGO, LOGS],
            sort_by="p95",
        ),
        series(
            "RPCs and messages handled",
            "gRPC calls per second by code, and messages per second by outcome.",
            [
                promql(
                    f"""sum by (service, grpc_method, grpc_code)
                    (rate(grpc_server_handled_total{{{CHOSEN}}}[$__rate_interval])) > 0""",
                    "{{service}} {{grpc_method}} {{grpc_code}}",
                ),
                promql(
                    f"""sum by (service, destination, outcome)
                    (rate(messaging_process_duration_seconds_count{{{CHOSEN}}}[$__rate_interval])) > 0""",
                    "{{service}} {{destination}} {{outcome}}",
                ),
            ],
            unit="ops",
            links=[EDGES, MESSAGING],
            on_click=OF_SERIES,
            width=24,
        ),
    ]


def _dependencies() -> list[AnyPanel]:
    return [
        series(
            "Dependency error ratio",
            "Share of calls with an error, a timeout, a refused connection or no time left, "
            "as measured by this service.",
            [
                promql(
                    f"""sum by (service, dependency) (rate({EDGE}_count{{{CHOSEN}, outcome!="ok"}}[$__rate_interval]))
                    / (sum by (service, dependency) (rate({EDGE}_count{{{CHOSEN}}}[$__rate_interval])) > 0)""",
                    "{{service}} → {{dependency}}",
                )
            ],
            unit="percentunit",
            links=[EDGES, links.runbook("EdgeErrors"), links.runbook("EdgeRefused"), links.runbook("EdgeTimeouts")],
            on_click=OF_SERIES,
            thresholds=allowed("edge_failure_ratio"),
        ),
        series(
            "Dependency latency p95",
            "95th percentile of calls as measured by this service, including network and retries. "
            "Points are exemplars: click one to open its trace.",
            quantiles(EDGE, f'{CHOSEN}, outcome=~"ok|timeout"', ["service", "dependency"], (0.95,)),
            unit="s",
            links=[EDGES, links.runbook("EdgeSlow")],
            on_click=OF_SERIES,
        ),
        series(
            "Failed calls by outcome",
            "Failed calls per second. refused: the callee is not listening. timeout: "
            "it is up but doesn't respond in time. rejected: not sent because the deadline had passed.",
            [
                promql(
                    per_second(f"{EDGE}_count", f'{CHOSEN}, outcome!="ok"', "service, dependency, outcome"),
                    "{{service}} → {{dependency}} {{outcome}}",
                )
            ],
            unit="ops",
            links=[EDGES, ERROR_LOGS],
            on_click=OF_SERIES,
            stacked=True,
        ),
        series(
            "Retry ratio",
            "Retries per original call. Retries hide faults from users but add load to a failing dependency.",
            [promql('edge:retries:ratio_rate1m{service=~"$service"}', "{{service}} → {{dependency}} {{protocol}}")],
            unit="percentunit",
            links=[EDGES, links.runbook("EdgeRetryAmplification")],
            on_click=OF_SERIES,
            thresholds=above("edge_retry_ratio"),
        ),
        grid(
            "Callers",
            "Call rate, error ratio and p95 latency as measured by this service's callers. "
            "If they are worse than the service's own, suspect the network or its request queue.",
            [
                rows(per_second(f"{EDGE}_count", CALLED, "service, dependency, protocol", RANGE) + " > 0"),
                rows(
                    f"""sum by (service, dependency, protocol)
                    (rate({EDGE}_count{{{CALLED}, outcome!="ok"}}[$__range]))
                    / (sum by (service, dependency, protocol)
                    (rate({EDGE}_count{{{CALLED}}}[$__range])) > 0)"""
                ),
                rows(
                    f"""histogram_quantile(0.95, sum by (service, dependency, protocol, le)
                    (rate({EDGE}_bucket{{{CALLED}, outcome=~"ok|timeout"}}[$__range])))"""
                ),
            ],
            [
                Column("service", "Caller", links=[links.traces("${__value.text}")]),
                Column("dependency", "Callee"),
                Column("protocol", "Protocol"),
                Column("Value #A", "Rate", unit="ops", decimals=2),
                Column("Value #B", "Errors", unit="percentunit", thresholds=allowed("edge_failure_ratio")),
                Column("Value #C", "p95", unit="s"),
            ],
            links=[EDGES],
            sort_by="Rate",
            height=6,
        ),
    ]


def _saturation() -> list[AnyPanel]:
    by_process = "{{process}}"
    return [
        series(
            "CPU usage",
            "CPU cores in use per replica. A replica is one Python process and can use at most one core.",
            [
                promql(
                    f"sum by (service, process) (rate(process_cpu_seconds_total{{{CHOSEN}}}[$__rate_interval]))",
                    by_process,
                )
            ],
            unit="cores",
            links=[links.runbook("ServiceSaturated"), LOGS],
            on_click=OF_SERIES,
            thresholds=above("service_cpu_cores"),
            width=8,
        ),
        series(
            "Memory usage",
            "Resident memory per replica. A line that rises until the next restart is a memory leak.",
            [promql(f"sum by (service, process) (process_resident_memory_bytes{{{CHOSEN}}})", by_process)],
            unit="bytes",
            links=[links.runbook("ServiceMemoryHigh"), links.runbook("ServiceMemoryGrowing"), LOGS],
            on_click=OF_SERIES,
            thresholds=above("service_memory_bytes"),
            width=8,
        ),
        series(
            "Restarts",
            "Restarts of each process. A deployment causes one; three within three minutes are a crash loop and page.",
            [
                promql(
                    f"sum by (service, process) (changes(process_start_time_seconds{{{CHOSEN}}}[$__rate_interval]))",
                    by_process,
                )
            ],
            unit="short",
            links=[links.runbook("ServiceRestarting"), ERROR_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Database connections in use",
            "Connections of the pool in use per replica, and the size of the pool (dashed).",
            [
                promql(
                    f'sum by (service, process) (db_pool_connections{{{CHOSEN}, state="used"}})', "{{process}} used"
                ),
                promql(f"max by (service) (db_pool_max_connections{{{CHOSEN}}})", "{{service}} size"),
            ],
            unit="short",
            links=[DATABASES, links.runbook("DatabasePoolWaiting")],
            on_click=OF_SERIES,
            dashed=".* size",
            width=8,
        ),
        series(
            "Connection wait time",
            "Mean time that a thread waits for a connection from the pool. It rises before errors occur.",
            [
                promql(
                    f"""sum by (service, process) (rate(db_pool_wait_seconds_total{{{CHOSEN}}}[$__rate_interval]))
                    / (sum by (service, process) (rate(db_pool_requests_total{{{CHOSEN}}}[$__rate_interval])) > 0)""",
                    by_process,
                )
            ],
            unit="s",
            links=[DATABASES, links.runbook("DatabasePoolWaiting")],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Threads waiting for a connection",
            "Threads that wait for a database connection at the time of the scrape. "
            "If the number stays above zero, the pool is too small or the database too slow.",
            [promql(f"sum by (service, process) (db_pool_requests_waiting{{{CHOSEN}}})", by_process)],
            unit="short",
            links=[DATABASES, links.runbook("DatabasePoolWaiting")],
            on_click=OF_SERIES,
            thresholds=above("pool_waiting_threads"),
            width=8,
        ),
        series(
            "Busy threads",
            "Average number of requests and RPCs in progress. A replica has eight threads; "
            "near eight, further requests wait in a queue that no metric of this service shows.",
            [
                promql(
                    per_second(
                        "django_http_requests_latency_including_middlewares_seconds_sum", CHOSEN, "service, process"
                    )
                    + " or "
                    + per_second("grpc_server_handling_seconds_sum", CHOSEN, "service, process"),
                    by_process,
                )
            ],
            unit="threads",
            links=[links.runbook("ServiceSaturated"), links.runbook("ServiceSlow"), LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Garbage collections",
            "Collections of the oldest generation per second, which are the expensive ones.",
            [
                promql(
                    per_second("python_gc_collections_total", f'{CHOSEN}, generation="2"', "service, process"),
                    by_process,
                )
            ],
            unit="ops",
            links=[DJANGO],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Open file descriptors",
            "Open files and sockets per replica, and the limit (dashed). A line that only rises is a connection leak.",
            [
                promql(f"sum by (service, process) (process_open_fds{{{CHOSEN}}})", by_process),
                promql(f"min by (service) (process_max_fds{{{CHOSEN}}})", "{{service}} limit"),
            ],
            unit="short",
            links=[LOGS],
            on_click=OF_SERIES,
            dashed=".* limit",
            logarithmic=True,
            width=8,
        ),
    ]


def _comparisons() -> list[AnyPanel]:
    with_version = "* on (job, instance) group_left (version) service_build_info"
    return [
        series(
            "Error ratio by version",
            "Share of responses with status 500 or above, by version. "
            "The alert compares a new version with the previous one.",
            [
                promql(
                    f"""sum by (service, version) ((rate({RESPONSES}{{{REQUESTS}, status=~"5.."}}[$__rate_interval])
                    or 0 * rate({RESPONSES}{{{REQUESTS}}}[$__rate_interval])) {with_version})
                    / (sum by (service, version)
                    (rate({RESPONSES}{{{REQUESTS}}}[$__rate_interval]) {with_version}) > 0)""",
                    "{{service}} {{version}}",
                )
            ],
            unit="percentunit",
            links=[links.runbook("ServiceVersionRegression"), ERROR_LOGS],
            on_click=OF_SERIES,
            thresholds=above("version_error_ratio"),
        ),
        series(
            "Latency p95 by version",
            "95th percentile of the request duration, by the version that served the request.",
            [
                promql(
                    f"""histogram_quantile(0.95, sum by (service, version, le)
                    (rate({LATENCY}_bucket{{{REQUESTS}}}[$__rate_interval]) {with_version}))""",
                    "{{service}} {{version}}",
                )
            ],
            unit="s",
            links=[links.runbook("ServiceVersionRegression"), LOGS],
            on_click=OF_SERIES,
        ),
        series(
            "Request rate compared with yesterday",
            "Requests per second, and the same 24 hours earlier (dashed). "
            "There is no dashed line if the platform was not running then.",
            [
                promql(per_second(f"{LATENCY}_count", REQUESTS, "service"), "{{service}}"),
                promql(
                    f"sum by (service) (rate({LATENCY}_count{{{REQUESTS}}}[$__rate_interval] offset 1d))",
                    "{{service}} yesterday",
                ),
            ],
            unit="reqps",
            links=[links.runbook("TrafficAbsent"), LOGS],
            on_click=OF_SERIES,
            dashed=".* yesterday",
        ),
        series(
            "Latency p95 compared with yesterday",
            "95th percentile of the request duration, and the same 24 hours earlier (dashed). "
            "There is no dashed line if the platform was not running then.",
            [
                with_exemplars(
                    promql(
                        f"histogram_quantile(0.95, sum by (service, le)"
                        f" (rate({LATENCY}_bucket{{{REQUESTS}}}[$__rate_interval])))",
                        "{{service}}",
                    )
                ),
                promql(
                    f"""histogram_quantile(0.95, sum by (service, le)
                    (rate({LATENCY}_bucket{{{REQUESTS}}}[$__rate_interval] offset 1d)))""",
                    "{{service}} yesterday",
                ),
            ],
            unit="s",
            links=[LOGS],
            on_click=OF_SERIES,
            dashed=".* yesterday",
        ),
    ]


def _logs() -> list[AnyPanel]:
    trace_of_line = links.trace("${__value.text}")
    return [
        series(
            "Log lines by level",
            "Errors that rise with a deployment point to it. "
            "If lines stop while requests continue, the log pipeline is broken.",
            [LogCount(LOG_FILTER, by=("log.level",))],
            unit="short",
            links=[LOGS, ERROR_LOGS],
            stacked=True,
            width=12,
        ),
        grid(
            "Most frequent errors",
            "The most frequent errors in the logs of the time range, by service, type and logger.",
            [
                LogCount(
                    f"{LOG_FILTER} AND log.level:(error OR critical)",
                    by=("service.name", "error.type", "log.logger"),
                    over_time=False,
                )
            ],
            [
                Column("service.name", "Service"),
                Column("error.type", "Error"),
                Column("log.logger", "Logger"),
                Column("Count", "Lines"),
            ],
            links=[ERROR_LOGS],
            sort_by="Lines",
            width=12,
            height=8,
        ),
        grid(
            "Failed requests",
            "The newest failed requests, RPCs and messages. Click a trace ID to open the trace.",
            [LogLines(f"{LOG_FILTER} AND log.level:error AND _exists_:trace.id", limit=50, raw=True)],
            [
                Column("@timestamp", "Time", width=190),
                Column("service.name", "Service", width=120),
                Column("message", "Message"),
                Column("error.type", "Error", width=180),
                Column("trace.id", "Trace", links=[trace_of_line], width=280),
            ],
            links=[ERROR_LOGS],
            sort_by="Time",
        ),
        lines(
            "Log lines",
            "The newest log lines of the selected services. The details of a line link to its trace.",
            LogLines(LOG_FILTER),
            links=[LOGS],
        ),
    ]
