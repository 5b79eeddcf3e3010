"""One service, or several side by side: what its callers get, what it waits for, how full it is, what it says."""

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
from dashboards.builder.thresholds import UP, above

UID = "platform-service"

CALLED = 'job="django", dependency=~"$service"'
CHOSEN = 'job="django", service=~"$service", process=~"$process"'
# Probes are no user's requests.
NOT_PROBES = 'view!~"contracts[.]api[.]health.*"'
REQUESTS = f"{CHOSEN}, {NOT_PROBES}"
LATENCY = "django_http_requests_latency_seconds_by_view_method"
RESPONSES = "django_http_responses_total_by_status_view_method_total"
EDGE = "dependency_call_duration_seconds"
LOG_FILTER = "service.name:(${service:lucene})"

LOGS = links.logs("service.name:(${service:lucene})")
ERROR_LOGS = links.logs('service.name:(${service:lucene}) and log.level:("error" or "critical")', "Error lines")
EDGES = links.board("platform-edges", "Edges", "service")
DATABASES = links.board("platform-databases", "Databases", "service")
MESSAGING = links.board("platform-messaging", "Messaging")
DJANGO = links.board("platform-django", "Django", "service", "process")
OF_SERIES = [links.traces(), links.failed_traces(), links.logs_of_series()]


def board() -> Board:
    """The dashboard."""
    return Board(
        uid=UID,
        title="Platform / Service",
        description="What a service's callers get, what it waits for, how full it is and what it says.",
        variables=[variables.service(), variables.version(), variables.process()],
        sections=[
            Section("Now", _now()),
            Section("What callers get", _red()),
            Section("What it waits for", _dependencies()),
            Section("How full it is", _saturation()),
            Section("Versions, and this hour against yesterday", _comparisons()),
            Section("What it says", _logs()),
        ],
    )


def _failing(status: str, window: str) -> str:
    """The share of answers with such a status by service, 0 where there are answers and none such."""
    return f"""(sum by (service) (rate({RESPONSES}{{{REQUESTS}, {status}}}[{window}]))
        or 0 * sum by (service) (rate({RESPONSES}{{{REQUESTS}}}[{window}])))
        / (sum by (service) (rate({RESPONSES}{{{REQUESTS}}}[{window}])) > 0)"""


def _now() -> list[AnyPanel]:
    return [
        number(
            "Are all replicas up?",
            "Share of the processes whose metrics were scraped at the last try. Below 100 % a process is gone or"
            " hangs.",
            [now(f"avg by (service) (up{{{CHOSEN}}})", "{{service}}")],
            unit="percentunit",
            links=[links.runbook("ServiceDown"), links.incidents()],
            on_click=OF_SERIES,
            thresholds=UP,
            width=6,
        ),
        number(
            "How many requests does it answer?",
            "HTTP requests, RPCs and messages handled in a second, over the window.",
            [
                now(
                    f"""sum by (service) (
                        rate({LATENCY}_count{{{REQUESTS}}}[$__range])
                        or rate(grpc_server_handled_total{{{CHOSEN}}}[$__range])
                        or rate(messaging_process_duration_seconds_count{{{CHOSEN}}}[$__range]))""",
                    "{{service}}",
                )
            ],
            unit="ops",
            links=[EDGES, DJANGO],
            on_click=OF_SERIES,
            width=6,
        ),
        number(
            "Which share of requests failed?",
            "Answers with status 500 and above, of all answers in the window. Declined cards and bad input are no"
            " failures.",
            [now(_failing('status=~"5.."', "$__range"), "{{service}}")],
            unit="percentunit",
            links=[links.runbook("ServiceErrors"), ERROR_LOGS],
            on_click=OF_SERIES,
            thresholds=above("service_error_ratio"),
            width=6,
        ),
        number(
            "How long do 95 % of requests take at most?",
            "95th percentile of all HTTP requests of the window.",
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
        ),
    ]


