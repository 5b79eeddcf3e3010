"""Drills and load runs next to their effects: when a fault was injected, detected, paged, restored and resolved."""

from __future__ import annotations

from dashboards.builder import links
from dashboards.builder.board import Board, Section
from dashboards.builder.boards.overview import BURNING, FIRING, none_yet
from dashboards.builder.panels import AnyPanel, Column, grid, number, series, states
from dashboards.builder.queries import MARKS, LogCount, LogLines, now, promql, with_exemplars
from dashboards.builder.thresholds import above, allowed

UID = "platform-drills"

MARK_LINES = links.logs(MARKS, "Marks")
OVERVIEW = links.board("platform-overview", "Overview")
EDGES = links.board("platform-edges", "Edges")
OF_SERIES = [
    links.board("platform-service", "Service", service=links.SERVICE_OF_SERIES),
    links.traces(),
    links.failed_traces(),
    links.logs_of_series(),
]


def board() -> Board:
    return Board(
        uid=UID,
        title="Platform / Drills and load",
        description="Drills and load runs next to their effects. "
        "Purple lines are drills and load runs, red lines are alerts, blue lines are process starts.",
        window="now-30m",
        refresh="10s",
        sections=[
            Section("Timeline", _marks()),
            Section("Alerts", _alerts()),
            Section("User impact", _impact()),
            Section("Effects", _effects()),
        ],
    )


def _marks() -> list[AnyPanel]:
    return [
        grid(
            "Marks",
            "Drills (injected, detected, paged, restored, resolved), load runs (started, finished) and deployments, "
            "newest first. Every dashboard draws the same marks as purple lines.",
            [LogLines(MARKS, limit=100, raw=True)],
            [
                Column("@timestamp", "Time", width=200),
                Column("event.category", "Kind", width=90),
                Column("event.action", "Action", width=110),
                Column("message", "Message"),
            ],
            links=[MARK_LINES, OVERVIEW],
            sort_by="Time",
            width=16,
        ),
        series(
            "Marks by action",
            "Marks over time. A drill that is injected but never resolved is still running, or its runner died.",
            [LogCount(MARKS, by=("event.action",))],
            unit="short",
            links=[MARK_LINES, OVERVIEW],
            stacked=True,
            width=8,
            height=9,
        ),
    ]


def _alerts() -> list[AnyPanel]:
    return [
        states(
            "Alert states",
            "Orange is pending (waiting for its duration), red is firing. The Watchdog always fires; "
            "a gap in its bar means that Prometheus was not evaluating rules.",
            [
                promql(
                    'max by (alertname) (ALERTS{alertstate="pending"} * 1 or ALERTS{alertstate="firing"} * 2)',
                    "{{alertname}}",
                )
            ],
            names={"1": ("pending", "orange"), "2": ("firing", "red")},
            links=[links.incidents(), OVERVIEW],
            width=16,
            height=10,
        ),
        series(
            "Active and suppressed alerts",
            "Alerts in Alertmanager by state. Suppressed alerts are inhibited and don't page: "
            "one cause should send one page.",
            [promql("sum by (state) (alertmanager_alerts)", "{{state}}")],
            unit="short",
            links=[links.incidents(), links.runbook("NotificationsFailing")],
            width=8,
            height=10,
        ),
        series(
            "Notifications sent and failed",
            "Notifications by integration, and failures (dashed). The Watchdog's heartbeat is part of the webhook's.",
            [
                promql(
                    "sum by (integration) (increase(alertmanager_notifications_total[$__rate_interval])) > 0 or sum"
                    ' by (integration) (alertmanager_notifications_total{integration="webhook"}) * 0',
                    "{{integration}}",
                ),
                promql(
                    "sum by (integration)"
                    ' (increase(alertmanager_notifications_failed_total{integration="webhook"}[$__rate_interval]))',
                    "{{integration}} failed",
                ),
            ],
            unit="short",
            links=[links.runbook("NotificationsFailing"), links.incidents()],
            dashed=".* failed",
        ),
        series(
            "Firing alerts by cause",
            "Firing alerts by root service. An incident should have one cause; "
            "several at once are several faults, or a cause that the alerts don't recognise.",
            [promql(f"count by (root_service) ({FIRING}) or {none_yet('root_service')}", "{{root_service}}")],
            unit="short",
            links=[OVERVIEW, EDGES],
        ),
    ]