def _red() -> list[AnyPanel]:
    return [
        series(
            "How many requests arrive, by answer?",
            "HTTP requests in a second by status class. A step down in all is missing traffic; 4xx rising alone is a"
            " client or a release that changed the API; 5xx is this service.",
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
            "Which share of requests fails, and whose fault is it?",
            "500s are the service's own fault, 502 to 504 are its answer when a dependency fails it (dashed). The red"
            " line is"
            " where the alert on its own faults fires.",
            [
                promql(_failing('status=~"5..", status!~"50[234]"', "$__rate_interval"), "{{service}} itself"),
                promql(_failing('status=~"50[234]"', "$__rate_interval"), "{{service}} for a dependency"),
            ],
            unit="percentunit",
            links=[links.runbook("ServiceErrors"), ERROR_LOGS, EDGES],
            on_click=OF_SERIES,
            thresholds=above("service_error_ratio"),
            dashed=".* for a dependency",
        ),
        series(
            "How long do requests take?",
            "Percentiles of the time from the request's first byte to the answer's last. Points are single requests:"
            " click one to open its trace.",
            quantiles(LATENCY, REQUESTS, ["service"]),
            unit="s",
            links=[LOGS],
            on_click=OF_SERIES,
        ),
        distribution(
            "How are the times spread?",
            "Requests in a second by how long they took. Two bands mean two kinds of request, a band that climbs is"
            " saturation; a percentile hides both.",
            buckets(per_second(f"{LATENCY}_bucket", REQUESTS, "le")),
            unit="s",
            links=[LOGS],
        ),
        grid(
            "Which routes are slow or fail?",
            "Each view and method over the window: rate, share of 5xx, and 95th percentile.",
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
                Column("Value #B", "Failed", unit="percentunit", thresholds=above("service_error_ratio"), width=110),
                Column("Value #C", "p95", unit="s", width=110),
            ],
            links=[DJANGO, LOGS],
            sort_by="p95",
        ),
        series(
            "Which RPCs and messages does it handle?",
            "gRPC calls by code, and messages by what became of them.",
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
            "Which of its dependencies fail?",
            "Share of calls that did not go well, as this service sees them: errors, timeouts, refused and not sent.",
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
            thresholds=above("edge_failure_ratio"),
        ),
        series(
            "Which of its dependencies are slow?",
            "95th percentile of calls as this service sees them, network and retries included. Points open their"
            " trace.",
            quantiles(EDGE, f'{CHOSEN}, outcome=~"ok|timeout"', ["service", "dependency"], (0.95,)),
            unit="s",
            links=[EDGES, links.runbook("EdgeSlow")],
            on_click=OF_SERIES,
        ),
        series(
            "How do its calls end?",
            "Calls in a second that were not ok, by outcome. refused is nobody there, timeout is there but stuck,"
            " rejected is not even sent since the deadline had passed.",
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
            "How often does it try again?",
            "Retries for each call that was needed. A retry hides a fault from users and adds to the load on what is"
            " failing.",
            [promql('edge:retries:ratio_rate1m{service=~"$service"}', "{{service}} → {{dependency}} {{protocol}}")],
            unit="percentunit",
            links=[EDGES, links.runbook("EdgeRetryAmplification")],
            on_click=OF_SERIES,
            thresholds=above("edge_retry_ratio"),
        ),
        grid(
            "Who calls it, and what do they get?",
            "The other side of its edges: callers over the window, with rate, share of failed calls and 95th percentile"
            " as they see it. Their figures worse than its own are the network, or its queue.",
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
                Column("dependency", "Called"),
                Column("protocol", "Protocol"),
                Column("Value #A", "Rate", unit="ops", decimals=2),
                Column("Value #B", "Failed", unit="percentunit", thresholds=above("edge_failure_ratio")),
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
            "How much CPU does each replica use?",
            "Cores in use. A replica is one Python process: one core is all it can use.",
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
            "How much memory does each replica use?",
            "Resident memory. A line that only climbs until a restart is a leak.",
            [promql(f"sum by (service, process) (process_resident_memory_bytes{{{CHOSEN}}})", by_process)],
            unit="bytes",
            links=[links.runbook("ServiceMemoryHigh"), links.runbook("ServiceMemoryGrowing"), LOGS],
            on_click=OF_SERIES,
            thresholds=above("service_memory_bytes"),
            width=8,
        ),
        series(
            "How often does it restart?",
            "Starts of each process. A deploy is one; three within ten minutes are a crash loop, and page.",
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
            "How many database connections are in use?",
            "Connections of the pool in use by each replica, and the pool's size as the dashed line.",
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
            "How long do threads wait for a connection?",
            "Mean time from asking the pool for a connection to having it. Waiting comes before errors.",
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
            "How many threads wait for a connection?",
            "Threads that wait for a database connection at the moment of the scrape. More than none for long is a pool"
            " that is too small, or a database that is too slow.",
            [promql(f"sum by (service, process) (db_pool_requests_waiting{{{CHOSEN}}})", by_process)],
            unit="short",
            links=[DATABASES, links.runbook("DatabasePoolWaiting")],
            on_click=OF_SERIES,
            thresholds=above("pool_waiting_threads"),
            width=8,
        ),
        series(
            "How many of its threads are busy?",
            "Requests and RPCs in hand on average: the time spent on them in a second. A replica has eight threads;"
            " near eight, the next request waits outside where no figure of this service sees it.",
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
            "How much does the garbage collector run?",
            "Collections of the oldest generation in a second, the costly ones.",
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
            "How many files and sockets are open?",
            "Open file descriptors, and the limit as the dashed line. A line that only climbs is connections that"
            " nobody closes.",
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
            "Does the new version fail more than the old?",
            "Share of answers with status 500 and above, by the version that gave them. The alert compares a new"
            " version with"
            " what ran before it.",
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
            "Is the new version slower than the old?",
            "95th percentile by the version that answered.",
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
            "Is this as much traffic as yesterday at this time?",
            "Requests in a second, and dashed the same 24 hours ago. Empty where the platform did not run then.",
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
            "Is it slower than yesterday at this time?",
            "95th percentile, and dashed the same 24 hours ago. Empty where the platform did not run then.",
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
            "How much does it log, by level?",
            "Log lines by level. Errors that rise with a deploy mark it; lines that stop while requests go on are a"
            " broken log pipeline.",
            [LogCount(LOG_FILTER, by=("log.level",))],
            unit="short",
            links=[LOGS, ERROR_LOGS],
            stacked=True,
            width=12,
        ),
        grid(
            "What goes wrong most often?",
            "The largest groups of errors of the window, by service, type and where they were logged.",
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
            "Which requests failed?",
            "The newest requests, RPCs and messages that failed. Click a trace id to open the whole trace.",
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
            "What does it say?",
            "The newest log lines of the chosen services. A line's details have its trace id as a link.",
            LogLines(LOG_FILTER),
            links=[LOGS],
        ),
    ]