def _impact() -> list[AnyPanel]:
    return [
        series(
            "SLO error ratio",
            "Share of bad events of each journey over five minutes, by objective. "
            "A fault that doesn't show here did not affect users.",
            [promql("slo:bad_events:ratio_rate5m", "{{journey}} {{slo}}")],
            unit="percentunit",
            links=[OVERVIEW, links.runbook("ErrorBudgetBurnsFast")],
            on_click=OF_SERIES,
        ),
        series(
            "Burn rate (5 min)",
            "Burn rate over five minutes. At 1 the budget lasts exactly its 30 days.",
            [promql("slo:bad_events:ratio_rate5m / (1 - slo:objective:ratio)", "{{journey}} {{slo}}")],
            unit="none",
            links=[OVERVIEW, links.runbook("ErrorBudgetBurnsFast")],
            on_click=OF_SERIES,
            thresholds=BURNING,
        ),
        series(
            "Request rate",
            "HTTP requests per second by service, without health checks.",
            [promql("service:http_requests:rate1m", "{{service}}")],
            unit="reqps",
            links=[OVERVIEW, links.runbook("TrafficAbsent")],
            on_click=OF_SERIES,
            stacked=True,
            width=8,
        ),
        series(
            "Response rate by status",
            "Responses per second by status, for all services together.",
            [promql("sum by (status) (service:http_responses:rate1m)", "{{status}}")],
            unit="reqps",
            links=[OVERVIEW, links.logs("http.response.status_code >= 500", "Failed requests")],
            width=8,
        ),
        series(
            "Latency p95",
            "95th percentile of the request duration by service. Points are exemplars: click one to open its trace.",
            [
                with_exemplars(
                    promql(
                        "histogram_quantile(0.95, sum by (service, le) (rate("
                        'django_http_requests_latency_seconds_by_view_method_bucket{job="django",'
                        ' view!~"contracts[.]api[.]health.*"}[$__rate_interval])))',
                        "{{service}}",
                    )
                )
            ],
            unit="s",
            links=[OVERVIEW, links.runbook("ServiceSlow")],
            on_click=OF_SERIES,
            thresholds=above("service_slow_seconds"),
            width=8,
        ),
    ]


def _effects() -> list[AnyPanel]:
    return [
        series(
            "Edge error ratio",
            "Share of failed calls by edge and outcome. The dashed line is the alert's threshold.",
            [promql('edge:calls_by_outcome:ratio_rate1m{outcome!="ok"}', "{{service}} → {{dependency}} {{outcome}}")],
            unit="percentunit",
            links=[EDGES, links.runbook("EdgeErrors")],
            on_click=OF_SERIES,
            thresholds=allowed("edge_failure_ratio"),
            width=8,
        ),
        series(
            "Edge slow call ratio",
            "Share of successful calls that took longer than their edge's limit.",
            [promql("edge:slow_calls:ratio_rate1m", "{{service}} → {{dependency}}")],
            unit="percentunit",
            links=[EDGES, links.runbook("EdgeSlow")],
            on_click=OF_SERIES,
            thresholds=above("edge_slow_ratio"),
            width=8,
        ),
        series(
            "Queue depth and outbox size",
            "Messages ready in each queue, and events waiting in the outbox (dashed).",
            [
                promql('queue:messages_ready:sum{queue!~".*[.]dead"}', "{{queue}}"),
                promql("sum by (service) (outbox_unpublished)", "{{service}} outbox"),
            ],
            unit="short",
            links=[links.board("platform-messaging", "Messaging"), links.runbook("QueueBacklog")],
            on_click=OF_SERIES,
            thresholds=above("queue_backlog_messages"),
            dashed=".* outbox",
            width=8,
        ),
        series(
            "CPU usage",
            "CPU cores in use by each process; a process can use at most one core.",
            [promql("process:cpu_cores:rate1m", "{{process}}")],
            unit="cores",
            links=[links.board("platform-service", "Services"), links.runbook("ServiceSaturated")],
            on_click=OF_SERIES,
            thresholds=above("service_cpu_cores"),
            width=8,
        ),
        states(
            "Process availability",
            "Green while the metrics of the process could be scraped.",
            [promql('min by (service, process) (up{job="django"})', "{{process}}")],
            names={"0": ("down", "red"), "1": ("up", "green")},
            links=[links.board("platform-service", "Services"), links.runbook("ServiceDown")],
            on_click=OF_SERIES,
            width=16,
            height=8,
        ),
        number(
            "Requests and errors",
            "Requests in the time range, and those with status 500 or above.",
            [
                now(
                    'sum(increase(django_http_responses_total_by_status_view_method_total{view!~"contracts[.]api[.]health.*"}[$__range])'
                    ")",
                    "requests",
                ),
                now(
                    'sum(increase(django_http_responses_total_by_status_view_method_total{status=~"5..",'
                    ' view!~"contracts[.]api[.]health.*"}[$__range])) or vector(0)',
                    "failed",
                ),
            ],
            unit="short",
            links=[OVERVIEW, links.board("platform-django", "Django")],
            decimals=0,
            width=24,
        ),
    ]
